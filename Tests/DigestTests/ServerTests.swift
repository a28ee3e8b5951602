import Digest
import SIPWire
import Testing

/// A registrar with one user, and a clock that the test moves.
struct TestServer: ~Copyable {
    var hasher: DigestHasher
    let realm = Octets("example.org")
    let opaque = Octets("o\"1")
    var policy: ServerPolicy
    var now: UInt64 = 1_700_000_000_000
    var salt: UInt64 = 1
    var counts = NonceCountRecord()
    var password = "Circle of Life"

    init() {
        hasher = DigestHasher()
        policy = ServerPolicy(realm: realm.raw, secret: NonceSecret(1, 2, 3, 4))
        policy.qops = [.auth, .authInt]
        policy.opaque = opaque.raw
    }

    mutating func challenge(_ algorithm: DigestAlgorithm = .sha256, isStale: Bool = false) throws -> Octets {
        salt += 1
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 1)
        defer { room.deallocate() }
        let count = try hasher.writeChallenge(
            policy, algorithm, isStale: isStale, nowMilliseconds: now, salt: salt, into: room)
        return Octets(Array(room[..<count]))
    }

    mutating func userHash(_ function: HashFunction) -> HashValue {
        hasher.hash(username: Octets("Mufasa").raw, realm: realm.raw, password: Octets(password).raw, function)
    }

    mutating func verify(_ value: Octets, _ client: TestClient, knowsUser: Bool = true) -> CredentialsVerdict {
        let credentials = value.credentials
        let hash = userHash(credentials.algorithm.function)
        return hasher.verify(
            credentials, policy, userHash: knowsUser ? hash : nil, client.request, nowMilliseconds: now,
            counts: &counts)
    }

    /// What a client makes of a challenge, changed, and the verdict on it.
    mutating func verdict(
        _ client: TestClient, _ challenge: Octets? = nil, changed: (String) -> String = { $0 },
        received: TestClient? = nil
    ) throws -> CredentialsVerdict {
        let challenge = try challenge ?? self.challenge()
        let value = try client.credentials(&hasher, challenge).string
        return verify(Octets(changed(value)), received ?? client)
    }
}

@Suite("Digest: a challenging server")
struct ServerTests {
    @Test func theChallenge() throws {
        var server = TestServer()
        let value = try server.challenge(.sha512_256Session, isStale: true)
        let challenge = value.challenge
        #expect(challenge.fault == nil && challenge.isWellFormed && challenge.isStale && challenge.hasOpaque)
        #expect(challenge.algorithm == .sha512_256Session && challenge.qops == [.auth, .authInt])
        #expect(!challenge.acceptsUserhash && challenge.isRealm(server.realm.raw))
        #expect(Int(challenge.nonce.length) == ServerNonce.length)
        #expect(value.string.contains(#"opaque="o\"1", stale=true"#))
        server.policy.qops = []
        server.policy.offersUserhash = true
        let plain = try server.challenge(.md5).challenge
        #expect(!plain.hasQop && plain.acceptsUserhash && !plain.isStale)
    }

    @Test func noncesDifferAndTellTheirAge() throws {
        var server = TestServer()
        var seen = Set<String>()
        for _ in 0..<200 {
            let value = try server.challenge()
            let nonce = value.text(value.challenge.nonce)
            #expect(seen.insert(nonce).inserted)
            // Two neighbours share the time and most of the salt, but not the signature.
            let read = ServerNonce(Octets(nonce).raw)
            #expect(read?.issuedMilliseconds == server.now && read?.salt == server.salt)
        }
        #expect(Set(seen.map { $0.suffix(24) }).count == 200)
    }

    @Test(arguments: DigestAlgorithm.allCases, [false, true])
    func rightWithEveryAlgorithm(_ algorithm: DigestAlgorithm, _ protectsBody: Bool) throws {
        var server = TestServer()
        server.policy.algorithms = .all
        var client = TestClient()
        client.prefersIntegrity = protectsBody
        client.body = Octets("v=0\r\n")
        let challenge = try server.challenge(algorithm)
        #expect(try server.verdict(client, challenge) == .right)
        client.nonceCount = 2
        #expect(try server.verdict(client, challenge) == .right)
        client.nonceCount = 3
        var altered = client
        altered.body = Octets("v=1\r\n")
        let verdict = try server.verdict(client, challenge, received: altered)
        #expect(verdict == (protectsBody ? .wrongResponse : .right))
        client.password = Octets("Circle of Lifes")
        #expect(try server.verdict(client, server.challenge(algorithm)) == .wrongResponse)
    }

    @Test func anEmptyBodyIsHashedToo() throws {
        var server = TestServer()
        server.policy.qops = .authInt
        #expect(try server.verdict(TestClient()) == .right)
    }

    /// One thing wrong each time.
    @Test func whatIsWrongIsSaid() throws {
        var server = TestServer()
        let client = TestClient()
        var other = client
        other.method = Octets("INVITE")
        #expect(try server.verdict(client, received: other) == .wrongResponse)
        other = client
        other.uri = Octets("sip:example.com")
        #expect(try server.verdict(client, received: other) == .uriMismatch)
        other.uri = Octets("sip:EXAMPLE.org")
        #expect(try server.verdict(client, received: other) == .right)
        server.policy.uriRule = .identical
        #expect(try server.verdict(client, received: other) == .uriMismatch)
        server.policy.uriRule = .any
        other.uri = Octets("sip:elsewhere")
        #expect(try server.verdict(client, received: other) == .right)

        #expect(
            try server.verdict(client, changed: { $0.replacing("example.org\", nonce", with: "example.com\", nonce") })
                == .wrongRealm)
        #expect(
            try server.verdict(client, changed: { $0.replacing("response=", with: "x=") }) == .fault(.missingResponse))
        #expect(
            try server.verdict(client, changed: { $0.replacing("nc=00000001", with: "nc=1") }) == .fault(.nonceCount))
        #expect(
            try server.verdict(client, changed: { $0.replacing("SHA-256", with: "MD5") }) == .fault(.responseLength))
        #expect(try server.verdict(client, changed: { $0.replacing("Digest", with: "Basic") }) == .fault(.notDigest))
        #expect(
            try server.verdict(client, changed: { $0.replacing("SHA-256", with: "SHA-512-256") })
                == .algorithmNotOffered(.sha512_256))
        #expect(
            try server.verdict(client, changed: { $0.replacing("nc=00000001", with: "nc=00000002") }) == .wrongResponse)
        server.policy.qops = .authInt
        #expect(
            try server.verdict(client, changed: { $0.replacing("qop=auth-int", with: "qop=auth") })
                == .qopNotOffered(.auth))
        let value = try client.credentials(&server.hasher, try server.challenge())
        #expect(server.verify(value, client, knowsUser: false) == .unknownUser)
    }

    @Test func everyChangedDigitOfANonceMakesItForeign() throws {
        var server = TestServer()
        let client = TestClient()
        let challenge = try server.challenge().string
        let start = try #require(challenge.range(of: "nonce=\"")?.upperBound)
        for place in 0..<ServerNonce.length {
            var changed = challenge
            let index = challenge.index(start, offsetBy: place)
            changed.replaceSubrange(index...index, with: challenge[index] == "0" ? "1" : "0")
            #expect(try server.verdict(client, Octets(changed)) == .foreignNonce, "digit \(place)")
        }
        for nonce in ["", "0", String(repeating: "0", count: 52), String(repeating: "g", count: 52)] {
            let invented = Octets(#"Digest realm="example.org", nonce="\#(nonce)", qop="auth", algorithm=SHA-256"#)
            #expect(try server.verdict(client, invented) == .foreignNonce)
        }
        // Of another secret, and of another realm of ours.
        let ours = try server.challenge()
        server.policy.secret = NonceSecret(1, 2, 3, 5)
        #expect(try server.verdict(client, ours) == .foreignNonce)
    }

    @Test func anOldNonceIsStaleOnlyWithTheRightPassword() throws {
        var server = TestServer()
        let challenge = try server.challenge()
        server.now += server.policy.nonceLifetimeMilliseconds
        #expect(try server.verdict(TestClient(), challenge) == .right)
        server.now += 1
        var client = TestClient()
        client.nonceCount = 2
        #expect(try server.verdict(client, challenge) == .staleNonce)
        client.password = Octets("wrong")
        #expect(try server.verdict(client, challenge) == .wrongResponse)
        // Another thread's clock is behind.
        server.now -= 400_000
        client.password = Octets("Circle of Life")
        #expect(try server.verdict(client, challenge) == .right)
    }

    @Test func countsMayOvertakeButNotRepeat() throws {
        var server = TestServer()
        let challenge = try server.challenge()
        var client = TestClient()
        func count(_ number: UInt32, _ server: inout TestServer, _ client: inout TestClient) throws
            -> CredentialsVerdict
        {
            client.nonceCount = number
            return try server.verdict(client, challenge)
        }
        for (number, verdict) in [
            (1, .right), (1, .replayed), (3, .right), (2, .right), (2, .replayed), (3, .replayed), (70, .right),
            (6, .replayed), (7, .right), (7, .replayed), (70, .replayed), (69, .right), (1000, .right), (937, .right),
            (936, .replayed),
        ] as [(UInt32, CredentialsVerdict)] {
            #expect(try count(number, &server, &client) == verdict, "nc \(number)")
        }
        // A newer nonce is used; then the older one is stale.
        client.nonceCount = 1
        server.now += 1
        #expect(try server.verdict(client) == .right)
        #expect(try count(1001, &server, &client) == .staleNonce)
        // Two nonces of one millisecond: a replay cannot hide behind the other.
        let first = try server.challenge()
        let second = try server.challenge()
        client.nonceCount = 1
        #expect(try server.verdict(client, first) == .right)
        #expect(try server.verdict(client, second) == .right)
        #expect(try server.verdict(client, first) == .staleNonce)
        #expect(try server.verdict(client, second) == .replayed)
        // nc 00000000 counts nothing.
        let zero = try server.challenge().string
        client.nonceCount = 1
        let value = try client.credentials(&server.hasher, Octets(zero)).string
        #expect(server.verify(Octets(value.replacing("00000001", with: "00000000")), client) != .right)
    }

    @Test func withoutQopOnlyWhereAllowed() throws {
        var server = TestServer()
        let client = TestClient()
        let challenge = try server.challenge().string
        let old = Octets(challenge.replacing(#", qop="auth,auth-int""#, with: ""))
        #expect(try server.verdict(client, old) == .qopNotOffered(.absent))
        server.policy.acceptsWithoutQop = true
        #expect(try server.verdict(client, old) == .right)
        server.policy.acceptsWithoutQop = false
        server.policy.qops = []
        #expect(try server.verdict(client) == .right)
    }

    @Test(arguments: DigestAlgorithm.allCases, [false, true])
    func authenticationInfo(_ algorithm: DigestAlgorithm, _ protectsBody: Bool) throws {
        var server = TestServer()
        server.policy.algorithms = .all
        var client = TestClient()
        client.cnonce = Octets(#"c"\"#)
        client.prefersIntegrity = protectsBody
        let challenge = try server.challenge(algorithm)
        let value = try client.credentials(&server.hasher, challenge)
        #expect(server.verify(value, client) == .right)
        let body = Octets("answer")
        func information(_ salt: UInt64?, _ server: inout TestServer) throws -> Octets {
            let hash = server.userHash(algorithm.function)
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 1)
            defer { room.deallocate() }
            let count = try server.hasher.writeAuthenticationInfo(
                server.policy, for: value.credentials, userHash: hash, body: body.raw, nowMilliseconds: server.now + 1,
                nextNonceSalt: salt, into: room)
            return Octets(Array(room[..<count]))
        }
        let text = try information(77, &server)
        let info = text.information
        #expect(info.fault == nil && info.isWellFormed && info.qop == (protectsBody ? .authInt : .auth))
        #expect(text.text(info.nonceCountRange) == "00000001" && text.text(info.cnonce) == #"c\"\\"#)
        let answer = client.answer(&server.hasher, challenge)
        func proof(_ text: Octets, _ body: Octets, _ server: inout TestServer) -> Bool? {
            server.hasher.isProofRight(
                text.information, for: challenge.challenge, answer, uri: client.uri.raw, body: body.raw)
        }
        #expect(proof(text, body, &server) == true)
        #expect(proof(text, Octets("other"), &server) == !protectsBody)
        #expect(proof(Octets(text.string.replacing("rspauth=\"", with: "rspauth=\"0")), body, &server) == false)
        #expect(proof(Octets(text.string.replacing("rspauth", with: "x")), body, &server) == nil)

        // The next request goes out with the nonce that was handed out.
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 128, alignment: 1)
        defer { room.deallocate() }
        let nonce = Octets(text.text(info.nextNonce))
        let next = try #require(challenge.challenge.keep(in: room, nextNonce: nonce.raw))
        let nextAnswer = client.answer(&server.hasher, challenge, of: next)
        let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 1)
        defer { output.deallocate() }
        let count = try server.hasher.writeCredentials(for: next, nextAnswer, client.request, into: output)
        #expect(server.verify(Octets(Array(output[..<count])), client) == .right)
        #expect(try !information(nil, &server).string.contains("nextnonce"))
    }

    @Test func hashedUsernames() throws {
        var server = TestServer()
        server.policy.offersUserhash = true
        var client = TestClient()
        client.hashesUsername = true
        let challenge = try server.challenge()
        let value = try client.credentials(&server.hasher, challenge)
        #expect(challenge.challenge.acceptsUserhash && value.credentials.usernameForm == .hashed)
        let ours = server.hasher.hash(username: Octets("Mufasa").raw, realm: server.realm.raw, .sha256)
        #expect(value.text(value.credentials.username) == ours.text)
        #expect(server.verify(value, client) == .right)
    }
}
