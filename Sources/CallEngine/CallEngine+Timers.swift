import Glibc
import Measurement
import SIPTransactions
import SIPWire

extension CallEngine {
    /// Slots that one `advance` looks at before it returns to the transport.
    static let mostFirings = 4096

    /// Fires the timers that are due, a bounded number; call again when `nextDeadline` is still not in the future.
    public mutating func advance(to now: MonotonicInstant) {
        setTime(now)
        hand = nil
        // Timers are told the time rounded down: none fires before its millisecond is over.
        let over = Tick(truncatingIfNeeded: (self.now.nanoseconds &- epoch.nanoseconds) / 1_000_000)
        var left = Self.mostFirings
        while left > 0, !outbound.wantsFlush, let slot = wheel.nextDue(over) {
            fire(slot, over)
            left -= 1
        }
        _ = linger.expire(now: over, atMost: 4096)
        if lossesDue <= over { findLosses() }
        if targets.picks { targets.look(now: self.now.nanoseconds) }
    }

    /// The earliest of a slot's deadlines stands in the wheel. An entry that is too early is left there: it fires, finds
    /// nothing due, and moves. So a message costs no move.
    @inline(__always)
    mutating func settleTimers(_ slot: UInt32) {
        releaseTaken()
        let header = self.header(slot)
        guard header.pointee.generation & 1 == 1, header.pointee.phase != .free else { return }
        let due = nextDue(header)
        if wheel.isScheduled(slot) {
            if header.pointee.wheelTick <= due { return }
        } else if due == .never {
            return
        }
        wheel.schedule(slot, at: due)
    }

    @inline(__always)
    private mutating func nextDue(_ header: UnsafeMutablePointer<SlotHeader>) -> Tick {
        var due = header.pointee.stepDeadline
        if header.pointee.phase == .orphan {
            let record = orphanRecord(header)
            return record.pointee.isActive ? nonInviteMachine(record).deadline : due
        }
        let plan = party(header)
        for number in 0..<clientCount(header) {
            let record = client(header, number)
            guard record.pointee.isActive, record.pointee.template != ClientRecord.raw else { continue }
            let deadline =
                record.pointee.method == .invite ? inviteMachine(record).deadline : nonInviteMachine(record).deadline
            due = min(due, deadline)
        }
        for number in 0..<Int(plan.pointee.servers) {
            let record = server(header, number)
            guard record.pointee.isActive else { continue }
            due = min(due, deadline(of: record))
        }
        return due
    }

    @inline(__always)
    private mutating func deadline(of record: UnsafeMutablePointer<ServerRecord>) -> Tick {
        min(protocolDeadline(of: record), record.pointee.keptUntil)
    }

    /// Without the renewal of its entry in the linger table.
    @inline(__always)
    private mutating func protocolDeadline(of record: UnsafeMutablePointer<ServerRecord>) -> Tick {
        if record.pointee.awaitsAck { return successMachine(record).deadline }
        guard record.pointee.method == .invite else { return serverNonInviteMachine(record).deadline }
        guard record.pointee.status < 200 else { return serverInviteMachine(record).deadline }
        return record.pointee.awaitsPrack ? provisionalMachine(record).deadline : .never
    }

    private mutating func fire(_ slot: UInt32, _ over: Tick) {
        let header = self.header(slot)
        if header.pointee.phase == .orphan {
            fireOrphan(slot, header, over)
            return
        }
        let generation = header.pointee.generation
        let plan = party(header)
        for number in 0..<clientCount(header) {
            let record = client(header, number)
            guard record.pointee.isActive, record.pointee.template != ClientRecord.raw else { continue }
            fire(record, number, slot, header, over)
            // A firing may end the call.
            guard header.pointee.generation == generation, header.pointee.phase != .settled else { return }
        }
        for number in 0..<Int(plan.pointee.servers) {
            let record = server(header, number)
            guard record.pointee.isActive else { continue }
            if record.pointee.keptUntil <= over { renewPending(record) }
            guard protocolDeadline(of: record) <= over else { continue }
            fire(record, slot, header, over)
            guard header.pointee.generation == generation, header.pointee.phase != .settled else { return }
        }
        if header.pointee.stepDeadline <= over { fireStep(slot, header) }
        if header.pointee.generation == generation { settleTimers(slot) }
    }

    private mutating func fire(
        _ record: UnsafeMutablePointer<ClientRecord>, _ number: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>, _ over: Tick
    ) {
        let dialogNumber = Int(record.pointee.dialog)
        if record.pointee.method == .invite {
            var machine = inviteMachine(record)
            guard machine.deadline <= over else { return }
            noteLateness(machine.deadline)
            let effect = machine.fire(now: tick, timers: timers)
            store(machine, record)
            switch effect {
            case .sendAgain:
                recorder.count(.inviteRetransmissionsSent)
                record.pointee.wasRepeated = true
                sendAgain(record, slot, header)
            case .timeOut:
                if targets.picks, turnsElsewhere(.timeout, record, slot, header) { return }
                if dialog(header, dialogNumber).pointee.isOpening {
                    recorder.record(
                        .sessionRequestDelayFailed,
                        nanoseconds: now.nanoseconds &- header.pointee.due &- record.pointee.sent)
                }
                countSessionAnswer(408, dialog(header, dialogNumber))
                release(record)
                // A session that stands is ended by BYE, also when its re-INVITE gets no answer (RFC 3261 §12.2.1.2).
                if dialog(header, dialogNumber).pointee.state != .confirmed {
                    dialog(header, dialogNumber).pointee.state = .terminated
                }
                deliver(.noResponse(client: number, dialog: dialogNumber), slot, header)
            case .terminate, .nothing: break
            }
            return
        }
        var machine = nonInviteMachine(record)
        guard machine.deadline <= over else { return }
        noteLateness(machine.deadline)
        let effect = machine.fire(now: tick, timers: timers)
        store(machine, record)
        switch effect {
        case .sendAgain:
            record.pointee.wasRepeated = true
            recorder.count(.requestRetransmissionsSent)
            sendAgain(record, slot, header)
        case .timeOut:
            if targets.picks, turnsElsewhere(.timeout, record, slot, header) { return }
            if record.pointee.method == .register { recorder.countRegistrationAnswer(status: 408) }
            if record.pointee.method == .bye { dialog(header, dialogNumber).pointee.state = .terminated }
            release(record)
            deliver(.noResponse(client: number, dialog: dialogNumber), slot, header)
        case .terminate, .nothing: break
        }
    }

    private mutating func noteLateness(_ deadline: Tick) {
        let due = epoch.nanoseconds &+ Int64(deadline) &* 1_000_000
        recorder.record(.timerLateness, nanoseconds: max(now.nanoseconds &- due, 0))
    }

    /// The same octets again (RFC 3261 §17.1.1.2).
    private mutating func sendAgain(
        _ record: UnsafeMutablePointer<ClientRecord>, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        let dialogNumber = Int(record.pointee.dialog)
        let dialog = self.dialog(header, dialogNumber)
        let flow = self.flow(ofRequest: record, slot, header)
        if record.pointee.frozen != 0 {
            transmitAgain(record.pointee.frozen, flow: flow, slot: slot, header)
            return
        }
        transmit(
            Int(record.pointee.template),
            Speaker(
                slot: slot, header: header, dialog: dialog, dialogNumber: dialogNumber, serial: record.pointee.serial,
                cseq: record.pointee.cseq), flow: flow, again: true)
    }

    private mutating func fire(
        _ record: UnsafeMutablePointer<ServerRecord>, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>,
        _ over: Tick
    ) {
        let dialogNumber = Int(record.pointee.dialog)
        noteLateness(protocolDeadline(of: record))
        if record.pointee.awaitsAck {
            var machine = successMachine(record)
            let effect = machine.fire(now: tick, timers: timers)
            store(machine, record)
            switch effect {
            case .sendAgain: repeatResponse(slot, header, record, asked: false)
            case .timeOut:
                finish(record)
                deliver(.noAck(dialog: dialogNumber), slot, header)
            case .nothing: break
            }
            return
        }
        if record.pointee.awaitsPrack {
            fireProvisional(record, slot, header)
        } else if record.pointee.method == .invite {
            var machine = serverInviteMachine(record)
            let effect = machine.fire(now: tick, timers: timers)
            store(machine, record)
            switch effect {
            case .sendResponseAgain: repeatResponse(slot, header, record, asked: false)
            case .timeOut:
                finish(record)
                deliver(.noAck(dialog: dialogNumber), slot, header)
            case .terminate: finish(record)
            case .nothing: break
            }
        } else {
            var machine = serverNonInviteMachine(record)
            if machine.fire(now: tick, timers: timers) == .terminate {
                finish(record)
            } else {
                store(machine, record)
            }
        }
        if header.pointee.phase == .closing { closeIfDone(slot, header) }
    }

    private mutating func fireStep(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        noteLateness(header.pointee.stepDeadline)
        header.pointee.stepDeadline = .never
        switch header.pointee.phase {
        case .closing:
            // Nothing more is waited for: what is still open is forgotten.
            let plan = party(header)
            for number in 0..<clientCount(header) where client(header, number).pointee.isActive {
                release(client(header, number))
            }
            for number in 0..<Int(plan.pointee.servers) where server(header, number).pointee.isActive {
                finish(server(header, number))
            }
            closeIfDone(slot, header)
        case .waiting:
            if header.pointee.flags.contains(.pausing) {
                run(slot, header)
                return
            }
            let instruction = bound.instructions[Int(header.pointee.programCounter)]
            guard instruction.operation == .wait else { return }
            if targets.picks { noteSilence(header) }
            if timeoutBranch(slot, header) { return }
            fail(slot, header, .timeout, Int(bound.waits[Int(instruction.a)].dialog))
        case .free, .settled, .orphan: break
        }
    }

    private mutating func fireOrphan(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ over: Tick) {
        let record = orphanRecord(header)
        guard record.pointee.isActive else {
            freeSlot(slot, header)
            return
        }
        var machine = nonInviteMachine(record)
        if machine.deadline <= over {
            let effect = machine.fire(now: tick, timers: timers)
            store(machine, record)
            switch effect {
            case .sendAgain:
                recorder.count(.requestRetransmissionsSent)
                transmitAgain(
                    record.pointee.frozen, flow: Flow(index: dialog(header, 0).pointee.flow), slot: slot, nil)
            case .timeOut, .terminate:
                freeSlot(slot, header)
                return
            case .nothing: break
            }
        }
        settleTimers(slot)
    }

    /// The transport's word on a flow. A refused flow ends the transactions on it at once (RFC 3261 §18.4).
    public mutating func flow(_ flow: Flow, did event: FlowEvent, now: MonotonicInstant) {
        setTime(now)
        hand = nil
        if flow.isStream {
            stream(flow, did: event)
        } else if case .refused(let errno) = event {
            // This machine's own word, not ICMP: the socket has counted it.
            refuse(flow, errno: errno)
        }
    }

    /// An ICMP answer to a datagram we sent to `destination` (RFC 3261 §18.4): `quoted` is the start of that datagram as
    /// far as the kernel gave it back, maybe nothing.
    public mutating func sendFailed(
        to destination: TransportAddress, quoted datagram: UnsafeRawBufferPointer, errno: Int32, now: MonotonicInstant
    ) {
        setTime(now)
        hand = nil
        recorder.count(.icmpErrors)
        // The branch of our own request names the transaction.
        guard let base = datagram.baseAddress else { return }
        var cursor = 0
        let prefix = "z9hG4bK"
        guard
            let found = prefix.utf8CString.withUnsafeBufferPointer({ text in
                findOctets(base, datagram.count, text.baseAddress!, 7)
            })
        else { return }
        cursor = UnsafeRawPointer(found) - base
        guard cursor &+ RunNonce.branchWidth <= datagram.count,
            let token = settings.nonce.token(ofBranch: base + cursor, length: RunNonce.branchWidth),
            token.worker == settings.worker, let pointer = slots.find(token.slot, generation: token.generation)
        else { return }
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        guard header.pointee.phase != .orphan else { return }
        refuse(token.slot, header, errno: errno, from: destination)
    }

    /// A datagram of a call was not sent: it is longer than the path takes whole.
    public mutating func messageWasTooLong(on flow: Flow, owner slot: UInt32, now: MonotonicInstant) {
        setTime(now)
        hand = nil
        recorder.count(.messagesTooLongForPath)
        guard slot != .max, slots.isLive(slot) else { return }
        let header = self.header(slot)
        guard header.pointee.phase == .waiting || header.pointee.phase == .closing else { return }
        refuse(slot, header, errno: EMSGSIZE)
    }

    private mutating func refuse(_ flow: Flow, errno: Int32) {
        // Which calls used the flow is known only by looking: rare, and bounded by the live slots.
        var cursor: UInt32 = 0
        while let slot = slots.nextLive(from: cursor) {
            cursor = slot &+ 1
            let header = self.header(slot)
            guard header.pointee.phase == .waiting || header.pointee.phase == .closing else { continue }
            for number in 0..<clientCount(header) {
                let record = client(header, number)
                guard record.pointee.isActive else { continue }
                if self.flow(ofRequest: record, slot, header) == flow {
                    refuse(slot, header, errno: errno)
                    break
                }
            }
        }
    }

    /// - Parameter origin: the address that the answer is about; nil: not told.
    private mutating func refuse(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, errno: Int32, from origin: TransportAddress? = nil
    ) {
        var hasEnded = false
        for number in 0..<clientCount(header) {
            let record = client(header, number)
            // An INVITE with a provisional response lives: something behind the address answers.
            guard record.pointee.isActive, !record.pointee.provisionalSeen, !record.pointee.isMoved else { continue }
            if targets.picks {
                // A call that has gone on is not refused by where it was before.
                if let origin, origin != address(of: flow(ofRequest: record, slot, header)) { continue }
                if turnsElsewhere(.transport, record, slot, header) { continue }
            }
            if record.pointee.method == .invite {
                countSessionAnswer(503, dialog(header, Int(record.pointee.dialog)))
            }
            if record.pointee.method == .register { recorder.countRegistrationAnswer(status: 503) }
            dialog(header, Int(record.pointee.dialog)).pointee.state = .terminated
            release(record)
            hasEnded = true
        }
        guard hasEnded else {
            if targets.picks { settleTimers(slot) }
            return
        }
        deliver(.refused(errno: errno), slot, header)
        if slots.isLive(slot) { settleTimers(slot) }
    }

    // MARK: RFC 6076

    /// An INVITE that asks for a session has been sent.
    mutating func countSessionAttempt(_ dialog: UnsafeMutablePointer<DialogRecord>) {
        recorder.count(.sessionAttempts)
        dialog.pointee.isOpening = true
    }

    /// An INVITE has followed a 3xx: the attempt that this answered goes on.
    mutating func countRedirection(_ dialog: UnsafeMutablePointer<DialogRecord>) {
        recorder.count(.sessionRedirectionsFollowed)
        dialog.pointee.isOpening = true
    }

    /// The last word on an INVITE. One inside a dialog asks for no session and is in no ratio, whatever became of it.
    mutating func countSessionAnswer(_ status: Int, _ dialog: UnsafeMutablePointer<DialogRecord>) {
        guard dialog.pointee.isOpening else { return }
        dialog.pointee.isOpening = false
        recorder.countSessionAnswer(status: status)
    }

    /// Session request delay: from the INVITE's first octet to the first provisional response but 100, or to the final one
    /// (RFC 6076 §4.3). Once per session.
    mutating func measureSessionRequest(
        _ header: UnsafeMutablePointer<SlotHeader>, _ record: UnsafeMutablePointer<ClientRecord>, _ status: UInt16
    ) {
        let dialog = self.dialog(header, Int(record.pointee.dialog))
        // A re-INVITE asks for no session.
        guard dialog.pointee.isOpening else {
            if status >= 200, status < 300 { recorder.record(.transactionDelay, nanoseconds: elapsed(header, record)) }
            return
        }
        if status >= 200 && status < 300 { header.pointee.answered = tick }
        guard status > 100, !header.pointee.flags.contains(.delayCounted) else { return }
        // A challenge is no failure response, nor is a redirection; the delay spans both.
        guard status != 401, status != 402, status != 407, status < 300 || status >= 400 else { return }
        header.pointee.flags.insert(.delayCounted)
        if status >= 300 {
            recorder.record(.sessionRequestDelayFailed, nanoseconds: elapsed(header, record))
            return
        }
        recorder.record(.sessionRequestDelay, nanoseconds: elapsed(header, record))
        recorder.record(
            .sessionRequestDelayFromDue, nanoseconds: received.nanoseconds &- header.pointee.due)
    }

    @inline(__always)
    private mutating func elapsed(
        _ header: UnsafeMutablePointer<SlotHeader>, _ record: UnsafeMutablePointer<ClientRecord>
    ) -> Int64 {
        received.nanoseconds &- header.pointee.due &- record.pointee.sent
    }

    mutating func measureTransaction(
        _ header: UnsafeMutablePointer<SlotHeader>, _ record: UnsafeMutablePointer<ClientRecord>, _ status: UInt16
    ) {
        let time = elapsed(header, record)
        if callRecords.isOn { noteAnswer(status, to: record.pointee.method, header, at: received) }
        switch record.pointee.method {
        case .bye:
            recorder.record(status < 300 ? .sessionDisconnectDelay : .sessionDisconnectDelayFailed, nanoseconds: time)
            if status < 300 { recorder.count(.sessionsCompleted) }
        case .register:
            recorder.countRegistrationAnswer(status: Int(status))
            if status < 300 {
                let dialog = self.dialog(header, Int(record.pointee.dialog))
                if dialog.pointee.isRegistered { recorder.count(.reregistrationAnswers2xx) }
                dialog.pointee.isRegistered = true
                recorder.record(.registrationRequestDelay, nanoseconds: time)
                if !header.pointee.flags.contains(.dueCounted) {
                    recorder.record(
                        .registrationRequestDelayFromDue, nanoseconds: received.nanoseconds &- header.pointee.due)
                }
            }
            header.pointee.flags.insert(.dueCounted)
        default:
            // Success and failure never share a histogram.
            guard status < 300 else { return }
            recorder.record(.transactionDelay, nanoseconds: time)
            if header.pointee.flags.isDisjoint(with: [.delayCounted, .dueCounted]), header.pointee.answered == 0 {
                header.pointee.flags.insert(.dueCounted)
                recorder.record(
                    .transactionDelayFromDue, nanoseconds: received.nanoseconds &- header.pointee.due)
            }
        }
    }

    /// Session duration: from the 2xx to the BYE (RFC 6076 §4.5).
    mutating func measureSessionEnd(_ header: UnsafeMutablePointer<SlotHeader>) {
        guard header.pointee.answered != 0 else { return }
        recorder.record(
            .sessionDuration, nanoseconds: Int64(tick &- min(header.pointee.answered, tick)) &* 1_000_000)
    }
}
