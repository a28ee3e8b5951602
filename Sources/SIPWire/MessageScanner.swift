import Glibc

/// Octets → `MessageIndex`, in one pass: the hot path of everything that arrives.
///
/// Reads a whole SIP message (RFC 3261 §7): one search for a line end per line, names told by whole words, nothing copied, nothing
/// allocated after `init`. Bare LF, folding (§7.3.1), compact forms (§7.3.3), blanks before the colon and leading line ends
/// (§7.5) are accepted. The scanner keeps the message's address, so `header`, `first` and the like may be asked only
/// while the message scanned last is still there.
public struct MessageScanner: ~Copyable {
    /// What the last `scan` found; as much as could be read where the verdict was `malformed`.
    public internal(set) var index = MessageIndex()
    /// All three tables, one after the other, so that one address serves them.
    private let tables: UnsafeMutableRawPointer
    /// For each name in `index.present`, the value of its first line.
    @inline(always)
    var firstValues: UnsafeMutablePointer<OctetRange> { tables.assumingMemoryBound(to: OctetRange.self) }
    /// For each name, how the one looks that came after it last time.
    @inline(always)
    var looks: UnsafeMutablePointer<NameLook> { (tables + 512).assumingMemoryBound(to: NameLook.self) }
    /// Room for a value that nobody asks for.
    @inline(always)
    var otherValue: UnsafeMutablePointer<OctetRange> { (tables + 4088).assumingMemoryBound(to: OctetRange.self) }
    @inline(always)
    var lines: UnsafeMutablePointer<ScannedLine> { (tables + 4096).assumingMemoryBound(to: ScannedLine.self) }
    let mostHeaders: Int
    var firstFault = FirstFault()
    var message = UnsafeRawBufferPointer(start: nil, count: 0)

    /// - Parameter mostHeaders: header fields a message may have; more is `malformed(.tooManyHeaders)`.
    public init(mostHeaders: Int = 256) {
        precondition(mostHeaders > 0)
        self.mostHeaders = mostHeaders
        precondition(MemoryLayout<OctetRange>.stride == 8 && MemoryLayout<NameLook>.stride <= 55)
        let size = 4096 + mostHeaders * MemoryLayout<ScannedLine>.stride
        tables = .allocate(byteCount: size, alignment: 64)
        tables.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        looks.initialize(repeating: .via, count: 64)
    }

    deinit {
        tables.deallocate()
    }

    // MARK: What was found

    /// The message scanned last.
    public var octets: UnsafeRawBufferPointer { message }

    /// The header field of that number, in the message's order.
    /// - Precondition: `0 <= number < index.headerCount`.
    public func header(_ number: Int) -> HeaderLine {
        precondition(number >= 0 && number < index.headerCount, "no header field of that number")
        guard let base = message.baseAddress else { preconditionFailure("no message") }
        let line = lines[number]
        let end = line.end(base, message.count)
        return HeaderLine(
            name: line.name, nameRange: line.nameRange(base, to: end), value: line.value(base, to: end),
            line: OctetRange(line.place, end))
    }

    /// The first header field of that name; for `other` the first of unknown name.
    public func first(_ name: HeaderName) -> HeaderLine? { number(of: name, from: 0).map { header($0) } }

    /// The value of the first header field of that name, kept by the scan; nil where there is none.
    public func firstValue(_ name: HeaderName) -> OctetRange? {
        index.has(name) ? firstValues[Int(name.rawValue)] : nil
    }

    /// The number of the next header field of that name at or after `start`; nil where there is none.
    public func number(of name: HeaderName, from start: Int) -> Int? {
        guard index.has(name) else { return nil }
        var number = max(start, 0)
        while number < index.headerCount {
            if lines[number].name == name { return number }
            number &+= 1
        }
        return nil
    }

    /// The first header field whose name is the text, in any case; a compact form equals its long form.
    public func first(named text: UnsafeRawBufferPointer) -> HeaderLine? {
        let name = HeaderName(text)
        guard name == .other, let wanted = text.baseAddress, let octets = message.baseAddress else {
            return first(name)
        }
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
}

/// What the scanner keeps of a header field: where it begins, and its name. All else is found again when asked for, which
/// is seldom.
struct ScannedLine {
    private let offset: UInt32
    let name: HeaderName

    @inline(always)
    init(_ place: Int, _ name: HeaderName) {
        offset = UInt32(truncatingIfNeeded: place)
        self.name = name
    }

    @inline(always)
    var place: Int { Int(offset) }

    /// One past its final line end: the first that no blank follows, or `limit`.
    func end(_ base: UnsafeRawPointer, _ limit: Int) -> Int {
        var place = self.place
        while let lineFeed = base.firstOffset(of: Octet.lineFeed, from: place, to: limit) {
            place = lineFeed &+ 1
            if place == limit || !isLineBlank(base.octet(place)) { return place }
        }
        return limit
    }

    /// - Parameter end: what `end` says.
    func nameRange(_ base: UnsafeRawPointer, to end: Int) -> OctetRange {
        trimmed(base, place, base.firstOffset(of: Octet.colon, from: place, to: end) ?? end)
    }

    func value(_ base: UnsafeRawPointer, to end: Int) -> OctetRange {
        let colon = base.firstOffset(of: Octet.colon, from: place, to: end)
        return trimmed(base, colon.map { $0 &+ 1 } ?? end, end)
    }
}

/// Remembers the first fault only: later ones are mostly its consequences.
struct FirstFault {
    private var fault: WireFault?
    private var place: UInt32 = 0

    @inline(never)
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
