import RTPMedia

/// Reads octets as a peer may have sent them, and says what is wrong with the reading; nil: nothing. Shared with Fuzz/FuzzMedia.swift.
func exercisePackets(_ octets: [UInt8], _ statistics: inout ReceptionStatistics) -> String? {
    // A copy of its own length, so that a read beyond the end is found.
    let copy = UnsafeMutableRawPointer.allocate(byteCount: max(octets.count, 1), alignment: 1)
    defer { copy.deallocate() }
    copy.copyMemory(from: octets, byteCount: octets.count)
    let whole = UnsafeRawBufferPointer(start: copy, count: octets.count)
    let isRTCP = RTPPacket.isRTCP(whole)
    guard let packet = RTPPacket(whole) else { return nil }
    guard packet.payload.lowerBound >= RTPPacket.headerSize, packet.payload.upperBound <= octets.count else {
        return "payload \(packet.payload) of \(octets.count) octets"
    }
    if isRTCP, !(64...95).contains(packet.payloadType) { return "payload type \(packet.payloadType) looks like RTCP" }
    // Written anew it means the same.
    let again = UnsafeMutableRawPointer.allocate(byteCount: RTPPacket.headerSize, alignment: 1)
    defer { again.deallocate() }
    packet.write(to: again)
    guard var read = RTPPacket(UnsafeRawBufferPointer(start: again, count: RTPPacket.headerSize)) else {
        return "what was written is not read"
    }
    read.payload = packet.payload
    if read != packet { return "\(packet) became \(read)" }
    let before = statistics
    statistics.take(packet, arrival: Int64(packet.timestamp) &* 125_000, clockRate: UInt32(octets.count) * 1000)
    if statistics.received &+ statistics.strays != before.received &+ before.strays &+ 1 {
        return "a packet was not counted once"
    }
    if statistics.lost > statistics.expected { return "more lost than expected" }
    if !statistics.jitter.isFinite || statistics.jitter < 0 { return "jitter \(statistics.jitter)" }
    return nil
}
