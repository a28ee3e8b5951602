import Glibc

extension MessageScanner {
    /// Reads one message. Ranges in `index` count from the first octet of `message`.
    public mutating func scan(_ message: UnsafeRawBufferPointer) -> ScanVerdict {
        self.message = message
        index = MessageIndex()
        firstFault = FirstFault()
        guard let base = message.baseAddress, message.count > 0 else { return .keepAlive }
        guard message.count < 1 << 31 else {
            self.message = UnsafeRawBufferPointer(start: nil, count: 0)
            return .malformed(.messageTooLong, at: 0)
        }
        let end = message.count
        index.messageEnd = UInt32(truncatingIfNeeded: end)

        var place = 0
        while base.octet(place) == Octet.carriageReturn || base.octet(place) == Octet.lineFeed {
            place &+= 1
            if place == end { return .keepAlive }
        }
        let startLineEnd = base.firstOffset(of: Octet.lineFeed, from: place, to: end) ?? end
        readStartLine(base, from: place, to: startLineEnd)
        let body = readHeaders(base, from: min(startLineEnd &+ 1, end), to: end)
        gather(base, bodyFrom: body, to: end)
        return firstFault.verdict
    }

    /// Reads the header fields and returns where the body begins. The loop that everything that arrives goes through:
    /// `index` collects in place, since a register more would be one spilled, and of a field that is not
    /// the first of its name only the place is kept.
    @inline(always)
    private mutating func readHeaders(_ base: UnsafeRawPointer, from: Int, to end: Int) -> Int {
        let lastWordPair = end &- 16
        var place = from
        var number = 0
        // Before the first field, the look of the one that came first last time.
        var guess = looks + Int(HeaderName.other.rawValue)
        while true {
            let name: HeaderName
            let start: Int
            if place <= lastWordPair, guess.pointee.matches(base + place) {
                name = guess.pointee.name
                start = guess.pointee.start
            } else if end &- place >= 2, base.word16(place) == 0x0A0D {
                index.headerCount = number
                return place &+ 2
            } else {
                switch recognise(base + place, end &- place) {
                case .found(let found, let at):
                    name = found
                    start = at
                    if place <= lastWordPair { guess.pointee.learn(base + place, name, start: start) }
                case .endOfHeaders(let length):
                    index.headerCount = number
                    return place &+ length
                case .continuation:
                    place = extendLine(number, base, place, end)
                    continue
                case .fault(let fault, let skip):
                    firstFault.note(fault, at: place)
                    place &+= skip
                    if fault != .headersNotEnded { continue }
                    index.headerCount = number
                    return end
                }
            }
            guess = looks + Int(name.rawValue)
            guard number < mostHeaders else {
                firstFault.note(.tooManyHeaders, at: place)
                index.headerCount = number
                return end
            }
            var value = place &+ start
            // What can be kept before the line's end is known is kept now: less to carry over the search for it.
            let slot = keep(name, number, place)
            number &+= 1
            guard let lineFeed = base.firstOffset(of: Octet.lineFeed, from: value, to: end) else {
                // Cut off within this field: keep what there is of it.
                slot.pointee = trimmed(base, value, end)
                firstFault.note(.headersNotEnded, at: end)
                index.headerCount = number
                return end
            }
            place = lineFeed &+ 1
            // The colon before and the line end after bound these looks.
            var valueEnd = lineFeed
            if base.octet(value) == Octet.space { value &+= 1 }
            if base.octet(valueEnd &- 1) == Octet.carriageReturn { valueEnd &-= 1 }
            if base.octet(value) <= Octet.space || base.octet(valueEnd &- 1) <= Octet.space {
                (value, valueEnd) = withoutBlanks(base, value, valueEnd)
            }
            slot.pointee = OctetRange(value, valueEnd)
        }
    }

    /// Keeps a field's place and name, and says where its value is to be kept: nowhere anybody looks, if it is not the first
    /// of its name.
    @inline(always)
    private mutating func keep(_ name: HeaderName, _ number: Int, _ place: Int) -> UnsafeMutablePointer<OctetRange> {
        lines[number] = ScannedLine(place, name)
        let bit = name.bit
        if index.present & bit != 0 {
            index.repeated |= bit
            return otherValue
        }
        index.present |= bit
        return firstValues + Int(name.rawValue)
    }

    /// The line at `place` begins with a blank: it belongs to the field before it (RFC 3261 §7.3.1), and so do all that
    /// follow and begin with one. Returns where the next field begins.
    @inline(never)
    private mutating func extendLine(_ number: Int, _ base: UnsafeRawPointer, _ place: Int, _ end: Int) -> Int {
        var next = place
        repeat {
            next = base.firstOffset(of: Octet.lineFeed, from: next, to: end).map { $0 &+ 1 } ?? end
        } while next < end && isLineBlank(base.octet(next))
        guard number > 0, lines[number &- 1].end(base, place) == place else {
            // There is none before it, or none that could be read.
            firstFault.note(.headerName, at: place)
            return next
        }
        let line = lines[number &- 1]
        if !index.hasSeveral(line.name) || isFirst(number &- 1) {
            firstValues[Int(line.name.rawValue)] = line.value(base, to: next)
        }
        return next
    }

    private func isFirst(_ number: Int) -> Bool {
        var before = 0
        while before < number {
            if lines[before].name == lines[number].name { return false }
            before &+= 1
        }
        return true
    }

    /// Fills the index from the lines found.
    @inline(always)
    private mutating func gather(_ base: UnsafeRawPointer, bodyFrom: Int, to end: Int) {
        let present = index.present
        if present & required == required {
            index.from = known(.from)
            index.to = known(.to)
            index.callID = known(.callID)
            readCSeq(base, known(.cseq))
            readTopmostVia(base)
        } else {
            gatherSome(base, missingAt: bodyFrom)
        }
        if index.has(.contact) { index.contact = known(.contact) }
        if index.has(.contentType) { index.contentType = known(.contentType) }
        if index.repeated & singleValued != 0 { noteRepeated() }

        index.body = OctetRange(bodyFrom, end)
        guard index.has(.contentLength) else { return }
        let text = known(.contentLength)
        guard let length = shortDecimal(base, text.first, text.past) else {
            return firstFault.note(.contentLength, at: text.first)
        }
        index.contentLength = Int32(truncatingIfNeeded: min(length, Int64(Int32.max)))
        guard length <= Int64(end &- bodyFrom) else {
            return firstFault.note(.contentLengthBeyondMessage, at: text.first)
        }
        index.body.length = UInt32(truncatingIfNeeded: length)
        index.messageEnd = index.body.end
    }

    /// Of a message without all of the header fields it must have.
    private mutating func gatherSome(_ base: UnsafeRawPointer, missingAt place: Int) {
        if index.has(.via) { readTopmostVia(base) } else { firstFault.note(.missingVia, at: place) }
        if index.has(.from) { index.from = known(.from) } else { firstFault.note(.missingFrom, at: place) }
        if index.has(.to) { index.to = known(.to) } else { firstFault.note(.missingTo, at: place) }
        if index.has(.callID) { index.callID = known(.callID) } else { firstFault.note(.missingCallID, at: place) }
        if index.has(.cseq) { readCSeq(base, known(.cseq)) } else { firstFault.note(.missingCSeq, at: place) }
    }

    @inline(always)
    private mutating func readTopmostVia(_ base: UnsafeRawPointer) {
        let via = known(.via)
        index.topmostVia = via
        index.hasSeveralVias = index.hasSeveral(.via)
        guard base.firstOffset(of: Octet.comma, from: via.first, to: via.past) != nil else { return }
        let past = firstListElementEnd(base, via.first, via.past)
        index.topmostVia = trimmed(base, via.first, past)
        if past < via.past { index.hasSeveralVias = true }
    }

    /// The first value of a name that is there.
    @inline(always)
    private func known(_ name: HeaderName) -> OctetRange { firstValues[Int(name.rawValue)] }

    @inline(always)
    private var required: UInt64 {
        HeaderName.via.bit | HeaderName.from.bit | HeaderName.to.bit | HeaderName.callID.bit | HeaderName.cseq.bit
    }

    /// Two of these cannot be told apart by any rule, so a message with two is wrong, not merely odd.
    @inline(always)
    private var singleValued: UInt64 {
        HeaderName.from.bit | HeaderName.to.bit | HeaderName.callID.bit | HeaderName.cseq.bit
            | HeaderName.contentLength.bit | HeaderName.contentType.bit | HeaderName.maxForwards.bit
    }

    private mutating func noteRepeated() {
        var seen: UInt64 = 0
        for number in 0..<index.headerCount {
            let line = lines[number]
            let bit = line.name.bit & singleValued
            if seen & bit != 0 { return firstFault.note(.repeatedHeader, at: line.place) }
            seen |= bit
        }
    }
}

/// The same stretch without the blanks at its ends.
@inline(never)
private func withoutBlanks(_ base: UnsafeRawPointer, _ from: Int, _ to: Int) -> (from: Int, to: Int) {
    let range = trimmed(base, from, max(from, to))
    return (range.first, range.past)
}
