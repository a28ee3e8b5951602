/// What is wrong with a message, by the rule it breaks. The first group is found by `MessageScanner.scan`, the second only
/// by `MessageScanner.strictFault`, the third by whoever knows the request or makes a dialog of the message.
public enum WireFault: UInt8, Sendable, CaseIterable {
    case messageTooLong = 1
    case startLine, requestURI, unsupportedVersion, statusCode
    case headerWithoutColon, headerName, headersNotEnded, tooManyHeaders
    case cseq, cseqNumber, cseqMethodMismatch
    case contentLength, contentLengthBeyondMessage
    case repeatedHeader
    case missingVia, missingFrom, missingTo, missingCallID, missingCSeq

    case via, viaBranch, nameAddress, escapedHeadersInRequestURI, contactNotBracketed
    case maxForwards, expires, retryAfter, warning, date, callID

    case severalVias, sentBy, responseMethod
    case missingContact, tooManyRoutes
}

extension WireFault {
    /// What was expected, and the section that says so. Fit for an error text: "expected …".
    public var description: StaticString {
        switch self {
        case .messageTooLong: return "a message of less than 2^31 octets"
        case .startLine:
            return "a start line of three parts with one space between them and none after (RFC 3261 §7.1, §7.2)"
        case .requestURI: return "a Request-URI without blanks or angle brackets (RFC 3261 §7.1)"
        case .unsupportedVersion: return "SIP/2.0 (RFC 3261 §7.1; else 505, §21.5.6)"
        case .statusCode: return "a status code of three digits, 100 to 699 (RFC 3261 §7.2)"
        case .headerWithoutColon: return "a colon after the header field's name (RFC 3261 §7.3.1)"
        case .headerName: return "a token as the header field's name (RFC 3261 §7.3.1, §25.1)"
        case .headersNotEnded: return "an empty line after the header fields (RFC 3261 §7)"
        case .tooManyHeaders: return "no more header fields than this reader's limit"
        case .cseq: return "CSeq: a number and a method (RFC 3261 §20.16)"
        case .cseqNumber: return "a CSeq number below 2^31 (RFC 3261 §8.1.1.5)"
        case .cseqMethodMismatch: return "the request's method in CSeq (RFC 3261 §8.1.1.5)"
        case .contentLength: return "Content-Length: a decimal number (RFC 3261 §20.14)"
        case .contentLengthBeyondMessage:
            return "no greater Content-Length than there are octets of body (RFC 3261 §18.3)"
        case .repeatedHeader: return "this header field once at most (RFC 3261 §7.3.1, Table 2)"
        case .missingVia: return "a Via header field (RFC 3261 §8.1.1)"
        case .missingFrom: return "a From header field (RFC 3261 §8.1.1)"
        case .missingTo: return "a To header field (RFC 3261 §8.1.1)"
        case .missingCallID: return "a Call-ID header field (RFC 3261 §8.1.1)"
        case .missingCSeq: return "a CSeq header field (RFC 3261 §8.1.1)"
        case .via: return "Via: SIP/2.0/transport sent-by ;parameters (RFC 3261 §20.42)"
        case .viaBranch: return "something after z9hG4bK in the branch (RFC 3261 §8.1.1.7)"
        case .nameAddress: return "a name-addr or an addr-spec (RFC 3261 §20.10, §25.1)"
        case .escapedHeadersInRequestURI: return "no header fields in the Request-URI (RFC 3261 §19.1.1, Table 1)"
        case .contactNotBracketed:
            return "angle brackets round a URI with a comma, question mark or semicolon (RFC 3261 §20.10)"
        case .maxForwards: return "Max-Forwards: 0 to 255 (RFC 3261 §20.22)"
        case .expires: return "a number of seconds below 2^32 (RFC 3261 §20.19)"
        case .retryAfter: return "Retry-After: a number of seconds below 2^32 (RFC 3261 §20.33)"
        case .warning: return "Warning: a code of three digits, an agent, a quoted text (RFC 3261 §20.43)"
        case .date: return "a Date in GMT (RFC 3261 §20.17)"
        case .callID: return "Call-ID: one or two words joined by @ (RFC 3261 §20.8)"
        case .severalVias: return "one Via in a response (RFC 3261 §8.1.3.3)"
        case .sentBy: return "the sent-by that we wrote in the topmost Via of a response (RFC 3261 §18.1.2)"
        case .responseMethod: return "the request's method in the CSeq of its response (RFC 3261 §17.1.3)"
        case .missingContact: return "a Contact with a SIP URI in a 2xx to INVITE (RFC 3261 §12.1.1)"
        case .tooManyRoutes: return "no more Record-Route entries than this reader's limit"
        }
    }

    /// The final response a server may give to a request with this fault; a response with a fault is always dropped
    /// (RFC 3261 §8.2, §18.3, §21.5.6).
    public var statusToAnswer: UInt16 { self == .unsupportedVersion ? 505 : 400 }
}

/// What a scan came to.
public enum ScanVerdict: Sendable, Equatable {
    /// Start line, Via, From, To, Call-ID and CSeq are there and the framing is right.
    case message
    /// Empty, or nothing but CR and LF (RFC 5626 §3.5.1; §7.5 of RFC 3261 has them skipped).
    case keepAlive
    /// The first fault and the offset where it stands. The index holds whatever else was found.
    case malformed(WireFault, at: UInt32)
}
