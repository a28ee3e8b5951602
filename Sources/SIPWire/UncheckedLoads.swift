// Every load that no bounds check guards stands here or goes through here. Callers check once, at the edge, that what
// they ask for lies inside the message; nothing in this file reads further than its name says.
import COctetSearch
import Glibc

extension UnsafeRawPointer {
    @inline(always)
    func octet(_ offset: Int) -> UInt8 { assumingMemoryBound(to: UInt8.self)[offset] }

    @inline(always)
    func word16(_ offset: Int) -> UInt16 { loadUnaligned(fromByteOffset: offset, as: UInt16.self) }

    @inline(always)
    func word32(_ offset: Int) -> UInt32 { loadUnaligned(fromByteOffset: offset, as: UInt32.self) }

    @inline(always)
    func word64(_ offset: Int) -> UInt64 { loadUnaligned(fromByteOffset: offset, as: UInt64.self) }

    /// Where the first `octet` before `end` stands.
    @inline(always)
    func first(_ octet: UInt8, before end: UnsafeRawPointer) -> UnsafeRawPointer? {
        guard let found = memchr(self, Int32(octet), end - self) else { return nil }
        return UnsafeRawPointer(found)
    }

    /// The first `octet` in `from..<to`, as an offset; nil where there is none. `from <= to` is the caller's duty.
    ///
    /// What is searched here is short: a line, a parameter. A call of `memchr` costs more than the search.
    @inline(always)
    func firstOffset(of octet: UInt8, from: Int, to: Int) -> Int? {
        let found = cos_first(self, octet, from, to)
        return found >= 0 ? found : nil
    }

    /// Bit 7 of exactly those octets of a word that are equal to `octet`.
    @inline(always)
    private static func equalOctets(_ word: UInt64, _ octet: UInt8) -> UInt64 {
        let low: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
        let difference = word ^ (UInt64(octet) &* 0x0101_0101_0101_0101)
        return ~(((difference & low) &+ low) | difference | low)
    }
}

extension UnsafeRawPointer {
    /// The last `octet` in `from..<to`, as an offset; nil where there is none.
    @inline(always)
    func lastOffset(of octet: UInt8, from: Int, to: Int) -> Int? {
        var place = to
        while place &- from >= 8 {
            let equal = Self.equalOctets(word64(place &- 8), octet)
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

/// Up to eight characters as one little-endian word: constant after optimisation. Straight-line on purpose: a loop over a
/// `StaticString` makes the caller too big for the optimiser, which then leaves calls in its loop.
@inline(always)
func packed(
    _ first: Unicode.Scalar, _ second: Unicode.Scalar, _ third: Unicode.Scalar = "\0", _ fourth: Unicode.Scalar = "\0",
    _ fifth: Unicode.Scalar = "\0", _ sixth: Unicode.Scalar = "\0", _ seventh: Unicode.Scalar = "\0",
    _ eighth: Unicode.Scalar = "\0"
) -> UInt64 {
    let low = first.value | second.value &<< 8 | third.value &<< 16 | fourth.value &<< 24
    let high = fifth.value | sixth.value &<< 8 | seventh.value &<< 16 | eighth.value &<< 24
    return UInt64(low) | UInt64(high) &<< 32
}

/// The bits that decide whether a word is this lower-case text in any case: all but 0x20 where it has a letter, all
/// elsewhere (else a CR would pass for a hyphen), none where it has a NUL.
@inline(always)
func decisiveBits(_ wanted: UInt64) -> UInt64 {
    let used = ((wanted &+ 0x7F7F_7F7F_7F7F_7F7F) & 0x8080_8080_8080_8080) &>> 7 &* 0xFF
    return used & ~((wanted & 0x4040_4040_4040_4040) &>> 1)
}

/// Ones over the first octets of a word: none for 0 or less, all for 8 or more.
@inline(always)
func lowMask(_ octets: Int) -> UInt64 {
    if octets <= 0 { return 0 }
    return octets >= 8 ? ~0 : (1 &<< UInt64(truncatingIfNeeded: octets &* 8)) &- 1
}

/// Whether the word begins with the packed lower-case text, in any case.
@inline(always)
func begins(_ word: UInt64, _ wanted: UInt64) -> Bool { (word ^ wanted) & decisiveBits(wanted) == 0 }

/// Whether the octets at `place` are the lower-case text in any case. The caller has checked that so many can be read.
@inline(never)
func isInAnyCase(_ place: UnsafeRawPointer, _ text: StaticString) -> Bool {
    let wanted = UnsafeRawPointer(text.utf8Start)
    let count = text.utf8CodeUnitCount
    guard count >= 8 else { return areEqualInAnyCase(place, wanted, count) }
    var offset = 0
    while true {
        // The last word overlaps the one before rather than reach past the end.
        offset = min(offset, count &- 8)
        guard begins(place.word64(offset), wanted.word64(offset)) else { return false }
        offset &+= 8
        if offset >= count { return true }
    }
}

/// One to eight octets as a word, zeros above. The caller has checked that `count` can be read.
@inline(always)
func gathered(_ place: UnsafeRawPointer, _ count: Int) -> UInt64 {
    if count >= 4 {
        let shift = UInt64(truncatingIfNeeded: (count &- 4) &* 8)
        return UInt64(place.word32(0)) | UInt64(place.word32(count &- 4)) &<< shift
    }
    var word = UInt64(place.octet(0))
    if count > 1 { word |= UInt64(place.octet(1)) &<< 8 }
    if count > 2 { word |= UInt64(place.octet(2)) &<< 16 }
    return word
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
