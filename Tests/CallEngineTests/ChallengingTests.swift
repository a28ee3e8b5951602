import Measurement
import ScenarioDSL
import SIPWire
import Testing

@testable import CallEngine

/// A party that asks for credentials, before a client that a test plays by hand: what it answers, and what it makes of faults.
@Suite("A request that must have credentials")
struct ChallengingTests {
    private static let registrar = Scenario("registrar") {
        Party("registrar", .answers) {
            Expect(.register) {
                Authenticate(
                    password: "secret", realm: "example.test", algorithms: [.sha256, .md5], nonceLives: .seconds(5))
            }
            Send(200)
        }
    }

    private static let callee = Scenario("callee") {
        Party("bob", .answers) {
            Expect(.invite) { Authenticate(user: "alice", password: "secret", realm: "example.test", asProxy: true) }
            Send(200) { Answer() }
            Expect(.ack)
            Expect(.bye)
            Send(200)
        }
    }

    private func register(_ number: Int, _ more: String...) -> String {
        let lines = request(
            "REGISTER", uri: "sip:example.test", branch: "r\(number)", from: "<sip:alice@example.test>;tag=a",
            to: "<sip:alice@example.test>", callID: "c1", cseq: "\(number) REGISTER"
        ).components(separatedBy: "Content-Length")
        return lines[0] + more.map { $0 + "\r\n" }.joined() + "Content-Length" + lines[1]
    }

    @Test("is challenged once by each algorithm, in the scenario's order (RFC 8760 §2.3)")
    func challenges() throws {
        let exchange = try Exchange(Self.registrar)
        exchange.hear(register(1))
        let refusal = try exchange.takeOne()
        #expect(refusal.text.hasPrefix("SIP/2.0 401 Unauthorized\r\n"))
        let challenges = refusal.headers("WWW-Authenticate")
        #expect(challenges.count == 2)
        #expect(challenges[0].contains("realm=\"example.test\""))
        #expect(challenges[0].contains("algorithm=SHA-256"))
        #expect(challenges[1].contains("algorithm=MD5"))
        #expect(challenges.allSatisfy { $0.contains("qop=\"auth\"") })
        exchange.hear(register(1))
        #expect(try exchange.takeOne().text == refusal.text, "a repeat gets the same answer (RFC 3261 §17.2.2)")
        exchange.hear(register(2))
        #expect(try exchange.takeOne().headers("WWW-Authenticate") != challenges, "another request gets another nonce")
        #expect(exchange.count(.challengesSent) == 2)
    }

    @Test("with credentials for another realm only is challenged as one without (RFC 3261 §22.3)")
    func otherRealm() throws {
        let exchange = try Exchange(Self.registrar)
        exchange.hear(
            register(
                1,
                "Authorization: Digest username=\"alice\", realm=\"other.test\", nonce=\"n\", uri=\"sip:example.test\","
                    + " response=\"0123456789abcdef0123456789abcdef\""))
        #expect(try exchange.takeOne().start == "401")
        #expect(exchange.count(.credentialsWrong) == 0)
    }

    @Test(
        "with wrong credentials is challenged again and fails the call",
        arguments: [
            ("nonce=\"n\", ", "credentials of user “alice” with a nonce that was never given out"),
            (
                "", "credentials that cannot be read, without a nonce (RFC 7616 §3.3)"
            ),
        ])
    func wrong(nonce: String, words: String) throws {
        let exchange = try Exchange(Self.registrar)
        exchange.hear(
            register(
                1,
                "Authorization: Digest username=\"alice\", realm=\"example.test\", \(nonce)uri=\"sip:example.test\","
                    + " response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\""
            ))
        #expect(try exchange.takeOne().start == "401")
        #expect(exchange.count(.credentialsWrong) == 1)
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.expected == "right credentials for SHA-256 or MD5")
        #expect(group.got == words)
    }

    /// An INVITE without credentials, its refusal not acknowledged, and the one with a new CSeq: the ACK may be lost.
    @Test("that is an INVITE may come again before the ACK of its refusal")
    func overtaken() throws {
        let exchange = try Exchange(Self.callee)
        func invite(_ number: Int) -> String {
            request(
                "INVITE", branch: "i\(number)", from: "<sip:alice@example.test>;tag=a", to: "<sip:bob@example.test>",
                callID: "c1", cseq: "\(number) INVITE", "Contact: <sip:alice@10.0.0.2>")
        }
        for number in 1...4 {
            exchange.hear(invite(number))
            let sent = exchange.take()
            #expect(sent.map(\.start) == ["407"])
            #expect(sent.first?.headers("Proxy-Authenticate").count == 2)
        }
        exchange.pass(.milliseconds(700))
        #expect(exchange.take().map(\.start) == ["407"], "the last refusal is repeated until its ACK (Timer G)")
        #expect(exchange.count(.unexpectedRequests) == 0)
        #expect(exchange.liveRuns == 1)
    }

    @Test(
        "comes just before",
        arguments: [
            Scenario("after an answer") {
                Party("bob", .answers) {
                    Expect(.invite)
                    Send(180)
                    Authenticate(password: "secret")
                    Send(200)
                    Expect(.ack)
                    Expect(.bye)
                    Send(200)
                }
            },
            Scenario("an ACK") {
                Party("bob", .answers) {
                    Expect(.invite)
                    Send(200)
                    Expect(.ack) { Authenticate(password: "secret") }
                    Expect(.bye)
                    Send(200)
                }
            },
        ])
    func mustComeBefore(scenario: Scenario) throws {
        let diagnostics = ScenarioCompiler.compile([scenario.tree]).diagnostics.filter { $0.severity == .error }
        #expect(diagnostics.count == 1)
        #expect(diagnostics.first?.text.hasPrefix("Authenticate looks at a request just received") == true)
    }
}
