import COctetSearch

// What `StreamFramer` reads in a message's head: whether it begins as SIP does, and how long its body is.

enum StartLineJudgement {
    case right
    case undecided
    case wrong(StreamFault)
}

/// Whether the head begins with SIP/ or with a line that ends as a request line does. False where it must be looked at closer.
/// - Precondition: `to >= 16`, one past the empty line.
@inline(always)
func hasUsualStartLine(_ base: UnsafeRawPointer, to end: Int) -> Bool {
    if begins(base.word64(0), packed("s", "i", "p", "/")) { return true }
    guard isTokenOctet(base.octet(0)), let lineFeed = base.firstOffset(of: Octet.lineFeed, from: 0, to: end) else {
        return false
    }
    return lineFeed > 9 && begins(base.word64(lineFeed &- 9), packed(" ", "s", "i", "p", "/", "2", ".", "0"))
}

/// Judges the start line by as many octets as there are: no more is asked than what tells SIP from something else, since all
/// faults of a start line within a well-framed message are for `MessageScanner` to tell (RFC 4475 §3.1.2.7 to §3.1.2.10
/// and §3.1.2.16 can be answered and the stream goes on).
/// - Parameters:
///   - from: no LF stands before it.
///   - to: how many octets of the head there are.
func judgeStartLine(_ base: UnsafeRawPointer, from: Int, to: Int) -> StartLineJudgement {
    guard to > 0 else { return .undecided }
    guard isTokenOctet(base.octet(0)) else {
        return .wrong(StreamFault(.startOctet, UnsafeRawBufferPointer(start: base, count: 1)))
    }
    if to >= 4, isInAnyCase(base, "sip/") { return .right }
    guard let lineFeed = base.firstOffset(of: Octet.lineFeed, from: from, to: to) else { return .undecided }
    let line = trimmed(base, 0, lineFeed)
    var word = line.past
    while word > 0, !isBlank(base.octet(word &- 1)) { word &-= 1 }
    if word > 0, line.past &- word > 4, isInAnyCase(base + word, "sip/") { return .right }
    return .wrong(StreamFault(.startLine, UnsafeRawBufferPointer(start: base, count: line.count)))
}

/// The value of a Content-Length line in the usual form, with not more than nine digits: its long name, a colon, any
/// number of spaces, digits, line end. -1 for any other, which may still be right.
/// - Parameter end: one past the empty line, so that octets stand behind every line.
@inline(always)
func usualLength(_ base: UnsafeRawPointer, _ line: Int, to end: Int) -> Int {
    guard end &- line >= 19, begins(base.word64(line), packed("c", "o", "n", "t", "e", "n", "t", "-")),
        begins(base.word64(line &+ 8), packed("l", "e", "n", "g", "t", "h", ":"))
    else { return -1 }
    var place = base + (line &+ 15)
    // The empty line is no space: this ends before it.
    while place.octet(0) == Octet.space { place += 1 }
    let first = place
    var value: UInt32 = 0
    while true {
        let digit = UInt32(place.octet(0)) &- 0x30
        // The empty line is no digits: this ends before it.
        guard digit < 10 else { break }
        value = value &* 10 &+ digit
        place += 1
    }
    guard UInt(bitPattern: place - first &- 1) < 9, place - base &+ 4 <= end else { return -1 }
    // The line end and the empty line, or else a line end that no blank follows.
    let behind = place.word32(0)
    guard behind != UInt32(truncatingIfNeeded: packed("\r", "\n", "\r", "\n")) else { return Int(value) }
    guard behind & 0xFFFF == 0x0A0D, !isLineBlank(place.octet(2)) else { return -1 }
    return Int(value)
}

enum AnnouncedLength {
    /// The number, and where it stands.
    case octets(Int64, OctetRange)
    case missing
    case wrong(StreamRule, OctetRange)
}

/// What the Content-Length fields of a head say together (RFC 3261 §20.14): none may be no number, all must be equal.
/// - Parameters:
///   - found: which lines may be one.
///   - end: one past the empty line.
func announcedLength(_ base: UnsafeRawPointer, _ found: cos_head, to end: Int) -> AnnouncedLength {
    guard found.length_lines > 0 else { return .missing }
    var length: Int64 = -1
    var text = OctetRange.none
    var line = Int(found.length_line)
    while line < end {
        // The field ends where a line end is not followed by a blank (RFC 3261 §7.3.1).
        let lineEnd = (base.firstOffset(of: Octet.lineFeed, from: line, to: end) ?? end &- 1) &+ 1
        var fieldEnd = lineEnd
        while fieldEnd < end, isLineBlank(base.octet(fieldEnd)) {
            fieldEnd = (base.firstOffset(of: Octet.lineFeed, from: fieldEnd, to: end) ?? end &- 1) &+ 1
        }
        if let colon = contentLengthColon(base, line, lineEnd) {
            let value = trimmed(base, colon &+ 1, fieldEnd)
            guard let number = decimal(base, value.first, value.past) else { return .wrong(.lengthNotNumber, value) }
            if length >= 0, number != length { return .wrong(.lengthsDiffer, value) }
            length = number
            text = value
        }
        line = fieldEnd
    }
    return length >= 0 ? .octets(length, text) : .missing
}

/// Where the colon stands, if the line's name is Content-Length: in any case, in its compact form, blanks before the colon.
private func contentLengthColon(_ base: UnsafeRawPointer, _ line: Int, _ lineEnd: Int) -> Int? {
    let first = base.octet(line) | 0x20
    guard first == UInt8(ascii: "c") || first == UInt8(ascii: "l"),
        let colon = base.firstOffset(of: Octet.colon, from: line, to: lineEnd)
    else { return nil }
    var nameEnd = colon
    while nameEnd > line, isLineBlank(base.octet(nameEnd &- 1)) { nameEnd &-= 1 }
    return HeaderName(token: base + line, length: nameEnd &- line) == .contentLength ? colon : nil
}
