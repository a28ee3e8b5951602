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
    private mutating func serverPayload(
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
        let plan = bound.templates[Int(template)]
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
            accept(key, token.slot, header, dialogNumber)
        }
        settleTimers(token.slot)
    }

    /// A request with a tag that leads to no call: a repeat after the call's end, or a stray.
    private mutating func receiveOutsideCall() {
        let method = scanner.index.method
        if method == .ack {
            recorder.count(.ackRetransmissionsReceived)
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
    private mutating func accept(
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
    private mutating func serverRecord(
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
        record.pointee.isActive = true
        record.pointee.flow = responseFlow().index
        record.pointee.keptUntil = tick.after(renewal)
        if method == .invite {
            var machine = ServerInviteTransaction()
            machine.start(reliable: false)
            store(machine, record)
        } else {
            var machine = ServerNonInviteTransaction()
            machine.start(reliable: false)
            store(machine, record)
        }
        linger.insert(
            key,
            serverPayload(
                callWord(slot, header), dialog: dialogNumber, server: number, template: 0xFFFF,
                incarnation: dialog(header, dialogNumber).pointee.incarnation, party: header.pointee.party),
            queue: pendingQueue, now: tick)
    }

    /// A request may wait for its answer, and a 2xx for its ACK, longer than an entry lingers: the CANCEL and the repeats must
    /// still find the transaction.
    mutating func renewPending(_ record: UnsafeMutablePointer<ServerRecord>) {
        record.pointee.keptUntil = tick.after(renewal)
        guard let entry = linger.find(record.pointee.key) else { return }
        let payload = entry.pointee
        linger.insert(record.pointee.key, payload, queue: pendingQueue, now: tick)
    }

    /// The transaction needs its record no more; what repeats of its request come is the linger table's.
    mutating func finish(_ record: UnsafeMutablePointer<ServerRecord>) {
        release(&record.pointee.echo)
        release(&record.pointee.frozen)
        record.pointee.isActive = false
        record.pointee.awaitsAck = false
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

    // MARK: the first request of a party

    /// What a leg is found by when its peer sends without a tag.
    mutating func legKey(_ callID: UnsafeRawPointer, _ count: Int, tagHash: UInt32) -> UInt64 {
        Self.hash(callID, count, seed: UInt64(tagHash))
    }

    /// A request without a tag for a leg that lives: a second REGISTER, an INVITE with credentials.
    private mutating func receiveLaterInitial(_ key: UInt64) -> Bool {
        guard !legs.isEmpty, let base = hand else { return false }
        let index = scanner.index
        let found = legKey(base + Int(index.callID.offset), Int(index.callID.length), tagHash: tagHash(index.from))
        guard let slot = legs[found], slots.isLive(slot) else { return false }
        let header = self.header(slot)
        guard header.pointee.phase == .waiting else { return false }
        trace(slot, header)
        let dialogNumber = waitDialog(header)
        let dialog = self.dialog(header, dialogNumber)
        dialog.pointee.remoteCSeq = index.cseqNumber
        if index.method == .invite, dialog.pointee.state == .terminated || dialog.pointee.state == .none {
            dialog.pointee.incarnation = (dialog.pointee.incarnation &+ 1) & 0x7FF
            dialog.pointee.state = .none
            learn(header, dialogNumber, fromResponse: false)
            dialog.pointee.state = .early
        }
        accept(key, slot, header, dialogNumber)
        settleTimers(slot)
        return true
    }

    private mutating func receiveInitial(_ key: UInt64) {
        guard let base = hand else { return }
        if receiveLaterInitial(key) { return }
        let method = scanner.index.method
        guard let number = answeringParty(method) else {
            answerWithoutParty(method)
            return
        }
        // A peer that goes on calling would keep a server that stops for ever.
        guard !isDraining else {
            recorder.countUnexpectedRequest(answeredWith: 503)
            answerStatelessly(503)
            return
        }
        // The run that caused it, when that is ours: its Call-ID says so.
        let callID = scanner.index.callID
        var owner: UInt32 = .max
        var run: UInt64 = servedRuns
        var due = now
        if let token = settings.nonce.token(ofCallID: base + Int(callID.offset), length: Int(callID.length)),
            token.worker == settings.worker, let pointer = slots.find(token.slot, generation: token.generation)
        {
            let header = pointer.assumingMemoryBound(to: SlotHeader.self)
            owner = header.pointee.owner
            let head = self.header(owner)
            if head.pointee.phase == .settled && head.pointee.legs == 0 { owner = .max }
            if owner != .max {
                run = head.pointee.run
                due = MonotonicInstant(nanoseconds: head.pointee.due)
            }
        }
        guard let slot = allocateSlot(party: number, run: run, due: due) else {
            recorder.count(.runsWithoutSlot)
            answerStatelessly(503)
            return
        }
        let header = self.header(slot)
        if owner != .max {
            header.pointee.owner = owner
            self.header(owner).pointee.legs += 1
            recorder.count(.legsJoined)
        } else {
            liveRuns += 1
            servedRuns += 1
            recorder.count(.runsStarted)
            header.pointee.flags.insert(.countedLive)
            if bound.initiator >= 0 && bound.parties[bound.initiator].isPlayed {
                recorder.count(.legsUnjoined)
                header.pointee.flags.insert(.unjoined)
            }
        }
        trace(slot, header)
        // Up to its first wait the party executes what needs no message; then that wait takes this request.
        let kept = hand
        hand = nil
        self.run(slot, header)
        hand = kept
        guard header.pointee.phase == .waiting else {
            answerStatelessly(500)
            settleTimers(slot)
            return
        }
        let dialogNumber = waitDialog(header)
        let dialog = self.dialog(header, dialogNumber)
        dialog.pointee.remoteCSeq = scanner.index.cseqNumber
        dialog.pointee.remoteTagHash = tagHash(scanner.index.from)
        learn(header, dialogNumber, fromResponse: false)
        if party(header).pointee.takesLaterInitial {
            let range = scanner.index.callID
            legs[
                legKey(base + Int(range.offset), Int(range.length), tagHash: dialog.pointee.remoteTagHash)] = slot
        }
        if method == .invite || method == .subscribe { dialog.pointee.state = .early }
        guard let record = serverRecord(for: method, slot, header, dialogNumber, key) else {
            answerStatelessly(500)
            freeRun(slot, header)
            return
        }
        deliver(.request(method, server: record, dialog: dialogNumber), slot, header)
        settleTimers(slot)
    }

    private mutating func waitDialog(_ header: UnsafeMutablePointer<SlotHeader>) -> Int {
        let instruction = bound.instructions[Int(header.pointee.programCounter)]
        return instruction.operation == .wait ? Int(bound.waits[Int(instruction.a)].dialog) : 0
    }

    /// The party that an initial request brings to life: by the user of its request URI where that is a party's name, else
    /// the first that begins with this method.
    private mutating func answeringParty(_ method: Method) -> Int? {
        guard let base = hand else { return nil }
        let uri = URIView(base, scanner.index.requestURI)
        let bit: UInt32 = 1 &<< UInt32(method.rawValue)
        var found: Int?
        for number in 0..<bound.partyCount {
            let party = bound.parties[number]
            guard party.answers, party.isPlayed, party.takesAnyMethod || party.firstMethods & bit != 0 else { continue }
            let name = bound.partyNames[number]
            if uri.user.length == name.length,
                memcmp(base + Int(uri.user.offset), bound.literals + Int(name.offset), Int(name.length)) == 0
            {
                return number
            }
            if found == nil { found = number }
        }
        return found
    }

    private mutating func answerWithoutParty(_ method: Method) {
        let status: UInt16 =
            switch method {
            case .options: 200
            case .bye, .cancel, .notify, .prack, .update, .info, .refer: 481
            case .other: 501
            default: 405
            }
        recorder.countUnexpectedRequest(answeredWith: Int(status))
        traceStray(.noCall)
        answerStatelessly(status)
    }

    /// A request in the dialog that no step takes now: kept for a later step that wants it, else answered sensibly.
    private mutating func answerUnexpected(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int, _ key: UInt64
    ) {
        let method = scanner.index.method
        let dialog = self.dialog(header, dialogNumber)
        // The called side hangs up a call that we do not know to be answered: its 2xx never came, and its sender has given
        // up waiting for the ACK (RFC 3261 §13.3.1.4). No step can still take the BYE.
        let unansweredInvite =
            method == .bye && dialog.pointee.state != .confirmed ? pendingInvite(header, dialogNumber) : nil
        if header.pointee.phase == .waiting, unansweredInvite == nil, mayWant(method, header, dialogNumber),
            !owner(slot, header).pointee.flags.contains(.drained),
            !(method == .bye && awaitsRequestsAlone(header, dialogNumber)), keepInInbox(slot, header, dialogNumber)
        {
            return
        }
        var status: UInt16
        switch method {
        case .options, .info, .message: status = 200
        // Before any response there is no dialog that a BYE could end (RFC 3261 §12.2.2).
        case .bye: status = unansweredInvite != nil && dialog.pointee.state == .none ? 481 : 200
        case .invite: status = hasPendingInvite(header, dialogNumber) ? 491 : 488
        case .update: status = 488
        case .prack, .notify: status = 481
        case .refer: status = 603
        case .other: status = 501
        default: status = 405
        }
        if header.pointee.phase == .closing && method != .bye { status = 481 }
        recorder.countUnexpectedRequest(answeredWith: Int(status))
        linger.insert(
            key,
            serverPayload(
                callWord(slot, header), dialog: dialogNumber, server: 255, template: Self.firstStatusMark &+ status,
                incarnation: dialog.pointee.incarnation, party: header.pointee.party), queue: repeatedQueue, now: tick)
        answerStatelessly(status)
        guard method == .bye, status == 200 else { return }
        if let unansweredInvite { giveUp(unansweredInvite, dialogNumber, slot, header) }
        dialog.pointee.state = .terminated
        if header.pointee.phase == .waiting {
            // Both hang up at once: the session is over, as both want it, and ours is still to be answered.
            if hasActive(.bye, header, dialogNumber) { return }
            fail(slot, header, .request(.bye), dialogNumber)
        } else if header.pointee.phase == .closing {
            closeIfDone(slot, header)
        }
    }

    /// The dialog of this INVITE is over before its final response came. Nothing is left to be cancelled; a 2xx that was only
    /// slow still gets its ACK (RFC 3261 §13.2.2.4), and no BYE of ours.
    private mutating func giveUp(
        _ invite: UnsafeMutablePointer<ClientRecord>, _ dialogNumber: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        countSessionAnswer(408, dialog(header, dialogNumber))
        dialog(header, dialogNumber).pointee.remoteTagHash = tagHash(scanner.index.from)
        lingerClient(
            slot, header, UInt16(truncatingIfNeeded: dialogNumber) &<< 12 | (invite.pointee.serial & 0xFFF),
            template: invite.pointee.template, acknowledges: true, serial: invite.pointee.serial, queue: acceptedQueue)
        release(invite)
    }

    /// Whether nothing can end the wait at hand but a request of this dialog, so that a BYE, after which none comes, would wait
    /// for its step until the wait's limit.
    mutating func awaitsRequestsAlone(
        _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) -> Bool {
        let instruction = bound.instructions[Int(header.pointee.programCounter)]
        guard !header.pointee.flags.contains(.pausing), instruction.operation == .wait else { return false }
        let wait = bound.waits[Int(instruction.a)]
        guard wait.kind == .message else { return false }
        for number in Int(wait.firstAlternative)..<Int(wait.firstAlternative) &+ Int(wait.alternativeCount) {
            let choice = bound.choices[number]
            guard choice.kind != .response, choice.method != .ack, Int(choice.dialog) == dialogNumber else {
                return false
            }
        }
        return true
    }

    private mutating func hasPendingInvite(_ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int) -> Bool {
        let plan = party(header)
        for number in 0..<clientCount(header) {
            let record = client(header, number)
            if record.pointee.isActive, record.pointee.method == .invite, Int(record.pointee.dialog) == dialogNumber {
                return true
            }
        }
        for number in 0..<Int(plan.pointee.servers) {
            let record = server(header, number)
            if record.pointee.isActive, record.pointee.method == .invite, Int(record.pointee.dialog) == dialogNumber {
                return true
            }
        }
        return false
    }

    // MARK: responding

    /// Where the response to the request at hand goes (RFC 3261 §18.2.2, RFC 3581 §4).
    @inline(__always)
    mutating func responseFlow() -> Flow { viaPath().flow }

    /// What the topmost Via at hand asks for. A peer sends the same Via again and again but for its branch: the answer for
    /// the last one is kept.
    @inline(__always)
    mutating func viaPath() -> ViaPath {
        guard let base = hand else { return ViaPath(flow: targetFlow, isPlain: true) }
        let via = scanner.index.topmostVia
        let branch = topmostBranch(base, via)
        let isLast = branch.length > 0 && branch.end == via.end
        let head = Int(branch.offset &- via.offset)
        if isLast, source == viaSource, head == viaHeadCount, memcmp(base + Int(via.offset), viaHead, head) == 0 {
            return lastViaPath
        }
        let path = readViaPath(base, via)
        if isLast, head > 0, head <= Self.longestViaHead {
            memcpy(viaHead, base + Int(via.offset), head)
            viaHeadCount = head
            viaSource = source
            lastViaPath = path
        }
        return path
    }

    @inline(never)
    private mutating func readViaPath(_ base: UnsafeRawPointer, _ range: OctetRange) -> ViaPath {
        let via = ViaValue(base, range)
        let rport = via.rport
        let host = TransportAddress(base, host: via.host, port: 0)
        let differs = host.map { $0.high != source.high || $0.low != source.low } ?? true
        var address = source
        // The packet's own address, at the port of sent-by: what `received` would say.
        if rport == nil { address.port = via.port == 0 ? 5060 : via.port }
        return ViaPath(flow: flows.flow(to: address), isPlain: !via.isWellFormed || (rport == nil && !differs))
    }

    /// Makes `RequestEcho` of the request at hand, once.
    mutating func makeEcho() {
        guard !echoIsMade, let base = hand else { return }
        echoIsMade = true
        let index = scanner.index
        var out = OctetWriter(echoScratch + RequestEcho.size)
        var isTopmost = true
        var number = 0
        while let found = scanner.number(of: .via, from: number) {
            let value = scanner.header(found).value
            if isTopmost {
                writeTopmostVia(base, value, &out)
                isTopmost = false
            } else {
                out.write("Via: ")
                out.write(base + Int(value.offset), Int(value.length))
                out.write("\r\n")
            }
            number = found &+ 1
        }
        out.write("From: ")
        out.write(base + Int(index.from.offset), Int(index.from.length))
        out.write("\r\nTo: ")
        out.write(base + Int(index.to.offset), Int(index.to.length))
        let head = out.count
        out.write("\r\nCall-ID: ")
        out.write(base + Int(index.callID.offset), Int(index.callID.length))
        out.write("\r\nCSeq: ")
        out.writeNumber(UInt64(index.cseqNumber))
        out.write(" ")
        out.write(base + Int(index.cseqMethodRange.offset), Int(index.cseqMethodRange.length))
        out.write("\r\n")
        let tail = out.count &- head
        number = 0
        if index.has(.recordRoute) {
            while let found = scanner.number(of: .recordRoute, from: number) {
                let value = scanner.header(found).value
                out.write("Record-Route: ")
                out.write(base + Int(value.offset), Int(value.length))
                out.write("\r\n")
                number = found &+ 1
            }
        }
        let echo = RequestEcho(
            headLength: UInt16(clamping: head), tailLength: UInt16(clamping: tail),
            routesLength: UInt16(clamping: out.count &- head &- tail),
            needsTag: tagParameter(base, index.to).length == 0 ? 1 : 0)
        echoScratch.storeBytes(of: echo, as: RequestEcho.self)
    }

    /// The topmost Via with `received` and `rport` where they are due (RFC 3261 §18.2.1, RFC 3581 §4).
    private mutating func writeTopmostVia(_ base: UnsafeRawPointer, _ value: OctetRange, _ out: inout OctetWriter) {
        out.write("Via: ")
        if viaPath().isPlain {
            out.write(base + Int(value.offset), Int(value.length))
            out.write("\r\n")
            return
        }
        let via = ViaValue(base, value)
        let rport = via.rport
        let host = TransportAddress(base, host: via.host, port: 0)
        let differs = host.map { $0.high != source.high || $0.low != source.low } ?? true
        guard via.isWellFormed, rport != nil || differs else {
            out.write(base + Int(value.offset), Int(value.length))
            out.write("\r\n")
            return
        }
        let start = base + Int(value.offset)
        let end = Int(value.length)
        // What the sender says of `received` is not to be believed (RFC 3261 §18.2.1): it is left out.
        var cut = (first: end, past: end)
        if let said = Self.parameter("received", start, to: end) {
            cut = (said.first, said.past)
            while cut.past < end, (start + cut.past).load(as: UInt8.self) != UInt8(ascii: ";") { cut.past &+= 1 }
        }
        func copy(_ from: Int, _ to: Int) {
            let before = min(to, max(from, cut.first))
            out.write(start + from, before &- from)
            let after = max(before, min(to, cut.past))
            out.write(start + after, to &- after)
        }
        var place = via.parameters.length == 0 ? end : Int(via.parameters.offset &- value.offset)
        if rport?.length == 0, let name = Self.parameter("rport", start, to: end) { place = name.past }
        copy(0, place)
        if rport?.length == 0 {
            out.write("=")
            out.writeNumber(UInt64(source.port))
        }
        out.write(";received=")
        withUnsafeTemporaryAllocation(byteCount: TransportAddress.longestText, alignment: 1) { buffer in
            let count = source.write(to: buffer.baseAddress!, withPort: false)
            out.write(UnsafeRawPointer(buffer.baseAddress!), count)
        }
        copy(place, end)
        out.write("\r\n")
    }

    /// Where a parameter of a Via stands: its semicolon, and one past its name. Names are equal in any case (RFC 3261 §7.3.1),
    /// and what looks like one in a quoted string or in another's value is none.
    private static func parameter(
        _ name: StaticString, _ start: UnsafeRawPointer, to: Int
    ) -> (first: Int, past: Int)? {
        let length = name.utf8CodeUnitCount
        let wanted = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
        var isQuoted = false
        var place = 0
        while place < to {
            switch start.load(fromByteOffset: place, as: UInt8.self) {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: "\\") where isQuoted: place &+= 1
            case UInt8(ascii: ";") where !isQuoted:
                var nameStart = place &+ 1
                while nameStart < to, start.load(fromByteOffset: nameStart, as: UInt8.self) <= 0x20 { nameStart &+= 1 }
                let past = nameStart &+ length
                if past <= to, strncasecmp((start + nameStart).assumingMemoryBound(to: CChar.self), wanted, length) == 0
                {
                    let next = past < to ? start.load(fromByteOffset: past, as: UInt8.self) : UInt8(ascii: ";")
                    if next == UInt8(ascii: ";") || next == UInt8(ascii: "=") || next <= 0x20 { return (place, past) }
                }
            default: break
            }
            place &+= 1
        }
        return nil
    }

    private static func find(_ text: StaticString, _ base: UnsafeRawPointer, _ range: OctetRange) -> Int? {
        let found = findOctets(
            base + Int(range.offset), Int(range.length), text.utf8Start, text.utf8CodeUnitCount)
        return found.map { UnsafeRawPointer($0) - (base + Int(range.offset)) }
    }

    /// Answers the request at hand without keeping anything of it (RFC 3261 §8.2.7).
    mutating func answerStatelessly(_ status: UInt16) {
        guard scanner.index.method != .ack, let base = hand else { return }
        // The tag must be the same for every repeat of the request.
        let range = scanner.index.callID
        let hash = Self.hash(base + Int(range.offset), Int(range.length), seed: UInt64(settings.nonce.value))
        answer(status, token: CallToken(call: hash | 0xFF &<< 56, part: 0))
    }

    mutating func answer(_ status: UInt16, token: CallToken, again: Bool = false) {
        guard let place = outbound.reserve() else {
            recorder.count(.sendsDropped)
            return
        }
        makeEcho()
        let echo = echoScratch.load(as: RequestEcho.self)
        let octets = UnsafeRawPointer(echoScratch) + RequestEcho.size
        var out = OctetWriter(place)
        out.write("SIP/2.0 ")
        out.writeNumber(UInt64(status))
        out.write(" ")
        let reason = StatusCode.reasonPhrase(status)
        out.write(reason)
        out.write("\r\n")
        out.write(octets, Int(echo.headLength))
        if echo.needsTag != 0 {
            out.write(";tag=")
            out.write(CallToken(call: token.call ^ tagMask, part: token.part))
        }
        out.write(octets + Int(echo.headLength), Int(echo.tailLength))
        if status == 405 || status == 501 || (status == 200 && scanner.index.method == .options) {
            out.write(
                "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, REGISTER, SUBSCRIBE, NOTIFY, REFER, INFO, UPDATE, PRACK, PUBLISH\r\n"
            )
        }
        out.write("Content-Length: 0\r\n\r\n")
        if !again { recorder.countResponseSent(status: Int(status), method: scanner.index.method) }
        let flow = responseFlow()
        commit(place, out.count, flow: flow, slot: .max, nil, again: again)
    }

    /// Our own final response to an INVITE that the script leaves open.
    mutating func respond(
        _ status: UInt16, to record: UnsafeMutablePointer<ServerRecord>, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        guard record.pointee.isActive, record.pointee.echo != 0, let place = outbound.reserve() else { return }
        let block = UnsafeRawPointer(arena.pointer(.init(raw: record.pointee.echo)))
        let echo = block.load(as: RequestEcho.self)
        let octets = block + RequestEcho.size
        var out = OctetWriter(place)
        out.write("SIP/2.0 ")
        out.writeNumber(UInt64(status))
        out.write(" ")
        out.write(StatusCode.reasonPhrase(status))
        out.write("\r\n")
        out.write(octets, Int(echo.headLength))
        if echo.needsTag != 0 {
            out.write(";tag=")
            let incarnation = dialog(header, Int(record.pointee.dialog)).pointee.incarnation & 0xFFF
            out.write(
                CallToken(
                    call: callWord(slot, header) ^ tagMask, part: UInt16(record.pointee.dialog) &<< 12 | incarnation))
        }
        out.write(octets + Int(echo.headLength), Int(echo.tailLength))
        out.write("Content-Length: 0\r\n\r\n")
        recorder.countResponseSent(status: Int(status), method: record.pointee.method)
        release(&record.pointee.frozen)
        record.pointee.frozen = keep(UnsafeRawBufferPointer(start: place, count: out.count))
        record.pointee.template = 0xFFFF
        record.pointee.status = status
        commit(place, out.count, flow: Flow(index: record.pointee.flow), slot: slot, header, again: false)
        if record.pointee.method == .invite {
            var machine = serverInviteMachine(record)
            _ = machine.respond(status: status, now: tick, timers: timers)
            store(machine, record)
        } else {
            remember(status, record.pointee.key)
            finish(record)
        }
    }

    /// Repeats of the request with this key get this status from now on.
    mutating func remember(_ status: UInt16, _ key: UInt64) {
        guard let entry = linger.find(key) else { return }
        entry.pointee.second = entry.pointee.second & ~0xFFFF | UInt64(Self.firstStatusMark &+ status)
    }

    /// Sends the last response of a transaction again.
    mutating func repeatResponse(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ record: UnsafeMutablePointer<ServerRecord>,
        asked: Bool
    ) {
        guard record.pointee.status != 0 else { return }
        // A 2xx to an INVITE is repeated by its own timer alone (RFC 6026 §7.1: the repeated INVITE is absorbed).
        if asked && record.pointee.awaitsAck { return }
        recorder.count(.responseRetransmissionsSent)
        let flow = Flow(index: record.pointee.flow)
        if record.pointee.frozen != 0 {
            transmitAgain(record.pointee.frozen, flow: flow, slot: slot, header)
            return
        }
        guard record.pointee.template != 0xFFFF else { return }
        let echo: UnsafeRawPointer
        if record.pointee.echo != 0 {
            echo = UnsafeRawPointer(arena.pointer(.init(raw: record.pointee.echo)))
        } else {
            guard hand != nil else { return }
            makeEcho()
            echo = UnsafeRawPointer(echoScratch)
        }
        let dialogNumber = Int(record.pointee.dialog)
        transmit(
            Int(record.pointee.template),
            Speaker(
                slot: slot, header: header, dialog: dialog(header, dialogNumber), dialogNumber: dialogNumber, serial: 0,
                cseq: 0, echo: echo), flow: flow, again: true)
    }

    @inline(__always)
    func serverInviteMachine(_ record: UnsafeMutablePointer<ServerRecord>) -> ServerInviteTransaction {
        UnsafeRawPointer(record).loadUnaligned(as: ServerInviteTransaction.self)
    }

    @inline(__always)
    func successMachine(_ record: UnsafeMutablePointer<ServerRecord>) -> SuccessRetransmission {
        UnsafeRawPointer(record).loadUnaligned(as: SuccessRetransmission.self)
    }

    @inline(__always)
    func store<Machine: BitwiseCopyable>(_ machine: Machine, _ record: UnsafeMutablePointer<ServerRecord>) {
        UnsafeMutableRawPointer(record).storeBytes(of: machine, as: Machine.self)
    }

    // MARK: learning

    /// Where in-dialog requests go: request URI, Route lines and address, from Contact and Record-Route of the message at
    /// hand (RFC 3261 §12.1). The texts stand in `textScratch` or in the message until the next use of either.
    mutating func learnPath(reversed: Bool) -> (
        target: UnsafeRawBufferPointer, routes: UnsafeRawBufferPointer, next: TransportAddress?
    ) {
        guard let base = hand else { return (.init(start: nil, count: 0), .init(start: nil, count: 0), nil) }
        let contact = scanner.index.contact
        var target = OctetRange.none
        var next: TransportAddress?
        if contact.length > 0 {
            // A peer's Contact is mostly the one of its last call: what was read then is kept.
            if Int(contact.length) == contactCount, memcmp(base + Int(contact.offset), contactText, contactCount) == 0 {
                target = OctetRange(offset: contact.offset &+ contactTarget.offset, length: contactTarget.length)
                next = contactAddress
            } else {
                target = NameAddress(base, contact, inList: true).uri
                next = URIView(base, target).address()
                if contact.length <= UInt32(Self.longestViaHead), target.length > 0 {
                    memcpy(contactText, base + Int(contact.offset), Int(contact.length))
                    contactCount = Int(contact.length)
                    contactTarget = OctetRange(offset: target.offset &- contact.offset, length: target.length)
                    contactAddress = next
                }
            }
        }
        if target.length == 0 {
            // A peer without Contact: its identity is all there is.
            target = NameAddress(base, reversed ? scanner.index.to : scanner.index.from).uri
            next = URIView(base, target).address()
        }
        var targetText = UnsafeRawBufferPointer(start: base + Int(target.offset), count: Int(target.length))
        guard scanner.index.has(.recordRoute) else { return (targetText, .init(start: nil, count: 0), next) }
        var count = 0
        var number = 0
        while let found = scanner.number(of: .recordRoute, from: number), count < Self.mostRoutes {
            var list = NameAddressList(base, scanner.header(found).value)
            while let one = list.next(), count < Self.mostRoutes {
                guard one.uri.length > 0 else { continue }
                routeRanges[count] = one.uri
                count &+= 1
            }
            number = found &+ 1
        }
        guard count > 0 else { return (targetText, .init(start: nil, count: 0), next) }
        let first = routeRanges[reversed ? count &- 1 : 0]
        let view = URIView(base, first)
        next = view.address()
        var out = OctetWriter(textScratch)
        func write(_ route: OctetRange, _ out: inout OctetWriter) {
            guard out.count &+ Int(route.length) < 60_000 else { return }
            out.write("Route: <")
            out.write(base + Int(route.offset), Int(route.length))
            out.write(">\r\n")
        }
        // A strict router wants its own URI as the request URI and the target as the last Route (§12.2.1.1).
        let isStrict = !view.isLooseRouter
        for place in (isStrict ? 1 : 0)..<count { write(routeRanges[reversed ? count &- 1 &- place : place], &out) }
        if isStrict {
            write(target, &out)
            targetText = UnsafeRawBufferPointer(start: base + Int(first.offset), count: Int(first.length))
        }
        return (targetText, UnsafeRawBufferPointer(start: textScratch, count: out.count), next)
    }

    /// Learns tag, remote target, route set (and on the called side identities and Call-ID) from the message at hand.
    mutating func learn(_ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int, fromResponse: Bool) {
        guard let base = hand else { return }
        let index = scanner.index
        let dialog = self.dialog(header, dialogNumber)
        let path = learnPath(reversed: fromResponse)
        let tag: OctetRange
        let identity: OctetRange
        var callID = OctetRange.none
        var local = OctetRange.none
        if fromResponse {
            tag = tagParameter(base, index.to)
            if templates(header, dialog: dialogNumber).isServer {
                // A target refresh by our own re-INVITE: identities stay, the target moves.
                refreshTarget(dialog, path.target, path.next)
                return
            }
            // The route set is fixed by the first response that makes the dialog; a 2xx may only move the target.
            if dialog.pointee.state == .confirmed, dialog.pointee.learned != 0 {
                refreshTarget(dialog, path.target, path.next)
                return
            }
            identity = tag
        } else {
            tag = tagParameter(base, index.from)
            identity = index.from
            callID = index.callID
            local = index.to
        }
        if fromResponse { dialog.pointee.remoteTagHash = tagHash(index.to) }
        store(
            dialog, callID: callID, identity: identity, local: local, tag: tag, target: path.target,
            routes: path.routes)
        dialog.pointee.flow = (path.next.map { flows.flow(to: $0) } ?? flows.flow(to: source)).index
    }

    private mutating func store(
        _ dialog: UnsafeMutablePointer<DialogRecord>, callID: OctetRange, identity: OctetRange, local: OctetRange,
        tag: OctetRange, target: UnsafeRawBufferPointer, routes: UnsafeRawBufferPointer
    ) {
        guard let base = hand else { return }
        var identityNumber: UInt16 = 0
        var rest = identity
        if callID.length > 0, tag.length > 0 {
            let head = tag.offset &- identity.offset
            identityNumber = texts.number(of: base + Int(identity.offset), Int(head))
            if identityNumber != 0 { rest = OctetRange(offset: tag.offset, length: identity.length &- head) }
        }
        let localNumber = texts.number(of: base + Int(local.offset), Int(local.length))
        let ownLocal = localNumber == 0 ? Int(local.length) : 0
        let targetNumber = target.baseAddress.map { texts.number(of: $0, target.count) } ?? 0
        let ownTarget = targetNumber == 0 ? target.count : 0
        let total =
            LearnedDialog.size &+ Int(callID.length) &+ Int(rest.length) &+ ownLocal &+ routes.count &+ ownTarget
        guard total < 65_536 else {
            recorder.count(.overflowRefusals)
            return
        }
        if dialog.pointee.learned != 0, arena.capacity(.init(raw: dialog.pointee.learned)) < total {
            release(&dialog.pointee.learned)
        }
        if dialog.pointee.learned == 0 {
            dialog.pointee.learned = arena.allocate(total).raw
            guard dialog.pointee.learned != 0 else {
                recorder.count(.overflowRefusals)
                return
            }
        }
        let block = arena.pointer(.init(raw: dialog.pointee.learned))
        var out = OctetWriter(block + LearnedDialog.size)
        out.write(base + Int(callID.offset), Int(callID.length))
        let identityAt = LearnedDialog.size &+ out.count
        out.write(base + Int(rest.offset), Int(rest.length))
        out.write(base + Int(local.offset), ownLocal)
        out.write(routes.baseAddress, routes.count)
        let targetAt = LearnedDialog.size &+ out.count
        out.write(target.baseAddress, ownTarget)
        block.storeBytes(
            of: LearnedDialog(
                callIDLength: UInt16(truncatingIfNeeded: callID.length), identityNumber: identityNumber,
                identityLength: UInt16(truncatingIfNeeded: rest.length), localNumber: localNumber,
                localLength: UInt16(truncatingIfNeeded: ownLocal),
                routesLength: UInt16(truncatingIfNeeded: routes.count),
                tagOffset: UInt16(truncatingIfNeeded: identityAt &+ Int(tag.offset &- rest.offset)),
                tagLength: UInt16(truncatingIfNeeded: tag.length), targetNumber: targetNumber,
                targetOffset: UInt16(truncatingIfNeeded: targetAt), targetLength: UInt16(truncatingIfNeeded: ownTarget)),
            as: LearnedDialog.self)
    }

    /// The peer's new Contact after a target refresh (RFC 3261 §12.2.1.2); the route set stays.
    mutating func refreshTarget(
        _ dialog: UnsafeMutablePointer<DialogRecord>, _ target: UnsafeRawBufferPointer, _ next: TransportAddress?
    ) {
        guard scanner.index.contact.length > 0, dialog.pointee.learned != 0, let octets = target.baseAddress else {
            return
        }
        let old = arena.pointer(.init(raw: dialog.pointee.learned))
        var learned = old.load(as: LearnedDialog.self)
        let known =
            learned.targetNumber != 0
            ? texts.text(learned.targetNumber)
            : UnsafeRawBufferPointer(start: old + Int(learned.targetOffset), count: Int(learned.targetLength))
        if known.count == target.count, memcmp(known.baseAddress!, octets, target.count) == 0 { return }
        let keep = learned.routesOffset &+ Int(learned.routesLength)
        learned.targetNumber = texts.number(of: octets, target.count)
        let own = learned.targetNumber == 0 ? target.count : 0
        guard keep &+ own < 65_536 else { return }
        let handle = arena.allocate(keep &+ own)
        guard !handle.isNone else {
            recorder.count(.overflowRefusals)
            return
        }
        let block = arena.pointer(handle)
        memcpy(block, old, keep)
        memcpy(block + keep, octets, own)
        learned.targetOffset = UInt16(truncatingIfNeeded: keep)
        learned.targetLength = UInt16(truncatingIfNeeded: own)
        block.storeBytes(of: learned, as: LearnedDialog.self)
        release(&dialog.pointee.learned)
        dialog.pointee.learned = handle.raw
        if learned.routesLength == 0, let next { dialog.pointee.flow = flows.flow(to: next).index }
    }
}

/// What a topmost Via asks of its response.
struct ViaPath {
    var flow: Flow
    /// Nothing is to be added: no `received`, no `rport`.
    var isPlain: Bool
}
