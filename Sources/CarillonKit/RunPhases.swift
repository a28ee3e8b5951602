import Blaster
import CallEngine
import Glibc
import Measurement
import Reporting
import SIPWire

// Phases: what is done before the load and after it, each as a run of its own at the same addresses, one after the other; and populations,
// which live beside the load.
extension ScenarioRun {
    /// Runs to the end.
    ///
    /// - Parameters:
    ///   - control: stops the run from outside. A first interrupt ends the phase it finds and the load; what is done after the load is
    ///     still done, unless there is a second one.
    ///   - onReady: called on this thread when all sockets are bound and the first arrival is about to be due, with the
    ///     workers' addresses.
    ///   - onProgress: called about once a second on this thread.
    /// - Throws: `ScenarioRunError` when the run cannot start.
    public func start(
        control: RunControl = RunControl(), onReady: ([WorkerAddress]) -> Void = { _ in },
        progressInterval: Int64 = 1_000_000_000,
        onProgress: (ProgressSnapshot) -> Void = { _ in }
    ) throws(ScenarioRunError) -> ScenarioOutcome {
        guard !before.isEmpty || !after.isEmpty || !population.isEmpty else {
            return try startLoad(
                control: control, onReady: onReady, progressInterval: progressInterval, onProgress: onProgress)
        }
        let base = runID ?? UInt32.random(in: 1 ... .max)
        var number: UInt32 = 0
        // Bindings name the ports that the first phase had.
        var ports: [UInt16] = []
        var crew: [PopulationRun] = []
        var isTold = false
        func carryOut(_ run: ScenarioRun, _ name: String?) throws(ScenarioRunError) -> ScenarioOutcome {
            var run = run
            // What comes late from the phase before is none of this one's.
            run.runID = Self.identifier(base, number)
            number += 1
            run.workerPorts = ports
            let noun = ScenarioCompiler.compile(run.trees).program?.recorderLayout().firstRequest.noun ?? "call"
            return try run.startLoad(
                control: control,
                onReady: { addresses in
                    ports += addresses.dropFirst(ports.count).map(\.local.port)
                    if !isTold { onReady(addresses) }
                    isTold = true
                }, progressInterval: progressInterval,
                onProgress: { snapshot in
                    var shown = snapshot
                    shown.phase = name
                    shown.noun = noun
                    onProgress(shown)
                    if control.isAbortRequested { for one in crew { one.requestAbort() } }
                })
        }
        /// Shows how far the population is, once in a while, until it is as far.
        func wait(until isReached: (PopulationRun) -> Bool) {
            var next = MonotonicInstant.now()
            for one in crew {
                while !isReached(one), !one.hasEnded {
                    if control.isAbortRequested { one.requestAbort() }
                    if MonotonicInstant.now() >= next {
                        if let shown = one.progress { onProgress(shown) }
                        next = MonotonicInstant.now().advanced(byNanoseconds: progressInterval)
                    }
                    usleep(20_000)
                }
            }
        }

        var phases: [PhaseRecord] = []
        var lastBefore: ScenarioOutcome?
        for phase in before where !control.isStopRequested && !phases.contains(where: \.keepsLoadFromBeginning) {
            let outcome = try carryOut(phase, "before, \(phase.scenarioNames[0])")
            phases.append(PhaseRecord(outcome.record, .before, mayFail: beforeMayFail))
            lastBefore = outcome
        }
        var hindrance = control.isStopRequested ? nil : phases.first(where: \.keepsLoadFromBeginning)
        if !population.isEmpty, hindrance == nil, !control.isStopRequested {
            if ports.isEmpty { ports = [try portForCalls()] }
            if !isTold {
                var address = local
                address.port = ports[0]
                onReady([WorkerAddress(local: address)])
                isTold = true
            }
            for one in population {
                var run = one
                run.runID = Self.identifier(base, number)
                number += 1
                crew.append(PopulationRun(run, contactPort: ports[0]))
            }
            wait { $0.isThere || $0.hasFailures && !beforeMayFail || control.isStopRequested }
        }
        let isHeldBack = crew.contains { $0.hasEnded || $0.hasFailures && !beforeMayFail }
        var load: ScenarioOutcome?
        if !isHeldBack, hindrance == nil, !control.isStopRequested {
            do throws(ScenarioRunError) { load = try carryOut(self, nil) } catch {
                for one in crew { one.requestAbort() }
                // None is left behind; what it counted is nobody's any more.
                for one in crew { _ = try? one.outcome() }
                throw error
            }
        }
        for one in crew { one.requestStop() }
        wait { $0.hasEnded }
        for one in crew {
            do throws(ScenarioRunError) {
                let done = try one.outcome()
                var phase = PhaseRecord(done.record, .beside, mayFail: beforeMayFail)
                if isHeldBack, load == nil {
                    phase.heldLoadBack = true
                    if hindrance == nil, !control.wasStopped { hindrance = phase }
                }
                phases.append(phase)
                if lastBefore == nil { lastBefore = done }
            } catch {
                guard let load else { throw error }
                phases.append(
                    PhaseRecord(
                        .beside, scenario: one.name, problem: error.description,
                        at: load.record.clock.epochUTCNanoseconds))
            }
        }
        var outcome: ScenarioOutcome
        if let load {
            outcome = load
        } else if let lastBefore {
            outcome = try withoutLoad(lastBefore, hindrance)
        } else {
            outcome = try carryOut(self, nil)
        }
        // Where nothing came about there is nothing to be undone.
        let hasDoneSomething = outcome.record[.runsStarted] > 0 || phases.contains { $0.succeeded > 0 }
        if hasDoneSomething, !control.isAbortRequested {
            control.resume()
            for phase in after where !control.isStopRequested {
                do throws(ScenarioRunError) {
                    let done = try carryOut(phase, "after, \(phase.scenarioNames[0])")
                    phases.append(PhaseRecord(done.record, .after, mayFail: false))
                } catch {
                    // The load's record is not lost for it.
                    phases.append(
                        PhaseRecord(
                            .after, scenario: phase.scenarioNames[0], problem: error.description,
                            at: outcome.record.clock.epochUTCNanoseconds + outcome.record.durationNanoseconds))
                }
            }
        }
        outcome.record.phases = phases
        if outcome.record.end == .finished, control.wasStopped { outcome.record.end = .interrupted }
        return outcome
    }

    /// Another run's identifiers, fixed by the first one's; never 0.
    private static func identifier(_ base: UInt32, _ number: UInt32) -> UInt32 {
        let mixed = base &+ number &* 0x9E37_79B9
        return mixed == 0 ? 0x9E37_79B9 : mixed
    }

    /// The load did not begin: its record has nothing but why.
    private func withoutLoad(
        _ before: ScenarioOutcome, _ hindrance: PhaseRecord?
    ) throws(ScenarioRunError) -> ScenarioOutcome {
        let (compiled, diagnostics) = ScenarioCompiler.compile(trees)
        guard let program = compiled else { throw ScenarioRunError(.scenario, diagnostics.map(\.description)) }
        let now = MonotonicInstant.now()
        let old = before.record
        let identity = RunIdentity(
            version: version, scenario: program.scenarioNames.joined(separator: "+"), scenarioFile: scenarioFile,
            command: commandLine, seed: seed, runID: old.identity.runID, host: old.identity.host)
        let utc = old.clock.epochUTCNanoseconds + now.nanoseconds - old.clock.epochMonotonicNanoseconds
        let reason = hindrance.map { phase in
            let noun = phase.firstRequest.noun
            let part =
                phase.failed > 0
                ? "\(grouped(phase.failed)) of \(counted(phase.started, noun)) failed"
                : "\(grouped(phase.started)) of \(counted(phase.runs ?? 0, noun)) started"
            let place = phase.place == .before ? "before the load" : "the population"
            return "\(phase.scenario), \(place): \(part); --before-may-fail goes on all the same"
        }
        var outcome = before
        outcome.record = RunRecord(
            merging: [
                WorkerRecorder(layout: program.recorderLayout(), epoch: now).finish(at: now, liveRuns: 0)
            ], identity: identity, plan: plannedLoad(RunPlan(load: load, local: local)),
            clock: RunClock(
                epoch: now, epochUTCNanoseconds: utc, stampUncertaintyNanoseconds: old.clock.stampUncertaintyNanoseconds
            ),
            end: reason.map { RunEnd.aborted(reason: $0) } ?? RunEnd.interrupted, loadNanoseconds: 0)
        outcome.ladders = [:]
        outcome.diagnostics = diagnostics
        return outcome
    }
}
