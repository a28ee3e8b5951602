import Foundation
import Testing

private let canRun = CarillonCommand.runs && isInstalled("sipp")

/// Our media against software nobody here wrote.
@Suite(.serialized, .enabled(if: canRun, "needs carillon run and sipp"), .timeLimit(.minutes(5)))
struct MediaInteropTests {
    private static func call(_ port: UInt16, calls: Int, _ more: [String]) throws -> ChildProcess {
        try ChildProcess(
            "carillon-caller",
            [
                CarillonCommand.path, "run", Repository.fixture("tone-call.swift"), "127.0.0.1:\(port)", "--local",
                "127.0.0.1:\(try UDPPorts.free())", "--concurrency", "\(calls)", "--calls", "\(calls)", "--gso", "off",
                "--media-ports", "64", "--out", "record",
            ] + more)
    }

    @Test func `SIPp sends our tone back, packet for packet`() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), media = try UDPPorts.freePair()
            let echo = start(try await SIPp.callee(on: port, calls: 10, ["-rtp_echo", "-mp", "\(media)"]))
            let caller = start(try Self.call(port, calls: 10, []))
            let (record, calls) = try await CarillonCommand.succeeded(caller)
            #expect(calls == 10)
            let sent = try record.media("packetsSent"), came = try record.media("packetsReceived")
            #expect(sent > 0 && came > 0)
            // What has not come is not known to be lost, and nothing comes that was not sent. (After a call anybody may send to its port.)
            #expect(came <= sent)
            #expect(try record.media("streamsReceived") == 10)
            #expect(try record.media("octetsReceived") == came * 160)
            #expect(try record.media("packetsDuplicated") == 0 && record.media("packetsNotRTP") == 0)
            #expect(try record.media("packetsFromOthers") == 0)
            _ = echo
        }
    }

    @Test(.enabled(if: Baresip.isInstalled, "needs baresip (Debian: baresip-core)"))
    func `a phone hears us and talks`() async throws {
        try await withProcesses { start in
            let phone = try await Baresip(start)
            let caller = start(
                try ChildProcess(
                    "caller",
                    [
                        CarillonCommand.path, "run", Repository.fixture("tone-call.swift"), "127.0.0.1:\(phone.port)",
                        "--to", "sip:bob@127.0.0.1:\(phone.port)", "--concurrency", "1", "--calls", "2", "--set",
                        "talk=2s",
                        "--media-ports", "8", "--out", "record",
                    ]))
            let (record, calls) = try await CarillonCommand.succeeded(caller)
            #expect(calls == 2)
            #expect(try record.media("packetsSent") > 0)
            #expect(try record.media("packetsReceived") > 0 && record.media("streamsReceived") >= 2)
            #expect(try record.media("packetsNotRTP") == 0 && record.media("icmpErrors") == 0)
            // In its words: it has heard us.
            try await phone.said("incoming rtp for 'audio' established", times: 2)
        }
    }

    /// `tshark -z rtp,streams` counts by the packets on the wire what we count by those in our sockets.
    @Test(.enabled(if: WireCapture.isPossible, "needs tshark and root"))
    func `loss and jitter are those that tshark finds`() async throws {
        try await withProcesses { start in
            let first = try Self.fourPorts(), ours = try UDPPorts.free()
            let media = [first, first + 2]
            let capture = try await WireCapture(ports: media, start)
            let both = start(
                try ChildProcess(
                    "both",
                    [
                        CarillonCommand.path, "run", Repository.fixture("tone-call.swift"), "--local",
                        "127.0.0.1:\(ours)",
                        "--concurrency", "1", "--calls", "1", "--set", "talk=2s", "--media-ports",
                        "\(first)-\(first + 3)",
                        "--out", "record",
                    ]))
            let (record, _) = try await CarillonCommand.succeeded(both)
            let seen = try await capture.stop()
            let table = try await outputOf(
                ["tshark", "-n", "-r", seen.file.path] + media.flatMap { ["-d", "udp.port==\($0),rtp"] }
                    + ["-q", "-z", "rtp,streams"], within: .seconds(120))
            let streams = try RTPStream.read(table)
            #expect(streams.count == 2, "\(table)")
            let packets = streams.map(\.packets).reduce(0, +), lost = streams.map(\.lost).reduce(0, +)
            #expect(try packets == record.media("packetsSent"))
            #expect(try packets == record.media("packetsReceived") + record.media("packetsAfterEnd"))
            #expect(try lost == 0 && record.media("packetsLost") == 0)
            // Its stamps are taken a little before ours, and its words have three places of a millisecond.
            let largest = streams.map(\.maximumJitter).max() ?? 0
            let mean = streams.map { $0.meanJitter * Double($0.packets) }.reduce(0, +) / Double(max(packets, 1))
            let ourLargest = Double(try record.media("largestJitterNanoseconds")) / 1e6
            let ourMean = Double(try record.media("meanJitterNanoseconds")) / 1e6
            #expect(abs(largest - ourLargest) < 0.05 + largest / 5, "\(largest) ms, \(ourLargest) ms")
            #expect(abs(mean - ourMean) < 0.05 + mean / 5, "\(mean) ms, \(ourMean) ms")
        }
    }

    /// An even port and the three after it.
    private static func fourPorts() throws -> UInt16 {
        for _ in 0..<1000 {
            let port = try UDPPorts.free()
            if port % 2 == 0, port < 31_990, (1...3).allSatisfy({ !UDPPorts.isBound(port + $0) }) { return port }
        }
        throw InteropError("no four free ports in a row")
    }
}

/// A line of `tshark -z rtp,streams`.
private struct RTPStream {
    var packets: Int, lost: Int
    /// Milliseconds.
    var meanJitter: Double, maximumJitter: Double

    /// Start, end, source and port, destination and port, SSRC, payload, packets, `0 (0.0%)`, three deltas, three jitters.
    static func read(_ table: String) throws -> [RTPStream] {
        try table.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ").map(String.init)
            guard let place = words.firstIndex(where: { $0.hasPrefix("0x") }) else { return nil }
            guard words.count >= place + 11, let packets = Int(words[place + 2]), let lost = Int(words[place + 3]),
                let mean = Double(words[place + 9]), let most = Double(words[place + 10])
            else { throw InteropError("unexpected line of tshark: \(line)") }
            return RTPStream(packets: packets, lost: lost, meanJitter: mean, maximumJitter: most)
        }
    }
}
