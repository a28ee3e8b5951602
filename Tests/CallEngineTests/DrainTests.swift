import Measurement
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

@Suite("Draining")
struct DrainTests {
    @Test("What has been hung up and waits for a silent peer is no more to be hung up")
    func silentPeer() throws {
        let exchange = try Exchange(Scenarios.optionsPing, plays: ["alice"])
        for number in 0..<5 { try exchange.start(UInt64(number)) }
        #expect(exchange.drain(2) == 3)
        #expect(exchange.drain(2) == 1)
        #expect(exchange.drain(2) == 0)
        #expect(exchange.liveRuns == 5)
        #expect(exchange.drain(2) == 0)
        exchange.engine.cutOff()
        #expect(exchange.count(.runsCutOff) == 5)
        #expect(exchange.count(.runsDrained) == 0)
    }

    /// Bob goes on for an hour after the call that was all alice wanted.
    static let outlives = Scenario("outlives", "the callee goes on when the caller has left") {
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
            Pause(.hours(1))
        }
    }

    @Test("A party that outlives its run's owner is hung up too")
    func ownerHasLeft() throws {
        let loop = try Loopback(Self.outlives)
        for number in 0..<3 { #expect(loop.start(UInt64(number))) }
        loop.run(for: 1_000_000_000)
        #expect(loop.liveRuns == 3)
        #expect(loop.drain(2) == 1)
        #expect(loop.drain(2) == 0)
        loop.run(for: 1_000_000_000)
        #expect(loop.liveRuns == 0)
        #expect(loop.liveSlots == 0)
        #expect(loop.count(.runsDrained) == 3)
    }

    @Test("A party whose owner leaves while the run is drained is hung up too")
    func ownerLeavesMeanwhile() throws {
        let loop = try Loopback(Self.outlives)
        #expect(loop.start(0))
        // The owner has just called.
        #expect(loop.drain(1) == 0)
        loop.run(for: 1_000_000_000)
        #expect(loop.drain(1) == 0)
        loop.run(for: 70_000_000_000)
        #expect(loop.liveRuns == 0)
        #expect(loop.liveSlots == 0)
        #expect(loop.count(.runsDrained) == 1)
        #expect(loop.count(.runsFailed) == 0)
    }

    @Test("Whoever pauses for an hour answers the BYE of a drained run at once, and that is no failure")
    func pausing() throws {
        let scenario = Scenario("pausing", "the callee pauses before it expects the BYE") {
            Party("alice") {
                Send(.invite) { Offer(.audio(.pcmu)) }
                Expect(200)
                Send(.ack)
                Pause(.hours(2))
                Send(.bye)
                Expect(200)
            }
            Party("bob") {
                Expect(.invite)
                Send(200) { Answer() }
                Expect(.ack)
                Pause(.hours(1))
                Expect(.bye)
                Send(200)
            }
        }
        let loop = try Loopback(scenario)
        #expect(loop.start(0))
        loop.run(for: 1_000_000_000)
        #expect(loop.drain(1) == 0)
        loop.run(for: 1_000_000_000)
        #expect(loop.liveRuns == 0)
        #expect(loop.count(.runsDrained) == 1)
        #expect(loop.count(.runsFailed) == 0)
    }

    @Test("A call that rings is cancelled, and neither side has failed")
    func ringing() throws {
        let scenario = Scenario("ringing", "rings for an hour") {
            Party("alice") {
                Send(.invite) { Offer(.audio(.pcmu)) }
                Expect(200, within: .hours(2))
                Send(.ack)
                Send(.bye)
                Expect(200)
            }
            Party("bob") {
                Expect(.invite)
                Send(180)
                Pause(.hours(1))
                Send(200) { Answer() }
                Expect(.ack)
                Expect(.bye)
                Send(200)
            }
        }
        let loop = try Loopback(scenario)
        #expect(loop.start(0))
        loop.run(for: 1_000_000_000)
        #expect(loop.drain(1) == 0)
        loop.run(for: 40_000_000_000)
        #expect(loop.liveRuns == 0)
        #expect(loop.count(.runsDrained) == 1)
        #expect(loop.count(.runsFailed) == 0)
    }

    @Test("A run that ends by itself before its turn is no more to be hung up")
    func endsByItself() throws {
        let exchange = try Exchange(Scenarios.optionsPing, plays: ["alice"])
        for number in 0..<3 { try exchange.start(UInt64(number)) }
        let pings = exchange.take()
        #expect(exchange.drain(1) == 2)
        exchange.hear(pings[2].response("200 OK"))
        #expect(exchange.drain(0) == 1)
        #expect(exchange.drain(5) == 0)
        exchange.hear(pings[0].response("200 OK"))
        exchange.hear(pings[1].response("200 OK"))
        #expect(exchange.liveRuns == 0)
        #expect(exchange.count(.runsDrained) == 2)
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("Who is called while it drains answers 503 and begins nothing")
    func calledMeanwhile() throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["bob"])
        #expect(exchange.drain(1) == 0)
        exchange.hear(
            request(
                "INVITE", branch: "a1", from: "<sip:alice@10.0.0.2>;tag=a", to: "<sip:bob@10.0.0.1>", callID: "c1",
                cseq: "1 INVITE", "Contact: <sip:alice@10.0.0.2:5060>"))
        #expect(try exchange.takeOne().start == "503")
        #expect(exchange.liveSlots == 0)
    }
}
