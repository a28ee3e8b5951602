import Glibc

// What the scanner reads in the start line (RFC 3261 §7.1, §7.2) and in CSeq (§20.16).

extension MessageScanner {
    /// `from..<to` is the first line without its LF.
    @inline(always)
    mutating func readStartLine(_ base: UnsafeRawPointer, from: Int, to: Int) {
        var past = to
        if past > from, base.octet(past &- 1) == Octet.carriageReturn { past &-= 1 }
        // "SIP/2.0 200" is 11 octets, and so is the shortest request line "A b SIP/2.0".
        guard past &- from >= 11 else { return firstFault.note(.startLine, at: from) }
        if begins(base.word64(from), packed("s", "i", "p", "/", "2", ".", "0", " ")) {
            readStatus(base, from: from &+ 8, to: past)
            return
        }
        guard !begins(base.word64(from), packed("s", "i", "p", "/")) else {
            return firstFault.note(.unsupportedVersion, at: from)
        }
        index.isRequest = true
        guard let blank = base.firstOffset(of: Octet.space, from: from, to: past) else {
            return firstFault.note(.startLine, at: from)
        }
        index.methodRange = OctetRange(from, blank)
        index.method = Method(token: base + from, length: blank &- from)
        if index.method == .other, !isToken(base, from, blank) { firstFault.note(.startLine, at: from) }
        let uriEnd = past &- 8
        guard uriEnd > blank, begins(base.word64(uriEnd), packed(" ", "s", "i", "p", "/", "2", ".", "0")) else {
            return readOddRequestLine(base, blank: blank, to: past)
        }
        readRequestURI(base, from: blank &+ 1, to: uriEnd)
    }

    /// `from..<to` is the status code and what follows it.
    @inline(always)
    mutating func readStatus(_ base: UnsafeRawPointer, from: Int, to: Int) {
        let hundreds = base.octet(from) &- Octet.zero
        let tens = base.octet(from &+ 1) &- Octet.zero
        let ones = base.octet(from &+ 2) &- Octet.zero
        guard hundreds &- 1 < 6, tens < 10, ones < 10, from &+ 3 == to || base.octet(from &+ 3) == Octet.space else {
            return firstFault.note(.statusCode, at: from)
        }
        index.statusCode = UInt16(hundreds) &* 100 &+ UInt16(tens) &* 10 &+ UInt16(ones)
        if from &+ 4 < to { index.reasonPhrase = OctetRange(from &+ 4, to) }
    }

    @inline(always)
    mutating func readRequestURI(_ base: UnsafeRawPointer, from: Int, to: Int) {
        index.requestURI = OctetRange(from, to)
        guard from < to else { return firstFault.note(.requestURI, at: from) }
        if base.octet(from) == Octet.less || base.octet(from) == Octet.space {
            return firstFault.note(.requestURI, at: from)
        }
        if let blank = base.firstOffset(of: Octet.space, from: from, to: to) { firstFault.note(.requestURI, at: blank) }
    }

    /// A request line that does not end in one space and SIP/2.0: trailing blanks, another version, or none.
    mutating func readOddRequestLine(_ base: UnsafeRawPointer, blank: Int, to: Int) {
        let inner = trimmed(base, blank, to)
        var versionStart = inner.past
        while versionStart > inner.first, !isBlank(base.octet(versionStart &- 1)) { versionStart &-= 1 }
        let isVersion = inner.past &- versionStart >= 4 && isInAnyCase(base + versionStart, "sip/")
        if versionStart > inner.first, isVersion {
            let uri = trimmed(base, inner.first, versionStart)
            index.requestURI = uri
            let isOurs = inner.past &- versionStart == 7 && isInAnyCase(base + versionStart, "sip/2.0")
            firstFault.note(isOurs ? .startLine : .unsupportedVersion, at: isOurs ? uri.past : versionStart)
        } else {
            index.requestURI = inner
            firstFault.note(.startLine, at: inner.past)
        }
    }

    @inline(always)
    mutating func readCSeq(_ base: UnsafeRawPointer, _ value: OctetRange) {
        var place = value.first
        let past = value.past
        var number: UInt64 = 0
        while place < past {
            let digit = base.octet(place) &- Octet.zero
            guard digit < 10 else { break }
            number = number &* 10 &+ UInt64(digit)
            // Saturated: no later digit may bring it back below the limit.
            if number > 1 << 31 { number = 1 << 32 }
            place &+= 1
        }
        let digitsEnd = place
        while place < past, isBlank(base.octet(place)) { place &+= 1 }
        guard digitsEnd > value.first, place > digitsEnd, place < past else {
            return firstFault.note(.cseq, at: value.first)
        }
        index.cseqMethodRange = OctetRange(place, past)
        index.cseqMethod = Method(token: base + place, length: past &- place)
        if index.cseqMethod == .other, !isToken(base, place, past) { return firstFault.note(.cseq, at: place) }
        if number < 1 << 31 {
            index.cseqNumber = UInt32(truncatingIfNeeded: number)
        } else {
            firstFault.note(.cseqNumber, at: value.first)
        }
        guard index.isRequest else {
            index.method = index.cseqMethod
            index.methodRange = index.cseqMethodRange
            return
        }
        let isSame: Bool
        if index.method == .other, index.cseqMethod == .other {
            let token = index.methodRange
            isSame = token.count == past &- place && memcmp(base + token.first, base + place, token.count) == 0
        } else {
            isSame = index.method == index.cseqMethod
        }
        if !isSame { firstFault.note(.cseqMethodMismatch, at: place) }
    }
}
