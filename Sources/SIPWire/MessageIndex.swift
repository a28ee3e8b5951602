/// Where the parts of one message stand. Trivial and reused: every range counts from the message's first octet and lies
/// inside the message; a part that is absent is `OctetRange.none`.
public struct MessageIndex: Sendable {
    /// The request's URI as written; empty in a response.
    public var requestURI = OctetRange.none
    /// May be empty in a response too (RFC 3261 §7.2).
    public var reasonPhrase = OctetRange.none
    /// The method's token: in the start line of a request, in CSeq of a response.
    public var methodRange = OctetRange.none
    /// The first via-parm only, up to a comma outside quotes (RFC 3261 §20.42).
    public var topmostVia = OctetRange.none
    /// The value of the first header field of each name, without blanks at its ends. It may hold folded line ends.
    public var from = OctetRange.none
    public var to = OctetRange.none
    public var callID = OctetRange.none
    public var contact = OctetRange.none
    public var contentType = OctetRange.none
    public var cseqMethodRange = OctetRange.none
    /// Cut at Content-Length where there is one, else to the end (RFC 3261 §18.3).
    public var body = OctetRange.none
    /// `HeaderName.bit` of every name that occurs.
    public var present: UInt64 = 0
    /// `HeaderName.bit` of every name with more than one header field (lines, not commas).
    public var repeated: UInt64 = 0
    public var cseqNumber: UInt32 = 0
    /// -1 where the header field is absent or unreadable.
    public var contentLength: Int32 = -1
    /// One past the last octet that belongs to this message: what follows is another message (stream) or to be ignored
    /// (datagram).
    public var messageEnd: UInt32 = 0
    public var headerCount = 0
    /// 0 for a request.
    public var statusCode: UInt16 = 0
    /// The request's method; for a response the method in CSeq.
    public var method = Method.other
    public var cseqMethod = Method.other
    public var isRequest = false
    /// More than one via-parm, in one line or in several.
    public var hasSeveralVias = false

    public init() {}

    /// Whether a header field of that name is there.
    @inlinable public func has(_ name: HeaderName) -> Bool { present & name.bit != 0 }
    /// Whether more than one line of that name is there.
    @inlinable public func hasSeveral(_ name: HeaderName) -> Bool { repeated & name.bit != 0 }
}

/// One header field: a line with the lines folded into it.
public struct HeaderLine: Sendable {
    public var name: HeaderName
    /// The name as written, without blanks before the colon.
    public var nameRange: OctetRange
    /// Without blanks at its ends; it may hold folded line ends.
    public var value: OctetRange
    /// The whole, with the final line end.
    public var line: OctetRange
}
