import SIPWire

extension OctetRange {
    var indices: Range<Int> { Int(offset)..<Int(end) }
}

/// A message that its owner may keep: its octets, and where its parts stand in them.
struct ElementMessage {
    let octets: [UInt8]
    let index: MessageIndex
    let lines: [HeaderLine]

    func text(_ range: OctetRange) -> String { String(decoding: octets[range.indices], as: UTF8.self) }
    func octets(_ range: OctetRange) -> ArraySlice<UInt8> { octets[range.indices] }

    var requestURI: String { text(index.requestURI) }
    var callID: String { text(index.callID) }
    /// As written: of a method that is none of ours too.
    var methodText: String { text(index.methodRange) }

    func value(_ name: HeaderName) -> OctetRange? { lines.first { $0.name == name }?.value }

    /// The values of all header fields of that name, folded lines and all.
    func values(_ name: HeaderName) -> [OctetRange] {
        index.has(name) ? lines.lazy.filter { $0.name == name }.map(\.value) : []
    }

    /// The elements of a Contact, Route or Record-Route, in their order over all lines.
    func addresses(_ name: HeaderName) -> [AddressElement] {
        guard index.has(name) else { return [] }
        return octets.withUnsafeBytes { buffer in
            var found: [AddressElement] = []
            for value in values(name) {
                var list = NameAddressList(buffer.baseAddress!, value)
                while let element = list.next() { found.append(AddressElement(element, of: self)) }
            }
            return found
        }
    }

    /// The elements of a list of tokens: option tags.
    func tokens(_ name: HeaderName) -> [String] {
        values(name).flatMap { text($0).split(whereSeparator: { $0 == "," || $0.isWhitespace }).map(String.init) }
    }

    /// A number of seconds or hops; nil where there is no such header field or it is no number below 2^32.
    func number(_ name: HeaderName) -> UInt32? { value(name).flatMap { UInt32(text($0)) } }

    /// The tag of From or To; nil where it has none.
    func tag(_ value: OctetRange) -> String? {
        octets.withUnsafeBytes { buffer in NameAddress(buffer.baseAddress!, value).tag.map(text) }
    }

    /// The URI in From or To.
    func address(_ value: OctetRange) -> String {
        octets.withUnsafeBytes { buffer in text(NameAddress(buffer.baseAddress!, value).uri) }
    }
}

/// One element of a list of addresses.
struct AddressElement {
    /// As written, with its parameters.
    var text: String
    var uri: String
    var isStar: Bool
    var q: Int
    var hasQ: Bool
    /// The value of `expires`, as written.
    var expires: String?

    init(_ element: NameAddress, of message: ElementMessage) {
        uri = message.text(element.uri)
        isStar = element.isStar
        q = element.preference
        hasQ = element.parameter("q") != nil
        expires = element.parameter("expires").map(message.text)
        let parameters = message.text(element.parameters)
        text = "<\(uri)>\(parameters)"
    }
}

/// The topmost Via of a request, and what a server adds to it (RFC 3261 §18.2.1, RFC 3581 §4).
struct TopmostVia {
    var branch = ""
    var sentBy = ""
    var hasUniqueBranch = false
    /// The via-parm with `received` and `rport` filled in: what goes into responses and into what is forwarded.
    var answered: [UInt8] = []
    /// Where responses go (RFC 3261 §18.2.2).
    var hop: Hop

    /// - Returns: nil where it cannot be read.
    init?(_ message: ElementMessage, from source: Hop) {
        hop = source
        let range = message.index.topmostVia
        guard !range.isEmpty else { return nil }
        let isRead = message.octets.withUnsafeBytes { buffer -> Bool in
            let base = buffer.baseAddress!
            let via = ViaValue(base, range)
            guard !via.host.isEmpty else { return false }
            branch = via.branch.map(message.text) ?? ""
            hasUniqueBranch = via.hasUniqueBranch
            sentBy = message.text(via.sentBy).lowercased()
            answered = Self.answered(message, via, range, from: source)
            // Of a stream: where a new connection goes once the request's own is gone.
            if source.isStream || via.rport == nil { hop.address.port = via.port == 0 ? 5060 : via.port }
            guard !source.isStream else { return true }
            if let maddr = via.maddr,
                let other = TransportAddress(base, host: maddr, port: via.port == 0 ? 5060 : via.port)
            {
                hop.address = other
            }
            return true
        }
        guard isRead else { return nil }
    }

    private static func answered(
        _ message: ElementMessage, _ via: ViaValue, _ range: OctetRange, from source: Hop
    ) -> [UInt8] {
        let octets = message.octets
        let host = TransportAddress(via.message, host: via.host, port: source.address.port)
        var parts: [(Range<Int>, String)] = []
        let asksForPort = via.rport?.isEmpty == true
        if asksForPort, let rport = via.rport {
            let place = Int(rport.offset)
            let hasEquals = place > 0 && octets[place - 1] == UInt8(ascii: "=")
            parts.append((place..<place, (hasEquals ? "" : "=") + "\(source.address.port)"))
        }
        var ending = ""
        if let received = via.received, !received.isEmpty {
            // Whoever says itself where it was received from is not believed.
            parts.append((received.indices, bareText(source.address)))
        } else if asksForPort || host != source.address {
            ending = ";received=" + bareText(source.address)
        }
        parts.sort { $0.0.lowerBound < $1.0.lowerBound }
        var text: [UInt8] = []
        var place = Int(range.offset)
        for (range, replacement) in parts {
            text += octets[place..<range.lowerBound]
            text += replacement.utf8
            place = range.upperBound
        }
        text += octets[place..<Int(range.end)]
        text += ending.utf8
        return text
    }

    private static func bareText(_ address: TransportAddress) -> String {
        address.isIPv6 ? String(address.hostText.dropFirst().dropLast()) : address.hostText
    }
}

/// Octets → `ElementMessage`.
struct MessageReader: ~Copyable {
    enum Reading {
        case message(ElementMessage)
        case keepAlive
        /// The message as far as it could be read.
        case malformed(WireFault, ElementMessage)
    }

    private var scanner = MessageScanner()

    mutating func read(_ buffer: UnsafeRawBufferPointer) -> Reading {
        let verdict = scanner.scan(buffer)
        if case .keepAlive = verdict { return .keepAlive }
        var lines: [HeaderLine] = []
        lines.reserveCapacity(scanner.index.headerCount)
        for number in 0..<scanner.index.headerCount { lines.append(scanner.header(number)) }
        let message = ElementMessage(octets: [UInt8](buffer), index: scanner.index, lines: lines)
        if case .malformed(let fault, _) = verdict { return .malformed(fault, message) }
        return .message(message)
    }

    /// A message of our own making.
    mutating func readOwn(_ octets: [UInt8]) -> ElementMessage? {
        octets.withUnsafeBytes { buffer in
            if case .message(let message) = read(buffer) { return message }
            return nil
        }
    }
}

/// What a URI says about where it leads.
struct TargetURI {
    var isSIP = false
    var isSIPS = false
    /// Escapes as written.
    var user = ""
    /// In lower case, an IPv6 reference with its brackets.
    var host = ""
    var port: UInt16 = 0
    var isLoose = false
    var isStream = false
    /// Where the host is numeric, or `maddr` is.
    var address: TransportAddress?
    /// Where the host itself is numeric.
    var isNumeric = false

    init(_ text: String) {
        let octets = Array(text.utf8)
        guard !octets.isEmpty else { return }
        octets.withUnsafeBytes { buffer in
            let base = buffer.baseAddress!
            let view = URIView(base, OctetRange(offset: 0, length: UInt32(buffer.count)))
            func part(_ range: OctetRange) -> String { String(decoding: buffer[range.indices], as: UTF8.self) }
            isSIPS = view.scheme == .sips && view.isWellFormed
            isSIP = view.scheme == .sip && view.isWellFormed
            user = part(view.user)
            host = part(view.host).lowercased()
            port = view.port
            guard isSIP else { return }
            isLoose = view.isLooseRouter
            isStream = view.transport == .tcp
            address = view.address()
            isNumeric = TransportAddress(base, host: view.host, port: 1) != nil
        }
    }
}

/// Whether two URIs name the same resource (RFC 3261 §19.1.4).
func areEquivalent(_ one: String, _ other: String) -> Bool {
    if one == other { return true }
    let octets = Array(one.utf8) + Array(other.utf8)
    guard !one.isEmpty, !other.isEmpty else { return false }
    return octets.withUnsafeBytes { buffer in
        let base = buffer.baseAddress!
        let length = UInt32(one.utf8.count)
        return URIView(base, OctetRange(offset: 0, length: length)).isEquivalent(
            to: URIView(base, OctetRange(offset: length, length: UInt32(buffer.count) - length)))
    }
}
