import CallTraces
import Glibc
import Measurement
import SIPTransactions
import SIPWire

extension CallEngine {
    // MARK: failing

    /// The run has failed at the instruction at hand: reported once per run, then ended cleanly towards the peer.
    mutating func fail(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ got: FailureEvidence, _ dialogNumber: Int,
        detail: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        owed: GeneralExpectation = .answer
    ) {
        let run = owner(slot, header)
        // What a party meets because its run is being hung up is no failure of the peer's.
        if !run.pointee.flags.contains(.failed), !run.pointee.flags.contains(.drained) {
            run.pointee.flags.insert(.failed)
            if got == .timeout {
                reportSilence(slot, header, run, dialogNumber, owed)
            } else {
                report(slot, header, run, got, dialogNumber, detail, owed)
            }
        }
        close(slot, header)
    }

    /// Nothing came that the script could go on with: why, as far as it is known.
    private mutating func reportSilence(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ run: UnsafeMutablePointer<SlotHeader>,
        _ dialogNumber: Int, _ owed: GeneralExpectation
    ) {
        if let misfit = misfits[slot] {
            misfit.text.withUnsafeBytes { report(slot, header, run, .misfit, dialogNumber, $0, owed) }
        } else {
            let got: FailureEvidence = isUnread(slot, header, dialogNumber) ? .unread : .timeout
            report(slot, header, run, got, dialogNumber, UnsafeRawBufferPointer(start: nil, count: 0), owed)
        }
    }

    private mutating func report(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ run: UnsafeMutablePointer<SlotHeader>,
        _ got: FailureEvidence, _ dialogNumber: Int, _ detail: UnsafeRawBufferPointer,
        _ owed: GeneralExpectation
    ) {
        let number = Int(header.pointee.programCounter)
        let instruction = bound.instructions[number]
        var step = Int(instruction.step)
        var expectation = expectationOfInstruction[number] ?? general(got, owed)
        var since = header.pointee.stepStarted
        if instruction.operation == .wait {
            step = Int(bound.waits[Int(instruction.a)].step)
            expectation = Int(bound.waits[Int(instruction.a)].expectation)
        } else if instruction.operation != .pause {
            since = tick
        }
        switch got {
        case .endless:
            expectation = general(got, owed)
            since = tick
        case .value where instruction.operation == .pause:
            expectation = firstGeneralExpectation + GeneralExpectation.time.rawValue
        // The step may well have waited for this response.
        case .contact, .routes, .secure: expectation = general(got, owed)
        default: break
        }
        recorder.countStep(step, .failed)
        let after = Int64(tick &- min(since, tick)) &* 1_000_000
        let dialog = self.dialog(header, min(dialogNumber, max(Int(party(header).pointee.dialogs) - 1, 0)))
        let flow = self.flow(of: dialog, slot, header)
        let (rows, remote, local) = (rowsOfRun(run), address(of: flow), ownAddress(of: flow))
        withIdentity(slot, header, dialogNumber) { engine, callID, tag in
            engine.recorder.fail(
                FailureReport(
                    run: run.pointee.run, step: step, expectation: expectation, got: got, detail: detail,
                    callID: callID, fromTag: tag, local: local, remote: remote,
                    afterNanoseconds: after, at: engine.now, rows: rows))
        }
        if !traces.isOff {
            // What came, where something came: the transaction may have answered it since.
            traces.markFailure(run.pointee.trace, at: hand == nil ? 0 : handOrdinal)
            let numbers = TraceVerdict(
                step: UInt32(step), expected: UInt32(expectation), got: got.code, afterNanoseconds: after)
            verdicts[header.pointee.owner] = (numbers, [UInt8](detail.prefix(FailureReport.longestText)))
        }
    }

    /// What was expected where no step says it.
    private func general(_ got: FailureEvidence, _ owed: GeneralExpectation) -> Int {
        let expectation: GeneralExpectation =
            switch got {
            case .request(.cancel): .noCancel
            case .request, .response: .quiet
            case .timeout, .unread, .misfit: owed
            case .transport: .reachable
            case .endless: .rest
            case .contact: .contact
            case .routes: .routes
            case .secure: .secure
            case .value, .absent, .malformed, .declared, .exhausted, .missing, .tooLarge, .noMediaPort: .progress
            }
        return firstGeneralExpectation + expectation.rawValue
    }

    // MARK: closing

    /// The script has ended, well or not. What it left open is ended: a pending INVITE cancelled, a call hung up, a request
    /// answered; then the slot is free.
    mutating func close(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        guard header.pointee.phase == .waiting else { return }
        header.pointee.phase = .closing
        header.pointee.flags.remove(.pausing)
        if header.pointee.flags.contains(.undrained) {
            header.pointee.flags.remove(.undrained)
            undrained -= 1
        }
        // What is ended for the script has as long as a transaction may last, twice: an INVITE and its BYE.
        header.pointee.stepDeadline = tick.after(timers.timeout).after(timers.timeout).after(1000)
        let plan = party(header)
        // Responses that may have to be sent again outlive the message at hand.
        spill(slot, header)
        for number in 0..<Int(plan.pointee.servers) {
            let record = server(header, number)
            guard record.pointee.isActive, record.pointee.status < 200 else { continue }
            let drained = owner(slot, header).pointee.flags.contains(.drained)
            // A CANCEL that found its INVITE is answered 200 (RFC 3261 §9.2).
            respond(record.pointee.method == .cancel ? 200 : drained ? 480 : 500, to: record, slot, header)
        }
        if header.pointee.inbox != 0 { answerInbox(slot, header) }
        for number in 0..<Int(plan.pointee.dialogs) { closeDialog(number, slot, header) }
        closeIfDone(slot, header)
    }

    private mutating func closeDialog(
        _ number: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        let plan = templates(header, dialog: number)
        guard plan.hasInvite else { return }
        let dialog = self.dialog(header, number)
        if let invite = pendingInvite(header, number) {
            if invite.pointee.provisionalSeen { cancelPending(invite, number, slot, header) }
            return
        }
        guard dialog.pointee.state == .confirmed, dialog.pointee.learned != 0 else { return }
        if !plan.isServer, dialog.pointee.ackSerial == 0, plan.acknowledge >= 0 {
            // As the script has it; where that cannot be made, an ACK all the same (RFC 3261 §13.2.2.4).
            if !acknowledge(Int(plan.acknowledge), dialog: number, slot, header) {
                _ = acknowledge(Int(plan.plainAcknowledge), dialog: number, slot, header)
            }
        }
        guard !awaitsAck(header, number), !hasActive(.bye, header, number), plan.bye >= 0 else { return }
        guard let record = freeClient(header) else { return }
        sendClosing(Int(plan.bye), .bye, record, number, slot, header)
    }

    private mutating func cancelPending(
        _ invite: UnsafeMutablePointer<ClientRecord>, _ number: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        guard !hasActive(.cancel, header, number), !header.pointee.flags.contains(.cancelled),
            let record = freeClient(header)
        else { return }
        sendCancel(of: invite, record, number, slot, header)
    }

    /// A CANCEL made from the INVITE's own octets (RFC 3261 §9.1), which goes where that went.
    private mutating func sendCancel(
        of invite: UnsafeMutablePointer<ClientRecord>, _ number: Int, _ dialogNumber: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        let dialog = self.dialog(header, dialogNumber)
        let isReinvite = dialog.pointee.state == .confirmed
        guard let place = outbound.reserve() else {
            recorder.count(.sendsDropped)
            return
        }
        guard let octets = octets(of: invite, slot, header) else { return }
        let length = writeCompanion("CANCEL", of: octets, place)
        guard length > 0 else { return }
        let frozen = keep(UnsafeRawBufferPointer(start: place, count: length))
        // What could not be sent again is not sent at all.
        guard frozen != 0 else { return }
        header.pointee.flags.insert(.cancelled)
        let record = client(header, number)
        record.pointee.serial = invite.pointee.serial
        record.pointee.cseq = invite.pointee.cseq
        record.pointee.template = isReinvite ? ClientRecord.cancelsReinvite : ClientRecord.cancelsInvite
        record.pointee.method = .cancel
        record.pointee.dialog = UInt8(truncatingIfNeeded: dialogNumber)
        record.pointee.provisionalSeen = false
        record.pointee.wasRepeated = false
        record.pointee.frozen = frozen
        record.pointee.sent = now.nanoseconds &- header.pointee.due
        record.pointee.isActive = true
        record.pointee.isMoved = invite.pointee.isMoved
        let way =
            isReinvite ? self.flow(of: dialog, slot, header) : openingFlow(dialog, dialogNumber, slot, header)
        let flow = invite.pointee.isMoved ? stream(beside: way) : way
        var machine = ClientNonInviteTransaction()
        machine.start(now: tick, reliable: flow.isStream, timers: timers)
        store(machine, record)
        commit(place, length, flow: flow, slot: slot, header, again: false)
    }

    private mutating func sendClosing(
        _ template: Int, _ method: Method, _ number: Int, _ dialogNumber: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        _ = sendRequest(template, record: number, dialog: dialogNumber, slot, header)
    }

    /// A client record for what ends the call; one from the arena where the script's are all in use.
    private mutating func freeClient(_ header: UnsafeMutablePointer<SlotHeader>) -> Int? {
        for number in 0..<clientCount(header) where !client(header, number).pointee.isActive { return number }
        guard !header.pointee.flags.contains(.overflow) else { return nil }
        let handle = arena.allocate(ClientRecord.size)
        guard !handle.isNone else {
            recorder.count(.overflowRefusals)
            return nil
        }
        memset(arena.pointer(handle), 0, ClientRecord.size)
        header.pointee.inbox = handle.raw
        header.pointee.flags.insert(.overflow)
        return clientCount(header) - 1
    }

    mutating func hasActive(_ method: Method, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int)
        -> Bool
    {
        for number in 0..<clientCount(header) {
            let record = client(header, number)
            if record.pointee.isActive, record.pointee.method == method, Int(record.pointee.dialog) == dialogNumber {
                return true
            }
        }
        return false
    }

    private mutating func awaitsAck(_ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int) -> Bool {
        for number in 0..<Int(party(header).pointee.servers) {
            let record = server(header, number)
            if record.pointee.isActive, record.pointee.awaitsAck, Int(record.pointee.dialog) == dialogNumber {
                return true
            }
        }
        return false
    }

    mutating func deliverWhileClosing(
        _ event: CallEvent, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        switch event {
        case .response(_, _, let dialog), .request(_, _, let dialog): closeDialog(dialog, slot, header)
        case .noAck(let dialog):
            // RFC 3261 §13.3.1.4: without an ACK the session is ended all the same.
            closeDialog(dialog, slot, header)
        case .noResponse(_, let dialog):
            if self.dialog(header, dialog).pointee.state == .confirmed {
                closeDialog(dialog, slot, header)
            } else {
                self.dialog(header, dialog).pointee.state = .terminated
            }
        case .refused, .signal: break
        }
        closeIfDone(slot, header)
    }

    mutating func closeIfDone(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        guard header.pointee.phase == .closing else { return }
        let plan = party(header)
        for number in 0..<clientCount(header) where client(header, number).pointee.isActive { return }
        for number in 0..<Int(plan.pointee.servers) where server(header, number).pointee.isActive { return }
        endLeg(slot, header)
    }

    /// The party is done. The run ends with its last party.
    private mutating func endLeg(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        let ownerSlot = header.pointee.owner
        let run = self.header(ownerSlot)
        run.pointee.legs -= 1
        header.pointee.stepDeadline = .never
        if ownerSlot != slot { freeSlot(slot, header) } else { header.pointee.phase = .settled }
        if run.pointee.legs == 0 {
            if run.pointee.phase == .settled {
                endRun(ownerSlot, run)
            } else {
                run.pointee.legs = 0
            }
        } else if isDraining, ownerSlot == slot {
            drainMissed = true
        }
    }

    private mutating func endRun(_ slot: UInt32, _ run: UnsafeMutablePointer<SlotHeader>) {
        let flags = run.pointee.flags
        if flags.contains(.countedLive) {
            liveRuns -= 1
            endedRuns += 1
            let scenario = Int(party(run).pointee.scenario)
            if flags.contains(.failed) {
                recorder.count(.runsFailed)
                recorder.countRun(.failed, of: scenario)
                if targets.picks { countEnd(ofRun: run, .failed) }
            } else if flags.contains(.drained) {
                recorder.count(.runsDrained)
                recorder.countRun(.drained, of: scenario)
                if targets.picks { countEnd(ofRun: run, .drained) }
            } else {
                recorder.count(.runsSucceeded)
                recorder.countRun(.succeeded, of: scenario)
                if targets.picks { countEnd(ofRun: run, .succeeded) }
            }
            if run.pointee.outcome > 0 { recorder.countOutcome(Int(run.pointee.outcome) - 1) }
            if callRecords.isOn {
                keepRecord(
                    slot, run, flags.contains(.failed) ? .failed : flags.contains(.drained) ? .drained : .succeeded)
            }
        }
        if !traces.isOff {
            if flags.contains(.failed) { endFailedTrace(slot, run) } else { traces.endWell(&run.pointee.trace) }
        }
        if !correlationsOfRun.isEmpty { forgetCorrelations(slot) }
        if !signalWaiters.isEmpty { signalWaiters.removeValue(forKey: slot) }
        if feeds.count > 0 { giveBackRows(run) }
        freeSlot(slot, run)
    }

    private mutating func endFailedTrace(_ slot: UInt32, _ run: UnsafeMutablePointer<SlotHeader>) {
        let verdict = verdicts.removeValue(forKey: slot)
        traces.endFailed(
            &run.pointee.trace,
            verdict: verdict?.numbers ?? TraceVerdict(step: 0, expected: 0, got: 0, afterNanoseconds: 0),
            detail: verdict?.detail ?? [])
    }

    /// A run that never came to anything (an initial request its party does not take).
    mutating func freeRun(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        header.pointee.phase = .closing
        closeIfDone(slot, header)
    }

    mutating func freeSlot(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        wheel.cancel(slot)
        if header.pointee.phase == .orphan {
            release(&orphanRecord(header).pointee.frozen)
        } else {
            let plan = party(header)
            if plan.pointee.takesLaterInitial { forgetLeg(header) }
            for number in 0..<Int(plan.pointee.dialogs) { release(&dialog(header, number).pointee.learned) }
            for number in 0..<clientCount(header) { release(&client(header, number).pointee.frozen) }
            for number in 0..<Int(plan.pointee.servers) {
                release(&server(header, number).pointee.echo)
                release(&server(header, number).pointee.frozen)
            }
            for number in 0..<Int(plan.pointee.variables) { forget(number, header) }
            if plan.pointee.hasCredentials { forgetSecurity(header) }
            if bound.hasMedia { giveBackMedia(header) }
            if header.pointee.flags.contains(.overflow) {
                release(&header.pointee.inbox)
            } else if header.pointee.inbox != 0 {
                emptyInbox(header)
            }
        }
        if lanes.isPerCall { closeConnection(slot, header) }
        if !misfits.isEmpty { misfits[slot] = nil }
        header.pointee.phase = .free
        slots.free(slot)
    }

    private mutating func forgetLeg(_ header: UnsafeMutablePointer<SlotHeader>) {
        let dialog = self.dialog(header, 0)
        guard dialog.pointee.learned != 0 else { return }
        let block = arena.pointer(.init(raw: dialog.pointee.learned))
        let learned = block.load(as: LearnedDialog.self)
        legs.removeValue(
            forKey: legKey(
                block + LearnedDialog.size, Int(learned.callIDLength), tagHash: dialog.pointee.remoteTagHash))
    }

    // MARK: draining

    /// Cancels or hangs up up to `count` runs in progress; drained runs are an outcome of their own. From the first call on
    /// no run begins.
    ///
    /// A run is hung up by its owner; the other parties hear of it from the wire. Those that outlive their owner are hung up
    /// one by one.
    ///
    /// - Returns: how many are still to be hung up. What has been and waits for its last answers is not among them.
    public mutating func drain(_ count: Int, now: MonotonicInstant) -> Int {
        setTime(now)
        hand = nil
        if !isDraining || drainMissed { chooseWhatToDrain() }
        var left = count
        while left > 0, undrained > 0, let slot = slots.nextLive(from: drainCursor) {
            drainCursor = slot &+ 1
            let header = self.header(slot)
            guard header.pointee.flags.contains(.undrained) else { continue }
            let run = owner(slot, header)
            if !run.pointee.flags.contains(.failed) { run.pointee.flags.insert(.drained) }
            close(slot, header)
            if slots.isLive(slot) { settleTimers(slot) }
            left -= 1
        }
        return undrained
    }

    /// Marks what is to be hung up. Once over all slots, so that each portion costs what it hangs up and no more.
    private mutating func chooseWhatToDrain() {
        isDraining = true
        drainMissed = false
        drainCursor = 0
        var cursor: UInt32 = 0
        while let slot = slots.nextLive(from: cursor) {
            cursor = slot &+ 1
            let header = self.header(slot)
            guard header.pointee.phase == .waiting, !header.pointee.flags.contains(.undrained),
                header.pointee.owner == slot || self.header(header.pointee.owner).pointee.phase == .settled
            else { continue }
            header.pointee.flags.insert(.undrained)
            undrained += 1
        }
    }

    /// Runs still live when the worker stops: cut off. Those that have failed and were only still being ended have failed, and
    /// what was kept of their messages is written.
    public mutating func cutOff() {
        if callRecords.isOn {
            keepRecordsOfLiveRuns()
            flushRecords()
        }
        var cursor: UInt32 = 0
        while let slot = slots.nextLive(from: cursor) {
            cursor = slot &+ 1
            let run = header(slot)
            guard run.pointee.phase != .orphan, run.pointee.owner == slot, run.pointee.flags.contains(.failed) else {
                continue
            }
            if run.pointee.flags.contains(.countedLive) {
                run.pointee.flags.remove(.countedLive)
                liveRuns -= 1
                endedRuns += 1
                recorder.count(.runsFailed)
                recorder.countRun(.failed, of: Int(party(run).pointee.scenario))
                if targets.picks { countEnd(ofRun: run, .failed) }
            }
            if !traces.isOff { endFailedTrace(slot, run) }
        }
        recorder.count(.runsCutOff, by: liveRuns)
    }
}
