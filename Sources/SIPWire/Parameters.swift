/// One `;name` or `;name=value` (RFC 3261 §25.1, generic-param).
public struct Parameter: Sendable {
    public var name: OctetRange
    /// As written: a quoted string keeps its quotes. Empty where there is no value.
    public var value: OctetRange
    public var hasValue: Bool
}

/// The parameters of a header field value, one after the other: `;` separates, blanks are allowed round every separator,
/// quoted strings are whole, and a comma outside quotes ends the list.
public struct ParameterList {
    private let message: UnsafeRawPointer
    private var place: Int
    private let past: Int
    /// Whether all that was read so far keeps to the grammar.
    public private(set) var isWellFormed = true

    /// - Parameter parameters: empty, or from the first semicolon on.
    public init(_ message: UnsafeRawPointer, _ parameters: OctetRange) {
        self.message = message
        place = parameters.first
        past = parameters.past
    }

    /// Where reading stands: the end of the parameters once `next` has said nil.
    var offset: Int { place }

    public mutating func next() -> Parameter? {
        while true {
            skipBlanks()
            guard place < past, message.octet(place) == Octet.semicolon else {
                if place < past, message.octet(place) != Octet.comma { isWellFormed = false }
                return nil
            }
            place &+= 1
            skipBlanks()
            let name = word()
            guard name.count > 0 else {
                isWellFormed = false
                if place < past, !isSeparator(message.octet(place)) { place &+= 1 }
                if place < past, message.octet(place) == Octet.equals { _ = readValue() }
                skipToSeparator()
                continue
            }
            skipBlanks()
            var value = OctetRange(place, place)
            var hasValue = false
            if place < past, message.octet(place) == Octet.equals {
                hasValue = true
                value = readValue()
            }
            skipToSeparator()
            return Parameter(name: name, value: value, hasValue: hasValue)
        }
    }

    /// At the equals sign.
    private mutating func readValue() -> OctetRange {
        place &+= 1
        skipBlanks()
        if place < past, message.octet(place) == Octet.quote {
            let from = place
            let closed = quotedStringEnd(message, from, past)
            if closed == nil { isWellFormed = false }
            place = closed ?? past
            return OctetRange(from, place)
        }
        let value = word()
        if value.isEmpty { isWellFormed = false }
        return value
    }

    /// Up to a separator, an equals sign, a quote or a blank: a token, or a host with its brackets.
    private mutating func word() -> OctetRange {
        let from = place
        while place < past {
            let octet = message.octet(place)
            if isSeparator(octet) || octet == Octet.equals || octet == Octet.quote || isBlank(octet) { break }
            place &+= 1
        }
        return OctetRange(from, place)
    }

    /// What stands here belongs to no parameter: it is skipped, quoted strings as a whole.
    private mutating func skipToSeparator() {
        skipBlanks()
        while place < past, !isSeparator(message.octet(place)) {
            isWellFormed = false
            place = message.octet(place) == Octet.quote ? quotedStringEnd(message, place, past) ?? past : place &+ 1
        }
    }

    private mutating func skipBlanks() {
        while place < past, isBlank(message.octet(place)) { place &+= 1 }
    }

    private func isSeparator(_ octet: UInt8) -> Bool { octet == Octet.semicolon || octet == Octet.comma }
}

/// The first parameter of that (lower-case) name.
func findParameter(_ message: UnsafeRawPointer, _ parameters: OctetRange, _ name: StaticString) -> Parameter? {
    var list = ParameterList(message, parameters)
    while let parameter = list.next() {
        if parameter.name.count == name.utf8CodeUnitCount,
            areEqualInAnyCase(message + parameter.name.first, name.utf8Start, name.utf8CodeUnitCount)
        {
            return parameter
        }
    }
    return nil
}
