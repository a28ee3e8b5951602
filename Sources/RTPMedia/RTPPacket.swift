/// One RTP packet as it stands in a datagram: its header, read, and where its payload is (RFC 3550 §5.1).
public struct RTPPacket: Sendable, Equatable {
    /// Octets of the header without contributing sources and extension.
    public static let headerSize = 12

    public var hasMarker: Bool
    /// 0…127.
    public var payloadType: UInt8
    public var sequence: UInt16
    public var timestamp: UInt32
    /// The synchronization source (SSRC).
    public var source: UInt32
    /// Where the payload stands: behind contributing sources and extension, before padding.
    public var payload: Range<Int>

    public init(
        hasMarker: Bool, payloadType: UInt8, sequence: UInt16, timestamp: UInt32, source: UInt32,
        payload: Range<Int> = headerSize..<headerSize
    ) {
        self.hasMarker = hasMarker
        self.payloadType = payloadType
        self.sequence = sequence
        self.timestamp = timestamp
        self.source = source
        self.payload = payload
    }

    /// Nil where the octets are no RTP packet by the checks of RFC 3550 §A.1: version 2, and a length that has room for what the
    /// header announces. Whatever comes is read within its bounds.
    public init?(_ octets: UnsafeRawBufferPointer) {
        guard octets.count >= Self.headerSize, octets[0] >> 6 == 2 else { return nil }
        let first = octets[0]
        hasMarker = octets[1] & 0x80 != 0
        payloadType = octets[1] & 0x7F
        sequence = UInt16(octets[2]) << 8 | UInt16(octets[3])
        timestamp = Self.word(octets, 4)
        source = Self.word(octets, 8)
        var start = Self.headerSize + Int(first & 0x0F) * 4
        var end = octets.count
        guard start <= end else { return nil }
        if first & 0x10 != 0 {
            guard end - start >= 4 else { return nil }
            start += 4 + (Int(octets[start + 2]) << 8 | Int(octets[start + 3])) * 4
            guard start <= end else { return nil }
        }
        if first & 0x20 != 0 {
            // The last octet counts the padding, itself included.
            guard end > start, octets[end - 1] > 0, Int(octets[end - 1]) <= end - start else { return nil }
            end -= Int(octets[end - 1])
        }
        payload = start..<end
    }

    /// Whether a datagram at a port that RTP and RTCP may share is RTCP: version 2, and a packet type that is kept free of RTP's marker
    /// and payload types (RFC 5761 §4).
    public static func isRTCP(_ octets: UnsafeRawBufferPointer) -> Bool {
        octets.count >= 8 && octets[0] >> 6 == 2 && (192...223).contains(octets[1])
    }

    /// Writes the twelve octets of a header without contributing sources, extension and padding.
    public func write(to start: UnsafeMutableRawPointer) {
        start.storeBytes(of: 0x80, as: UInt8.self)
        start.storeBytes(of: payloadType & 0x7F | (hasMarker ? 0x80 : 0), toByteOffset: 1, as: UInt8.self)
        start.storeBytes(of: sequence.bigEndian, toByteOffset: 2, as: UInt16.self)
        start.storeBytes(of: timestamp.bigEndian, toByteOffset: 4, as: UInt32.self)
        start.storeBytes(of: source.bigEndian, toByteOffset: 8, as: UInt32.self)
    }

    private static func word(_ octets: UnsafeRawBufferPointer, _ place: Int) -> UInt32 {
        UInt32(octets[place]) << 24 | UInt32(octets[place + 1]) << 16 | UInt32(octets[place + 2]) << 8
            | UInt32(octets[place + 3])
    }
}
