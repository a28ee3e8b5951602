import SIPWire

/// Headers made up for octets that were read from or written to a socket.
protocol SynthesizedPacket {
    /// Of the whole packet.
    var octets: Int { get }
    /// Writes the packet: `octets` octets.
    func write(to place: UnsafeMutableRawPointer)
}

extension SynthesizedDatagram: SynthesizedPacket {}

/// IP and TCP headers made up for a part of a stream: version 4 (RFC 791) or 6 (RFC 8200) by the addresses, TCP (RFC 9293) with
/// its checksum, PSH and ACK set.
struct SynthesizedSegment: SynthesizedPacket {
    let source: TransportAddress
    let destination: TransportAddress
    let payload: UnsafeRawBufferPointer
    /// Of the first octet of the payload, and the next one expected from the other side.
    let sequence: UInt32
    let acknowledgement: UInt32
    /// IPv4 identification.
    let identification: UInt16

    private static let tcpOctets = 20
    private static let tcp: UInt8 = 6
    /// Octets of a stream that one packet carries: as many as IPv4 has room for, for both versions.
    static let longestPayload = 65_535 - 20 - tcpOctets

    private var isIPv6: Bool { source.isIPv6 || destination.isIPv6 }
    private var ipOctets: Int { isIPv6 ? 40 : 20 }
    private var tcpLength: Int { Self.tcpOctets + payload.count }
    var octets: Int { ipOctets + tcpLength }

    func write(to place: UnsafeMutableRawPointer) {
        assert(payload.count <= Self.longestPayload)
        SynthesizedDatagram.writeNetworkHeader(
            place, from: source, to: destination, carrying: Self.tcp, tcpLength, identification: identification)
        let tcp = place + ipOctets
        tcp.storeBigEndian(source.port, at: 0)
        tcp.storeBigEndian(destination.port, at: 2)
        tcp.storeBigEndian(sequence, at: 4)
        tcp.storeBigEndian(acknowledgement, at: 8)
        // Five words of header; PSH and ACK.
        tcp.storeBigEndian(UInt16(0x5018), at: 12)
        tcp.storeBigEndian(UInt16(65_535), at: 14)
        tcp.storeBigEndian(UInt32(0), at: 16)
        if let octets = payload.baseAddress { (tcp + 20).copyMemory(from: octets, byteCount: payload.count) }
        let checksum = SynthesizedDatagram.checksum(place, isIPv6: isIPv6, carrying: Self.tcp, tcp, tcpLength)
        (tcp + 16).storeBytes(of: checksum, as: UInt16.self)
    }
}

/// How far each direction of each made-up stream has come, so that a reader puts its segments together.
struct StreamSequences {
    private struct Direction: Hashable {
        var source: TransportAddress
        var destination: TransportAddress
    }

    private var next: [Direction: UInt32] = [:]

    /// The numbers of so many octets more.
    mutating func take(
        from source: TransportAddress, to destination: TransportAddress, _ octets: Int
    ) -> (sequence: UInt32, acknowledgement: UInt32) {
        let direction = Direction(source: source, destination: destination)
        let sequence = next[direction] ?? 1
        next[direction] = sequence &+ UInt32(truncatingIfNeeded: octets)
        return (sequence, next[Direction(source: destination, destination: source)] ?? 1)
    }
}
