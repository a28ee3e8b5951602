// Every load that no bounds check guards stands here or goes through here. Callers check once, at the edge, that what
// they ask for lies inside the message; nothing in this file reads further than its name says.
import Glibc

extension UnsafeRawPointer {
    @inline(__always)
    func octet(_ offset: Int) -> UInt8 { load(fromByteOffset: offset, as: UInt8.self) }

    @inline(__always)
    func word16(_ offset: Int) -> UInt16 { loadUnaligned(fromByteOffset: offset, as: UInt16.self) }

    @inline(__always)
    func word32(_ offset: Int) -> UInt32 { loadUnaligned(fromByteOffset: offset, as: UInt32.self) }

    @inline(__always)
    func word64(_ offset: Int) -> UInt64 { loadUnaligned(fromByteOffset: offset, as: UInt64.self) }

    /// The first `octet` in `from..<to`, as an offset; nil where there is none. `from <= to` is the caller's duty.
    @inline(__always)
    func firstOffset(of octet: UInt8, from: Int, to: Int) -> Int? {
        guard let found = memchr(self + from, Int32(octet), to &- from) else { return nil }
        return UnsafeRawPointer(found) - self
    }
}

extension UnsafeRawPointer {
    /// The last `octet` in `from..<to`, as an offset; nil where there is none.
    @inline(__always)
    func lastOffset(of octet: UInt8, from: Int, to: Int) -> Int? {
        let wanted = UInt64(octet) &* 0x0101_0101_0101_0101
        let low: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
        var place = to
        while place &- from >= 8 {
            // An octet that is equal becomes 0, and bit 7 is set for exactly those that are 0.
            let difference = word64(place &- 8) ^ wanted
            let equal = ~(((difference & low) &+ low) | difference | low)
            if equal != 0 { return place &- 1 &- equal.leadingZeroBitCount &>> 3 }
            place &-= 8
        }
        while place > from {
            place &-= 1
            if self.octet(place) == octet { return place }
        }
        return nil
    }
}

/// Up to eight octets of a literal as one little-endian word: constant after optimisation.
@inline(__always)
func packed(_ literal: StaticString, at start: Int = 0) -> UInt64 {
    var word: UInt64 = 0
    var place = 0
    while place < 8, start &+ place < literal.utf8CodeUnitCount {
        word |= UInt64(literal.utf8Start[start &+ place]) &<< UInt64(truncatingIfNeeded: place &* 8)
        place &+= 1
    }
    return word
}

/// 0x20 at each place where the (lower-case) literal has a letter: what makes an upper-case octet equal to it. Other
/// places stay as they are, else a CR would pass for a hyphen.
@inline(__always)
func caseBits(_ word: UInt64) -> UInt64 { (word & 0x4040_4040_4040_4040) &>> 1 }

@inline(__always)
func lowMask(_ octets: Int) -> UInt64 {
    octets >= 8 ? ~0 : (1 &<< UInt64(truncatingIfNeeded: octets &* 8)) &- 1
}

/// Whether the word begins with the lower-case literal of up to eight octets, in any case.
@inline(__always)
func begins(_ word: UInt64, _ literal: StaticString) -> Bool {
    let wanted = packed(literal)
    return ((word & lowMask(literal.utf8CodeUnitCount)) | caseBits(wanted)) == wanted
}

/// Whether the octets at `place` are the literal, octet by octet. The caller has checked that so many can be read.
@inline(__always)
func isExactly(_ place: UnsafeRawPointer, _ literal: StaticString) -> Bool {
    memcmp(place, literal.utf8Start, literal.utf8CodeUnitCount) == 0
}

/// Whether the octets at `place` are the lower-case literal in any case. The caller has checked that so many can be read.
/// Loads overlap rather than reach past the literal's end.
@inline(__always)
func isInAnyCase(_ place: UnsafeRawPointer, _ literal: StaticString) -> Bool {
    let count = literal.utf8CodeUnitCount
    if count >= 8 {
        var start = 0
        while start &+ 8 < count {
            let wanted = packed(literal, at: start)
            guard place.word64(start) | caseBits(wanted) == wanted else { return false }
            start &+= 8
        }
        let wanted = packed(literal, at: count &- 8)
        return place.word64(count &- 8) | caseBits(wanted) == wanted
    }
    if count >= 4 {
        let low = packed(literal) & 0xFFFF_FFFF
        let high = packed(literal, at: count &- 4)
        return UInt64(place.word32(0)) | caseBits(low) == low
            && UInt64(place.word32(count &- 4)) | caseBits(high) == high
    }
    var offset = 0
    while offset < count {
        guard lowerCased(place.octet(offset)) == literal.utf8Start[offset] else { return false }
        offset &+= 1
    }
    return true
}

/// Case-insensitive comparison of two stretches of equal length.
func areEqualInAnyCase(_ one: UnsafeRawPointer, _ other: UnsafeRawPointer, _ count: Int) -> Bool {
    var offset = 0
    while offset < count {
        guard lowerCased(one.octet(offset)) == lowerCased(other.octet(offset)) else { return false }
        offset &+= 1
    }
    return true
}
