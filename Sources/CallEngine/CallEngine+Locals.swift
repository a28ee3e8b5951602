import Glibc
import SIPWire

// Which of our own addresses a message leaves from: that of its flow. Where there is one only, none of this is reached.
extension CallEngine {
    /// The number of the local address that a flow speaks from.
    @inline(__always)
    mutating func localNumber(of flow: Flow) -> UInt32 {
        if locals.isSingle { return 0 }
        return flow.isStream ? Self.number(ofStream: flow, flows, slots, locals) : flow.local
    }

    /// Of a connection that a peer has opened: the address it was opened to. Of a call's own: the call's source.
    @inline(never)
    private static func number(
        ofStream flow: Flow, _ flows: borrowing FlowTable, _ slots: borrowing SlotSlab,
        _ locals: borrowing LocalAddresses
    ) -> UInt32 {
        if flow.isAccepted { return flows.local(ofAccepted: flow) }
        if flow.isLane { return flows.local(ofLane: flow) }
        guard flow.isOfCall, slots.isLive(flow.callSlot) else { return 0 }
        let header = slots.pointer(flow.callSlot).assumingMemoryBound(to: SlotHeader.self)
        return locals.number(ofRun: header.pointee.run)
    }

    /// The address that a flow speaks from.
    @inline(__always)
    mutating func ownAddress(of flow: Flow) -> TransportAddress {
        locals.isSingle ? settings.local : locals.address(localNumber(of: flow))
    }

    /// The same for the transport, which only looks.
    public func localAddress(of flow: Flow) -> TransportAddress {
        if locals.isSingle { return settings.local }
        return locals.address(flow.isStream ? Self.number(ofStream: flow, flows, slots, locals) : flow.local)
    }

    /// A datagram flow, from the address that the message at hand came to.
    @inline(__always)
    mutating func flow(to address: TransportAddress) -> Flow {
        let flow = flows.flow(to: address)
        return locals.isSingle ? flow : flow.from(localNumber(of: arrival))
    }

    /// The target, from the address that the message at hand came to.
    @inline(__always)
    mutating func targetFromHere() -> Flow {
        locals.isSingle || targetFlow.isStream ? targetFlow : targetFlow.from(localNumber(of: arrival))
    }

    /// A template as messages over that flow are made of it, which the next `render` is told.
    @inline(__always)
    mutating func variant(of template: Int, over flow: Flow) -> Int {
        speaking = flow
        return bound.variant(of: template, over: flow)
    }

    /// The number of the address that a call speaks from where no message says it.
    mutating func localNumber(ofCall slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) -> UInt32 {
        if locals.isSingle { return 0 }
        let dialog = self.dialog(header, 0)
        if dialog.pointee.learned == 0, party(header).pointee.answers, hand != nil { return localNumber(of: arrival) }
        return localNumber(of: flow(of: dialog, slot, header))
    }

    /// How the Via of a request began that a response at hand belongs to, up to the semicolon after sent-by and with it.
    @inline(__always)
    mutating func ownViaHead() -> UnsafeRawBufferPointer {
        locals.areNamed ? makeViaHead() : literal(bound.viaHead(over: arrival))
    }

    /// What came to one of several addresses was sent from it.
    @inline(never)
    private mutating func makeViaHead() -> UnsafeRawBufferPointer {
        let number = localNumber(of: arrival)
        var out = OctetWriter(localViaHead)
        out.write(arrival.isSecure ? "SIP/2.0/TLS " : arrival.isStream ? "SIP/2.0/TCP " : "SIP/2.0/UDP ")
        let text = locals.text(number)
        out.write(text.baseAddress, text.count)
        out.write(bound.literals, arrival.isSecure ? bound.secureColonPort : bound.colonPort)
        out.write(";")
        return UnsafeRawBufferPointer(start: localViaHead, count: out.count)
    }

    /// The address that the message being rendered leaves from, for a URI or for SDP.
    @inline(never)
    mutating func writeLocalHost(inBrackets: Bool, at start: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        let number = localNumber(of: speaking)
        let text = inBrackets ? locals.text(number) : locals.bareText(number)
        memcpy(start, text.baseAddress!, text.count)
        return start + text.count
    }

    /// Sent-by of a message over this flow.
    mutating func writeSentBy(_ flow: Flow, _ out: inout OctetWriter) {
        guard locals.areNamed else {
            out.write(bound.literals, flow.isSecure ? bound.secureHostPort : bound.localHostPort)
            return
        }
        let text = locals.text(localNumber(of: flow))
        out.write(text.baseAddress, text.count)
        out.write(bound.literals, flow.isSecure ? bound.secureColonPort : bound.colonPort)
    }

    /// `IP4 192.0.2.1`, the address that a call speaks from, at `textScratch` where there are several.
    mutating func connectionAddress(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> UnsafeRawBufferPointer {
        guard locals.areNamed else { return literal(bound.connectionAddress) }
        let text = locals.bareText(localNumber(ofCall: slot, header))
        let isIPv6 = settings.local.isIPv6
        return compute { out in
            out.write(isIPv6 ? "IP6 " : "IP4 ")
            out.write(text.baseAddress, text.count)
        } ?? literal(bound.connectionAddress)
    }
}
