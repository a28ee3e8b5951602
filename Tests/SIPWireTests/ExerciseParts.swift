import SIPWire

// Reads octets as a list of via-parms, a list of name-addrs, URIs and addresses: where they stand, among others, behind a value
// of ours and written anew. Says where two readings differ. Shared by the mutation tests and by Fuzz/, which compiles this file.

/// - Returns: what is wrong; nil where nothing is.
func exerciseParts(_ octets: [UInt8]) -> String? {
    // The scanner gives values without the blanks at their ends, and so do lists.
    let isBlank = { (octet: UInt8) in " \t\r\n".utf8.contains(octet) }
    let value = Array(octets.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    if let wrong = exerciseVias(value) ?? exerciseAddresses(value) { return wrong }
    // Two URIs, a line each.
    let end = octets.firstIndex(of: 0x0A) ?? octets.count
    let first = Array(octets[..<end]), second = Array(octets[min(end + 1, octets.count)...])
    return exerciseURIs(first, second) ?? exerciseHostport(octets)
}

// MARK: Via

/// What a Via value says, element by element; and the same elements as they should have been written.
private struct Vias {
    var elements: [Account] = []
    var areWellFormed = true
    var anew: [UInt8] = []
    var wrong: String?

    init(_ base: UnsafeRawPointer, _ value: OctetRange) {
        var via: ViaValue? = ViaValue(base, value)
        while let one = via {
            var said = Account()
            said.note(one.isWellFormed)
            for part in [one.transportRange, one.host, one.sentBy, one.parameters] { said.note(base, part) }
            said.note(Int(one.port))
            said.note(one.transport.map { Int($0.rawValue) } ?? -1)
            for part in [one.branch, one.received, one.rport, one.maddr] { said.note(base, part) }
            said.note(one.hasUniqueBranch)
            said.note(one.responseAddress)
            elements.append(said)
            areWellFormed = areWellFormed && one.isWellFormed
            anew += (anew.isEmpty ? [] : Array(", ".utf8)) + Array("SIP/2.0/".utf8)
            anew += Array(one.transportRange.octets(base)) + [0x20] + Array(one.sentBy.octets(base))
            anew += one.parameters.octets(base)
            if one.isWellFormed, one.rest.isEmpty, elements.count == 1,
                topmostBranch(base, value).octets(base).elementsEqual((one.branch ?? .none).octets(base)) == false
            {
                wrong = "another branch than the full grammar finds"
            }
            via = one.next()
            guard elements.count <= value.length + 1 else {
                wrong = "a list of via-parms without end"
                return
            }
        }
    }
}

private func exerciseVias(_ octets: [UInt8]) -> String? {
    let read = alone(octets, Vias.init)
    if let wrong = read.wrong { return wrong }
    let around = between(
        "SIP/2.0/UDP before:1;branch=z9hG4bKbefore, ", octets,
        ";branch=z9hG4bKafter;received=192.0.2.9;rport=9, SIP/2.0/TCP after", Vias.init)
    if around.elements != read.elements { return "what stands round a Via value changes what it says" }
    let ours = Array("SIP/2.0/UDP ours:7;branch=z9hG4bKours".utf8)
    // Of nothing there is no second element.
    if !octets.isEmpty {
        let behind = alone(ours + Array(" , ".utf8) + octets, Vias.init)
        if behind.elements != alone(ours, Vias.init).elements + read.elements {
            return "behind a via-parm of ours a Via value says something else"
        }
    }
    guard read.areWellFormed else { return nil }
    let again = alone(read.anew, Vias.init)
    if again.elements != read.elements { return "written anew a Via value says something else" }
    return again.anew == read.anew ? nil : "written anew twice a Via value is another"
}

// MARK: name-addr

private struct Addresses {
    var elements: [Account] = []
    var areWellFormed = true
    var anew: [UInt8] = []
    var wrong: String?

    init(_ base: UnsafeRawPointer, _ value: OctetRange) {
        var list = NameAddressList(base, value)
        while let one = list.next() {
            var said = Account()
            said.note(one.isWellFormed)
            said.note(one.isStar)
            said.note(one.isDisplayQuoted)
            for part in [one.display, one.uri, one.parameters] { said.note(base, part) }
            for part in [one.tag, one.parameter("expires"), one.parameter("q")] { said.note(base, part) }
            elements.append(said)
            // What is in the URI is for `URIView` to judge.
            areWellFormed = areWellFormed && one.isWellFormed && !one.uri.octets(base).contains(UInt8(ascii: ">"))
            if !anew.isEmpty { anew += Array(", ".utf8) }
            let quote = one.isDisplayQuoted ? [UInt8(ascii: "\"")] : []
            anew += quote + Array(one.display.octets(base)) + quote
            if one.isStar {
                anew += one.uri.octets(base)
            } else {
                anew += Array(" <".utf8) + Array(one.uri.octets(base)) + Array(">".utf8)
            }
            anew += one.parameters.octets(base)
            guard elements.count <= value.length + 1 else {
                wrong = "a list of name-addrs without end"
                return
            }
        }
        let single = NameAddress(base, value)
        var tags = 0
        var parameters = ParameterList(base, single.parameters)
        while let one = parameters.next() {
            if String(decoding: one.name.octets(base), as: UTF8.self).lowercased() == "tag" { tags += 1 }
        }
        if single.isWellFormed, tags < 2,
            !tagParameter(base, value).octets(base).elementsEqual((single.tag ?? .none).octets(base))
        {
            wrong = "another tag than the full grammar finds"
        }
    }
}

private func exerciseAddresses(_ octets: [UInt8]) -> String? {
    let read = alone(octets, Addresses.init)
    if let wrong = read.wrong { return wrong }
    let around = between(
        "\"before\" <sip:before>;tag=b, ", octets, ">;tag=after;expires=9, <sip:after>", Addresses.init)
    if around.elements != read.elements { return "what stands round a name-addr changes what it says" }
    let ours = Array("\"a, <b>\" <sip:ours@h;lr>;q=0.5;tag=ours".utf8)
    let behind = alone(ours + Array(" , ".utf8) + octets, Addresses.init)
    if behind.elements != alone(ours, Addresses.init).elements + read.elements {
        return "behind a name-addr of ours a list says something else"
    }
    guard read.areWellFormed else { return nil }
    let again = alone(read.anew, Addresses.init)
    if again.elements != read.elements { return "written anew a list of name-addrs says something else" }
    return again.anew == read.anew ? nil : "written anew twice a list of name-addrs is another"
}

// MARK: URI

private func account(_ base: UnsafeRawPointer, _ range: OctetRange) -> Account {
    let uri = URIView(base, range)
    var said = Account()
    said.note(uri.isWellFormed)
    said.note(Int(uri.scheme.rawValue))
    for part in [uri.schemeRange, uri.remainder, uri.user, uri.password, uri.host, uri.parameters, uri.headers] {
        said.note(base, part)
    }
    said.note(uri.hasUserInfo)
    said.note(uri.hasPassword)
    said.note(Int(uri.port))
    said.note(uri.transport.map { Int($0.rawValue) } ?? -1)
    for name: StaticString in ["lr", "maddr", "transport"] { said.note(base, uri.parameter(name)) }
    said.note(uri.address())
    return said
}

private func exerciseURIs(_ first: [UInt8], _ second: [UInt8]) -> String? {
    alone(first) { base, range in
        var findings = Findings()
        exerciseURI(base, range, &findings)
        let said = account(base, range)
        findings.expect(
            between("sip:before@", first, ":9;lr;transport=tcp?after=1", account) == said,
            "what stands round a URI changes what it says")
        let uri = URIView(base, range)
        if uri.isWellFormed { findings.expect(hasEveryOctet(uri), "a URI with octets that belong to no part") }
        alone(second) { otherBase, otherRange in
            let other = URIView(otherBase, otherRange)
            findings.expect(
                uri.isEquivalent(to: other) == other.isEquivalent(to: uri), "the one URI is equivalent, not the other")
        }
        guard uri.isEquivalent(to: uri), uri.scheme == .sip || uri.scheme == .sips else { return findings.first }
        // RFC 3261 §19.1.4: another case of all but user, password and header fields, and letters of the user escaped.
        var same: [UInt8] = []
        for (place, octet) in first.enumerated() {
            let isLetter = (octet | 0x20) >= 0x61 && (octet | 0x20) <= 0x7A
            let isIn = { (part: OctetRange) in place >= Int(part.offset) && place < Int(part.end) }
            if isLetter, isIn(uri.user), !uri.user.octets(base).contains(UInt8(ascii: "%")) {
                same += Array("%\(String(octet, radix: 16))".utf8)
            } else if isLetter, isIn(uri.schemeRange) || isIn(uri.host) || isIn(uri.parameters) {
                same.append(octet ^ 0x20)
            } else {
                same.append(octet)
            }
        }
        alone(same) { otherBase, otherRange in
            let other = URIView(otherBase, otherRange)
            findings.expect(uri.isEquivalent(to: other), "a URI unlike itself in other case and with escapes")
            findings.expect(other.isEquivalent(to: uri), "a URI in other case and with escapes unlike itself")
        }
        return findings.first
    }
}

/// Whether scheme, user, password, host, port, parameters and header fields are all there is, each behind the one before.
private func hasEveryOctet(_ uri: URIView) -> Bool {
    guard uri.scheme == .sip || uri.scheme == .sips else { return true }
    var place = uri.schemeRange.end + 1
    if uri.hasUserInfo {
        guard uri.user.offset == place else { return false }
        place = uri.user.end + 1
        if uri.hasPassword {
            guard uri.password.offset == place else { return false }
            place = uri.password.end + 1
        }
    }
    guard uri.host.offset == place else { return false }
    place = uri.host.end
    // Leading zeros of a port are digits too.
    let afterHost = UnsafeRawBufferPointer(
        start: uri.message + Int(place), count: Int(uri.range.end - place))
    if afterHost.first == UInt8(ascii: ":") {
        place += 1 + UInt32(afterHost.dropFirst().prefix { $0 >= 0x30 && $0 <= 0x39 }.count)
    }
    if !uri.parameters.isEmpty {
        guard uri.parameters.offset == place else { return false }
        place = uri.parameters.end
    }
    if place < uri.range.end {
        guard uri.message.load(fromByteOffset: Int(place), as: UInt8.self) == UInt8(ascii: "?") else { return false }
        guard uri.headers.isEmpty || uri.headers.offset == place + 1 else { return false }
        place += 1 + uri.headers.length
    }
    return place == uri.range.end
}

private func exerciseHostport(_ octets: [UInt8]) -> String? {
    func read(_ base: UnsafeRawPointer, _ range: OctetRange) -> TransportAddress? {
        TransportAddress(base, hostport: range, defaultPort: 5060)
    }
    let address = alone(octets, read)
    if between("[::1]:", octets, "9:5060", read) != address { return "what stands round an address changes it" }
    guard let address else { return nil }
    return alone(Array(address.text.utf8), read) == address ? nil : "an address whose text reads back as another"
}
