import Measurement
import SIPTransactions
import SIPWire

// An INVITE with Replaces (RFC 3891): it belongs to the party that has the dialog it names, and begins a further dialog there.
extension CallEngine {
    /// Joins the INVITE at hand to the party that has the dialog its Replaces names, or refuses it (RFC 3891 §3). Only programs
    /// reach this in which a party has a further dialog that an INVITE opens: to all others Replaces is a header they do not know.
    @inline(never)
    mutating func receiveReplacing(_ key: UInt64) {
        let verdict = replacedDialog()
        guard let (slot, header) = verdict.party else {
            recorder.countUnexpectedRequest(answeredWith: Int(verdict.status))
            traceStray(.noCall)
            answerStatelessly(verdict.status)
            return
        }
        trace(slot, header)
        guard let number = verdict.joined else {
            recorder.countUnexpectedRequest(answeredWith: Int(verdict.status))
            // Its ACK is its transaction's, whose tag is none of a call's.
            let token = hand.map { statelessToken($0) } ?? CallToken(call: 0, part: 0)
            linger.insert(
                key,
                serverPayload(
                    token.call, dialog: 0, server: 255, template: Self.firstStatusMark &+ verdict.status,
                    incarnation: 0, party: header.pointee.party), queue: repeatedQueue, now: tick)
            answer(verdict.status, token: token)
            return
        }
        join(key, slot, header, number)
    }

    /// The request at hand opens that further dialog of a party that lives.
    mutating func join(
        _ key: UInt64, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ number: Int
    ) {
        let dialog = self.dialog(header, number)
        if dialog.pointee.state == .terminated {
            dialog.pointee.incarnation = (dialog.pointee.incarnation &+ 1) & 0x7FF
        }
        dialog.pointee.state = .none
        dialog.pointee.remoteCSeq = scanner.index.cseqNumber
        dialog.pointee.remoteTagHash = tagHash(scanner.index.from)
        learn(header, number, fromResponse: false)
        dialog.pointee.state = .early
        recorder.count(.legsJoined)
        accept(key, slot, header, number)
        settleTimers(slot)
    }

    /// The further dialog of this party that an INVITE opens and that has none yet; nil where no step takes one any more.
    mutating func freeServerDialog(_ header: UnsafeMutablePointer<SlotHeader>) -> Int? {
        guard header.pointee.phase == .waiting else { return nil }
        for number in 1..<max(Int(party(header).pointee.dialogs), 1) {
            let plan = templates(header, dialog: number)
            let state = dialog(header, number).pointee.state
            if plan.isServer, plan.hasInvite, state == .none || state == .terminated, mayWant(.invite, header, number) {
                return number
            }
        }
        return nil
    }

    private typealias Replaced = (
        party: (slot: UInt32, header: UnsafeMutablePointer<SlotHeader>)?, joined: Int?, status: UInt16
    )

    /// Which party the Replaces at hand means, and which of its dialogs the INVITE is to open; else what it is refused with.
    private mutating func replacedDialog() -> Replaced {
        guard let base = hand, !scanner.index.hasSeveral(.replaces),
            let found = scanner.number(of: .replaces, from: 0)
        else { return (nil, nil, 400) }
        let value = scanner.header(found).value
        let semicolon =
            slice(base, value).firstIndex(of: UInt8(ascii: ";")).map { value.offset &+ UInt32($0) } ?? value.end
        var callID = OctetRange(offset: value.offset, length: semicolon &- value.offset)
        while callID.length > 0, base.load(fromByteOffset: Int(callID.end &- 1), as: UInt8.self) <= 0x20 {
            callID.length &-= 1
        }
        var toTag = OctetRange.none
        var fromTag = OctetRange.none
        var isEarlyOnly = false
        var list = ParameterList(base, OctetRange(offset: semicolon, length: value.end &- semicolon))
        while let one = list.next() {
            if isInAnyCase(base, one.name, "to-tag") {
                toTag = one.value
            } else if isInAnyCase(base, one.name, "from-tag") {
                fromTag = one.value
            } else if isInAnyCase(base, one.name, "early-only") {
                isEarlyOnly = true
            }
        }
        guard callID.length > 0, toTag.length > 0, fromTag.length > 0 else { return (nil, nil, 400) }
        // Its to-tag is the tag that we gave, and leads to the slot.
        guard toTag.length == UInt32(CallToken.width), let token = tagToken(base + Int(toTag.offset)),
            token.worker == settings.worker, let pointer = slots.find(token.slot, generation: token.generation)
        else { return (nil, nil, 481) }
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        let number = token.dialog
        guard header.pointee.phase == .waiting || header.pointee.phase == .closing,
            number < Int(party(header).pointee.dialogs),
            token.serial == dialog(header, number).pointee.incarnation & 0xFFF,
            isOurs(callID: callID, of: token.slot, header, number)
        else { return (nil, nil, 481) }
        let dialog = self.dialog(header, number)
        let hash = Self.hash(base + Int(fromTag.offset), Int(fromTag.length), seed: 0)
        let peer = UInt32(truncatingIfNeeded: hash ^ hash &>> 32) | 1
        // Of an early dialog of ours the peer's tag need not be known.
        guard dialog.pointee.remoteTagHash == 0 || dialog.pointee.remoteTagHash == peer else { return (nil, nil, 481) }
        let isOurInvite = pendingInvite(header, number) != nil
        let party = (token.slot, header)
        switch dialog.pointee.state {
        case .confirmed: if isEarlyOnly { return (party, nil, 486) }
        case .terminated: return (party, nil, 603)
        // An early dialog can be replaced where it was begun, and nowhere else.
        case .early, .none: if !isOurInvite { return (party, nil, 481) }
        }
        if header.pointee.phase == .closing || owner(token.slot, header).pointee.flags.contains(.drained) {
            return (party, nil, 603)
        }
        return (party, freeServerDialog(header), 488)
    }
}
