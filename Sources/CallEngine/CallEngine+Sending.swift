import CallTraces
import Glibc
import Measurement
import SIPTransactions
import SIPWire

// The steps that send: requests, responses, ACKs and raw messages.
extension CallEngine {
    mutating func sendRequest(
        _ template: Int, record number: Int, dialog dialogNumber: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let plan = bound.templates[template]
        let dialog = self.dialog(header, dialogNumber)
        let record = client(header, number)
        if record.pointee.isActive { release(record) }
        let opens = plan.method == .invite && dialog.pointee.state != .confirmed && dialog.pointee.state != .early
        if opens {
            // What a Contact is read from may be what is forgotten next.
            guard plan.redirect < 0 || follow(Int(plan.redirect), dialog, dialogNumber, slot, header) else {
                return false
            }
            renew(dialog, header, dialogNumber, isRedirected: plan.redirect >= 0)
            if bound.hasMedia { renewMedia(header, dialogNumber) }
            if plan.formed >= 0 { goWhereURILeads(Int(plan.formed), dialog, dialogNumber, slot, header) }
        }
        record.pointee.isMoved = false
        if plan.method == .cancel {
            header.pointee.flags.insert(.cancelled)
            let invite = pendingInvite(header, dialogNumber)
            // It goes where the INVITE went (RFC 3261 §9.1).
            record.pointee.isMoved = invite?.pointee.isMoved ?? false
            record.pointee.serial = invite?.pointee.serial ?? dialog.pointee.serial
            record.pointee.cseq = invite?.pointee.cseq ?? dialog.pointee.localCSeq
            if plan.readsInvite { readInvite(invite, slot, header) }
        } else {
            dialog.pointee.localCSeq &+= 1
            dialog.pointee.serial = (dialog.pointee.serial &+ 1) & 0x7FF
            if dialog.pointee.serial == 0 { dialog.pointee.serial = 1 }
            record.pointee.serial = dialog.pointee.serial
            record.pointee.cseq = dialog.pointee.localCSeq
        }
        // A redirected INVITE goes on with the attempt of the first one: delays count from that.
        let goesOn =
            plan.redirect >= 0 && record.pointee.method == .invite && Int(record.pointee.dialog) == dialogNumber
        record.pointee.template = UInt16(truncatingIfNeeded: template)
        record.pointee.method = plan.method
        record.pointee.dialog = UInt8(truncatingIfNeeded: dialogNumber)
        record.pointee.provisionalSeen = false
        record.pointee.wasRepeated = false
        record.pointee.frozen = 0
        if !goesOn { record.pointee.sent = now.nanoseconds &- header.pointee.due }
        record.pointee.isActive = true
        let speaker = Speaker(
            slot: slot, header: header, dialog: dialog, dialogNumber: dialogNumber, serial: record.pointee.serial,
            cseq: record.pointee.cseq)
        let cancelsOpening = plan.method == .cancel && !plan.isInDialog
        var flow =
            cancelsOpening || opens
            ? openingFlow(dialog, dialogNumber, slot, header) : self.flow(of: dialog, slot, header)
        if record.pointee.isMoved { flow = stream(beside: flow) }
        let sent: Bool
        if plan.mayBeAuthorized, security(header).pointee.challenges != 0 {
            sent = transmitAuthorized(template, speaker, flow: flow, keeping: frozenField(record))
        } else {
            sent =
                plan.isPure
                ? transmit(template, speaker, flow: flow)
                : transmit(template, speaker, flow: flow, keeping: frozenField(record))
        }
        guard sent else {
            release(record)
            return false
        }
        if speaking != flow { flow = noteMove(record) }
        if plan.method == .invite {
            header.pointee.flags.remove(.cancelled)
            dialog.pointee.inviteSerial = record.pointee.serial
            if opens {
                dialog.pointee.ackSerial = 0
                if plan.redirect >= 0 { countRedirection(dialog) } else { countSessionAttempt(dialog) }
            }
            var machine = ClientInviteTransaction()
            machine.start(now: tick, reliable: flow.isStream, timers: timers)
            store(machine, record)
        } else {
            if plan.method == .register {
                recorder.count(.registrationAttempts)
                if dialog.pointee.isRegistered { recorder.count(.reregistrationAttempts) }
            }
            if plan.method == .bye {
                measureSessionEnd(header)
                if bound.hasMedia { endMedia(header, Int(plan.dialog)) }
            }
            var machine = ClientNonInviteTransaction()
            machine.start(now: tick, reliable: flow.isStream, timers: timers)
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

    /// A second call in the same dialog record: other Call-ID, other tag, nothing learnt. A redirected INVITE has those of
    /// the first.
    private mutating func renew(
        _ dialog: UnsafeMutablePointer<DialogRecord>, _ header: UnsafeMutablePointer<SlotHeader>, _ number: Int,
        isRedirected: Bool
    ) {
        dialog.pointee.isRedirected = isRedirected
        if dialog.pointee.state == .terminated, !isRedirected {
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
        let flow = self.flow(of: dialog, slot, header)
        // RFC 6026 Timer M: a 2xx repeated after the call's end still gets this ACK.
        let part = UInt16(truncatingIfNeeded: dialogNumber) &<< 12 | (dialog.pointee.inviteSerial & 0xFFF)
        let credentials = inviteCredentials(ofAck: template, header, dialogNumber)
        if bound.templates[template].isPlain, credentials == 0 {
            // One that the full log did not take is sent when the 2xx is repeated.
            let isSent = transmit(template, speaker, flow: flow)
            guard isSent || refusal == .exhausted else {
                dialog.pointee.ackSerial = 0
                return false
            }
            if isSent, speaking != flow {
                let octets = keepLast()
                guard octets != 0 else { return true }
                _ = lingerOctets(
                    octets, flow: speaking, slot, header, part, wait: timers.acceptedWait, queue: acceptedQueue)
                return true
            }
            lingerClient(
                slot, header, part, template: UInt16(truncatingIfNeeded: template), acknowledges: true,
                serial: dialog.pointee.ackSerial, queue: acceptedQueue)
            return true
        }
        // One with a body or headers of its own cannot be made again from the 2xx: its octets wait in a slot.
        var frozen: UInt32 = 0
        let sent =
            credentials == 0
            ? transmit(template, speaker, flow: flow, keeping: &frozen)
            : transmitAuthorizedAck(template, speaker, flow: flow, credentials: credentials, keeping: &frozen)
        guard sent else {
            // Not acknowledged yet.
            dialog.pointee.ackSerial = 0
            return false
        }
        guard frozen != 0 else { return true }
        _ = lingerOctets(frozen, flow: speaking, slot, header, part, wait: timers.acceptedWait, queue: acceptedQueue)
        return true
    }

    /// Handle of the credentials that the ACK has to repeat; 0 none.
    @inline(__always)
    func inviteCredentials(
        ofAck template: Int, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) -> UInt32 {
        bound.templates[template].mayBeAuthorized ? inviteCredentials(header, dialogNumber).pointee : 0
    }

    mutating func sendResponse(
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
        if record.pointee.awaitsPrack { stopRepeatingProvisional(record) }
        record.pointee.template = UInt16(truncatingIfNeeded: template)
        record.pointee.status = plan.status
        recorder.countResponseSent(status: Int(plan.status), method: record.pointee.method)
        if callRecords.isOn { noteAnswer(plan.status, to: record.pointee.method, header, at: now) }
        if record.pointee.method == .invite {
            if plan.status < 200 {
                var machine = serverInviteMachine(record)
                _ = machine.respond(status: plan.status, now: tick, timers: timers)
                store(machine, record)
                if plan.rseq != 0 { repeatProvisional(record) }
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
        let wait = timers.j(reliable: Flow(index: record.pointee.flow).isStream)
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

    mutating func sendRaw(
        _ template: Int, record number: Int, dialog dialogNumber: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let plan = bound.templates[template]
        let dialog = self.dialog(header, dialogNumber)
        var echo: UnsafeRawPointer?
        var flow = self.flow(of: dialog, slot, header)
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
            status: plan.status, isRaw: true)
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
            record.pointee.isMoved = false
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
}
