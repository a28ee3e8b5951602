import ArgumentParser
import Blaster
import CallEngine
import CallTraces
import CarillonKit
import Measurement
import SIPTransactions
import SIPWire

// What `run` and `serve` have in common.

/// What is played, and with which values.
struct ScenarioOptions: ParsableArguments {
    @Option(name: .customLong("set"), help: "A setting of the scenario, name=value. May be repeated.")
    var settings: [String] = []
    @Option(
        name: .customLong("hold"),
        help: "The setting \"hold\": how long calls last. 3s, 'exponential(30s)', 'uniform(1s, 5s)'.")
    var hold: String?
    @Option(name: .customLong("play"), help: "Parties that this process plays: alice,bob. Default: all it can.")
    var play: String?
    @OptionGroup var feeds: FeedOptions
    @Option(name: .customLong("seed"), help: "Fixes arrivals, pauses and choices.")
    var seed: UInt64 = 1
    @Option(
        name: .customLong("run-id"),
        help: "Repeats the identifiers of an earlier run: its eight hexadecimal digits. Default: new ones.",
        transform: RunIdentifier.parse)
    var runID: UInt32?

    func validate() throws {
        for setting in settings {
            guard let equals = setting.firstIndex(of: "="), equals != setting.startIndex else {
                throw ValidationError("--set \(setting): write name=value")
            }
        }
        if hold != nil, settings.contains(where: { $0.hasPrefix("hold=") }) {
            throw ValidationError("--hold and --set hold=… say the same twice")
        }
    }

    /// Fills in what these options say. Ends the program where they do not fit the scenario.
    ///
    /// - Parameter others: programs of phases: a setting may be for them alone.
    func apply(to run: inout ScenarioRun, _ program: CallProgram, others: [CallProgram] = []) {
        run.seed = seed
        // Chosen here, so that it can be shown before the run.
        run.runID = runID ?? UInt32.random(in: 1 ... .max)
        let own = settings.filter { setting in
            Phase.declares(setting, program) || !others.contains { Phase.declares(setting, $0) }
        }
        run.settings = ScenarioSettings(program).values(given: own, hold: hold)
        guard let play else { return }
        let names = play.split(separator: ",").map { String($0.drop(while: { $0 == " " })) }
        let parties = run.parties.map(\.name)
        if names.isEmpty { stop(.usage, ["--play names no party: the scenario has \(parties.listed)"]) }
        for name in names where !parties.contains(name) {
            stop(.usage, ["--play \(name): the scenario has no such party; it has \(parties.listed)"])
        }
        run.plays = Set(names)
    }
}

/// How messages are sent and timed.
struct EngineOptions: ParsableArguments {
    @Option(
        name: .customLong("advertise"), help: "Host written into Via, Contact and SDP instead of the local address.",
        transform: HostText.parseWithoutPort)
    var advertise: String?
    @Flag(
        name: .customLong("rport"),
        help: "Vias ask for responses at the port that requests come from, through NATs (rport, RFC 3581).")
    var rport = false
    @Option(name: .customLong("workers"), help: "Threads, each with a socket of its own.")
    var workers: Int = 1
    @Option(
        name: .customLong("drain"), help: "Calls hung up a second at the end of the run. Default: 1000/s.",
        transform: Rate.parse)
    var drain: Rate?
    @Option(name: .customLong("gso"), help: "Segmented sends: off where a capture on this machine must see datagrams.")
    var gso: Switch = .on
    @Option(name: .customLong("wait"), help: "How workers wait; moderated: up to 1 ms at a time, over streams 250 µs.")
    var wait: Waiting = .auto
    @Option(
        name: .customLong("t1"), help: "Timer T1 (RFC 3261 §17.1.1.1). Default: 500ms.",
        transform: TimeAmount.parseTimer)
    var t1: TimeAmount?
    @Option(name: .customLong("t2"), help: "Timer T2. Default: 4s.", transform: TimeAmount.parseTimer)
    var t2: TimeAmount?
    @Option(name: .customLong("t4"), help: "Timer T4. Default: 5s.", transform: TimeAmount.parseTimer)
    var t4: TimeAmount?
    @Option(
        name: .customLong("linger"),
        help: "How long finished transactions are remembered. Default: as RFC 3261 and RFC 6026 say.",
        transform: TimeAmount.parseTimer)
    var linger: TimeAmount?

    func validate() throws {
        guard (1...64).contains(workers) else { throw ValidationError("--workers \(workers): from 1 to 64") }
        let timers = self.timers
        guard timers.t1 <= timers.t2 else {
            throw ValidationError(
                "T1 (\(timers.t1) ms) is longer than T2 (\(timers.t2) ms), the longest interval (RFC 3261 §17.1.2.1):"
                    + " raise --t2 with --t1")
        }
    }

    private var timers: TransactionTimers {
        TransactionTimers(
            t1: t1?.milliseconds ?? 500, t2: t2?.milliseconds ?? 4000, t4: t4?.milliseconds ?? 5000,
            linger: linger?.milliseconds)
    }

    func apply(to run: inout ScenarioRun) {
        run.advertisedHost = advertise
        run.asksForPort = rport
        run.workers = workers
        run.drainRate = drain?.perSecond ?? 1000
        run.segmentation = gso == .on
        run.wait = wait.policy
        run.timers = timers
    }

    /// For the head of a run: only where they are not RFC 3261's.
    var unusualTimers: String? {
        let named = [("T1", t1), ("T2", t2), ("T4", t4), ("linger", linger)]
        let given = named.compactMap { name, time in time.map { "\(name) \(durationText($0.nanoseconds))" } }
        return given.isEmpty ? nil : given.joined(separator: ", ")
    }
}

/// What is kept, and where it goes.
struct ReportOptions: ParsableArguments {
    @Option(
        name: .customLong("trace"),
        help: "Calls whose messages are kept: failed, all, sample=1/N, first=N, off. Default: failed.",
        transform: TraceChoice.parse)
    var trace: TracePolicy?
    @Option(
        name: .customLong("trace-memory"),
        help: "Memory of each worker for the messages of live calls. Default: 64M.", transform: MemoryAmount.parse)
    var traceMemory: MemoryAmount?
    @Option(name: .customLong("out"), help: "Folder for the report. Default: reports/runs/<time>-<scenario>.")
    var out: String?
    @Flag(name: .customLong("no-report"), help: "Leave no folder.")
    var noReport = false
    @Option(
        name: .customLong("cdr"),
        help: "A line for each call into this CSV file: times, result, Call-ID, rows of feeds.",
        completion: .file())
    var cdr: String?
    @Flag(name: .customLong("json"), help: "Print run.json instead of the summary.")
    var json = false
    @Flag(name: .customLong("quiet"), help: "Print errors only, and why calls failed; both on standard error.")
    var quiet = false

    func validate() throws {
        if let out, noReport { throw ValidationError("--out \(out) and --no-report contradict each other") }
        if json && quiet { throw ValidationError("--json and --quiet contradict each other") }
        if cdr == "" { throw ValidationError("--cdr names no file") }
        if out == "" { throw ValidationError("--out names no folder") }
    }

    func apply(to run: inout ScenarioRun) {
        run.traces = trace ?? .failed
        run.traceOctets = traceMemory?.octets ?? 64 << 20
        run.callRecordPath = cdr
    }
}

extension Sequence<String> {
    /// `alice, bob`.
    var listed: String { joined(separator: ", ") }
}
