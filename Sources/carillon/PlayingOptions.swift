import ArgumentParser
import Blaster
import CallTraces
import CarillonKit
import Measurement
import Reporting
import SIPTransactions
import SIPWire
import ScenarioDSL

/// What `run` and `serve` have in common.
struct PlayingOptions: ParsableArguments {
    @Option(name: .customLong("domain"), help: "Host part of addresses of record. Default: the target's.")
    var domain: String?
    @Option(
        name: .customLong("advertise"), help: "Host written into Via, Contact and SDP instead of the local address.")
    var advertise: String?
    @Option(name: .customLong("set"), help: "A setting of the scenario, name=value. May be repeated.")
    var settings: [String] = []
    @Option(name: .customLong("hold"), help: "How long calls are held: 3s, or exponential(30s), uniform(1s, 5s), …")
    var hold: String?
    @Option(name: .customLong("play"), help: "Parties that this process plays, alice,bob. Default: all it can.")
    var play: String?
    @Option(name: .customLong("seed"), help: "Fixes arrivals, pauses and choices.")
    var seed: UInt64 = 1
    @Option(name: .customLong("run-id"), help: "Repeats the identifiers of an earlier run: eight hexadecimal digits.")
    var runID: RunID?
    @Option(name: .customLong("workers"), help: "Threads, each with a socket of its own.")
    var workers: Int = 1
    @Option(name: .customLong("wait"), help: "How workers wait: auto, event, moderated (up to 1 ms) or spin.")
    var wait: Waiting = .auto
    @Option(name: .customLong("gso"), help: "Segmented sends: off where a capture on this machine must see datagrams.")
    var gso: Switch = .on
    @Option(name: .customLong("t1"), help: "Timer T1 (RFC 3261 §17.1.1.1). Default: 500ms.")
    var t1: TimeAmount?
    @Option(name: .customLong("t2"), help: "Timer T2. Default: 4s.")
    var t2: TimeAmount?
    @Option(name: .customLong("t4"), help: "Timer T4. Default: 5s.")
    var t4: TimeAmount?
    @Option(
        name: .customLong("linger"),
        help: "How long finished transactions are remembered. Default: as RFC 3261 and 6026 say.")
    var linger: TimeAmount?
    @Option(name: .customLong("drain"), help: "Calls hung up a second at the end.")
    var drain: Rate = Rate(argument: "1000/s")!
    @Option(name: .customLong("trace"), help: "Calls whose messages are kept: failed, all, sample=1/N, first=N, off.")
    var trace = TraceChoice(policy: .failed)
    @Option(name: .customLong("trace-memory"), help: "Memory of each worker for the messages of live calls.")
    var traceMemory: MemoryAmount = MemoryAmount(argument: "64M")!
    @Option(name: .customLong("out"), help: "Folder for the report. Default: reports/runs/<time>-<scenario>.")
    var out: String?
    @Flag(name: .customLong("no-report"), help: "Leave no folder.")
    var noReport = false
    @Flag(name: .customLong("json"), help: "Print run.json instead of the summary.")
    var json = false
    @Flag(name: .customLong("quiet"), help: "Print nothing but errors.")
    var quiet = false

    func validate() throws {
        guard (1...64).contains(workers) else { throw ValidationError("--workers \(workers): 1 to 64") }
        for setting in settings where !setting.contains("=") {
            throw ValidationError("--set \(setting): write name=value")
        }
        if let hold, DelayTree(parsing: hold) == nil {
            throw ValidationError("--hold \(hold): write a time, 3s, or a distribution, exponential(30s)")
        }
    }

    /// Fills in what these options say. Ends the program where they do not fit the scenario.
    func apply(to run: inout ScenarioRun) {
        run.domain = domain
        run.advertisedHost = advertise
        run.seed = seed
        run.runID = runID?.value
        run.workers = workers
        run.wait = wait.policy
        run.segmentation = gso == .on
        run.drainRate = drain.perSecond
        run.traces = trace.policy
        run.traceOctets = traceMemory.octets
        run.timers = TransactionTimers(
            t1: t1?.milliseconds ?? 500, t2: t2?.milliseconds ?? 4000, t4: t4?.milliseconds ?? 5000,
            linger: linger?.milliseconds)
        let known = Set(run.settingNames)
        var given: [String: String] = [:]
        if let hold {
            guard known.contains("hold") else {
                stop(.usage, ["--hold: the scenario has no setting \"hold\"" + Self.listing(known)])
            }
            given["hold"] = hold
        }
        for setting in settings {
            let equals = setting.firstIndex(of: "=")!
            let name = String(setting[..<equals])
            guard known.contains(name) else {
                stop(.usage, ["--set \(setting): the scenario has no setting \"\(name)\"" + Self.listing(known)])
            }
            given[name] = String(setting[setting.index(after: equals)...])
        }
        run.settings = given
        let missing = run.settingsWithoutValue.filter { given[$0] == nil }
        if !missing.isEmpty {
            stop(.usage, ["the scenario needs a value for \(missing.joined(separator: ", ")): --set \(missing[0])=…"])
        }
        if let play {
            let names = play.split(separator: ",").map(String.init)
            let parties = run.parties.map(\.name)
            for name in names where !parties.contains(name) {
                stop(
                    .usage,
                    ["--play \(name): the scenario has no such party; it has \(parties.joined(separator: ", "))"])
            }
            run.plays = Set(names)
        }
    }

    private static func listing(_ names: Set<String>) -> String {
        names.isEmpty ? "; it has none" : "; it has \(names.sorted().joined(separator: ", "))"
    }
}
