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
        if isMerged(key, header) {
            // A tag of no call: the ACK must not find the transaction that goes on.
            let token = statelessToken(base)
            linger.insert(
                key,
                serverPayload(
                    token.call, dialog: 0, server: 255, template: Self.firstStatusMark &+ 482, incarnation: 0,
                    party: header.pointee.party), queue: repeatedQueue, now: tick)
            recorder.countUnexpectedRequest(answeredWith: 482)
            answer(482, token: token)
            return true
        }
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

    /// Whether the request at hand, whose leg is known, has come before by another way: the same CSeq as a request that is still
    /// unanswered or unacknowledged, and another branch (RFC 3261 §8.2.2.2).
    private mutating func isMerged(_ key: UInt64, _ header: UnsafeMutablePointer<SlotHeader>) -> Bool {
        for number in 0..<Int(party(header).pointee.servers) {
            let record = server(header, number)
            if record.pointee.isActive, record.pointee.key != key, record.pointee.method == scanner.index.method,
                record.pointee.cseq == scanner.index.cseqNumber
            {
                return true
            }
        }
        return false
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
        if pendingInvite(header, dialogNumber) != nil { return true }
        for number in 0..<Int(party(header).pointee.servers) {
            let record = server(header, number)
            if record.pointee.isActive, record.pointee.method == .invite, Int(record.pointee.dialog) == dialogNumber {
                return true
            }
        }
        return false
    }
}
