/// One via-parm (RFC 3261 §20.42): `SIP/2.0/UDP host:port;parameters`, blanks allowed round every separator.
public struct ViaValue {
    public let message: UnsafeRawPointer
    /// The transport as written: UDP, TCP, TLS, SCTP, WS or any other token.
    public private(set) var transportRange = OctetRange.none
    /// nil where it is a transport we do not carry.
    public private(set) var transport: TransportProtocol?
    /// The host of sent-by as written; an IPv6 reference keeps its brackets.
    public private(set) var host = OctetRange.none
    /// 0 where it is absent.
    public private(set) var port: UInt16 = 0
    /// Host and port as written.
    public private(set) var sentBy = OctetRange.none
    /// From the first semicolon to the end of this via-parm.
    public private(set) var parameters = OctetRange.none
    /// What comes after the comma that ends this via-parm; empty at the last one.
    public private(set) var rest = OctetRange.none
    public private(set) var isWellFormed = true

    /// The first via-parm of the value.
    public init(_ message: UnsafeRawPointer, _ value: OctetRange) {
        self.message = message
        var place = value.first
        let past = value.past

        let protocolName = word(&place, past)
        let hasFirstSlash = slash(&place, past)
        let version = word(&place, past)
        let hasSecondSlash = slash(&place, past)
        transportRange = word(&place, past)
        if !hasFirstSlash || !hasSecondSlash || transportRange.isEmpty
            || !isToken(message, protocolName.first, protocolName.past)
            || !isToken(message, version.first, version.past)
        {
            isWellFormed = false
        }
        transport = TransportProtocol(token: message + transportRange.first, length: transportRange.count)

        let afterTransport = place
        skipBlanks(&place, past)
        if place == afterTransport { isWellFormed = false }
        readSentBy(&place, past)

        skipBlanks(&place, past)
        let parametersStart = place
        var list = ParameterList(message, OctetRange(place, past))
        while list.next() != nil {}
        if !list.isWellFormed { isWellFormed = false }
        var end = list.offset
        if end < past, message.octet(end) != Octet.comma { end = firstListElementEnd(message, end, past) }
        if end < past {
            rest = trimmed(message, end &+ 1, past)
            if rest.isEmpty { isWellFormed = false }
        }
        if parametersStart < end, message.octet(parametersStart) == Octet.semicolon {
            parameters = trimmed(message, parametersStart, end)
        }
    }

    private mutating func readSentBy(_ place: inout Int, _ past: Int) {
        let from = place
        if place < past, message.octet(place) == Octet.openBracket {
            let closing = message.firstOffset(of: Octet.closeBracket, from: place, to: past)
            if closing == nil { isWellFormed = false }
            place = closing.map { $0 &+ 1 } ?? past
        } else {
            while place < past {
                let octet = message.octet(place)
                if octet == Octet.colon || octet == Octet.semicolon || octet == Octet.comma || isBlank(octet) { break }
                if !isTokenOctet(octet) { isWellFormed = false }
                place &+= 1
            }
        }
        host = OctetRange(from, place)
        sentBy = host
        if host.isEmpty { isWellFormed = false }
        var look = place
        skipBlanks(&look, past)
        guard look < past, message.octet(look) == Octet.colon else { return }
        look &+= 1
        skipBlanks(&look, past)
        let digits = look
        while look < past, isDigit(message.octet(look)) { look &+= 1 }
        place = look
        guard let number = decimal(message, digits, look), number > 0, number < 65536 else {
            isWellFormed = false
            return
        }
        port = UInt16(number)
        sentBy = OctetRange(from, look)
    }

    /// Up to a blank or one of `/ ; ,`.
    private func word(_ place: inout Int, _ past: Int) -> OctetRange {
        skipBlanks(&place, past)
        let from = place
        while place < past {
            let octet = message.octet(place)
            if octet == Octet.slash || octet == Octet.semicolon || octet == Octet.comma || isBlank(octet) { break }
            place &+= 1
        }
        return OctetRange(from, place)
    }

    private func slash(_ place: inout Int, _ past: Int) -> Bool {
        skipBlanks(&place, past)
        guard place < past, message.octet(place) == Octet.slash else { return false }
        place &+= 1
        return true
    }

    private func skipBlanks(_ place: inout Int, _ past: Int) {
        while place < past, isBlank(message.octet(place)) { place &+= 1 }
    }

    /// The value of the parameter of that lower-case name, as written; empty where it has none, nil where it is absent.
    public func parameter(_ name: StaticString) -> OctetRange? { findParameter(message, parameters, name)?.value }

    /// nil where it is absent or empty.
    public var branch: OctetRange? {
        guard let branch = parameter("branch"), !branch.isEmpty else { return nil }
        return branch
    }

    /// Whether the branch names the transaction by itself: the cookie z9hG4bK with something after it (RFC 3261 §8.1.1.7).
    /// Where it does not, RFC 2543's matching applies (§17.2.3).
    public var hasUniqueBranch: Bool {
        guard let branch, branch.count > 7 else { return false }
        return isInAnyCase(message + branch.first, "z9hg4bk")
    }

    public var received: OctetRange? { parameter("received") }

    /// nil where it is absent, empty where it asks for the source port (RFC 3581).
    public var rport: OctetRange? { parameter("rport") }

    /// Where the sender wants the response, instead of where it sent from (RFC 3261 §18.2.2).
    public var maddr: OctetRange? { parameter("maddr") }

    /// Where the response goes (RFC 3261 §18.2.2, RFC 3581 §4): received or the sent-by host, rport or the sent-by port or
    /// 5060; nil where that host is a name. `maddr` is not looked at.
    public var responseAddress: TransportAddress? {
        var port = self.port == 0 ? (transport == .tls ? 5061 : 5060) : self.port
        if let rport, let number = decimal(message, rport.first, rport.past), number > 0, number < 65536 {
            port = UInt16(number)
        }
        if let received, let address = TransportAddress(message, host: received, port: port) { return address }
        return TransportAddress(message, host: host, port: port)
    }

    /// The via-parm after this one in the same header field.
    public func next() -> ViaValue? { rest.isEmpty ? nil : ViaValue(message, rest) }
}

extension TransportProtocol {
    /// UDP, TCP or TLS in any case; nil for any other token.
    init?(token: UnsafeRawPointer, length: Int) {
        guard length == 3 else { return nil }
        if isInAnyCase(token, "udp") {
            self = .udp
        } else if isInAnyCase(token, "tcp") {
            self = .tcp
        } else if isInAnyCase(token, "tls") {
            self = .tls
        } else {
            return nil
        }
    }

    /// As it stands in a Via.
    public var text: StaticString {
        switch self {
        case .udp: return "UDP"
        case .tcp: return "TCP"
        case .tls: return "TLS"
        }
    }
}
