import SIPWire

/// libFuzzer's door: any octets are scanned, and every view is asked everything. What must hold: no crash, no read outside the
/// message (the address sanitizer sees it), and ranges that lie inside it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // A copy of exact size, so that one octet too far is seen.
    let copy = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 1)
    defer { copy.deallocate() }
    if let start { copy.copyMemory(from: start, byteCount: count) }
    let message = UnsafeRawBufferPointer(start: copy, count: count)
    var scanner = MessageScanner(mostHeaders: 64)
    _ = scanner.scan(message)
    let base = UnsafeRawPointer(copy)
    let index = scanner.index
    func inside(_ range: OctetRange) { precondition(Int(range.offset) + Int(range.length) <= count) }
    for range in [
        index.requestURI, index.reasonPhrase, index.methodRange, index.topmostVia, index.from, index.to, index.callID,
        index.contact,
        index.contentType, index.cseqMethodRange, index.body,
    ] { inside(range) }
    for number in 0..<index.headerCount {
        let line = scanner.header(number)
        inside(line.nameRange)
        inside(line.value)
        inside(line.line)
        view(base, line.value, inside)
    }
    inside(topmostBranch(base, index.topmostVia))
    inside(tagParameter(base, index.from))
    inside(tagParameter(base, index.to))
    describe(base, index.body, inside)
    // Any octets as a value, too.
    let whole = OctetRange(offset: 0, length: UInt32(count))
    view(base, whole, inside)
    describe(base, whole, inside)
    return 0
}

private func view(_ base: UnsafeRawPointer, _ value: OctetRange, _ inside: (OctetRange) -> Void) {
    let address = NameAddress(base, value, inList: true)
    inside(address.uri)
    inside(address.parameters)
    inside(address.rest)
    if let tag = address.tag { inside(tag) }
    var list = NameAddressList(base, value)
    var most = 0
    while let one = list.next(), most < 100 {
        inside(one.uri)
        most += 1
    }
    let uri = URIView(base, address.uri)
    inside(uri.user)
    inside(uri.host)
    inside(uri.parameters)
    _ = uri.address()
    _ = uri.isLooseRouter
    _ = uri.isEquivalent(to: URIView(base, value))
    let via = ViaValue(base, value)
    inside(via.host)
    inside(via.parameters)
    if let branch = via.branch { inside(branch) }
    _ = via.responseAddress
}

private func describe(_ base: UnsafeRawPointer, _ body: OctetRange, _ inside: (OctetRange) -> Void) {
    let description = SDPView(base, body)
    var media = description.media
    var most = 0
    while let one = media.next(), most < 100 {
        inside(one.kind)
        inside(one.formats)
        _ = one.address
        _ = one.direction
        most += 1
    }
    _ = description.audioAddress
}
