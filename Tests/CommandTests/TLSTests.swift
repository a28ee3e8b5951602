import Foundation
import Testing

extension CommandTests {
    @Suite("TLS", .serialized)
    struct TLSTests {
        private func counters(_ json: String) throws -> [String: Int] {
            let record = try #require(
                try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any], "\(json)")
            return try #require(record["counters"] as? [String: Int])
        }

        /// `openssl s_server` with one of the certificates, for the length of `body`.
        private func foreignServer<Result>(
            _ certificate: String, _ more: [String] = [], _ body: (_ port: UInt16, _ output: URL) async throws -> Result
        ) async throws -> Result {
            try await inFolder { folder in
                let port = try freePort()
                let output = folder.appendingPathComponent("out")
                try Data().write(to: output)
                let process = Process()
                process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                process.arguments =
                    [
                        "openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-cert",
                        try Certificates.path("\(certificate).pem"), "-key",
                        try Certificates.path("\(certificate).key"),
                    ] + more
                let input = Pipe()
                process.standardInput = input
                process.standardOutput = try FileHandle(forWritingTo: output)
                process.standardError = FileHandle.nullDevice
                try process.run()
                defer {
                    kill(process.processIdentifier, SIGKILL)
                    process.waitUntilExit()
                }
                try await until("openssl s_server to listen") { isListening(port) || !process.isRunning }
                return try await body(port, output)
            }
        }

        /// Before a server that is not ours, so that what it says of itself is not ours either.
        @Test(
            "Certificates are refused with the reason and the flag that would change it",
            arguments: [
                ("expired", "ca", ["expired on 2021-02-03 04:05:06 UTC", "--tls-insecure"]),
                (
                    "selfsigned", "ca",
                    ["is self-signed", "--tls-ca FILE with that certificate trusts it", "--tls-insecure"]
                ),
                (
                    "elsewhere", "ca",
                    ["is not for 127.0.0.1 but for", "sip.example.org", "--tls-name NAME", "--tls-insecure"]
                ),
                (
                    "oldauthority", "ca",
                    [
                        "was issued by CN=Authority of the tests, which is not a trusted authority", "--tls-ca FILE",
                        "--tls-insecure",
                    ]
                ),
            ])
        func refusals(certificate: String, authority: String, words: [String]) async throws {
            try await foreignServer(certificate) { port, _ in
                let ended = try await carillon(
                    [
                        "run", "basic-call", "127.0.0.1:\(port)", "--transport", "tls", "--calls", "20", "--rate",
                        "50/s",
                        "--no-report",
                    ] + Certificates.trusting(authority))
                #expect(ended.code == 3, "\(ended.out)\(ended.error)")
                // The screen breaks lines where they are full.
                let text = ended.out.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                for one in words {
                    #expect(
                        text.contains(one.split(separator: " ").joined(separator: " ")),
                        "\(one) is not in: \(ended.out)")
                }
                let again = try await carillon(
                    [
                        "run", "basic-call", "127.0.0.1:\(port)", "--transport", "tls", "--calls", "1",
                        "--tls-insecure",
                        "--json", "--no-report", "--t1", "50ms",
                    ])
                // What the flag promises: there is TLS, though nobody behind it speaks SIP.
                #expect(try counters(again.out)["tlsHandshakes"] == 1, "\(again.out)\(again.error)")
            }
        }

        @Test func anotherNameIsTakenWhereItIsAskedFor() async throws {
            try await foreignServer("elsewhere") { port, _ in
                let ended = try await carillon(
                    [
                        "run", "basic-call", "127.0.0.1:\(port)", "--transport", "tls", "--calls", "1", "--tls-name",
                        "sip.example.org", "--json", "--no-report", "--t1", "50ms",
                    ] + Certificates.trusting())
                #expect(try counters(ended.out)["tlsHandshakes"] == 1, "\(ended.out)\(ended.error)")
            }
        }

        /// RFC 3261 §8.1.1.8 and §26.2.2, read off what the other end decrypted.
        @Test func aSIPSURIStandsInTheMessages() async throws {
            try await foreignServer("good", ["-quiet"]) { port, output in
                _ = try await carillon(
                    [
                        "run", "basic-call", "sips:bob@127.0.0.1:\(port)", "--calls", "1", "--no-report", "--t1",
                        "50ms",
                    ] + Certificates.trusting())
                let text = try String(contentsOf: output, encoding: .utf8)
                #expect(text.hasPrefix("INVITE sips:bob@127.0.0.1:\(port) SIP/2.0\r\n"), "\(text)")
                #expect(text.contains("Via: SIP/2.0/TLS 127.0.0.1:"), "\(text)")
                #expect(text.contains("Contact: <sips:alice@127.0.0.1:"), "\(text)")
            }
        }

        @Test(arguments: [("one", 1, false), ("4", 4, false), ("per-call", 400, true)])
        func bothEnds(connections: String, handshakes: Int, resumes: Bool) async throws {
            try await inFolder { folder in
                let outcome = try await serving(
                    ["basic-call", "--transport", "tls", "--calls", "400", "--out", "record"]
                        + Certificates.own(), in: folder
                ) { _, target in
                    let ended = try await carillon(
                        [
                            "run", "basic-call", target, "--transport", "tls", "--connections", connections, "--calls",
                            "400", "--concurrency", "40", "--json", "--no-report",
                        ] + Certificates.trusting())
                    let counted = try counters(ended.out)
                    #expect(counted["runsSucceeded"] == 400 && counted["runsFailed"] == 0, "\(ended.out)")
                    #expect(counted["tlsHandshakes"] == handshakes && counted["connectionsOpened"] == handshakes)
                    #expect(counted["tlsHandshakesFailed"] == 0)
                    // Those that began before the first had brought a ticket are full ones.
                    #expect((counted["tlsResumptions"]! > 300) == resumes, "\(counted["tlsResumptions"]!)")
                }
                let counted = try #require(try record(in: folder, outcome)["counters"] as? [String: Int])
                #expect(counted["tlsHandshakes"] == handshakes && counted["runsSucceeded"] == 400)
            }
        }

        @Test func clientsAreVerifiedWhereThatIsAskedFor() async throws {
            try await inFolder { folder in
                let outcome = try await serving(
                    ["basic-call", "--transport", "tls", "--calls", "20", "--no-report", "--tls-verify-clients"]
                        + Certificates.own() + Certificates.trusting(), in: folder
                ) { _, target in
                    let call = ["run", "basic-call", target, "--transport", "tls", "--no-report"]
                    // Each opens a connection anew, after a delay that grows.
                    let without = try await carillon(call + ["--calls", "2"] + Certificates.trusting())
                    #expect(without.code != 0)
                    let text = without.out.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                    #expect(text.contains("asked for a client certificate"), "\(without.out)")
                    #expect(text.contains("--tls-cert FILE"), "\(without.out)")
                    let with = try await carillon(
                        call + ["--calls", "20"] + Certificates.trusting() + Certificates.own())
                    #expect(with.code == 0, "\(with.out)")
                }
                #expect(outcome.out.contains("20 succeeded, 0 failed"), "\(outcome.out)")
            }
        }

        @Test func twoThousandAtOnce() async throws {
            try await inFolder { folder in
                let outcome = try await serving(
                    ["basic-call", "--transport", "tls", "--calls", "2000", "--out", "record", "--trace", "off"]
                        + Certificates.own(), in: folder
                ) { server, target in
                    let ended = try await carillon(
                        [
                            "run", "basic-call", target, "--transport", "tls", "--connections", "per-call",
                            "--concurrency", "2000", "--calls", "2000", "--hold", "8s", "--json", "--no-report",
                            "--trace", "off",
                        ] + Certificates.trusting())
                    let counted = try counters(ended.out)
                    #expect(counted["runsSucceeded"] == 2000 && counted["runsFailed"] == 0, "\(ended.error)")
                    #expect(counted["tlsHandshakes"] == 2000 && counted["connectionsRefused"] == 0)
                }
                let counted = try #require(try record(in: folder, outcome)["counters"] as? [String: Int])
                #expect(counted["tlsHandshakes"] == 2000 && counted["runsSucceeded"] == 2000)
            }
        }

        /// A client that was stopped for a while says all at once what fell due meanwhile: more for each of two connections, and for
        /// the server's answers, than one write under TLS gathers, in pieces that lie apart.
        @Test func aBurstForTwoConnections() async throws {
            try await inFolder { folder in
                try """
                import ScenarioDSL
                let burst = Scenario("burst") {
                    Party("alice") {
                        Send(.options)
                        Expect(200)
                        Pause(.seconds(3))
                        Send(.message) { Body("text/plain", "\(String(repeating: "first ", count: 100))") }
                        Send(.message) { Body("text/plain", "\(String(repeating: "second ", count: 150))") }
                        Expect(200)
                        Expect(200)
                    }
                    Party("bob", .answers) {
                        Expect(.options)
                        Send(200)
                        Expect(.message)
                        Send(200)
                        Expect(.message)
                        Send(200)
                    }
                }
                """.write(to: folder.appendingPathComponent("burst.swift"), atomically: true, encoding: .utf8)
                let outcome = try await serving(
                    ["burst.swift", "--transport", "tls", "--no-report", "--trace", "off"] + Certificates.own(),
                    in: folder
                ) { server, target in
                    let caller = try Command(
                        [
                            "run", "burst.swift", target, "--transport", "tls", "--connections", "2", "--concurrency",
                            "1500", "--calls", "1500", "--no-report", "--trace", "off",
                        ] + Certificates.trusting(), in: folder)
                    try await until("the pauses to have begun") { caller.out.contains(" 1500 live") }
                    caller.signal(SIGSTOP)
                    try await Task.sleep(for: .seconds(3))
                    caller.signal(SIGCONT)
                    let ended = try await caller.end()
                    #expect(ended.out.contains("1,500 succeeded, 0 failed"), "\(ended.out)\(ended.error)")
                    server.signal(SIGINT)
                }
                #expect(outcome.out.contains("1,500 succeeded, 0 failed"), "\(outcome.out)\(outcome.error)")
            }
        }

        /// Whoever answers over all three has TLS at the next port.
        @Test func besideUDPAndTCP() async throws {
            try await inFolder { folder in
                let server = try Command(
                    ["serve", "basic-call", "--listen", "127.0.0.1:0", "--calls", "60", "--no-report"]
                        + Certificates.own(), in: folder)
                try await until("carillon serve to listen") {
                    headValue("listening", in: server.out) != nil || !server.isRunning
                }
                let line = try #require(headValue("listening", in: server.out), "\(server.error)")
                let places = line.split(separator: " ").filter { $0.hasPrefix("127.0.0.1:") }.map(String.init)
                #expect(places.count == 2 && line.hasSuffix("over TLS"), "\(line)")
                for (transport, place) in [("udp", places[0]), ("tcp", places[0]), ("tls", places[1])] {
                    let ended = try await carillon(
                        ["run", "basic-call", place, "--transport", transport, "--calls", "20", "--no-report"]
                            + (transport == "tls" ? Certificates.trusting() : []))
                    #expect(ended.code == 0 || ended.isStarved, "\(transport): \(ended.out)\(ended.error)")
                }
                let ended = try await server.end()
                #expect(ended.out.contains("60 succeeded, 0 failed"), "\(ended.out)")
            }
        }

        /// What is no TLS, or stops within it, costs nobody else anything.
        @Test func hostilePeers() async throws {
            try await inFolder { folder in
                let outcome = try await serving(
                    ["basic-call", "--transport", "tls", "--out", "record", "--trace", "off"] + Certificates.own(),
                    in: folder
                ) { server, target in
                    let caller = try Command(
                        [
                            "run", "basic-call", target, "--transport", "tls", "--calls", "300", "--concurrency", "4",
                            "--hold",
                            "20ms", "--no-report", "--trace", "off",
                        ] + Certificates.trusting(), in: folder)
                    var silent: [StreamPeer] = []
                    for number in 0..<40 {
                        let peer = try StreamPeer(to: target)
                        switch number % 4 {
                        case 0: try peer.send("OPTIONS sip:x SIP/2.0\r\n\r\n")
                        case 1: try peer.send("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}")
                        case 2: break
                        default: try peer.send(String(repeating: "\u{7F}", count: 5000))
                        }
                        if number % 4 == 2 { silent.append(peer) } else { peer.stop() }
                    }
                    let ended = try await caller.end()
                    #expect(ended.code == 0 || ended.isStarved, "\(ended.out)\(ended.error)")
                    #expect(ended.out.contains("300 succeeded, 0 failed"), "\(ended.out)")
                    for peer in silent { peer.stop() }
                    try await until("the silent ones to be noticed") { silent.count == 10 }
                    server.signal(SIGINT)
                }
                let counted = try #require(try record(in: folder, outcome)["counters"] as? [String: Int])
                #expect(counted["tlsHandshakesFailed"]! >= 30 && counted["runsFailed"] == 0, "\(counted)")
                #expect(counted["runsSucceeded"] == 300)
            }
        }

        /// Half a record is nothing to read: whoever sends one and waits keeps nobody else waiting.
        @Test func halfARecord() async throws {
            try await inFolder { folder in
                let script = folder.appendingPathComponent("half.py")
                try """
                import socket, ssl, sys, time
                context = ssl.create_default_context(cafile=sys.argv[2])
                context.check_hostname = False
                host, port = sys.argv[1].split(":")
                into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
                session = context.wrap_bio(into, out)
                peer = socket.create_connection((host, int(port)))
                while True:
                    try:
                        session.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        peer.sendall(out.read())
                        into.write(peer.recv(65536))
                peer.sendall(out.read())
                session.write(b"OPTIONS sip:a SIP/2.0\\r\\n" * 10)
                record = out.read()
                peer.sendall(record[:len(record) // 2])
                print("half", flush=True)
                time.sleep(60)
                """.write(to: script, atomically: true, encoding: .utf8)
                let outcome = try await serving(
                    ["basic-call", "--transport", "tls", "--out", "record", "--trace", "off"] + Certificates.own(),
                    in: folder
                ) { server, target in
                    let peer = Process()
                    peer.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                    peer.arguments = ["python3", script.path, target, try Certificates.path("ca.pem")]
                    let said = Pipe()
                    peer.standardOutput = said
                    try peer.run()
                    defer { kill(peer.processIdentifier, SIGKILL) }
                    #expect(said.fileHandleForReading.firstLine() == "half")
                    let ended = try await carillon(
                        ["run", "basic-call", target, "--transport", "tls", "--calls", "100", "--json", "--no-report"]
                            + Certificates.trusting())
                    #expect(try counters(ended.out)["runsSucceeded"] == 100, "\(ended.out)")
                    server.signal(SIGINT)
                }
                let record = try record(in: folder, outcome)
                let counted = try #require(record["counters"] as? [String: Int])
                #expect(counted["runsSucceeded"] == 100)
                // A worker that spun would have worked all the time.
                #expect(counted["busyNanoseconds"]! * 2 < counted["wallNanoseconds"]!, "\(counted)")
            }
        }

        /// What waits while TLS is agreed on, and is more than the kernel takes at once, leaves when that takes more.
        @Test func muchWaitsForTheHandshake() async throws {
            try await inFolder { folder in
                let script = folder.appendingPathComponent("slow.py")
                try """
                import re, socket, ssl, sys, time
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(sys.argv[1], sys.argv[2])
                listener = socket.socket()
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
                listener.bind(("127.0.0.1", 0))
                listener.listen(5)
                print(listener.getsockname()[1], flush=True)
                peer, _ = listener.accept()
                time.sleep(1.5)
                peer = context.wrap_socket(peer, server_side=True)
                kept = b""
                while True:
                    part = peer.recv(65536)
                    if not part: break
                    kept += part
                    while b"\\r\\n\\r\\n" in kept:
                        head, kept = kept.split(b"\\r\\n\\r\\n", 1)
                        lines = [line for line in head.split(b"\\r\\n") if re.match(b"(Via|From|To|Call-ID|CSeq):", line)]
                        lines = [line + b";tag=1" if line.startswith(b"To:") else line for line in lines]
                        peer.sendall(b"\\r\\n".join([b"SIP/2.0 200 OK"] + lines + [b"Content-Length: 0", b"", b""]))
                """.write(to: script, atomically: true, encoding: .utf8)
                let peer = Process()
                peer.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                peer.arguments = [
                    "python3", script.path, try Certificates.path("good.pem"), try Certificates.path("good.key"),
                ]
                let said = Pipe()
                peer.standardOutput = said
                try peer.run()
                defer { kill(peer.processIdentifier, SIGKILL) }
                let port = said.fileHandleForReading.firstLine()
                let ended = try await carillon(
                    [
                        "run", "options-ping", "127.0.0.1:\(port)", "--transport", "tls", "--calls", "300",
                        "--concurrency", "300", "--header", "X-Pad: \(String(repeating: "a", count: 3000))", "--json",
                        "--no-report", "--t1", "500ms",
                    ] + Certificates.trusting())
                #expect(try counters(ended.out)["runsSucceeded"] == 300, "\(ended.error)")
            }
        }

        @Test(
            "Files that are of no use, and flags without TLS, are told before anything begins",
            arguments: [
                (["--transport", "tls", "--tls-ca", "nowhere.pem"], Int32(69), "--tls-ca nowhere.pem"),
                (["--tls-insecure"], 64, "add --transport tls"),
                (["--transport", "tls", "--tls-insecure", "--tls-name", "a"], 64, "--tls-insecure"),
                (["--transport", "tls", "--tls-min", "0.9"], 64, "--tls-min 0.9"),
            ])
        func unusable(arguments: [String], code: Int32, words: String) async throws {
            let ended = try await carillon(
                ["run", "basic-call", "127.0.0.1:9", "--calls", "1", "--no-report"] + arguments)
            #expect(ended.code == code, "\(ended.out)\(ended.error)")
            #expect(ended.error.contains(words), "\(ended.error)")
        }

        @Test func whoAnswersNeedsACertificate() async throws {
            let ended = try await carillon(["serve", "basic-call", "--listen", "127.0.0.1:0", "--transport", "tls"])
            #expect(ended.code == 64 && ended.error.contains("--tls-cert FILE"), "\(ended.error)")
            let last = try await carillon(
                ["serve", "basic-call", "--listen", "127.0.0.1:65535"] + Certificates.own())
            #expect(last.code == 64 && last.error.contains("none after 65535"), "\(last.error)")
            let both = try await carillon(["run", "basic-call", "--transport", "tls", "--calls", "1", "--no-report"])
            #expect(both.code == 64 && both.error.contains("--tls-cert FILE"), "\(both.error)")
        }
    }
}
