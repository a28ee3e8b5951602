import SIPWire

/// 32 octets that only this server knows. With them a nonce shows that it is ours, so none is kept.
public struct NonceSecret: Sendable, BitwiseCopyable {
    var words: (UInt64, UInt64, UInt64, UInt64)

    /// From a random source the caller owns.
    public init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
        words = (first, second, third, fourth)
    }
}

/// How the `uri` of credentials is held against the Request-URI (RFC 3261 §22.4 (6), RFC 8760 §2.6 (6)).
public enum DigestURIRule: UInt8, Sendable, BitwiseCopyable {
    /// Octet by octet.
    case identical
    /// Octet by octet, or equivalent by RFC 3261 §19.1.4.
    case equivalent
    /// Not at all: for a server behind proxies that change the Request-URI.
    case any
}

/// What a server asks of its clients. Trivial; the owner keeps the octets it refers to.
public struct ServerPolicy: BitwiseCopyable {
    public var realm: UnsafeRawBufferPointer
    public var secret: NonceSecret
    /// Those for which there are challenges. Credentials of any other are refused: no way down to a weaker one.
    public var algorithms: AlgorithmSet = .sha256
    /// What a challenge offers; empty makes challenges of RFC 2069.
    public var qops: QopOptions = .auth
    /// Whether credentials without qop pass though one was offered (RFC 2069 clients). They have no nc: within the
    /// nonce's life they can be replayed.
    public var acceptsWithoutQop = false
    /// Whether challenges say that user names may be hashed. The caller then finds users by hash.
    public var offersUserhash = false
    public var uriRule = DigestURIRule.equivalent
    /// A right response to an older nonce is answered by stale=true.
    public var nonceLifetimeMilliseconds: UInt64 = 300_000
    /// Sent with each challenge; not sent where it is empty.
    public var opaque = UnsafeRawBufferPointer(start: nil, count: 0)

    public init(realm: UnsafeRawBufferPointer, secret: NonceSecret) {
        self.realm = realm
        self.secret = secret
    }
}

extension DigestHasher {
    /// Writes a WWW-Authenticate or Proxy-Authenticate value (RFC 7616 §3.3). A server with several algorithms writes
    /// one value for each, the one it likes best on top (RFC 8760 §2.3).
    /// - Parameters:
    ///   - now: of the clock that `verify` is given.
    ///   - salt: never the same for two nonces of one millisecond.
    /// - Returns: how many octets were written.
    public mutating func writeChallenge(
        _ policy: ServerPolicy, _ algorithm: DigestAlgorithm, isStale: Bool = false, nowMilliseconds now: UInt64,
        salt: UInt64, into room: UnsafeMutableRawBufferPointer
    ) throws(DigestWriteFault) -> Int {
        var writer = ValueWriter(room)
        writer.write("Digest ")
        writer.quoted("realm", DigestText(plain: policy.realm))
        let nonce = ServerNonce(issuedMilliseconds: now, salt: salt)
        let text = signed(nonce, policy)
        withUnsafeBytes(of: text) { writer.quoted("nonce", DigestText(written: ServerNonce.octets(in: $0))) }
        if policy.opaque.count > 0 { writer.quoted("opaque", DigestText(plain: policy.opaque)) }
        if isStale { writer.token("stale", ("true" as StaticString).octets) }
        writer.token("algorithm", algorithm.token.octets)
        let both = policy.qops.contains(.auth) && policy.qops.contains(.authInt)
        if both {
            writer.quoted("qop", DigestText(written: ("auth,auth-int" as StaticString).octets))
        } else if !policy.qops.isEmpty {
            let only = policy.qops.contains(.authInt) ? QualityOfProtection.authInt : .auth
            writer.quoted("qop", DigestText(written: only.token.octets))
        }
        if policy.offersUserhash { writer.token("userhash", ("true" as StaticString).octets) }
        return try writer.finish()
    }

    /// Writes an Authentication-Info value (RFC 7616 §3.5): a proof of the password where the credentials have a qop,
    /// and a nonce for the next request where one is asked for. 0 octets where there is nothing to say.
    /// - Parameters:
    ///   - credentials: of the request that is answered, verified.
    ///   - body: the response's, looked at with auth-int only.
    ///   - nextNonceSalt: as for `writeChallenge`; nil for no new nonce.
    public mutating func writeAuthenticationInfo(
        _ policy: ServerPolicy, for credentials: DigestCredentials, userHash: HashValue, body: UnsafeRawBufferPointer,
        nowMilliseconds now: UInt64, nextNonceSalt: UInt64?, into room: UnsafeMutableRawBufferPointer
    ) throws(DigestWriteFault) -> Int {
        if let fault = credentials.fault { throw .unanswerable(fault) }
        guard userHash.function == credentials.algorithm.function else { throw .hashFunction }
        var writer = ValueWriter(room)
        if let nextNonceSalt {
            let text = signed(ServerNonce(issuedMilliseconds: now, salt: nextNonceSalt), policy)
            withUnsafeBytes(of: text) { writer.quoted("nextnonce", DigestText(written: ServerNonce.octets(in: $0))) }
        }
        if credentials.qop != .absent {
            let message = credentials.message
            let proof = response(
                credentials, userHash, method: UnsafeRawBufferPointer(start: nil, count: 0), body: body)
            writer.token("qop", message.octets(credentials.qopRange))
            writer.quoted("rspauth", proof)
            writer.quoted("cnonce", DigestText(written: message.octets(credentials.cnonce)))
            writer.token("nc", message.octets(credentials.nonceCountRange))
        }
        return try writer.finish()
    }

    /// What the response, or with an empty method the proof, of these credentials should be.
    mutating func response(
        _ credentials: DigestCredentials, _ userHash: HashValue, method: UnsafeRawBufferPointer,
        body: UnsafeRawBufferPointer
    ) -> HashValue {
        let message = credentials.message
        let nonce = DigestText(written: message.octets(credentials.nonce))
        let cnonce = DigestText(written: message.octets(credentials.cnonce))
        var user = userHash
        if credentials.algorithm.isSession { user = sessionHash(user, nonce: nonce, cnonce: cnonce) }
        let request = requestHash(
            method: method, uri: DigestText(written: message.octets(credentials.uri)), body: body,
            qop: credentials.qop, user.function)
        return responseHash(
            user, nonce: nonce, nonceCount: message.octets(credentials.nonceCountRange), cnonce: cnonce,
            qop: message.octets(credentials.qopRange), request: request)
    }
}
