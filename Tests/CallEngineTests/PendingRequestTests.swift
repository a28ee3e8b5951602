import Measurement
import ScenarioDSL
import SIPTransactions
import Testing

@testable import CallEngine

@Suite("A request that is not yet answered is known, however short transactions linger")
struct PendingRequestTests {
    private static let from = "<sip:alice@10.0.0.2>;tag=a"
    static let ringing = Scenario("ringing") {
        Party("bob", .answers) {
            Expect(.invite)
            Send(180)
            Pause(.seconds(20))
            Send(200)
            Expect(.ack)
            Expect(.bye)
            Send(200)
        }
    }

    private func invite(_ exchange: Exchange) {
        exchange.hear(
            request(
                "INVITE", branch: "1", from: Self.from, to: "<sip:bob@10.0.0.1>", callID: "c", cseq: "1 INVITE",
                "Contact: <sip:alice@10.0.0.2:5060>"))
    }

    @Test(
        "A repeated INVITE opens no second run while the first rings, or waits for its ACK",
        arguments: [1, 50, 999, 1000, 3000, 31_000] as [UInt32])
    func repeatedInvite(linger: UInt32) throws {
        let exchange = try Exchange(Self.ringing) { $0.timers = TransactionTimers(linger: linger) }
        invite(exchange)
        let ringing = try exchange.takeOne()
        for _ in 0..<5 {
            exchange.pass(.milliseconds(3900))
            _ = exchange.take()
            invite(exchange)
            // The last provisional response again (RFC 3261 §17.2.1).
            #expect(exchange.take().map(\.text) == [ringing.text])
            #expect(exchange.liveRuns == 1)
        }
        exchange.pass(.seconds(1))
        let answer = try #require(exchange.take().first)
        #expect(answer.start == "200")
        // Its ACK is lost: the 200 goes on by its own timer, the repeated INVITE is absorbed (RFC 6026 §7.1).
        for _ in 0..<4 {
            exchange.pass(.milliseconds(4100))
            #expect(exchange.take().allSatisfy { $0.text == answer.text })
            invite(exchange)
            #expect(exchange.take().isEmpty)
            #expect(exchange.liveRuns == 1)
        }
        exchange.hear(
            request("ACK", branch: "2", from: Self.from, to: answer.header("To"), callID: "c", cseq: "1 ACK"))
        exchange.hear(
            request("BYE", branch: "3", from: Self.from, to: answer.header("To"), callID: "c", cseq: "2 BYE"))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.count(.runsStarted) == 1 && exchange.count(.runsSucceeded) == 1)
        // And it is not kept longer than that for it.
        exchange.pass(.seconds(70))
        #expect(exchange.engine.linger.count == 0)
    }

    @Test("A CANCEL finds the INVITE that has rung longer than transactions linger", arguments: [1, 500] as [UInt32])
    func cancel(linger: UInt32) throws {
        let exchange = try Exchange(
            Scenario("cancelled") {
                Party("bob", .answers) {
                    Expect(.invite)
                    Send(180)
                    Expect(.cancel, within: .minutes(2))
                    Send(200, answering: .cancel)
                    Send(487, answering: .invite)
                }
            }
        ) { $0.timers = TransactionTimers(linger: linger) }
        invite(exchange)
        _ = exchange.take()
        exchange.pass(.seconds(50))
        exchange.hear(
            request("CANCEL", branch: "1", from: Self.from, to: "<sip:bob@10.0.0.1>", callID: "c", cseq: "1 CANCEL"))
        #expect(exchange.take().map(\.start) == ["200", "487"])
    }

    @Test("A repeated request outside a dialog opens no second run before its answer", arguments: [1, 800] as [UInt32])
    func repeatedMessage(linger: UInt32) throws {
        let exchange = try Exchange(
            Scenario("slow") {
                Party("bob", .answers) {
                    Expect(.message)
                    Pause(.seconds(10))
                    Send(200)
                }
            }
        ) { $0.timers = TransactionTimers(linger: linger) }
        func message() {
            exchange.hear(
                request(
                    "MESSAGE", branch: "1", from: Self.from, to: "<sip:bob@10.0.0.1>", callID: "c", cseq: "1 MESSAGE"))
        }
        message()
        for _ in 0..<4 {
            exchange.pass(.seconds(2))
            message()
            #expect(exchange.liveRuns == 1)
        }
        #expect(exchange.take().isEmpty)
        exchange.pass(.seconds(3))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.count(.runsStarted) == 1)
    }

    @Test("A repeated BYE that waits for its step is kept once")
    func repeatedBye() throws {
        let exchange = try Exchange(
            Scenario("late-bye") {
                Party("bob", .answers) {
                    Expect(.invite)
                    Send(200)
                    Expect(.ack)
                    Pause(.seconds(10))
                    Expect(.bye)
                    Send(200)
                    Pause(.seconds(1))
                }
            }
        ) { $0.timers = TransactionTimers(linger: 500) }
        invite(exchange)
        let to = try exchange.takeOne().header("To")
        exchange.hear(request("ACK", branch: "2", from: Self.from, to: to, callID: "c", cseq: "1 ACK"))
        for _ in 0..<3 {
            exchange.hear(request("BYE", branch: "3", from: Self.from, to: to, callID: "c", cseq: "2 BYE"))
            exchange.pass(.seconds(3))
        }
        #expect(exchange.take().isEmpty)
        exchange.pass(.seconds(5))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.count(.unexpectedRequests) == 0)
        #expect(exchange.liveRuns == 0)
    }
}
