import Measurement
import SIPWire
import ScenarioDSL
import Testing

@testable import CallEngine

/// RFC 3262 §3: a reliable provisional response is repeated until the PRACK that names it.
@Suite("A reliable provisional response")
struct ReliableProvisionalTests {
    static let ringing = Scenario("reliable", "183 with 100rel") {
        Party("alice") {
            Send(.invite) { Header("Supported", "100rel") }
            Expect(183)
            Send(.prack)
            Expect(200, answering: .prack)
            Expect(200, answering: .invite)
            Send(.ack)
            HangUp()
        }
        Party("bob") {
            Expect(.invite)
            Send(183) {
                Header("Require", "100rel")
                Header("RSeq", "7")
            }
            Expect(.prack)
            Send(200, answering: .prack)
            Pause(.seconds(3))
            Send(200, answering: .invite)
            Expect(.ack)
            Expect(.bye)
            Send(200)
        }
    }

    private func ring() throws -> (Exchange, SentMessage) {
        let exchange = try Exchange(Self.ringing, plays: ["bob"])
        exchange.hear(
            request(
                "INVITE", branch: "1", from: "<sip:alice@10.0.0.2>;tag=a", to: "<sip:bob@10.0.0.1>", callID: "c",
                cseq: "4 INVITE", "Contact: <sip:alice@10.0.0.2:5060>", "Supported: 100rel"))
        return (exchange, try exchange.takeOne())
    }

    private func prack(_ rack: String, branch: String, cseq: Int, to response: SentMessage) -> String {
        request(
            "PRACK", branch: branch, from: "<sip:alice@10.0.0.2>;tag=a", to: response.header("To"), callID: "c",
            cseq: "\(cseq) PRACK", "RAck: \(rack)")
    }

    @Test("is sent again after T1, 2 × T1 and so on, octet for octet, and no more once its PRACK has come")
    func repeated() throws {
        let (exchange, first) = try ring()
        #expect(first.start == "183" && first.header("RSeq") == "7")
        exchange.pass(.milliseconds(490))
        #expect(exchange.take().isEmpty)
        exchange.pass(.milliseconds(20))
        #expect(try exchange.takeOne().text == first.text)
        exchange.pass(.milliseconds(980))
        #expect(exchange.take().isEmpty)
        exchange.pass(.milliseconds(20))
        #expect(try exchange.takeOne().text == first.text)
        exchange.hear(prack("7 4 INVITE", branch: "2", cseq: 5, to: first))
        #expect(try exchange.takeOne().header("CSeq") == "5 PRACK")
        exchange.pass(.seconds(2))
        #expect(exchange.take().isEmpty)
        exchange.pass(.milliseconds(1010))
        let answer = try exchange.takeOne()
        #expect(answer.start == "200" && answer.header("CSeq") == "4 INVITE")
        // The 2xx is repeated by a machine of its own.
        exchange.pass(.milliseconds(510))
        #expect(try exchange.takeOne().text == answer.text)
        exchange.hear(
            request(
                "ACK", branch: "3", from: "<sip:alice@10.0.0.2>;tag=a", to: first.header("To"), callID: "c",
                cseq: "4 ACK"))
        exchange.hear(
            request(
                "BYE", branch: "4", from: "<sip:alice@10.0.0.2>;tag=a", to: first.header("To"), callID: "c",
                cseq: "6 BYE"))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test(
        "is still repeated after a PRACK that names another response", arguments: ["8 4 INVITE", "7 3 INVITE", "7", ""])
    func otherPrack(rack: String) throws {
        let (exchange, first) = try ring()
        exchange.hear(prack(rack, branch: "2", cseq: 5, to: first))
        _ = exchange.take()
        exchange.pass(.milliseconds(510))
        #expect(exchange.take().map(\.text) == [first.text])
    }

    @Test("whose PRACK never comes ends with a 5xx to the INVITE")
    func neverAcknowledged() throws {
        let (exchange, first) = try ring()
        exchange.pass(.seconds(31))
        #expect(exchange.take().allSatisfy { $0.text == first.text })
        exchange.pass(.seconds(2))
        let final = try #require(exchange.take().last)
        #expect(final.start == "500" && final.header("CSeq") == "4 INVITE")
        exchange.hear(
            request(
                "ACK", branch: "1", from: "<sip:alice@10.0.0.2>;tag=a", to: final.header("To"), callID: "c",
                cseq: "4 ACK"))
        #expect(exchange.count(.runsFailed) == 1)
        #expect(exchange.liveSlots == 0)
    }
}

/// RFC 3261 §8.1.3.5, RFC 4028 §7.3.
@Suite("An INVITE that is refused for what it says")
struct RetriedInviteTests {
    @Test("is sent again with the same Call-ID, From and To, and the next CSeq number", arguments: [415, 420, 422])
    func sameCall(status: Int) throws {
        let scenario = Scenario("retried", "a second INVITE") {
            Party("alice") {
                Send(.invite) { Header("Session-Expires", "90") }
                Expect(.status(status))
                Send(.invite) { Header("Session-Expires", "1800") }
                Expect(200)
                Send(.ack)
                HangUp()
            }
            Party("bob") {
                AcceptCall()
                Expect(.bye)
                Send(200)
            }
        }
        let exchange = try Exchange(scenario, plays: ["alice"])
        try exchange.start()
        let first = try exchange.takeOne()
        exchange.hear(first.response("\(status) Refused", tag: "refusal"))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "INVITE"])
        let second = try #require(sent.last)
        for name in ["Call-ID", "From", "To"] { #expect(second.header(name) == first.header(name)) }
        #expect(first.header("CSeq") == "1 INVITE" && second.header("CSeq") == "2 INVITE")
        #expect(second.header("Via") != first.header("Via"))
        exchange.hear(second.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        let rest = exchange.take()
        #expect(rest.map(\.start) == ["ACK", "BYE"])
        if let bye = rest.last { exchange.hear(bye.response("200 OK")) }
        #expect(exchange.count(.runsSucceeded) == 1)
        #expect(exchange.liveSlots == 0)
    }
}

/// RFC 3261 §17.2.1, and §12.1.1: the next INVITE makes another dialog.
@Suite("A refusal before another INVITE of the same call")
struct RepeatedRefusalTests {
    @Test("is repeated octet for octet, also when the next INVITE has been answered")
    func sameOctets() throws {
        let scenario = Scenario("refused", "422, then 200") {
            Party("alice") { Call(Party("bob", .answers)) }
            Party("bob") {
                Expect(.invite)
                Send(422) { Header("Min-SE", "120") }
                Expect(.invite)
                Send(200) { Answer() }
                Expect(.ack)
                Expect(.bye)
                Send(200)
            }
        }
        let exchange = try Exchange(scenario, plays: ["bob"])
        func invite(_ number: Int) -> String {
            request(
                "INVITE", branch: "\(number)", from: "<sip:alice@10.0.0.2>;tag=a", to: "<sip:bob@10.0.0.1>",
                callID: "c", cseq: "\(number) INVITE", "Contact: <sip:alice@10.0.0.2:5060>")
        }
        exchange.hear(invite(1))
        let refusal = try exchange.takeOne()
        #expect(refusal.start == "422")
        exchange.hear(invite(2))
        let answer = try exchange.takeOne()
        #expect(answer.start == "200" && answer.header("To") != refusal.header("To"))
        exchange.hear(invite(1))
        #expect(try exchange.takeOne().text == refusal.text)
    }
}
