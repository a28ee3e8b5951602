import Digest
import SIPWire

// Reads octets as everything this room reads, and says what leaves them or contradicts itself. Shared by the mutation
// tests and by Fuzz/, which compiles this file.

/// The first thing found wrong.
private struct Findings {
    private(set) var first: String?
    let outer: OctetRange

    init(_ outer: OctetRange) { self.outer = outer }

    mutating func expect(_ isRight: Bool, _ what: @autoclosure () -> String) {
        if !isRight, first == nil { first = what() }
    }

    /// An empty range may stand anywhere: it is none.
    mutating func expect(_ ranges: [OctetRange], _ what: @autoclosure () -> String) {
        for range in ranges where !range.isEmpty {
            expect(
                range.offset >= outer.offset && UInt64(range.offset) + UInt64(range.length) <= UInt64(outer.end), what()
            )
        }
    }
}

/// - Returns: what is wrong; nil where every range lies inside the value and no two readings contradict each other.
func exercise(_ hasher: inout DigestHasher, _ message: UnsafeRawBufferPointer, _ value: OctetRange) -> String? {
    guard let base = message.baseAddress else { return nil }
    return exerciseChallenge(&hasher, base, value) ?? exerciseCredentials(&hasher, base, value)
        ?? exerciseInformation(base, value) ?? exerciseAmongOthers(base, value)
}

/// What stands round a value must not matter: what reads too far finds more of the same.
private func exerciseAmongOthers(_ base: UnsafeRawPointer, _ value: OctetRange) -> String? {
    let before = Array("Digest realm=\"before\", ".utf8)
    let after = Array("\", nonce=\"after\", uri=\"after\", qop=auth, nextnonce=after, stale=true".utf8)
    let octets = before + UnsafeRawBufferPointer(start: base + Int(value.offset), count: Int(value.length)) + after
    return octets.withUnsafeBytes { around -> String? in
        let other = around.baseAddress!
        let range = OctetRange(offset: UInt32(before.count), length: value.length)
        func differs(_ ours: [OctetRange], _ theirs: [OctetRange]) -> Bool {
            zip(ours, theirs).contains {
                !(base + Int($0.offset)).isSame($0.length, other + Int($1.offset), $1.length)
            }
        }
        let challenge = Challenge(base, value)
        let challengeThere = Challenge(other, range)
        if challenge.fault != challengeThere.fault || challenge.isStale != challengeThere.isStale
            || differs(
                [challenge.realm, challenge.nonce, challenge.opaque, challenge.domain, challenge.qopRange],
                [
                    challengeThere.realm, challengeThere.nonce, challengeThere.opaque, challengeThere.domain,
                    challengeThere.qopRange,
                ])
        {
            return "what stands round a challenge changes what it says"
        }
        let credentials = DigestCredentials(base, value)
        let credentialsThere = DigestCredentials(other, range)
        if credentials.fault != credentialsThere.fault
            || differs(
                [
                    credentials.username, credentials.realm, credentials.nonce, credentials.uri, credentials.response,
                    credentials.cnonce, credentials.nonceCountRange,
                ],
                [
                    credentialsThere.username, credentialsThere.realm, credentialsThere.nonce, credentialsThere.uri,
                    credentialsThere.response, credentialsThere.cnonce, credentialsThere.nonceCountRange,
                ])
        {
            return "what stands round credentials changes what they say"
        }
        let info = AuthenticationInfo(base, value)
        let infoThere = AuthenticationInfo(other, range)
        return info.fault != infoThere.fault
            || differs(
                [info.nextNonce, info.responseAuth, info.cnonce],
                [infoThere.nextNonce, infoThere.responseAuth, infoThere.cnonce])
            ? "what stands round an Authentication-Info changes what it says" : nil
    }
}

private func exerciseChallenge(
    _ hasher: inout DigestHasher, _ base: UnsafeRawPointer, _ value: OctetRange
) -> String? {
    var findings = Findings(value)
    let challenge = Challenge(base, value)
    findings.expect(
        [
            challenge.realm, challenge.nonce, challenge.opaque, challenge.domain, challenge.algorithmRange,
            challenge.qopRange, challenge.faultRange,
        ], "part of a challenge")
    findings.expect(challenge.fault == nil || !challenge.isWellFormed, "a well-formed challenge with a fault")
    findings.expect(challenge.fault != nil || challenge.hasQop == !challenge.qops.isEmpty, "qop options")
    let name = base + Int(challenge.realm.offset)
    let written = UnsafeRawBufferPointer(start: name, count: Int(challenge.realm.length))
    findings.expect(challenge.isRealm(written) || written.contains(0x5C), "a realm that is not itself")

    // An answer to it can be read, and says what the challenge says.
    var text = [UInt8](repeating: 0, count: 6 * Int(value.length) + 512)
    let user = HashValue(challenge.algorithm.function, digits: digits(challenge.algorithm.function).octets)!
    let answer = ClientAnswer(user: .named(method.octets), userHash: user, nonceCount: 17, cnonce: method.octets)
    let request = DigestRequest(method: method.octets, uri: uri.octets)
    let wrong: String? = text.withUnsafeMutableBytes { room -> String? in
        do throws(DigestWriteFault) {
            let count = try hasher.writeCredentials(for: challenge, answer, request, into: room)
            let whole = OctetRange(offset: 0, length: UInt32(count))
            let read = DigestCredentials(UnsafeRawPointer(room.baseAddress!), whole)
            if let fault = read.fault { return "credentials of our own: \(fault.description)" }
            if !read.isWellFormed { return "credentials of our own off the grammar" }
            for (ours, theirs) in [
                (read.realm, challenge.realm), (read.nonce, challenge.nonce), (read.opaque, challenge.opaque),
            ]
            where !(base + Int(theirs.offset)).isSame(theirs.length, room.baseAddress! + Int(ours.offset), ours.length)
            {
                return "credentials with another realm, nonce or opaque than the challenge's"
            }
            if read.algorithm != challenge.algorithm || read.qop != answer.qop(for: challenge) {
                return "algorithm or qop"
            }
            return nil
        } catch {
            guard let fault = challenge.fault, error == .unanswerable(fault) else {
                return "a challenge without an answer"
            }
            return nil
        }
    }
    findings.expect(wrong == nil, wrong ?? "")
    let kept: Bool = text.withUnsafeMutableBytes { room in
        guard let kept = challenge.keep(in: room) else { return false }
        return kept.keptLength == challenge.keptLength && kept.fault == challenge.fault
            && (base + Int(challenge.nonce.offset)).isSame(
                challenge.nonce.length, kept.message + Int(kept.nonce.offset), kept.nonce.length)
    }
    findings.expect(kept, "a challenge kept")
    return findings.first
}

private func exerciseCredentials(
    _ hasher: inout DigestHasher, _ base: UnsafeRawPointer, _ value: OctetRange
) -> String? {
    var findings = Findings(value)
    let credentials = DigestCredentials(base, value)
    findings.expect(
        [
            credentials.username, credentials.realm, credentials.nonce, credentials.uri, credentials.response,
            credentials.cnonce, credentials.opaque, credentials.nonceCountRange, credentials.qopRange,
            credentials.faultRange,
        ], "part of credentials")
    findings.expect(credentials.fault == nil || !credentials.isWellFormed, "well-formed credentials with a fault")
    let length = Int(credentials.username.length)
    withUnsafeTemporaryAllocation(byteCount: length, alignment: 1) { room in
        let count = credentials.copyUsername(into: room)
        findings.expect(count.map { $0 <= length } ?? (credentials.fault != nil), "a user name longer than its text")
    }
    // Whoever writes this does not know our secret.
    let realm = UnsafeRawBufferPointer(
        start: base + Int(credentials.realm.offset), count: Int(credentials.realm.length))
    var policy = ServerPolicy(realm: realm, secret: NonceSecret(5, 6, 7, 8))
    policy.algorithms = .all
    policy.qops = [.auth, .authInt]
    policy.acceptsWithoutQop = true
    let function = credentials.algorithm.function
    let user = HashValue(function, digits: digits(function).octets)!
    var counts = NonceCountRecord()
    let verdict = hasher.verify(
        credentials, policy, userHash: user, DigestRequest(method: method.octets, uri: uri.octets),
        nowMilliseconds: 1, counts: &counts)
    switch verdict {
    case .fault(let fault): findings.expect(fault == credentials.fault, "verdict")
    case .wrongRealm: findings.expect(realm.contains(0x5C), "a realm that is not itself")
    default: findings.expect(verdict == .foreignNonce && credentials.fault == nil, "verdict \(verdict)")
    }
    return findings.first
}

private func exerciseInformation(_ base: UnsafeRawPointer, _ value: OctetRange) -> String? {
    var findings = Findings(value)
    let info = AuthenticationInfo(base, value)
    findings.expect(
        [info.nextNonce, info.responseAuth, info.cnonce, info.nonceCountRange, info.faultRange],
        "part of an Authentication-Info")
    findings.expect(info.fault == nil || !info.isWellFormed, "a well-formed Authentication-Info with a fault")
    return findings.first
}

private let method: StaticString = "REGISTER"
private let uri: StaticString = "sip:example.org"

private func digits(_ function: HashFunction) -> StaticString {
    function == .md5
        ? "00112233445566778899aabbccddeeff" : "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
}

extension StaticString {
    fileprivate var octets: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount)
    }
}

extension UnsafeRawPointer {
    fileprivate func isSame(_ count: UInt32, _ other: UnsafeRawPointer, _ otherCount: UInt32) -> Bool {
        UnsafeRawBufferPointer(start: self, count: Int(count)).elementsEqual(
            UnsafeRawBufferPointer(start: other, count: Int(otherCount)))
    }
}
