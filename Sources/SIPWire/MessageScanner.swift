import Glibc

/// Octets → `MessageIndex`, in one pass: the hot path of everything that arrives.
///
/// Reads a whole SIP message (RFC 3261 §7): one `memchr` per line, names told by whole words, nothing copied, nothing
/// allocated after `init`. Bare LF, folding (§7.3.1), compact forms (§7.3.3), blanks before the colon and leading line ends
/// (§7.5) are accepted. The scanner keeps the message's address, so `header`, `first` and the like may be asked only
/// while the message scanned last is still there.
public struct MessageScanner: ~Copyable {
    /// What the last `scan` found; as much as could be read where the verdict was `malformed`.
    public private(set) var index = MessageIndex()
    private let lines: UnsafeMutablePointer<ScannedLine>
    /// For each name in `index.present`, the number of its first line.
    private let firstLines: UnsafeMutablePointer<UInt32>
    private let mostHeaders: Int
    private var message = UnsafeRawBufferPointer(start: nil, count: 0)

    /// - Parameter mostHeaders: header fields a message may have; more is `malformed(.tooManyHeaders)`.
    public init(mostHeaders: Int = 256) {
        precondition(mostHeaders > 0)
        self.mostHeaders = mostHeaders
        lines = .allocate(capacity: mostHeaders)
        firstLines = .allocate(capacity: 64)
    }

    deinit {
        lines.deallocate()
        firstLines.deallocate()
    }

    // MARK: What was found

    /// The message scanned last.
    public var octets: UnsafeRawBufferPointer { message }

    /// The header field of that number, in the message's order.
    /// - Precondition: `0 <= number < index.headerCount`.
    public func header(_ number: Int) -> HeaderLine {
        precondition(number >= 0 && number < index.headerCount, "no header field of that number")
        let line = lines[number]
        return HeaderLine(
            name: line.name,
            nameRange: OctetRange(offset: line.offset, length: line.nameLength),
            value: OctetRange(offset: line.value, length: line.valueEnd &- line.value),
            line: OctetRange(offset: line.offset, length: line.end &- line.offset))
    }

    /// The first header field of that name; for `other` the first of unknown name.
    public func first(_ name: HeaderName) -> HeaderLine? {
        index.has(name) ? header(Int(firstLines[Int(name.rawValue)])) : nil
    }

    /// The number of the next header field of that name at or after `start`; nil where there is none.
    public func number(of name: HeaderName, from start: Int) -> Int? {
        guard index.has(name) else { return nil }
        var number = max(start, Int(firstLines[Int(name.rawValue)]))
        while number < index.headerCount {
            if lines[number].name == name { return number }
            number &+= 1
        }
        return nil
    }

    /// The first header field whose name is the text, in any case; a compact form equals its long form.
    public func first(named text: UnsafeRawBufferPointer) -> HeaderLine? {
        let name = HeaderName(text)
        guard name == .other, let wanted = text.baseAddress, let octets = message.baseAddress else { return first(name) }
        var number = 0
        while let found = self.number(of: .other, from: number) {
            let line = header(found)
            if line.nameRange.count == text.count,
                areEqualInAnyCase(octets + line.nameRange.first, wanted, text.count)
            {
                return line
            }
            number = found &+ 1
        }
        return nil
    }

    public func first(named text: StaticString) -> HeaderLine? {
        first(named: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    // MARK: Scanning

    /// Reads one message. Ranges in `index` count from the first octet of `message`.
    public mutating func scan(_ message: UnsafeRawBufferPointer) -> ScanVerdict {
        self.message = message
        index = MessageIndex()
        guard let base = message.baseAddress, message.count > 0 else { return .keepAlive }
        let end = message.count
        guard end < 1 << 31 else {
            self.message = UnsafeRawBufferPointer(start: nil, count: 0)
            return .malformed(.messageTooLong, at: 0)
        }
        index.messageEnd = UInt32(truncatingIfNeeded: end)

        var cursor = 0
        while base.octet(cursor) == Octet.carriageReturn || base.octet(cursor) == Octet.lineFeed {
            cursor &+= 1
            if cursor == end { return .keepAlive }
        }
        var faults = FirstFault()
        let startLineEnd = base.firstOffset(of: Octet.lineFeed, from: cursor, to: end) ?? end
        readStartLine(base, from: cursor, to: startLineEnd, &faults)
        cursor = startLineEnd &+ 1

        var present: UInt64 = 0
        var repeated: UInt64 = 0
        var count = 0
        headers: while true {
            guard cursor < end else {
                faults.note(.headersNotEnded, at: end)
                cursor = end
                break
            }
            let place = base + cursor
            var name = HeaderName.other
            var nameLength = 0
            var colon = 0
            if end &- cursor >= 16 { recogniseCommon(place, &name, &colon) }
            nameLength = colon
            if colon == 0 {
                let octet = place.octet(0)
                if octet == Octet.lineFeed {
                    cursor &+= 1
                    break
                }
                if octet == Octet.carriageReturn, end &- cursor > 1, place.octet(1) == Octet.lineFeed {
                    cursor &+= 2
                    break
                }
                switch recogniseAny(place, atMost: end &- cursor) {
                case .found(let found, let length, let at):
                    name = found
                    nameLength = length
                    colon = at
                case .fault(let fault, let skip):
                    faults.note(fault, at: cursor)
                    cursor &+= skip
                    continue headers
                }
            }

            // The end of the field: a line end that no blank follows.
            var value = cursor &+ colon &+ 1
            var search = value
            var valueEnd = end
            var next = end
            while let lineFeed = base.firstOffset(of: Octet.lineFeed, from: search, to: end) {
                valueEnd = lineFeed
                next = lineFeed &+ 1
                guard next < end else { break }
                let following = base.octet(next)
                guard following == Octet.space || following == Octet.horizontalTab else { break }
                search = next
                valueEnd = end
                next = end
            }
            if valueEnd == end { faults.note(.headersNotEnded, at: end) }
            while value < valueEnd, isBlank(base.octet(value)) { value &+= 1 }
            while value < valueEnd, isBlank(base.octet(valueEnd &- 1)) { valueEnd &-= 1 }

            guard count < mostHeaders else {
                faults.note(.tooManyHeaders, at: cursor)
                cursor = end
                break
            }
            lines[count] = ScannedLine(
                offset: UInt32(truncatingIfNeeded: cursor), value: UInt32(truncatingIfNeeded: value),
                valueEnd: UInt32(truncatingIfNeeded: valueEnd), end: UInt32(truncatingIfNeeded: next),
                nameLength: UInt32(truncatingIfNeeded: nameLength), name: name)
            let bit = name.bit
            if present & bit == 0 {
                firstLines[Int(name.rawValue)] = UInt32(truncatingIfNeeded: count)
                present |= bit
            } else {
                repeated |= bit
            }
            count &+= 1
            cursor = next
        }

        index.present = present
        index.repeated = repeated
        index.headerCount = count
        gather(base, bodyFrom: cursor, to: end, &faults)
        return faults.verdict
    }

    /// Fills the index from the lines found.
    @inline(__always)
    private mutating func gather(
        _ base: UnsafeRawPointer, bodyFrom: Int, to end: Int, _ faults: inout FirstFault
    ) {
        index.from = value(.from)
        index.to = value(.to)
        index.callID = value(.callID)
        index.contact = value(.contact)
        index.contentType = value(.contentType)
        if index.present & required != required { noteMissing(at: bodyFrom, &faults) }
        if index.has(.via) {
            let via = value(.via)
            index.topmostVia = via
            index.hasSeveralVias = index.hasSeveral(.via)
            if base.firstOffset(of: Octet.comma, from: via.first, to: via.past) != nil {
                let past = firstListElementEnd(base, via.first, via.past)
                index.topmostVia = trimmed(base, via.first, past)
                if past < via.past { index.hasSeveralVias = true }
            }
        }
        if index.has(.cseq) { readCSeq(base, value(.cseq), &faults) }
        if index.repeated & singleValued != 0 { noteRepeated(&faults) }

        index.body = OctetRange(bodyFrom, end)
        guard index.has(.contentLength) else { return }
        let text = value(.contentLength)
        guard let length = decimal(base, text.first, text.past) else {
            faults.note(.contentLength, at: text.first)
            return
        }
        index.contentLength = Int32(truncatingIfNeeded: min(length, Int64(Int32.max)))
        guard length <= Int64(end &- bodyFrom) else {
            faults.note(.contentLengthBeyondMessage, at: text.first)
            return
        }
        let past = bodyFrom &+ Int(truncatingIfNeeded: length)
        index.body = OctetRange(bodyFrom, past)
        index.messageEnd = UInt32(truncatingIfNeeded: past)
    }

    /// The first value of that name; none where it is absent.
    @inline(__always)
    private func value(_ name: HeaderName) -> OctetRange {
        guard index.has(name) else { return .none }
        let line = lines[Int(firstLines[Int(name.rawValue)])]
        return OctetRange(offset: line.value, length: line.valueEnd &- line.value)
    }

    @inline(__always)
    private var required: UInt64 {
        HeaderName.via.bit | HeaderName.from.bit | HeaderName.to.bit | HeaderName.callID.bit | HeaderName.cseq.bit
    }

    /// Two of these cannot be told apart by any rule, so a message with two is wrong, not merely odd.
    @inline(__always)
    private var singleValued: UInt64 {
        HeaderName.from.bit | HeaderName.to.bit | HeaderName.callID.bit | HeaderName.cseq.bit
            | HeaderName.contentLength.bit | HeaderName.contentType.bit | HeaderName.maxForwards.bit
    }

    private func noteMissing(at place: Int, _ faults: inout FirstFault) {
        if !index.has(.via) { faults.note(.missingVia, at: place) }
        if !index.has(.from) { faults.note(.missingFrom, at: place) }
        if !index.has(.to) { faults.note(.missingTo, at: place) }
        if !index.has(.callID) { faults.note(.missingCallID, at: place) }
        if !index.has(.cseq) { faults.note(.missingCSeq, at: place) }
    }

    private func noteRepeated(_ faults: inout FirstFault) {
        var seen: UInt64 = 0
        for number in 0..<index.headerCount {
            let line = lines[number]
            let bit = line.name.bit & singleValued
            if seen & bit != 0 { return faults.note(.repeatedHeader, at: Int(line.offset)) }
            seen |= bit
        }
    }

    // MARK: Start line and CSeq

    /// `from..<to` is the first line without its LF.
    @inline(__always)
    private mutating func readStartLine(_ base: UnsafeRawPointer, from: Int, to: Int, _ faults: inout FirstFault) {
        var past = to
        if past > from, base.octet(past &- 1) == Octet.carriageReturn { past &-= 1 }
        // "SIP/2.0 200" is 11 octets, and so is the shortest request line "A b SIP/2.0".
        guard past &- from >= 11 else { return faults.note(.startLine, at: from) }
        if begins(base.word64(from), "sip/2.0 ") {
            readStatus(base, from: from &+ 8, to: past, &faults)
            return
        }
        guard !begins(base.word64(from), "sip/") else { return faults.note(.unsupportedVersion, at: from) }
        index.isRequest = true
        guard let blank = base.firstOffset(of: Octet.space, from: from, to: past) else {
            return faults.note(.startLine, at: from)
        }
        index.methodRange = OctetRange(from, blank)
        index.method = Method(token: base + from, length: blank &- from)
        if index.method == .other, !isToken(base, from, blank) { faults.note(.startLine, at: from) }
        let uriEnd = past &- 8
        guard uriEnd > blank, begins(base.word64(uriEnd), " sip/2.0") else {
            return readOddRequestLine(base, blank: blank, to: past, &faults)
        }
        readRequestURI(base, from: blank &+ 1, to: uriEnd, &faults)
    }

    /// `from..<to` is the status code and what follows it.
    @inline(__always)
    private mutating func readStatus(_ base: UnsafeRawPointer, from: Int, to: Int, _ faults: inout FirstFault) {
        let hundreds = base.octet(from) &- Octet.zero
        let tens = base.octet(from &+ 1) &- Octet.zero
        let ones = base.octet(from &+ 2) &- Octet.zero
        guard hundreds &- 1 < 6, tens < 10, ones < 10, from &+ 3 == to || base.octet(from &+ 3) == Octet.space else {
            return faults.note(.statusCode, at: from)
        }
        index.statusCode = UInt16(hundreds) &* 100 &+ UInt16(tens) &* 10 &+ UInt16(ones)
        if from &+ 4 < to { index.reasonPhrase = OctetRange(from &+ 4, to) }
    }

    @inline(__always)
    private mutating func readRequestURI(_ base: UnsafeRawPointer, from: Int, to: Int, _ faults: inout FirstFault) {
        index.requestURI = OctetRange(from, to)
        guard from < to else { return faults.note(.requestURI, at: from) }
        if base.octet(from) == Octet.less || base.octet(from) == Octet.space {
            return faults.note(.requestURI, at: from)
        }
        if let blank = base.firstOffset(of: Octet.space, from: from, to: to) { faults.note(.requestURI, at: blank) }
    }

    /// A request line that does not end in one space and SIP/2.0: trailing blanks, another version, or none.
    private mutating func readOddRequestLine(
        _ base: UnsafeRawPointer, blank: Int, to: Int, _ faults: inout FirstFault
    ) {
        let inner = trimmed(base, blank, to)
        var versionStart = inner.past
        while versionStart > inner.first, !isBlank(base.octet(versionStart &- 1)) { versionStart &-= 1 }
        let isVersion = inner.past &- versionStart >= 4 && isInAnyCase(base + versionStart, "sip/")
        if versionStart > inner.first, isVersion {
            let uri = trimmed(base, inner.first, versionStart)
            index.requestURI = uri
            let isOurs = inner.past &- versionStart == 7 && isInAnyCase(base + versionStart, "sip/2.0")
            faults.note(isOurs ? .startLine : .unsupportedVersion, at: isOurs ? uri.past : versionStart)
        } else {
            index.requestURI = inner
            faults.note(.startLine, at: inner.past)
        }
    }

    @inline(__always)
    private mutating func readCSeq(_ base: UnsafeRawPointer, _ value: OctetRange, _ faults: inout FirstFault) {
        var place = value.first
        let past = value.past
        var number: UInt64 = 0
        while place < past {
            let digit = base.octet(place) &- Octet.zero
            guard digit < 10 else { break }
            number = min(number &* 10 &+ UInt64(digit), 1 << 40)
            place &+= 1
        }
        let digitsEnd = place
        while place < past, isBlank(base.octet(place)) { place &+= 1 }
        guard digitsEnd > value.first, place > digitsEnd, place < past else {
            return faults.note(.cseq, at: value.first)
        }
        index.cseqMethodRange = OctetRange(place, past)
        index.cseqMethod = Method(token: base + place, length: past &- place)
        if index.cseqMethod == .other, !isToken(base, place, past) { return faults.note(.cseq, at: place) }
        guard number < 1 << 31 else { return faults.note(.cseqNumber, at: value.first) }
        index.cseqNumber = UInt32(truncatingIfNeeded: number)
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
        if !isSame { faults.note(.cseqMethodMismatch, at: place) }
    }
}

/// What the scanner keeps of a line.
struct ScannedLine {
    var offset: UInt32
    var value: UInt32
    var valueEnd: UInt32
    var end: UInt32
    var nameLength: UInt32
    var name: HeaderName
}

/// Remembers the first fault only: later ones are mostly its consequences.
struct FirstFault {
    private var fault: WireFault?
    private var place: UInt32 = 0

    @inline(__always)
    mutating func note(_ fault: WireFault, at place: Int) {
        guard self.fault == nil else { return }
        self.fault = fault
        self.place = UInt32(truncatingIfNeeded: place)
    }

    var verdict: ScanVerdict {
        guard let fault else { return .message }
        return .malformed(fault, at: place)
    }
}
