import CLinuxSockets
import CallEngine
import Glibc
import Measurement
import SIPWire

/// One thread's loop and everything in it: receive a batch, give it to the engine, fire timers, start what is due, send,
/// wait. Nothing here is shared but the words it is handed; nothing is allocated after `init`.
struct Worker<Engine: LoadEngine & ~Copyable>: ~Copyable {
    /// Arrivals started in one round, so that after a stall a backlog and the answers to it take turns.
    private static var arrivalsPerRound: Int { 64 }
    /// Rounds in a row that may begin with a full batch before arrivals have their turn all the same.
    private static var mostRoundsBehind: Int { 16 }
    /// Calls of `advance` in one round; each fires a bounded number of timers.
    private static var advancesPerRound: Int { 64 }
    /// Half a batch: with so much coming, the next look finds more.
    private static var muchWork: Int { 32 }
    /// How long a full send buffer is tried again before its messages are given up.
    private static var blockedLimit: Int64 { 100_000_000 }
    static var errorsPerRound: Int { 64 }
    /// How long after an ICMP error each message is a datagram of its own: until what was sent with it is repeated (T1).
    static var aloneTime: Int64 { 1_000_000_000 }
    /// Messages of one peer between two ticks, 50 ms, that make it worth a socket of its own: 10,000 a second.
    private static var muchFromOne: Int { 500 }
    /// What the answers to a few calls take, with what is sent upon them. An arrival nearer than this goes before them.
    private static var batchTime: Int64 { 25_000 }

    let index: Int
    let plan: RunPlan
    let cap: Int
    var socket: UDPSocket
    var streams: ConnectionTable
    var engine: Engine
    /// There is a datagram socket.
    private let speaksDatagrams: Bool
    let words: UnsafeMutablePointer<RunWords>
    let progress: UnsafeMutablePointer<ProgressWords>
    let control: RunControl

    // Arrivals.
    private var schedule: ArrivalSchedule?
    /// Due time of the next scheduled arrival; `.distantFuture` when there is none.
    private var nextDue = MonotonicInstant.distantFuture
    private var nextNumber: UInt64 = 0
    /// Of a closed load: the next run's number; `lastNumber` ends it.
    private var closedNumber: UInt64 = 0
    private var lastNumber: UInt64 = 0

    // Hand-over. Worker 0 has a producer for each other worker, those have a consumer.
    private let producers: UnsafeMutablePointer<HandOverRing.Producer>?
    private let events: UnsafePointer<Int32>
    private var consumer: HandOverRing.Consumer?

    // The state of the loop, shared with Worker+Phases.swift.
    var start = MonotonicInstant.zero
    var phase = RunPhase.loading
    var phaseStart = MonotonicInstant.zero
    var lastTick = MonotonicInstant.zero
    var nextTick = MonotonicInstant.zero
    var nextInterval = MonotonicInstant.zero
    var firstSent = MonotonicInstant.zero
    var lastReceived = MonotonicInstant.zero
    var drainRemainder = 0.0
    var undrained = 0
    var hasEndedRepeating = false
    /// Rounds in a row that began with a full batch.
    private var roundsBehind = 0
    var isCountedDone = false
    var stamps = StampClock()
    var result: WorkerResult
    private var governor: WaitGovernor
    private var lastWake = MonotonicInstant.zero
    /// Since when the worker has been working; earlier work is in the counters.
    var mark = MonotonicInstant.zero
    var busy: Int64 = 0
    /// Something was done since `mark`; only spinning needs to know.
    private var hasWorked = false
    var waits: UInt64 = 0
    /// The due time of the arrival that is waited for without sleeping.
    private var meeting = MonotonicInstant.zero
    /// An arrival is due now, and goes before what has come.
    private var isArrivalFirst = false
    private var blockedSince = MonotonicInstant.distantFuture
    /// Who sends the most, and how many of the messages since the last tick were from it and from others.
    private var likelyPeer = TransportAddress(ipv4: 0, port: 0)
    private var fromLikelyPeer = 0
    private var fromOthers = 0
    var handedOver: UInt64 = 0
    var handOverOverflow: UInt64 = 0
    var failure = clx_error()
    /// Until when no messages are segments of one send: an ICMP error may have been for many.
    var aloneUntil = MonotonicInstant.zero
    /// When streams are looked at next though there is no connection.
    var nextStreamLook = MonotonicInstant.zero

    init(
        index: Int, plan: RunPlan, socket: consuming UDPSocket, streams: consuming ConnectionTable,
        engine: consuming Engine, control: RunControl,
        words: UnsafeMutablePointer<RunWords>, progress: UnsafeMutablePointer<ProgressWords>,
        rings: UnsafePointer<HandOverRing>, events: UnsafePointer<Int32>
    ) {
        self.index = index
        self.plan = plan
        self.control = control
        self.words = words
        self.progress = progress
        self.events = events
        cap = plan.concurrency(ofWorker: index)
        result = WorkerResult(index: index, localAddress: socket.localAddress)
        self.socket = socket
        self.streams = streams
        self.engine = engine
        speaksDatagrams = plan.speaksDatagrams

        let workers = plan.workersInUse
        switch plan.load {
        case .open(let rate, let process, _):
            schedule = ArrivalSchedule(
                rate: rate, process: process, durationNanoseconds: plan.duration, calls: plan.calls, seed: plan.seed,
                worker: index, workers: workers)
        case .closed:
            closedNumber = UInt64(index)
            lastNumber = plan.calls ?? .max
        case .none: break
        }
        governor = WaitGovernor(
            plan.wait, load: plan.load, concurrency: cap, workers: workers, streams: plan.speaksStreams)

        if plan.spreadsPublishedPort && index == 0 && workers > 1 {
            let producers = UnsafeMutablePointer<HandOverRing.Producer>.allocate(capacity: workers)
            for i in 0..<workers { (producers + i).initialize(to: HandOverRing.Producer(rings[i])) }
            self.producers = producers
        } else {
            producers = nil
            if plan.spreadsPublishedPort && workers > 1 { consumer = HandOverRing.Consumer(rings[index]) }
        }
    }

    deinit { producers?.deallocate() }

    // MARK: The loop

    /// Runs from the plan's start until the worker may leave.
    mutating func run(from start: MonotonicInstant) {
        begin(at: start)
        var now = MonotonicInstant.now()
        mark = now
        lastWake = now
        while true {
            let buffers = isArrivalFirst || !speaksDatagrams ? 0 : socket.receiveBatch()
            now = .now()
            var done = 0
            if buffers > 0 {
                done = takeBatch(now)
                now = .now()
            }
            if streams.isOn && !isArrivalFirst {
                done &+= takeStreams(now)
                now = .now()
            }
            isArrivalFirst = false
            if consumer != nil { done &+= takeHandedOver(now) }
            advanceTimers(now)
            // What has come goes before what is due: an overloaded worker that starts new runs while answers to the old
            // ones wait would lose them, repeat them, and finish nothing. Arrivals that wait too long are dropped, and
            // counted.
            let isBehind =
                (buffers >= UDPSocket.batch || streams.isBehind) && roundsBehind < Self.mostRoundsBehind
            roundsBehind = isBehind ? roundsBehind &+ 1 : 0
            if phase == .loading && !isBehind { done &+= startDue(now) }
            let sent = socket.counters.datagramsSent &+ streams.counters.streamWrites
            var isClear = flush(now)
            // What a timer sent is worth a look for its answer, as what was sent upon a message is.
            let hasSent = socket.counters.datagramsSent &+ streams.counters.streamWrites != sent
            if socket.hasErrors || socket.failureCount > 0 {
                tellFailures(now)
                isClear = false
            }
            if now >= nextTick {
                if !tick(now) { break }
                isClear = false
            }
            governor.count(done, ended: engine.endedRuns, now: now)
            if done > 0 { hasWorked = true }
            if !isClear {
                if blockedSince != .distantFuture { waitForRoom() }
                continue
            }
            let isDue = engine.nextDeadline <= now || (phase == .loading && nextDue <= now)
            if done >= Self.muchWork || isDue { continue }
            if governor.isPrecise && isMeetingArrival(now) {
                if nextDue.nanoseconds(since: now) < Self.batchTime { waitOut() } else { spin(after: done, now) }
            } else {
                wait(after: hasSent ? max(done, 1) : done, now)
                // Woken for an arrival, and not to find out how long the answers of the last one take.
                if governor.isPrecise && phase == .loading && nextDue.nanoseconds(since: mark) < Self.batchTime {
                    waitOut()
                }
            }
        }
        finish()
    }

    private mutating func begin(at start: MonotonicInstant) {
        self.start = start
        phaseStart = start
        lastTick = start
        nextTick = start
        nextInterval = start.advanced(byNanoseconds: plan.interval)
        takeNextArrival()
        if let duration = plan.duration, duration <= 0 { nextDue = .distantFuture }
    }

    private mutating func takeNextArrival() {
        if let arrival = schedule?.next() {
            nextNumber = arrival.number
            nextDue = start.advanced(byNanoseconds: arrival.due)
        } else {
            nextDue = .distantFuture
        }
    }

    /// No arrival will come any more.
    var isPlanExhausted: Bool {
        // Runs that go on until the load ends have it last as long as it was to.
        if engine.repeatsUntilEnd, let duration = plan.duration {
            return lastTick.nanoseconds(since: start) >= duration
        }
        switch plan.load {
        case .open: return nextDue == .distantFuture
        case .closed:
            if closedNumber >= lastNumber { return true }
            if let duration = plan.duration { return lastTick.nanoseconds(since: start) >= duration }
            return false
        case .none:
            if let duration = plan.duration { return lastTick.nanoseconds(since: start) >= duration }
            return false
        }
    }

    private mutating func takeBatch(_ now: MonotonicInstant) -> Int {
        var count = 0
        let oldest = socket.oldestStamp
        let passedOn = handedOver &+ handOverOverflow
        let workers = plan.workersInUse
        while let message = socket.nextMessage() {
            count &+= 1
            if message.source == likelyPeer { fromLikelyPeer &+= 1 } else { likelyPeerIsWrong(message.source) }
            if let producers, let owner = engine.owner(ofInitialRequest: message.octets, workers: workers), owner != 0 {
                if producers[owner].push(
                    message.octets, from: message.source, at: message.local, stamp: message.stamp)
                {
                    handedOver &+= 1
                } else {
                    handOverOverflow &+= 1
                }
                continue
            }
            give(message, now)
            if engine.wantsFlush { makeRoom(now) }
        }
        lastReceived = now
        recordReceived(count &- Int(handedOver &+ handOverOverflow &- passedOn), oldest: oldest, now)
        if let producers {
            for i in 1..<workers where producers[i].mustWake() { clx_event_signal(events[i]) }
        }
        return count
    }

    @inline(__always)
    private mutating func give(_ message: UDPSocket.Message, _ now: MonotonicInstant) {
        let received = stamps.instant(of: message.stamp, now: now)
        if socket.namesSources {
            engine.receive(message.octets, from: message.source, at: message.local, received: received, now: now)
        } else {
            engine.receive(message.octets, from: message.source, received: received, now: now)
        }
    }

    /// How long what has come waited for us: one sample for all of it. What came before the start waited for a run that was not there
    /// yet.
    mutating func recordReceived(_ count: Int, oldest stamp: Int64, _ now: MonotonicInstant) {
        guard count > 0 else { return }
        let came = max(stamps.instant(of: stamp, now: now), start)
        engine.recordReceived(count, latenessNanoseconds: now.nanoseconds(since: came))
    }

    @inline(never)
    private mutating func likelyPeerIsWrong(_ source: TransportAddress) {
        fromOthers &+= 1
        if fromLikelyPeer < fromOthers {
            likelyPeer = source
            fromLikelyPeer = 1
        }
    }

    /// Nearly everything came from one peer since the last tick, and much of it: worth a socket of its own.
    mutating func favourLikelyPeer() {
        if socket.favoured == nil, fromLikelyPeer >= Self.muchFromOne, fromOthers <= fromLikelyPeer / 16 {
            socket.favour(likelyPeer)
        }
        fromLikelyPeer = 0
        fromOthers = 0
    }

    private mutating func takeHandedOver(_ now: MonotonicInstant) -> Int {
        var count = 0
        var oldest: Int64 = 0
        // No more than a batch, so that the socket gets its turn.
        while count < UDPSocket.batch, let message = consumer!.take() {
            if count == 0 { oldest = message.stamp }
            count &+= 1
            give(message, now)
            if engine.wantsFlush { makeRoom(now) }
        }
        if count > 0 { lastReceived = now }
        recordReceived(count, oldest: oldest, now)
        return count
    }

    private mutating func advanceTimers(_ now: MonotonicInstant) {
        var turns = 0
        while engine.nextDeadline <= now && turns < Self.advancesPerRound && !engine.wantsFlush {
            engine.advance(to: now)
            turns &+= 1
        }
    }

    /// Starts the runs that are due. Arrivals are never queued: late ones are dropped, and so are those beyond the cap.
    private mutating func startDue(_ now: MonotonicInstant) -> Int {
        var started = 0
        if case .closed = plan.load {
            while engine.liveRuns < cap, closedNumber < lastNumber, started < Self.arrivalsPerRound,
                !engine.wantsFlush, engine.mayStart(closedNumber)
            {
                guard engine.startRun(number: closedNumber, due: now, now: now) else {
                    // Without a free row it waits for one, as it would for a run to end: a closed load has no due time.
                    if !engine.lacksRow { result.noSlot &+= 1 }
                    break
                }
                closedNumber &+= UInt64(plan.workersInUse)
                started &+= 1
            }
        } else {
            while nextDue <= now, started < Self.arrivalsPerRound, !engine.wantsFlush {
                if now.nanoseconds(since: nextDue) > plan.catchUpLimit {
                    engine.recordNotStarted(due: nextDue, now: now)
                    result.notStarted &+= 1
                } else if engine.liveRuns >= cap {
                    engine.recordBlocked()
                    result.blocked &+= 1
                } else if engine.startRun(number: nextNumber, due: nextDue, now: now) {
                    started &+= 1
                } else if engine.lacksRow {
                    engine.recordWithoutRow()
                    result.noRow &+= 1
                } else {
                    result.noSlot &+= 1
                }
                takeNextArrival()
            }
        }
        result.started &+= UInt64(started)
        return started
    }

    // MARK: Sending

    /// - Returns: everything has left.
    private mutating func flush(_ now: MonotonicInstant) -> Bool {
        if streams.isOn { flushStreams(now) }
        switch engine.flush(through: &socket) {
        case .sent:
            blockedSince = .distantFuture
            // A connection that failed at once was answered with something else to be sent.
            return !engine.hasOutboundStreams
        case .burstSpent:
            blockedSince = .distantFuture
            return false
        case .blocked:
            if blockedSince == .distantFuture {
                blockedSince = now
            } else if now.nanoseconds(since: blockedSince) > Self.blockedLimit {
                engine.discardOutbound(through: &socket)
                blockedSince = .distantFuture
            }
            return false
        }
    }

    /// The log is half full in the middle of a batch. A full send buffer ends the effort: the log's second half takes the
    /// rest of the batch, and what does not fit is refused and counted by the log.
    private mutating func makeRoom(_ now: MonotonicInstant) {
        while engine.wantsFlush {
            if streams.isOn { engine.flush(into: &streams, now: now) }
            switch engine.flush(through: &socket) {
            case .sent, .burstSpent: continue
            case .blocked: return
            }
        }
    }

    // MARK: Waiting

    /// Nothing is ready: waits as the rate commands. Time spent here is not work.
    private mutating func wait(after done: Int, _ now: MonotonicInstant) {
        switch governor.mode {
        case .spin: spin(after: done, now)
        case .event: if done == 0 { waitForEvent(most: .max) }
        case .moderated: if done == 0 || !governor.isLongest { waitModerated() }
        }
    }

    /// Looks again at once. Rounds that find nothing are waiting: work ended where this one began.
    private mutating func spin(after done: Int, _ now: MonotonicInstant) {
        if done > 0 { return }
        if hasWorked { busy &+= now.nanoseconds(since: mark) }
        hasWorked = false
        mark = now
        clx_relax()
    }

    /// The next arrival is so near that it is waited for without sleeping.
    private mutating func isMeetingArrival(_ now: MonotonicInstant) -> Bool {
        guard phase == .loading && nextDue != .distantFuture else { return false }
        if nextDue == meeting { return true }
        guard nextDue.nanoseconds &- governor.lead <= now.nanoseconds else { return false }
        // Until it is due: a lead that changes meanwhile must not make many short sleeps of it.
        meeting = nextDue
        return true
    }

    /// The last moments before an arrival, in which nothing else is begun: answers read now would make it late. What has come has
    /// the kernel's stamp, and waits no longer than a batch takes.
    private mutating func waitOut() {
        let now = MonotonicInstant.now()
        if hasWorked { busy &+= now.nanoseconds(since: mark) }
        hasWorked = false
        repeat {
            clx_relax()
            mark = .now()
        } while mark < nextDue
        isArrivalFirst = true
    }

    private mutating func waitModerated() {
        let now = MonotonicInstant.now()
        // From wake to wake; a round that took longer still leaves the peer a moment to fill a batch.
        var wake = max(lastWake.nanoseconds &+ governor.quantum, now.nanoseconds &+ governor.quantum / 4)
        if governor.isPrecise && phase == .loading && nextDue.nanoseconds &- governor.lead <= wake {
            wake = nextDue.nanoseconds &- governor.lead
            meeting = nextDue
        }
        busy &+= now.nanoseconds(since: mark)
        waits &+= 1
        clx_sleep_until(wake)
        mark = .now()
        lastWake = mark
        governor.wokeLate(by: mark.nanoseconds &- wake)
    }

    /// The send buffer is full: the device needs a moment.
    private mutating func waitForRoom() {
        waitForEvent(most: 200_000)
    }

    private mutating func waitForEvent(most: Int64) {
        let now = MonotonicInstant.now()
        var until = min(nextTick.nanoseconds, engine.nextDeadline.nanoseconds)
        if phase == .loading && nextDue != .distantFuture {
            until = min(until, nextDue.nanoseconds &- (governor.isPrecise ? governor.lead : 0))
        }
        let timeout = min(until &- now.nanoseconds, most)
        guard timeout > 0 else { return }
        let event = events[index]
        if consumer != nil && !consumer!.prepareToSleep() { return }
        busy &+= now.nanoseconds(since: mark)
        waits &+= 1
        let ready = socket.wait(watch: streams.watch, event: event, atMost: timeout)
        mark = .now()
        lastWake = mark
        nextStreamLook = .zero
        if ready == 0 {
            governor.wokeLate(by: mark.nanoseconds &- now.nanoseconds &- timeout)
            if governor.isPrecise && nextDue.nanoseconds &- mark.nanoseconds <= 2 &* governor.lead { meeting = nextDue }
        }
        if ready & Int32(CLX_READY_ERROR) != 0 { socket.hasErrors = true }
        if consumer != nil {
            consumer!.awake()
            if ready & Int32(CLX_READY_EVENT) != 0 { clx_event_clear(event) }
        }
    }
}
