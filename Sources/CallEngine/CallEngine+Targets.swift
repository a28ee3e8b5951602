import Glibc
import Measurement
import SIPTransactions
import SIPWire

/// What a slot keeps of where its call's requests go: behind all that the program needs, and only where there is something to choose.
struct RouteRecord {
    /// From 1; 0: the call is a peer's, and goes where the first address is.
    var hop: UInt16
    /// How often the call was moved.
    var moves: UInt16
    /// The target that its URIs name: the first one, wherever it was moved since.
    var name: UInt16
    /// The addresses that it was moved away from, a bit each.
    var tried: UInt64

    static let size = 16
}

// Which target a call goes to, and what happens when that one fails (RFC 3263 §4.3, RFC 3261 §8.1.3.1, §21.5.4).
extension CallEngine {
    func route(_ header: UnsafeMutablePointer<SlotHeader>) -> UnsafeMutablePointer<RouteRecord> {
        (UnsafeMutableRawPointer(header) + bound.routeOffset).assumingMemoryBound(to: RouteRecord.self)
    }

    /// The address that the call's requests go to, where there are several.
    func hop(_ header: UnsafeMutablePointer<SlotHeader>) -> Int { max(Int(route(header).pointee.hop) - 1, 0) }

    /// The addresses that the call has been sent to, a bit each.
    private func tried(_ header: UnsafeMutablePointer<SlotHeader>) -> UInt64 {
        route(header).pointee.tried | TargetTable.bit(hop(header))
    }

    /// The target as the call's URIs show it.
    func targetName(_ header: UnsafeMutablePointer<SlotHeader>) -> OctetRange {
        settings.targets.targets.count > 1 ? bound.targetNames[Int(route(header).pointee.name)] : bound.target
    }

    /// - Returns: one past its last octet.
    @inline(never)
    mutating func writeTargetName(
        _ header: UnsafeMutablePointer<SlotHeader>, at place: UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer {
        let name = literal(targetName(header))
        if let base = name.baseAddress { memcpy(place, base, name.count) }
        return place + name.count
    }

    /// A run begins at this address.
    mutating func begin(at hop: Int, _ header: UnsafeMutablePointer<SlotHeader>) {
        route(header).pointee = RouteRecord(
            hop: UInt16(truncatingIfNeeded: hop + 1), moves: 0,
            name: UInt16(truncatingIfNeeded: targets.hops[hop].target), tried: 0)
        targets.countStart(hop)
    }

    /// A run of ours has ended.
    mutating func countEnd(ofRun header: UnsafeMutablePointer<SlotHeader>, _ event: RunEvent) {
        guard route(header).pointee.hop > 0 else { return }
        targets.countEnd(hop(header), event)
    }

    /// Where the connection of one call's own leads.
    func address(ofCall flow: Flow) -> TransportAddress { targets.hops[hop(header(flow.callSlot))].address }

    /// What each address has had, in the plan's order.
    public var targetCounts: [TargetCounts] { targets.counts }

    // MARK: Failing

    /// A request did not get through. Where it opens a dialog or belongs to none its address is avoided from now on, and it may go on
    /// to the next.
    ///
    /// - Returns: true: the request was sent again elsewhere, and the script is told nothing.
    mutating func turnsElsewhere(
        _ trouble: TargetTrouble, _ record: UnsafeMutablePointer<ClientRecord>, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>, retryAfter: UInt32? = nil
    ) -> Bool {
        guard targets.picks, noteTrouble(trouble, record, header, retryAfter: retryAfter) else { return false }
        let here = hop(header)
        guard let next = whereElse(record, slot, header) else { return false }
        return move(record, slot, header, from: here, to: next)
    }

    /// - Returns: false where it is a request whose way another end has told, or one that something has already answered.
    @discardableResult
    mutating func noteTrouble(
        _ trouble: TargetTrouble, _ record: UnsafeMutablePointer<ClientRecord>,
        _ header: UnsafeMutablePointer<SlotHeader>, retryAfter: UInt32? = nil
    ) -> Bool {
        guard targets.picks, header.pointee.phase == .waiting, route(header).pointee.hop > 0, isFirst(record, header),
            trouble == .unavailable || !record.pointee.provisionalSeen
        else { return false }
        targets.note(trouble, hop(header), retryAfter: retryAfter, now: now.nanoseconds)
        return true
    }

    /// A request that was sent to the target, not along a dialog.
    private func isFirst(
        _ record: UnsafeMutablePointer<ClientRecord>, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let dialog = self.dialog(header, Int(record.pointee.dialog))
        switch record.pointee.method {
        case .ack, .cancel, .bye, .prack: return false
        // A Contact that was followed is nobody's target.
        case .invite: return dialog.pointee.state != .confirmed && !dialog.pointee.isRedirected
        default: return dialog.pointee.learned == 0
        }
    }

    /// Where the request can still go.
    private mutating func whereElse(
        _ record: UnsafeMutablePointer<ClientRecord>, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Int? {
        guard targets.movesCalls, !lanes.isPerCall, record.pointee.template != ClientRecord.raw,
            !header.pointee.flags.contains(.cancelled), !owner(slot, header).pointee.flags.contains(.drained),
            Int(route(header).pointee.moves) < targets.hops.count
        else { return nil }
        return targets.next(after: hop(header), except: tried(header), now: now.nanoseconds)
    }

    /// A step has waited long enough: what it sent to the target and nothing has answered yet has timed out too, for whoever comes next.
    mutating func noteSilence(_ header: UnsafeMutablePointer<SlotHeader>) {
        for number in 0..<clientCount(header) where client(header, number).pointee.isActive {
            noteTrouble(.timeout, client(header, number), header)
        }
    }

    /// The same request with another branch, so another transaction, to the next address (RFC 3263 §4.3).
    private mutating func move(
        _ record: UnsafeMutablePointer<ClientRecord>, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>,
        from here: Int, to next: Int
    ) -> Bool {
        guard let request = octets(of: record, slot, header), let sent = request.baseAddress else { return false }
        let atHand = MessageAtHand(self)
        defer { putBack(atHand) }
        guard scanner.scan(request) == .message else { return false }
        let branch = topmostBranch(sent, scanner.index.topmostVia)
        // The author may have written it.
        guard settings.nonce.token(ofBranch: sent + Int(branch.offset), length: Int(branch.length)) != nil else {
            return false
        }
        guard let place = outbound.reserve() else {
            recorder.count(.sendsDropped)
            return false
        }
        let dialogNumber = Int(record.pointee.dialog)
        let dialog = self.dialog(header, dialogNumber)
        let serial = Self.serial(after: dialog.pointee.serial)
        memcpy(place, sent, request.count)
        let token = CallToken(
            call: callWord(slot, header), part: UInt16(truncatingIfNeeded: dialogNumber) &<< 12 | (serial & 0xFFF))
        token.write(to: place + Int(branch.end) - CallToken.width)
        let frozen = keep(UnsafeRawBufferPointer(start: place, count: request.count))
        guard frozen != 0 else { return false }
        route(header).pointee.tried = tried(header)
        route(header).pointee.hop = UInt16(truncatingIfNeeded: next + 1)
        route(header).pointee.moves &+= 1
        targets.countMove(from: here, to: next)
        let beginning = openingFlow(slot, header)
        let flow = record.pointee.isMoved ? stream(beside: beginning) : beginning
        if record.pointee.method == .invite {
            // What a fork that rang has told is void.
            release(&dialog.pointee.learned)
            dialog.pointee.remoteTagHash = 0
            dialog.pointee.remoteCSeq = 0
            dialog.pointee.inviteSerial = serial
            dialog.pointee.ackSerial = 0
            dialog.pointee.state = .none
        }
        dialog.pointee.serial = serial
        release(&record.pointee.frozen)
        record.pointee.frozen = frozen
        record.pointee.serial = serial
        record.pointee.provisionalSeen = false
        record.pointee.wasRepeated = false
        record.pointee.isActive = true
        commit(place, request.count, flow: flow, slot: slot, header, again: false)
        if record.pointee.method == .invite {
            var machine = ClientInviteTransaction()
            machine.start(now: tick, reliable: flow.isStream, timers: timers)
            store(machine, record)
        } else {
            var machine = ClientNonInviteTransaction()
            machine.start(now: tick, reliable: flow.isStream, timers: timers)
            store(machine, record)
        }
        // A step that waits no longer than one transaction may take would end with the first.
        if header.pointee.stepDeadline != .never, !header.pointee.flags.contains(.pausing) {
            header.pointee.stepDeadline = max(header.pointee.stepDeadline, tick.after(timers.timeout).after(1))
        }
        return true
    }

    /// A 503 to a request of the call (RFC 3261 §21.5.4).
    ///
    /// - Parameter keepsAck: set where the 503 has had its ACK: `acknowledgeRefusal`'s result.
    /// - Returns: true: the request was sent again elsewhere.
    @inline(never)
    mutating func turnsFromUnavailable(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ record: UnsafeMutablePointer<ClientRecord>,
        _ keepsAck: inout Bool?
    ) -> Bool {
        guard noteTrouble(.unavailable, record, header, retryAfter: retryAfter()) else { return false }
        let here = hop(header)
        guard let next = whereElse(record, slot, header) else { return false }
        guard record.pointee.method == .invite else { return move(record, slot, header, from: here, to: next) }
        // The ACK goes where the INVITE went.
        let refused = record.pointee
        let isKept = acknowledgeRefusal(slot, header, record)
        keepsAck = isKept
        guard move(record, slot, header, from: here, to: next) else { return false }
        if !isKept { lingerRefused(refused, slot, header) }
        return true
    }

    /// Retry-After of the response at hand: `delta-seconds`, whatever follows (RFC 3261 §20.33).
    private mutating func retryAfter() -> UInt32? {
        guard scanner.index.has(.retryAfter), let line = scanner.first(.retryAfter), let base = hand else { return nil }
        var value: UInt64 = 0
        var digits = 0
        while digits < Int(line.value.length), value <= UInt64(UInt32.max) {
            let octet = base.load(fromByteOffset: Int(line.value.offset) &+ digits, as: UInt8.self)
            guard octet >= 0x30, octet <= 0x39 else { break }
            value = value &* 10 &+ UInt64(octet &- 0x30)
            digits += 1
        }
        return digits > 0 ? UInt32(clamping: value) : nil
    }
}
