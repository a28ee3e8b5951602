import SIPWire

/// What a response is about: the request's line and body. The owner of the octets keeps them while it is used.
public struct DigestRequest {
    public var method: UnsafeRawBufferPointer
    /// As it goes into `uri`, normally the Request-URI as written (RFC 3261 §22.4).
    public var uri: UnsafeRawBufferPointer
    /// Looked at with auth-int only; empty where there is none (RFC 8760 §2.6 (7)).
    public var body: UnsafeRawBufferPointer

    public init(
        method: UnsafeRawBufferPointer, uri: UnsafeRawBufferPointer,
        body: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        self.method = method
        self.uri = uri
        self.body = body
    }
}

extension DigestHasher {
    /// HA1 of a user: H(username ":" realm ":" password) (RFC 7616 §3.4.2). Depends on no nonce: made once per user,
    /// realm and function. Session algorithms start from it too.
    public mutating func hash(
        username: UnsafeRawBufferPointer, realm: UnsafeRawBufferPointer, password: UnsafeRawBufferPointer,
        _ function: HashFunction
    ) -> HashValue {
        userHash(username, DigestText(plain: realm), password, function)
    }

    /// HA1 for the realm and the algorithm that a challenge names.
    public mutating func hash(
        username: UnsafeRawBufferPointer, password: UnsafeRawBufferPointer, for challenge: Challenge
    ) -> HashValue {
        let realm = DigestText(written: challenge.message.octets(challenge.realm))
        return userHash(username, realm, password, challenge.algorithm.function)
    }

    private mutating func userHash(
        _ username: UnsafeRawBufferPointer, _ realm: DigestText, _ password: UnsafeRawBufferPointer,
        _ function: HashFunction
    ) -> HashValue {
        begin(function)
        append(username)
        appendColon()
        append(realm)
        appendColon()
        append(password)
        return end()
    }

    /// What stands for the user's name where it is hashed: H(username ":" realm) (RFC 7616 §3.4.4).
    public mutating func hash(
        username: UnsafeRawBufferPointer, realm: UnsafeRawBufferPointer, _ function: HashFunction
    ) -> HashValue {
        begin(function)
        append(username)
        appendColon()
        append(realm)
        return end()
    }

    /// The session key of a -sess algorithm from HA1. HA1 goes in as hexadecimal digits (erratum 1649 to RFC 2617).
    mutating func sessionHash(_ user: HashValue, nonce: DigestText, cnonce: DigestText) -> HashValue {
        begin(user.function)
        appendDigits(user)
        appendColon()
        append(nonce)
        appendColon()
        append(cnonce)
        return end()
    }

    /// HA2: H(method ":" uri), with auth-int H(method ":" uri ":" H(body)) (RFC 7616 §3.4.3). Without auth-int it may
    /// be kept for further requests of the same method to the same URI.
    public mutating func requestHash(
        _ request: DigestRequest, qop: QualityOfProtection, _ function: HashFunction
    ) -> HashValue {
        requestHash(
            method: request.method, uri: DigestText(plain: request.uri), body: request.body, qop: qop, function)
    }

    /// An empty method is the response's (RFC 7616 §3.5).
    mutating func requestHash(
        method: UnsafeRawBufferPointer, uri: DigestText, body: UnsafeRawBufferPointer, qop: QualityOfProtection,
        _ function: HashFunction
    ) -> HashValue {
        var content: HashValue?
        if qop == .authInt {
            begin(function)
            append(body)
            content = end()
        }
        begin(function)
        append(method)
        appendColon()
        append(uri)
        if let content {
            appendColon()
            appendDigits(content)
        }
        return end()
    }

    /// H(HA1 ":" nonce ":" nc ":" cnonce ":" qop ":" HA2), without qop H(HA1 ":" nonce ":" HA2) (RFC 7616 §3.4.1, RFC
    /// 2069 §2.1.2).
    mutating func responseHash(
        _ user: HashValue, nonce: DigestText, nonceCount: UnsafeRawBufferPointer, cnonce: DigestText,
        qop: UnsafeRawBufferPointer, request: HashValue
    ) -> HashValue {
        begin(user.function)
        appendDigits(user)
        appendColon()
        append(nonce)
        appendColon()
        if qop.count > 0 {
            append(nonceCount)
            appendColon()
            append(cnonce)
            appendColon()
            append(qop)
            appendColon()
        }
        appendDigits(request)
        return end()
    }
}
