/// What is wrong with a challenge, with credentials or with an Authentication-Info, by the rule it breaks. The words
/// are fit for an error text: "expected …".
public enum DigestFault: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    // How it is written.
    case notDigest, malformedParameter, unclosedQuote, controlOctet, repeatedParameter, severalInOneValue
    // What a challenge must say.
    case missingRealm, missingNonce, unknownAlgorithm, unknownQop
    // What credentials must say besides.
    case missingUsername, twoUsernames, username, missingURI, missingResponse, responseLength
    case missingCnonce, missingNonceCount, nonceCount

    public var description: StaticString {
        switch self {
        case .notDigest:
            return "the scheme Digest; Basic and others are not used in SIP (RFC 3261 §22.4, RFC 8760 §2.6)"
        case .malformedParameter: return "parameters of the form name=value with commas between them (RFC 3261 §25.1)"
        case .unclosedQuote: return "a quote at the end of a quoted string (RFC 3261 §25.1)"
        case .controlOctet: return "no line ends or control characters in a value (RFC 3261 §25.1)"
        case .repeatedParameter: return "each parameter once at most (RFC 7235 §2.1)"
        case .severalInOneValue:
            return "one challenge or one set of credentials per header field, without list commas (RFC 3261 §7.3.1)"
        case .missingRealm: return "a realm (RFC 7616 §3.3, RFC 3261 §22.1)"
        case .missingNonce: return "a nonce (RFC 7616 §3.3)"
        case .unknownAlgorithm:
            return "the algorithm MD5, SHA-256 or SHA-512-256, or one of them with -sess (RFC 8760 §2.2)"
        case .unknownQop: return "auth or auth-int in qop (RFC 7616 §3.3)"
        case .missingUsername: return "a username (RFC 7616 §3.4)"
        case .twoUsernames: return "either username or username*, and no userhash with the latter (RFC 7616 §3.4)"
        case .username: return "username* as UTF-8''text with %-escapes (RFC 7616 §3.4, RFC 5987 §3.2)"
        case .missingURI: return "a uri (RFC 7616 §3.4)"
        case .missingResponse: return "a response (RFC 7616 §3.4)"
        case .responseLength:
            return "32 hexadecimal digits for MD5, 64 for SHA-256 and SHA-512-256 (RFC 8760 §2.2)"
        case .missingCnonce: return "a cnonce where there is a qop or a session algorithm (RFC 7616 §3.4)"
        case .missingNonceCount: return "nc where there is a qop (RFC 7616 §3.4)"
        case .nonceCount: return "nc of eight hexadecimal digits (RFC 7616 §3.4)"
        }
    }
}
