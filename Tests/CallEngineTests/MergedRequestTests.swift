import ScenarioDSL
import Testing

@testable import CallEngine

@Suite("A request that has come before, by another way (RFC 3261 §8.2.2.2)")
struct MergedRequestTests {
    private static let challenging = Scenario("challenging") {
        Party("bob", .answers) {
            Expect(.invite)
            Send(180)
            Pause(.seconds(1))
            Send(401)
            Expect(.invite)
            Send(486)
        }
    }

    private func invite(_ exchange: Exchange, branch: String, cseq: Int) {
        exchange.hear(
            request(
                "INVITE", branch: branch, from: "<sip:alice@10.0.0.2>;tag=a", to: "<sip:bob@10.0.0.1>", callID: "c",
                cseq: "\(cseq) INVITE", "Contact: <sip:alice@10.0.0.2:5060>"))
    }

    @Test("is refused with 482 where its call is found by Call-ID and tag, and the next one is not")
    func merged() throws {
        let exchange = try Exchange(Self.challenging)
        invite(exchange, branch: "1", cseq: 1)
        #expect(try exchange.takeOne().start == "180")
        invite(exchange, branch: "2", cseq: 1)
        let refusal = try exchange.takeOne()
        #expect(refusal.start == "482" && refusal.header("Via").hasSuffix("branch=z9hG4bK2"))
        invite(exchange, branch: "2", cseq: 1)
        #expect(try exchange.takeOne().text == refusal.text)
        exchange.hear(
            request(
                "ACK", branch: "2", from: "<sip:alice@10.0.0.2>;tag=a", to: refusal.header("To"), callID: "c",
                cseq: "1 ACK"))
        exchange.pass(.milliseconds(1100))
        let challenge = try exchange.takeOne()
        #expect(challenge.start == "401")
        exchange.hear(
            request(
                "ACK", branch: "1", from: "<sip:alice@10.0.0.2>;tag=a", to: challenge.header("To"), callID: "c",
                cseq: "1 ACK"))
        invite(exchange, branch: "3", cseq: 2)
        #expect(try exchange.takeOne().start == "486")
        #expect(exchange.count(.runsStarted) == 1)
    }
}
