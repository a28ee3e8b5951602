import Glibc
import SIPTransactions
import SIPWire

// Requests made from a URI that has a header part, as a Refer-To has (RFC 3261 §19.1.5), and the octets of such URIs.
extension CallEngine {
    /// The URI in a text: what stands in its angle brackets, or all of it.
    private func bareURI(_ start: UnsafeRawPointer, _ count: Int) -> OctetRange {
        let whole = OctetRange(offset: 0, length: UInt32(truncatingIfNeeded: count))
        guard memchr(start, 0x3C, count) != nil else { return whole }
        let uri = NameAddress(start, whole, inList: true).uri
        return uri.length > 0 ? uri : whole
    }

    /// Where a URI ends without its header part.
    private func withoutHeaders(_ start: UnsafeRawPointer, _ uri: OctetRange) -> OctetRange {
        let headers = URIView(start, uri).headers
        guard headers.offset > uri.offset else { return uri }
        return OctetRange(offset: uri.offset, length: headers.offset &- 1 &- uri.offset)
    }

    /// The URI in a text without its header part.
    func withoutHeaders(_ text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let start = text.baseAddress else { return nil }
        let range = withoutHeaders(start, bareURI(start, text.count))
        return UnsafeRawBufferPointer(start: start + Int(range.offset), count: Int(range.length))
    }

    /// A header of the header part, without its escapes; nil where it has none of that name.
    mutating func uriHeader(_ name: OctetRange, of text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let start = text.baseAddress else { return nil }
        var list = URIView(start, bareURI(start, text.count)).headerList
        while let one = list.next() {
            guard one.name.length == name.length,
                strncasecmp(
                    (start + Int(one.name.offset)).assumingMemoryBound(to: CChar.self),
                    UnsafeRawPointer(bound.literals + Int(name.offset)).assumingMemoryBound(to: CChar.self),
                    Int(name.length)) == 0
            else { continue }
            let value = one.value
            return compute { out in _ = Self.unescape(start, value, &out) }
        }
        return nil
    }

    /// A text as it may stand in the header part of a URI (RFC 3261 §25.1, hvalue).
    mutating func escaped(_ text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard text.count < Self.scratchOctets / 8 else { return nil }
        return compute { out in
            for octet in text {
                if Self.mayStandInHeaderPart(octet) {
                    withUnsafeBytes(of: octet) { out.write($0.baseAddress, 1) }
                } else {
                    let digits: StaticString = "0123456789ABCDEF"
                    out.write("%")
                    out.write(UnsafeRawPointer(digits.utf8Start) + Int(octet &>> 4), 1)
                    out.write(UnsafeRawPointer(digits.utf8Start) + Int(octet & 15), 1)
                }
            }
        }
    }

    private static func mayStandInHeaderPart(_ octet: UInt8) -> Bool {
        if (octet | 0x20) &- 0x61 < 26 || octet &- 0x30 < 10 { return true }
        switch octet {
        case UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: ":"),
            UInt8(ascii: "+"), UInt8(ascii: "$"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: "!"), UInt8(ascii: "~"), UInt8(ascii: "*"), UInt8(ascii: "'"), UInt8(ascii: "("),
            UInt8(ascii: ")"):
            return true
        default: return false
        }
    }

    /// Writes octets without their escapes.
    ///
    /// - Returns: whether nothing among them would end the line.
    private static func unescape(_ start: UnsafeRawPointer, _ range: OctetRange, _ out: inout OctetWriter) -> Bool {
        var isOneLine = true
        for octet in UnescapedOctets(start, range) {
            if octet == 0x0D || octet == 0x0A || octet == 0 { isOneLine = false }
            withUnsafeBytes(of: octet) { out.write($0.baseAddress, 1) }
        }
        return isOneLine
    }

    /// Writes a Request-URI without its header part, or the header lines that this part asks for.
    ///
    /// - Returns: where writing stands; nil when the URI is not there (`refusal` says so) or is too long.
    mutating func writeFormed(
        _ piece: BoundProgram.Piece, at start: UnsafeMutableRawPointer, from message: UnsafeMutableRawPointer,
        _ speaker: Speaker
    ) -> UnsafeMutableRawPointer? {
        textUsed = 0
        guard let text = evaluate(Int(piece.argument), speaker.header, speaker.slot), let base = text.baseAddress,
            text.count > 0
        else {
            refusal = .missing
            return nil
        }
        guard start - message &+ 2 &* text.count < OutboundLog.longestMessage - 4096 else { return nil }
        let uri = bareURI(base, text.count)
        if piece.kind == .formedURI {
            let range = withoutHeaders(base, uri)
            memcpy(start, base + Int(range.offset), Int(range.length))
            return start + Int(range.length)
        }
        var list = URIView(base, uri).headerList
        var out = start
        while let one = list.next() {
            let name = HeaderName(
                UnsafeRawBufferPointer(start: base + Int(one.name.offset), count: Int(one.name.length)))
            guard one.name.length > 0, Self.mayBeAsked(name, base, one.name) else { continue }
            var line = OctetWriter(out)
            let isName = Self.unescape(base, one.name, &line)
            line.write(": ")
            let isValue = Self.unescape(base, one.value, &line)
            line.write("\r\n")
            // What would begin a line of its own is no header that anybody should send.
            if isName, isValue { out += line.count }
        }
        return out
    }

    /// Whether a request may have that header because a URI asks for it. RFC 3261 §19.1.5 names those that nobody should honour.
    private static func mayBeAsked(_ name: HeaderName, _ base: UnsafeRawPointer, _ range: OctetRange) -> Bool {
        switch name {
        case .from, .to, .callID, .cseq, .via, .recordRoute, .route, .contact, .maxForwards, .accept, .acceptEncoding,
            .acceptLanguage, .allow, .supported, .userAgent, .contentEncoding, .contentLanguage, .contentLength,
            .contentType, .date, .authorization, .proxyAuthorization, .path, .rack, .rseq:
            return false
        case .other:
            // The body is asked for by that name.
            return !isInAnyCase(base, range, "body")
        default: return true
        }
    }

    /// Notes where an INVITE goes that the script sends to a URI from a message, where the run has no target: to the URI's
    /// address, by the transport it asks for. Names are not looked up.
    mutating func goWhereURILeads(
        _ value: Int, _ dialog: UnsafeMutablePointer<DialogRecord>, _ dialogNumber: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        textUsed = 0
        guard let text = evaluate(value, header, slot), let base = text.baseAddress, text.count > 0 else { return }
        let uri = URIView(base, withoutHeaders(base, bareURI(base, text.count)))
        guard uri.isWellFormed, let next = uri.address(),
            uri.transport != .tls || settings.transports.contains(.tls)
        else { return }
        let local = localNumber(of: openingFlow(slot, header))
        let asksForStream = uri.transport.map { $0 != .udp } ?? targetFlow.isStream
        let flow =
            speaksStreams && (asksForStream || !settings.transports.contains(.udp))
            ? flows.lane(to: next, tls: isSecure(uri.transport, otherwise: targetFlow), from: local)
            : flows.flow(to: next).from(local)
        redirectFlow(header, dialogNumber).pointee = flow.index
        dialog.pointee.isRedirected = true
    }
}
