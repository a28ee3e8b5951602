/// What a stream of octets is asked for by `StreamFramer`, and by which rule it is refused.
public enum StreamRule: UInt8, Sendable, CaseIterable {
    /// What stands where a message must start is no character of a start line.
    case startOctet
    /// The first line is no start line of SIP.
    case startLine
    /// Start line and header fields are longer than the limit.
    case headTooLong
    /// A message without Content-Length.
    case lengthMissing
    /// Content-Length holds something else than digits.
    case lengthNotNumber
    /// Several Content-Length header fields, which do not agree.
    case lengthsDiffer
    /// A body longer than the limit, but short enough to be passed over.
    case bodyTooLong
    /// A body too long to be passed over.
    case bodyFarTooLong
    /// The length of the message is known, but there is no memory to keep the part that has come.
    case messageNotKept
    /// The head has not ended, and there is no memory to keep the part that has come.
    case headNotKept
    /// The stream ended, or was abandoned, within a message.
    case endedWithinMessage
}

/// A verdict of `StreamFramer`: which rule, what stood there instead, and whether the stream can go on.
public struct StreamFault: Sendable, Equatable {
    public let rule: StreamRule
    /// True: the framer has found where the next message begins, go on with it. False: nobody can tell where the next message
    /// begins; close the connection (RFC 4475 §3.1.2.2, §3.1.2.3 and §3.3.9 advise the same). The framer takes no more octets.
    public let goesOn: Bool
    /// How many octets of `got` count.
    let gotLength: UInt8
    /// The limit that was crossed, in octets; 0 where the rule is none of length.
    public let limit: UInt32
    /// What stood there: its first octets.
    let got: (UInt64, UInt64, UInt64)

    static let longestSample = 24

    init(_ rule: StreamRule, goesOn: Bool = false, limit: Int = 0) {
        self.init(rule, goesOn: goesOn, limit: limit, UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// - Parameter sample: what stood there; its first 24 octets are kept.
    init(_ rule: StreamRule, goesOn: Bool = false, limit: Int = 0, _ sample: UnsafeRawBufferPointer) {
        var got: (UInt64, UInt64, UInt64) = (0, 0, 0)
        let count = min(sample.count, Self.longestSample)
        withUnsafeMutableBytes(of: &got) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: sample[..<count])) }
        self.rule = rule
        self.goesOn = goesOn
        self.limit = UInt32(truncatingIfNeeded: limit)
        self.got = got
        gotLength = UInt8(truncatingIfNeeded: count)
    }

    /// A record of TLS stands where a message must start (RFC 8446 §5.1): the peer speaks TLS.
    public var isTLS: Bool {
        let first = UInt8(truncatingIfNeeded: got.0), second = UInt8(truncatingIfNeeded: got.0 >> 8)
        return rule == .startOctet && gotLength > 0 && 20...23 ~= first && (gotLength == 1 || second == 3)
    }

    public static func == (one: StreamFault, other: StreamFault) -> Bool {
        one.rule == other.rule && one.goesOn == other.goesOn && one.limit == other.limit
            && one.gotLength == other.gotLength && one.got == other.got
    }
}

extension StreamFault: CustomStringConvertible {
    /// What was expected, what came, by which rule, and what follows. Not for the hot path.
    public var description: String {
        "stream: \(finding); \(goesOn ? rule.consequence : "the connection must be closed")"
    }

    /// Completes "what came cannot be read: ".
    public var finding: String {
        "expected \(rule.expected)" + (limit > 0 ? ", at most \(limit) octets" : "")
            + ", got \(gotText) (\(rule.section))"
    }

    private var gotText: String {
        switch rule {
        case .headTooLong: return "no empty line within them"
        case .lengthMissing: return "none"
        case .messageNotKept, .headNotKept: return "none"
        default: break
        }
        var text = "\""
        withUnsafeBytes(of: got) { octets in
            for octet in octets.prefix(Int(gotLength)) {
                switch octet {
                case 0x22, 0x5C: text += "\\" + String(UnicodeScalar(octet))
                case 0x20..<0x7F: text += String(UnicodeScalar(octet))
                case 0x0D: text += "\\r"
                case 0x0A: text += "\\n"
                default: text += "\\x" + (octet < 16 ? "0" : "") + String(octet, radix: 16)
                }
            }
        }
        if Int(gotLength) == Self.longestSample { text += "…" }
        text += "\""
        if isTLS { text += ", which is TLS" }
        return text
    }
}

extension StreamRule {
    /// Fit for an error text: "expected …".
    public var expected: StaticString {
        switch self {
        case .startOctet, .startLine: return "a request line or a status line of SIP"
        case .headTooLong: return "a start line and header fields that end in an empty line"
        case .lengthMissing: return "a Content-Length header field in each message of a stream"
        case .lengthNotNumber: return "Content-Length: a decimal number"
        case .lengthsDiffer: return "one Content-Length, or several that agree"
        case .bodyTooLong, .bodyFarTooLong: return "a Content-Length that this reader takes"
        case .messageNotKept, .headNotKept: return "memory for the part of a message that has come"
        case .endedWithinMessage: return "the rest of a message"
        }
    }

    /// Where it is written.
    public var section: StaticString {
        switch self {
        case .startOctet, .startLine: return "RFC 3261 §7.1, §7.2"
        case .headTooLong, .bodyTooLong, .bodyFarTooLong: return "RFC 3261 §18.3 and the limit of this reader"
        case .lengthMissing: return "RFC 3261 §18.3, §20.14"
        case .lengthNotNumber: return "RFC 3261 §20.14"
        case .lengthsDiffer: return "RFC 3261 §7.3.1, §20.14"
        case .messageNotKept, .headNotKept: return "the limit of this reader"
        case .endedWithinMessage: return "RFC 3261 §18.3"
        }
    }

    /// How the stream goes on where it can.
    var consequence: StaticString {
        switch self {
        case .lengthMissing: return "taken as 0"
        default: return "the message is passed over"
        }
    }
}
