import CallTraces
import Measurement
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

@Suite("The message at which a call fails")
struct FailingMessageTests {
    /// The messages of the one failed run, and the first lines of those marked.
    private func marked(_ exchange: Exchange) throws -> (all: [String], failed: [String]) {
        let transcript = try #require(try exchange.transcript())
        return (
            transcript.messages.map(\.arrowLabel), transcript.messages.filter(\.isWhereItFailed).map(\.arrowLabel)
        )
    }

    @Test("is the refusal, not the ACK that the transaction sends to it")
    func refusal() throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["alice"])
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("486 Busy Here"))
        let (all, failed) = try marked(exchange)
        #expect(all == ["INVITE", "486 Busy Here", "ACK"])
        #expect(failed == ["486 Busy Here"])
    }

    @Test("is the one that was looked at, though another was sent since")
    func requirement() throws {
        let scenario = Scenario("requirement") {
            Party("alice") {
                Send(.options)
                Expect(200) {}
                Send(.options)
                Expect(200) { Require(.header("X") == "1", "X is 1") }
            }
        }
        let exchange = try Exchange(scenario)
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK"))
        exchange.hear(try exchange.takeOne().response("200 Fine"))
        let (all, failed) = try marked(exchange)
        #expect(all == ["OPTIONS", "200 OK", "OPTIONS", "200 Fine"])
        #expect(failed == ["200 Fine"])
    }

    @Test("is one that was kept since it came, when the script comes to it")
    func kept() throws {
        let scenario = Scenario("kept") {
            Party("bob", .answers) {
                Expect(.invite)
                Send(200)
                Expect(.ack)
                Pause(.seconds(1))
                Send(.info)
                Expect(200)
                Expect(.message) { Require(.header("X") == "1", "X is 1") }
                Send(200)
                Expect(.bye)
                Send(200)
            }
        }
        let exchange = try Exchange(scenario)
        let from = "<sip:alice@10.0.0.2>;tag=a"
        exchange.hear(
            request(
                "INVITE", branch: "1", from: from, to: "<sip:bob@10.0.0.1>", callID: "c", cseq: "1 INVITE",
                "Contact: <sip:alice@10.0.0.2:5060>"))
        let to = try exchange.takeOne().header("To")
        exchange.hear(request("ACK", branch: "2", from: from, to: to, callID: "c", cseq: "1 ACK"))
        exchange.hear(request("MESSAGE", branch: "3", from: from, to: to, callID: "c", cseq: "2 MESSAGE"))
        exchange.pass(.milliseconds(1200))
        let info = try exchange.takeOne()
        exchange.hear(info.response("200 OK"))
        // The failed call is hung up, and the BYE answered.
        let last = exchange.take()
        let bye = try #require(last.first { $0.start == "BYE" }, "\(last.map(\.start))")
        exchange.hear(bye.response("200 OK"))
        exchange.pass(.seconds(70))
        let (all, failed) = try marked(exchange)
        #expect(all.prefix(6) == ["INVITE", "200 OK", "ACK", "MESSAGE", "INFO", "200 OK"])
        #expect(failed == ["MESSAGE"])
    }

    @Test("A kept message that a wait does not take leaves the message at hand as it was")
    func leavesTheHand() throws {
        let exchange = try Exchange(
            Scenario("kept") {
                Party("bob", .answers) {
                    Expect(.invite)
                    Send(200)
                    Expect(.ack)
                    Pause(.seconds(1))
                    Expect(.invite)
                    Send(200)
                    Expect(.ack)
                    Expect(.info)
                    Send(200)
                    Expect(.bye)
                    Send(200)
                }
            })
        let from = "<sip:alice@10.0.0.2>;tag=a"
        func hear(_ method: String, _ cseq: Int, to: String) {
            exchange.hear(
                request(
                    method, branch: "\(method)\(cseq)", from: from, to: to, callID: "c", cseq: "\(cseq) \(method)",
                    "Contact: <sip:alice@10.0.0.2:5060>"))
        }
        hear("INVITE", 1, to: "<sip:bob@10.0.0.1>")
        let to = try exchange.takeOne().header("To")
        hear("ACK", 1, to: to)
        hear("INFO", 2, to: to)
        exchange.pass(.seconds(2))
        hear("INVITE", 3, to: to)
        let answer = try exchange.takeOne()
        #expect(answer.header("CSeq") == "3 INVITE")
        // Without its ACK it is sent again, the same octets (RFC 3261 §13.3.1.4).
        exchange.pass(.milliseconds(600))
        #expect(try exchange.takeOne().text == answer.text)
        hear("ACK", 3, to: to)
        #expect(try exchange.takeOne().header("CSeq") == "2 INFO")
        hear("BYE", 4, to: to)
        #expect(try exchange.takeOne().header("CSeq") == "4 BYE")
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("is the last one before the time was up")
    func timeout() throws {
        let exchange = try Exchange(Scenarios.optionsPing, plays: ["alice"])
        try exchange.start()
        _ = exchange.take()
        exchange.pass(.seconds(40))
        let (all, failed) = try marked(exchange)
        #expect(failed == ["OPTIONS"])
        #expect(all.count == 11)
    }
}
