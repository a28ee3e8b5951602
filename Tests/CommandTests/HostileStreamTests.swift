import Foundation
import Testing

extension CommandTests {
    /// What peers do to connections, while calls go on beside them (RFC 3261 §18.3).
    @Suite("Hostile streams", .serialized)
    struct HostileStreamTests {
        /// Far above what a server with all its tables takes, far below what a peer could make it keep.
        private static let memory = 400 << 20

        /// `carillon serve` while `body` annoys it and 300 calls go on over a connection of their own. None of these may fail.
        ///
        /// - Returns: what the server counted: its counters, and malformed messages by the rule's name.
        private func annoyed(
            calls: Int = 300, _ body: (_ target: String, _ server: Command) throws -> Void
        ) async throws -> (counters: [String: Int], faults: [String: Int]) {
            try await inFolder { folder in
                var peak = 0
                let outcome = try await serving(["basic-call", "--out", "record", "--trace", "off"], in: folder) {
                    server, target in
                    let caller = try Command(
                        [
                            "run", "basic-call", target, "--transport", "tcp", "--calls", "\(calls)", "--concurrency",
                            "4",
                            "--hold", "20ms", "--no-report", "--trace", "off",
                        ], in: folder)
                    do {
                        try body(target, server)
                    } catch {
                        caller.signal(SIGKILL)
                        throw error
                    }
                    let ended = try await caller.end()
                    #expect(ended.code == 0 || ended.isStarved, "\(ended.out)\(ended.error)")
                    #expect(ended.out.contains("\(calls) succeeded, 0 failed"), "\(ended.out)")
                    peak = try ProcessFacts.peakMemory(server.identifier)
                    server.signal(SIGINT)
                }
                #expect(peak < Self.memory, "\(peak >> 20) MiB")
                return try Self.account(of: folder, outcome)
            }
        }

        private static func account(
            of folder: URL, _ outcome: Command.Outcome
        ) throws -> ([String: Int], [String: Int]) {
            let record = try record(in: folder, outcome)
            let counters = try #require(record["counters"] as? [String: Int])
            let malformed = try #require(record["malformed"] as? [[String: Any]])
            var faults: [String: Int] = [:]
            for fault in malformed {
                guard let name = fault["name"] as? String, let count = fault["count"] as? Int, count > 0 else {
                    continue
                }
                faults[name.hasPrefix("stream, ") ? String(name.dropFirst(8).prefix { $0 != ":" }) : name] = count
            }
            return (counters, faults)
        }

        @Test func octetByOctet() async throws {
            let seen = try await annoyed { target, _ in
                let peer = try StreamPeer(to: target)
                for octet in StreamPeer.options(1).utf8 { try peer.send(String(UnicodeScalar(octet))) }
                #expect(peer.responses(200) == 1)
            }
            #expect(seen.faults.isEmpty)
        }

        @Test func manyMessagesInOneSegment() async throws {
            let seen = try await annoyed { target, _ in
                let peer = try StreamPeer(to: target)
                try peer.send((1...200).map { StreamPeer.options($0) }.joined())
                #expect(peer.responses(200, atLeast: 200) == 200)
                // Keep-alives between messages: each ping has its pong (RFC 5626 §4.4.1).
                try peer.send("\r\n\r\n" + StreamPeer.options(300) + "\r\n\r\n")
                var text = ""
                func aside() -> String? {
                    guard let start = text.range(of: "SIP/2.0 200 "),
                        let end = text.range(of: "\r\n\r\n", range: start.upperBound..<text.endIndex)
                    else { return nil }
                    return String(text[..<start.lowerBound] + text[end.upperBound...])
                }
                while aside() != "\r\n\r\n", let more = peer.receive() { text += more }
                #expect(aside() == "\r\n\r\n")
            }
            #expect(seen.faults.isEmpty)
            #expect(seen.counters["pingsReceived"] == 2)
        }

        @Test func noContentLength() async throws {
            let seen = try await annoyed { target, _ in
                let peer = try StreamPeer(to: target)
                try peer.send(StreamPeer.options(1, length: nil) + StreamPeer.options(2))
                #expect(peer.responses(200, atLeast: 2) == 2)
            }
            #expect(seen.faults["lengthMissing"] == 1)
        }

        @Test(arguments: [
            ("Content-Length: many", "lengthNotNumber"), ("Content-Length: 3\r\nl: 4", "lengthsDiffer"),
            ("Content-Length: 1073741824", "bodyFarTooLong"),
        ])
        func lengthThatEndsTheConnection(length: String, rule: String) async throws {
            let seen = try await annoyed { target, _ in
                for _ in 1...3 {
                    let peer = try StreamPeer(to: target)
                    try peer.send(StreamPeer.options(1, length: length))
                    #expect(peer.isEnded())
                }
            }
            #expect(seen.faults[rule] == 3)
            #expect(seen.counters["connectionsReset"] == 3)
        }

        @Test func tenMegabytesArePassedOver() async throws {
            let seen = try await annoyed { target, _ in
                let peer = try StreamPeer(to: target)
                try peer.send(StreamPeer.options(1, length: "Content-Length: 10000000"))
                let part = String(repeating: "x", count: 100_000)
                for _ in 1...100 { try peer.send(part) }
                try peer.send(StreamPeer.options(2))
                #expect(peer.responses(200) == 1)
            }
            #expect(seen.faults["bodyTooLong"] == 1)
        }

        @Test func noSIPAtAll() async throws {
            let seen = try await annoyed { target, _ in
                for text in ["\u{16}\u{03}\u{01}\u{02}\u{00}", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
                    let peer = try StreamPeer(to: target)
                    try peer.send(text)
                    #expect(peer.isEnded())
                }
            }
            #expect(seen.faults["startOctet"] == 1 && seen.faults["startLine"] == 1)
        }

        @Test func peersThatDoNotRead() async throws {
            let seen = try await annoyed(calls: 600) { target, _ in
                let peers = try (1...8).map { _ in try StreamPeer(to: target, receiveBuffer: 4096) }
                let flood = (1...100).map { StreamPeer.options($0) }.joined()
                // Some ten megabytes of requests each, whose answers nobody takes.
                for _ in 1...250 {
                    for peer in peers { _ = peer.sendWhatFits(flood) }
                    usleep(2000)
                }
                #expect(peers.count == 8)
            }
            #expect(try #require(seen.counters["messagesReceived"]) > 1800)
        }

        @Test func halfAMessageOnFiveHundredConnections() async throws {
            let seen = try await annoyed { target, _ in
                let half = StreamPeer.options(1, length: "X-Long: " + String(repeating: "y", count: 3000))
                let peers = try (1...500).map { _ in try StreamPeer(to: target) }
                for peer in peers { try peer.send(String(half.dropLast(4))) }
                // A last one is still heard whole.
                let good = try StreamPeer(to: target)
                try good.send(StreamPeer.options(2))
                #expect(good.responses(200) == 1)
            }
            #expect(seen.faults["endedWithinMessage"] == 500)
        }

        @Test func resetInTheMiddleOfAMessage() async throws {
            let seen = try await annoyed { target, _ in
                for number in 1...20 {
                    let peer = try StreamPeer(to: target)
                    try peer.send(StreamPeer.options(number) + "OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP")
                    #expect(peer.responses(200) == 1)
                    peer.reset()
                }
            }
            #expect(seen.faults["endedWithinMessage"] == 20)
            #expect(seen.counters["connectionsReset"] == 20)
        }
    }

    /// What becomes of our calls when the called side breaks the connection.
    @Suite("Connections that break", .serialized)
    struct BrokenConnectionTests {
        @Test(arguments: [
            ("closes", "the connection closed by the peer"), ("resets", "Connection reset by peer"),
            ("garbage", "cannot be read as SIP: expected"),
            ("alerts", "the server speaks TLS on this port: --transport tls"),
        ])
        func theReasonIsNamed(way: String, reason: String) async throws {
            let (listener, port) = try StreamPeer.listener()
            try await inFolder { folder in
                let caller = try Command(
                    [
                        "run", "basic-call", "sip:127.0.0.1:\(port);transport=tcp", "--no-report", "--trace", "off",
                    ], in: folder)
                let peer = try listener.accept()
                let invite = try #require(peer.receive())
                #expect(invite.contains("Via: SIP/2.0/TCP ") && invite.contains(";transport=tcp>"))
                try peer.send(Peer.response("180 Ringing", to: invite))
                try await until("the answer to be read") { peer.isAcknowledged }
                switch way {
                case "closes": peer.halfClose()
                case "resets": peer.reset()
                case "alerts": try peer.send("\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}F")
                default: try peer.send("\u{1}\u{2}\u{3} no SIP")
                }
                let ended = try await caller.end()
                #expect(ended.code == 1, "\(ended.out)")
                #expect(ended.out.contains(reason), "\(ended.out)")
            }
        }

        @Test func theNextCallTakesANewConnection() async throws {
            let (listener, port) = try StreamPeer.listener()
            try await inFolder { folder in
                let caller = try Command(
                    [
                        "run", "options-ping", "127.0.0.1:\(port)", "--transport", "tcp", "--calls", "3", "--rate",
                        "2/s",
                        "--arrivals", "uniform", "--no-report", "--trace", "off",
                    ], in: folder)
                for number in 1...3 {
                    let peer = try listener.accept()
                    let request = try #require(peer.receive())
                    if number == 2 {
                        peer.reset()
                    } else {
                        try peer.send(Peer.response("200 OK", to: request))
                        try await until("the answer to be read") { peer.isAcknowledged }
                        peer.halfClose()
                    }
                }
                let ended = try await caller.end()
                #expect(ended.out.contains("2 succeeded, 1 failed"), "\(ended.out)")
                #expect(ended.out.contains("3 opened"), "\(ended.out)")
            }
        }

        @Test func aServerThatWasAwayIsFoundAgain() async throws {
            var (listener, port) = try StreamPeer.listener()
            try await inFolder { folder in
                let caller = try Command(
                    [
                        "run", "options-ping", "127.0.0.1:\(port)", "--transport", "tcp", "--calls", "16", "--rate",
                        "4/s",
                        "--arrivals", "uniform", "--no-report", "--trace", "off",
                    ], in: folder)
                var peer = try listener.accept()
                try peer.send(Peer.response("200 OK", to: try #require(peer.receive())))
                try await until("the answer to be read") { peer.isAcknowledged }
                listener.stop()
                peer.stop()
                // Five calls find nobody.
                try await Task.sleep(for: .milliseconds(1300))
                (listener, port) = try StreamPeer.listener(at: port)
                peer = try listener.accept()
                while caller.isRunning, let request = peer.receive() {
                    for one in request.components(separatedBy: "\r\n\r\n") where !one.isEmpty {
                        try peer.send(Peer.response("200 OK", to: one))
                    }
                }
                let ended = try await caller.end()
                #expect(ended.out.contains("Connection refused"), "\(ended.out)")
                #expect(ended.out.contains("2 opened"), "\(ended.out)")
                let succeeded = (8...15).contains { ended.out.contains("\($0) succeeded") }
                #expect(succeeded, "\(ended.out)")
            }
        }

        /// A call of its own connection each, and none of them can even be begun: no route, or no descriptor left.
        @Test("What fails at once fails its call, and no more", arguments: ["no route", "no descriptor"])
        func failsAtOnce(why: String) async throws {
            if why == "no route" {
                let ended = try await carillon([
                    "run", "options-ping", "255.255.255.255:9", "--local", "127.0.0.1", "--transport", "tcp",
                    "--connections",
                    "per-call", "--concurrency", "50", "--calls", "400", "--yes-load", "--no-report",
                ])
                #expect(ended.code == 3 && ended.out.contains("400 failed"), "\(ended.code) \(ended.out)\(ended.error)")
                return
            }
            let outcome = try await serving("basic-call", calls: 10) { target in
                try await inFolder { folder in
                    let ended = try await Command(
                        [
                            "run", "basic-call", target, "--transport", "tcp", "--connections", "per-call",
                            "--concurrency", "200", "--calls", "400", "--hold", "300ms", "--no-report",
                        ], in: folder, limits: ["-Sn 90", "-Hn 90"]
                    ).end()
                    #expect(ended.code == 3 && ended.out.contains("descriptors ran out"), "\(ended.out)\(ended.error)")
                }
            }
            #expect(outcome.code == 0 || outcome.isStarved, "\(outcome.out)\(outcome.error)")
        }

        /// Who sends INVITEs without end and reads nothing fills its own connection's queue.
        @Test func aPeerThatFloodsAndNeverReads() async throws {
            try await inFolder { folder in
                let outcome = try await serving(
                    ["basic-call", "--no-report", "--trace", "off", "--gso", "off"], in: folder
                ) { server, target in
                    let peer = try StreamPeer(to: target)
                    var number = 0
                    let end = ContinuousClock.now + .seconds(4)
                    while ContinuousClock.now < end, server.isRunning {
                        var text = ""
                        for _ in 0..<50 {
                            number += 1
                            text += [
                                "INVITE sip:bob@127.0.0.1 SIP/2.0",
                                "Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK\(number)",
                                "Max-Forwards: 70", "From: <sip:a@127.0.0.1>;tag=\(number)", "To: <sip:bob@127.0.0.1>",
                                "Call-ID: flood\(number)", "CSeq: 1 INVITE",
                                "Contact: <sip:a@127.0.0.1:9;transport=tcp>",
                                "Content-Length: 0", "", "",
                            ].joined(separator: "\r\n")
                        }
                        guard (try? peer.send(text)) != nil else { break }
                    }
                    let ended = try await carillon([
                        "run", "basic-call", target, "--transport", "tcp", "--calls", "5", "--no-report",
                    ])
                    #expect(ended.out.contains("5 succeeded, 0 failed"), "\(ended.out)")
                    peer.stop()
                    server.signal(SIGINT)
                }
                #expect(outcome.code == 130, "\(outcome.code) \(outcome.out)\(outcome.error)")
            }
        }

        @Test func nobodyListens() async throws {
            let port = try freePort()
            let ended = try await carillon([
                "run", "basic-call", "127.0.0.1:\(port)", "--transport", "tcp", "--rate", "50/s", "--for", "5s",
                "--no-report",
            ])
            #expect(ended.code == 3, "\(ended.out)")
            let text = ended.out.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            for words in [
                "no connection could be set up in the first second", "no connection stood:", "No call reached the peer",
                "of those sent never left: no connection stood",
            ] { #expect(text.contains(words), "\(ended.out)") }
        }

        @Test func ourPingsAreAnswered() async throws {
            let (listener, port) = try StreamPeer.listener()
            try await inFolder { folder in
                let caller = try Command(
                    [
                        "run", "basic-call", "127.0.0.1:\(port)", "--transport", "tcp", "--keep-alive", "1s",
                        "--no-report", "--trace", "off",
                    ], in: folder)
                let peer = try listener.accept()
                let invite = try #require(peer.receive())
                try peer.send(Peer.response("180 Ringing", to: invite))
                #expect(peer.receive() == "\r\n\r\n")
                try peer.send("\r\n")
                try peer.send(Peer.response("486 Busy Here", to: invite))
                #expect(try #require(peer.receive()).hasPrefix("ACK "))
                let ended = try await caller.end()
                #expect(ended.code == 1 && ended.out.contains("1 pong"), "\(ended.out)")
            }
        }
    }

    /// Whether a process may have so many descriptors.
    private static func hasDescriptors(_ count: rlim_t) -> Bool {
        var limit = rlimit()
        return getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 && limit.rlim_max >= count
    }

    @Suite("Many connections", .serialized)
    struct ManyConnectionTests {
        @Test("So many at once, each call by its own", .enabled(if: hasDescriptors(10_500)), arguments: [10_000])
        func atOnce(most: Int) async throws {
            try await inFolder { folder in
                let outcome = try await serving(
                    ["basic-call", "--calls", "\(most)", "--out", "record", "--trace", "off"], in: folder
                ) { _, target in
                    let ended = try await carillon(
                        [
                            "run", "basic-call", target, "--transport", "tcp", "--connections", "per-call",
                            "--concurrency", "\(most)", "--calls", "\(most)", "--hold", "12s", "--json", "--no-report",
                            "--trace", "off",
                        ], in: folder)
                    let record = try #require(
                        try JSONSerialization.jsonObject(with: Data(ended.out.utf8)) as? [String: Any], "\(ended.error)"
                    )
                    let counters = try #require(record["counters"] as? [String: Int])
                    #expect(counters["connectionsOpened"] == most && counters["runsSucceeded"] == most)
                    #expect(counters["runsFailed"] == 0 && counters["connectionsRefused"] == 0)
                    let intervals = try #require(record["intervals"] as? [[String: Any]])
                    #expect(intervals.compactMap { $0["mostLiveRuns"] as? Int }.max() == most, "\(intervals)")
                }
                let record = try record(in: folder, outcome)
                let counters = try #require(record["counters"] as? [String: Int])
                #expect(counters["connectionsAccepted"] == most && counters["runsSucceeded"] == most)
            }
        }

        @Test func eachTransportIsAnsweredAsItAsked() async throws {
            let outcome = try await serving("basic-call", calls: 60) { target in
                for (way, connections) in [("udp", nil), ("tcp", "one"), ("tcp", "per-call")] as [(String, String?)] {
                    let ended = try await carillon(
                        [
                            "run", "basic-call", target, "--transport", way, "--calls", "20", "--concurrency", "2",
                            "--no-report",
                        ]
                            + (connections.map { ["--connections", $0] } ?? []))
                    #expect(ended.code == 0 || ended.isStarved, "\(ended.out)")
                    #expect(ended.out.contains("20 succeeded, 0 failed"), "\(ended.out)")
                }
            }
            #expect(outcome.out.contains("60 succeeded, 0 failed"), "\(outcome.out)")
            #expect(outcome.head("listening")?.hasSuffix("over UDP and TCP") == true)
        }
    }
}

/// What a command left in its folder's `record`.
func record(in folder: URL, _ outcome: Command.Outcome) throws -> [String: Any] {
    let file = folder.appendingPathComponent("record/run.json")
    let data = try #require(try? Data(contentsOf: file), "\(outcome.out)\(outcome.error)")
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
}
