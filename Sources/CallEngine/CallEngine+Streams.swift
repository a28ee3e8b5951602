import CallTraces
import Measurement
import SIPTransactions
import SIPWire

/// Which connection of the target's a call begins on.
struct LaneChoice {
    /// Connections that calls share, one after the other.
    let count: Int
    let isPerCall: Bool
    /// There is nothing to choose: datagrams from one address, or one connection.
    let isSimple: Bool
    /// They are under TLS.
    let isSecure: Bool
    private let workers: UInt64

    init(_ settings: EngineSettings) {
        switch settings.connections {
        case .shared(let number): count = min(max(number, 1), Flow.mostConnections)
        case .perCall: count = 1
        }
        isSecure = settings.opensSecure
        isPerCall = settings.opensStreams && settings.connections == .perCall
        isSimple =
            settings.sources.isEmpty && !settings.targets.picks
            && (!settings.opensStreams || count == 1 && !isPerCall)
        workers = UInt64(max(settings.workers, 1))
    }

    /// Of `count`, by the arrival's number: a worker has every so many of them.
    func place(ofRun run: UInt64) -> UInt32 { UInt32(run / workers % UInt64(count)) }
}

// Functions of an engine mutate it even where they only look: what borrows so large a value is given a copy.

// Which flow a message takes where some are streams, and what becomes of calls whose connection ends.
extension CallEngine {
    /// Where a request goes that opens a dialog or belongs to none: the same for all requests of one call.
    @inline(__always)
    mutating func openingFlow(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) -> Flow {
        lanes.isSimple ? targetFlow : laneFlow(slot, header)
    }

    /// The same for the INVITE of a dialog and what goes with it: where it has followed a Contact, there.
    @inline(__always)
    mutating func openingFlow(
        _ dialog: UnsafeMutablePointer<DialogRecord>, _ number: Int, _ slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Flow {
        dialog.pointee.isRedirected
            ? Flow(index: redirectFlow(header, number).pointee) : openingFlow(slot, header)
    }

    @inline(never)
    private mutating func laneFlow(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) -> Flow {
        if lanes.isPerCall {
            return Flow.ofCall(slot: slot, generation: header.pointee.generation).over(tls: lanes.isSecure)
        }
        let first = targets.picks ? targets.hops[hop(header)].flow : targetFlow
        if first.isStream { return Flow(index: first.index &+ lanes.place(ofRun: header.pointee.run)) }
        return locals.isSingle ? first : first.from(locals.number(ofRun: header.pointee.run))
    }

    /// Where requests in the dialog go now.
    @inline(__always)
    mutating func flow(
        of dialog: UnsafeMutablePointer<DialogRecord>, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Flow {
        guard dialog.pointee.learned != 0 else { return openingFlow(slot, header) }
        let flow = Flow(index: dialog.pointee.flow)
        return flow.isAccepted ? openAgain(flow, dialog) : flow
    }

    /// Where that request went, which is in flight.
    mutating func flow(
        ofRequest record: UnsafeMutablePointer<ClientRecord>, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Flow {
        let dialog = self.dialog(header, Int(record.pointee.dialog))
        let isOpening =
            switch record.pointee.method {
            case .cancel:
                record.pointee.template == ClientRecord.cancelsInvite
                    || record.pointee.template != ClientRecord.cancelsReinvite
                        && !bound.templates[Int(record.pointee.template)].isInDialog
            case .invite: dialog.pointee.state != .confirmed
            default: false
            }
        let flow =
            isOpening
            ? openingFlow(dialog, Int(record.pointee.dialog), slot, header)
            : dialog.pointee.learned == 0 ? openingFlow(slot, header) : Flow(index: dialog.pointee.flow)
        return record.pointee.isMoved ? stream(beside: flow) : flow
    }

    /// A connection that the peer had opened: where it has ended, the dialog goes on over one of ours, to where its route set
    /// and remote target lead.
    private mutating func openAgain(_ flow: Flow, _ dialog: UnsafeMutablePointer<DialogRecord>) -> Flow {
        guard !flows.isOpen(flow) else { return flow }
        let block = arena.pointer(.init(raw: dialog.pointee.learned))
        let learned = block.load(as: LearnedDialog.self)
        let uri: URIView
        if learned.routesLength > 0 {
            let line = UnsafeRawPointer(block + learned.routesOffset)
            let name = 7  // "Route: "
            let length = Int(learned.routesLength)
            var end = name
            while end < length, line.load(fromByteOffset: end, as: UInt8.self) != 0x0D { end &+= 1 }
            let value = OctetRange(offset: UInt32(name), length: UInt32(end &- name))
            uri = URIView(line, NameAddress(line, value).uri)
        } else if learned.targetNumber != 0, let text = texts.text(learned.targetNumber).baseAddress {
            uri = URIView(
                text, OctetRange(offset: 0, length: UInt32(texts.text(learned.targetNumber).count)))
        } else {
            let target = UnsafeRawPointer(block + Int(learned.targetOffset))
            uri = URIView(target, OctetRange(offset: 0, length: UInt32(learned.targetLength)))
        }
        guard let next = uri.address() else { return flow }
        let found =
            settings.transports.contains(.udp) && uri.transport == .udp
            ? flows.flow(to: next).from(localNumber(of: flow))
            : flows.lane(
                to: next, tls: isSecure(uri.transport, otherwise: flow), from: localNumber(of: flow))
        dialog.pointee.flow = found.index
        return found
    }

    /// Where requests go whose next hop `learnPath` has read from the message at hand; nil: where that came from.
    @inline(__always)
    mutating func flow(towards next: TransportAddress?) -> Flow {
        if next == nil || pathTransport != nil { countPath(next) }
        return speaksStreams ? choose(towards: next) : flow(to: next ?? source)
    }

    /// The next hop is named by a host name, which nothing resolves within a call, or asks for a transport that is not spoken here: its
    /// requests go elsewhere than RFC 3263 §4 has them, and the report says so.
    @inline(never)
    private mutating func countPath(_ next: TransportAddress?) {
        guard pathFault == .none else { return }
        if next == nil
            || pathTransport.map({ !settings.transports.contains(Transports($0)) && !movesLargeRequests }) == true
        {
            recorder.count(.pathsNotFollowed)
        }
    }

    /// The transport that the next hop's URI asks for; where it asks for none, the one by which its message came.
    @inline(never)
    private mutating func choose(towards next: TransportAddress?) -> Flow {
        var wantsStream = pathTransport.map { $0 != .udp } ?? arrival.isStream
        if !settings.transports.contains(.udp) { wantsStream = true }
        // What came back on TCP since the request was large says nothing of the next one: a URI without a transport is
        // for UDP then (RFC 3263 §4.1).
        if movesLargeRequests, pathTransport == nil, arrival.isLane, !scanner.index.isRequest {
            return flow(to: next ?? source)
        }
        guard let next else { return arrival.isStream ? arrival : flow(to: source) }
        guard wantsStream else { return flow(to: next) }
        let tls = isSecure(pathTransport, otherwise: arrival)
        return arrival.isStream && arrival.isSecure == tls && leadsBack(next)
            ? arrival : flows.lane(to: next, tls: tls, from: localNumber(of: arrival))
    }

    /// Whether a stream is to be under TLS, of what is spoken here.
    func isSecure(_ wanted: TransportProtocol?, otherwise flow: Flow) -> Bool {
        guard settings.transports.contains(.tls) else { return false }
        guard settings.transports.contains(.tcp) else { return true }
        return wanted.map { $0 == .tls } ?? flow.isSecure
    }

    /// Whether the connection at hand leads to this address: it is its other end's, or the one at which a peer that opened the
    /// connection says it can be reached, on the same host.
    private mutating func leadsBack(_ next: TransportAddress) -> Bool {
        if next == source { return true }
        guard arrival.isAccepted, scanner.index.isRequest, next.high == source.high, next.low == source.low else {
            return false
        }
        let path = viaPath()
        return path.isSameHost && path.port == next.port
    }

    /// The call that had a connection of its own is over. An entry without octets says so to the transport.
    mutating func closeConnection(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) {
        guard header.pointee.phase != .orphan, !party(header).pointee.answers,
            outbound.reserve() != nil
        else { return }
        outbound.commit(
            length: 0,
            flow: Flow.ofCall(slot: slot, generation: header.pointee.generation).over(tls: lanes.isSecure), owner: .max)
    }

    // MARK: what the transport says

    /// What is to be said of an errno that is none of the system's.
    public mutating func explain(_ errno: Int32, _ words: String) {
        troubles[errno] = Array(words.utf8)
        guard transportTroubles[words] != nil || transportTroubles.count < 64 else { return }
        transportTroubles[words, default: 0] += 1
    }

    public mutating func recordHandshake(_ nanoseconds: Int64) {
        recorder.record(.tlsHandshake, nanoseconds: nanoseconds)
    }

    mutating func stream(_ flow: Flow, did event: FlowEvent) {
        switch event {
        case .opened(let nanoseconds): recorder.record(.connectionSetup, nanoseconds: nanoseconds)
        case .accepted(let peer, let local):
            flows.open(flow, from: peer, at: locals.isSingle ? 0 : local.map { locals.number(of: $0) } ?? 0)
        case .refused(let errno):
            if flow.isLane { noteRefusal(of: flow, errno: errno) }
            lose(flow, errno: errno, isRefused: true)
        case .closed(let errno):
            stalledFlows[flow.index] = nil
            lose(flow, errno: errno)
        case .queueFull: if flow.isLane { fullLanes.insert(flow.lane) }
        case .writable: if flow.isLane { fullLanes.remove(flow.lane) }
        case .stalled: if stalledFlows.count < Self.mostStalledFlows { stalledFlows[flow.index] = tick }
        case .flowing: stalledFlows[flow.index] = nil
        }
    }

    private static var mostStalledFlows: Int { 4096 }
    /// A connection that has taken nothing, or not all of it, for so many milliseconds has a peer that does not read; a busy
    /// one takes it sooner.
    private static var unreadAfter: Tick { 1000 }

    /// Whether what the dialog sent may not have left this machine, since its peer does not read.
    mutating func isUnread(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int) -> Bool {
        guard !stalledFlows.isEmpty, dialogNumber < Int(party(header).pointee.dialogs) else { return false }
        let flow = self.flow(of: dialog(header, dialogNumber), slot, header)
        return stalledFlows[flow.index].map { tick &- $0 >= Self.unreadAfter } ?? false
    }

    /// Whether there is a target for this arrival, and the connection that it would take has room for another call.
    @inline(__always)
    public mutating func mayStart(_ number: UInt64) -> Bool {
        targets.picks ? mayStartSomewhere(number) : hasRoom(for: number, targetFlow)
    }

    @inline(never)
    private mutating func mayStartSomewhere(_ number: UInt64) -> Bool {
        guard let hop = targets.choose(run: number, now: now.nanoseconds) else { return false }
        return hasRoom(for: number, targets.hops[hop].flow)
    }

    /// - Parameter first: of the target's lanes.
    @inline(__always)
    func hasRoom(for number: UInt64, _ first: Flow) -> Bool {
        fullLanes.isEmpty || lanes.isPerCall || !first.isStream
            || !fullLanes.contains(first.lane &+ Int(lanes.place(ofRun: number)))
    }

    /// A message did not find room in the queue of its connection, or that had ended: its transaction has failed.
    public mutating func sendDropped(on flow: Flow, owner slot: UInt32, errno: Int32, now: MonotonicInstant) {
        setTime(now)
        hand = nil
        guard slot != .max, slots.isLive(slot) else { return }
        loseTransactions(slot, header(slot), on: flow, errno: errno)
    }

    public mutating func countStreamFault(_ rule: StreamRule) {
        recorder.countMalformed(WireFault.allCases.count + Int(rule.rawValue))
    }

    private mutating func lose(_ flow: Flow, errno: Int32, isRefused: Bool = false) {
        outbound.abandon(flow)
        if flow.isAccepted {
            flows.close(flow, errno: errno)
            // All that have ended by then are looked for at once: with many calls a look costs something.
            lossesDue = min(lossesDue, tick &+ UInt32(clamping: slots.live / 512))
        } else if flow.isOfCall {
            let slot = flow.callSlot
            guard slots.isLive(slot),
                Flow.ofCall(slot: slot, generation: header(slot).pointee.generation).over(tls: flow.isSecure) == flow
            else { return }
            loseTransactions(slot, header(slot), on: flow, errno: errno)
        } else {
            fullLanes.remove(flow.lane)
            loseTransactions(on: flow, errno: errno, isRefused: isRefused)
        }
    }

    /// Looks for transactions on connections that have ended since the last look.
    mutating func findLosses() {
        lossesDue = .never
        loseTransactions(on: .datagram, errno: 0)
    }

    private mutating func loseTransactions(on flow: Flow, errno: Int32, isRefused: Bool = false) {
        var cursor: UInt32 = 0
        while let slot = slots.nextLive(from: cursor) {
            cursor = slot &+ 1
            loseTransactions(slot, header(slot), on: flow, errno: errno, isRefused: isRefused)
        }
    }

    /// Why a flow carries nothing any more; nil where it does.
    private mutating func loss(_ flow: Flow, _ lost: Flow, _ errno: Int32) -> Int32? {
        guard flow.isStream else { return nil }
        if flow == lost { return errno }
        return flow.isAccepted && !flows.isOpen(flow) ? flows.closingError(flow) : nil
    }

    /// Ends the transactions of one party that are on this flow, or on a connection that has ended (RFC 3261 §17.1.4, §18.4).
    /// A dialog that stands goes on standing: its next request takes another connection.
    private mutating func loseTransactions(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, on lost: Flow, errno: Int32, isRefused: Bool = false
    ) {
        guard header.pointee.phase == .waiting || header.pointee.phase == .closing else { return }
        var reason: Int32?
        for number in 0..<clientCount(header) {
            let record = client(header, number)
            guard record.pointee.isActive, let error = loss(flow(ofRequest: record, slot, header), lost, errno)
            else { continue }
            if isRefused, returnsToUDP(record, slot, header, errno: error) { continue }
            if targets.picks, turnsElsewhere(.transport, record, slot, header) { continue }
            reason = error
            let dialog = self.dialog(header, Int(record.pointee.dialog))
            if record.pointee.method == .invite { countSessionAnswer(503, dialog) }
            if record.pointee.method == .register { recorder.countRegistrationAnswer(status: 503) }
            if dialog.pointee.state != .confirmed || record.pointee.method == .bye {
                dialog.pointee.state = .terminated
            }
            release(record)
        }
        for number in 0..<Int(party(header).pointee.servers) {
            let record = server(header, number)
            guard record.pointee.isActive, let error = loss(Flow(index: record.pointee.flow), lost, errno) else {
                continue
            }
            // A 2xx has ended the transaction; its ACK is a request of its own, on whatever connection (RFC 3261 §13.3.1.4).
            if record.pointee.awaitsAck { continue }
            reason = error
            let dialog = self.dialog(header, Int(record.pointee.dialog))
            if record.pointee.method == .invite, dialog.pointee.state != .confirmed {
                dialog.pointee.state = .terminated
            }
            finish(record)
        }
        guard let reason else {
            // It may have gone on elsewhere.
            if targets.picks || isRefused { settleTimers(slot) }
            return
        }
        recorder.count(.transactionsLost)
        deliver(.refused(errno: reason), slot, header)
        if slots.isLive(slot) { settleTimers(slot) }
    }
}
