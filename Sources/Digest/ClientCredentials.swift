import SIPWire

/// The user's name in credentials.
public enum DigestUser {
    case named(UnsafeRawBufferPointer)
    /// H(username ":" realm), for a server that accepts it (`Challenge.acceptsUserhash`).
    case hashed(HashValue)
}

/// What one answer to a challenge needs besides the challenge and the request.
public struct ClientAnswer {
    public var user: DigestUser
    /// HA1 of the user, made with the algorithm's hash function; for session algorithms too.
    public var userHash: HashValue
    /// 1 for a nonce's first use, one more each time (RFC 7616 §3.4). Not looked at without a qop.
    public var nonceCount: UInt32
    /// Chosen anew for each nonce and kept as long as the nonce is: then all readings of a session key agree. (RFC 7616
    /// §3.4.2 makes the key once per nonce, many servers make it for each request.) Not written without a qop, unless
    /// the algorithm needs it.
    public var cnonce: UnsafeRawBufferPointer
    /// Whether to protect the body where the server offers that and auth alike. Off by default: proxies change bodies,
    /// and servers are met that refuse right responses with auth-int.
    public var prefersIntegrity = false
    /// HA2 kept from an earlier request of the same method to the same URI. Not used with auth-int.
    public var requestHash: HashValue?

    public init(user: DigestUser, userHash: HashValue, nonceCount: UInt32, cnonce: UnsafeRawBufferPointer) {
        self.user = user
        self.userHash = userHash
        self.nonceCount = nonceCount
        self.cnonce = cnonce
    }

    /// The qop to answer with: the only one offered, else auth.
    public func qop(for challenge: Challenge) -> QualityOfProtection {
        if challenge.qops.contains(.authInt), prefersIntegrity || !challenge.qops.contains(.auth) { return .authInt }
        return challenge.qops.contains(.auth) ? .auth : .absent
    }
}

extension DigestHasher {
    /// The response to a challenge, as `writeCredentials` writes it. The challenge has no fault.
    public mutating func response(
        to challenge: Challenge, _ answer: ClientAnswer, _ request: DigestRequest
    ) -> HashValue {
        let qop = answer.qop(for: challenge)
        if let kept = answer.requestHash, qop != .authInt { return response(to: challenge, answer, kept) }
        return response(to: challenge, answer, requestHash(request, qop: qop, answer.userHash.function))
    }

    private mutating func response(
        to challenge: Challenge, _ answer: ClientAnswer, _ ofRequest: HashValue
    ) -> HashValue {
        let nonce = DigestText(written: challenge.message.octets(challenge.nonce))
        let cnonce = DigestText(plain: answer.cnonce)
        var user = answer.userHash
        if challenge.algorithm.isSession { user = sessionHash(user, nonce: nonce, cnonce: cnonce) }
        let qop = answer.qop(for: challenge).token.octets
        let digits = hexadecimalDigits(answer.nonceCount.byteSwapped)
        return withUnsafeBytes(of: digits) {
            responseHash(user, nonce: nonce, nonceCount: $0, cnonce: cnonce, qop: qop, request: ofRequest)
        }
    }

    /// Writes an Authorization or Proxy-Authorization value (RFC 7616 §3.4, RFC 3261 §22.4): realm, nonce and opaque as
    /// the server wrote them, `algorithm` where the server named one, no qop, nc and cnonce for a challenge of RFC
    /// 2069.
    /// - Returns: how many octets were written.
    public mutating func writeCredentials(
        for challenge: Challenge, _ answer: ClientAnswer, _ request: DigestRequest,
        into room: UnsafeMutableRawBufferPointer
    ) throws(DigestWriteFault) -> Int {
        if let fault = challenge.fault { throw .unanswerable(fault) }
        guard answer.userHash.function == challenge.algorithm.function,
            answer.requestHash == nil || answer.requestHash?.function == challenge.algorithm.function
        else { throw .hashFunction }
        let qop = answer.qop(for: challenge)
        guard qop == .absent || answer.nonceCount > 0 else { throw .nonceCount }
        let octets = challenge.message

        var writer = ValueWriter(room)
        writer.write("Digest ")
        switch answer.user {
        case .named(let name): writer.quoted("username", DigestText(plain: name))
        case .hashed(let hash): writer.quoted("username", hash)
        }
        writer.quoted("realm", DigestText(written: octets.octets(challenge.realm)))
        writer.quoted("nonce", DigestText(written: octets.octets(challenge.nonce)))
        writer.quoted("uri", DigestText(plain: request.uri))
        writer.quoted("response", response(to: challenge, answer, request))
        if challenge.hasAlgorithm { writer.token("algorithm", challenge.algorithm.token.octets) }
        if qop != .absent || challenge.algorithm.isSession {
            writer.quoted("cnonce", DigestText(plain: answer.cnonce))
        }
        if challenge.hasOpaque { writer.quoted("opaque", DigestText(written: octets.octets(challenge.opaque))) }
        if qop != .absent {
            writer.token("qop", qop.token.octets)
            let digits = hexadecimalDigits(answer.nonceCount.byteSwapped)
            withUnsafeBytes(of: digits) { writer.token("nc", $0) }
        }
        if case .hashed = answer.user { writer.token("userhash", ("true" as StaticString).octets) }
        return try writer.finish()
    }

    /// Whether an Authentication-Info proves that the server knows the password (RFC 7616 §3.5).
    /// - Parameters:
    ///   - answer: what the credentials of the request were written with.
    ///   - uri: the request's.
    ///   - body: the response's, looked at with auth-int only.
    /// - Returns: nil where the value has no proof, or one of another qop than the request's.
    public mutating func isProofRight(
        _ info: AuthenticationInfo, for challenge: Challenge, _ answer: ClientAnswer, uri: UnsafeRawBufferPointer,
        body: UnsafeRawBufferPointer
    ) -> Bool? {
        let qop = answer.qop(for: challenge)
        guard challenge.fault == nil, info.fault == nil, !info.responseAuth.isEmpty,
            info.qop == .absent || info.qop == qop
        else { return nil }
        let claimed = HashValue(answer.userHash.function, digits: info.message.octets(info.responseAuth))
        guard let claimed else { return false }
        let ofResponse = requestHash(
            method: UnsafeRawBufferPointer(start: nil, count: 0), uri: DigestText(plain: uri), body: body, qop: qop,
            answer.userHash.function)
        return response(to: challenge, answer, ofResponse).isEqual(to: claimed)
    }
}
