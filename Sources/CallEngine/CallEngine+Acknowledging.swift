import Glibc
import Measurement
import SIPTransactions
import SIPWire

// ACKs, also those asked for again when their call has ended, and what a second fork gets (RFC 3261 §13.2.2.4, §17.1.1.3).
extension CallEngine {
    /// The ACK of a 2xx, again: the one that was sent (RFC 3261 §13.2.2.4).
    mutating func acknowledgeAgain(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) {
        let dialog = self.dialog(header, dialogNumber)
        // Not acknowledged yet, or never to be: the script says when.
        guard dialog.pointee.ackSerial != 0, dialog.pointee.learned != 0 else { return }
        let template = Int(dialog.pointee.ackTemplate)
        guard bound.templates[template].isPlain, inviteCredentials(ofAck: template, header, dialogNumber) == 0,
            !keepsMovedAck(slot, header, dialogNumber)
        else {
            receiveLateResponse(
                CallToken(
                    call: callWord(slot, header),
                    part: UInt16(truncatingIfNeeded: dialogNumber) &<< 12 | (dialog.pointee.inviteSerial & 0xFFF)),
                scanner.index.statusCode)
            return
        }
        recorder.count(.ackRetransmissionsSent)
        transmit(
            template,
            Speaker(
                slot: slot, header: header, dialog: dialog, dialogNumber: dialogNumber,
                serial: dialog.pointee.ackSerial, cseq: dialog.pointee.inviteCSeq),
            flow: flow(of: dialog, slot, header), again: true)
    }

    /// The transaction's own ACK to a final response that is no 2xx (RFC 3261 §17.1.1.3): the INVITE's branch and
    /// request URI, the response's To.
    ///
    /// - Returns: its octets are kept for a repeated refusal, since they cannot be made from that alone.
    mutating func acknowledgeRefusal(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ record: UnsafeMutablePointer<ClientRecord>
    ) -> Bool {
        guard let place = outbound.reserve() else {
            recorder.count(.sendsDropped)
            return false
        }
        let to = scanner.index.to
        guard let base = hand, let invite = octets(of: record, slot, header) else { return false }
        let length = writeCompanion(
            "ACK", of: invite, to: UnsafeRawBufferPointer(start: base + Int(to.offset), count: Int(to.length)), place)
        guard length > 0 else { return false }
        let flow = self.flow(ofRequest: record, slot, header)
        if flow.isStream {
            // Timer D is 0: the refusal does not come again.
            commit(place, length, flow: flow, slot: slot, header, again: false)
            return true
        }
        var again = OctetWriter(textScratch)
        writeAckOfResponse(&again)
        // A refusal does not tell which of several targets it comes from.
        let isPlain =
            !targets.picks && flow == openingFlow(slot, header) && again.count == length
            && memcmp(textScratch, place, length) == 0
        let frozen = isPlain ? 0 : keep(UnsafeRawBufferPointer(start: place, count: length))
        commit(place, length, flow: flow, slot: slot, header, again: false)
        guard frozen != 0 else { return false }
        let part = UInt16(record.pointee.dialog) &<< 12 | (record.pointee.serial & 0xFFF)
        return lingerOctets(
            frozen, flow: flow, slot, header, part, wait: timers.d(reliable: false), queue: completedQueue)
    }

    /// An ACK whose octets cannot be made again from the response waits in a slot of its own.
    ///
    /// - Returns: false when there is no slot: the octets are given back.
    mutating func lingerOctets(
        _ frozen: UInt32, flow: Flow, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ part: UInt16,
        wait: UInt32, queue: Int
    ) -> Bool {
        guard let orphan = allocateSlot(party: 0, run: 0, due: now) else {
            recorder.count(.overflowRefusals)
            var unused = frozen
            release(&unused)
            return false
        }
        let other = self.header(orphan)
        other.pointee.phase = .orphan
        other.pointee.stepDeadline = tick.after(wait)
        orphanRecord(other).pointee.frozen = frozen
        self.dialog(other, 0).pointee.flow = flow.index
        wheel.schedule(orphan, at: other.pointee.stepDeadline)
        linger.insert(
            clientKey(callWord(slot, header), part),
            .init(
                first: callWord(orphan, other), second: UInt64(part) | LingerMark.acknowledges | LingerMark.octets,
                third: self.dialog(header, Int(part &>> 12)).pointee.remoteTagHash), queue: queue, now: tick)
        return true
    }

    /// Sends the octets that wait for a response like this. False where none do.
    private mutating func sendLingeringOctets(_ payload: LingerTable.Payload) -> Bool {
        guard payload.second & LingerMark.octets != 0 else { return false }
        let token = CallToken(call: payload.first, part: 0)
        if let pointer = slots.find(token.slot, generation: token.generation) {
            let orphan = pointer.assumingMemoryBound(to: SlotHeader.self)
            if !refusedLanes.isEmpty { returnAckToUDP(orphan) }
            transmitAgain(
                orphanRecord(orphan).pointee.frozen, flow: Flow(index: dialog(orphan, 0).pointee.flow),
                slot: token.slot, nil)
        }
        return true
    }

    /// What was sent of a request that still has its record, as it was sent; nil of a raw one that was not kept. Good until
    /// the next use of `requestScratch`.
    mutating func octets(
        of record: UnsafeMutablePointer<ClientRecord>, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> UnsafeRawBufferPointer? {
        if record.pointee.frozen != 0 { return kept(record.pointee.frozen) }
        guard record.pointee.template != ClientRecord.raw else { return nil }
        let number = Int(record.pointee.dialog)
        let speaker = Speaker(
            slot: slot, header: header, dialog: dialog(header, number), dialogNumber: number,
            serial: record.pointee.serial, cseq: record.pointee.cseq)
        let template = variant(
            of: Int(record.pointee.template), over: flow(ofRequest: record, slot, header))
        return render(template, into: requestScratch, speaker).map {
            UnsafeRawBufferPointer(start: requestScratch, count: $0)
        }
    }

    /// Writes a request that goes with an INVITE and is made from the INVITE's own octets: its CANCEL (RFC 3261 §9.1), or the ACK
    /// to a refusal, whose To is the response's (§17.1.1.3). Request URI, topmost Via, From, Call-ID, CSeq number and Route
    /// lines are the INVITE's; nothing else is, and nothing of what a server has written into its response.
    ///
    /// - Parameter to: nil: the INVITE's.
    /// - Returns: its length; 0 where the INVITE cannot be read.
    mutating func writeCompanion(
        _ method: StaticString, of invite: UnsafeRawBufferPointer, to: UnsafeRawBufferPointer? = nil,
        _ place: UnsafeMutableRawPointer
    ) -> Int {
        let atHand = MessageAtHand(self)
        defer { putBack(atHand) }
        // What an author spoilt on purpose may still say enough.
        _ = scanner.scan(invite)
        let index = scanner.index
        guard let base = invite.baseAddress, index.isRequest, index.requestURI.length > 0, index.topmostVia.length > 0
        else { return 0 }
        var out = OctetWriter(place)
        func line(_ name: StaticString, _ range: OctetRange) {
            out.write(name)
            out.write(base + Int(range.offset), Int(range.length))
            out.write("\r\n")
        }
        out.write(method)
        out.write(" ")
        out.write(base + Int(index.requestURI.offset), Int(index.requestURI.length))
        out.write(" SIP/2.0\r\n")
        line("Via: ", index.topmostVia)
        var number = 0
        while let found = scanner.number(of: .route, from: number) {
            line("Route: ", scanner.header(found).value)
            number = found &+ 1
        }
        out.write("Max-Forwards: 70\r\n")
        line("From: ", index.from)
        if let to {
            out.write("To: ")
            out.write(to.baseAddress, to.count)
            out.write("\r\n")
        } else {
            line("To: ", index.to)
        }
        line("Call-ID: ", index.callID)
        out.write("CSeq: ")
        out.writeNumber(UInt64(index.cseqNumber))
        out.write(" ")
        out.write(method)
        out.write("\r\nContent-Length: 0\r\n\r\n")
        return out.count
    }

    /// Puts Route lines and request URI of an INVITE, as they were sent, where the CANCEL that is made next finds them
    /// (RFC 3261 §9.1).
    mutating func readInvite(
        _ invite: UnsafeMutablePointer<ClientRecord>?, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        companionRoutes = 0
        companionURI = .none
        guard let invite, let octets = octets(of: invite, slot, header), let base = octets.baseAddress else { return }
        // It forgets what stands in `echoScratch`.
        let atHand = MessageAtHand(self)
        defer { putBack(atHand) }
        _ = scanner.scan(octets)
        var out = OctetWriter(echoScratch)
        copyLines(of: .route, as: "Route: ", base, &out)
        companionRoutes = out.count
        let uri = scanner.index.requestURI
        companionURI = OctetRange(offset: UInt32(out.count), length: uri.length)
        out.write(base + Int(uri.offset), Int(uri.length))
    }

    private mutating func writeAckHeaders(_ out: inout OctetWriter) {
        guard let base = hand else { return }
        let index = scanner.index
        func line(_ name: StaticString, _ range: OctetRange) {
            out.write(name)
            out.write(base + Int(range.offset), Int(range.length))
            out.write("\r\n")
        }
        line("Via: ", index.topmostVia)
        out.write("Max-Forwards: 70\r\n")
        line("From: ", index.from)
        line("To: ", index.to)
        line("Call-ID: ", index.callID)
        out.write("CSeq: ")
        out.writeNumber(UInt64(index.cseqNumber))
        out.write(" ACK\r\n")
    }

    // MARK: after the call

    /// A response to a branch of ours whose slot has gone on: late, or a repeat that still wants its ACK.
    mutating func receiveLateResponse(_ token: CallToken, _ status: UInt16) {
        guard let entry = linger.find(clientKey(token.call, token.part)),
            entry.pointee.first == token.call || entry.pointee.second & LingerMark.octets != 0
        else {
            if status < 200 {
                recorder.count(.provisionalsAbsorbed)
            } else if scanner.index.cseqMethod != .invite {
                recorder.count(.responseRetransmissionsReceived)
            } else {
                recorder.count(.strayResponses)
                traceStray(.noCall)
            }
            return
        }
        let payload = entry.pointee
        let acknowledges = payload.second & LingerMark.acknowledges != 0
        if acknowledges, scanner.index.cseqMethod != .invite, scanner.index.cseqMethod != .cancel {
            // An INVITE's branch (RFC 3261 §17.1.3).
            countMalformed(.responseMethod)
            traceStray(.discarded)
            return
        }
        guard scanner.index.cseqMethod == .invite, acknowledges, status >= 200 else {
            recorder.count(status < 200 ? .provisionalsAbsorbed : .responseRetransmissionsReceived)
            return
        }
        if status >= 300 {
            recorder.count(.responseRetransmissionsReceived)
            acknowledgeFromLinger(payload)
            return
        }
        if payload.third == tagHash(scanner.index.to) {
            recorder.count(.responseRetransmissionsReceived)
            recorder.count(.ackRetransmissionsSent)
            if sendLingeringOctets(payload) { return }
            // Everything but the branch stands in the response itself.
            sendFromResponse(
                "ACK",
                token: CallToken(
                    call: token.call,
                    part: token.part & 0xF000 | UInt16(truncatingIfNeeded: payload.second &>> 16) & 0xFFF),
                cseq: scanner.index.cseqNumber, slot: .max, nil)
        } else {
            answerFork(token: token)
        }
    }

    /// Acknowledges a repeated refusal whose transaction lingers (RFC 3261 §17.1.1.2, Completed): with the octets kept for it, or,
    /// where the first ACK was just that, with what the response alone tells.
    mutating func acknowledgeFromLinger(_ payload: LingerTable.Payload?) {
        recorder.count(.ackRetransmissionsSent)
        if let payload, sendLingeringOctets(payload) { return }
        guard let place = outbound.reserve() else { return }
        var out = OctetWriter(place)
        writeAckOfResponse(&out)
        commit(place, out.count, flow: arrival.isStream ? arrival : targetFromHere(), slot: .max, nil, again: true)
    }

    /// The ACK to a refusal as far as the refusal tells it: the request URI is its To URI, for every INVITE that opens a dialog
    /// without a URI of its own.
    private mutating func writeAckOfResponse(_ out: inout OctetWriter) {
        guard let base = hand else { return }
        let address = NameAddress(base, scanner.index.to)
        out.write("ACK ")
        out.write(base + Int(address.uri.offset), Int(address.uri.length))
        out.write(" SIP/2.0\r\n")
        writeAckHeaders(&out)
        out.write("Content-Length: 0\r\n\r\n")
    }

    /// A 2xx of another fork: acknowledged, then hung up (RFC 3261 §13.2.2.4).
    mutating func answerFork(slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int) {
        let token = CallToken(call: callWord(slot, header), part: UInt16(dialogNumber) &<< 12)
        answerFork(token: token)
    }

    mutating func answerFork(token: CallToken) {
        guard let base = hand else { return }
        let hash = tagHash(scanner.index.to)
        let key = clientKey(token.call, UInt16(truncatingIfNeeded: hash)) ^ UInt64(hash)
        // Each fork once; a repeat of its 2xx is acknowledged again with the same ACK.
        let known = linger.find(key) != nil
        let serial: UInt16 = 0x800 | UInt16(truncatingIfNeeded: hash) & 0x3FF
        let ack = CallToken(call: token.call, part: token.part & 0xF000 | serial | 0x400)
        sendFromResponse("ACK", token: ack, cseq: scanner.index.cseqNumber, slot: .max, nil)
        guard !known else {
            recorder.count(.responseRetransmissionsReceived)
            return
        }
        recorder.count(.forkedAnswers)
        linger.insert(key, .init(first: token.call, second: 0, third: 0), queue: acceptedQueue, now: tick)
        _ = base
        guard let slot = allocateSlot(party: 0, run: 0, due: now) else {
            recorder.count(.overflowRefusals)
            return
        }
        let header = self.header(slot)
        header.pointee.phase = .orphan
        // The BYE's branch must lead to its own slot, its Call-ID and tags to the fork.
        let record = orphanRecord(header)
        record.pointee.method = .bye
        record.pointee.cseq = scanner.index.cseqNumber &+ 1
        record.pointee.serial = 1
        record.pointee.isActive = true
        let own = CallToken(call: callWord(slot, header), part: 1)
        let frozen = sendFromResponse("BYE", token: own, cseq: record.pointee.cseq, slot: slot, header)
        record.pointee.frozen = frozen
        let flow = arrival.isStream ? arrival : self.flow(to: source)
        var machine = ClientNonInviteTransaction()
        machine.start(now: tick, reliable: flow.isStream, timers: timers)
        store(machine, record)
        dialog(header, 0).pointee.flow = flow.index
        if frozen == 0 { freeSlot(slot, header) } else { settleTimers(slot) }
    }

    /// An orphan's one record stands right behind the header and its dialog, whatever the party.
    @inline(__always)
    func orphanRecord(_ header: UnsafeMutablePointer<SlotHeader>) -> UnsafeMutablePointer<ClientRecord> {
        (UnsafeMutableRawPointer(header) + SlotHeader.size + DialogRecord.size).assumingMemoryBound(
            to: ClientRecord.self)
    }

    /// Sends an in-dialog request made from the 2xx at hand alone: its Contact, its Record-Route reversed, its From and To.
    ///
    /// - Returns: handle of the octets, kept for a BYE that may have to be sent again; 0 for an ACK.
    @discardableResult
    private mutating func sendFromResponse(
        _ method: StaticString, token: CallToken, cseq: UInt32, slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>?
    ) -> UInt32 {
        guard let place = outbound.reserve(), let base = hand else {
            recorder.count(.sendsDropped)
            return 0
        }
        let index = scanner.index
        let path = learnPath(reversed: true)
        let flow = self.flow(towards: path.next)
        var out = OctetWriter(place)
        out.write(method)
        out.write(" ")
        out.write(path.target.baseAddress, path.target.count)
        out.write(
            flow.isSecure
                ? " SIP/2.0\r\nVia: SIP/2.0/TLS "
                : flow.isStream ? " SIP/2.0\r\nVia: SIP/2.0/TCP " : " SIP/2.0\r\nVia: SIP/2.0/UDP ")
        writeSentBy(flow, &out)
        out.write(bound.literals, bound.viaParameters)
        out.write(";branch=z9hG4bK")
        out.write(bound.literals, bound.nonceDigits)
        out.write(token)
        out.write("\r\n")
        out.write(path.routes.baseAddress, path.routes.count)
        out.write("Max-Forwards: 70\r\nFrom: ")
        out.write(base + Int(index.from.offset), Int(index.from.length))
        out.write("\r\nTo: ")
        out.write(base + Int(index.to.offset), Int(index.to.length))
        out.write("\r\nCall-ID: ")
        out.write(base + Int(index.callID.offset), Int(index.callID.length))
        out.write("\r\nCSeq: ")
        out.writeNumber(UInt64(cseq))
        out.write(" ")
        out.write(method)
        out.write("\r\nContent-Length: 0\r\n\r\n")
        commit(place, out.count, flow: flow, slot: slot, nil, again: false)
        return header == nil ? 0 : keep(UnsafeRawBufferPointer(start: place, count: out.count))
    }
}

/// Bits in the second word of a client's linger entry.
enum LingerMark {
    static let acknowledges: UInt64 = 1 << 48
    /// The ACK's octets wait in the slot that the first word names.
    static let octets: UInt64 = 1 << 49
}
