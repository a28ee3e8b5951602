// The character classes of RFC 3261 §25.1 that reading needs.

enum Octet {
    static let horizontalTab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let quote: UInt8 = 0x22
    static let percent: UInt8 = 0x25
    static let ampersand: UInt8 = 0x26
    static let star: UInt8 = 0x2A
    static let comma: UInt8 = 0x2C
    static let hyphen: UInt8 = 0x2D
    static let dot: UInt8 = 0x2E
    static let slash: UInt8 = 0x2F
    static let zero: UInt8 = 0x30
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let less: UInt8 = 0x3C
    static let equals: UInt8 = 0x3D
    static let greater: UInt8 = 0x3E
    static let question: UInt8 = 0x3F
    static let at: UInt8 = 0x40
    static let openBracket: UInt8 = 0x5B
    static let backslash: UInt8 = 0x5C
    static let closeBracket: UInt8 = 0x5D
}

/// SP, HTAB, and the CR and LF that a folded value holds (RFC 3261 §7.3.1).
@inline(always)
func isBlank(_ octet: UInt8) -> Bool {
    octet <= 0x20 && (1 &<< UInt64(octet)) & 0x1_0000_2600 != 0
}

/// SP and HTAB.
@inline(always)
func isLineBlank(_ octet: UInt8) -> Bool { octet == Octet.space || octet == Octet.horizontalTab }

@inline(always)
func isDigit(_ octet: UInt8) -> Bool { octet &- 0x30 < 10 }

/// `token` of RFC 3261 §25.1: letters, digits and - . ! % * _ + ` ' ~
@inline(always)
func isTokenOctet(_ octet: UInt8) -> Bool {
    let set: UInt64
    switch octet {
    case 0..<64: set = 0x03FF_6CA2_0000_0000
    case 64..<128: set = 0x47FF_FFFF_87FF_FFFE
    default: return false
    }
    return (set &>> UInt64(octet & 63)) & 1 != 0
}

@inline(always)
func lowerCased(_ octet: UInt8) -> UInt8 { octet &- 0x41 < 26 ? octet | 0x20 : octet }

/// The value of a hexadecimal digit; 0xFF where it is none.
@inline(always)
func hexValue(_ octet: UInt8) -> UInt8 {
    if isDigit(octet) { return octet &- 0x30 }
    let letter = octet | 0x20
    return letter &- 0x61 < 6 ? letter &- 0x61 &+ 10 : 0xFF
}

/// Whether `from..<to` is a non-empty token.
func isToken(_ base: UnsafeRawPointer, _ from: Int, _ to: Int) -> Bool {
    var place = from
    while place < to {
        guard isTokenOctet(base.octet(place)) else { return false }
        place &+= 1
    }
    return from < to
}

/// The decimal number in `from..<to`, capped at `Int64.max`; nil where there is anything but digits, or nothing.
func decimal(_ base: UnsafeRawPointer, _ from: Int, _ to: Int) -> Int64? {
    guard from < to else { return nil }
    var value: Int64 = 0
    var place = from
    while place < to {
        let digit = base.octet(place) &- 0x30
        guard digit < 10 else { return nil }
        value = value > 900_000_000_000_000_000 ? Int64.max / 10 - 1 : value &* 10 &+ Int64(digit)
        place &+= 1
    }
    return value
}

/// The same, quicker for up to nine digits.
@inline(always)
func shortDecimal(_ base: UnsafeRawPointer, _ from: Int, _ to: Int) -> Int64? {
    guard to &- from < 10, from < to else { return decimal(base, from, to) }
    var value: UInt32 = 0
    var place = from
    while place < to {
        let digit = UInt32(base.octet(place)) &- 0x30
        guard digit < 10 else { return nil }
        value = value &* 10 &+ digit
        place &+= 1
    }
    return Int64(value)
}

extension OctetRange {
    /// From one offset to another; both lie in a message of less than 2^31 octets.
    @inline(always)
    init(_ from: Int, _ to: Int) {
        self.init(offset: UInt32(truncatingIfNeeded: from), length: UInt32(truncatingIfNeeded: to &- from))
    }
    @inline(always) var first: Int { Int(offset) }
    @inline(always) var past: Int { Int(offset) &+ Int(length) }
    @inline(always) var count: Int { Int(length) }
}

/// The same range without the blanks at its ends.
@inline(always)
func trimmed(_ base: UnsafeRawPointer, _ from: Int, _ to: Int) -> OctetRange {
    var first = from
    var past = to
    while first < past, isBlank(base.octet(first)) { first &+= 1 }
    while first < past, isBlank(base.octet(past &- 1)) { past &-= 1 }
    return OctetRange(first, past)
}
