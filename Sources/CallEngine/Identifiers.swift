import SIPWire

/// What our branches, tags and Call-IDs carry: which worker's call slot they belong to, in which incarnation of that slot,
/// for which dialog and which transaction of it.
///
/// Eighty bits, written as twenty lower-case hexadecimal digits, so that every identifier of ours has one width
/// (RFC 3261 §19.3 wants tags unique and random in 32 bits or more: the generation never repeats within a run, the run's
/// nonce stands in the branch and the Call-ID, and a tag is masked with what the nonce gives: two processes that call each
/// other use the same slots at the same time, and their tags must differ).
struct CallToken: Equatable {
    /// Worker (8 bits), slot (24 bits), generation (32 bits).
    var call: UInt64
    /// Dialog (4 bits), serial of the transaction in it (12 bits; 0 in tags and Call-IDs).
    var part: UInt16

    static let width = 20

    @inline(__always)
    init(call: UInt64, part: UInt16) {
        self.call = call
        self.part = part
    }

    @inline(__always)
    init(worker: UInt8, slot: UInt32, generation: UInt32, dialog: UInt8, serial: UInt16) {
        call = UInt64(worker) &<< 56 | UInt64(slot & 0xFF_FFFF) &<< 32 | UInt64(generation)
        part = UInt16(dialog & 0xF) &<< 12 | (serial & 0xFFF)
    }

    @inline(__always) var worker: UInt8 { UInt8(truncatingIfNeeded: call &>> 56) }
    @inline(__always) var slot: UInt32 { UInt32(truncatingIfNeeded: call &>> 32) & 0xFF_FFFF }
    @inline(__always) var generation: UInt32 { UInt32(truncatingIfNeeded: call) }
    @inline(__always) var dialog: Int { Int(part &>> 12) }
    @inline(__always) var serial: UInt16 { part & 0xFFF }

    /// Writes the twenty digits.
    @inline(__always)
    func write(to target: UnsafeMutableRawPointer) {
        target.storeBytes(of: Self.digits(UInt32(truncatingIfNeeded: call &>> 32)), as: UInt64.self)
        target.storeBytes(of: Self.digits(UInt32(truncatingIfNeeded: call)), toByteOffset: 8, as: UInt64.self)
        let low = Self.digits(UInt32(part) &<< 16)
        target.storeBytes(of: UInt32(truncatingIfNeeded: low), toByteOffset: 16, as: UInt32.self)
    }

    /// Reads twenty digits; nil when they are not what `write` makes.
    @inline(__always)
    init?(_ source: UnsafeRawPointer) {
        let high = source.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
        let middle = source.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        let low = UInt64(source.loadUnaligned(fromByteOffset: 16, as: UInt32.self)) | 0x3030_3030_0000_0000
        let a = Self.value(high)
        let b = Self.value(middle)
        let c = Self.value(low)
        // What does not come out again as it went in was not ours: one comparison instead of a check of each digit.
        guard Self.digits(a) == high, Self.digits(b) == middle, Self.digits(c) == low else { return nil }
        call = UInt64(a) &<< 32 | UInt64(b)
        part = UInt16(truncatingIfNeeded: c &>> 16)
    }

    /// Eight hexadecimal digits of a 32-bit value, the first digit in the lowest octet.
    @inline(__always)
    static func digits(_ value: UInt32) -> UInt64 {
        var x = UInt64(value.byteSwapped)
        x = (x | x &<< 16) & 0x0000_FFFF_0000_FFFF
        x = (x | x &<< 8) & 0x00FF_00FF_00FF_00FF
        x = ((x &>> 4) & 0x000F_000F_000F_000F) | ((x & 0x000F_000F_000F_000F) &<< 8)
        let letters = ((x &+ 0x0606_0606_0606_0606) &>> 4) & 0x0101_0101_0101_0101
        return x &+ 0x3030_3030_3030_3030 &+ letters &* 39
    }

    @inline(__always)
    static func value(_ digits: UInt64) -> UInt32 {
        var x = (digits & 0x0F0F_0F0F_0F0F_0F0F) &+ ((digits &>> 6) & 0x0101_0101_0101_0101) &* 9
        x = ((x & 0x000F_000F_000F_000F) &<< 4) | ((x &>> 8) & 0x000F_000F_000F_000F)
        x = (x | x &>> 8) & 0x0000_FFFF_0000_FFFF
        x = (x | x &>> 16) & 0x0000_0000_FFFF_FFFF
        return UInt32(truncatingIfNeeded: x).byteSwapped
    }
}

/// What tells one run of the program from another: eight hexadecimal digits in every branch and Call-ID.
///
/// The seed fixes arrivals, pauses and choices; the nonce is fresh each time, because a rerun within 32 s must not look like
/// a retransmission to a server that remembers.
public struct RunNonce: Sendable, Equatable, CustomStringConvertible {
    public let value: UInt32

    public init(_ value: UInt32) { self.value = value }

    static let width = 8
    /// `z9hG4bK` (RFC 3261 §8.1.1.7) and the nonce; a token follows.
    static let branchPrefixWidth = 7 + width
    static let branchWidth = branchPrefixWidth + CallToken.width
    /// The nonce and `-`; a token follows.
    static let callIDPrefixWidth = width + 1
    static let callIDWidth = callIDPrefixWidth + CallToken.width

    var digits: UInt64 { CallToken.digits(value) }

    /// What the call word of a tag is masked with.
    var tagMask: UInt64 {
        var x = UInt64(value) &+ 0x9E37_79B9_7F4A_7C15
        x = (x ^ (x &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ (x &>> 27)) &* 0x94D0_49BB_1331_11EB
        return x ^ (x &>> 31)
    }

    public var description: String {
        withUnsafeBytes(of: digits) { String(decoding: $0, as: UTF8.self) }
    }

    /// The token of a branch of ours, or nil.
    @inline(__always)
    func token(ofBranch octets: UnsafeRawPointer, length: Int) -> CallToken? {
        guard length == Self.branchWidth,
            octets.loadUnaligned(fromByteOffset: 7, as: UInt64.self) == digits,
            octets.loadUnaligned(fromByteOffset: 0, as: UInt32.self) == 0x4768_397A,  // "z9hG"
            octets.loadUnaligned(fromByteOffset: 3, as: UInt32.self) == 0x4B62_3447  // "G4bK"
        else { return nil }
        return CallToken(octets + Self.branchPrefixWidth)
    }

    /// The token of a Call-ID of ours, or nil.
    @inline(__always)
    func token(ofCallID octets: UnsafeRawPointer, length: Int) -> CallToken? {
        guard length == Self.callIDWidth, octets.loadUnaligned(fromByteOffset: 0, as: UInt64.self) == digits,
            octets.load(fromByteOffset: 8, as: UInt8.self) == UInt8(ascii: "-")
        else { return nil }
        return CallToken(octets + Self.callIDPrefixWidth)
    }
}
