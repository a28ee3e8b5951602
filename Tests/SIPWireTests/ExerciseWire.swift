import SIPWire

// Asks a message everything that can be asked, and says what leaves the message or contradicts itself. Shared by the
// mutation tests and by Fuzz/, which compiles this file.

/// The first thing found wrong.
struct Findings {
    private(set) var first: String?

    mutating func expect(_ isRight: Bool, _ what: @autoclosure () -> String) {
        if !isRight, first == nil { first = what() }
    }

    /// An empty range may stand anywhere: it is none.
    mutating func expect(_ range: OctetRange?, in outer: OctetRange, _ what: @autoclosure () -> String) {
        guard let range, !range.isEmpty else { return }
        expect(range.offset >= outer.offset && UInt64(range.offset) + UInt64(range.length) <= UInt64(outer.end), what())
    }
}

/// Scans the message and walks all that was found.
/// - Returns: what is wrong; nil where every range lies inside the message and no two readings contradict each other.
func exercise(_ scanner: inout MessageScanner, _ message: UnsafeRawBufferPointer) -> String? {
    let verdict = scanner.scan(message)
    guard let base = message.baseAddress, message.count > 0 else {
        return verdict == .keepAlive ? nil : "nothing is a keep-alive"
    }
    var findings = Findings()
    let index = scanner.index
    let whole = OctetRange(offset: 0, length: UInt32(message.count))
    let parts = [
        index.requestURI, index.reasonPhrase, index.methodRange, index.topmostVia, index.from, index.to, index.callID,
        index.contact, index.contentType, index.cseqMethodRange, index.body,
    ]
    for (number, part) in parts.enumerated() { findings.expect(part, in: whole, "part \(number) of the index") }
    if case .malformed(_, let place) = verdict { findings.expect(Int(place) <= message.count, "place of the fault") }
    findings.expect(Int(index.messageEnd) <= message.count, "end of the message")
    findings.expect(index.body.end <= index.messageEnd, "end of the body")
    if verdict == .message {
        findings.expect(index.has(.via) && index.has(.from) && index.has(.to), "a message without Via, From or To")
        findings.expect(!index.cseqMethodRange.isEmpty && index.has(.callID), "a message without CSeq or Call-ID")
        findings.expect(index.isRequest == (index.statusCode == 0), "request or response")
    }
    if let strict = scanner.strictFault() {
        findings.expect(Int(strict.offset) <= message.count, "place of strict fault")
    }

    var seen: UInt64 = 0
    for number in 0..<index.headerCount {
        let line = scanner.header(number)
        findings.expect(line.line, in: whole, "line \(number)")
        findings.expect(line.nameRange, in: line.line, "name of line \(number)")
        findings.expect(line.value, in: line.line, "value of line \(number)")
        if seen & line.name.bit == 0, let first = scanner.firstValue(line.name) {
            findings.expect(first == line.value || first.isEmpty && line.value.isEmpty, "first value, line \(number)")
        }
        seen |= line.name.bit
        let name = UnsafeRawBufferPointer(rebasing: message[Int(line.nameRange.offset)..<Int(line.nameRange.end)])
        findings.expect(scanner.first(named: name)?.name == line.name, "name of line \(number) by its text")
        exerciseValue(message, line.value, &findings)
    }
    findings.expect(seen == index.present, "names present")
    exerciseValue(message, index.topmostVia, &findings)
    exerciseURI(base, index.requestURI, &findings)
    exerciseDescription(base, index.body, &findings)
    return findings.first
}

/// Reads one value as everything it might be.
func exerciseValue(_ message: UnsafeRawBufferPointer, _ value: OctetRange, _ findings: inout Findings) {
    guard let base = message.baseAddress else { return }
    findings.expect(topmostBranch(base, value), in: value, "branch")
    findings.expect(tagParameter(base, value), in: value, "tag")

    let single = NameAddress(base, value)
    for part in [single.display, single.uri, single.parameters, single.rest] {
        findings.expect(part, in: value, "part of a name-addr")
    }
    findings.expect(single.tag, in: value, "tag of a name-addr")
    var list = NameAddressList(base, value)
    var count = 0
    while let address = list.next() {
        for part in [address.display, address.uri, address.parameters, address.rest] {
            findings.expect(part, in: value, "part of a listed name-addr")
        }
        findings.expect(address.parameter("expires"), in: address.parameters, "parameter of a listed name-addr")
        exerciseURI(base, address.uri, &findings)
        count += 1
        guard count <= message.count + 1 else { return findings.expect(false, "a list of name-addrs without end") }
    }

    var via: ViaValue? = ViaValue(base, value)
    count = 0
    while let one = via {
        for part in [one.transportRange, one.host, one.sentBy, one.parameters, one.rest] {
            findings.expect(part, in: value, "part of a via-parm")
        }
        for parameter in [one.branch, one.received, one.rport] {
            findings.expect(parameter, in: one.parameters, "parameter of a via-parm")
        }
        _ = one.hasUniqueBranch
        _ = one.responseAddress
        via = one.next()
        count += 1
        guard count <= message.count + 1 else { return findings.expect(false, "a list of via-parms without end") }
    }
    _ = TransportAddress(base, hostport: value, defaultPort: 5060)
}

func exerciseURI(_ base: UnsafeRawPointer, _ range: OctetRange, _ findings: inout Findings) {
    let uri = URIView(base, range)
    for part in [uri.schemeRange, uri.remainder, uri.user, uri.password, uri.host, uri.parameters, uri.headers] {
        findings.expect(part, in: range, "part of a URI")
    }
    findings.expect(uri.parameter("transport"), in: uri.parameters, "parameter of a URI")
    // A URI with one parameter twice, with two values, need not be equivalent to itself.
    let isEquivalent = uri.isEquivalent(to: uri)
    findings.expect(isEquivalent || uri.parameters.length > 3 || uri.headers.length > 3, "a URI unlike itself")
    guard let address = uri.address() else { return }
    withUnsafeTemporaryAllocation(byteCount: TransportAddress.longestText, alignment: 1) { room in
        guard let start = room.baseAddress else { return }
        let text = OctetRange(offset: 0, length: UInt32(address.write(to: start)))
        let back = TransportAddress(UnsafeRawPointer(start), hostport: text, defaultPort: 0)
        findings.expect(back == address, "an address whose text reads back as another")
    }
}
