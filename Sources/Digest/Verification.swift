import SIPWire

/// What a server makes of credentials.
public enum CredentialsVerdict: Sendable, Equatable, BitwiseCopyable {
    case right
    /// They cannot be read or lack something. Answered by 400, or by a new challenge where they are not Digest.
    case fault(DigestFault)
    /// Meant for another server; ours may be in another header field (RFC 3261 §22.3).
    case wrongRealm
    /// No challenge of ours offered this algorithm or this qop.
    case algorithmNotOffered(DigestAlgorithm)
    case qopNotOffered(QualityOfProtection)
    /// We did not make this nonce.
    case foreignNonce
    case unknownUser
    /// The `uri` is not the Request-URI, by the policy's rule.
    case uriMismatch
    case wrongResponse
    /// All is right but the nonce's age: the new challenge says stale=true.
    case staleNonce
    /// All is right, but this nc was used before with this nonce (RFC 7616 §3.4, §5.5). The new challenge says
    /// stale=true.
    case replayed
}

/// Which nonce counts a user has used: one small record per user, kept by the caller. It follows the user's newest nonce
/// (of one millisecond the one with the greater salt); an older one counts as stale once a newer one was used, or a
/// replay could hide behind it.
public struct NonceCountRecord: Sendable, BitwiseCopyable {
    private var nonce = ServerNonce(issuedMilliseconds: 0, salt: 0)
    private var highest: UInt32 = 0
    /// Bit n: `highest` - n was used. Requests that overtake each other are no replays.
    private var used: UInt64 = 0

    public init() {}

    /// Credentials of a right response. Changes nothing where they are refused.
    mutating func take(_ nonce: ServerNonce, _ count: UInt32) -> CredentialsVerdict {
        if used == 0
            || (nonce.issuedMilliseconds, nonce.salt) > (self.nonce.issuedMilliseconds, self.nonce.salt)
        {
            guard count > 0 else { return .replayed }
            self.nonce = nonce
            highest = count
            used = 1
            return .right
        }
        guard nonce == self.nonce else { return .staleNonce }
        if count > highest {
            let step = UInt64(count &- highest)
            used = step < 64 ? used &<< step | 1 : 1
            highest = count
            return .right
        }
        let back = UInt64(highest &- count)
        guard count > 0, back < 64, used & (1 &<< back) == 0 else { return .replayed }
        used |= 1 &<< back
        return .right
    }
}

extension DigestHasher {
    /// Verifies credentials (RFC 7616 §3.4, RFC 3261 §22.4, RFC 8760 §2.6).
    ///
    /// The order of the questions is part of the meaning: stale nonces and replays are reported only where the response
    /// is right (RFC 7616 §3.3), and an unknown user takes as long as a wrong password.
    /// - Parameters:
    ///   - userHash: HA1 of the user that the credentials name, made with `credentials.algorithm.function`; nil where
    ///     there is no such user.
    ///   - request: with the Request-URI as received.
    ///   - now: of the clock that the nonces were made by.
    ///   - counts: of this user.
    public mutating func verify(
        _ credentials: DigestCredentials, _ policy: ServerPolicy, userHash: HashValue?, _ request: DigestRequest,
        nowMilliseconds now: UInt64, counts: inout NonceCountRecord
    ) -> CredentialsVerdict {
        if credentials.fault == .notDigest { return .fault(.notDigest) }
        // Before other faults: what somebody else's server is told is no affair of ours.
        if !credentials.realm.isEmpty, !credentials.isRealm(policy.realm) { return .wrongRealm }
        if let fault = credentials.fault { return .fault(fault) }
        guard credentials.isRealm(policy.realm) else { return .wrongRealm }
        guard policy.algorithms.contains(credentials.algorithm) else {
            return .algorithmNotOffered(credentials.algorithm)
        }
        if credentials.qop == .absent {
            guard policy.qops.isEmpty || policy.acceptsWithoutQop else { return .qopNotOffered(.absent) }
        } else if !policy.qops.contains(credentials.qop) {
            return .qopNotOffered(credentials.qop)
        }
        guard let nonce = recognise(credentials.message.octets(credentials.nonce), policy) else {
            return .foreignNonce
        }
        let function = credentials.algorithm.function
        let known = userHash?.function == function ? userHash : nil
        let expected = response(
            credentials, known ?? HashValue(function), method: request.method, body: request.body)
        let claimed = HashValue(function, digits: credentials.message.octets(credentials.response))
        guard known != nil else { return .unknownUser }
        guard isURIRight(credentials, request.uri, policy.uriRule) else { return .uriMismatch }
        guard let claimed, expected.isEqual(to: claimed) else { return .wrongResponse }
        // A nonce from the future is another thread's clock being a little ahead.
        guard now < nonce.issuedMilliseconds || now &- nonce.issuedMilliseconds <= policy.nonceLifetimeMilliseconds
        else { return .staleNonce }
        return credentials.qop == .absent ? .right : counts.take(nonce, credentials.nonceCount)
    }

    private func isURIRight(
        _ credentials: DigestCredentials, _ requestURI: UnsafeRawBufferPointer, _ rule: DigestURIRule
    ) -> Bool {
        if rule == .any { return true }
        if DigestText(written: credentials.message.octets(credentials.uri)).isEqual(to: requestURI) { return true }
        guard rule == .equivalent, let start = requestURI.baseAddress else { return false }
        let theirs = URIView(credentials.message, credentials.uri)
        let ours = URIView(start, OctetRange(offset: 0, length: UInt32(requestURI.count)))
        return theirs.isEquivalent(to: ours)
    }
}
