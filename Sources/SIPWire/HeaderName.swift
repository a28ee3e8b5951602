/// A header field by name: those this product reads or writes; every other name is `other`. 64 at most, so that a set of
/// them is one word.
public enum HeaderName: UInt8, Sendable, CaseIterable {
    case via, from, to, callID, cseq, contact, contentLength, contentType, maxForwards, route, recordRoute
    case require, supported, allow, event, subscriptionState, referTo, replaces, expires, minExpires
    case sessionExpires, minSE, rseq, rack, reason, retryAfter, authorization, proxyAuthorization
    case wwwAuthenticate, proxyAuthenticate, proxyRequire, unsupported, accept, warning, userAgent, server
    case date, subject, acceptContact, acceptEncoding, acceptLanguage, alertInfo, allowEvents
    case authenticationInfo, callInfo, contentDisposition, contentEncoding, contentLanguage, errorInfo
    case historyInfo, identity, join, pAssertedIdentity, pPreferredIdentity, path, privacy, referredBy
    case rejectContact, replyTo, requestDisposition, serviceRoute, sipETag, sipIfMatch, other

    /// The bit that stands for this name in `MessageIndex.present` and `.repeated`.
    @inlinable public var bit: UInt64 { 1 &<< UInt64(rawValue) }

    /// The name as the defining RFC spells it; empty for `other`.
    public var text: StaticString {
        switch self {
        case .via: return "Via"
        case .from: return "From"
        case .to: return "To"
        case .callID: return "Call-ID"
        case .cseq: return "CSeq"
        case .contact: return "Contact"
        case .contentLength: return "Content-Length"
        case .contentType: return "Content-Type"
        case .maxForwards: return "Max-Forwards"
        case .route: return "Route"
        case .recordRoute: return "Record-Route"
        case .require: return "Require"
        case .supported: return "Supported"
        case .allow: return "Allow"
        case .event: return "Event"
        case .subscriptionState: return "Subscription-State"
        case .referTo: return "Refer-To"
        case .replaces: return "Replaces"
        case .expires: return "Expires"
        case .minExpires: return "Min-Expires"
        case .sessionExpires: return "Session-Expires"
        case .minSE: return "Min-SE"
        case .rseq: return "RSeq"
        case .rack: return "RAck"
        case .reason: return "Reason"
        case .retryAfter: return "Retry-After"
        case .authorization: return "Authorization"
        case .proxyAuthorization: return "Proxy-Authorization"
        case .wwwAuthenticate: return "WWW-Authenticate"
        case .proxyAuthenticate: return "Proxy-Authenticate"
        case .proxyRequire: return "Proxy-Require"
        case .unsupported: return "Unsupported"
        case .accept: return "Accept"
        case .warning: return "Warning"
        case .userAgent: return "User-Agent"
        case .server: return "Server"
        case .date: return "Date"
        case .subject: return "Subject"
        case .acceptContact: return "Accept-Contact"
        case .acceptEncoding: return "Accept-Encoding"
        case .acceptLanguage: return "Accept-Language"
        case .alertInfo: return "Alert-Info"
        case .allowEvents: return "Allow-Events"
        case .authenticationInfo: return "Authentication-Info"
        case .callInfo: return "Call-Info"
        case .contentDisposition: return "Content-Disposition"
        case .contentEncoding: return "Content-Encoding"
        case .contentLanguage: return "Content-Language"
        case .errorInfo: return "Error-Info"
        case .historyInfo: return "History-Info"
        case .identity: return "Identity"
        case .join: return "Join"
        case .pAssertedIdentity: return "P-Asserted-Identity"
        case .pPreferredIdentity: return "P-Preferred-Identity"
        case .path: return "Path"
        case .privacy: return "Privacy"
        case .referredBy: return "Referred-By"
        case .rejectContact: return "Reject-Contact"
        case .replyTo: return "Reply-To"
        case .requestDisposition: return "Request-Disposition"
        case .serviceRoute: return "Service-Route"
        case .sipETag: return "SIP-ETag"
        case .sipIfMatch: return "SIP-If-Match"
        case .other: return ""
        }
    }

    /// The one-letter form (RFC 3261 §7.3.3 and the registry), lower case; 0 where there is none.
    public var compactForm: UInt8 {
        switch self {
        case .via: return UInt8(ascii: "v")
        case .from: return UInt8(ascii: "f")
        case .to: return UInt8(ascii: "t")
        case .callID: return UInt8(ascii: "i")
        case .contact: return UInt8(ascii: "m")
        case .contentLength: return UInt8(ascii: "l")
        case .contentType: return UInt8(ascii: "c")
        case .supported: return UInt8(ascii: "k")
        case .event: return UInt8(ascii: "o")
        case .referTo: return UInt8(ascii: "r")
        case .sessionExpires: return UInt8(ascii: "x")
        case .subject: return UInt8(ascii: "s")
        case .acceptContact: return UInt8(ascii: "a")
        case .allowEvents: return UInt8(ascii: "u")
        case .contentEncoding: return UInt8(ascii: "e")
        case .identity: return UInt8(ascii: "y")
        case .referredBy: return UInt8(ascii: "b")
        case .rejectContact: return UInt8(ascii: "j")
        case .requestDisposition: return UInt8(ascii: "d")
        default: return 0
        }
    }

    /// The name whose compact form this letter is, in either case; `other` where there is none.
    @inline(always)
    init(compactForm letter: UInt8) {
        // Only a letter has bit 6, and `|` makes both cases one.
        switch letter & 0x40 == 0 ? 0 : letter | 0x20 {
        case UInt8(ascii: "v"): self = .via
        case UInt8(ascii: "f"): self = .from
        case UInt8(ascii: "t"): self = .to
        case UInt8(ascii: "i"): self = .callID
        case UInt8(ascii: "m"): self = .contact
        case UInt8(ascii: "l"): self = .contentLength
        case UInt8(ascii: "c"): self = .contentType
        case UInt8(ascii: "k"): self = .supported
        case UInt8(ascii: "o"): self = .event
        case UInt8(ascii: "r"): self = .referTo
        case UInt8(ascii: "x"): self = .sessionExpires
        case UInt8(ascii: "s"): self = .subject
        case UInt8(ascii: "a"): self = .acceptContact
        case UInt8(ascii: "u"): self = .allowEvents
        case UInt8(ascii: "e"): self = .contentEncoding
        case UInt8(ascii: "y"): self = .identity
        case UInt8(ascii: "b"): self = .referredBy
        case UInt8(ascii: "j"): self = .rejectContact
        case UInt8(ascii: "d"): self = .requestDisposition
        default: self = .other
        }
    }

    /// The name in `token`, in any case, long or compact form.
    public init(_ token: UnsafeRawBufferPointer) {
        guard let start = token.baseAddress else {
            self = .other
            return
        }
        self.init(token: start, length: token.count)
    }

    /// As above, for `length` readable octets.
    init(token: UnsafeRawPointer, length: Int) {
        self = .other
        switch length {
        case 1:
            self.init(compactForm: token.octet(0))
        case 2:
            if isInAnyCase(token, "to") { self = .to }
        case 3:
            if isInAnyCase(token, "via") { self = .via }
        case 4:
            if isInAnyCase(token, "from") { self = .from }
            if isInAnyCase(token, "cseq") { self = .cseq }
            if isInAnyCase(token, "rseq") { self = .rseq }
            if isInAnyCase(token, "rack") { self = .rack }
            if isInAnyCase(token, "date") { self = .date }
            if isInAnyCase(token, "join") { self = .join }
            if isInAnyCase(token, "path") { self = .path }
        case 5:
            if isInAnyCase(token, "route") { self = .route }
            if isInAnyCase(token, "allow") { self = .allow }
            if isInAnyCase(token, "event") { self = .event }
        case 6:
            if isInAnyCase(token, "min-se") { self = .minSE }
            if isInAnyCase(token, "reason") { self = .reason }
            if isInAnyCase(token, "accept") { self = .accept }
            if isInAnyCase(token, "server") { self = .server }
        case 7:
            if isInAnyCase(token, "call-id") { self = .callID }
            if isInAnyCase(token, "contact") { self = .contact }
            if isInAnyCase(token, "require") { self = .require }
            if isInAnyCase(token, "expires") { self = .expires }
            if isInAnyCase(token, "warning") { self = .warning }
            if isInAnyCase(token, "subject") { self = .subject }
            if isInAnyCase(token, "privacy") { self = .privacy }
        case 8:
            if isInAnyCase(token, "refer-to") { self = .referTo }
            if isInAnyCase(token, "replaces") { self = .replaces }
            if isInAnyCase(token, "identity") { self = .identity }
            if isInAnyCase(token, "reply-to") { self = .replyTo }
            if isInAnyCase(token, "sip-etag") { self = .sipETag }
        case 9:
            if isInAnyCase(token, "supported") { self = .supported }
            if isInAnyCase(token, "call-info") { self = .callInfo }
        case 10:
            if isInAnyCase(token, "user-agent") { self = .userAgent }
            if isInAnyCase(token, "alert-info") { self = .alertInfo }
            if isInAnyCase(token, "error-info") { self = .errorInfo }
        case 11:
            if isInAnyCase(token, "min-expires") { self = .minExpires }
            if isInAnyCase(token, "retry-after") { self = .retryAfter }
            if isInAnyCase(token, "unsupported") { self = .unsupported }
            if isInAnyCase(token, "referred-by") { self = .referredBy }
        case 12:
            if isInAnyCase(token, "content-type") { self = .contentType }
            if isInAnyCase(token, "max-forwards") { self = .maxForwards }
            if isInAnyCase(token, "record-route") { self = .recordRoute }
            if isInAnyCase(token, "allow-events") { self = .allowEvents }
            if isInAnyCase(token, "history-info") { self = .historyInfo }
            if isInAnyCase(token, "sip-if-match") { self = .sipIfMatch }
        case 13:
            if isInAnyCase(token, "authorization") { self = .authorization }
            if isInAnyCase(token, "proxy-require") { self = .proxyRequire }
            if isInAnyCase(token, "service-route") { self = .serviceRoute }
        case 14:
            if isInAnyCase(token, "content-length") { self = .contentLength }
            if isInAnyCase(token, "accept-contact") { self = .acceptContact }
            if isInAnyCase(token, "reject-contact") { self = .rejectContact }
        case 15:
            if isInAnyCase(token, "session-expires") { self = .sessionExpires }
            if isInAnyCase(token, "accept-encoding") { self = .acceptEncoding }
            if isInAnyCase(token, "accept-language") { self = .acceptLanguage }
        case 16:
            if isInAnyCase(token, "www-authenticate") { self = .wwwAuthenticate }
            if isInAnyCase(token, "content-encoding") { self = .contentEncoding }
            if isInAnyCase(token, "content-language") { self = .contentLanguage }
        case 18:
            if isInAnyCase(token, "subscription-state") { self = .subscriptionState }
            if isInAnyCase(token, "proxy-authenticate") { self = .proxyAuthenticate }
        case 19:
            if isInAnyCase(token, "proxy-authorization") { self = .proxyAuthorization }
            if isInAnyCase(token, "authentication-info") { self = .authenticationInfo }
            if isInAnyCase(token, "content-disposition") { self = .contentDisposition }
            if isInAnyCase(token, "p-asserted-identity") { self = .pAssertedIdentity }
            if isInAnyCase(token, "request-disposition") { self = .requestDisposition }
        case 20:
            if isInAnyCase(token, "p-preferred-identity") { self = .pPreferredIdentity }
        default: break
        }
    }
}
