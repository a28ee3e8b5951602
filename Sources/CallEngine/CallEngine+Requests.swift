import CallTraces
import Glibc
import Measurement
import SIPTransactions
import SIPWire

extension CallEngine {
    mutating func receiveRequest() {
        guard let base = hand else { return }
        let index = scanner.index
        if let token = ownTag(index.to) {
            receiveInDialog(token)
            return
        }
        if tagParameter(base, index.to).length > 0 {
            receiveOutsideCall()
            return
        }
        let key = serverKey(index.method)
        linger.prefetch(key)
        if index.method == .cancel {
            receiveCancel(nil)
            return
        }
        // What a new request will need is made while the line comes.
        makeEcho()
        if let entry = linger.find(key), receiveAgain(key, entry.pointee) { return }
        if index.method == .ack {
            recorder.count(.strayRequests)
            return
        }
        receiveInitial(key)
    }

    // MARK: which transaction

    /// Branch, sent-by and method of the request at hand (RFC 3261 §17.2.3). A CANCEL and an ACK to a refusal are asked for
    /// with the INVITE's method.
    mutating func serverKey(_ method: Method) -> UInt64 {
        guard let base = hand else { return 0 }
        let via = scanner.index.topmostVia
        let branch = topmostBranch(base, via)
        if branch.length > 7 {
            // The branch is unique by itself where it has the cookie; sent-by guards against two clients that share it.
            let hash = Self.hash(
                base + Int(branch.offset), Int(branch.length), seed: keySeed &+ UInt64(method.rawValue))
            let sentBy = Self.hash(
                base + Int(via.offset), min(Int(branch.offset &- via.offset), 64), seed: hash)
            return sentBy | 1
        }
        // RFC 2543 peers: the whole identity of the request.
        let index = scanner.index
        var hash = Self.hash(base + Int(via.offset), Int(via.length), seed: keySeed &+ UInt64(method.rawValue))
        hash = Self.hash(base + Int(index.callID.offset), Int(index.callID.length), seed: hash)
        hash = Self.hash(base + Int(index.from.offset), Int(index.from.length), seed: hash)
        return (hash ^ UInt64(index.cseqNumber)) | 1
    }

    /// In place of a template the linger table keeps the status of a response that no template made, from here on.
    static let firstStatusMark: UInt16 = 0xFC00

    /// What the linger table keeps of a server transaction, from the moment its request came.
    mutating func serverPayload(
        _ call: UInt64, dialog: Int, server: Int, template: UInt16, incarnation: UInt16, party: UInt8
    ) -> LingerTable.Payload {
        .init(
            first: call,
            second: UInt64(template) | UInt64(UInt8(truncatingIfNeeded: dialog)) &<< 16
                | UInt64(UInt8(truncatingIfNeeded: server)) &<< 24 | UInt64(incarnation) &<< 32
                | UInt64(party) &<< 48 | 1 &<< 63,
            third: scanner.index.cseqNumber)
    }

    /// A request whose key is known: a retransmission. Returns false when the entry is none of a server transaction.
    private mutating func receiveAgain(
        _ key: UInt64, _ payload: LingerTable.Payload, isTraced: Bool = false
    ) -> Bool {
        guard payload.second &>> 63 == 1 else { return false }
        let isInvite = scanner.index.method == .invite
        recorder.count(isInvite ? .inviteRetransmissionsReceived : .requestRetransmissionsReceived)
        let slot = UInt32(truncatingIfNeeded: payload.first &>> 32) & 0xFF_FFFF
        let generation = UInt32(truncatingIfNeeded: payload.first)
        let number = Int(payload.second &>> 24 & 0xFF)
        if let pointer = slots.find(slot, generation: generation) {
            let header = pointer.assumingMemoryBound(to: SlotHeader.self)
            if header.pointee.phase == .orphan {
                recorder.count(.responseRetransmissionsSent)
                transmitAgain(
                    orphanRecord(header).pointee.frozen, flow: Flow(index: dialog(header, 0).pointee.flow), slot: slot,
                    nil)
                return true
            }
            if !isTraced { trace(slot, header) }
            if number < Int(party(header).pointee.servers) {
                let record = server(header, number)
                if record.pointee.isActive, record.pointee.key == key {
                    repeatResponse(slot, header, record, asked: true)
                    return true
                }
            }
        }
        // Timers J and L: answered from its own headers. A repeated INVITE is absorbed (RFC 6026 §7.1).
        let template = UInt16(truncatingIfNeeded: payload.second)
        guard template != 0xFFFF else { return true }
        if template >= Self.firstStatusMark {
            recorder.count(.responseRetransmissionsSent)
            answer(
                template &- Self.firstStatusMark,
                token: CallToken(
                    call: payload.first,
                    part: UInt16(truncatingIfNeeded: payload.second &>> 16 & 0xF) &<< 12
                        | UInt16(truncatingIfNeeded: payload.second &>> 32) & 0xFFF), again: true)
            return true
        }
        guard !isInvite else { return true }
        answerAgain(template, payload)
        return true
    }

    private mutating func answerAgain(_ template: UInt16, _ payload: LingerTable.Payload) {
        let place = outbound.reserve()
        guard let place, let base = hand else {
            recorder.count(.sendsDropped)
            return
        }
        _ = base
        makeEcho()
        let plan = bound.templates[bound.variant(of: Int(template), over: responseFlow())]
        // No value of the call is left: only a template of literals and the request's own headers can be made again.
        var out = OctetWriter(place)
        for number in 0..<Int(plan.pieceCount) {
            let piece = bound.pieces[Int(plan.firstPiece) + number]
            switch piece.kind {
            case .literal: out.write(UnsafeRawPointer(bound.literals) + Int(piece.offset), Int(piece.length))
            case .echo:
                let echo = echoScratch.load(as: RequestEcho.self)
                let octets = UnsafeRawPointer(echoScratch) + RequestEcho.size
                out.write(octets, Int(echo.headLength))
                if echo.needsTag != 0 {
                    out.write(";tag=")
                    out.write(
                        CallToken(
                            call: payload.first ^ tagMask,
                            part: UInt16(truncatingIfNeeded: payload.second &>> 16 & 0xF) &<< 12
                                | UInt16(truncatingIfNeeded: payload.second &>> 32) & 0xFFF))
                }
                out.write(
                    octets + Int(echo.headLength),
                    Int(echo.tailLength) &+ (piece.argument != 0 ? Int(echo.routesLength) : 0))
            default: return
            }
        }
        recorder.count(.responseRetransmissionsSent)
        commit(place, out.count, flow: responseFlow(), slot: .max, nil, again: true)
    }

    // MARK: in a dialog

    private mutating func receiveInDialog(_ token: CallToken) {
        let index = scanner.index
        guard token.worker == settings.worker, let pointer = slots.find(token.slot, generation: token.generation)
        else {
            receiveOutsideCall()
            return
        }
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        let plan = party(header)
        let dialogNumber = token.dialog
        guard header.pointee.phase != .orphan, dialogNumber < Int(plan.pointee.dialogs),
            token.serial == dialog(header, dialogNumber).pointee.incarnation & 0xFFF,
            isOurs(callIDOf: token.slot, header, dialogNumber)
        else {
            receiveOutsideCall()
            return
        }
        trace(token.slot, header)
        let dialog = self.dialog(header, dialogNumber)
        if dialog.pointee.remoteTagHash != 0, tagHash(index.from) != dialog.pointee.remoteTagHash {
            if index.method != .ack { answerStatelessly(481) }
            recorder.count(.strayRequests)
            return
        }
        switch index.method {
        case .ack:
            receiveAck(token.slot, header, dialogNumber)
        case .cancel:
            receiveCancel((token.slot, header))
        default:
            let key = serverKey(index.method)
            linger.prefetch(key)
            makeEcho()
            // A number not higher than the last one is a retransmission, or out of order (RFC 3261 §12.2.2).
            if dialog.pointee.remoteCSeq != 0, index.cseqNumber <= dialog.pointee.remoteCSeq {
                if let entry = linger.find(key), receiveAgain(key, entry.pointee, isTraced: true) {
                    settleTimers(token.slot)
                    return
                }
                if index.cseqNumber < dialog.pointee.remoteCSeq {
                    answerStatelessly(500)
                    recorder.countUnexpectedRequest(answeredWith: 500)
                    return
                }
            }
            dialog.pointee.remoteCSeq = index.cseqNumber
            if index.method == .prack { receivePrack(header, dialogNumber) }
            accept(key, token.slot, header, dialogNumber)
        }
        settleTimers(token.slot)
    }

    /// A request with a tag that leads to no call: a repeat after the call's end, or a stray.
    private mutating func receiveOutsideCall() {
        let method = scanner.index.method
        if method == .ack {
            if !receiveAckOfRefusal() { recorder.count(.ackRetransmissionsReceived) }
            return
        }
        let key = serverKey(method)
        if let entry = linger.find(key), receiveAgain(key, entry.pointee) { return }
        recorder.count(.strayRequests)
        traceStray(.noCall)
        if method == .cancel {
            answerStatelessly(481)
            return
        }
        answerStatelessly(481)
        recorder.countUnexpectedRequest(answeredWith: 481)
    }

    /// The ACK to a refusal is its transaction's (RFC 3261 §17.2.3): its tag is that of the refusal, and the same party may have
    /// gone on to another INVITE and another tag since.
    ///
    /// - Returns: false when it ends none.
    private mutating func receiveAckOfRefusal() -> Bool {
        let key = serverKey(.invite)
        guard let payload = linger.find(key)?.pointee, payload.second &>> 63 == 1 else { return false }
        let slot = UInt32(truncatingIfNeeded: payload.first &>> 32) & 0xFF_FFFF
        guard let pointer = slots.find(slot, generation: UInt32(truncatingIfNeeded: payload.first)) else {
            return false
        }
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        let number = Int(payload.second &>> 24 & 0xFF)
        guard header.pointee.phase != .orphan, number < Int(party(header).pointee.servers) else { return false }
        let record = server(header, number)
        guard record.pointee.isActive, record.pointee.key == key, record.pointee.status >= 300 else { return false }
        trace(slot, header)
        finish(record)
        if header.pointee.phase == .closing { closeIfDone(slot, header) }
        if slots.isLive(slot) { settleTimers(slot) }
        return true
    }

    private mutating func receiveAck(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) {
        let plan = party(header)
        let cseq = scanner.index.cseqNumber
        for number in 0..<Int(plan.pointee.servers) {
            let record = server(header, number)
            guard record.pointee.isActive, record.pointee.method == .invite, record.pointee.cseq == cseq,
                record.pointee.dialog == UInt8(truncatingIfNeeded: dialogNumber), record.pointee.status >= 200
            else { continue }
            if record.pointee.awaitsAck {
                finish(record)
                deliver(.request(.ack, server: -1, dialog: dialogNumber), slot, header)
            } else {
                // The ACK to a refusal belongs to the transaction (RFC 3261 §17.2.1); Timer I absorbs more of them, and so
                // does the linger table.
                finish(record)
                if header.pointee.phase == .closing { closeIfDone(slot, header) }
            }
            return
        }
        recorder.count(.ackRetransmissionsReceived)
    }

    /// A request that opens a transaction in a call: finds it a record and tells the script.
    mutating func accept(
        _ key: UInt64, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) {
        let method = scanner.index.method
        guard let number = serverRecord(for: method, slot, header, dialogNumber, key) else {
            answerUnexpected(slot, header, dialogNumber, key)
            return
        }
        deliver(.request(method, server: number, dialog: dialogNumber), slot, header)
    }

    /// The record that the wait at hand keeps such a request in; nil when it does not take it.
    mutating func serverRecord(
        for method: Method, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int,
        _ key: UInt64
    ) -> Int? {
        guard header.pointee.phase == .waiting else { return nil }
        if !header.pointee.flags.contains(.pausing) {
            let instruction = bound.instructions[Int(header.pointee.programCounter)]
            if instruction.operation == .wait, let choice = choice(forRequest: method, Int(instruction.a), dialogNumber)
            {
                let number = Int(bound.choices[choice].server)
                guard number >= 0, number < Int(party(header).pointee.servers) else { return nil }
                let record = server(header, number)
                if !record.pointee.isActive {
                    open(record, key, method, slot, header, dialogNumber, number)
                    return number
                }
            }
        }
        // A later step may want it: it waits in the inbox, unanswered, when the script has such a step at all.
        return nil
    }

    mutating func open(
        _ record: UnsafeMutablePointer<ServerRecord>, _ key: UInt64, _ method: Method, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int, _ number: Int
    ) {
        record.pointee.key = key
        record.pointee.cseq = scanner.index.cseqNumber
        record.pointee.method = method
        record.pointee.dialog = UInt8(truncatingIfNeeded: dialogNumber)
        record.pointee.template = 0xFFFF
        record.pointee.status = 0
        record.pointee.echo = 0
        record.pointee.frozen = 0
        record.pointee.awaitsAck = false
        record.pointee.awaitsPrack = false
        record.pointee.isActive = true
        let flow = responseFlow()
        record.pointee.flow = flow.index
        let isShort = isRememberedShortly(record)
        record.pointee.keptUntil = tick.after(isShort ? streamRenewal : renewal)
        if method == .invite {
            var machine = ServerInviteTransaction()
            machine.start(reliable: flow.isStream)
            store(machine, record)
        } else {
            var machine = ServerNonInviteTransaction()
            machine.start(reliable: flow.isStream)
            store(machine, record)
        }
        linger.insert(
            key,
            serverPayload(
                callWord(slot, header), dialog: dialogNumber, server: number, template: 0xFFFF,
                incarnation: dialog(header, dialogNumber).pointee.incarnation, party: header.pointee.party),
            queue: isShort ? streamQueue : pendingQueue, now: tick)
    }

    /// Timer J is 0 over a stream (RFC 3261 §17.2.2): nothing repeats the request. Timer L of an INVITE is not (RFC 6026 §7.1).
    @inline(__always)
    private func isRememberedShortly(_ record: UnsafeMutablePointer<ServerRecord>) -> Bool {
        Flow(index: record.pointee.flow).isStream && record.pointee.method != .invite
    }

    /// A request may wait for its answer, and a 2xx for its ACK, longer than an entry lingers: the CANCEL and the repeats must
    /// still find the transaction.
    mutating func renewPending(_ record: UnsafeMutablePointer<ServerRecord>) {
        let isShort = isRememberedShortly(record)
        record.pointee.keptUntil = tick.after(isShort ? streamRenewal : renewal)
        guard let entry = linger.find(record.pointee.key) else { return }
        let payload = entry.pointee
        linger.insert(record.pointee.key, payload, queue: isShort ? streamQueue : pendingQueue, now: tick)
    }

    /// The transaction needs its record no more; what repeats of its request come is the linger table's.
    mutating func finish(_ record: UnsafeMutablePointer<ServerRecord>) {
        release(&record.pointee.echo)
        release(&record.pointee.frozen)
        record.pointee.isActive = false
        record.pointee.awaitsAck = false
        record.pointee.awaitsPrack = false
    }

    // MARK: CANCEL

    private mutating func receiveCancel(_ known: (UInt32, UnsafeMutablePointer<SlotHeader>)?) {
        let key = serverKey(.cancel)
        if let entry = linger.find(key), receiveAgain(key, entry.pointee, isTraced: known != nil) { return }
        let inviteKey = serverKey(.invite)
        guard let entry = linger.find(inviteKey), entry.pointee.second &>> 63 == 1 else {
            recorder.count(.strayRequests)
            answerStatelessly(481)
            return
        }
        let payload = entry.pointee
        let slot = UInt32(truncatingIfNeeded: payload.first &>> 32) & 0xFF_FFFF
        guard let pointer = slots.find(slot, generation: UInt32(truncatingIfNeeded: payload.first)) else {
            answerStatelessly(481)
            recorder.count(.strayRequests)
            return
        }
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        if known == nil { trace(slot, header) }
        let number = Int(payload.second &>> 24 & 0xFF)
        let dialogNumber = Int(payload.second &>> 16 & 0xF)
        let record = number < Int(party(header).pointee.servers) ? server(header, number) : nil
        let isPending =
            record.map { $0.pointee.isActive && $0.pointee.key == inviteKey && $0.pointee.status < 200 } ?? false
        // One that crossed our 200 changes nothing, but a script may wait for it.
        let isLate = record.map { $0.pointee.isActive && $0.pointee.key == inviteKey && $0.pointee.awaitsAck } ?? false
        if isPending || isLate, let cancel = serverRecord(for: .cancel, slot, header, dialogNumber, key) {
            deliver(.request(.cancel, server: cancel, dialog: dialogNumber), slot, header)
            if isLate { answerLateCancel(key, cancel, slot, UInt32(truncatingIfNeeded: payload.first)) }
            settleTimers(slot)
            return
        }
        // RFC 3261 §9.2: answered 200 in any case; an INVITE without a final response gets its 487.
        let incarnation = dialog(header, dialogNumber).pointee.incarnation
        linger.insert(
            key,
            serverPayload(
                payload.first, dialog: dialogNumber, server: 255, template: Self.firstStatusMark &+ 200,
                incarnation: incarnation, party: header.pointee.party), queue: repeatedQueue, now: tick)
        answer(
            200,
            token: CallToken(
                call: payload.first, part: UInt16(dialogNumber) &<< 12 | (incarnation & 0xFFF)))
        recorder.countUnexpectedRequest(answeredWith: 200)
        if isPending, let record {
            respond(487, to: record, slot, header)
            fail(slot, header, .request(.cancel), dialogNumber)
        }
        settleTimers(slot)
    }

    /// RFC 3261 §9.2: also a CANCEL that changes nothing gets its 200. Where the script, which has come to rest, has not
    /// sent one, we do.
    private mutating func answerLateCancel(_ key: UInt64, _ number: Int, _ slot: UInt32, _ generation: UInt32) {
        guard let pointer = slots.find(slot, generation: generation) else { return }
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        guard header.pointee.phase == .waiting || header.pointee.phase == .closing else { return }
        let record = server(header, number)
        guard record.pointee.isActive, record.pointee.key == key, record.pointee.status < 200 else { return }
        respond(200, to: record, slot, header)
        if header.pointee.phase == .closing { closeIfDone(slot, header) }
    }
}
