import Glibc
import SIPWire

// Loads that no bounds check guards, and the few questions about octets that this room asks. Whoever calls has made
// sure that the range lies inside what can be read.

extension UnsafeRawPointer {
    @inline(always)
    func octet(at offset: Int) -> UInt8 { assumingMemoryBound(to: UInt8.self)[offset] }

    /// The octets of a range that counts from here.
    @inline(always)
    func octets(_ range: OctetRange) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: self + Int(range.offset), count: Int(range.length))
    }
}

extension UnsafeRawBufferPointer {
    /// Whether this is the ASCII text, letters in any case.
    func isInAnyCase(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let baseAddress else { return false }
        let wanted = UnsafeRawPointer(text.utf8Start)
        for place in 0..<count {
            let octet = baseAddress.octet(at: place)
            let other = wanted.octet(at: place)
            if octet != other, lowered(octet) != lowered(other) { return false }
        }
        return true
    }

    func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let baseAddress, let theirs = other.baseAddress, count > 0 else { return true }
        return memcmp(baseAddress, theirs, count) == 0
    }

    /// Where the next `octet` stands, looking from `place`; nil where there is none.
    @inline(always)
    func firstOffset(of octet: UInt8, from place: Int = 0) -> Int? {
        guard let baseAddress, place < count, let found = memchr(baseAddress + place, Int32(octet), count &- place)
        else { return nil }
        return UnsafeRawPointer(found) - baseAddress
    }
}

extension StaticString {
    var octets: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount) }
}

@inline(always)
private func lowered(_ octet: UInt8) -> UInt8 { octet &- 0x41 < 26 ? octet | 0x20 : octet }

/// SP, HTAB, and the CR and LF of a folded value (RFC 3261 §7.3.1).
@inline(always)
func isValueBlank(_ octet: UInt8) -> Bool {
    octet <= 0x20 && (1 &<< UInt64(octet)) & 0x1_0000_2600 != 0
}

/// `token` of RFC 3261 §25.1: letters, digits and - . ! % * _ + ` ' ~
@inline(always)
func isInToken(_ octet: UInt8) -> Bool {
    let set: UInt64
    switch octet {
    case 0..<64: set = 0x03FF_6CA2_0000_0000
    case 64..<128: set = 0x47FF_FFFF_87FF_FFFE
    default: return false
    }
    return (set &>> UInt64(octet & 63)) & 1 != 0
}

/// What a quoted string cannot hold, not even escaped: control characters other than HTAB. (A line end inside quotes
/// would be a fold; whoever writes that in a nonce is answered by nobody.)
@inline(always)
func isControl(_ octet: UInt8) -> Bool { octet < 0x20 && octet != 0x09 || octet == 0x7F }

/// The value of a hexadecimal digit; 0xFF where it is none.
@inline(always)
func hexadecimalValue(_ octet: UInt8) -> UInt8 {
    if octet &- 0x30 < 10 { return octet &- 0x30 }
    let letter = octet | 0x20
    return letter &- 0x61 < 6 ? letter &- 0x61 &+ 10 : 0xFF
}

/// Eight lower-case hexadecimal digits of four octets; the octet in the lowest byte comes first, as it does in memory.
@inline(always)
func hexadecimalDigits(_ octets: UInt32) -> UInt64 {
    var spread = UInt64(octets)
    spread = (spread | spread &<< 16) & 0x0000_FFFF_0000_FFFF
    spread = (spread | spread &<< 8) & 0x00FF_00FF_00FF_00FF
    let digits = (spread &>> 4 & 0x000F_000F_000F_000F) | (spread & 0x000F_000F_000F_000F) &<< 8
    // 0x27 more than '0' leads from ten to 'a'.
    let letters = (digits &+ 0x0606_0606_0606_0606) &>> 4 & 0x0101_0101_0101_0101
    return digits &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
}

/// A text as it stands in a header field, or as its owner knows it. The two differ by escapes only.
struct DigestText {
    var octets: UnsafeRawBufferPointer
    /// Whether a backslash stands for the octet after it (RFC 7616 §3.4.2 hashes the value of the quoted string, which
    /// has no escapes: RFC 7230 §3.2.6).
    var mayHoldEscapes: Bool

    /// As read from a message.
    init(written octets: UnsafeRawBufferPointer) {
        self.octets = octets
        mayHoldEscapes = true
    }
    /// As the owner knows it.
    init(plain octets: UnsafeRawBufferPointer) {
        self.octets = octets
        mayHoldEscapes = false
    }

    /// Whether the text, without escapes, is this.
    func isEqual(to plain: UnsafeRawBufferPointer) -> Bool {
        guard mayHoldEscapes, octets.firstOffset(of: 0x5C) != nil else { return octets.isEqual(to: plain) }
        var matched = 0
        var place = 0
        while place < octets.count {
            if octets[place] == 0x5C, place &+ 1 < octets.count { place &+= 1 }
            guard matched < plain.count, plain[matched] == octets[place] else { return false }
            matched &+= 1
            place &+= 1
        }
        return matched == plain.count
    }

    /// Writes the text without escapes.
    /// - Returns: how many octets it has; nil, and nothing useful written, where `room` has fewer.
    func copy(into room: UnsafeMutableRawBufferPointer) -> Int? {
        var count = 0
        var place = 0
        while place < octets.count {
            if mayHoldEscapes, octets[place] == 0x5C, place &+ 1 < octets.count { place &+= 1 }
            guard count < room.count else { return nil }
            room[count] = octets[place]
            count &+= 1
            place &+= 1
        }
        return count
    }
}
