import SIPTransactions
import SIPWire

// An INVITE that follows the Contact of a 3xx (RFC 3261 §8.1.3.4).
extension CallEngine {
    /// Where the redirected INVITE of a dialog went: only in slots whose party follows redirections.
    func redirectFlow(
        _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) -> UnsafeMutablePointer<UInt32> {
        (UnsafeMutableRawPointer(header) + Int(party(header).pointee.redirectOffset) + dialogNumber &* 4)
            .assumingMemoryBound(to: UInt32.self)
    }

    /// The URI of a Contact as a request URI has it: without brackets and header parts (RFC 3261 §19.1.5). nil where there is
    /// none.
    mutating func redirectURI(
        _ value: Int, _ header: UnsafeMutablePointer<SlotHeader>, _ slot: UInt32
    ) -> UnsafeRawBufferPointer? {
        textUsed = 0
        guard let text = preferredContact(bound.nodes[value]) ?? evaluate(value, header, slot),
            let base = text.baseAddress, text.count > 0
        else { return nil }
        let whole = OctetRange(offset: 0, length: UInt32(truncatingIfNeeded: text.count))
        let uri = NameAddress(base, whole, inList: true).uri
        guard uri.length > 0 else { return nil }
        let headers = URIView(base, uri).headers
        let end = headers.length > 0 ? headers.offset &- 1 : uri.end
        return UnsafeRawBufferPointer(start: base + Int(uri.offset), count: Int(end &- uri.offset))
    }

    /// Of the Contacts at hand the one with the highest `q`, the first of those that have it (RFC 3261 §8.1.3.4); nil where the
    /// value asks for something else. Nobody offers more than are looked at.
    private mutating func preferredContact(_ node: ValuePool.Node) -> UnsafeRawBufferPointer? {
        guard node.kind == .header, node.a == Int32(HeaderName.contact.rawValue), node.c == 0, let base = hand else {
            return nil
        }
        var best: OctetRange?
        var most = -1
        var one = node
        for number in 0..<32 {
            one.c = Int32(number)
            guard let contact = headerValue(one) else { break }
            let preference = NameAddress(base, contact, inList: true).preference
            if preference > most { (best, most) = (contact, preference) }
        }
        return best.map { slice(base, $0) }
    }

    /// Notes where the INVITE goes that follows this Contact: to its address, by the transport it asks for. Names are not looked
    /// up: with one, and with a URI that is no SIP URI, the INVITE goes to the target, as to an outbound proxy.
    ///
    /// - Returns: false where there is no Contact to follow (`refusal` says so).
    mutating func follow(
        _ value: Int, _ dialog: UnsafeMutablePointer<DialogRecord>, _ dialogNumber: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        guard let text = redirectURI(value, header, slot), let base = text.baseAddress else {
            refusal = .missing
            return false
        }
        let uri = URIView(base, OctetRange(offset: 0, length: UInt32(text.count)))
        guard uri.isWellFormed else {
            refusal = .contact(status: hand != nil && !scanner.index.isRequest ? scanner.index.statusCode : 302)
            return false
        }
        guard uri.transport != .tls || settings.transports.contains(.tls) else {
            refusal = .secure(status: hand != nil && !scanner.index.isRequest ? scanner.index.statusCode : 302)
            return false
        }
        let flow: Flow
        if let next = uri.address() {
            // From the address that the call has.
            let local = localNumber(of: openingFlow(slot, header))
            let asksForStream = uri.transport.map { $0 != .udp } ?? targetFlow.isStream
            flow =
                speaksStreams && (asksForStream || !settings.transports.contains(.udp))
                ? flows.lane(to: next, tls: isSecure(uri.transport, otherwise: targetFlow), from: local)
                : flows.flow(to: next).from(local)
        } else {
            flow = openingFlow(slot, header)
        }
        redirectFlow(header, dialogNumber).pointee = flow.index
        return true
    }
}
