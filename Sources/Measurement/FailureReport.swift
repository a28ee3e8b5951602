import SIPWire

/// What came instead of what was expected.
@frozen public enum FailureEvidence: Sendable, Hashable {
    /// A response; `FailureReport.detail` holds its reason phrase.
    case response(status: UInt16)
    /// A request; `FailureReport.detail` holds the method where it is `.other`.
    case request(Method)
    /// Nothing, until the limit of the wait or a transaction timer.
    case timeout
    /// Nothing either, and the connection does not take what is sent: the peer does not read.
    case unread
    /// Nothing that fits: a response that RFC 3261 has us discard; `FailureReport.detail` says what came and what is wrong with it.
    case misfit
    /// The transport said no: ICMP error or refused connection. An errno, or from `FailureReport.firstTLSError` on why there is no
    /// TLS; then `FailureReport.detail` says it in words.
    case transport(errno: Int32)
    /// A message came but a check on it failed; `FailureReport.detail` holds the value it had.
    case value
    /// A message came without what the check is about; `FailureReport.detail` says what is not there: "no X-Test header field".
    case absent
    /// A message that cannot be read; the fault is a position in `RecorderLayout.faults`.
    case malformed(fault: UInt16)
    /// A 2xx to an INVITE whose Contact is no SIP URI: nobody knows where the ACK goes.
    case contact(status: UInt16)
    /// A response whose Contact or Record-Route is to be followed over TLS, which the run does not speak.
    case secure(status: UInt16)
    /// A 2xx to an INVITE with a longer Record-Route than is kept.
    case routes(status: UInt16)
    /// The scenario itself said `Fail`; `FailureReport.detail` holds its words.
    case declared
    /// We had no room: overflow record, slot or arena.
    case exhausted
    /// A stream found no media port free.
    case noMediaPort
    /// A message of ours could not be made: a value that it is made of was not there.
    case missing
    /// A request of ours was too large for a datagram (RFC 3261 §18.1.1), and the run does not send such.
    case tooLarge(octets: UInt32)
    /// The script took so many steps without a wait or a pause: our limit.
    case endless(steps: UInt32)

    /// As one number: what a trace keeps.
    public var code: UInt32 {
        switch self {
        case .response(let status): UInt32(status)
        case .request(let method): 1_000 + UInt32(method.rawValue)
        case .timeout: 2_000
        case .unread: 2_001
        case .misfit: 2_002
        case .transport(let errno): 3_000 + UInt32(clamping: errno)
        case .value: 4_000
        case .absent: 4_500
        case .malformed(let fault): 5_000 + UInt32(fault)
        case .declared: 6_000
        case .exhausted: 7_000
        case .noMediaPort: 7_400
        case .missing: 7_500
        case .endless(let steps): 8_000 &+ steps
        case .contact(let status): Self.firstContactCode + UInt32(status)
        case .routes(let status): Self.firstRoutesCode + UInt32(status)
        case .secure(let status): Self.firstSecureCode + UInt32(status)
        case .tooLarge(let octets): Self.firstLargeCode + min(octets, 0xFFFF_FFFF - Self.firstLargeCode)
        }
    }

    private static let firstContactCode: UInt32 = 0x4000_0000
    private static let firstRoutesCode: UInt32 = 0x4001_0000
    private static let firstSecureCode: UInt32 = 0x4002_0000
    private static let firstLargeCode: UInt32 = 0x4003_0000

    /// What `code` gave.
    public init(code: UInt32) {
        switch code {
        case ..<1_000: self = .response(status: UInt16(code))
        case ..<2_000: self = .request(Method(rawValue: UInt8(truncatingIfNeeded: code - 1_000)) ?? .other)
        case 2_001: self = .unread
        case 2_002: self = .misfit
        case ..<3_000: self = .timeout
        case ..<4_000: self = .transport(errno: Int32(code - 3_000))
        case ..<4_500: self = .value
        case ..<5_000: self = .absent
        case ..<6_000: self = .malformed(fault: UInt16(code - 5_000))
        case ..<7_000: self = .declared
        case ..<7_400: self = .exhausted
        case ..<7_500: self = .noMediaPort
        case ..<8_000: self = .missing
        case ..<Self.firstContactCode: self = .endless(steps: code - 8_000)
        case ..<Self.firstRoutesCode: self = .contact(status: UInt16(truncatingIfNeeded: code))
        case ..<Self.firstSecureCode: self = .routes(status: UInt16(truncatingIfNeeded: code))
        case ..<Self.firstLargeCode: self = .secure(status: UInt16(truncatingIfNeeded: code))
        default: self = .tooLarge(octets: code - Self.firstLargeCode)
        }
    }
}

/// One failed run, as the engine hands it over: trivial, with octets that need to live for the call of `fail` only.
public struct FailureReport {
    /// Octets of a detail, Call-ID or tag that are kept.
    public static let longestText = 512
    /// From here on an errno of `FailureEvidence.transport` is none of the system's, but says that there is no TLS and why.
    public static let firstTLSError: Int32 = 500
    /// Beyond those of `TLSFailure.Kind`: a handshake without end, and a peer's that nobody here has a certificate for.
    public static let handshakeTimeout = firstTLSError + 50
    public static let noCertificate = firstTLSError + 51
    /// TLS came on a connection without.
    public static let unaskedTLS = firstTLSError + 52

    /// The arrival's place in the whole plan.
    public var run: UInt64
    /// Position in `RecorderLayout.steps`.
    public var step: Int
    /// Position in `RecorderLayout.expectations`.
    public var expectation: Int
    public var got: FailureEvidence
    public var detail: UnsafeRawBufferPointer
    public var callID: UnsafeRawBufferPointer
    public var fromTag: UnsafeRawBufferPointer
    public var local: TransportAddress
    public var remote: TransportAddress
    /// From the start of the wait (the request sent, or the step entered) to the failure.
    public var afterNanoseconds: Int64
    public var at: MonotonicInstant
    /// Of each feed a record of `rowOctets` that begins with the run's row, 32 bits, all set where it has none.
    public var rows: UnsafeRawBufferPointer
    public static let rowOctets = 8

    public init(
        run: UInt64, step: Int, expectation: Int, got: FailureEvidence,
        detail: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        callID: UnsafeRawBufferPointer, fromTag: UnsafeRawBufferPointer, local: TransportAddress,
        remote: TransportAddress, afterNanoseconds: Int64, at: MonotonicInstant,
        rows: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        self.run = run
        self.step = step
        self.expectation = expectation
        self.got = got
        self.detail = detail
        self.callID = callID
        self.fromTag = fromTag
        self.local = local
        self.remote = remote
        self.afterNanoseconds = afterNanoseconds
        self.at = at
        self.rows = rows
    }
}
