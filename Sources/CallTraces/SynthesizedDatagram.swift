import SIPWire

/// IP and UDP headers made up for a message that was read from or written to a socket: version 4 (RFC 791) or 6 (RFC
/// 8200) by the addresses, UDP (RFC 768) with its checksum.
struct SynthesizedDatagram {
    let source: TransportAddress
    let destination: TransportAddress
    let payload: UnsafeRawBufferPointer
    /// IPv4 identification.
    let identification: UInt16

    static let udpOctets = 8
    private static let hopLimit: UInt8 = 64
    private static let udp: UInt8 = 17

    /// Octets of message that a datagram can carry between these addresses: 65,507 in IPv4, 65,527 in IPv6.
    static func longestPayload(isIPv6: Bool) -> Int { isIPv6 ? 65_535 - udpOctets : 65_535 - 20 - udpOctets }

    private var isIPv6: Bool { source.isIPv6 || destination.isIPv6 }
    private var ipOctets: Int { isIPv6 ? 40 : 20 }
    private var udpLength: Int { Self.udpOctets + payload.count }
    var octets: Int { ipOctets + udpLength }

    /// Writes the datagram: `octets` octets.
    func write(to place: UnsafeMutableRawPointer) {
        assert(payload.count <= Self.longestPayload(isIPv6: isIPv6))
        Self.writeNetworkHeader(
            place, from: source, to: destination, carrying: Self.udp, udpLength, identification: identification)
        let udp = place + ipOctets
        udp.storeBigEndian(source.port, at: 0)
        udp.storeBigEndian(destination.port, at: 2)
        udp.storeBigEndian(UInt16(udpLength), at: 4)
        udp.storeBigEndian(UInt16(0), at: 6)
        if let octets = payload.baseAddress { (udp + 8).copyMemory(from: octets, byteCount: payload.count) }
        let checksum = Self.checksum(place, isIPv6: isIPv6, carrying: Self.udp, udp, udpLength)
        // Zero would mean "no checksum".
        (udp + 6).storeBytes(of: checksum == 0 ? 0xFFFF : checksum, as: UInt16.self)
    }

    /// The checksum of a datagram or segment whose own is still 0: over it and the pseudo header, which is both addresses, the protocol
    /// and the length (RFC 768, RFC 9293 §3.1, RFC 8200 §8.1).
    static func checksum(
        _ place: UnsafeMutableRawPointer, isIPv6: Bool, carrying number: UInt8, _ datagram: UnsafeMutableRawPointer,
        _ length: Int
    ) -> UInt16 {
        let addresses =
            isIPv6
            ? InternetChecksum.sum(UnsafeRawBufferPointer(start: place + 8, count: 32))
            : InternetChecksum.sum(UnsafeRawBufferPointer(start: place + 12, count: 8))
        let rest = UInt64(UInt16(number).bigEndian) + UInt64(UInt16(length).bigEndian)
        let sum = InternetChecksum.sum(UnsafeRawBufferPointer(start: datagram, count: length))
        return InternetChecksum.folded(addresses + rest + sum)
    }

    /// The IP header of a packet that carries so many octets of that protocol.
    static func writeNetworkHeader(
        _ place: UnsafeMutableRawPointer, from source: TransportAddress, to destination: TransportAddress,
        carrying number: UInt8, _ length: Int, identification: UInt16
    ) {
        if source.isIPv6 || destination.isIPv6 {
            writeIPv6(place, source, destination, number, length)
        } else {
            writeIPv4(place, source, destination, number, length, identification)
        }
    }

    private static func writeIPv4(
        _ place: UnsafeMutableRawPointer, _ source: TransportAddress, _ destination: TransportAddress, _ number: UInt8,
        _ length: Int, _ identification: UInt16
    ) {
        place.storeBytes(of: 0x45, as: UInt8.self)
        place.storeBytes(of: 0, toByteOffset: 1, as: UInt8.self)
        place.storeBigEndian(UInt16(20 + length), at: 2)
        place.storeBigEndian(identification, at: 4)
        place.storeBigEndian(UInt16(0x4000), at: 6)
        place.storeBytes(of: Self.hopLimit, toByteOffset: 8, as: UInt8.self)
        place.storeBytes(of: number, toByteOffset: 9, as: UInt8.self)
        place.storeBigEndian(UInt16(0), at: 10)
        place.storeBigEndian(source.ipv4, at: 12)
        place.storeBigEndian(destination.ipv4, at: 16)
        let sum = InternetChecksum.sum(UnsafeRawBufferPointer(start: place, count: 20))
        (place + 10).storeBytes(of: InternetChecksum.folded(sum), as: UInt16.self)
    }

    private static func writeIPv6(
        _ place: UnsafeMutableRawPointer, _ source: TransportAddress, _ destination: TransportAddress, _ number: UInt8,
        _ length: Int
    ) {
        place.storeBigEndian(UInt32(0x6000_0000), at: 0)
        place.storeBigEndian(UInt16(length), at: 4)
        place.storeBytes(of: number, toByteOffset: 6, as: UInt8.self)
        place.storeBytes(of: Self.hopLimit, toByteOffset: 7, as: UInt8.self)
        place.storeBigEndian(source.high, at: 8)
        place.storeBigEndian(source.low, at: 16)
        place.storeBigEndian(destination.high, at: 24)
        place.storeBigEndian(destination.low, at: 32)
    }
}

extension UnsafeMutableRawPointer {
    @inline(__always)
    func storeBigEndian<Number: FixedWidthInteger & BitwiseCopyable>(_ value: Number, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: Number.self)
    }
}

/// The checksum of RFC 1071. Sums are of 16-bit words as they lie in memory, so that the folded result is stored as it
/// is, whatever the machine's byte order (RFC 1071 §1, byte order independence).
enum InternetChecksum {
    /// Not folded; sums of a few datagrams fit without carry.
    static func sum(_ octets: UnsafeRawBufferPointer) -> UInt64 {
        guard let base = octets.baseAddress else { return 0 }
        var sum: UInt64 = 0
        var offset = 0
        while offset + 8 <= octets.count {
            let word = base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            sum &+= (word & 0xFFFF_FFFF) &+ (word >> 32)
            offset &+= 8
        }
        while offset + 2 <= octets.count {
            sum &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            offset &+= 2
        }
        if offset < octets.count {
            // The last odd octet is the high one of a word padded with zero.
            sum &+= UInt64((UInt16(octets[offset]) << 8).bigEndian)
        }
        return sum
    }

    static func folded(_ sum: UInt64) -> UInt16 {
        var sum = sum
        while sum > 0xFFFF { sum = (sum & 0xFFFF) + (sum >> 16) }
        return ~UInt16(truncatingIfNeeded: sum)
    }
}
