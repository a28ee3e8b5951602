import Measurement
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

@Suite("RFC 6076: what counts as a session")
struct SessionRatioTests {
    static let contact = "Contact: <sip:bob@10.0.0.2:5060>"

    /// Alice has called, bob has answered, and she has sent her first re-INVITE.
    private func reinviting() throws -> (exchange: Exchange, reinvite: SentMessage) {
        let exchange = try Exchange(Scenarios.reinvite, plays: ["alice"])
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", Self.contact))
        let sent = exchange.take()
        try #require(sent.map(\.start) == ["ACK", "INVITE"])
        return (exchange, sent[1])
    }

    private func expectOneAnsweredSession(_ exchange: Exchange) {
        #expect(exchange.count(.sessionAttempts) == 1)
        #expect(exchange.count(.sessionAnswers2xx) == 1)
        #expect(exchange.count(.sessionAnswersOther) == 0)
        #expect(exchange.count(.sessionsIneffective) == 0)
        #expect(exchange.count(.sessionsEffectivelyRefused) == 0)
    }

    @Test("A call with two answered re-INVITEs is one session, and a completed one")
    func answered() throws {
        let loop = try Loopback(Scenarios.reinvite)
        #expect(loop.start(0))
        loop.run(for: 1_000_000_000)
        #expect(loop.count(.runsSucceeded) == 1)
        #expect(loop.count(.sessionAttempts) == 1)
        #expect(loop.count(.sessionAnswers2xx) == 1)
        #expect(loop.count(.sessionsCompleted) == 1)
    }

    @Test(
        "A refused re-INVITE is no refused session",
        arguments: ["486 Busy Here", "488 Not Acceptable Here", "503 Full"]
    )
    func refused(status: String) throws {
        let (exchange, reinvite) = try reinviting()
        exchange.hear(reinvite.response(status))
        expectOneAnsweredSession(exchange)
    }

    @Test("A re-INVITE that nobody answers is no session without an answer")
    func timedOut() throws {
        let (exchange, _) = try reinviting()
        exchange.pass(.seconds(70))
        expectOneAnsweredSession(exchange)
        #expect(exchange.record().delay(.sessionRequestDelayFailed) == nil)
    }

    @Test("A re-INVITE that the network refuses is no refused session")
    func unreachable() throws {
        let (exchange, reinvite) = try reinviting()
        Array(reinvite.text.utf8).withUnsafeBytes {
            exchange.engine.sendFailed(to: Exchange.peer, quoted: $0, errno: 111, now: exchange.now)
        }
        expectOneAnsweredSession(exchange)
    }

    @Test("A re-INVITE whose call is hung up meanwhile is no session, whatever it is answered")
    func hungUp() throws {
        let (exchange, reinvite) = try reinviting()
        exchange.hear(
            request(
                "BYE", branch: "b", from: reinvite.header("To"), to: reinvite.header("From"),
                callID: reinvite.header("Call-ID"), cseq: "1 BYE"))
        exchange.hear(reinvite.response("487 Request Terminated"))
        expectOneAnsweredSession(exchange)
    }
}
