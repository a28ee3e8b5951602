import Blaster
import CallEngine
import CallTraces
import Glibc
import Measurement
import MediaSockets
import RTPMedia
import Reporting
import SIPTransactions
import SIPWire
import ScenarioDSL
import Synchronization

/// One run of scenarios: what to play, against whom, how much, and what to keep. The command and the tests of other
/// packages start runs through this one door.
///
/// ```swift
/// var run = ScenarioRun(basicCall)
/// run.load = .open(rate: 100, process: .poisson, concurrency: nil)
/// run.calls = 500
/// let outcome = try run.start()
/// #expect(outcome.record[.runsFailed] == 0)
/// ```
public struct ScenarioRun: Sendable {
    package var trees: [ScenarioTree]
    /// Where the scenarios came from, for the report.
    public var scenarioFile: String?

    /// Where requests go. Nil: to this process itself, which then plays all parties.
    public var target: TransportAddress?
    /// Where they go when there is more than `target`, and what is done about addresses that fail. `target` is the first of them.
    public var targets = TargetPlan()
    /// The target as a URI shows it, `host:port`; nil: made from `target`.
    public var targetText: String?
    /// Address the sockets are bound to; port 0: any.
    public var local = TransportAddress(ipv4: 0x7F00_0001, port: 0)
    public var ports: ClosedRange<UInt16>?
    /// Addresses that calls are sent from, each call from one of them; empty: all from `local`.
    public var sources = SourceAddresses()
    public var sourceOrder = SourceOrder.sequential
    /// Calls that one source begins a second, at most; an arrival beyond that is dropped. With an open load.
    public var sourceRate: Double?
    public var advertisedHost: String?
    /// Vias ask for the response to come where the request was sent from (`rport`, RFC 3581).
    public var asksForPort = false
    /// What messages go over. Calls begin over UDP where it is among them, else over TCP.
    public var transports = Transports.udp
    /// Needed where TLS is among them.
    public var tls: TLSOptions?
    /// What targets' addresses were asked for as, which their certificates must be for; others: their address.
    package var tlsHosts: [TransportAddress: String] = [:]
    /// Calls are for `sips:` URIs.
    public var usesSIPS = false
    /// A request above 1,300 octets is not sent over UDP: its call fails (RFC 3261 §18.1.1).
    public var refusesLargeRequests = false
    /// It goes over TCP to the same address, where `transports` has both.
    public var movesLargeRequests = false
    /// The octet of IPv4's Type of Service or IPv6's Traffic Class: DSCP in its upper six bits. 0: as the system has it.
    public var trafficClass: UInt8 = 0
    /// What becomes of datagrams that are longer than the path takes whole.
    public var pathMTUDiscovery = UDPSocket.PathMTU.system
    /// The path's MTU, where it is known: within 200 octets of it a request is too large for UDP (RFC 3261 §18.1.1).
    public var pathMTU: Int?
    /// Over TCP, how many connections the calls of one worker take.
    public var connections = ConnectionUse.shared(1)
    /// Pings on connections of ours that carried nothing for so long. Nanoseconds; nil: none.
    public var keepAlive: Int64?
    /// What may wait to be sent on one connection, in octets.
    public var sendQueue = StreamOptions().sendQueue
    public var domain: String?
    public var callerURI: String?
    public var calleeURI: String?
    /// User part of the called side's address where `calleeURI` does not say it; nil: the party's name.
    public var calleeUser: String?
    public var extraHeaders: [String] = []
    public var settings: [String: String] = [:]
    /// How much of the load each scenario gets, in their order; empty: all is the first's.
    public var weights: [Double] = []
    public var plays: Set<String>?
    /// Where files of rows are found.
    public var feedLocations = FeedLocations()
    /// The feeds, once they are opened.
    package var feeds: OpenFeeds?
    /// `calls` was set by the rows of a feed.
    package var endingRows: Int?
    var callRecords: CallRecordOutlet?

    public var media = MediaUse.asScenarioSays
    /// Which ports media take, over all workers.
    public var mediaPorts = MediaPortChoice.standard
    /// Of each worker, once they are bound.
    package var mediaBoards: [MediaBoard] = []

    /// Runs of their own before the load, one after the other, and after it. They take nothing from this one.
    public var before: [ScenarioRun] = []
    public var after: [ScenarioRun] = []
    /// Runs of their own beside the load, which begins when each of theirs has come to what it repeats until the end, and after which they
    /// end. Their Contacts name the load's port: calls to them are the load's.
    public var population: [ScenarioRun] = []
    /// The port of Contacts, when it is not that of this run.
    package var contactPort: UInt16?
    /// The load begins also when runs before it have failed.
    public var beforeMayFail = false
    /// Ports of the workers, in order, as far as they are to be those of an earlier run.
    package var workerPorts: [UInt16] = []
    /// An arrival later than this is dropped. Nanoseconds; nil: the plan's.
    public var catchUpLimit: Int64?

    public var load: Load = .open(rate: 1, process: .poisson, concurrency: nil)
    /// Nanoseconds.
    public var duration: Int64?
    public var calls: UInt64?
    public var seed: UInt64 = 1
    /// Nil: a fresh one.
    public var runID: UInt32?
    public var workers = 1
    public var segmentation = true
    public var wait = WaitPolicy.automatic
    public var timers = TransactionTimers()
    /// Runs hung up per second at the end.
    public var drainRate: Double = 1000
    /// How long runs may still end by themselves after the last arrival. Nanoseconds; nil: what the scenario may take.
    public var settleLimit: Int64?
    /// Stops after so long without a message, when nothing is in progress. Nanoseconds.
    public var idleLimit: Int64?
    public var lingerAfterEnd: Int64 = 0
    /// Ends when so many runs that peers began have ended.
    public var servedRuns: UInt64?
    public var pinsWorkers = false
    public var mostSlots: UInt32 = 4_000_000

    public var traces = TracePolicy.failed
    public var traceOctets = 64 << 20
    /// Path for the traces; nil: they are kept in memory for the ladders and not written.
    public var capturePath: String?
    /// Path for a line of each call; nil: none are kept.
    public var callRecordPath: String?
    public var commandLine: [String] = []
    public var version = carillonVersion

    public init(_ scenarios: Scenario...) { trees = scenarios.map(\.tree) }
    package init(trees: [ScenarioTree]) { self.trees = trees }

    public var scenarioNames: [String] { trees.map(\.name) }
    /// Names that `settings` may have.
    public var settingNames: [String] { trees.flatMap { $0.settings.map(\.name) } }
    public var settingsWithoutValue: [String] {
        trees.flatMap { $0.settings.filter { $0.fallback == nil }.map(\.name) }
    }
    public var traceText: String { traces.text }

    public struct PartyFacts: Sendable {
        public var name: String
        public var answers: Bool
    }

    public var parties: [PartyFacts] {
        trees.flatMap { $0.parties.map { PartyFacts(name: $0.name, answers: $0.startsByWaiting) } }
    }

    /// What is wrong with the scenarios; empty when they can run.
    public func diagnostics() -> [Diagnostic] { ScenarioCompiler.compile(trees).diagnostics }

    /// What `start` does, without what comes before and after the load.
    func startLoad(
        control: RunControl, onReady: ([WorkerAddress]) -> Void, progressInterval: Int64,
        onProgress: (ProgressSnapshot) -> Void
    ) throws(ScenarioRunError) -> ScenarioOutcome {
        let (compiled, diagnostics) = ScenarioCompiler.compile(trees)
        guard let program = compiled else {
            throw ScenarioRunError(.scenario, diagnostics.map(\.description))
        }
        if program.initiator == nil, load != .none {
            throw ScenarioRunError(
                .usage,
                ["no party of \(program.scenarioNames.joined(separator: ", ")) begins by itself: serve it instead"])
        }
        var request = self
        try request.openFeeds(program)
        let feeds = request.feeds ?? OpenFeeds()
        let nonce = RunNonce(runID ?? UInt32.random(in: 1 ... .max))
        let layout = program.recorderLayout()
        let outlet = TraceOutlet()
        let start = MonotonicInstant.now()
        var wall = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        let utc = Int64(wall.tv_sec) * 1_000_000_000 + Int64(wall.tv_nsec)
        let scenarioName = program.scenarioNames.joined(separator: "+")

        var writer: CaptureFileWriter?
        if traces != .off {
            let steps = layout.steps
            let expectations = layout.expectations
            let faults = layout.faults
            let options = CaptureFileOptions(
                destination: .file(path: capturePath ?? "/dev/null"), scenario: scenarioName,
                commandLine: commandLine.joined(separator: " "), seed: seed,
                wallClockOffsetNanoseconds: utc - start.nanoseconds,
                describe: { Self.describe($0, $1, steps, expectations, faults) })
            do {
                let destination =
                    capturePath == nil
                    ? CaptureFileOptions.Destination.descriptor(open("/dev/null", O_WRONLY | O_CLOEXEC))
                    : options.destination
                var chosen = options
                chosen.destination = destination
                writer = try CaptureFileWriter(outlet: outlet, options: chosen)
            } catch {
                throw ScenarioRunError(.environment, ["\(error)"])
            }
        }

        let records: CallRecordWriting?
        do throws(ScenarioRunError) {
            records = try CallRecordWriting(request, program, wallClockOffset: utc - start.nanoseconds)
        } catch {
            _ = writer?.finish()
            throw error
        }
        request.callRecords = records?.outlet
        var plan = RunPlan(load: load, local: local)
        if !sources.isEmpty {
            plan.local = .unspecified(isIPv6: sources.isIPv6, port: local.port)
            plan.sources = sources
        }
        plan.socket.namesSources = plan.local.isUnspecified
        plan.duration = duration
        plan.calls = request.calls
        plan.seed = seed
        plan.workers = workers
        plan.ports = ports
        plan.workerPorts = workerPorts
        if let catchUpLimit { plan.catchUpLimit = catchUpLimit }
        plan.socket.segmentation = segmentation
        plan.socket.trafficClass = trafficClass
        plan.socket.pathMTU = pathMTUDiscovery
        plan.streams.trafficClass = trafficClass
        plan.transports = transports
        plan.streams.keepAlive = keepAlive
        plan.streams.sendQueue = sendQueue
        plan.streams.tls = tls
        plan.wait = wait
        plan.drainRate = drainRate
        plan.settleLimit = settleLimit ?? program.longestRun(settings: settings)
        plan.idleLimit = idleLimit
        plan.lingerAfterEnd = lingerAfterEnd
        plan.endedRuns = servedRuns
        plan.pinsWorkers = pinsWorkers
        plan.spreadsPublishedPort = program.hasAnswerers && workers > 1

        let mediaThread: MediaThread?
        do throws(ScenarioRunError) {
            mediaThread = try request.startMedia(program, plan)
        } catch {
            _ = writer?.finish()
            _ = records?.writer.finish()
            throw error
        }
        request.mediaBoards = mediaThread?.boards ?? []

        let bench = Bench(workers: plan.workersInUse)
        let glances = GlanceBoard()
        let prepared = request
        let result: RunResult
        do throws(BlasterError) {
            result = try Blaster.run(
                plan, control: control,
                makeEngine: { worker, address in
                    do {
                        var engine = try prepared.makeEngine(
                            program, worker: worker, at: address, nonce: nonce, layout: layout, epoch: start,
                            outlet: outlet)
                        engine.glances = glances
                        return engine
                    } catch {
                        // Address space is all an engine asks for; without it nothing can go on.
                        giveUp("\(error)")
                    }
                },
                finishEngine: { worker, engine in
                    let now = MonotonicInstant.now()
                    engine.cutOff()
                    bench.put(
                        engine.takeRecord(at: now), engine.traces.counts, engine.targetCounts, engine.transportTroubles,
                        worker)
                },
                onReady: onReady, progressInterval: progressInterval,
                onProgress: { progress in onProgress(prepared.snapshot(progress, glances.glance())) })
        } catch {
            _ = mediaThread?.end()
            _ = writer?.finish()
            _ = records?.writer.finish()
            throw ScenarioRunError(.environment, [error.description])
        }
        let capture = writer?.finish()
        let callRecords = records?.writer.finish()
        let reason =
            transports.contains(.udp) || movesLargeRequests
            ? "every request of the first second was refused"
            : "no connection could be set up in the first second, or each was refused"
        let end: RunEnd
        switch result.end {
        case .completed, .idle:
            end =
                result.nothingReachable ? .aborted(reason: reason) : .finished
        case .stopped, .aborted:
            end =
                result.nothingReachable
                ? .aborted(reason: reason) : .interrupted
        }
        let identity = RunIdentity(
            version: version, scenario: scenarioName, scenarioFile: scenarioFile, command: commandLine, seed: seed,
            runID: nonce.description, host: .current())
        var record = RunRecord(
            merging: bench.records(), identity: identity, plan: prepared.plannedLoad(plan),
            clock: RunClock(
                epoch: start, epochUTCNanoseconds: utc,
                stampUncertaintyNanoseconds: Int64(clamping: result.counters.stampUncertaintyNanoseconds)),
            end: end, loadNanoseconds: prepared.loadNanoseconds(result), feeds: feeds.records(program),
            targets: targets.records(bench.targetCounts()))
        record.note(media: mediaThread?.end())
        record.note(troubles: bench.transportTroubles())
        record.noteEnd(ofRows: prepared.endingRows)
        record.findRows { name, rows in feeds.feeds.first { $0.name == name }?.lines(ofRows: rows) ?? [:] }
        var ladders: [UInt64: Ladder] = [:]
        var transcripts: [CallTranscript] = []
        if let capture {
            for transcript in capture.examples.values {
                transcripts.append(transcript)
                ladders[transcript.run] = transcript.ladder(parties: program.partyNames)
            }
        }
        return ScenarioOutcome(
            record: record, ladders: ladders, transcripts: transcripts, capture: capture, traceCounts: bench.counts(),
            diagnostics: diagnostics, transport: result, callRecords: callRecords)
    }

    private func makeEngine(
        _ program: CallProgram, worker: Int, at address: WorkerAddress, nonce: RunNonce, layout: RecorderLayout,
        epoch: MonotonicInstant, outlet: TraceOutlet
    ) throws -> CallEngine {
        var local = address.local
        if !sources.isEmpty || local.isUnspecified {
            var first = sources.isEmpty ? .loopback(isIPv6: local.isIPv6) : sources[0]
            first.port = local.port
            local = first
        }
        let target = self.target ?? local
        var engine = EngineSettings(
            local: local, target: target, targetText: targetText ?? target.text, nonce: nonce, seed: seed)
        engine.hasTarget = self.target != nil
        engine.targets = targets
        engine.worker = UInt8(truncatingIfNeeded: worker)
        engine.workers = workersInUse
        engine.transports = transports
        engine.securePort = address.secure?.port
        engine.contactPort = contactPort
        engine.usesSIPS = usesSIPS
        engine.sources = sources
        engine.sourceOrder = sourceOrder
        if case .open = load { engine.sourceRate = sourceRate }
        engine.listensEverywhere = self.local.isUnspecified
        engine.refusesLargeRequests = refusesLargeRequests
        engine.movesLargeRequests = movesLargeRequests
        engine.pathMTU = pathMTU
        engine.connections = connections
        engine.advertisedHost = advertisedHost
        engine.asksForPort = asksForPort
        engine.domain = domain
        engine.callerURI = callerURI
        engine.calleeURI = calleeURI
        engine.calleeUser = calleeUser
        engine.extraHeaders = extraHeaders
        engine.settings = settings
        engine.weights = weights
        engine.plays = plays
        engine.callRecords = callRecords
        engine.feeds = feeds ?? OpenFeeds()
        engine.media = mediaBoards.isEmpty ? nil : mediaBoards[worker]
        engine.timers = timers
        engine.mostSlots = mostSlots
        if case .open(let rate, _, _) = load {
            let perCall = 2.0
            engine.expectedLingering = Int(min(rate / Double(max(workers, 1)) * 32 * perCall, 8e6))
        } else if case .closed(let concurrency) = load {
            // As fast as answers come: more at once mean more a second, as far as one worker goes.
            engine.expectedLingering = min(concurrency << 14, 4 << 20)
        }
        if let calls, calls < 1 << 21 { engine.expectedLingering = min(engine.expectedLingering, Int(calls) * 2) }
        return try CallEngine(
            program: program, settings: engine, recorder: WorkerRecorder(layout: layout, epoch: epoch),
            traces: TraceArena(octets: traceOctets, policy: traces, outlet: traces == .off ? nil : outlet),
            epoch: epoch)
    }

    /// The time that a rate is meant over: the plan's, or shorter where the run was stopped before its end.
    private func loadNanoseconds(_ result: RunResult) -> Int64 {
        guard case .open(let rate, _, _) = load else { return result.loadNanoseconds }
        let planned = [duration, calls.map { Int64(min(Double($0) / rate * 1e9, 9e18)) }].compactMap { $0 }.min()
        guard let planned else { return result.loadNanoseconds }
        // Workers look up from their work every 50 ms: a plan that was carried out is longer or shorter by that.
        return result.end == .completed ? planned : min(planned, result.loadNanoseconds)
    }

    func plannedLoad(_ plan: RunPlan) -> PlannedLoad {
        var planned: PlannedLoad
        switch load {
        case .open(let rate, let process, let concurrency):
            planned = PlannedLoad(
                arrivals: process == .poisson ? .poisson : .uniform, ratePerSecond: rate, concurrency: concurrency)
        case .closed(let concurrency): planned = PlannedLoad(arrivals: .closed, concurrency: concurrency)
        case .none: planned = PlannedLoad(arrivals: .answering)
        }
        planned.runs = calls
        planned.durationNanoseconds = duration
        planned.catchUpLimitNanoseconds = plan.catchUpLimit
        planned.workers = plan.workersInUse
        planned.target =
            targets.targets.count > 1
            ? targets.targets.map(\.name).joined(separator: ", ") : target.map { targetText ?? $0.text }
        planned.segmentedSends = segmentation && transports.contains(.udp)
        planned.transport = transports.text.lowercased()
        planned.traces = traces.text
        return planned
    }

    private func snapshot(_ progress: RunProgress, _ glance: GlanceBoard.Glance) -> ProgressSnapshot {
        var shown = ProgressSnapshot(
            elapsedNanoseconds: progress.elapsed, plannedNanoseconds: duration, plannedRuns: calls ?? servedRuns)
        // What answers starts nothing by itself: peers do.
        shown.started = load == .none ? progress.endedRuns + UInt64(progress.liveRuns) : progress.started
        shown.due =
            load == .none
            ? progress.endedRuns
            : progress.started + progress.notStarted + progress.blocked + progress.noSlot
                + progress.noRow
        shown.live = progress.liveRuns
        shown.settling = progress.phase == .settling
        shown.draining = progress.phase == .draining
        if case .open(let rate, _, _) = load { shown.askedPerSecond = rate }
        shown.succeeded = glance.succeeded
        shown.failed = glance.failed
        shown.repeating = glance.repeating
        shown.startedPerSecond = glance.startedPerSecond
        shown.delayP50Nanoseconds = glance.delayP50Nanoseconds
        shown.delayP99Nanoseconds = glance.delayP99Nanoseconds
        shown.startLatenessP99Nanoseconds = glance.startLatenessP99Nanoseconds
        if progress.receiveOverflow > 0 { shown.hints.append("receive buffer overflowed") }
        if progress.notStarted > 0 {
            shown.hints.append("\(counted(progress.notStarted, "arrival")) came too late to start")
        }
        if progress.noRow > 0 { shown.hints.append("\(counted(progress.noRow, "arrival")) found no row of a feed") }
        if progress.busiestShare > 0.7 { shown.hints.append("a worker is busy \(Int(progress.busiestShare * 100)) %") }
        return shown
    }

    private static func describe(
        _ verdict: TraceVerdict, _ detail: String, _ steps: [StepDescription], _ expectations: [Expectation],
        _ faults: [String]
    ) -> String {
        let step = Int(verdict.step) < steps.count ? steps[Int(verdict.step)] : nil
        let expectation = Int(verdict.expected) < expectations.count ? expectations[Int(verdict.expected)].text : "?"
        let place = step.map { "\($0.file):\($0.line): " } ?? ""
        return "\(place)expected \(expectation), got "
            + printable(FailureEvidence(code: verdict.got).text(detail: detail, faults: faults))
            + waitedText(verdict.afterNanoseconds)
    }
}

/// Where workers put what they recorded, each once, on its own thread.
private final class Bench: Sendable {
    private let taken: Mutex<[Int: WorkerRecord]>
    private let cuts: Mutex<TraceCounts>
    private let counted = Mutex<[TargetCounts]>([])
    private let troubles = Mutex<[String: UInt64]>([:])
    let workers: Int

    init(workers: Int) {
        self.workers = workers
        taken = Mutex([:])
        cuts = Mutex(TraceCounts())
    }

    func put(
        _ record: WorkerRecord, _ traces: TraceCounts, _ counts: [TargetCounts], _ said: [String: UInt64], _ worker: Int
    ) {
        troubles.withLock { $0.merge(said, uniquingKeysWith: +) }
        counted.withLock { sum in
            if sum.isEmpty { sum = counts } else { for number in sum.indices { sum[number].add(counts[number]) } }
        }
        taken.withLock { $0[worker] = record }
        cuts.withLock { $0.add(traces) }
    }

    func records() -> [WorkerRecord] { taken.withLock { all in all.keys.sorted().map { all[$0]! } } }
    func transportTroubles() -> [String: UInt64] { troubles.withLock { $0 } }
    func targetCounts() -> [TargetCounts] { counted.withLock { $0 } }
    func counts() -> TraceCounts { cuts.withLock { $0 } }
}
