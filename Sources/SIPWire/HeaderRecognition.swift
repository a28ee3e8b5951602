import Glibc

/// The names nearly every message is made of, told by one or two word comparisons, colon included. Leaves `colon` at 0
/// where it is none of them, where a blank stands before the colon, or where the form is compact.
/// - Precondition: 16 octets can be read at `place`.
@inline(__always)
func recogniseCommon(_ place: UnsafeRawPointer, _ name: inout HeaderName, _ colon: inout Int) {
    let low = place.word64(0)
    switch UInt8(truncatingIfNeeded: low) | 0x20 {
    case UInt8(ascii: "v"):
        if begins(low, "via:") { (name, colon) = (.via, 3) }
    case UInt8(ascii: "f"):
        if begins(low, "from:") { (name, colon) = (.from, 4) }
    case UInt8(ascii: "t"):
        if begins(low, "to:") { (name, colon) = (.to, 2) }
    case UInt8(ascii: "c"):
        if begins(low, "call-id:") {
            (name, colon) = (.callID, 7)
        } else if begins(low, "cseq:") {
            (name, colon) = (.cseq, 4)
        } else if begins(low, "contact:") {
            (name, colon) = (.contact, 7)
        } else if begins(low, "content-") {
            let high = place.word64(8)
            if begins(high, "length:") {
                (name, colon) = (.contentLength, 14)
            } else if begins(high, "type:") {
                (name, colon) = (.contentType, 12)
            }
        }
    case UInt8(ascii: "m"):
        if begins(low, "max-forw"), begins(place.word64(8), "ards:") { (name, colon) = (.maxForwards, 12) }
    case UInt8(ascii: "u"):
        if begins(low, "user-age"), begins(place.word64(8), "nt:") { (name, colon) = (.userAgent, 10) }
    case UInt8(ascii: "a"):
        if begins(low, "allow:") { (name, colon) = (.allow, 5) }
    case UInt8(ascii: "s"):
        if begins(low, "supporte"), begins(place.word64(8), "d:") {
            (name, colon) = (.supported, 9)
        } else if begins(low, "server:") {
            (name, colon) = (.server, 6)
        }
    case UInt8(ascii: "r"):
        if begins(low, "record-r"), begins(place.word64(8), "oute:") {
            (name, colon) = (.recordRoute, 12)
        } else if begins(low, "route:") {
            (name, colon) = (.route, 5)
        }
    default: break
    }
}

enum Recognition {
    case found(HeaderName, length: Int, colon: Int)
    /// The line cannot be a header field; the next line starts `skip` octets on.
    case fault(WireFault, skip: Int)
}

/// Any name: rare ones, compact forms, blanks before the colon, names close to the message's end.
/// - Precondition: `limit` octets, at least one, can be read at `place`.
@inline(never)
func recogniseAny(_ place: UnsafeRawPointer, atMost limit: Int) -> Recognition {
    if limit > 1, place.octet(1) == Octet.colon {
        let name = HeaderName(compactForm: place.octet(0))
        if name != .other || isTokenOctet(place.octet(0)) { return .found(name, length: 1, colon: 1) }
    }
    let lineEnd = place.firstOffset(of: Octet.lineFeed, from: 0, to: limit) ?? limit
    let skip = lineEnd &+ 1
    guard let colon = place.firstOffset(of: Octet.colon, from: 0, to: lineEnd) else {
        return .fault(.headerWithoutColon, skip: skip)
    }
    var length = colon
    while length > 0, place.octet(length &- 1) == Octet.space || place.octet(length &- 1) == Octet.horizontalTab {
        length &-= 1
    }
    let name = HeaderName(token: place, length: length)
    if name == .other, !isToken(place, 0, length) { return .fault(.headerName, skip: skip) }
    return .found(name, length: length, colon: colon)
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
        case Octet.quote where !isBracketed: place = quotedStringEnd(base, place, to) &- 1
        default: break
        }
        place &+= 1
    }
    return to
}

/// One past the quote that closes the string opening at `from`; `to` where none does (RFC 3261 §25.1, quoted-string).
func quotedStringEnd(_ base: UnsafeRawPointer, _ from: Int, _ to: Int) -> Int {
    var place = from &+ 1
    while place < to {
        switch base.octet(place) {
        case Octet.quote: return place &+ 1
        case Octet.backslash: place &+= 1
        default: break
        }
        place &+= 1
    }
    return to
}
