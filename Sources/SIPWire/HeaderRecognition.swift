import Glibc

/// The names nearly every message is made of, told by one or two word comparisons, colon included. `start` is where the
/// value starts, just after the colon; it stays 0 where the name is none of them, where a blank stands before the colon, or
/// where the form is compact.
/// - Precondition: 16 octets can be read at `place`.
@inline(always)
func recogniseCommon(_ place: UnsafeRawPointer, _ name: inout HeaderName, _ start: inout Int) {
    let low = place.word64(0)
    // Five bits tell letters of either case apart; that it is a letter, the comparison says.
    switch UInt8(truncatingIfNeeded: low) & 0x1F {
    case UInt8(ascii: "v") & 0x1F:
        if begins(low, packed("v", "i", "a", ":")) { (name, start) = (.via, 4) }
    case UInt8(ascii: "f") & 0x1F:
        if begins(low, packed("f", "r", "o", "m", ":")) { (name, start) = (.from, 5) }
    case UInt8(ascii: "t") & 0x1F:
        if begins(low, packed("t", "o", ":")) { (name, start) = (.to, 3) }
    case UInt8(ascii: "c") & 0x1F:
        if begins(low, packed("c", "a", "l", "l", "-", "i", "d", ":")) {
            (name, start) = (.callID, 8)
        } else if begins(low, packed("c", "s", "e", "q", ":")) {
            (name, start) = (.cseq, 5)
        } else if begins(low, packed("c", "o", "n", "t", "a", "c", "t", ":")) {
            (name, start) = (.contact, 8)
        } else if begins(low, packed("c", "o", "n", "t", "e", "n", "t", "-")) {
            let high = place.word64(8)
            if begins(high, packed("l", "e", "n", "g", "t", "h", ":")) {
                (name, start) = (.contentLength, 15)
            } else if begins(high, packed("t", "y", "p", "e", ":")) {
                (name, start) = (.contentType, 13)
            }
        }
    case UInt8(ascii: "m") & 0x1F:
        if begins(low, packed("m", "a", "x", "-", "f", "o", "r", "w")),
            begins(place.word64(8), packed("a", "r", "d", "s", ":"))
        {
            (name, start) = (.maxForwards, 13)
        }
    case UInt8(ascii: "u") & 0x1F:
        if begins(low, packed("u", "s", "e", "r", "-", "a", "g", "e")), begins(place.word64(8), packed("n", "t", ":")) {
            (name, start) = (.userAgent, 11)
        }
    case UInt8(ascii: "a") & 0x1F:
        if begins(low, packed("a", "l", "l", "o", "w", ":")) { (name, start) = (.allow, 6) }
    case UInt8(ascii: "s") & 0x1F:
        if begins(low, packed("s", "u", "p", "p", "o", "r", "t", "e")), begins(place.word64(8), packed("d", ":")) {
            (name, start) = (.supported, 10)
        } else if begins(low, packed("s", "e", "r", "v", "e", "r", ":")) {
            (name, start) = (.server, 7)
        }
    case UInt8(ascii: "r") & 0x1F:
        if begins(low, packed("r", "e", "c", "o", "r", "d", "-", "r")),
            begins(place.word64(8), packed("o", "u", "t", "e", ":"))
        {
            (name, start) = (.recordRoute, 13)
        } else if begins(low, packed("r", "o", "u", "t", "e", ":")) {
            (name, start) = (.route, 6)
        }
    default: break
    }
}

enum Recognition {
    /// A header field; its value starts so many octets on, just after the colon.
    case found(HeaderName, start: Int)
    /// The empty line, of so many octets.
    case endOfHeaders(Int)
    /// The line begins with a blank.
    case continuation
    /// The line cannot be a header field; the next line starts `skip` octets on.
    case fault(WireFault, skip: Int)
}

/// Tells what begins at `place`.
/// - Parameter limit: how many octets there are at `place`.
@inline(never)
func recognise(_ place: UnsafeRawPointer, _ limit: Int) -> Recognition {
    if limit >= 16 {
        var name = HeaderName.other
        var start = 0
        recogniseCommon(place, &name, &start)
        if start != 0 { return .found(name, start: start) }
    }
    guard limit > 0 else { return .fault(.headersNotEnded, skip: 0) }
    if place.octet(0) == Octet.lineFeed { return .endOfHeaders(1) }
    if isLineBlank(place.octet(0)) { return .continuation }
    if limit > 1 {
        if place.octet(0) == Octet.carriageReturn, place.octet(1) == Octet.lineFeed { return .endOfHeaders(2) }
        if place.octet(1) == Octet.colon, isTokenOctet(place.octet(0)) {
            return .found(HeaderName(compactForm: place.octet(0)), start: 2)
        }
    }
    let lineEnd = place.firstOffset(of: Octet.lineFeed, from: 0, to: limit) ?? limit
    let skip = min(lineEnd &+ 1, limit)
    guard let colon = place.firstOffset(of: Octet.colon, from: 0, to: lineEnd) else {
        return .fault(.headerWithoutColon, skip: skip)
    }
    var length = colon
    while length > 0, isLineBlank(place.octet(length &- 1)) { length &-= 1 }
    let name = HeaderName(token: place, length: length)
    if name == .other, !isToken(place, 0, length) { return .fault(.headerName, skip: skip) }
    return .found(name, start: colon &+ 1)
}

/// How one header field's name with its colon looks, in any case: up to 16 octets, told by two comparisons.
///
/// A peer writes its header fields in the same order again and again. So the scanner keeps, for each name, the look of
/// the name that came after it last time, and tries that first. The test is exact: a wrong guess costs time, nothing else.
struct NameLook {
    private var low: UInt64
    private var lowBits: UInt64
    private var high: UInt64
    private var highBits: UInt64
    private(set) var name: HeaderName
    private var startOctet: UInt8

    static var via: NameLook {
        let text = packed("v", "i", "a", ":")
        return NameLook(
            low: text, lowBits: decisiveBits(text), high: 0, highBits: 0, name: .via, startOctet: 4)
    }

    /// Where the value starts, just after the colon.
    @inline(always)
    var start: Int { Int(startOctet) }

    /// - Precondition: 16 octets can be read at `place`.
    @inline(always)
    func matches(_ place: UnsafeRawPointer) -> Bool {
        ((place.word64(0) ^ low) & lowBits) | ((place.word64(8) ^ high) & highBits) == 0
    }

    /// Takes over the look of a known name whose colon follows at once.
    /// - Precondition: `start` octets, and 16, can be read at `place`.
    @inline(never)
    mutating func learn(_ place: UnsafeRawPointer, _ name: HeaderName, start: Int) {
        // Known names are letters and hyphens, for which `decisiveBits` is right.
        guard name != .other, start <= 16, isTokenOctet(place.octet(start &- 2)) else { return }
        low = place.word64(0) & lowMask(start)
        lowBits = decisiveBits(low)
        high = place.word64(8) & lowMask(start &- 8)
        highBits = decisiveBits(high)
        self.name = name
        startOctet = UInt8(truncatingIfNeeded: start)
    }
}

/// Where the first element of a comma list ends: at a comma outside quoted strings and angle brackets, or at `to`.
func firstListElementEnd(_ base: UnsafeRawPointer, _ from: Int, _ to: Int) -> Int {
    var place = from
    var isBracketed = false
    while place < to {
        switch base.octet(place) {
        case Octet.comma where !isBracketed: return place
        case Octet.less: isBracketed = true
        case Octet.greater: isBracketed = false
        case Octet.quote where !isBracketed: place = (quotedStringEnd(base, place, to) ?? to) &- 1
        default: break
        }
        place &+= 1
    }
    return to
}

/// One past the quote that closes the string opening at `from`; nil where none does (RFC 3261 §25.1, quoted-string).
func quotedStringEnd(_ base: UnsafeRawPointer, _ from: Int, _ to: Int) -> Int? {
    var place = from &+ 1
    while place < to {
        switch base.octet(place) {
        case Octet.quote: return place &+ 1
        case Octet.backslash: place &+= 1
        default: break
        }
        place &+= 1
    }
    return nil
}
