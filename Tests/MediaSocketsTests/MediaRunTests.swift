import CarillonKit
import Measurement
import MediaSockets
import SIPWire
import ScenarioDSL
import Testing

/// Calls of both sides in one process whose media go over the loopback interface.
@Suite("Runs with media", .timeLimit(.minutes(2)))
struct MediaRunTests {
    private static func call(_ caller: SendMedia.Sound, _ callee: SendMedia.Sound) -> Scenario {
        Scenario("media") {
            Party("alice") {
                Send(.invite) { Offer(.audio(.pcma, .pcmu)) }
                Expect(200)
                Send(.ack)
                SendMedia(caller)
                Pause(.milliseconds(700))
                SendMedia(.nothing)
                Pause(.milliseconds(300))
                Send(.bye)
                Expect(200)
            }
            Party("bob") {
                Expect(.invite)
                Send(200) { Answer() }
                SendMedia(callee)
                Expect(.ack)
                Expect(.bye)
                Send(200)
            }
        }
    }

    private static func play(
        _ scenario: Scenario, calls: UInt64, change: (inout ScenarioRun) -> Void = { _ in }
    ) throws -> RunRecord {
        var run = ScenarioRun(scenario)
        run.load = .closed(concurrency: Int(calls))
        run.calls = calls
        run.mediaPorts = .pairs(64)
        change(&run)
        let record = try run.start().record
        #expect(record[.runsSucceeded] == calls)
        return record
    }

    @Test func `a tone both ways comes whole`() throws {
        let record = try Self.play(Self.call(.tone, .tone), calls: 8)
        let media = try #require(record.media)
        #expect(media.mostPortPairsInUse == 16)
        #expect(media.streamsSent == 16 && media.streamsReceived == 16)
        #expect(media.packetsSent > 0)
        #expect(media.packetsReceived + media.packetsAfterEnd == media.packetsSent)
        #expect(media.packetsLost == 0 && media.packetsOutOfOrder == 0 && media.packetsDuplicated == 0)
        #expect(media.packetsFromOthers == 0 && media.packetsNotRTP == 0 && media.icmpErrors == 0)
        #expect(media.octetsSent == media.packetsSent * 160)
        #expect(media.cpuNanoseconds > 0)
    }

    @Test func `an echo gives back all that a caller sends`() throws {
        let record = try Self.play(Self.call(.tone, .echo), calls: 4)
        let media = try #require(record.media)
        // Half of what is sent is the echo of the other half.
        #expect(media.packetsSent > 0 && media.packetsSent % 2 == 0)
        #expect(media.packetsReceived + media.packetsAfterEnd == media.packetsSent)
        #expect(media.streamsReceived == 8 && media.packetsLost == 0)
    }

    @Test func `without a SendMedia nothing is bound, unless it is asked for`() throws {
        let silent = Scenario("silent") {
            Party("alice") {
                Send(.invite) { Offer(.audio(.pcmu)) }
                Expect(200)
                Send(.ack)
                Send(.bye)
                Expect(200)
            }
            Party("bob") {
                Expect(.invite)
                Send(200) { Answer() }
                Expect(.ack)
                Expect(.bye)
                Send(200)
            }
        }
        #expect(try Self.play(silent, calls: 1).media == nil)
        #expect(try Self.play(Self.call(.tone, .tone), calls: 1) { $0.media = .off }.media == nil)
        let absorbed = try #require(try Self.play(silent, calls: 3) { $0.media = .absorb }.media)
        #expect(absorbed.portPairs == 64 && absorbed.mostPortPairsInUse == 6 && absorbed.packetsReceived == 0)
    }

    @Test func `two workers have ports of their own`() throws {
        let record = try Self.play(Self.call(.silence, .silence), calls: 8) { $0.workers = 2 }
        let media = try #require(record.media)
        #expect(media.streamsSent == 16 && media.packetsLost == 0)
        #expect(media.packetsReceived + media.packetsAfterEnd == media.packetsSent)
    }

    @Test func `media leave from the address that the description names`() throws {
        let record = try Self.play(Self.call(.tone, .tone), calls: 6) {
            var sources = SourceAddresses()
            try? sources.add("127.0.7.0/29")
            $0.sources = sources
            $0.local = .unspecified(isIPv6: false, port: 0)
        }
        let media = try #require(record.media)
        #expect(media.packetsReceived > 0 && media.packetsFromOthers == 0)
    }

    @Test func `too few ports fail calls and make the run invalid`() throws {
        var run = ScenarioRun(Self.call(.tone, .tone))
        run.load = .closed(concurrency: 4)
        run.calls = 4
        run.mediaPorts = .pairs(5)
        let record = try run.start().record
        #expect(record[.runsFailed] > 0)
        #expect(record.verdict.level == .invalid)
        #expect(record.verdict.reasons.contains { $0.text.hasPrefix("media ports ran out") })
    }
}
