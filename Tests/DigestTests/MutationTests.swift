import Digest
import SIPWire
import Testing

/// Whatever the octets are: nothing crashes, every range lies inside the value, and what can be answered is answered so
/// that it can be read again.
@Suite("Digest: mutated values")
struct MutationTests {
    static let seeds = [
        #"Digest realm="a \"b\"", nonce="n,=1", opaque="\\", stale=TRUE, algorithm=SHA-256-sess, qop="auth-int , auth""#
            + #", userhash=true, domain="sip:a sip:b""#,
        VectorTests.rfc7616, #"Digest realm=r,nonce=n"#, #"Basic realm="x""#,
        CredentialsTests.right
            + #", qop=auth, nc=0000000a, cnonce="c", opaque="\"", algorithm=MD5-sess, userhash=false"#,
        CredentialsTests.right.replacing(#"username="u""#, with: "username*=UTF-8''J%C3%A4s%20Doe"),
        #"nextnonce="47364c23432d2e131a5fb210812c", qop=auth, rspauth="00", cnonce="c", nc=00000001"#,
    ]

    @Test(arguments: seeds.indices)
    func truncatedAtEveryLength(_ number: Int) throws {
        var hasher = DigestHasher()
        let value = Array(Self.seeds[number].utf8)
        for length in 0...value.count {
            let octets = Octets(Array(value[..<length]))
            let wrong = exercise(&hasher, octets.raw, octets.whole)
            #expect(wrong == nil, "cut to \(length) octets")
        }
    }

    @Test(arguments: seeds.indices)
    func flippedInsertedRemovedAndRepeated(_ number: Int) throws {
        var hasher = DigestHasher()
        var random = SeededRandom(seed: UInt64(number) &+ 1)
        for _ in 0..<1000 {
            var value = Array(Self.seeds[number].utf8)
            for _ in 0...Int(random.next() % 4) { mutate(&value, &random) }
            let octets = Octets(value)
            if let wrong = exercise(&hasher, octets.raw, octets.whole) {
                Issue.record("\(wrong): seed \(number + 1), \(octets.string.debugDescription)")
                return
            }
        }
    }

    @Test func nothingButPieces() throws {
        var hasher = DigestHasher()
        var random = SeededRandom(seed: 99)
        let pieces = [
            "Digest ", "realm", "nonce", "uri", "username", "username*", "response", "qop", "nc", "cnonce", "algorithm",
            "=",
            "=", "=", ",", ",", ", ", "\"", "\"", "\"a\"", "\\", "\r\n ", "\0", "auth", "auth-int", "MD5", "SHA-256",
            "00000001",
            "UTF-8''%41%", String(repeating: "0", count: 32), "ü", "userhash=true", " ",
        ].map { Array($0.utf8) }
        for _ in 0..<5000 {
            var value = Array("Digest ".utf8)
            for _ in 0..<Int(random.next() % 40) { value += pieces[Int(random.next() % UInt64(pieces.count))] }
            let octets = Octets(value)
            if let wrong = exercise(&hasher, octets.raw, octets.whole) {
                Issue.record("\(wrong): \(octets.string.debugDescription)")
                return
            }
        }
    }

    /// ROB-039: sizes nobody expects.
    @Test func hugeValues() throws {
        var hasher = DigestHasher()
        let long = String(repeating: "n\\\"", count: 3000)
        let many = (0..<100).map { "x\($0)=\"y\"" }.joined(separator: ", ")
        for text in [
            #"Digest realm="r", nonce="\#(long)", qop="auth""#, #"Digest \#(many), realm="r", nonce="n""#,
            "Digest " + String(repeating: "\"", count: 5001), "Digest " + String(repeating: "\\", count: 5001),
        ] {
            let octets = Octets(text)
            #expect(exercise(&hasher, octets.raw, octets.whole) == nil)
        }
        let challenge = Octets(#"Digest realm="r", nonce="\#(long)", qop="auth""#)
        #expect(challenge.challenge.fault == nil && challenge.challenge.nonce.length == 9000)
    }

    private func mutate(_ value: inout [UInt8], _ random: inout SeededRandom) {
        guard !value.isEmpty else { return }
        let telling = Array("\r\n \t,\"\\=%'\0/*D".utf8)
        let place = Int(random.next() % UInt64(value.count))
        switch random.next() % 6 {
        case 0: value[place] ^= 1 << UInt8(random.next() % 8)
        case 1: value[place] = telling[Int(random.next() % UInt64(telling.count))]
        case 2: value.insert(telling[Int(random.next() % UInt64(telling.count))], at: place)
        case 3: value.remove(at: place)
        case 4:
            let end = min(value.count, place + Int(random.next() % 80))
            value.insert(contentsOf: value[place..<end], at: place)
        default:
            let end = min(value.count, place + Int(random.next() % 40))
            value.removeSubrange(place..<end)
        }
    }
}
