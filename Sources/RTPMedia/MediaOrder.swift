import SIPWire

/// What a party sends on its media streams.
public enum MediaSending: UInt8, Sendable {
    case nothing, silence, tone, echo
}

/// What a call asks of one pair of ports: all the media thread is told, and all it needs to know.
public struct MediaOrder: Sendable, Equatable {
    /// A call has the ports.
    public var isOpen = false
    /// Raised each time the ports begin a new stream: what came before is not counted with what comes after.
    public var generation: UInt16 = 0
    /// Where the peer takes media, and whence its own are expected: the address of its description; nil: not known yet, or none.
    public var remote: TransportAddress?
    /// Which of several local addresses the description names: media leave from it. Its port says nothing. Nil: there is one alone.
    public var local: TransportAddress?
    /// The peer takes media now, and we offered to send them (RFC 3264 §5.1, §6.1).
    public var maySend = false
    /// Of our own description, where that said less than `sendrecv`.
    public var isSilenced = false
    public var sending = MediaSending.nothing
    /// Payload type of what we send by ourselves, as negotiated: 0 or 8. `noPayload`: none that we can make.
    public var payloadType = noPayload
    /// Of the stream's timestamps, in Hz.
    public var clockRate: UInt32 = 8000

    public static let noPayload: UInt8 = 0xFF

    public init() {}

    /// Packets go out by themselves, every 20 ms.
    public var isSource: Bool {
        isOpen && remote != nil && maySend && !isSilenced && payloadType != Self.noPayload
            && (sending == .tone || sending == .silence)
    }

    /// What comes goes back.
    public var echoes: Bool { isOpen && remote != nil && maySend && !isSilenced && sending == .echo }

    /// As words that threads hand to each other.
    struct Words {
        var first: UInt64 = 0
        var second: UInt64 = 0
        var remote: (UInt64, UInt64) = (0, 0)
        var local: (UInt64, UInt64) = (0, 0)
    }

    var words: Words {
        var words = Words()
        words.first = UInt64(generation) | UInt64(sending.rawValue) << 16 | UInt64(payloadType) << 24
        words.first |= UInt64(clockRate) << 32
        var flags: UInt64 = isOpen ? 1 : 0
        if maySend { flags |= 2 }
        if isSilenced { flags |= 4 }
        if let remote {
            flags |= remote.isIPv6 ? 24 : 8
            words.second = UInt64(remote.port)
            words.remote = (remote.high, remote.low)
        }
        if let local {
            flags |= local.isIPv6 ? 96 : 32
            words.local = (local.high, local.low)
        }
        words.second |= flags << 16
        return words
    }

    init(_ words: Words) {
        generation = UInt16(truncatingIfNeeded: words.first)
        sending = MediaSending(rawValue: UInt8(truncatingIfNeeded: words.first >> 16)) ?? .nothing
        payloadType = UInt8(truncatingIfNeeded: words.first >> 24)
        clockRate = UInt32(truncatingIfNeeded: words.first >> 32)
        let flags = words.second >> 16
        isOpen = flags & 1 != 0
        maySend = flags & 2 != 0
        isSilenced = flags & 4 != 0
        if flags & 8 != 0 {
            remote = Self.address(words.remote, UInt16(truncatingIfNeeded: words.second), isIPv6: flags & 16 != 0)
        }
        if flags & 32 != 0 { local = Self.address(words.local, 0, isIPv6: flags & 64 != 0) }
    }

    private static func address(_ words: (UInt64, UInt64), _ port: UInt16, isIPv6: Bool) -> TransportAddress {
        var address = TransportAddress(ipv6High: words.0, ipv6Low: words.1, port: port)
        address.isIPv6 = isIPv6
        return address
    }
}
