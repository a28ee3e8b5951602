import SIPWire

// Reads octets as a session description, where they stand, among others and written anew, and says what leaves them or where two
// readings differ. Shared by the mutation tests and by Fuzz/, which compiles this file.

/// Walks a description.
func exerciseDescription(_ base: UnsafeRawPointer, _ body: OctetRange, _ findings: inout Findings) {
    let view = SDPView(base, body)
    for part in [view.session, view.originVersion, view.attribute("sendrecv"), view.connection?.address] {
        findings.expect(part, in: body, "part of a session description")
    }
    var lines = view.lines
    var streams = 0
    while let line = lines.next() {
        findings.expect(line.value, in: body, "line of a session description")
        if line.type == UInt8(ascii: "m") { streams += 1 }
    }
    var media = view.media
    var place = view.session.end
    var audio: SDPMedia?
    findings.expect(view.session.offset == body.offset, "a session that does not begin with its description")
    while let one = media.next() {
        for part in [one.kind, one.proto, one.formats] {
            findings.expect(part, in: body, "part of a media description")
        }
        for part in [one.attribute("rtpmap"), one.connection.flatMap { isWithin($0.address, view.session) }] {
            findings.expect(part, in: one.section, "part of a section")
        }
        // One section after the other, each behind its own line, to the end.
        findings.expect(one.section, in: body, "a section")
        findings.expect(one.section.offset >= place + 2, "a section before its line")
        findings.expect(one.kind.isEmpty || one.kind.offset >= place + 2, "a kind before its line")
        place = one.section.end
        streams -= 1
        if audio == nil, one.isKind("audio") { audio = one }
    }
    findings.expect(streams == 0, "as many streams as there are lines for them")
    findings.expect(place == body.end, "a description that ends before its body")
    findings.expect(view.firstMedia("audio")?.section == audio?.section, "the first audio stream")
    findings.expect(view.audioAddress == audio?.address, "the first audio stream's address")
}

/// Nil where it stands in the session's part, which is not the section's.
private func isWithin(_ range: OctetRange, _ session: OctetRange) -> OctetRange? {
    range.offset >= session.offset && range.end <= session.end ? nil : range
}

/// All that a description says.
private func account(_ base: UnsafeRawPointer, _ body: OctetRange) -> Account {
    var said = Account()
    func note(_ connection: SDPConnection?) {
        said.note(connection?.isIPv6 ?? false)
        said.note(base, connection?.address)
    }
    let view = SDPView(base, body)
    said.note(base, view.originVersion)
    for name: StaticString in ["sendrecv", "group", "ice-lite"] { said.note(base, view.attribute(name)) }
    note(view.connection)
    said.note(view.audioAddress)
    var media = view.media
    while let one = media.next() {
        for part in [one.kind, one.proto, one.formats] { said.note(base, part) }
        said.note(Int(one.port))
        said.note(one.isWellFormed)
        for name: StaticString in ["rtpmap", "fmtp", "sendonly"] { said.note(base, one.attribute(name)) }
        note(one.connection)
        said.note(Int(one.direction.rawValue))
        said.note(one.address)
        noteLines(SDPLines(base, one.section), &said)
    }
    noteLines(view.lines, &said)
    return said

    func noteLines(_ from: SDPLines, _ said: inout Account) {
        var lines = from
        while let line = lines.next() {
            said.note(Int(line.type))
            said.note(base, line.value)
        }
    }
}

/// The lines with CR LF behind each, as they should have been written.
private func writtenAnew(_ base: UnsafeRawPointer, _ body: OctetRange) -> [UInt8] {
    var text: [UInt8] = []
    var lines = SDPLines(base, body)
    while let line = lines.next() {
        text += [line.type, UInt8(ascii: "=")]
        text += line.value.octets(base)
        text += [0x0D, 0x0A]
    }
    return text
}

/// - Returns: what is wrong; nil where nothing is.
func exerciseDescription(_ octets: [UInt8]) -> String? {
    let (said, anew, wrong) = alone(octets) { base, body in
        var findings = Findings()
        exerciseDescription(base, body, &findings)
        return (account(base, body), writtenAnew(base, body), findings.first)
    }
    if let wrong { return wrong }
    let around = between(
        "a=inactive\r\nc=IN IP4 192.0.2.66\r\nm=audio 6 RTP/AVP 6\r\n", octets,
        "\r\na=sendonly\r\nc=IN IP4 192.0.2.67\r\nm=audio 7 RTP/AVP 7\r\n", account)
    if around != said { return "what stands round a description changes what it says" }
    let (again, twice) = alone(anew) { base, body in (account(base, body), writtenAnew(base, body)) }
    if again != said { return "written anew a description says something else" }
    return twice == anew ? nil : "written anew twice a description is another"
}
