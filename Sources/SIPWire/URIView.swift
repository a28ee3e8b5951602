import Glibc

/// A URI (RFC 3261 §19.1): `sip:user:password@host:port;parameters?headers`, or of any other scheme.
///
/// Reads what it can: a URI outside the grammar is not well-formed, but its ranges still lie inside it.
public struct URIView {
    public enum Scheme: UInt8, Sendable { case sip, sips, tel, other }

    public let message: UnsafeRawPointer
    /// The whole URI.
    public let range: OctetRange
    public private(set) var scheme = Scheme.other
    public private(set) var schemeRange = OctetRange.none
    /// What follows the scheme's colon.
    public private(set) var remainder = OctetRange.none
    /// As written, escapes kept; the number of a tel URI. Empty where there is none.
    public private(set) var user = OctetRange.none
    public private(set) var password = OctetRange.none
    /// Whether there is an `@`.
    public private(set) var hasUserInfo = false
    public private(set) var hasPassword = false
    /// As written; an IPv6 reference keeps its brackets. Empty for schemes other than sip and sips.
    public private(set) var host = OctetRange.none
    /// 0 where it is absent.
    public private(set) var port: UInt16 = 0
    /// From the first semicolon after the host to the question mark or the end.
    public private(set) var parameters = OctetRange.none
    /// What follows the question mark.
    public private(set) var headers = OctetRange.none
    public private(set) var isWellFormed = true

    public init(_ message: UnsafeRawPointer, _ range: OctetRange) {
        self.message = message
        self.range = range
        guard let colon = message.firstOffset(of: Octet.colon, from: range.first, to: range.past) else {
            isWellFormed = false
            return
        }
        schemeRange = OctetRange(range.first, colon)
        remainder = OctetRange(colon &+ 1, range.past)
        let name = message + range.first
        switch schemeRange.count {
        case 3 where isInAnyCase(name, "sip"): scheme = .sip
        case 3 where isInAnyCase(name, "tel"): scheme = .tel
        case 4 where isInAnyCase(name, "sips"): scheme = .sips
        default: if !isToken(message, range.first, colon) { isWellFormed = false }
        }
        if remainder.isEmpty || hasBlankOrBracket { isWellFormed = false }
        switch scheme {
        case .sip, .sips: readSIP()
        case .tel: readTelephone()
        case .other: break
        }
    }

    private var hasBlankOrBracket: Bool {
        var place = range.first
        while place < range.past {
            let octet = message.octet(place)
            if octet <= Octet.space || octet == Octet.less || octet == Octet.greater || octet == Octet.quote {
                return true
            }
            place &+= 1
        }
        return false
    }

    private mutating func readSIP() {
        var place = remainder.first
        let past = remainder.past
        // A user may hold ; ? and /, so the @ decides (RFC 3261 §25.1, user-unreserved).
        if let at = message.firstOffset(of: Octet.at, from: place, to: past) {
            hasUserInfo = true
            if let colon = message.firstOffset(of: Octet.colon, from: place, to: at) {
                hasPassword = true
                user = OctetRange(place, colon)
                password = OctetRange(colon &+ 1, at)
            } else {
                user = OctetRange(place, at)
            }
            if user.isEmpty { isWellFormed = false }
            place = at &+ 1
        }
        let hostStart = place
        if place < past, message.octet(place) == Octet.openBracket {
            let closing = message.firstOffset(of: Octet.closeBracket, from: place, to: past)
            if closing == nil { isWellFormed = false }
            place = closing.map { $0 &+ 1 } ?? past
        } else {
            while place < past {
                let octet = message.octet(place)
                if octet == Octet.colon || octet == Octet.semicolon || octet == Octet.question { break }
                if !isHostOctet(octet) { isWellFormed = false }
                place &+= 1
            }
        }
        host = OctetRange(hostStart, place)
        if host.isEmpty { isWellFormed = false }
        if place < past, message.octet(place) == Octet.colon {
            let digits = place &+ 1
            place = digits
            while place < past, isDigit(message.octet(place)) { place &+= 1 }
            if let number = decimal(message, digits, place), number > 0, number < 65536 {
                port = UInt16(number)
            } else {
                isWellFormed = false
            }
        }
        let question = message.firstOffset(of: Octet.question, from: place, to: past)
        if let question { headers = OctetRange(question &+ 1, past) }
        let parametersEnd = question ?? past
        guard place < parametersEnd else { return }
        if message.octet(place) != Octet.semicolon {
            isWellFormed = false
            place = message.firstOffset(of: Octet.semicolon, from: place, to: parametersEnd) ?? parametersEnd
        }
        parameters = OctetRange(place, parametersEnd)
    }

    private mutating func readTelephone() {
        let semicolon = message.firstOffset(of: Octet.semicolon, from: remainder.first, to: remainder.past)
        user = OctetRange(remainder.first, semicolon ?? remainder.past)
        if let semicolon { parameters = OctetRange(semicolon, remainder.past) }
    }

    private func isHostOctet(_ octet: UInt8) -> Bool {
        isDigit(octet) || (octet | 0x20) &- 0x61 < 26 || octet == Octet.dot || octet == Octet.hyphen || octet == 0x5F
    }

    /// The value of the URI parameter of that lower-case name, as written; empty where it has none, nil where it is absent.
    public func parameter(_ name: StaticString) -> OctetRange? {
        var list = URIParameterList(message, parameters)
        while let parameter = list.next() {
            if isText(name, parameter.name) { return parameter.value }
        }
        return nil
    }

    /// `lr` of a loose router (RFC 3261 §16.12).
    public var isLooseRouter: Bool { parameter("lr") != nil }

    /// The address, where the host is numeric, or its `maddr`, which comes before it (RFC 3261 §19.1.1); the port as written, else its transport's (RFC 3261 §19.1.2).
    public func address() -> TransportAddress? {
        let port = self.port != 0 ? self.port : transport == .tls ? 5061 : 5060
        if let group = parameter("maddr"), let other = TransportAddress(message, host: group, port: port) {
            return other
        }
        return TransportAddress(message, host: host, port: port)
    }

    private func isText(_ name: StaticString, _ range: OctetRange) -> Bool { isInAnyCase(message, range, name) }

    /// The header part, `?Replaces=…&Subject=…`: `&` separates (RFC 3261 §19.1.1).
    public var headerList: URIParameterList { URIParameterList(message, headers, separator: Octet.ampersand) }
}

/// Whether that is what stands there, letters in any case.
public func isInAnyCase(_ message: UnsafeRawPointer, _ range: OctetRange, _ text: StaticString) -> Bool {
    range.count == text.utf8CodeUnitCount && areEqualInAnyCase(message + range.first, text.utf8Start, range.count)
}

/// The parameters of a URI: no blanks, no quotes, `;` separates and nothing else does (RFC 3261 §19.1.1).
public struct URIParameterList {
    private let message: UnsafeRawPointer
    private var place: Int
    private let past: Int
    private let separator: UInt8

    /// - Parameter parameters: `URIView.parameters`.
    public init(_ message: UnsafeRawPointer, _ parameters: OctetRange) {
        self.init(message, parameters, separator: Octet.semicolon)
    }

    init(_ message: UnsafeRawPointer, _ range: OctetRange, separator: UInt8) {
        self.message = message
        place = range.first
        past = range.past
        self.separator = separator
    }

    public mutating func next() -> Parameter? {
        while place < past {
            if message.octet(place) == separator {
                place &+= 1
                continue
            }
            let from = place
            let end = message.firstOffset(of: separator, from: from, to: past) ?? past
            place = end
            guard let equals = message.firstOffset(of: Octet.equals, from: from, to: end) else {
                return Parameter(name: OctetRange(from, end), value: OctetRange(end, end), hasValue: false)
            }
            return Parameter(name: OctetRange(from, equals), value: OctetRange(equals &+ 1, end), hasValue: true)
        }
        return nil
    }
}

extension URIView {
    /// What the transport parameter asks for (RFC 3261 §19.1.1), TLS for sips; nil where it asks for nothing we know.
    public var transport: TransportProtocol? {
        if scheme == .sips { return .tls }
        guard let value = parameter("transport"), value.count == 3 else { return nil }
        let text = message + value.first
        if isInAnyCase(text, "udp") { return .udp }
        if isInAnyCase(text, "tcp") { return .tcp }
        return isInAnyCase(text, "tls") ? .tls : nil
    }
}
