import Digest
import SIPWire
import Testing

@Suite("Digest: reading a challenge")
struct ChallengeTests {
    @Test func everyParameter() {
        let value = Octets(
            #"Digest realm="a \"b\"", nonce="n,=1", opaque="", stale=TRUE, algorithm=SHA-256-sess, "#
                + #"qop="auth-int , auth,token", userhash=true, domain="sip:a sip:b", charset=UTF-8, x="y=\",z""#)
        let challenge = value.challenge
        #expect(challenge.fault == nil)
        #expect(challenge.isWellFormed)
        #expect(value.text(challenge.realm) == #"a \"b\""#)
        #expect(value.text(challenge.nonce) == "n,=1")
        #expect(challenge.hasOpaque && challenge.opaque.isEmpty)
        #expect(challenge.isStale && challenge.acceptsUserhash && challenge.hasQop && challenge.hasAlgorithm)
        #expect(challenge.algorithm == .sha256Session)
        #expect(challenge.qops == [.auth, .authInt])
        #expect(value.text(challenge.domain) == "sip:a sip:b")
        #expect(challenge.isRealm(Octets(#"a "b""#).raw))
        #expect(!challenge.isRealm(Octets(#"a \"b\""#).raw))
        #expect(!challenge.isRealm(Octets(#"a "B""#).raw))
        #expect(!challenge.isRealm(Octets(#"a "b"#).raw))
        #expect(!challenge.isRealm(Octets(#"a "b"c"#).raw))
    }

    /// Odd, but with one meaning only.
    @Test(arguments: [
        #"digest Realm="r",NONCE="n""#, #"  Digest   realm = "r" ,  nonce="n"  "#,
        "Digest realm=\"r\",\r\n\tnonce=\"n\"",
        #"Digest nonce="n",realm="r",unknown,="#.replacing(",unknown,=", with: ",unknown=u,unknown=v"),
        #"Digest realm="r", nonce="n", algorithm=md5"#,
    ])
    func readAsTheGrammarHasIt(_ text: String) {
        let value = Octets(text)
        let challenge = value.challenge
        #expect(challenge.fault == nil)
        #expect(challenge.isWellFormed)
        #expect(value.text(challenge.realm) == "r" && value.text(challenge.nonce) == "n")
        #expect(challenge.algorithm == .md5 && challenge.qops.isEmpty && !challenge.isStale)
    }

    /// Off the grammar, but without doubt: read, and not called well-formed.
    @Test(arguments: [
        #"Digest realm=r, nonce=n, algorithm=MD5, qop=auth"#,
        #"Digest realm="r", nonce="n", algorithm="MD5", qop="auth""#,
        #"Digest realm="r", , nonce="n", qop="auth","#, #"Digest ,realm="r", nonce="n", stale="false", qop="auth""#,
        #"Digest realm="r", nonce=n=/+=, qop="auth""#,
    ])
    func readLeniently(_ text: String) {
        let value = Octets(text)
        let challenge = value.challenge
        #expect(challenge.fault == nil)
        #expect(!challenge.isWellFormed)
        #expect(value.text(challenge.realm) == "r" && value.text(challenge.nonce).hasPrefix("n"))
        #expect(challenge.qops == .auth && !challenge.isStale && challenge.algorithm == .md5)
    }

    @Test(arguments: [
        (#"Basic realm="r""#, DigestFault.notDigest, "Basic"), ("", .notDigest, ""), ("   ", .notDigest, ""),
        (#"DigestX realm="r", nonce="n""#, .notDigest, "DigestX"), (#"="#, .notDigest, ""),
        ("Digest", .missingRealm, ""), (#"Digest nonce="n""#, .missingRealm, ""),
        (#"Digest realm="r""#, .missingNonce, ""),
        (#"Digest realm="r", nonce="n", algorithm=SHA-512"#, .unknownAlgorithm, "SHA-512"),
        (#"Digest realm="r", nonce="n", algorithm=AKAv1-MD5"#, .unknownAlgorithm, "AKAv1-MD5"),
        (#"Digest realm="r", nonce="n", algorithm="""#, .unknownAlgorithm, ""),
        (#"Digest realm="r", nonce="n", qop="auth-conf""#, .unknownQop, "auth-conf"),
        (#"Digest realm="r", nonce="n", qop="""#, .unknownQop, ""),
        (#"Digest realm="r", nonce="n", nonce="m""#, .repeatedParameter, "nonce"),
        (#"Digest realm="r", nonce="n", Realm="m""#, .repeatedParameter, "Realm"),
        (#"Digest realm="r", nonce="n"#, .unclosedQuote, #""n"#),
        (#"Digest realm="r", nonce="n\""#, .unclosedQuote, #""n\""#),
        (#"Digest realm="r", nonce="n\"#, .unclosedQuote, #""n\"#),
        ("Digest realm=\"r\u{0}\", nonce=\"n\"", .controlOctet, "\u{0}"),
        ("Digest realm=\"r\", nonce=\"n\\\r\n\"", .controlOctet, "\r"),
        (#"Digest realm="r" nonce="n""#, .malformedParameter, #"nonce="n""#),
        (#"Digest realm="r", nonce"#, .malformedParameter, "nonce"),
        (#"Digest realm="r", nonce="#, .malformedParameter, ""),
        (#"Digest realm="r", ="x", nonce="n""#, .malformedParameter, #"="x""#),
        (#"Digest realm="r", nonce=a"b""#, .malformedParameter, #""b""#),
        (#"Digest realm="r", nonce="n", Digest realm="s", nonce="m""#, .severalInOneValue, #"Digest realm="s""#),
    ])
    func faults(_ text: String, _ fault: DigestFault, _ about: String) {
        let value = Octets(text)
        let challenge = value.challenge
        #expect(challenge.fault == fault)
        #expect(value.text(challenge.faultRange) == about)
        #expect(!challenge.isWellFormed)
    }

    @Test func everyFaultHasItsOwnWords() {
        let words = Set(DigestFault.allCases.map { "\($0.description)" })
        #expect(words.count == DigestFault.allCases.count)
        #expect(words.allSatisfy { $0.contains("RFC ") })
    }

    @Test func valueInTheMiddleOfAMessage() {
        let message = Octets("WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\nX: \"")
        let challenge = Challenge(message.base, OctetRange(offset: 18, length: 27))
        #expect(challenge.fault == nil)
        #expect(message.text(challenge.nonce) == "n" && challenge.nonce.offset > 18)
    }

    @Test func keptChallengeOutlivesTheMessage() throws {
        let message = Octets(
            #"Digest domain="sip:x", opaque="o", stale=true, nonce="nonce", qop="auth", realm="realm", "#
                + "algorithm=SHA-256")
        let read = message.challenge
        #expect(read.keptLength == 11)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 14, alignment: 1)
        defer { room.deallocate() }
        #expect(read.keep(in: UnsafeMutableRawBufferPointer(rebasing: room[..<10])) == nil)
        var kept = try #require(read.keep(in: UnsafeMutableRawBufferPointer(rebasing: room[..<11])))
        // Another message takes its place.
        for place in 0..<message.buffer.count { message.buffer[place] = 0x78 }
        func text(_ range: OctetRange) -> String {
            String(decoding: room[Int(range.offset)..<Int(range.end)], as: UTF8.self)
        }
        #expect([kept.realm, kept.nonce, kept.opaque].map(text) == ["realm", "nonce", "o"])
        #expect(kept.hasQop && kept.hasOpaque && kept.qops == .auth && kept.algorithm == .sha256 && !kept.isStale)

        let other = UnsafeMutableRawBufferPointer.allocate(byteCount: 10, alignment: 1)
        defer { other.deallocate() }
        kept = try #require(kept.keep(in: other, nextNonce: Octets("next").raw))
        #expect(String(decoding: other, as: UTF8.self) == "realmnexto")
    }
}

@Suite("Digest: choosing a challenge")
struct ChallengeChoiceTests {
    static func challenge(_ algorithm: String, realm: String = "r") -> Octets {
        Octets(#"Digest realm="\#(realm)", nonce="n", qop="auth", algorithm=\#(algorithm)"#)
    }

    @Test(arguments: [
        (["SHA-512-256", "SHA-256", "MD5"], "SHA-512-256", "SHA-512-256"), (["MD5", "SHA-256"], "MD5", "SHA-256"),
        (["SHA3-256", "SHA-256", "SHA-512-256-sess"], "SHA-256", "SHA-512-256-sess"),
        (["SHA-256", "SHA-256-sess", "MD5"], "SHA-256", "SHA-256"), (["AKAv1-MD5", "MD5"], "MD5", "MD5"),
    ])
    func byRule(_ offered: [String], _ topmost: String, _ strongest: String) {
        let values = offered.map { Self.challenge($0) }
        for (rule, wanted) in [(ChallengeChoice.Rule.topmost, topmost), (.strongest, strongest)] {
            var choice = ChallengeChoice(rule)
            for value in values { choice.consider(value.challenge, hasCredentials: true) }
            #expect(choice.chosen.map { "\($0.algorithm.token)" } == wanted)
        }
    }

    @Test func whyNoneWasChosen() {
        let basic = Octets("Basic realm=\"r\"")
        let unknown = Self.challenge("SHA3-256")
        let weak = Self.challenge("MD5")
        let foreign = Self.challenge("SHA-256", realm: "elsewhere")
        var choice = ChallengeChoice(allowed: [.sha256, .sha512_256])
        #expect(choice.refusal == nil)
        choice.consider(basic.challenge, hasCredentials: true)
        #expect(choice.refusal == .fault(.notDigest))
        choice.consider(unknown.challenge, hasCredentials: true)
        #expect(choice.refusal == .fault(.unknownAlgorithm))
        choice.consider(weak.challenge, hasCredentials: true)
        #expect(choice.refusal == .algorithmNotAllowed(.md5))
        choice.consider(foreign.challenge, hasCredentials: foreign.challenge.isRealm(Octets("r").raw))
        #expect(choice.refusal == .unknownRealm)
        choice.consider(basic.challenge, hasCredentials: true)
        #expect(choice.refusal == .unknownRealm)
        #expect(choice.refused.map { foreign.text($0.realm) } == "elsewhere")
        #expect(choice.chosen == nil)
    }
}
