import CallTraces
import Glibc
import SIPWire

// What a response with a branch of ours must repeat of its request, and what becomes of one that does not.
extension CallEngine {
    /// What is wrong with the Vias of a response to a branch of ours that does not begin as they were written (RFC 3261 §8.1.3.3,
    /// §18.1.2): a peer may write the same in other letters or another spelling of an IPv6 address, add parameters and leave the usual port away.
    @inline(never)
    mutating func viaFault(_ base: UnsafeRawPointer, _ range: OctetRange) -> WireFault? {
        let head = ownViaHead()
        // Where each call has a Via of its own, this is the first look.
        if locals.areNamed, !scanner.index.hasSeveralVias, Int(range.length) >= head.count,
            memcmp(base + Int(range.offset), head.baseAddress!, head.count) == 0
        {
            return nil
        }
        let via = ViaValue(base, range)
        let literals = head.baseAddress!
        let own = ViaValue(literals, OctetRange(offset: 0, length: UInt32(head.count &- 1)))
        guard isSameHost(base, via.host, literals, own.host),
            (via.port == 0 ? (arrival.isSecure ? 5061 : 5060) : via.port) == own.port
        else { return .sentBy }
        guard scanner.index.hasSeveralVias else { return nil }
        var count = 0
        var number = 0
        while let found = scanner.number(of: .via, from: number) {
            var one = ViaValue(base, scanner.header(found).value) as ViaValue?
            while let via = one {
                count &+= 1
                one = via.next()
            }
            number = found &+ 1
        }
        return count > 1 &+ bound.furtherVias ? .severalVias : nil
    }

    /// In whatever letters; an IPv6 address has many spellings (RFC 4291 §2.2).
    func isSameHost(
        _ base: UnsafeRawPointer, _ host: OctetRange, _ otherBase: UnsafeRawPointer, _ other: OctetRange
    ) -> Bool {
        if host.length == other.length,
            strncasecmp(
                (base + Int(host.offset)).assumingMemoryBound(to: CChar.self),
                (otherBase + Int(other.offset)).assumingMemoryBound(to: CChar.self), Int(other.length)) == 0
        {
            return true
        }
        guard let address = TransportAddress(base, host: host, port: 0) else { return false }
        return address == TransportAddress(otherBase, host: other, port: 0)
    }

    /// A response that RFC 3261 has us discard: counted by what is wrong with it, and kept with its call's messages.
    @inline(never)
    mutating func discard(_ fault: WireFault, _ token: CallToken) {
        countMalformed(fault)
        guard let pointer = slots.find(token.slot, generation: token.generation) else {
            traceStray(.discarded)
            return
        }
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        if header.pointee.phase == .orphan {
            traceStray(.discarded)
        } else {
            trace(token.slot, header)
            note(fault == .severalVias ? .vias : .sentBy, token.slot)
        }
    }

    /// A response to a live call that fits no request of it.
    @inline(never)
    mutating func note(_ fault: Misfit.Fault, _ slot: UInt32) {
        guard misfits.count < Misfit.most || misfits[slot] != nil else { return }
        misfits[slot] = Misfit(
            status: scanner.index.statusCode, cseq: scanner.index.cseqNumber, method: scanner.index.cseqMethod,
            fault: fault)
    }

    /// Whether the response at hand has branch and method of a request in flight, and another CSeq number.
    mutating func isOfOtherNumber(
        _ token: CallToken, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) -> Bool {
        for number in 0..<clientCount(header) {
            let record = client(header, number)
            if record.pointee.isActive, record.pointee.serial == token.serial,
                Int(record.pointee.dialog) == dialogNumber, record.pointee.template != ClientRecord.raw,
                record.pointee.method == scanner.index.cseqMethod, record.pointee.cseq != scanner.index.cseqNumber
            {
                return true
            }
        }
        return false
    }

    /// A response whose branch is none of ours: it may still be meant for a call of ours, which its From tag or Call-ID names.
    ///
    /// - Returns: false where it does not.
    mutating func isMeantForACall() -> Bool {
        guard let base = hand else { return false }
        let callID = scanner.index.callID
        let named = settings.nonce.token(ofCallID: base + Int(callID.offset), length: Int(callID.length))
        guard let token = ownTag(scanner.index.from) ?? named, token.worker == settings.worker,
            let pointer = slots.find(token.slot, generation: token.generation)
        else { return false }
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        guard header.pointee.phase == .waiting else { return false }
        trace(token.slot, header)
        note(.branch, token.slot)
        return true
    }

    /// Whether the CSeq at hand has the method, one that we have no name for, of this record's request.
    mutating func isMethod(of record: UnsafeMutablePointer<ClientRecord>) -> Bool {
        guard let base = hand else { return false }
        let plan = bound.templates[Int(record.pointee.template)]
        let range = scanner.index.cseqMethodRange
        return Int(range.length) == Int(plan.methodLength)
            && memcmp(
                base + Int(range.offset), bound.literals + Int(plan.methodOffset), Int(range.length)) == 0
    }

    /// Whether the branch at hand belongs to a request with another method than its CSeq says (RFC 3261 §17.1.3). A CANCEL
    /// has the branch of its INVITE (§9.1).
    mutating func isOfOtherMethod(
        _ token: CallToken, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) -> Bool {
        let method = scanner.index.cseqMethod
        let isCancelled = header.pointee.flags.contains(.cancelled)
        var sent: Method?
        for number in 0..<clientCount(header) {
            let record = client(header, number)
            guard record.pointee.isActive, record.pointee.serial == token.serial,
                Int(record.pointee.dialog) == dialogNumber, record.pointee.template != ClientRecord.raw
            else { continue }
            if record.pointee.method == method { return method == .other && !isMethod(of: record) }
            sent = record.pointee.method
        }
        if sent == nil, token.serial == dialog(header, dialogNumber).pointee.inviteSerial { sent = .invite }
        switch sent {
        case nil: return false
        case .invite: return method != .invite && !(method == .cancel && isCancelled)
        case .cancel: return method != .invite
        default: return true
        }
    }
}
