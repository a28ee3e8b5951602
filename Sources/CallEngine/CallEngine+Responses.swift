import Glibc
import Measurement
import SIPTransactions
import SIPWire

/// What a transaction tells the script.
enum CallEvent {
    /// A response to the request of that client record. The message is at hand.
    case response(status: UInt16, client: Int, dialog: Int)
    /// A request; it is kept in that server record (-1 for ACK). The message is at hand.
    case request(Method, server: Int, dialog: Int)
    /// No final response in time (Timer B or F).
    case noResponse(client: Int, dialog: Int)
    /// No ACK in time (Timer H, or RFC 3261 §13.3.1.4).
    case noAck(dialog: Int)
    /// The transport said no.
    case refused(errno: Int32)
    case signal(Int)
}

extension CallEngine {
    mutating func receiveResponse() {
        let status = scanner.index.statusCode
        guard let base = hand else { return }
        let branch = topmostBranch(base, scanner.index.topmostVia)
        guard let token = settings.nonce.token(ofBranch: base + Int(branch.offset), length: Int(branch.length)),
            token.worker == settings.worker
        else {
            receiveRawResponse(status)
            return
        }
        let via = scanner.index.topmostVia
        let head = bound.viaHead(over: arrival)
        if scanner.index.hasSeveralVias || via.length < head.length
            || memcmp(base + Int(via.offset), bound.literals + Int(head.offset), Int(head.length)) != 0,
            let fault = viaFault(base, via)
        {
            discard(fault, token)
            return
        }
        guard let pointer = slots.find(token.slot, generation: token.generation) else {
            receiveLateResponse(token, status)
            return
        }
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        if header.pointee.phase == .orphan {
            receiveOrphanResponse(status, token, header)
            return
        }
        if status >= 200, scanner.index.cseqMethod == .invite { linger.prefetch(clientKey(token.call, token.part)) }
        trace(token.slot, header)
        let plan = party(header)
        let dialogNumber = token.dialog
        guard dialogNumber < Int(plan.pointee.dialogs) else {
            recorder.count(.strayResponses)
            return
        }
        guard isOurs(callIDOf: token.slot, header, dialogNumber), isOurFromTag(token.slot, header, dialogNumber) else {
            if receiveRaw(token, serial: token.serial, status) { return }
            recorder.count(.strayResponses)
            note(isOurFromTag(token.slot, header, dialogNumber) ? .callID : .fromTag, token.slot)
            return
        }
        let method = scanner.index.cseqMethod
        var number = 0
        while number < clientCount(header) {
            let record = client(header, number)
            if record.pointee.isActive, record.pointee.serial == token.serial,
                record.pointee.dialog == UInt8(truncatingIfNeeded: dialogNumber), record.pointee.method == method,
                record.pointee.cseq == scanner.index.cseqNumber, record.pointee.template != ClientRecord.raw,
                method != .other || isMethod(of: record)
            {
                receive(status, token.slot, header, number, record)
                settleTimers(token.slot)
                return
            }
            number &+= 1
        }
        if receiveRaw(token, serial: token.serial, status) { return }
        if isOfOtherMethod(token, header, dialogNumber) {
            countMalformed(.responseMethod)
            note(.method, token.slot)
            return
        }
        if isOfOtherNumber(token, header, dialogNumber) {
            recorder.count(.strayResponses)
            note(.number, token.slot)
            return
        }
        receiveRepeatedResponse(status, token, header, dialogNumber)
        settleTimers(token.slot)
    }

    /// The answer to a second fork's BYE. Its branch leads to its own slot, its Call-ID and tags to the fork's dialog, which are
    /// in the BYE itself.
    private mutating func receiveOrphanResponse(
        _ status: UInt16, _ token: CallToken, _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        let record = orphanRecord(header)
        let index = scanner.index
        guard let base = hand, record.pointee.isActive, record.pointee.frozen != 0,
            token.part == record.pointee.serial, index.cseqMethod == record.pointee.method,
            index.cseqNumber == record.pointee.cseq
        else {
            recorder.count(.strayResponses)
            return
        }
        let bye = kept(record.pointee.frozen)
        guard let start = bye.baseAddress,
            findOctets(start, bye.count, base + Int(index.callID.offset), Int(index.callID.length)) != nil
        else {
            recorder.count(.strayResponses)
            return
        }
        recorder.countResponse(status: Int(status), method: .bye)
        var machine = nonInviteMachine(record)
        _ = machine.receive(status: status, now: tick, timers: timers)
        store(machine, record)
        if status >= 200 { freeSlot(token.slot, header) } else { settleTimers(token.slot) }
    }

    /// A response to a transaction in flight.
    private mutating func receive(
        _ status: UInt16, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ number: Int,
        _ record: UnsafeMutablePointer<ClientRecord>
    ) {
        let dialogNumber = Int(record.pointee.dialog)
        if !misfits.isEmpty { misfits[slot] = nil }
        recorder.countResponse(status: Int(status), method: record.pointee.method)
        let isRaw = record.pointee.template == ClientRecord.raw
        if record.pointee.method == .invite {
            var effect = status < 300 ? ClientInviteTransaction.OnResponse.deliver : .deliverAndAcknowledge
            if !isRaw {
                var machine = inviteMachine(record)
                effect = machine.receive(status: status, now: tick, timers: timers)
                store(machine, record)
            }
            switch effect {
            case .deliver:
                if status < 200 {
                    record.pointee.provisionalSeen = true
                    header.pointee.flags.insert(.provisionalSeen)
                    measureSessionRequest(header, record, status)
                    let plan = templates(header, dialog: dialogNumber)
                    if plan.learnsEarly && status > 100 { learn(header, dialogNumber, fromResponse: true) }
                    noteReliableProvisional(header, dialogNumber, status)
                } else {
                    measureSessionRequest(header, record, status)
                    if party(header).pointee.hasCredentials { noteNextNonce(header) }
                    finishInvite(status, slot, header, record)
                    let dialog = self.dialog(header, dialogNumber)
                    let isRefresh = dialog.pointee.state == .confirmed
                    learn(header, dialogNumber, fromResponse: true)
                    dialog.pointee.state = .confirmed
                    if pathFault != .none, judgePath(status, slot, header, dialogNumber, isRefresh: isRefresh) {
                        return
                    }
                }
                deliver(.response(status: status, client: number, dialog: dialogNumber), slot, header)
            case .deliverAndAcknowledge:
                var isAcknowledged: Bool?
                if status == 503, targets.picks, turnsFromUnavailable(slot, header, record, &isAcknowledged) { return }
                measureSessionRequest(header, record, status)
                let keepsAck = isAcknowledged ?? acknowledgeRefusal(slot, header, record)
                let isChallenge = (status == 401 || status == 407) && party(header).pointee.hasCredentials
                if isChallenge {
                    let refused = record.pointee
                    if answerChallenge(status, slot, header, number, record) {
                        if !keepsAck { lingerRefused(refused, slot, header) }
                        return
                    }
                }
                finishInvite(status, slot, header, record, keepsAck: keepsAck)
                let dialog = self.dialog(header, dialogNumber)
                // A challenged INVITE may be sent again by the script: with the same Call-ID (RFC 3261 §22.2).
                if dialog.pointee.state == .early || (dialog.pointee.state == .none && !isChallenge) {
                    dialog.pointee.state = isChallenge || Self.isRetried(status) ? .none : .terminated
                }
                deliver(.response(status: status, client: number, dialog: dialogNumber), slot, header)
            case .acknowledgeAgain, .deliver2xxRepeat, .absorb:
                recorder.count(.responseRetransmissionsReceived)
            }
            return
        }
        if !isRaw {
            var machine = nonInviteMachine(record)
            let effect = machine.receive(status: status, now: tick, timers: timers)
            store(machine, record)
            guard effect == .deliver else {
                recorder.count(.responseRetransmissionsReceived)
                return
            }
        }
        var delivered = status
        if status == 503, targets.picks {
            var isAcknowledged: Bool?
            if turnsFromUnavailable(slot, header, record, &isAcknowledged) { return }
        }
        if status >= 200 {
            if party(header).pointee.hasCredentials {
                if status < 300 { noteNextNonce(header) }
                if status == 401 || status == 407, answerChallenge(status, slot, header, number, record) { return }
            }
            measureTransaction(header, record, status)
            let dialog = self.dialog(header, dialogNumber)
            // Their BYE has crossed ours: whoever had forgotten the dialog by then says 481, and it is over as it was to be
            // (RFC 3261 §15.1.1).
            if status == 481, record.pointee.method == .bye, dialog.pointee.state == .terminated { delivered = 200 }
            switch record.pointee.method {
            case .bye: dialog.pointee.state = .terminated
            case .subscribe, .refer:
                if status < 300 && dialog.pointee.state == .none {
                    learn(header, dialogNumber, fromResponse: true)
                    dialog.pointee.state = .confirmed
                }
            case .update: if status < 300 { learn(header, dialogNumber, fromResponse: true) }
            default: break
            }
            release(record)
        } else {
            record.pointee.provisionalSeen = true
        }
        deliver(.response(status: delivered, client: number, dialog: dialogNumber), slot, header)
    }

    /// A request that was refused for what it says may be sent once more with that changed, and is the same request: its Call-ID, To and
    /// From stay (RFC 3261 §8.1.3.5, RFC 4028 §7.3).
    private static func isRetried(_ status: UInt16) -> Bool {
        switch status {
        case 413, 415, 416, 420, 422: true
        default: false
        }
    }

    /// The INVITE transaction has its final response: what comes later is answered from the linger table
    /// (RFC 6026: Timer M for a 2xx, Timer D for the rest), and the record is free.
    private mutating func finishInvite(
        _ status: UInt16, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>,
        _ record: UnsafeMutablePointer<ClientRecord>, keepsAck: Bool = false
    ) {
        let dialog = self.dialog(header, Int(record.pointee.dialog))
        dialog.pointee.inviteCSeq = record.pointee.cseq
        // This 2xx has no ACK yet, whatever an earlier one had.
        if status < 300 { dialog.pointee.ackSerial = 0 }
        countSessionAnswer(Int(status), dialog)
        if callRecords.isOn { noteAnswer(status, to: .invite, header, at: received) }
        if status >= 300, !keepsAck { lingerRefused(record.pointee, slot, header) }
        release(record)
    }

    /// The refusal will be acknowledged again from what it tells itself (Timer D).
    mutating func lingerRefused(
        _ record: ClientRecord, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        lingerClient(
            slot, header, UInt16(record.dialog) &<< 12 | (record.serial & 0xFFF), template: record.template,
            acknowledges: true, serial: record.serial, queue: completedQueue)
    }

    mutating func release(_ record: UnsafeMutablePointer<ClientRecord>) {
        release(&record.pointee.frozen)
        record.pointee.isActive = false
    }

    /// Keys of our own transactions: which branch, wherever its slot went.
    @inline(__always)
    mutating func clientKey(_ call: UInt64, _ part: UInt16) -> UInt64 {
        var x = call ^ (UInt64(part) &<< 48 | 0x5A5A)
        x = (x ^ (x &>> 31)) &* 0xBF58_476D_1CE4_E5B9
        return (x ^ (x &>> 29)) | 1
    }

    mutating func lingerClient(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ part: UInt16, template: UInt16,
        acknowledges: Bool, serial: UInt16, queue: Int
    ) {
        let call = callWord(slot, header)
        let dialog = Int(part &>> 12)
        linger.insert(
            clientKey(call, part),
            .init(
                first: call,
                second: UInt64(part) | UInt64(serial) &<< 16 | UInt64(template) &<< 32
                    | (acknowledges ? LingerMark.acknowledges : 0)
                    | UInt64(header.pointee.party) &<< 56,
                third: self.dialog(header, dialog).pointee.remoteTagHash),
            queue: queue, now: tick)
    }

    /// A response whose transaction has had its final response, while its call lives.
    private mutating func receiveRepeatedResponse(
        _ status: UInt16, _ token: CallToken, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) {
        let slot = token.slot
        if scanner.index.cseqMethod == .invite {
            let dialog = self.dialog(header, dialogNumber)
            if status < 200 {
                // A proxy with several workers brings a 180 after its 200: late, and no harm.
                recorder.count(.provisionalsAbsorbed)
                return
            }
            if status < 300, scanner.index.cseqNumber == dialog.pointee.inviteCSeq {
                let hash = tagHash(scanner.index.to)
                if dialog.pointee.remoteTagHash == hash {
                    recorder.count(.responseRetransmissionsReceived)
                    acknowledgeAgain(slot, header, dialogNumber)
                } else {
                    answerFork(slot: slot, header, dialogNumber)
                }
                return
            }
            if status < 300 {
                // Of an earlier INVITE of this dialog.
                receiveLateResponse(token, status)
                return
            }
            if status >= 300 {
                recorder.count(.responseRetransmissionsReceived)
                acknowledgeFromLinger(linger.find(clientKey(token.call, token.part))?.pointee)
                return
            }
        }
        recorder.count(.responseRetransmissionsReceived)
    }

    /// A response that no branch of ours asked for: to a raw request, or a stray.
    private mutating func receiveRawResponse(_ status: UInt16) {
        guard let base = hand else { return }
        if let token = ownTag(scanner.index.from), receiveRaw(token, serial: nil, status) { return }
        let callID = scanner.index.callID
        if let token = settings.nonce.token(ofCallID: base + Int(callID.offset), length: Int(callID.length)),
            receiveRaw(token, serial: nil, status)
        {
            return
        }
        recorder.count(.strayResponses)
        if !isMeantForACall() { traceStray(.noCall) }
    }

    /// A response to a raw request. Its author may have written the CSeq, the Call-ID, the tags or the branch: what is still
    /// ours of these names the call, and the branch also the request.
    ///
    /// - Returns: false when that call has no such request.
    private mutating func receiveRaw(_ token: CallToken, serial: UInt16?, _ status: UInt16) -> Bool {
        guard token.worker == settings.worker, let pointer = slots.find(token.slot, generation: token.generation) else {
            return false
        }
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        guard header.pointee.phase != .orphan else { return false }
        var found: Int?
        for number in 0..<clientCount(header) {
            let record = client(header, number)
            guard record.pointee.isActive, record.pointee.template == ClientRecord.raw,
                Int(record.pointee.dialog) == token.dialog, serial == nil || record.pointee.serial == serial
            else { continue }
            if found == nil || record.pointee.method == scanner.index.cseqMethod { found = number }
        }
        guard let found else { return false }
        // With a branch of ours it has been traced.
        if serial == nil { trace(token.slot, header) }
        let record = client(header, found)
        // An ACK repeats the number that was sent, whoever wrote it.
        record.pointee.cseq = scanner.index.cseqNumber
        receive(status, token.slot, header, found, record)
        settleTimers(token.slot)
        return true
    }

    // MARK: verification

    /// Whether the Call-ID at hand is the one this dialog has: the token found the slot, the text must agree in full.
    @inline(__always)
    mutating func isOurs(callIDOf slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int) -> Bool
    {
        isOurs(callID: scanner.index.callID, of: slot, header, dialogNumber)
    }

    /// The same of a Call-ID that stands elsewhere in the message.
    mutating func isOurs(
        callID range: OctetRange, of slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) -> Bool {
        guard let base = hand else { return false }
        let dialog = self.dialog(header, dialogNumber)
        if templates(header, dialog: dialogNumber).isServer {
            guard dialog.pointee.learned != 0 else { return false }
            let block = arena.pointer(.init(raw: dialog.pointee.learned))
            let learned = block.load(as: LearnedDialog.self)
            return Int(learned.callIDLength) == Int(range.length)
                && memcmp(block + LearnedDialog.size, base + Int(range.offset), Int(range.length)) == 0
        }
        guard let token = settings.nonce.token(ofCallID: base + Int(range.offset), length: Int(range.length)) else {
            return false
        }
        return token.call == callWord(slot, header)
            && token.part == UInt16(truncatingIfNeeded: dialogNumber) &<< 12 | (dialog.pointee.incarnation & 0xFFF)
    }

    @inline(__always)
    private mutating func isOurFromTag(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) -> Bool {
        guard let token = ownTag(scanner.index.from) else { return false }
        return token.call == callWord(slot, header) && token.dialog == dialogNumber
    }

    /// The token of a tag of ours in a From or To value; nil when it has another tag or none.
    @inline(__always)
    mutating func ownTag(_ range: OctetRange) -> CallToken? {
        guard let base = hand else { return nil }
        let width = UInt32(CallToken.width)
        // Peers give back what they got, and there the tag stands last.
        if range.length > width &+ 5 {
            let start = base + Int(range.end &- width &- 5)
            if start.loadUnaligned(as: UInt32.self) == 0x6761_743B,  // ";tag"
                start.load(fromByteOffset: 4, as: UInt8.self) == 0x3D, let token = tagToken(start + 5)
            {
                return token
            }
        }
        let tag = tagParameter(base, range)
        return tag.length == width ? tagToken(base + Int(tag.offset)) : nil
    }

    @inline(__always)
    mutating func tagToken(_ octets: UnsafeRawPointer) -> CallToken? {
        guard var token = CallToken(octets) else { return nil }
        token.call ^= tagMask
        return token
    }

    /// Hash of the tag in a From or To value; 0 when it has none.
    mutating func tagHash(_ range: OctetRange) -> UInt32 {
        guard let base = hand else { return 0 }
        let tag = tagParameter(base, range)
        guard tag.length > 0 else { return 0 }
        let hash = Self.hash(base + Int(tag.offset), Int(tag.length), seed: 0)
        return UInt32(truncatingIfNeeded: hash ^ hash &>> 32) | 1
    }

    /// A 64-bit hash, eight octets at a step.
    @inline(__always)
    static func hash(_ octets: UnsafeRawPointer, _ count: Int, seed: UInt64) -> UInt64 {
        var h = seed ^ (UInt64(truncatingIfNeeded: count) &* 0x9E37_79B9_7F4A_7C15)
        var offset = 0
        while offset &+ 8 <= count {
            h = (h ^ octets.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* 0xBF58_476D_1CE4_E5B9
            h ^= h &>> 32
            offset &+= 8
        }
        var rest: UInt64 = 0
        while offset < count {
            rest = rest &<< 8 | UInt64(octets.load(fromByteOffset: offset, as: UInt8.self))
            offset &+= 1
        }
        h = (h ^ rest) &* 0x94D0_49BB_1331_11EB
        return h ^ h &>> 29
    }

    // MARK: machines in records

    @inline(__always)
    func inviteMachine(_ record: UnsafeMutablePointer<ClientRecord>) -> ClientInviteTransaction {
        UnsafeRawPointer(record).loadUnaligned(as: ClientInviteTransaction.self)
    }

    @inline(__always)
    func nonInviteMachine(_ record: UnsafeMutablePointer<ClientRecord>) -> ClientNonInviteTransaction {
        UnsafeRawPointer(record).loadUnaligned(as: ClientNonInviteTransaction.self)
    }

    @inline(__always)
    func store<Machine: BitwiseCopyable>(_ machine: Machine, _ record: UnsafeMutablePointer<ClientRecord>) {
        UnsafeMutableRawPointer(record).storeBytes(of: machine, as: Machine.self)
    }

}
