import SIPWire

/// What a reader said of some octets, one thing after the other, so that two readings can be compared wherever the octets stood.
/// Shared by the mutation tests and by Fuzz/, which compiles this file.
struct Account: Equatable {
    private var octets: [UInt8] = []

    /// The text of a range; nothing and an empty one are told apart.
    mutating func note(_ base: UnsafeRawPointer, _ range: OctetRange?) {
        guard let range else { return octets.append(0) }
        octets.append(1)
        note(Int(range.length))
        if !range.isEmpty {
            octets += UnsafeRawBufferPointer(start: base + Int(range.offset), count: Int(range.length))
        }
    }

    mutating func note(_ number: Int) {
        withUnsafeBytes(of: number) { octets += $0 }
    }

    mutating func note(_ flag: Bool) { octets.append(flag ? 3 : 2) }

    mutating func note(_ address: TransportAddress?) {
        guard let address else { return octets.append(0) }
        octets += Array(address.text.utf8)
    }
}

extension OctetRange {
    func octets(_ base: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Int(offset), count: Int(length))
    }
}

/// Lends octets in memory of exactly their length: a sanitizer sees an octet read too far.
func alone<Result>(_ octets: [UInt8], _ body: (UnsafeRawPointer, OctetRange) -> Result) -> Result {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: octets.count, alignment: 1)
    defer { room.deallocate() }
    room.copyBytes(from: octets)
    // Of nothing an address that nobody may read.
    let base = UnsafeRawPointer(room.baseAddress) ?? UnsafeRawPointer(bitPattern: 64)!
    return body(base, OctetRange(offset: 0, length: UInt32(octets.count)))
}

/// Lends octets between others, which must not matter: what reads too far reads something that looks like more of the same.
func between<Result>(
    _ before: StaticString, _ octets: [UInt8], _ after: StaticString, _ body: (UnsafeRawPointer, OctetRange) -> Result
) -> Result {
    func text(_ string: StaticString) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount)
    }
    return alone(Array(text(before)) + octets + text(after)) { base, _ in
        body(base, OctetRange(offset: UInt32(before.utf8CodeUnitCount), length: UInt32(octets.count)))
    }
}
