import RTPMedia
import Testing

@Suite struct RTPPacketTests {
    static func read(_ octets: [UInt8]) -> RTPPacket? { octets.withUnsafeBytes { RTPPacket($0) } }

    /// RFC 3550 §5.1, field by field.
    @Test func `every field of a header is read where it stands`() throws {
        let octets: [UInt8] = [0x80, 0x88, 0x12, 0x34, 0x00, 0x01, 0x00, 0xA0, 0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3]
        let packet = try #require(Self.read(octets))
        #expect(packet.hasMarker)
        #expect(packet.payloadType == 8)
        #expect(packet.sequence == 0x1234)
        #expect(packet.timestamp == 0x0001_00A0)
        #expect(packet.source == 0xDEAD_BEEF)
        #expect(packet.payload == 12..<15)
    }

    @Test func `what is written is read again`() throws {
        for (marker, type, sequence) in [(true, UInt8(0), UInt16(0)), (false, 8, 65535), (true, 127, 32768)] {
            let packet = RTPPacket(
                hasMarker: marker, payloadType: type, sequence: sequence, timestamp: 0xFFFF_FFFE, source: 7)
            var octets = [UInt8](repeating: 0xAA, count: 12)
            octets.withUnsafeMutableBytes { packet.write(to: $0.baseAddress!) }
            #expect(Self.read(octets) == packet)
        }
    }

    @Test(
        arguments: [
            // name, octets, where the payload stands
            ("one contributing source", [0x81, 0] + [UInt8](repeating: 0, count: 14) + [9], 16..<17),
            (
                "an extension of one word", [0x90, 0] + [UInt8](repeating: 0, count: 13) + [1, 0, 0, 0, 0, 9, 9],
                20..<22
            ),
            ("padding of three", [0xA0, 0] + [UInt8](repeating: 0, count: 10) + [9, 9, 0, 0, 3], 12..<14),
            ("nothing but a header", [0x80, 0] + [UInt8](repeating: 0, count: 10), 12..<12),
        ] as [(String, [UInt8], Range<Int>)])
    func `the payload stands behind all that is no payload`(_ name: String, _ octets: [UInt8], _ payload: Range<Int>) {
        #expect(Self.read(octets)?.payload == payload, "\(name)")
    }

    @Test(
        arguments: [
            ("nothing", []),
            ("eleven octets", [0x80] + [UInt8](repeating: 0, count: 10)),
            ("version 1", [0x40] + [UInt8](repeating: 0, count: 20)),
            ("STUN", [0x00, 0x01, 0, 0, 0x21, 0x12, 0xA4, 0x42] + [UInt8](repeating: 0, count: 12)),
            ("fifteen contributing sources and no room", [0x8F] + [UInt8](repeating: 0, count: 20)),
            ("an extension without its head", [0x90] + [UInt8](repeating: 0, count: 14)),
            ("an extension longer than the packet", [0x90] + [UInt8](repeating: 0, count: 13) + [0xFF, 0xFF]),
            ("no padding where there is to be some", [0xA0] + [UInt8](repeating: 0, count: 12)),
            ("padding longer than the packet", [0xA0] + [UInt8](repeating: 0, count: 11) + [2]),
        ] as [(String, [UInt8])])
    func `what is no RTP is none`(_ name: String, _ octets: [UInt8]) {
        #expect(Self.read(octets) == nil, "\(name)")
    }

    /// RFC 5761 §4: sender report 200, receiver report 201, goodbye 203; payload type 72 with a marker would look like 200.
    @Test func `RTCP is told from RTP by its packet type`() {
        func isRTCP(_ second: UInt8, count: Int = 8) -> Bool {
            ([0x80, second] + [UInt8](repeating: 0, count: max(count - 2, 0))).withUnsafeBytes { RTPPacket.isRTCP($0) }
        }
        #expect(isRTCP(200) && isRTCP(201) && isRTCP(203) && isRTCP(192) && isRTCP(223))
        #expect(!isRTCP(0) && !isRTCP(8) && !isRTCP(0x80) && !isRTCP(0x88) && !isRTCP(191) && !isRTCP(224))
        #expect(!isRTCP(200, count: 7))
    }

    @Test func `no octets lead beyond their end, and each packet is counted once`() {
        var generator = SplitMix(state: 20_261_201)
        var statistics = ReceptionStatistics(source: 1)
        for _ in 0..<200_000 {
            let count = Int(generator.next() % 40)
            var octets = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            if count > 0, generator.next() & 1 == 0 { octets[0] = octets[0] & 0x3F | 0x80 }
            if let wrong = exercisePackets(octets, &statistics) {
                Issue.record("\(wrong): \(octets)")
                return
            }
        }
        #expect(statistics.received > 0 && statistics.strays > 1000)
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
