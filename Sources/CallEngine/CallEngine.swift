import CallTraces
import Digest
import Glibc
import Measurement
import RTPMedia
import SIPTransactions
import SIPWire

/// What happened to a flow, told to the engine by its transport.
public enum FlowEvent: Sendable {
    /// A connection of ours stands, so long after it was begun.
    case opened(nanoseconds: Int64)
    /// A peer has opened a connection, to this address of ours where we have several.
    case accepted(from: TransportAddress, at: TransportAddress? = nil)
    /// The peer refused: ICMP port unreachable for a datagram (RFC 3261 §18.4), connection refused for a stream.
    case refused(errno: Int32)
    /// A connection has ended, and with it what was under way on it; 0: the peer has closed it, as it may.
    case closed(errno: Int32)
    /// After `queueFull`: new calls may be begun on it again.
    case writable
    /// Of datagrams: what was asked to be sent was dropped and counted. Of a connection: its queue is half full, no new calls are to be
    /// begun on it.
    case queueFull
    /// A connection takes no octets for now: what is sent waits on our side.
    case stalled
    /// After `stalled`: all that waited has left, or is given up.
    case flowing
}

/// One worker's engine: calls, transactions, dialogs and the scenario interpreter, without a clock, a socket or an unseeded
/// random number. Bytes and time go in; messages come out in `outbound`.
///
/// The same engine runs under sockets (`Blaster`) and under a seeded simulated network (tests).
///
/// ```
/// receive ─► scan ─► find the slot ─► transaction machine ─► event ─► script until it waits ─► outbound
/// advance ─► timers that are due ───────────┘
/// startRun ──────────────────────────────────────────────────────┘
/// ```
public struct CallEngine: ~Copyable {
    /// Messages to send. The caller flushes and empties it after each batch of `receive`, `advance` or `startRun`.
    public var outbound: OutboundLog
    public var recorder: WorkerRecorder
    public var traces: TraceArena

    let settings: EngineSettings
    let timers: TransactionTimers
    let tagMask: UInt64
    let bound: BoundProgram
    /// Rows for runs; empty unless the program reads a feed.
    var feeds: FeedDesk
    /// What `--cdr` writes; off unless it is asked for.
    var callRecords: CallRecordLog
    /// The last run could not start since no row was free.
    public internal(set) var lacksRow = false
    let expectationOfInstruction: [Int: Int]
    let firstGeneralExpectation: Int
    var slots: SlotSlab
    var wheel: TimerWheel
    var arena: LearnedArena
    var linger: LingerTable
    var flows: FlowTable
    var locals: LocalAddresses
    /// Where the message being rendered goes.
    var speaking = Flow.datagram
    /// Room for how our Vias begin, where they differ.
    let localViaHead: UnsafeMutableRawPointer
    var texts: TextDictionary
    var scanner: MessageScanner
    let targetFlow: Flow
    /// Which of several targets each call goes to.
    var targets: TargetTable
    /// Where the target's connections are more than one: how a call finds its own.
    let lanes: LaneChoice
    /// A request above it is too large for UDP.
    let largestRequest: Int
    /// Such a request goes over TCP.
    let movesLargeRequests: Bool
    /// There are streams: where a request goes depends on what its next hop asks for.
    let speaksStreams: Bool
    let acceptedQueue: Int
    let completedQueue: Int
    let repeatedQueue: Int
    /// A server transaction is found by the linger table alone. While it has its record, its entry there is renewed after so
    /// many milliseconds, whatever `--linger` says; the queue for that is not so short that renewing would be all we do.
    let renewal: Tick
    let pendingQueue: Int
    /// The same for requests over a stream, which do not come twice: no longer than a CANCEL or an answer may need.
    let streamQueue: Int
    let streamRenewal: Tick

    /// Runs in progress: from the first request to the last dialog's final answer. Lingering transactions do not count.
    public internal(set) var liveRuns = 0
    /// Runs that ended, in any way.
    public internal(set) var endedRuns: UInt64 = 0
    /// Runs that answering parties began: what `serve --calls` counts.
    public internal(set) var servedRuns: UInt64 = 0
    /// When the last message came or went.
    public internal(set) var lastActivity = MonotonicInstant.zero

    /// Told of each interval, where there is one.
    public var glances: GlanceBoard?
    /// What a progress line shows of the last interval.
    public internal(set) var lastGlance = IntervalGlance()
    var intervalStart: MonotonicInstant
    let epoch: MonotonicInstant
    var now: MonotonicInstant
    /// Milliseconds since the epoch, rounded up: a timer never fires early.
    var tick: Tick = 0
    /// When the message at hand came.
    var received: MonotonicInstant
    var source = TransportAddress(ipv4: 0, port: 0)
    /// The connection on which the message at hand came; where it came on none, `.datagram` from the local address it came to.
    var arrival = Flow.datagram

    /// The message at hand; nil between messages. Scanned last, so `scanner` speaks of it.
    var hand: UnsafeRawPointer?
    var handCount = 0
    /// Why the last message that could not be made could not.
    var refusal = FailureEvidence.exhausted
    /// Why the challenge in the response at hand was not answered; nil: there is none, or it was.
    var challengeTrouble: ChallengeTrouble?
    /// Of the challenges being rendered.
    var challengeIsStale = false
    var hasher = DigestHasher()
    /// Which message of its run it is in the trace; 0 where it is not kept.
    var handOrdinal: UInt32 = 0
    /// What responses to the request at hand repeat of it; made on first use.
    let echoScratch: UnsafeMutableRawPointer
    var echoIsMade = false
    /// Octets of Route lines in `echoScratch`: those of the INVITE whose CANCEL is about to be made.
    var companionRoutes = 0
    /// Where its request URI stands there.
    var companionURI = OctetRange.none
    /// Values of the message rendered last, for the trace.
    let valueScratch: UnsafeMutableRawPointer
    var valueCount = 0
    /// Texts computed for one value.
    let textScratch: UnsafeMutableRawPointer
    /// Behind it: a request of ours, made once more to be read. Its own values are computed at `textScratch` meanwhile.
    var requestScratch: UnsafeMutableRawPointer { textScratch + Self.scratchOctets }
    var textUsed = 0
    let answerCache: AnswerCache
    /// The worker's media ports, where the run has media.
    var media: MediaDesk?
    /// The last topmost Via up to its branch, whence it came, and what it asked for.
    let viaHead: UnsafeMutableRawPointer
    var viaHeadCount = 0
    var viaSource = TransportAddress(ipv4: 0, port: 0)
    var viaArrival = Flow.datagram
    var lastViaPath: ViaPath
    static let longestViaHead = 256
    /// The last Contact value, where its URI stands in it, and where that leads.
    let contactText: UnsafeMutableRawPointer
    var contactCount = -1
    var contactTarget = OctetRange.none
    var contactAddress: TransportAddress?
    var contactTransport: TransportProtocol?
    /// The transport that the next hop read last asks for; nil where it asks for none.
    var pathTransport: TransportProtocol?
    /// What the transport said of failures that are none of the system's, by their errno.
    var troubles: [Int32: [UInt8]] = [:]
    /// How often each was said, the first 64 of them.
    public internal(set) var transportTroubles: [String: UInt64] = [:]
    /// Lanes whose queue is half full: no call begins on them.
    var fullLanes: Set<Int> = []
    /// Connections for large requests that were refused, and until when nobody asks for them again.
    var refusedLanes: [Flow: Tick] = [:]
    /// When calls are looked through for connections that have ended; `Tick.never`: none has.
    var lossesDue = Tick.never
    /// Record-Route URIs of the message at hand.
    let routeRanges: UnsafeMutablePointer<OctetRange>
    static let mostRoutes = 64
    static let longestRoutes = 60_000
    /// What was wrong with what `learnPath` read last.
    var pathFault = PathFault.none
    /// Secret part of the keys that peers could choose.
    let keySeed: UInt64
    /// Since the first `drain`: no run begins any more.
    var isDraining = false
    /// Slots marked `undrained`; none of them stands before the cursor.
    var undrained = 0
    var drainCursor: UInt32 = 0
    /// An owner has left and its run's other parties have not: they are to be hung up themselves.
    var drainMissed = false
    /// The message at hand comes from an inbox; `taken` are the blocks of such, given back when the script rests.
    var handIsQueued = false
    var taken: [UInt32] = []
    /// The load is over: nothing is repeated any more that was to be repeated until then.
    var isEnding = false
    /// Slots before this one have been told.
    var endCursor: UInt32 = 0
    /// Connections that take no octets, and since when.
    var stalledFlows: [UInt32: Tick] = [:]
    /// Of slots whose peer has sent a response that was discarded: the last of them.
    var misfits: [UInt32: Misfit] = [:]
    /// Of failed runs that are still being ended, by owner's slot.
    var verdicts: [UInt32: (numbers: TraceVerdict, detail: [UInt8])] = [:]
    /// Legs that take a later request without a tag, by Call-ID and From tag. Empty unless a party has such a step.
    var legs: [UInt64: UInt32] = [:]
    /// Parties that wait for a signal, by owner's slot.
    var signalWaiters: [UInt32: [UInt32]] = [:]
    /// Values that runs are known by, and which of them each run has: only where a script says `Correlate`.
    var correlations: [UInt64: UInt32] = [:]
    var correlationsOfRun: [UInt32: [UInt64]] = [:]

    static let scratchOctets = 4 << 17

    /// - Parameters:
    ///   - recorder: made with `program.recorderLayout()`.
    ///   - epoch: time zero of the protocol timers; not after the first `now`.
    /// - Throws: when the address space for the tables is not to be had.
    public init(
        program: borrowing CallProgram, settings: EngineSettings, recorder: consuming WorkerRecorder,
        traces: consuming TraceArena, epoch: MonotonicInstant
    ) throws {
        let plan = ExpectationPlan(program)
        let bound = BoundProgram(program, settings, expectations: plan.ofWait)
        // What can fail comes before anything of the engine exists.
        let slots = try SlotSlab(stride: bound.stride, capacity: settings.mostSlots)
        let arena = try LearnedArena(maximumOctets: settings.arenaOctets)
        var linger = try LingerTable(maximum: settings.mostLingering, expected: settings.expectedLingering)
        let feeds = try FeedDesk(program, settings)
        let locals = LocalAddresses(settings)
        var flows = FlowTable(
            target: settings.target, streams: settings.transports.hasStreams, hasLocals: !locals.isSingle)
        lanes = LaneChoice(settings)
        largestRequest = settings.pathMTU.map { max($0 - 200, 0) } ?? Self.largestOverUDP
        movesLargeRequests = settings.movesLargeRequests && settings.transports.isSuperset(of: [.udp, .tcp])
        speaksStreams = settings.transports.hasStreams
        targetFlow =
            settings.opensStreams
            ? flows.addLanes(to: settings.target, lanes.count, tls: settings.opensSecure)
            : flows.flow(to: settings.target)
        let lanesOfEach = lanes.count
        targets = TargetTable(settings.targets, seed: settings.seed, first: targetFlow) { address in
            settings.opensStreams
                ? flows.addLanes(to: address, lanesOfEach, tls: settings.opensSecure) : flows.flow(to: address)
        }
        timers = settings.timers
        tagMask = settings.nonce.tagMask
        acceptedQueue = linger.queue(lasting: max(timers.acceptedWait, 1)) ?? 0
        completedQueue = linger.queue(lasting: max(timers.d(reliable: false), 1)) ?? 0
        let repeats = max(timers.j(reliable: false), 1)
        repeatedQueue = linger.queue(lasting: repeats) ?? 0
        let pending = max(repeats, 2000)
        let pendingNumber = linger.queue(lasting: pending) ?? 0
        pendingQueue = pendingNumber
        renewal = pending - 500
        // No property of this engine may stand behind `??`: a closure over half an engine ends it.
        streamQueue = linger.queue(lasting: 2000) ?? pendingNumber
        streamRenewal = 1500
        if !traces.isOff {
            for template in 0..<bound.variantCount {
                traces.registerTemplate(id: UInt16(template), segments: bound.traceSegments(template))
            }
        }
        wheel = TimerWheel(slots: slots, offset: SlotHeader.linkOffset)
        self.settings = settings
        self.bound = bound
        self.feeds = feeds
        callRecords = CallRecordLog(settings.callRecords)
        self.slots = slots
        self.arena = arena
        self.linger = linger
        self.flows = flows
        self.locals = locals
        localViaHead = .allocate(byteCount: Self.longestViaHead, alignment: 8)
        self.recorder = recorder
        self.traces = traces
        self.epoch = epoch
        expectationOfInstruction = plan.ofInstruction
        firstGeneralExpectation = plan.firstGeneral
        outbound = OutboundLog()
        scanner = MessageScanner()
        texts = TextDictionary()
        now = epoch
        received = epoch
        intervalStart = epoch
        echoScratch = .allocate(byteCount: OutboundLog.longestMessage, alignment: 16)
        valueScratch = .allocate(byteCount: Self.scratchOctets, alignment: 16)
        textScratch = .allocate(byteCount: Self.scratchOctets + OutboundLog.longestMessage, alignment: 16)
        answerCache = AnswerCache()
        media = settings.media.map { MediaDesk($0) }
        viaHead = .allocate(byteCount: Self.longestViaHead, alignment: 8)
        contactText = .allocate(byteCount: Self.longestViaHead, alignment: 8)
        routeRanges = .allocate(capacity: Self.mostRoutes)
        lastViaPath = ViaPath(flow: targetFlow, isPlain: true)
        keySeed = (UInt64(settings.nonce.value) &+ 1) &* 0x9E37_79B9_7F4A_7C15
    }

    deinit {
        echoScratch.deallocate()
        valueScratch.deallocate()
        textScratch.deallocate()
        answerCache.deallocate()
        viaHead.deallocate()
        localViaHead.deallocate()
        contactText.deallocate()
        routeRanges.deallocate()
    }

    // MARK: time

    @inline(__always)
    mutating func setTime(_ instant: MonotonicInstant) {
        if instant > now { now = instant }
        tick = Tick(truncatingIfNeeded: (now.nanoseconds &- epoch.nanoseconds &+ 999_999) / 1_000_000)
    }

    /// When `advance` must be called next; `.distantFuture` when no timer runs.
    public var nextDeadline: MonotonicInstant {
        let earliest = min(min(wheel.earliest, linger.nextExpiry), lossesDue)
        let timers =
            earliest == .never
            ? MonotonicInstant.distantFuture : epoch.advanced(byNanoseconds: Int64(earliest) &* 1_000_000)
        return targets.picks ? min(timers, targets.nextLook) : timers
    }

    /// `secure`: it leads to TLS, which is not spoken here.
    enum PathFault { case none, noContact, contact, routes, secure }

    /// Where a flow leads.
    @inline(__always)
    public func address(of flow: Flow) -> TransportAddress {
        flow.isStream && flow.isOfCall && targets.picks ? address(ofCall: flow) : flows.address(flow)
    }

    /// Call slots in use: parties of live runs and what still ends after them.
    public var liveSlots: Int { Int(slots.live) }

    // MARK: starting

    /// Starts one run of the scenario: the party that an arrival creates executes until it waits.
    ///
    /// - Parameters:
    ///   - number: the arrival's place in the whole plan, over all workers.
    ///   - due: when the plan wanted it.
    /// - Returns: false when no call slot is free (counted as `runsWithoutSlot`), the queue of its connection is half full
    ///   (`runsWithoutConnection`), its source begins no more (`runsBeyondSourceRate`), every target wants no new calls
    ///   (`runsHeldBack`), or there is no row of a feed: then `lacksRow` is true and nothing is counted, see
    ///   `recordWithoutRow`.
    public mutating func startRun(number: UInt64, due: MonotonicInstant, now: MonotonicInstant) -> Bool {
        setTime(now)
        lacksRow = false
        let hop = targets.picks ? targets.choose(run: number, now: self.now.nanoseconds) : 0
        guard let hop else {
            recorder.count(.arrivalsDue)
            recorder.count(.runsHeldBack)
            return false
        }
        guard hasRoom(for: number, targets.picks ? targets.hops[hop].flow : targetFlow) else {
            recorder.count(.arrivalsDue)
            recorder.count(.runsWithoutConnection)
            return false
        }
        if locals.isLimited, !locals.mayBegin(number, due: due.nanoseconds) {
            recorder.count(.arrivalsDue)
            recorder.count(.runsBeyondSourceRate)
            return false
        }
        guard let party = initiator(ofRun: number), let slot = allocateSlot(party: party, run: number, due: due) else {
            recorder.count(.arrivalsDue)
            recorder.count(.runsWithoutSlot)
            return false
        }
        if feeds.count > 0, !drawRows(slot, arrival: number) {
            slots.free(slot)
            lacksRow = true
            return false
        }
        recorder.count(.arrivalsDue)
        recorder.count(.runsStarted)
        recorder.record(.startLateness, nanoseconds: now.nanoseconds(since: due))
        liveRuns += 1
        hand = nil
        let header = self.header(slot)
        header.pointee.flags.insert(.countedLive)
        if targets.picks { begin(at: hop, header) }
        recorder.countRun(.started, of: Int(self.party(header).pointee.scenario))
        run(slot, header)
        settleTimers(slot)
        return true
    }

    /// Which scenario an arrival is of: drawn by weight from the seed and the arrival's number, so that any number of workers
    /// gives one plan.
    @inline(__always)
    private func initiator(ofRun number: UInt64) -> Int? {
        guard bound.initiators.count > 1 else { return bound.initiator >= 0 ? bound.initiator : nil }
        var z = (settings.seed ^ 0x6A09_E667_F3BC_C908) &+ number &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
        let drawn = (z ^ (z &>> 31)) &>> 32
        return bound.initiators.first { drawn < $0.end }?.party
    }

    public mutating func recordNotStarted(due: MonotonicInstant, now: MonotonicInstant) {
        recorder.count(.arrivalsDue)
        recorder.recordNotStarted(latenessNanoseconds: now.nanoseconds(since: due))
    }

    public mutating func recordBlocked() {
        recorder.count(.arrivalsDue)
        recorder.count(.runsBlocked)
    }

    /// An arrival that found no row of a feed free.
    public mutating func recordWithoutRow() {
        recorder.count(.arrivalsDue)
        recorder.count(.runsWithoutRow)
    }

    mutating func allocateSlot(party: Int, run: UInt64, due: MonotonicInstant) -> UInt32? {
        guard let slot = slots.allocate() else { return nil }
        let pointer = slots.pointer(slot)
        let generation = slots.generation(slot)
        memset(pointer + 4, 0, bound.stride - 4)
        wheel.prepare(slot)
        let header = pointer.assumingMemoryBound(to: SlotHeader.self)
        header.pointee.generation = generation
        header.pointee.stepDeadline = .never
        header.pointee.programCounter = bound.parties[party].entry
        header.pointee.party = UInt8(truncatingIfNeeded: party)
        header.pointee.phase = .waiting
        header.pointee.run = run
        header.pointee.due = due.nanoseconds
        header.pointee.owner = slot
        header.pointee.legs = 1
        if callRecords.isOn { beginRecord(header) }
        return slot
    }

    // MARK: records of a slot

    @inline(__always)
    func header(_ slot: UInt32) -> UnsafeMutablePointer<SlotHeader> {
        slots.pointer(slot).assumingMemoryBound(to: SlotHeader.self)
    }

    @inline(__always)
    func party(_ header: UnsafeMutablePointer<SlotHeader>) -> UnsafeMutablePointer<BoundProgram.Party> {
        bound.parties + Int(header.pointee.party)
    }

    @inline(__always)
    func dialog(_ header: UnsafeMutablePointer<SlotHeader>, _ number: Int) -> UnsafeMutablePointer<DialogRecord> {
        (UnsafeMutableRawPointer(header) + SlotHeader.size + number &* DialogRecord.size)
            .assumingMemoryBound(to: DialogRecord.self)
    }

    @inline(__always)
    func client(_ header: UnsafeMutablePointer<SlotHeader>, _ number: Int) -> UnsafeMutablePointer<ClientRecord> {
        if number >= Int(party(header).pointee.clients) {
            return arena.pointer(.init(raw: header.pointee.inbox)).assumingMemoryBound(to: ClientRecord.self)
        }
        return (UnsafeMutableRawPointer(header) + Int(party(header).pointee.clientOffset) + number &* ClientRecord.size)
            .assumingMemoryBound(to: ClientRecord.self)
    }

    /// Client records of a slot: those the compiler counted, and one more from the arena while a call is being ended that
    /// needs it.
    @inline(__always)
    func clientCount(_ header: UnsafeMutablePointer<SlotHeader>) -> Int {
        Int(party(header).pointee.clients) &+ (header.pointee.flags.contains(.overflow) ? 1 : 0)
    }

    @inline(__always)
    func server(_ header: UnsafeMutablePointer<SlotHeader>, _ number: Int) -> UnsafeMutablePointer<ServerRecord> {
        (UnsafeMutableRawPointer(header) + Int(party(header).pointee.serverOffset) + number &* ServerRecord.size)
            .assumingMemoryBound(to: ServerRecord.self)
    }

    @inline(__always)
    func callWord(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) -> UInt64 {
        UInt64(settings.worker) &<< 56 | UInt64(slot) &<< 32 | UInt64(header.pointee.generation)
    }

    @inline(__always)
    func templates(_ header: UnsafeMutablePointer<SlotHeader>, dialog: Int) -> BoundProgram.DialogTemplates {
        bound.dialogTemplates[Int(party(header).pointee.firstDialog) &+ dialog]
    }

    /// The slot that owns this slot's run, itself where it is gone.
    @inline(__always)
    func owner(_ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>) -> UnsafeMutablePointer<SlotHeader> {
        header.pointee.owner == slot ? header : self.header(header.pointee.owner)
    }
}
