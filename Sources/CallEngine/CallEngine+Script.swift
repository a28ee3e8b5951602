import CallTraces
import Glibc
import Measurement
import ScenarioDSL
import SIPTransactions
import SIPWire

extension CallEngine {
    /// Instructions that one event may cause: a script that loops without waiting would stall its worker.
    static let mostInstructions = 100_000

    /// Executes a party's script until it waits, pauses or ends.
    mutating func run(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        var left = Self.mostInstructions
        while true {
            let number = Int(header.pointee.programCounter)
            let instruction = bound.instructions[number]
            left -= 1
            if left == 0 {
                fail(slot, header, .endless(steps: UInt32(Self.mostInstructions)), 0)
                return
            }
            switch instruction.operation {
            case .sendRequest:
                header.pointee.programCounter &+= 1
                guard
                    sendRequest(
                        Int(instruction.a), record: Int(instruction.b), dialog: Int(instruction.c), slot, header)
                else {
                    failToSend(slot, header, dialog: Int(instruction.c))
                    return
                }
                recorder.countStep(Int(instruction.step), .sent)
            case .acknowledge:
                header.pointee.programCounter &+= 1
                guard acknowledge(Int(instruction.a), dialog: Int(instruction.c), slot, header) else {
                    failToSend(slot, header, dialog: Int(instruction.c))
                    return
                }
                recorder.countStep(Int(instruction.step), .sent)
            case .sendResponse:
                header.pointee.programCounter &+= 1
                guard sendResponse(Int(instruction.a), record: Int(instruction.b), slot, header) else {
                    failToSend(slot, header, dialog: Int(instruction.c))
                    return
                }
                recorder.countStep(Int(instruction.step), .sent)
            case .sendRaw:
                header.pointee.programCounter &+= 1
                guard sendRaw(Int(instruction.a), record: Int(instruction.b), dialog: Int(instruction.c), slot, header)
                else {
                    failToSend(slot, header, dialog: Int(instruction.c))
                    return
                }
                recorder.countStep(Int(instruction.step), .sent)
            case .wait:
                if beginWait(Int(instruction.a), slot, header) { continue }
                spill(slot, header)
                return
            case .pause:
                if header.pointee.flags.contains(.pausing) {
                    header.pointee.flags.remove(.pausing)
                    header.pointee.stepDeadline = .never
                    header.pointee.programCounter &+= 1
                    continue
                }
                let time = drawDelay(Int(instruction.a), slot, header)
                if time <= 0 {
                    header.pointee.programCounter &+= 1
                    continue
                }
                header.pointee.flags.insert(.pausing)
                header.pointee.stepStarted = tick
                header.pointee.stepDeadline = later(by: time)
                spill(slot, header)
                return
            case .jump: header.pointee.programCounter = UInt16(truncatingIfNeeded: instruction.a)
            case .loopStart:
                textUsed = 0
                let count = evaluate(Int(instruction.b), header, slot).flatMap(Self.number) ?? 0
                if count <= 0 {
                    header.pointee.programCounter = UInt16(truncatingIfNeeded: instruction.c)
                } else {
                    loop(header, Int(instruction.a)).pointee = UInt32(clamping: count)
                    header.pointee.programCounter &+= 1
                }
            case .loopNext:
                let counter = loop(header, Int(instruction.a))
                counter.pointee -= 1
                header.pointee.programCounter =
                    counter.pointee > 0
                    ? UInt16(truncatingIfNeeded: instruction.c) : header.pointee.programCounter &+ 1
            case .branchUnless:
                textUsed = 0
                header.pointee.programCounter =
                    holds(Int(instruction.a), header, slot)
                    ? header.pointee.programCounter &+ 1 : UInt16(truncatingIfNeeded: instruction.c)
            case .capture, .set:
                textUsed = 0
                var value = evaluate(Int(instruction.b), header, slot)
                if value == nil, instruction.operation == .capture, instruction.c >= 0 {
                    value = evaluate(Int(instruction.c), header, slot)
                }
                guard let value else {
                    fail(slot, header, .absent, 0, detail: absence(Int(instruction.b), header, slot))
                    return
                }
                assign(Int(instruction.a), value, header)
                header.pointee.programCounter &+= 1
            case .forget:
                forget(Int(instruction.a), header)
                header.pointee.programCounter &+= 1
            case .require:
                textUsed = 0
                guard holds(Int(instruction.a), header, slot) else {
                    let (evidence, detail) = whyUnmet(Int(instruction.a), header, slot)
                    fail(slot, header, evidence, 0, detail: detail)
                    return
                }
                header.pointee.programCounter &+= 1
            case .mark:
                mark(header, Int(instruction.a)).pointee = momentOfStep()
                header.pointee.programCounter &+= 1
            case .measure:
                let start = mark(header, Int(instruction.b)).pointee
                let end = instruction.c >= 0 ? mark(header, Int(instruction.c)).pointee : momentOfStep()
                recorder.record(.mark(Int(instruction.a)), nanoseconds: end &- start)
                header.pointee.programCounter &+= 1
            case .signal:
                header.pointee.programCounter &+= 1
                signal(Int(instruction.a), slot, header)
            case .fail:
                let text = bound.texts[Int(instruction.a)]
                fail(
                    slot, header, .declared, 0,
                    detail: UnsafeRawBufferPointer(
                        start: bound.literals + Int(text.offset), count: Int(text.length)))
                return
            case .finish:
                owner(slot, header).pointee.outcome = UInt8(truncatingIfNeeded: instruction.a &+ 1)
                close(slot, header)
                return
            case .end:
                close(slot, header)
                return
            }
        }
    }

    /// The message of the step just begun could not be made.
    private mutating func failToSend(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, dialog: Int) {
        header.pointee.programCounter &-= 1
        let evidence = refusal
        refusal = .exhausted
        fail(slot, header, evidence, dialog)
    }

    /// The time of what just happened: the kernel's stamp of the message at hand, else now. From the run's due time.
    private mutating func momentOfStep() -> Int64 { hand == nil ? now.nanoseconds : received.nanoseconds }

    @inline(__always)
    private func loop(_ header: UnsafeMutablePointer<SlotHeader>, _ number: Int) -> UnsafeMutablePointer<UInt32> {
        (UnsafeMutableRawPointer(header) + Int(party(header).pointee.loopOffset) + number &* 4).assumingMemoryBound(
            to: UInt32.self)
    }

    @inline(__always)
    private func mark(_ header: UnsafeMutablePointer<SlotHeader>, _ number: Int) -> UnsafeMutablePointer<Int64> {
        (UnsafeMutableRawPointer(header) + Int(party(header).pointee.markOffset) + number &* 8).assumingMemoryBound(
            to: Int64.self)
    }

    /// The tick at which so many nanoseconds, of a pause, are over.
    private mutating func later(by nanoseconds: Int64) -> Tick {
        let due = (now.nanoseconds &- epoch.nanoseconds &+ nanoseconds &+ 999_999) / 1_000_000
        return min(Tick(clamping: due), .never &- 1)
    }

    // MARK: sending steps

    mutating func sendRequest(
        _ template: Int, record number: Int, dialog dialogNumber: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let plan = bound.templates[template]
        let dialog = self.dialog(header, dialogNumber)
        let record = client(header, number)
        if record.pointee.isActive { release(record) }
        let opens = plan.method == .invite && dialog.pointee.state != .confirmed && dialog.pointee.state != .early
        if opens { renew(dialog, header, dialogNumber) }
        if plan.method == .cancel {
            header.pointee.flags.insert(.cancelled)
            let invite = pendingInvite(header, dialogNumber)
            record.pointee.serial = invite?.pointee.serial ?? dialog.pointee.serial
            record.pointee.cseq = invite?.pointee.cseq ?? dialog.pointee.localCSeq
            if plan.takesInviteRoutes { readRoutes(of: invite, slot, header) }
        } else {
            dialog.pointee.localCSeq &+= 1
            dialog.pointee.serial = (dialog.pointee.serial &+ 1) & 0x7FF
            if dialog.pointee.serial == 0 { dialog.pointee.serial = 1 }
            record.pointee.serial = dialog.pointee.serial
            record.pointee.cseq = dialog.pointee.localCSeq
        }
        record.pointee.template = UInt16(truncatingIfNeeded: template)
        record.pointee.method = plan.method
        record.pointee.dialog = UInt8(truncatingIfNeeded: dialogNumber)
        record.pointee.provisionalSeen = false
        record.pointee.frozen = 0
        record.pointee.sent = now.nanoseconds &- header.pointee.due
        record.pointee.isActive = true
        let speaker = Speaker(
            slot: slot, header: header, dialog: dialog, dialogNumber: dialogNumber, serial: record.pointee.serial,
            cseq: record.pointee.cseq)
        let cancelsOpening = plan.method == .cancel && !plan.isInDialog
        let flow = cancelsOpening || opens ? targetFlow : self.flow(of: dialog)
        let sent =
            plan.isPure
            ? transmit(template, speaker, flow: flow)
            : transmit(template, speaker, flow: flow, keeping: frozenField(record))
        guard sent else {
            release(record)
            return false
        }
        if plan.method == .invite {
            header.pointee.flags.remove(.cancelled)
            dialog.pointee.inviteSerial = record.pointee.serial
            if opens {
                dialog.pointee.ackSerial = 0
                countSessionAttempt(dialog)
            }
            var machine = ClientInviteTransaction()
            machine.start(now: tick, reliable: false, timers: timers)
            store(machine, record)
        } else {
            if plan.method == .register { recorder.count(.registrationAttempts) }
            if plan.method == .bye { measureSessionEnd(header) }
            var machine = ClientNonInviteTransaction()
            machine.start(now: tick, reliable: false, timers: timers)
            store(machine, record)
        }
        return true
    }

    private func frozenField(_ record: UnsafeMutablePointer<ClientRecord>) -> UnsafeMutablePointer<UInt32> {
        (UnsafeMutableRawPointer(record) + MemoryLayout<ClientRecord>.offset(of: \.frozen)!).assumingMemoryBound(
            to: UInt32.self)
    }

    private func frozenField(_ record: UnsafeMutablePointer<ServerRecord>) -> UnsafeMutablePointer<UInt32> {
        (UnsafeMutableRawPointer(record) + MemoryLayout<ServerRecord>.offset(of: \.frozen)!).assumingMemoryBound(
            to: UInt32.self)
    }

    /// A second call in the same dialog record: other Call-ID, other tag, nothing learnt.
    private mutating func renew(
        _ dialog: UnsafeMutablePointer<DialogRecord>, _ header: UnsafeMutablePointer<SlotHeader>, _ number: Int
    ) {
        if dialog.pointee.state == .terminated {
            dialog.pointee.incarnation = (dialog.pointee.incarnation &+ 1) & 0x7FF
            header.pointee.flags.remove(.delayCounted)
        }
        release(&dialog.pointee.learned)
        dialog.pointee.state = .none
        dialog.pointee.remoteTagHash = 0
        dialog.pointee.remoteCSeq = 0
    }

    mutating func pendingInvite(
        _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) -> UnsafeMutablePointer<ClientRecord>? {
        for number in 0..<clientCount(header) {
            let record = client(header, number)
            if record.pointee.isActive, record.pointee.method == .invite, Int(record.pointee.dialog) == dialogNumber {
                return record
            }
        }
        return nil
    }

    /// The ACK to a 2xx. Nothing where there is none to acknowledge: a step may take a refusal as well.
    ///
    /// - Returns: false when it could not be made (`refusal` says why).
    mutating func acknowledge(
        _ template: Int, dialog dialogNumber: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let dialog = self.dialog(header, dialogNumber)
        guard dialog.pointee.state == .confirmed, dialog.pointee.learned != 0 else { return true }
        dialog.pointee.serial = (dialog.pointee.serial &+ 1) & 0x7FF
        if dialog.pointee.serial == 0 { dialog.pointee.serial = 1 }
        dialog.pointee.ackSerial = dialog.pointee.serial
        dialog.pointee.ackTemplate = UInt16(truncatingIfNeeded: template)
        let speaker = Speaker(
            slot: slot, header: header, dialog: dialog, dialogNumber: dialogNumber,
            serial: dialog.pointee.ackSerial, cseq: dialog.pointee.inviteCSeq)
        let flow = Flow(index: dialog.pointee.flow)
        // RFC 6026 Timer M: a 2xx repeated after the call's end still gets this ACK.
        let part = UInt16(truncatingIfNeeded: dialogNumber) &<< 12 | (dialog.pointee.inviteSerial & 0xFFF)
        if bound.templates[template].isPlain {
            // One that the full log did not take is sent when the 2xx is repeated.
            guard transmit(template, speaker, flow: flow) || refusal == .exhausted else {
                dialog.pointee.ackSerial = 0
                return false
            }
            lingerClient(
                slot, header, part, template: UInt16(truncatingIfNeeded: template), acknowledges: true,
                serial: dialog.pointee.ackSerial, queue: acceptedQueue)
            return true
        }
        // One with a body or headers of its own cannot be made again from the 2xx: its octets wait in a slot.
        var frozen: UInt32 = 0
        guard transmit(template, speaker, flow: flow, keeping: &frozen) else {
            // Not acknowledged yet.
            dialog.pointee.ackSerial = 0
            return false
        }
        guard frozen != 0 else { return true }
        _ = lingerOctets(frozen, flow: flow, slot, header, part, wait: timers.acceptedWait, queue: acceptedQueue)
        return true
    }

    private mutating func sendResponse(
        _ template: Int, record number: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let plan = bound.templates[template]
        let record = server(header, number)
        // The INVITE may have been cancelled or the BYE answered for us meanwhile.
        guard record.pointee.isActive, record.pointee.status < 200 else { return true }
        let dialogNumber = Int(record.pointee.dialog)
        let dialog = self.dialog(header, dialogNumber)
        let echo: UnsafeRawPointer
        if record.pointee.echo != 0 {
            echo = UnsafeRawPointer(arena.pointer(.init(raw: record.pointee.echo)))
        } else {
            guard hand != nil else { return false }
            makeEcho()
            echo = UnsafeRawPointer(echoScratch)
        }
        release(&record.pointee.frozen)
        let speaker = Speaker(
            slot: slot, header: header, dialog: dialog, dialogNumber: dialogNumber, serial: 0, cseq: 0, echo: echo,
            status: plan.status)
        let flow = Flow(index: record.pointee.flow)
        let sent =
            plan.isPure
            ? transmit(template, speaker, flow: flow)
            : transmit(template, speaker, flow: flow, keeping: frozenField(record))
        guard sent else { return false }
        record.pointee.template = UInt16(truncatingIfNeeded: template)
        record.pointee.status = plan.status
        recorder.countResponseSent(status: Int(plan.status), method: record.pointee.method)
        if record.pointee.method == .invite {
            if plan.status < 200 {
                var machine = serverInviteMachine(record)
                _ = machine.respond(status: plan.status, now: tick, timers: timers)
                store(machine, record)
            } else if plan.status < 300 {
                record.pointee.awaitsAck = true
                var machine = SuccessRetransmission()
                machine.start(now: tick, timers: timers)
                store(machine, record)
                dialog.pointee.state = .confirmed
                header.pointee.answered = tick
            } else {
                var machine = serverInviteMachine(record)
                _ = machine.respond(status: plan.status, now: tick, timers: timers)
                store(machine, record)
                if dialog.pointee.state != .confirmed { dialog.pointee.state = .terminated }
            }
            return true
        }
        if record.pointee.method == .bye, plan.status < 300 { dialog.pointee.state = .terminated }
        if record.pointee.method == .subscribe, plan.status >= 200, plan.status < 300 {
            dialog.pointee.state = .confirmed
        }
        if plan.status < 200 {
            var machine = serverNonInviteMachine(record)
            _ = machine.respond(status: plan.status, now: tick, timers: timers)
            store(machine, record)
            return true
        }
        if record.pointee.frozen == 0 {
            // The linger table can make it again from the request's own headers.
            if let entry = linger.find(record.pointee.key) {
                entry.pointee.second =
                    entry.pointee.second & ~0xFFFF | UInt64(UInt16(truncatingIfNeeded: template))
            }
        } else {
            keepForRepeats(record)
        }
        finish(record)
        return true
    }

    /// A response that cannot be made again from its request alone waits for repeats of it in a slot of its own
    /// (Timer J), so that the call is not held up.
    private mutating func keepForRepeats(_ record: UnsafeMutablePointer<ServerRecord>) {
        let wait = timers.j(reliable: false)
        guard wait > 0, let entry = linger.find(record.pointee.key) else { return }
        guard let slot = allocateSlot(party: 0, run: 0, due: now) else {
            recorder.count(.overflowRefusals)
            return
        }
        let header = self.header(slot)
        header.pointee.phase = .orphan
        header.pointee.stepDeadline = tick &+ wait
        orphanRecord(header).pointee.frozen = record.pointee.frozen
        record.pointee.frozen = 0
        dialog(header, 0).pointee.flow = record.pointee.flow
        entry.pointee.first = callWord(slot, header)
        wheel.schedule(slot, at: header.pointee.stepDeadline)
    }

    @inline(__always)
    func serverNonInviteMachine(_ record: UnsafeMutablePointer<ServerRecord>) -> ServerNonInviteTransaction {
        UnsafeRawPointer(record).loadUnaligned(as: ServerNonInviteTransaction.self)
    }

    private mutating func sendRaw(
        _ template: Int, record number: Int, dialog dialogNumber: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let plan = bound.templates[template]
        let dialog = self.dialog(header, dialogNumber)
        var echo: UnsafeRawPointer?
        var flow = self.flow(of: dialog)
        if plan.status != 0 {
            for candidate in 0..<Int(party(header).pointee.servers) {
                let record = server(header, candidate)
                guard record.pointee.isActive, record.pointee.method == plan.method else { continue }
                flow = Flow(index: record.pointee.flow)
                if record.pointee.echo != 0 {
                    echo = UnsafeRawPointer(arena.pointer(.init(raw: record.pointee.echo)))
                } else if hand != nil {
                    makeEcho()
                    echo = UnsafeRawPointer(echoScratch)
                }
            }
        }
        dialog.pointee.serial = (dialog.pointee.serial &+ 1) & 0x7FF
        if plan.writesCSeq, plan.method != .ack, plan.method != .cancel, plan.status == 0 {
            dialog.pointee.localCSeq &+= 1
        }
        let speaker = Speaker(
            slot: slot, header: header, dialog: dialog, dialogNumber: dialogNumber, serial: dialog.pointee.serial,
            cseq: plan.method == .ack ? dialog.pointee.inviteCSeq : dialog.pointee.localCSeq, echo: echo,
            status: plan.status)
        var frozen: UInt32 = 0
        let sent =
            number >= 0 && plan.method == .invite
            ? transmit(template, speaker, flow: flow, keeping: &frozen) : transmit(template, speaker, flow: flow)
        guard sent else { return false }
        if number >= 0 {
            // Nothing is sent again for it, and its answer is known by dialog and method, whatever its branch is.
            let record = client(header, number)
            if record.pointee.isActive { release(record) }
            record.pointee.machine = (0, 0)
            record.pointee.method = plan.method
            record.pointee.dialog = UInt8(truncatingIfNeeded: dialogNumber)
            record.pointee.serial = speaker.serial
            record.pointee.cseq = speaker.cseq
            record.pointee.template = ClientRecord.raw
            record.pointee.sent = now.nanoseconds &- header.pointee.due
            record.pointee.frozen = frozen
            record.pointee.isActive = true
            if plan.method == .invite {
                if dialog.pointee.state != .confirmed, dialog.pointee.state != .early { countSessionAttempt(dialog) }
                dialog.pointee.inviteSerial = speaker.serial
                dialog.pointee.inviteCSeq = speaker.cseq
            }
        }
        return true
    }

    // MARK: waiting

    /// Starts a wait; true when a message of the inbox or a signal ends it at once.
    private mutating func beginWait(
        _ number: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let wait = bound.waits[number]
        header.pointee.stepStarted = tick
        header.pointee.stepDeadline = tick.after(wait.limit)
        if wait.kind == .signal {
            let run = owner(slot, header)
            let bit = UInt8(truncatingIfNeeded: 1 &<< Int(wait.signal))
            if run.pointee.signals & bit != 0 {
                header.pointee.stepDeadline = .never
                header.pointee.programCounter &+= 1
                return true
            }
            signalWaiters[header.pointee.owner, default: []].append(slot)
            return false
        }
        if header.pointee.inbox != 0 {
            if takeFromInbox(slot, header) { return true }
            // A BYE that came before this wait did ends it now as one that came later would.
            if let dialog = dialogOfKeptBye(header), awaitsRequestsAlone(header, dialog) {
                fail(slot, header, .request(.bye), dialog)
            }
        }
        return false
    }

    private mutating func signal(_ number: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        let run = owner(slot, header)
        run.pointee.signals |= UInt8(truncatingIfNeeded: 1 &<< number)
        guard let waiters = signalWaiters.removeValue(forKey: header.pointee.owner) else { return }
        let atHand = hand
        hand = nil
        for waiter in waiters where slots.isLive(waiter) {
            let other = self.header(waiter)
            guard other.pointee.owner == header.pointee.owner, other.pointee.phase == .waiting,
                !other.pointee.flags.contains(.pausing)
            else { continue }
            let instruction = bound.instructions[Int(other.pointee.programCounter)]
            guard instruction.operation == .wait else { continue }
            let wait = bound.waits[Int(instruction.a)]
            guard wait.kind == .signal, Int(wait.signal) == number else {
                if wait.kind == .signal { signalWaiters[other.pointee.owner, default: []].append(waiter) }
                continue
            }
            other.pointee.stepDeadline = .never
            other.pointee.programCounter &+= 1
            self.run(waiter, other)
            settleTimers(waiter)
        }
        hand = atHand
    }

    mutating func choice(forRequest method: Method, _ wait: Int, _ dialogNumber: Int) -> Int? {
        let plan = bound.waits[wait]
        guard plan.kind == .message else { return nil }
        for number in Int(plan.firstAlternative)..<Int(plan.firstAlternative) &+ Int(plan.alternativeCount) {
            let choice = bound.choices[number]
            switch choice.kind {
            case .response: continue
            case .anyRequest: if Int(choice.dialog) == dialogNumber && method != .ack { return number }
            case .request:
                guard choice.method == method, Int(choice.dialog) == dialogNumber else { continue }
                if method == .other, choice.methodText >= 0 {
                    let text = bound.texts[Int(choice.methodText)]
                    let range = scanner.index.methodRange
                    guard let base = hand, text.length == range.length,
                        memcmp(
                            base + Int(range.offset), bound.literals + Int(text.offset), Int(text.length)) == 0
                    else { continue }
                }
                return number
            }
        }
        return nil
    }

    /// What a transaction tells the script.
    mutating func deliver(_ event: CallEvent, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        switch header.pointee.phase {
        case .waiting: break
        case .closing:
            deliverWhileClosing(event, slot, header)
            return
        case .free, .settled, .orphan: return
        }
        switch event {
        case .noResponse(let client, let dialog):
            if timeoutBranch(slot, header) { return }
            _ = client
            fail(slot, header, .timeout, dialog)
            return
        case .noAck(let dialog):
            fail(slot, header, .timeout, dialog, owed: .acknowledgement)
            return
        case .refused(let errno):
            fail(slot, header, .transport(errno: errno), 0)
            return
        default: break
        }
        let instruction = bound.instructions[Int(header.pointee.programCounter)]
        guard instruction.operation == .wait else {
            keepOrAbsorb(event, slot, header)
            return
        }
        let wait = bound.waits[Int(instruction.a)]
        switch event {
        case .response(let status, let client, let dialog):
            if wait.kind == .message {
                for number in Int(wait.firstAlternative)..<Int(wait.firstAlternative) &+ Int(wait.alternativeCount) {
                    let choice = bound.choices[number]
                    guard choice.kind == .response, choice.low <= status, status <= choice.high,
                        choice.client < 0 || Int(choice.client) == client, Int(choice.dialog) == dialog
                    else { continue }
                    take(number, slot, header)
                    return
                }
            }
            if status < 200 {
                if wait.kind == .silence && status > 100 {
                    fail(slot, header, .response(status: status), dialog)
                    return
                }
                recorder.count(.provisionalsAbsorbed)
                recorder.countStep(Int(wait.step), .absorbed)
                if Int(wait.awaited) == client, wait.limitAfterProvisional > wait.limit {
                    header.pointee.stepDeadline = header.pointee.stepStarted.after(wait.limitAfterProvisional)
                }
                return
            }
            if Int(wait.awaited) == client || wait.kind == .silence {
                recorder.countStep(Int(wait.step), .unexpected)
                fail(slot, header, .response(status: status), dialog, detail: reasonAtHand())
                return
            }
            keepOrAbsorb(event, slot, header)
        case .request(let method, _, let dialog):
            if let number = choice(forRequest: method, Int(instruction.a), dialog) {
                take(number, slot, header)
                return
            }
            if wait.kind == .silence {
                fail(slot, header, .request(method), dialog)
                return
            }
            keepOrAbsorb(event, slot, header)
        default: break
        }
    }

    mutating func reasonAtHand() -> UnsafeRawBufferPointer {
        guard let base = hand else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let range = scanner.index.reasonPhrase
        return UnsafeRawBufferPointer(start: base + Int(range.offset), count: Int(range.length))
    }

    private mutating func take(_ choice: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        let plan = bound.choices[choice]
        header.pointee.stepDeadline = .never
        recorder.countStep(Int(plan.step), .received)
        header.pointee.programCounter = plan.target
        run(slot, header)
    }

    /// The `OnTimeout` of the wait at hand, when it has one.
    mutating func timeoutBranch(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) -> Bool {
        let instruction = bound.instructions[Int(header.pointee.programCounter)]
        guard instruction.operation == .wait else { return false }
        let wait = bound.waits[Int(instruction.a)]
        guard wait.timeout >= 0 else {
            recorder.countStep(Int(wait.step), .timedOut)
            return false
        }
        header.pointee.stepDeadline = .never
        header.pointee.programCounter = UInt16(truncatingIfNeeded: wait.timeout)
        let atHand = hand
        hand = nil
        run(slot, header)
        hand = atHand
        return true
    }

    /// Keeps what later responses will repeat of requests that are still unanswered, before the message goes.
    mutating func spill(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        guard hand != nil, scanner.index.isRequest else { return }
        for number in 0..<Int(party(header).pointee.servers) {
            let record = server(header, number)
            guard record.pointee.isActive, record.pointee.echo == 0 else { continue }
            // With its octets kept, a final response needs the request no more.
            if record.pointee.status >= 200 && record.pointee.frozen != 0 { continue }
            makeEcho()
            let echo = echoScratch.load(as: RequestEcho.self)
            let handle = arena.store(UnsafeRawBufferPointer(start: echoScratch, count: echo.total))
            record.pointee.echo = handle.raw
            if handle.isNone { recorder.count(.overflowRefusals) }
        }
    }

    // MARK: chance

    /// A number of 64 bits that depends on the seed, the run, the party and the count of draws alone.
    mutating func draw(_ header: UnsafeMutablePointer<SlotHeader>) -> UInt64 {
        header.pointee.draws &+= 1
        var z =
            settings.seed &+ header.pointee.run &* 0x9E37_79B9_7F4A_7C15
            &+ UInt64(header.pointee.party) &* 0xD1B5_4A32_D192_ED03 &+ UInt64(header.pointee.draws)
            &* 0x8CB9_2BA7_2F3D_8DD7
        z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z &>> 31)
    }

    /// In (0, 1).
    private mutating func drawFraction(_ header: UnsafeMutablePointer<SlotHeader>) -> Double {
        (Double(draw(header) &>> 11) + 0.5) * 0x1p-53
    }

    /// A pause in nanoseconds.
    private mutating func drawDelay(
        _ number: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Int64 {
        let plan = bound.delays[number]
        switch plan {
        case .fixed(let time): return DelayPlan.pause(time)
        case .uniform(let low, let high):
            return DelayPlan.pause(Double(low) + drawFraction(header) * (Double(high) - Double(low)))
        case .exponential(let mean): return DelayPlan.pause(-log(drawFraction(header)) * mean)
        case .lognormal(let median, let sigma):
            let radius = sqrt(-2 * log(drawFraction(header)))
            let normal = radius * cos(2 * Double.pi * drawFraction(header))
            return DelayPlan.pause(median * exp(sigma * normal))
        case .weibull(let shape, let scale):
            return DelayPlan.pause(scale * pow(-log(drawFraction(header)), 1 / shape))
        case .empirical(let cumulative, let delays):
            let fraction = drawFraction(header)
            for (index, limit) in cumulative.enumerated() where fraction < limit {
                return DelayPlan.pause(delays[index])
            }
            return DelayPlan.pause(delays.last ?? 0)
        case .value(let node):
            textUsed = 0
            guard let text = evaluate(node, header, slot),
                let time = Seconds(parsing: String(decoding: text, as: UTF8.self))
            else { return 0 }
            return DelayPlan.pause(time.nanoseconds)
        }
    }
}
