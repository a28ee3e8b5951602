/// A From, To, Contact, Route, Record-Route, Refer-To or Referred-By value (RFC 3261 §20.10): `name-addr / addr-spec`
/// with parameters.
///
/// Reads what it can: a value outside the grammar is not well-formed, but its ranges still lie inside it.
public struct NameAddress {
    public let message: UnsafeRawPointer
    /// The display name without its quotes and outer blanks; escapes are kept. Empty where there is none.
    public private(set) var display = OctetRange.none
    public private(set) var isDisplayQuoted = false
    /// Without angle brackets and outer blanks.
    public private(set) var uri = OctetRange.none
    /// Whether the URI stood in angle brackets. Without them every `;` begins a header field parameter.
    public private(set) var isBracketed = false
    /// From the first semicolon after the URI to the end of this element; empty where there are none.
    public private(set) var parameters = OctetRange.none
    /// What comes after the comma that ends this element; empty at the last one.
    public private(set) var rest = OctetRange.none
    public private(set) var isWellFormed = true

    /// The only value, or with `inList` the first one of a comma list. As the only value, `Bell, Alexander <sip:a@b>` is
    /// read as one (RFC 4475 §3.1.2.15), though not as well-formed.
    public init(_ message: UnsafeRawPointer, _ value: OctetRange, inList: Bool = false) {
        self.message = message
        var place = value.first
        let past = value.past
        while place < past, isBlank(message.octet(place)) { place &+= 1 }
        let from = place

        // Is there a bracket before anything that an addr-spec ends with?
        var bracket = -1
        var quotes = OctetRange.none
        var isQuoteOpen = false
        search: while place < past {
            switch message.octet(place) {
            case Octet.less:
                bracket = place
                break search
            case Octet.comma:
                if inList { break search }
                place &+= 1
            case Octet.semicolon: break search
            case Octet.quote where !isQuoteOpen:
                if let closed = quotedStringEnd(message, place, past) {
                    if quotes.isEmpty { quotes = OctetRange(place, closed) }
                    place = closed
                } else {
                    // Never closed (RFC 4475 §3.1.2.6): take this quote, and all that follow, for letters.
                    isWellFormed = false
                    isQuoteOpen = true
                    place &+= 1
                }
            default: place &+= 1
            }
        }
        if bracket >= 0 {
            isBracketed = true
            setDisplay(trimmed(message, from, bracket), quotes)
            let closing = message.firstOffset(of: Octet.greater, from: bracket, to: past)
            if closing == nil { isWellFormed = false }
            uri = trimmed(message, bracket &+ 1, closing ?? past)
            if uri.count != (closing ?? past) &- bracket &- 1 { isWellFormed = false }
            place = closing.map { $0 &+ 1 } ?? past
        } else {
            if !quotes.isEmpty { isWellFormed = false }
            // `*` or addr-spec.
            uri = trimmed(message, from, place)
        }
        if uri.isEmpty || hasBlank(uri) { isWellFormed = false }
        if !isStar, firstColon(uri) == nil { isWellFormed = false }
        readParameters(from: place, to: past, inList: inList)
    }

    private mutating func setDisplay(_ written: OctetRange, _ quotes: OctetRange) {
        if !quotes.isEmpty, quotes == written {
            isDisplayQuoted = true
            display = OctetRange(written.first &+ 1, written.past &- 1)
            return
        }
        display = written
        var place = written.first
        while place < written.past {
            let octet = message.octet(place)
            // *(token LWS): a quoted string stands alone or not at all.
            if !isTokenOctet(octet), !isBlank(octet) { isWellFormed = false }
            place &+= 1
        }
    }

    private mutating func readParameters(from: Int, to past: Int, inList: Bool) {
        var place = from
        while place < past, isBlank(message.octet(place)) { place &+= 1 }
        var list = ParameterList(message, OctetRange(place, past))
        while list.next() != nil {}
        if !list.isWellFormed { isWellFormed = false }
        var end = list.offset
        if inList {
            // Anything but a comma here is no parameter: skip to where the next element may begin.
            if end < past, message.octet(end) != Octet.comma { end = firstListElementEnd(message, end, past) }
            if end < past { rest = trimmed(message, end &+ 1, past) }
        } else if end < past {
            isWellFormed = false
        }
        if place < past, message.octet(place) == Octet.semicolon {
            parameters = trimmed(message, place, end)
        }
    }

    private func hasBlank(_ range: OctetRange) -> Bool {
        var place = range.first
        while place < range.past {
            if isBlank(message.octet(place)) { return true }
            place &+= 1
        }
        return false
    }

    private func firstColon(_ range: OctetRange) -> Int? {
        message.firstOffset(of: Octet.colon, from: range.first, to: range.past)
    }

    /// `Contact: *` (RFC 3261 §10.2.2).
    public var isStar: Bool { !isBracketed && uri.count == 1 && message.octet(uri.first) == Octet.star }

    /// The value of the parameter of that lower-case name, as written; empty where it has none, nil where it is absent.
    public func parameter(_ name: StaticString) -> OctetRange? { findParameter(message, parameters, name)?.value }

    /// The tag; nil where it is absent or empty.
    public var tag: OctetRange? {
        guard let tag = parameter("tag"), !tag.isEmpty else { return nil }
        return tag
    }

    public var uriView: URIView { URIView(message, uri) }

    /// The parameter `q` in thousandths (RFC 3261 §20.10, §25.1: `0.375`, at most 1); 1000 where there is none, or where it cannot be
    /// read.
    public var preference: Int {
        guard let value = parameter("q"), value.count > 0, value.count <= 5 else { return 1000 }
        var place = value.first
        var thousandths = 0
        switch message.octet(place) {
        case 0x30: break
        case 0x31: thousandths = 1000
        default: return 1000
        }
        place &+= 1
        guard place < value.past else { return thousandths }
        guard message.octet(place) == 0x2E else { return 1000 }
        place &+= 1
        var weight = 100
        while place < value.past {
            let digit = Int(message.octet(place)) &- 0x30
            guard digit >= 0, digit <= 9 else { return 1000 }
            thousandths &+= digit &* weight
            weight /= 10
            place &+= 1
        }
        return min(thousandths, 1000)
    }
}

/// The elements of a Contact, Route, Record-Route or similar value, one after the other (RFC 3261 §7.3.1).
public struct NameAddressList {
    private let message: UnsafeRawPointer
    private var rest: OctetRange

    public init(_ message: UnsafeRawPointer, _ value: OctetRange) {
        self.message = message
        rest = value
    }

    /// Empty elements are skipped.
    public mutating func next() -> NameAddress? {
        while !rest.isEmpty {
            let element = NameAddress(message, rest, inList: true)
            rest = element.rest
            if !element.uri.isEmpty { return element }
        }
        return nil
    }
}
