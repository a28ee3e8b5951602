import Digest
import SIPWire
import Testing

@Suite("Digest: credentials of a client")
struct ClientTests {
    static let challenge = #"Digest realm="r \"1\"", nonce="n\\", qop="auth", algorithm=MD5"#

    @Test func textsAreEscapedAndHashedWithout() throws {
        var hasher = DigestHasher()
        let client = TestClient(#"DOMAIN\"me""#, #"p"\"#)
        let value = try client.credentials(&hasher, Octets(Self.challenge))
        #expect(value.string.contains(#"username="DOMAIN\\\"me\"", realm="r \"1\"", nonce="n\\", uri="sip:"#))
        let plain = hasher.hash(
            username: client.username.raw, realm: Octets(#"r "1""#).raw, password: client.password.raw, .md5)
        let answer = client.answer(&hasher, Octets(Self.challenge))
        #expect(answer.userHash.isEqual(to: plain))
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 20, alignment: 1)
        defer { room.deallocate() }
        let count = try #require(value.credentials.copyUsername(into: room))
        #expect(String(decoding: room[..<count], as: UTF8.self) == #"DOMAIN\"me""#)
        #expect(value.credentials.copyUsername(into: UnsafeMutableRawBufferPointer(rebasing: room[..<3])) == nil)
    }

    @Test func everyRoomTooSmallIsRefusedAndTheRightOneIsEnough() throws {
        var hasher = DigestHasher()
        let client = TestClient(#"a"b\c"#)
        let challenge = Octets(Self.challenge + #", opaque="o""#)
        let right = try client.credentials(&hasher, challenge).string
        for size in 0..<right.utf8.count {
            do {
                _ = try client.credentials(&hasher, challenge, size: size)
                Issue.record("\(size) octets were enough")
            } catch { #expect(error == .noRoom(needed: right.utf8.count)) }
        }
        #expect(try client.credentials(&hasher, challenge, size: right.utf8.count).string == right)
    }

    @Test func whatCannotBeWrittenIsNotWritten() throws {
        var hasher = DigestHasher()
        let challenge = Octets(Self.challenge)
        for name in ["a\r\nX: y", "a\"\n", "\u{7F}", "a\u{0}"] {
            #expect(throws: DigestWriteFault.controlOctet) {
                var hasher = DigestHasher()
                _ = try TestClient(name).credentials(&hasher, challenge)
            }
        }
        var client = TestClient()
        client.nonceCount = 0
        #expect(throws: DigestWriteFault.nonceCount) {
            var hasher = DigestHasher()
            _ = try client.credentials(&hasher, challenge)
        }
        #expect(throws: DigestWriteFault.unanswerable(.missingNonce)) {
            var hasher = DigestHasher()
            _ = try TestClient().credentials(&hasher, Octets(#"Digest realm="r""#))
        }
        // HA1 of another function than the challenge's.
        client.nonceCount = 1
        let answer = client.answer(&hasher, Octets(#"Digest realm="r", nonce="n", algorithm=SHA-256"#))
        do {
            _ = try written { room throws(DigestWriteFault) in
                var hasher = DigestHasher()
                return try hasher.writeCredentials(for: challenge.challenge, answer, client.request, into: room)
            }
            Issue.record("written with the wrong hash")
        } catch { #expect(error == .hashFunction) }
    }

    @Test(arguments: [
        ("", false, QualityOfProtection.absent), (#", qop="auth""#, true, .auth),
        (#", qop="auth,auth-int""#, false, .auth),
        (#", qop="auth,auth-int""#, true, .authInt), (#", qop="auth-int""#, false, .authInt),
    ])
    func qopAndWhatGoesWithIt(_ qop: String, _ prefersIntegrity: Bool, _ wanted: QualityOfProtection) throws {
        var hasher = DigestHasher()
        var client = TestClient()
        client.prefersIntegrity = prefersIntegrity
        client.nonceCount = 0x0A0B_0C0D
        let value = try client.credentials(&hasher, Octets(#"Digest realm="r", nonce="n""# + qop))
        let credentials = value.credentials
        #expect(credentials.fault == nil && credentials.isWellFormed && credentials.qop == wanted)
        #expect(value.text(credentials.nonceCountRange) == (wanted == .absent ? "" : "0a0b0c0d"))
        #expect(credentials.nonceCount == (wanted == .absent ? 0 : 0x0A0B_0C0D))
        #expect(value.text(credentials.cnonce) == (wanted == .absent ? "" : "0a4f113b"))
        #expect(value.string.contains("qop=\(wanted.token)") == (wanted != .absent))
        #expect(!value.string.contains("algorithm") && !value.string.contains("opaque"))
    }

    @Test func aSessionAlgorithmBringsItsCnonceWithoutQop() throws {
        var hasher = DigestHasher()
        let value = try TestClient().credentials(&hasher, Octets(#"Digest realm="r", nonce="n", algorithm=MD5-sess"#))
        #expect(value.credentials.fault == nil && value.credentials.isWellFormed)
        #expect(value.text(value.credentials.cnonce) == "0a4f113b")
        #expect(!value.string.contains("nc=") && !value.string.contains("qop="))
    }
}

@Suite("Digest: reading credentials")
struct CredentialsTests {
    static let right =
        #"Digest username="u", realm="r", nonce="n", uri="sip:a", response="\#(String(repeating: "0a", count: 16))""#

    @Test(arguments: [
        ("", true), (#", qop=auth, nc=0000000a, cnonce="c""#, true), (#", qop="auth", nc="0000000A", cnonce=c"#, false),
        (#", nc=00000001, cnonce="c""#, false), (#", algorithm=MD5-sess, cnonce="c""#, true),
        (#", userhash=false, opaque="", x=y"#, true),
    ])
    func readable(_ more: String, _ isWellFormed: Bool) {
        let value = Octets(Self.right + more)
        let credentials = value.credentials
        #expect(credentials.fault == nil && credentials.isWellFormed == isWellFormed)
        #expect(value.text(credentials.uri) == "sip:a" && credentials.usernameForm == .plain)
        #expect(!credentials.nonceCountRange.isEmpty || credentials.nonceCount == 0)
    }

    @Test(arguments: [
        (#"username="u", "#, "", DigestFault.missingUsername), (#"realm="r", "#, "", .missingRealm),
        (#"nonce="n", "#, "", .missingNonce), (#"uri="sip:a", "#, "", .missingURI),
        (#"uri="sip:a""#, #"uri="""#, .missingURI),
        (#", response="\#(String(repeating: "0a", count: 16))""#, "", .missingResponse),
        (#"0a0a""#, #"0a0""#, .responseLength),
        (#"0a0a""#, #"0a0g""#, .responseLength), (#"realm="r""#, #"realm="r", algorithm=SHA-256"#, .responseLength),
        (#"realm="r""#, #"realm="r", algorithm=MD6"#, .unknownAlgorithm),
        (#"realm="r""#, #"realm="r", qop=x"#, .unknownQop),
        (#"realm="r""#, #"realm="r", qop=auth, nc=00000001"#, .missingCnonce),
        (#"realm="r""#, #"realm="r", algorithm=MD5-sess"#, .missingCnonce),
        (#"realm="r""#, #"realm="r", qop=auth, cnonce="c""#, .missingNonceCount),
        (#"realm="r""#, #"realm="r", qop=auth, cnonce="c", nc=1"#, .nonceCount),
        (#"realm="r""#, #"realm="r", qop=auth, cnonce="c", nc=0000000g"#, .nonceCount),
        (#"realm="r""#, #"realm="r", qop=auth, cnonce="c", nc=000000001"#, .nonceCount),
        (#"realm="r""#, #"realm="r", realm="r""#, .repeatedParameter),
        (#"realm="r""#, #"realm="r", username*=UTF-8''u"#, .twoUsernames),
        (#"username="u""#, #"username*=UTF-8''u, userhash=true"#, .twoUsernames),
        (#"username="u""#, #"userhash=true, username*=UTF-8''u"#, .twoUsernames),
        (#"username="u""#, #"username*=ISO-8859-1''u"#, .username),
        (#"username="u""#, #"username*=UTF-8'u"#, .username),
        (#"username="u""#, #"username*=UTF-8''%4"#, .username), (#"username="u""#, #"username*=UTF-8''%4g"#, .username),
        ("Digest", "Basic", .notDigest),
    ])
    func faults(_ part: String, _ replacement: String, _ fault: DigestFault) {
        let text = Self.right.replacing(part, with: replacement, maxReplacements: 1)
        #expect(text != Self.right)
        #expect(Octets(text).credentials.fault == fault)
    }

    @Test func extendedUsername() throws {
        let value = Octets(Self.right.replacing(#"username="u""#, with: "username*=utf-8'en'J%C3%A4s%C3%B8n%20Doe"))
        let credentials = value.credentials
        #expect(credentials.fault == nil && credentials.isWellFormed && credentials.usernameForm == .extended)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 11, alignment: 1)
        defer { room.deallocate() }
        #expect(credentials.copyUsername(into: room) == 11)
        #expect(String(decoding: room, as: UTF8.self) == "Jäsøn Doe")
        #expect(credentials.copyUsername(into: UnsafeMutableRawBufferPointer(rebasing: room[..<10])) == nil)
    }
}
