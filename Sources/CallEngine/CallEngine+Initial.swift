import CallTraces
import Glibc
import Measurement
import SIPTransactions
import SIPWire

// A request without a tag: the one that makes a party of a run, a later one of the same call, or one that nobody waits for.
extension CallEngine {
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

    mutating func receiveInitial(_ key: UInt64) {
        guard let base = hand else { return }
        if receiveLaterInitial(key) { return }
        if bound.takesReplaces, scanner.index.has(.replaces), scanner.index.method == .invite {
            receiveReplacing(key)
            return
        }
        let method = scanner.index.method
        // The run that caused it, when that is ours: its Call-ID says so.
        let callID = scanner.index.callID
        var owner: UInt32 = .max
        var scenario: UInt16?
        var run: UInt64 = servedRuns
        var due = now
        if let token = settings.nonce.token(ofCallID: base + Int(callID.offset), length: Int(callID.length)),
            token.worker == settings.worker, let pointer = slots.find(token.slot, generation: token.generation)
        {
            owner = pointer.assumingMemoryBound(to: SlotHeader.self).pointee.owner
            let head = self.header(owner)
            if head.pointee.phase == .settled && head.pointee.legs == 0 { owner = .max }
        }
        if bound.correlates, owner == .max { owner = correlatedRun(answeringParty(method, of: nil)) }
        if owner != .max {
            let head = self.header(owner)
            scenario = self.party(head).pointee.scenario
            run = head.pointee.run
            due = MonotonicInstant(nanoseconds: head.pointee.due)
        }
        guard let number = answeringParty(method, of: scenario) else {
            answerWithoutParty(method)
            return
        }
        // A peer that goes on calling would keep a server that stops for ever.
        guard !isDraining else {
            recorder.countUnexpectedRequest(answeredWith: 503)
            answerStatelessly(503)
            return
        }
        guard let slot = allocateSlot(party: number, run: run, due: due) else {
            recorder.count(.runsWithoutSlot)
            answerStatelessly(503)
            return
        }
        if feeds.count > 0, owner == .max,
            !drawRows(slot, arrival: run &* UInt64(settings.workers) &+ UInt64(settings.worker))
        {
            slots.free(slot)
            recorder.count(.runsWithoutRow)
            answerStatelessly(503)
            return
        }
        let header = self.header(slot)
        if owner != .max {
            header.pointee.owner = owner
            self.header(owner).pointee.legs += 1
            recorder.count(.legsJoined)
            if targets.picks { route(header).pointee = route(self.header(owner)).pointee }
        } else {
            liveRuns += 1
            servedRuns += 1
            recorder.count(.runsStarted)
            recorder.countRun(.started, of: Int(party(header).pointee.scenario))
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
    /// the first that begins with this method; of the scenario that the request comes from, where that is known and has one.
    private mutating func answeringParty(_ method: Method, of scenario: UInt16?) -> Int? {
        guard let base = hand else { return nil }
        let uri = URIView(base, scanner.index.requestURI)
        let bit: UInt32 = 1 &<< UInt32(method.rawValue)
        var found: Int?
        for number in 0..<bound.partyCount {
            let party = bound.parties[number]
            guard party.answers, party.isPlayed, party.takesAnyMethod || party.firstMethods & bit != 0 else { continue }
            if let scenario, party.scenario != scenario { continue }
            let name = bound.partyNames[number]
            if uri.user.length == name.length,
                memcmp(base + Int(uri.user.offset), bound.literals + Int(name.offset), Int(name.length)) == 0
            {
                return number
            }
            if found == nil { found = number }
        }
        if found == nil, scenario != nil { return answeringParty(method, of: nil) }
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
    mutating func answerUnexpected(
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
