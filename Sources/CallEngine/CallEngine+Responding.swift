import Glibc
import Measurement
import SIPTransactions
import SIPWire

// What we answer: where a response goes, what it repeats of its request, and the responses that no template of the script makes.
extension CallEngine {
    /// Where the response to the request at hand goes (RFC 3261 §18.2.2, RFC 3581 §4): over the connection it came on, where there is one.
    @inline(__always)
    mutating func responseFlow() -> Flow { arrival.isStream ? arrival : viaPath().flow }

    /// What the topmost Via at hand asks for. A peer sends the same Via again and again but for its branch: the answer for
    /// the last one is kept.
    @inline(__always)
    mutating func viaPath() -> ViaPath {
        guard let base = hand else { return ViaPath(flow: targetFlow, isPlain: true) }
        let via = scanner.index.topmostVia
        let branch = topmostBranch(base, via)
        let isLast = branch.length > 0 && branch.end == via.end
        let head = Int(branch.offset &- via.offset)
        if isLast, source == viaSource, arrival == viaArrival, head == viaHeadCount,
            memcmp(base + Int(via.offset), viaHead, head) == 0
        {
            return lastViaPath
        }
        let path = readViaPath(base, via)
        if isLast, head > 0, head <= Self.longestViaHead {
            memcpy(viaHead, base + Int(via.offset), head)
            viaHeadCount = head
            viaSource = source
            viaArrival = arrival
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
        let port = via.port != 0 ? via.port : arrival.isSecure ? 5061 : 5060
        if rport == nil { address.port = port }
        // Before all else where it is an address of one host that the socket reaches; a group is not answered.
        if let maddr = via.maddr,
            let other = TransportAddress(base, host: maddr, port: port),
            other.isIPv6 == source.isIPv6, !other.isUnspecified, !other.isMulticast
        {
            address = other
        }
        return ViaPath(
            flow: flow(to: address), isPlain: !via.isWellFormed || (rport == nil && !differs),
            isSameHost: !differs, port: port)
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
        if index.has(.recordRoute) { copyLines(of: .recordRoute, as: "Record-Route: ", base, &out) }
        let echo = RequestEcho(
            headLength: UInt16(clamping: head), tailLength: UInt16(clamping: tail),
            routesLength: UInt16(clamping: out.count &- head &- tail),
            needsTag: tagParameter(base, index.to).length == 0 ? 1 : 0)
        echoScratch.storeBytes(of: echo, as: RequestEcho.self)
    }

    /// Copies every line of one header from the message at hand, each with its name in full.
    func copyLines(of name: HeaderName, as head: StaticString, _ base: UnsafeRawPointer, _ out: inout OctetWriter) {
        var number = 0
        while let found = scanner.number(of: name, from: number) {
            let value = scanner.header(found).value
            out.write(head)
            out.write(base + Int(value.offset), Int(value.length))
            out.write("\r\n")
            number = found &+ 1
        }
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
        // Copied up to each place where something comes in: `done` octets of the message are written.
        var done = value.offset
        func copy(to place: UInt32) {
            out.write(base + Int(done), Int(place &- done))
            done = place
        }
        func fillPort() {
            guard let rport, rport.isEmpty else { return }
            copy(to: rport.offset)
            out.write("=")
            out.writeNumber(UInt64(source.port))
        }
        func writeSource() {
            withUnsafeTemporaryAllocation(byteCount: TransportAddress.longestText, alignment: 1) { buffer in
                let count = source.writeBare(to: buffer.baseAddress!)
                out.write(UnsafeRawPointer(buffer.baseAddress!), count)
            }
        }
        if let said = via.received, !said.isEmpty {
            // Where it came from is not for the sender to say.
            let isAfterPort = rport.map { $0.offset < said.offset } ?? false
            if isAfterPort { fillPort() }
            copy(to: said.offset)
            writeSource()
            done = said.end
            if !isAfterPort { fillPort() }
        } else {
            if rport?.isEmpty == true { fillPort() } else { copy(to: via.sentBy.end) }
            out.write(";received=")
            writeSource()
        }
        copy(to: value.end)
        out.write("\r\n")
    }

    /// Answers the request at hand without keeping anything of it (RFC 3261 §8.2.7).
    mutating func answerStatelessly(_ status: UInt16) {
        guard scanner.index.method != .ack, let base = hand else { return }
        answer(status, token: statelessToken(base))
    }

    /// A tag of no call, the same for every repeat of the request at hand.
    func statelessToken(_ base: UnsafeRawPointer) -> CallToken {
        let range = scanner.index.callID
        let hash = Self.hash(base + Int(range.offset), Int(range.length), seed: UInt64(settings.nonce.value))
        return CallToken(call: hash | 0xFF &<< 56, part: 0)
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
        if callRecords.isOn { noteAnswer(status, to: record.pointee.method, header, at: now) }
        release(&record.pointee.frozen)
        record.pointee.frozen = keep(UnsafeRawBufferPointer(start: place, count: out.count))
        record.pointee.template = 0xFFFF
        record.pointee.status = status
        commit(place, out.count, flow: Flow(index: record.pointee.flow), slot: slot, header, again: false)
        if record.pointee.awaitsPrack { stopRepeatingProvisional(record) }
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
}

/// What a topmost Via asks of its response.
struct ViaPath {
    var flow: Flow
    /// Nothing is to be added: no `received`, no `rport`.
    var isPlain: Bool
    /// The host of sent-by is the one it came from, and its port.
    var isSameHost = false
    var port: UInt16 = 0
}
