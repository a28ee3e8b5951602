/// The three blocks of pcapng that we write, little-endian: section header, interface description, enhanced packet
/// (draft-ietf-opsawg-pcapng §4.1 to §4.3).
///
/// One section with one interface: libpcap refuses files whose interfaces differ.
extension CaptureOutput {
    private static var rawIP: UInt16 { 101 }
    private static var longestComment: Int { 16_384 }

    mutating func writeSectionHeader(comment: String, application: String) {
        let comment = Self.fitting(comment)
        let application = Self.fitting(application)
        let most = 64 + comment.count + application.count
        guard let place = reserve(most) else { return }
        var block = BlockWriter(place, type: 0x0A0D_0D0A)
        block.append(UInt32(0x1A2B_3C4D))
        block.append(UInt16(1))
        block.append(UInt16(0))
        block.append(UInt64.max)
        block.appendOption(1, comment)
        block.appendOption(4, application)
        block.appendEndOfOptions()
        commit(block.finish())
    }

    mutating func writeInterface(name: String) {
        let name = Self.fitting(name)
        guard let place = reserve(64 + name.count) else { return }
        var block = BlockWriter(place, type: 1)
        block.append(Self.rawIP)
        block.append(UInt16(0))
        // No limit on the captured length.
        block.append(UInt32(0))
        block.appendOption(2, name)
        // if_tsresol: times count in units of 10^-9 s.
        block.appendOption(9, [9])
        block.appendEndOfOptions()
        commit(block.finish())
    }

    /// - Parameters:
    ///   - wallNanoseconds: since 1970-01-01 UTC.
    ///   - comment: none where empty.
    mutating func writePacket(
        _ packet: some SynthesizedPacket, wallNanoseconds: UInt64, isSent: Bool, comment: String
    ) {
        let comment = Self.fitting(comment)
        let octets = packet.octets
        guard let place = reserve(96 + octets + comment.count) else { return }
        var block = BlockWriter(place, type: 6)
        block.append(UInt32(0))
        block.append(UInt32(truncatingIfNeeded: wallNanoseconds >> 32))
        block.append(UInt32(truncatingIfNeeded: wallNanoseconds))
        block.append(UInt32(octets))
        block.append(UInt32(octets))
        packet.write(to: block.end)
        block.skip(octets)
        block.appendOption(1, comment)
        // epb_flags: direction in the lowest two bits, 1 inbound, 2 outbound.
        block.appendFlags(isSent ? 2 : 1)
        block.appendEndOfOptions()
        commit(block.finish())
    }

    /// At most `longestComment` octets, cut between characters.
    private static func fitting(_ text: String) -> [UInt8] {
        let octets = Array(text.utf8)
        if octets.count <= longestComment { return octets }
        var end = longestComment
        while end > 0, octets[end] & 0xC0 == 0x80 { end -= 1 }
        return Array(octets[..<end])
    }
}

/// Writes one block from its type to its trailing length.
private struct BlockWriter {
    private let start: UnsafeMutableRawPointer
    private(set) var end: UnsafeMutableRawPointer

    init(_ place: UnsafeMutableRawPointer, type: UInt32) {
        start = place
        end = place
        append(type)
        append(UInt32(0))
    }

    mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(_ value: Number) {
        end.storeBytes(of: value.littleEndian, as: Number.self)
        end += MemoryLayout<Number>.size
    }

    /// Goes past octets already written, and pads to 4.
    mutating func skip(_ octets: Int) {
        end += octets
        for _ in 0..<(-octets & 3) { append(UInt8(0)) }
    }

    mutating func appendOption(_ code: UInt16, _ value: [UInt8]) {
        if value.isEmpty { return }
        append(code)
        append(UInt16(value.count))
        value.withUnsafeBytes { end.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        skip(value.count)
    }

    mutating func appendFlags(_ flags: UInt32) {
        append(UInt16(2))
        append(UInt16(4))
        append(flags)
    }

    mutating func appendEndOfOptions() { append(UInt32(0)) }

    /// - Returns: octets of the block.
    mutating func finish() -> Int {
        let octets = end - start + 4
        append(UInt32(octets))
        start.storeBytes(of: UInt32(octets).littleEndian, toByteOffset: 4, as: UInt32.self)
        return octets
    }
}
