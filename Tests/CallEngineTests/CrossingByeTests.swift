import Measurement
import Scenarios
import Testing

@testable import CallEngine

/// Both ends hang up at once (RFC 3261 §15.1): the session is over as both want it, so nothing has failed.
@Suite("Two BYEs that cross")
struct CrossingByeTests {
    /// alice has sent her BYE.
    private func hungUp() throws -> (exchange: Exchange, invite: SentMessage, bye: SentMessage) {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["alice"])
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        let sent = exchange.take()
        try #require(sent.map(\.start) == ["ACK", "BYE"])
        return (exchange, invite, sent[1])
    }

    private func byeOfBob(_ invite: SentMessage) -> String {
        request(
            "BYE", uri: "sip:alice@10.0.0.1:5060", branch: "crossing", from: invite.header("To") + ";tag=peer",
            to: invite.header("From"), callID: invite.header("Call-ID"), cseq: "1 BYE")
    }

    @Test("both get their 200, or ours the 481 of who has forgotten the dialog", arguments: ["200 OK", "481 Gone"])
    func cross(answer: String) throws {
        let (exchange, invite, bye) = try hungUp()
        exchange.hear(byeOfBob(invite))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.liveRuns == 1)
        exchange.hear(bye.response(answer))
        #expect(exchange.liveRuns == 0)
        #expect(exchange.count(.runsSucceeded) == 1)
        #expect(exchange.count(.runsFailed) == 0)
    }

    @Test("a 481 to a BYE that nothing crossed is a failure")
    func gone() throws {
        let (exchange, _, bye) = try hungUp()
        exchange.hear(bye.response("481 Gone"))
        #expect(exchange.count(.runsFailed) == 1)
    }

    @Test("a BYE while the script wants something else is a failure")
    func early() throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["alice"]) { $0.settings["hold"] = "10s" }
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        try #require(exchange.take().map(\.start) == ["ACK"])
        exchange.hear(byeOfBob(invite))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.count(.runsFailed) == 1)
    }
}
