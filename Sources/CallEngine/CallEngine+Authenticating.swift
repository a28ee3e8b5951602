import Digest
import Glibc
import Measurement
import SIPTransactions
import SIPWire

/// What a party asks of those that call it; texts are values of the pool, read when a request is at hand.
package struct AuthenticationPlan: Sendable {
    /// -1: any user who knows the password.
    package var user: Int
    package var password: Int
    package var realm: Int
    /// A challenge for each, in this order.
    package var algorithms: [DigestAlgorithm]
    package var isProxy: Bool
    package var nonceLivesMilliseconds: UInt64
    package var anyURI: Bool
    /// The 401 or 407.
    package var challenge: Int
    /// Server record that a refused INVITE waits for its ACK in, so that the next one finds the script's record free; -1: none.
    package var spare: Int
    package var party: Int

    /// Most algorithms of one plan.
    static let mostAlgorithms = 8
}

extension CallEngine {
    enum Authentication { case right, challenged, failed }

    /// The step that asks the request at hand for credentials (RFC 3261 §22.4).
    ///
    /// - Returns: `challenged` when the request was answered 401 or 407 and the wait goes on; `failed` when it had wrong
    ///   credentials: the call has failed then.
    @inline(never)
    mutating func authenticate(
        _ number: Int, record: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Authentication {
        let plan = bound.authentications[number]
        textUsed = 0
        guard let base = hand, scanner.index.isRequest, let realm = evaluate(plan.realm, header, slot),
            let password = evaluate(plan.password, header, slot)
        else {
            refusal = .missing
            return .failed
        }
        var user: UnsafeRawBufferPointer?
        if plan.user >= 0 {
            guard let text = evaluate(plan.user, header, slot) else {
                refusal = .missing
                return .failed
            }
            user = text
        }
        let policy = policy(plan, realm)
        var verdict: CredentialsVerdict?
        var wrong = OctetRange.none
        let name: HeaderName = plan.isProxy ? .proxyAuthorization : .authorization
        var next = 0
        while verdict != .right, let found = scanner.number(of: name, from: next) {
            next = found &+ 1
            let given = DigestCredentials(base, scanner.header(found).value)
            let one = judge(given, policy, user: user, password: password, base, header)
            // What is meant for another realm is no affair of ours (§22.3).
            if one == .wrongRealm { continue }
            verdict = one
            wrong = given.username
        }
        switch verdict {
        case .right:
            recorder.count(.credentialsAccepted)
            return .right
        case nil: challengeIsStale = false
        case .staleNonce?, .replayed?: challengeIsStale = true
        default:
            challengeIsStale = false
            recorder.count(.credentialsWrong)
        }
        let isInvite = server(header, record).pointee.method == .invite
        guard sendResponse(plan.challenge, record: record, slot, header) else { return .failed }
        recorder.count(.challengesSent)
        if isInvite, plan.spare >= 0 { setAside(record, plan.spare, header) }
        guard let verdict, verdict != .staleNonce, verdict != .replayed else { return .challenged }
        fail(slot, header, .absent, 0, detail: words(verdict, wrong, base))
        refusal = .absent
        return .failed
    }

    private func policy(_ plan: AuthenticationPlan, _ realm: UnsafeRawBufferPointer) -> ServerPolicy {
        var policy = ServerPolicy(
            realm: realm,
            secret: NonceSecret(
                keySeed, keySeed &* 0xBF58_476D_1CE4_E5B9 &+ 1, keySeed &* 0x94D0_49BB_1331_11EB &+ 2, tagMask))
        policy.algorithms = []
        for algorithm in plan.algorithms { policy.algorithms.insert(AlgorithmSet(algorithm)) }
        policy.uriRule = plan.anyURI ? .any : .equivalent
        policy.nonceLifetimeMilliseconds = plan.nonceLivesMilliseconds
        return policy
    }

    private mutating func judge(
        _ given: DigestCredentials, _ policy: ServerPolicy, user: UnsafeRawBufferPointer?,
        password: UnsafeRawBufferPointer, _ base: UnsafeRawPointer, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> CredentialsVerdict {
        let request = DigestRequest(
            method: slice(base, scanner.index.methodRange), uri: slice(base, scanner.index.requestURI),
            body: slice(base, scanner.index.body))
        return withUnsafeTemporaryAllocation(byteCount: Int(given.username.length) &+ 1, alignment: 1) { room in
            var hash: HashValue?
            if given.fault == nil, given.usernameForm != .hashed, let length = given.copyUsername(into: room) {
                let name = UnsafeRawBufferPointer(rebasing: room[..<length])
                if user.map({ Self.areEqual($0, name) }) ?? true {
                    hash = hasher.hash(
                        username: name, realm: policy.realm, password: password, given.algorithm.function)
                }
            }
            return hasher.verify(
                given, policy, userHash: hash, request, nowMilliseconds: milliseconds,
                counts: &nonceCounts(header).pointee)
        }
    }

    private var milliseconds: UInt64 { UInt64(now.nanoseconds &- epoch.nanoseconds) / 1_000_000 }

    /// Which nonce counts the caller has used in this run.
    private func nonceCounts(_ header: UnsafeMutablePointer<SlotHeader>) -> UnsafeMutablePointer<NonceCountRecord> {
        (UnsafeMutableRawPointer(header) + Int(party(header).pointee.nonceOffset))
            .assumingMemoryBound(to: NonceCountRecord.self)
    }

    /// One challenge of the response being rendered.
    ///
    /// - Parameter argument: the plan's number and that of its algorithm.
    /// - Returns: one past its last octet; nil where a text of it is not there.
    @inline(never)
    mutating func writeChallenge(
        _ argument: Int, at place: UnsafeMutableRawPointer, _ header: UnsafeMutablePointer<SlotHeader>, _ slot: UInt32
    ) -> UnsafeMutableRawPointer? {
        let plan = bound.authentications[argument / AuthenticationPlan.mostAlgorithms]
        let algorithm = plan.algorithms[argument % AuthenticationPlan.mostAlgorithms]
        textUsed = 0
        guard let realm = evaluate(plan.realm, header, slot) else { return nil }
        let salt = draw(header)
        let room = UnsafeMutableRawBufferPointer(start: place, count: 4096)
        let written = try? hasher.writeChallenge(
            policy(plan, realm), algorithm, isStale: challengeIsStale, nowMilliseconds: milliseconds, salt: salt,
            into: room)
        return written.map { place + $0 }
    }

    /// The INVITE that was refused waits for its ACK elsewhere: the next one may overtake that.
    private mutating func setAside(_ number: Int, _ spare: Int, _ header: UnsafeMutablePointer<SlotHeader>) {
        let record = server(header, number)
        let other = server(header, spare)
        guard record.pointee.isActive else { return }
        if other.pointee.isActive { finish(other) }
        other.pointee = record.pointee
        record.pointee.echo = 0
        record.pointee.frozen = 0
        record.pointee.isActive = false
        guard let entry = linger.find(other.pointee.key) else { return }
        entry.pointee.second =
            entry.pointee.second & ~(0xFF &<< 24) | UInt64(UInt8(truncatingIfNeeded: spare)) &<< 24
    }

    /// What is wrong with credentials, for "got …".
    private mutating func words(
        _ verdict: CredentialsVerdict, _ user: OctetRange, _ base: UnsafeRawPointer
    ) -> UnsafeRawBufferPointer {
        let name = slice(base, OctetRange(offset: user.offset, length: min(user.length, 60)))
        textUsed = 0
        let text = compute { out in
            func says(_ before: StaticString, _ after: StaticString) {
                out.write(before)
                if name.count > 0 {
                    out.write(" of user “")
                    out.write(name.baseAddress, name.count)
                    out.write("”")
                }
                out.write(after)
            }
            switch verdict {
            case .unknownUser: says("credentials", ", who is not known here")
            case .wrongResponse: says("credentials", " with a wrong response: another password, or a wrong hash")
            case .uriMismatch: says("credentials", " whose uri is not the Request-URI")
            case .foreignNonce: says("credentials", " with a nonce that was never given out")
            case .algorithmNotOffered: says("credentials", " by an algorithm that was not offered")
            case .qopNotOffered: says("credentials", " with a qop that was not offered, or without one")
            case .fault(let fault):
                out.write("credentials that cannot be read, without ")
                out.write(fault.description)
            case .right, .wrongRealm, .staleNonce, .replayed: says("credentials", "")
            }
        }
        return text ?? UnsafeRawBufferPointer(start: nil, count: 0)
    }
}
