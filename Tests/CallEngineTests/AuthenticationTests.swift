import Measurement
import ScenarioDSL
import SIPWire
import Testing

@testable import CallEngine

/// A party with credentials meets challenges (RFC 3261 §22). Whether what it answers is right, the tests of digest and Kamailio say.
@Suite("A challenged request")
struct AuthenticationTests {
    private let contact = "Contact: <sip:bob@10.0.0.2:5060>"

    private static let registering = Scenario("registering") {
        Party("phone") {
            Credentials(user: "alice", password: "secret")
            Send(.register) { Expires(3600) }
            Expect(200)
            Send(.register) { Expires(0) }
            Expect(200)
        }
    }

    private static let calling = Scenario("calling") {
        Party("alice") {
            Credentials(user: "alice", password: "secret")
            Send(.invite) { Offer(.audio(.pcmu)) }
            Expect(200)
            Pause(.seconds(1))
            Send(.bye)
            Expect(200)
        }
    }

    private func challenge(
        _ header: String = "WWW-Authenticate", realm: String = "example.test", nonce: String = "n1", _ more: String = ""
    ) -> String {
        "\(header): Digest realm=\"\(realm)\", nonce=\"\(nonce)\", qop=\"auth\", algorithm=MD5\(more)"
    }

    /// A parameter of credentials.
    private func parameter(_ name: String, _ value: String) -> String? {
        value.dropFirst("Digest ".count).split(separator: ",").map { $0.drop { $0 == " " } }
            .first { $0.hasPrefix(name + "=") }.map { $0.dropFirst(name.count + 1).filter { $0 != "\"" } }
    }

    private func failure(_ exchange: Exchange) throws -> String {
        try #require(exchange.record().failureGroups.first).got
    }

    @Test("is sent again as it was but for its branch, its CSeq number and the credentials (RFC 3261 §22.2)")
    func sentAgain() throws {
        let exchange = try Exchange(Self.registering)
        try exchange.start()
        let first = try exchange.takeOne()
        #expect(first.headers("Authorization").isEmpty)
        exchange.hear(first.response("401 Unauthorized", challenge()))
        let second = try exchange.takeOne()
        for name in ["From", "To", "Call-ID", "Expires", "Contact", "Max-Forwards"] {
            #expect(second.header(name) == first.header(name))
        }
        #expect(second.requestURI == first.requestURI)
        #expect(second.header("CSeq") == "2 REGISTER")
        #expect(second.header("Via") != first.header("Via"))
        let given = second.header("Authorization")
        #expect(parameter("username", given) == "alice")
        #expect(parameter("realm", given) == "example.test")
        #expect(parameter("nonce", given) == "n1")
        #expect(parameter("uri", given) == second.requestURI)
        #expect(parameter("nc", given) == "00000001")
        #expect(parameter("response", given)?.count == 32)
        exchange.hear(second.response("200 OK"))
        #expect(exchange.count(.challengesAnswered) == 1)
        #expect(exchange.count(.registrationAttempts) == 2)
    }

    @Test("is repeated octet for octet when its second form is lost")
    func retransmitted() throws {
        let exchange = try Exchange(Self.registering)
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("401 Unauthorized", challenge()))
        let sent = try exchange.takeOne()
        exchange.pass(.milliseconds(600))
        #expect(try exchange.takeOne().text == sent.text)
    }

    @Test("is the last one: later requests carry credentials at once, with the next nonce count")
    func reusesNonce() throws {
        let exchange = try Exchange(Self.registering)
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("401 Unauthorized", challenge()))
        let first = try exchange.takeOne()
        exchange.hear(first.response("200 OK"))
        let second = try exchange.takeOne()
        #expect(second.header("CSeq") == "3 REGISTER")
        #expect(second.header("Expires") == "0")
        let given = second.header("Authorization")
        #expect(parameter("nc", given) == "00000002")
        #expect(parameter("cnonce", given) == parameter("cnonce", first.header("Authorization")))
        #expect(parameter("response", given) != parameter("response", first.header("Authorization")))
        exchange.hear(second.response("200 OK"))
        #expect(exchange.count(.runsSucceeded) == 1)
        #expect(exchange.count(.challengesAnswered) == 1)
        exchange.pass(.seconds(40))
        #expect(exchange.engine.residue.arenaBlocks == 0)
    }

    @Test("takes the nonce that Authentication-Info names next (RFC 7616 §3.5)")
    func nextNonce() throws {
        let exchange = try Exchange(Self.registering)
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("401 Unauthorized", challenge()))
        exchange.hear(try exchange.takeOne().response("200 OK", "Authentication-Info: nextnonce=\"n2\", qop=auth"))
        let given = try exchange.takeOne().header("Authorization")
        #expect(parameter("nonce", given) == "n2")
        #expect(parameter("nc", given) == "00000001")
    }

    @Test(
        "is tried with a new nonce where the old one was used before or is called stale",
        arguments: [("", false), (", stale=true", false), (", stale=true", true)])
    func staleNonce(more: String, atOnce: Bool) throws {
        let exchange = try Exchange(Self.registering)
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("401 Unauthorized", challenge()))
        if !atOnce { exchange.hear(try exchange.takeOne().response("200 OK")) }
        exchange.hear(try exchange.takeOne().response("401 Unauthorized", challenge(nonce: "n2", more)))
        let again = try exchange.takeOne()
        #expect(again.headers("Authorization").count == 1)
        #expect(parameter("nonce", again.header("Authorization")) == "n2")
        #expect(parameter("nc", again.header("Authorization")) == "00000001")
        #expect(exchange.count(.staleNonces) == 1)
        #expect(exchange.count(.credentialsRefused) == 0)
    }

    @Test(
        "is tried again where it had been repeated: the answer to its first copy may be lost, and the second is a replay"
    )
    func replay() throws {
        let exchange = try Exchange(Self.registering)
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("401 Unauthorized", challenge()))
        let sent = try exchange.takeOne()
        exchange.pass(.milliseconds(600))
        #expect(try exchange.takeOne().text == sent.text)
        exchange.hear(sent.response("401 Unauthorized", challenge(nonce: "n2")))
        let again = try exchange.takeOne()
        #expect(parameter("nonce", again.header("Authorization")) == "n2")
        exchange.hear(again.response("401 Unauthorized", challenge(nonce: "n3")))
        #expect(exchange.take().isEmpty)
        #expect(exchange.count(.credentialsRefused) == 1)
    }

    @Test("is not tried for ever where every nonce is stale")
    func alwaysStale() throws {
        let exchange = try Exchange(Self.registering)
        try exchange.start()
        var sent = 0
        while let request = exchange.take().first, sent < 20 {
            sent += 1
            exchange.hear(request.response("401 Unauthorized", challenge(nonce: "n\(sent)", ", stale=true")))
        }
        #expect(sent == 5)
        #expect(
            try failure(exchange)
                == "401 Unauthorized: it calls every nonce of realm “example.test” stale, also fresh ones")
    }

    // MARK: calls

    @Test("that is an INVITE is acknowledged, sent again in the same call, and its ACK and BYE have credentials")
    func call() throws {
        let exchange = try Exchange(Self.calling)
        try exchange.start()
        let first = try exchange.takeOne()
        exchange.hear(first.response("407 Proxy Authentication Required", challenge("Proxy-Authenticate")))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "INVITE"])
        #expect(sent[0].header("CSeq") == "1 ACK")
        #expect(sent[0].header("Via") == first.header("Via"))
        #expect(sent[0].headers("Proxy-Authorization").isEmpty)
        let second = sent[1]
        #expect(second.header("CSeq") == "2 INVITE")
        #expect(second.header("Call-ID") == first.header("Call-ID"))
        #expect(second.header("From") == first.header("From"))
        #expect(second.header("To") == first.header("To"))
        #expect(second.text.hasSuffix(String(first.text.components(separatedBy: "\r\n\r\n")[1])))
        let given = second.header("Proxy-Authorization")
        #expect(parameter("nc", given) == "00000001")

        exchange.hear(second.response("200 OK", contact))
        let ack = try exchange.takeOne()
        #expect(ack.start == "ACK")
        #expect(ack.header("CSeq") == "2 ACK")
        #expect(ack.header("Proxy-Authorization") == given, "the same as the INVITE's (RFC 3261 §22.1)")
        exchange.hear(second.response("200 OK", contact))
        #expect(try exchange.takeOne().text == ack.text)

        exchange.pass(.milliseconds(1010))
        let bye = try exchange.takeOne()
        #expect(bye.start == "BYE")
        #expect(parameter("nc", bye.header("Proxy-Authorization")) == "00000002")
        #expect(parameter("uri", bye.header("Proxy-Authorization")) == bye.requestURI)
        exchange.hear(bye.response("200 OK"))
        #expect(exchange.count(.runsSucceeded) == 1)
        let figures = exchange.record().figures
        #expect(figures.sessionEstablishmentRatio.denominator == 1, "the two INVITEs are one attempt (RFC 6076 §4.6)")
        #expect(figures.ineffectiveSessionAttempts.numerator == 0)
    }

    @Test("that is refused again when it was repeated is acknowledged again")
    func repeatedRefusal() throws {
        let exchange = try Exchange(Self.calling)
        try exchange.start()
        let refusal = try exchange.takeOne().response("401 Unauthorized", challenge())
        exchange.hear(refusal)
        let ack = try #require(exchange.take().first)
        exchange.hear(refusal)
        #expect(try exchange.takeOne().text == ack.text)
    }

    @Test("carries credentials for every realm on its way (RFC 3261 §22.3)")
    func severalRealms() throws {
        let exchange = try Exchange(Self.calling)
        try exchange.start()
        exchange.hear(
            try exchange.takeOne().response(
                "407 Proxy", challenge("Proxy-Authenticate", realm: "proxy.test", nonce: "p")))
        let second = exchange.take()[1]
        exchange.hear(second.response("401 Unauthorized", challenge(realm: "callee.test", nonce: "c")))
        let third = exchange.take()[1]
        #expect(third.header("CSeq") == "3 INVITE")
        #expect(parameter("realm", third.header("Proxy-Authorization")) == "proxy.test")
        #expect(parameter("nc", third.header("Proxy-Authorization")) == "00000002")
        #expect(parameter("realm", third.header("Authorization")) == "callee.test")
        // A forking proxy brings both kinds in one response (§16.7).
        let other = try Exchange(Self.calling)
        try other.start()
        other.hear(
            try other.takeOne().response(
                "401 Unauthorized", challenge("Proxy-Authenticate", realm: "proxy.test"),
                challenge(realm: "callee.test")))
        let both = other.take()[1]
        #expect(both.headers("Proxy-Authorization").count == 1)
        #expect(both.headers("Authorization").count == 1)
    }

    @Test("uses the credentials that name the realm, else those that name none")
    func credentialsByRealm() throws {
        let scenario = Scenario("two users") {
            Party("phone") {
                Credentials(user: "general", password: "a")
                Credentials(user: "special", password: "b", realm: "special.test")
                Send(.register)
                Expect(200)
            }
        }
        for (realm, user) in [("special.test", "special"), ("other.test", "general")] {
            let exchange = try Exchange(scenario)
            try exchange.start()
            exchange.hear(try exchange.takeOne().response("401 Unauthorized", challenge(realm: realm)))
            #expect(parameter("username", try exchange.takeOne().header("Authorization")) == user)
        }
    }

    @Test(
        "is answered by the topmost algorithm known, or by the strongest where the scenario says so (RFC 8760 §2.4)",
        arguments: [(ChallengePreference.topmost, "MD5"), (.strongest, "SHA-256")])
    func choice(preference: ChallengePreference, algorithm: String) throws {
        let exchange = try Exchange(
            Scenario("choosing") {
                Party("phone") {
                    Credentials(user: "alice", password: "secret", choosing: preference)
                    Send(.register)
                    Expect(200)
                }
            })
        try exchange.start()
        exchange.hear(
            try exchange.takeOne().response(
                "401 Unauthorized", challenge().replacing("MD5", with: "SHA-3"), challenge(),
                challenge().replacing("MD5", with: "SHA-256")))
        #expect(parameter("algorithm", try exchange.takeOne().header("Authorization")) == algorithm)
    }

    // MARK: what the script sees

    @Test("whose step names the status is left to the script, and its next request answers")
    func named() throws {
        let exchange = try Exchange(
            Scenario("by hand") {
                Party("alice") {
                    Credentials(user: "alice", password: "secret")
                    Send(.invite)
                    Expect(407)
                    Send(.invite) { Header("Subject", "second") }
                    Expect(200)
                    Send(.ack)
                    Send(.bye)
                    Expect(200)
                }
            })
        try exchange.start()
        let first = try exchange.takeOne()
        exchange.hear(first.response("407 Proxy Authentication Required", challenge("Proxy-Authenticate")))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "INVITE"])
        #expect(sent[1].header("Subject") == "second")
        #expect(sent[1].header("CSeq") == "2 INVITE")
        #expect(sent[1].header("Call-ID") == first.header("Call-ID"))
        #expect(parameter("nc", sent[1].header("Proxy-Authorization")) == "00000001")
    }

    @Test("is challenged in vain where its credentials were refused, and the failure says so")
    func refused() throws {
        let exchange = try Exchange(Self.registering)
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("401 Unauthorized", challenge()))
        exchange.hear(try exchange.takeOne().response("401 Unauthorized", challenge(nonce: "n2")))
        #expect(exchange.take().isEmpty)
        #expect(exchange.count(.credentialsRefused) == 1)
        #expect(
            try failure(exchange)
                == "401 Unauthorized: the credentials for realm “example.test” were refused: the user is unknown there or the"
                + " password wrong (MD5)")
    }

    @Test("that cannot be answered fails with the reason")
    func unanswerable() throws {
        let special = Scenario("special") {
            Party("phone") {
                Credentials(user: "alice", password: "secret", realm: "special.test")
                Send(.register)
                Expect(200)
            }
        }
        let none = Scenario("none") {
            Party("phone") {
                Send(.register)
                Expect(200)
            }
        }
        let cases: [(Scenario, [String], String)] = [
            (
                none, [challenge()],
                ": it wants credentials for realm “example.test” and this party has none: put Credentials(user:, password:)"
                    + " before the request"
            ),
            (special, [challenge()], ": no Credentials of this party are for realm “example.test”"),
            (Self.registering, [], " without a challenge, so nobody can answer it (RFC 3261 §22.2)"),
            (
                Self.registering, [challenge().replacing("MD5", with: "SHA-3")],
                ": its challenge cannot be answered, expected the algorithm MD5, SHA-256 or SHA-512-256, or one of them with"
                    + " -sess (RFC 8760 §2.2), got “SHA-3”"
            ),
            (
                Self.registering, ["WWW-Authenticate: Basic realm=\"example.test\""],
                ": its challenge cannot be answered, expected the scheme Digest; Basic and others are not used in SIP"
                    + " (RFC 3261 §22.4, RFC 8760 §2.6), got “Basic”"
            ),
        ]
        for (scenario, headers, words) in cases {
            let exchange = try Exchange(scenario)
            try exchange.start()
            let request = try exchange.takeOne()
            let lines = request.response("401 Unauthorized").components(separatedBy: "\r\nContent-Length")
            exchange.hear(lines[0] + headers.map { "\r\n" + $0 }.joined() + "\r\nContent-Length" + lines[1])
            #expect(try failure(exchange) == "401 Unauthorized" + words)
        }
    }

    @Test("that is a BYE which ends a failed call is answered too")
    func closing() throws {
        let exchange = try Exchange(
            Scenario("failing") {
                Party("alice") {
                    Credentials(user: "alice", password: "secret")
                    Send(.invite)
                    Expect(200)
                    Send(.ack)
                    Fail("enough")
                }
            })
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("200 OK", contact))
        let bye = try #require(exchange.take().last)
        #expect(bye.start == "BYE")
        exchange.hear(bye.response("407 Proxy Authentication Required", challenge("Proxy-Authenticate")))
        let again = try exchange.takeOne()
        #expect(again.start == "BYE")
        #expect(again.headers("Proxy-Authorization").count == 1)
        exchange.hear(again.response("200 OK"))
        exchange.pass(.seconds(40))
        #expect(exchange.liveSlots == 0)
        #expect(exchange.engine.residue.arenaBlocks == 0)
    }

    @Test("whose call is cancelled after it was sent again is cancelled by its new branch, without credentials")
    func cancelled() throws {
        let exchange = try Exchange(
            Scenario("cancelling") {
                Party("alice") {
                    Credentials(user: "alice", password: "secret")
                    Send(.invite)
                    Expect(180)
                    Send(.cancel)
                    Expect(200, answering: .cancel)
                    Expect(487, answering: .invite)
                }
            })
        try exchange.start()
        exchange.hear(
            try exchange.takeOne().response("407 Proxy Authentication Required", challenge("Proxy-Authenticate")))
        let invite = exchange.take()[1]
        exchange.hear(invite.response("180 Ringing"))
        let cancel = try exchange.takeOne()
        #expect(cancel.start == "CANCEL")
        #expect(cancel.header("Via") == invite.header("Via"))
        #expect(cancel.header("CSeq") == "2 CANCEL")
        #expect(cancel.headers("Proxy-Authorization").isEmpty)
        exchange.hear(cancel.response("200 OK"))
        exchange.hear(invite.response("487 Request Terminated"))
        #expect(exchange.count(.runsSucceeded) == 1)
    }
}
