import CallTraces
import Glibc
import Measurement
import SIPTransactions
import SIPWire

extension CallEngine {
    /// One datagram.
    ///
    /// - Parameters:
    ///   - source: where it came from.
    ///   - received: the kernel's receive stamp mapped to the monotonic clock, or `now`.
    public mutating func receive(
        _ message: UnsafeRawBufferPointer, from source: TransportAddress, received: MonotonicInstant,
        now: MonotonicInstant
    ) {
        arrival = .datagram
        receive(message, source: source, received: received, now: now)
    }

    /// One datagram, where there are several local addresses.
    ///
    /// - Parameter local: the one that it was sent to.
    public mutating func receive(
        _ message: UnsafeRawBufferPointer, from source: TransportAddress, at local: TransportAddress,
        received: MonotonicInstant, now: MonotonicInstant
    ) {
        arrival = locals.isSingle ? .datagram : Flow.datagram.from(locals.number(of: local))
        receive(message, source: source, received: received, now: now)
        arrival = .datagram
    }

    /// One message of a stream.
    ///
    /// - Parameter flow: the connection it came on.
    public mutating func receive(
        _ message: UnsafeRawBufferPointer, on flow: Flow, received: MonotonicInstant, now: MonotonicInstant
    ) {
        arrival = flow
        receive(message, source: flows.address(flow), received: received, now: now)
        arrival = .datagram
    }

    @inline(__always)
    private mutating func receive(
        _ message: UnsafeRawBufferPointer, source: TransportAddress, received: MonotonicInstant, now: MonotonicInstant
    ) {
        setTime(now)
        lastActivity = self.now
        self.received = received
        self.source = source
        recorder.count(.messagesReceived)
        recorder.count(.octetsReceived, by: message.count)
        handle(message)
        hand = nil
    }

    private mutating func handle(_ message: UnsafeRawBufferPointer) {
        switch scanner.scan(message) {
        case .message:
            hand = message.baseAddress
            handCount = message.count
            handOrdinal = 0
            echoIsMade = false
            if scanner.index.isRequest { receiveRequest() } else { receiveResponse() }
        case .keepAlive: recorder.count(.keepAlives)
        case .malformed(let fault, _):
            countMalformed(fault)
            if !traces.isOff {
                traces.appendStray(
                    .malformed, octets: message, from: source, to: ownAddress(of: arrival), at: received,
                    isStream: arrival.isStream)
            }
            answerMalformed(message, fault)
        }
    }

    mutating func countMalformed(_ fault: WireFault) {
        recorder.countMalformed(WireFault.allCases.firstIndex(of: fault) ?? 0)
    }

    /// A request that cannot be handled is answered when enough of it can be read to do so (RFC 3261 §16.3 for proxies, and
    /// what servers do): never an ACK, never a response.
    private mutating func answerMalformed(_ message: UnsafeRawBufferPointer, _ fault: WireFault) {
        let index = scanner.index
        guard index.isRequest, index.method != .ack, index.topmostVia.length > 0, index.from.length > 0,
            index.to.length > 0, index.callID.length > 0, index.cseqMethodRange.length > 0
        else { return }
        hand = message.baseAddress
        handCount = message.count
        echoIsMade = false
        answerStatelessly(fault.statusToAnswer)
        recorder.countUnexpectedRequest(answeredWith: Int(fault.statusToAnswer))
        hand = nil
    }

    /// The message at hand belongs to this call.
    @inline(__always)
    mutating func trace(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        guard !traces.isOff, !handIsQueued, let base = hand else { return }
        let run = owner(slot, header)
        handOrdinal = traces.appendReceived(
            &run.pointee.trace, run: run.pointee.run, party: header.pointee.party,
            octets: UnsafeRawBufferPointer(start: base, count: handCount), from: source, to: ownAddress(of: arrival),
            at: received, isStream: arrival.isStream)
    }

    mutating func traceStray(_ reason: StrayReason) {
        guard !traces.isOff, let base = hand else { return }
        traces.appendStray(
            reason, octets: UnsafeRawBufferPointer(start: base, count: handCount), from: source,
            to: ownAddress(of: arrival),
            at: received, isStream: arrival.isStream)
    }

    // MARK: messages that come before the script waits for them

    /// Head of a message in the inbox, in front of its octets.
    struct InboxEntry {
        var next: UInt32
        var length: UInt32
        var received: Int64
        var source: TransportAddress
        var arrival: Flow
        var key: UInt64
        var status: UInt16
        var client: Int8
        var dialog: UInt8
        var isResponse: Bool
        /// Of a request.
        var method = Method.other
        /// Which message of its run it is in the trace.
        var ordinal: UInt32 = 0

        static let size = 64
    }

    /// Whether a step that this party may still come to takes such a request.
    mutating func mayWant(_ method: Method, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int) -> Bool {
        bound.wantedLater[dialogNumber &* bound.instructionCount &+ Int(header.pointee.programCounter)]
            & (1 &<< UInt32(method.rawValue)) != 0
    }

    /// Keeps a request that a later step wants. Its repeats are absorbed meanwhile.
    mutating func keepInInbox(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) -> Bool {
        let key = serverKey(scanner.index.method)
        guard
            append(
                InboxEntry(
                    next: 0, length: 0, received: received.nanoseconds, source: source, arrival: arrival, key: key,
                    status: 0, client: -1,
                    dialog: UInt8(truncatingIfNeeded: dialogNumber), isResponse: false), header)
        else { return false }
        linger.insert(
            key,
            .init(
                first: callWord(slot, header),
                second: 0xFFFF | UInt64(UInt8(truncatingIfNeeded: dialogNumber)) &<< 16 | 255 &<< 24 | 1 &<< 63,
                third: 0), queue: repeatedQueue, now: tick)
        return true
    }

    /// A response or ACK that the wait at hand does not take: kept for a later one, or absorbed when nobody wants it.
    mutating func keepOrAbsorb(_ event: CallEvent, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        switch event {
        case .response(let status, let client, let dialog):
            if status < 200 && !header.pointee.flags.contains(.pausing) {
                recorder.count(.provisionalsAbsorbed)
                return
            }
            let kept = append(
                InboxEntry(
                    next: 0, length: 0, received: received.nanoseconds, source: source, arrival: arrival, key: 0,
                    status: status,
                    client: Int8(clamping: client), dialog: UInt8(truncatingIfNeeded: dialog), isResponse: true), header
            )
            if !kept { recorder.count(.overflowRefusals) }
        case .request(.ack, _, let dialog):
            guard mayWant(.ack, header, dialog) else { return }
            let kept = append(
                InboxEntry(
                    next: 0, length: 0, received: received.nanoseconds, source: source, arrival: arrival, key: 0,
                    status: 0, client: -1,
                    dialog: UInt8(truncatingIfNeeded: dialog), isResponse: false), header)
            if !kept { recorder.count(.overflowRefusals) }
        default: break
        }
    }

    private mutating func append(_ entry: InboxEntry, _ header: UnsafeMutablePointer<SlotHeader>) -> Bool {
        guard let base = hand, !handIsQueued else { return false }
        var count = 0
        var last: UnsafeMutableRawPointer?
        var cursor = header.pointee.inbox
        while cursor != 0 {
            last = arena.pointer(.init(raw: cursor))
            let kept = last!.load(as: InboxEntry.self)
            if entry.key != 0, entry.key == kept.key {
                recorder.count(.requestRetransmissionsReceived)
                return true
            }
            cursor = kept.next
            count += 1
        }
        guard count < settings.mostInboxMessages else {
            recorder.count(.overflowRefusals)
            return false
        }
        let handle = arena.allocate(InboxEntry.size &+ handCount)
        guard !handle.isNone else {
            recorder.count(.overflowRefusals)
            return false
        }
        assert(MemoryLayout<InboxEntry>.size <= InboxEntry.size)
        var filled = entry
        filled.length = UInt32(truncatingIfNeeded: handCount)
        filled.method = scanner.index.method
        filled.ordinal = handOrdinal
        let block = arena.pointer(handle)
        block.storeBytes(of: filled, as: InboxEntry.self)
        memcpy(block + InboxEntry.size, base, handCount)
        if let last { last.storeBytes(of: handle.raw, as: UInt32.self) } else { header.pointee.inbox = handle.raw }
        return true
    }

    /// Offers the kept messages to the wait at hand, oldest first. True when one was taken: the script goes on with it.
    mutating func takeFromInbox(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) -> Bool {
        // Whatever the message at hand still owes is kept before another one is scanned.
        spill(slot, header)
        let atHand = MessageAtHand(self)
        var previous: UInt32 = 0
        var cursor = header.pointee.inbox
        while cursor != 0 {
            let block = arena.pointer(.init(raw: cursor))
            let entry = block.load(as: InboxEntry.self)
            if let target = target(of: entry, block, slot, header) {
                if previous == 0 {
                    header.pointee.inbox = entry.next
                } else {
                    arena.pointer(.init(raw: previous)).storeBytes(of: entry.next, as: UInt32.self)
                }
                _ = target
                taken.append(cursor)
                return true
            }
            previous = cursor
            cursor = entry.next
        }
        putBack(atHand)
        return false
    }

    /// What is at hand while messages of the inbox are looked at.
    struct MessageAtHand {
        var octets: UnsafeRawPointer?
        var count: Int
        var ordinal: UInt32
        var isQueued: Bool
        var source: TransportAddress
        var arrival: Flow
        var received: MonotonicInstant

        init(_ engine: borrowing CallEngine) {
            octets = engine.hand
            count = engine.handCount
            ordinal = engine.handOrdinal
            isQueued = engine.handIsQueued
            source = engine.source
            arrival = engine.arrival
            received = engine.received
        }
    }

    mutating func putBack(_ message: MessageAtHand) {
        hand = message.octets
        handCount = message.count
        handOrdinal = message.ordinal
        handIsQueued = message.isQueued
        source = message.source
        arrival = message.arrival
        received = message.received
        echoIsMade = false
        if let base = hand { _ = scanner.scan(UnsafeRawBufferPointer(start: base, count: handCount)) }
    }

    /// Where the wait at hand goes on with a kept message; nil when it does not take it. Puts the message at hand.
    private mutating func target(
        of entry: InboxEntry, _ block: UnsafeMutableRawPointer, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool? {
        let instruction = bound.instructions[Int(header.pointee.programCounter)]
        let wait = bound.waits[Int(instruction.a)]
        guard wait.kind == .message else { return nil }
        let octets = UnsafeRawBufferPointer(start: block + InboxEntry.size, count: Int(entry.length))
        if entry.isResponse {
            for number in Int(wait.firstAlternative)..<Int(wait.firstAlternative) &+ Int(wait.alternativeCount) {
                let choice = bound.choices[number]
                guard choice.kind == .response, choice.low <= entry.status, entry.status <= choice.high,
                    choice.client < 0 || choice.client == entry.client, choice.dialog == entry.dialog
                else { continue }
                putAtHand(octets, entry)
                header.pointee.stepDeadline = .never
                recorder.countStep(Int(choice.step), .received)
                header.pointee.programCounter = choice.target
                return true
            }
            return nil
        }
        putAtHand(octets, entry)
        let method = scanner.index.method
        guard let number = choice(forRequest: method, Int(instruction.a), Int(entry.dialog)) else { return nil }
        let choice = bound.choices[number]
        if choice.server >= 0 {
            let record = server(header, Int(choice.server))
            guard !record.pointee.isActive else { return nil }
            open(record, entry.key, method, slot, header, Int(entry.dialog), Int(choice.server))
        }
        header.pointee.stepDeadline = .never
        recorder.countStep(Int(choice.step), .received)
        header.pointee.programCounter = choice.target
        return true
    }

    private mutating func putAtHand(_ octets: UnsafeRawBufferPointer, _ entry: InboxEntry) {
        _ = scanner.scan(octets)
        hand = octets.baseAddress
        handCount = octets.count
        handOrdinal = entry.ordinal
        echoIsMade = false
        handIsQueued = true
        source = entry.source
        arrival = entry.arrival
        received = MonotonicInstant(nanoseconds: entry.received)
    }

    /// The script has ended: what it never came to is answered for it. A BYE gets its 200, all else 500.
    mutating func answerInbox(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        let atHand = MessageAtHand(self)
        var cursor = header.pointee.inbox
        while cursor != 0 {
            let block = arena.pointer(.init(raw: cursor))
            let entry = block.load(as: InboxEntry.self)
            cursor = entry.next
            if entry.isResponse { continue }
            putAtHand(UnsafeRawBufferPointer(start: block + InboxEntry.size, count: Int(entry.length)), entry)
            let method = scanner.index.method
            if method == .ack { continue }
            let status: UInt16 = method == .bye ? 200 : 500
            if method == .bye { dialog(header, Int(entry.dialog)).pointee.state = .terminated }
            answerStatelessly(status)
            remember(status, entry.key)
            recorder.countUnexpectedRequest(answeredWith: Int(status))
        }
        emptyInbox(header)
        putBack(atHand)
    }

    /// The dialog that a BYE waits in the inbox for.
    mutating func dialogOfKeptBye(_ header: UnsafeMutablePointer<SlotHeader>) -> Int? {
        var cursor = header.pointee.inbox
        while cursor != 0 {
            let entry = arena.pointer(.init(raw: cursor)).load(as: InboxEntry.self)
            if !entry.isResponse, entry.method == .bye { return Int(entry.dialog) }
            cursor = entry.next
        }
        return nil
    }

    mutating func emptyInbox(_ header: UnsafeMutablePointer<SlotHeader>) {
        var cursor = header.pointee.inbox
        header.pointee.inbox = 0
        while cursor != 0 {
            let next = arena.pointer(.init(raw: cursor)).load(as: InboxEntry.self).next
            arena.free(.init(raw: cursor))
            cursor = next
        }
    }

    /// Gives back the kept messages that were used: nothing looks at them after the script has come to rest.
    @inline(__always)
    mutating func releaseTaken() {
        guard !taken.isEmpty else { return }
        for handle in taken { arena.free(.init(raw: handle)) }
        taken.removeAll(keepingCapacity: true)
        handIsQueued = false
        hand = nil
    }
}
