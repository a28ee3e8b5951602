import Blaster
import CallEngine
import Glibc
import Measurement
import Reporting
import SIPWire

// Phases: what is done before the load and after it, each as a run of its own at the same addresses, one after the other.
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
        guard !before.isEmpty || !after.isEmpty else {
            return try startLoad(
                control: control, onReady: onReady, progressInterval: progressInterval, onProgress: onProgress)
        }
        let base = runID ?? UInt32.random(in: 1 ... .max)
        var number: UInt32 = 0
        // Bindings name the ports that the first phase had.
        var ports: [UInt16] = []
        func carryOut(_ run: ScenarioRun, _ name: String?) throws(ScenarioRunError) -> ScenarioOutcome {
            var run = run
            // What comes late from the phase before is none of this one's.
            run.runID = Self.identifier(base, number)
            number += 1
            run.workerPorts = ports
            let isFirst = ports.isEmpty
            let noun = ScenarioCompiler.compile(run.trees).program?.recorderLayout().firstRequest.noun ?? "call"
            return try run.startLoad(
                control: control,
                onReady: { addresses in
                    ports += addresses.dropFirst(ports.count).map(\.local.port)
                    if isFirst { onReady(addresses) }
                }, progressInterval: progressInterval,
                onProgress: { snapshot in
                    var shown = snapshot
                    shown.phase = name
                    shown.noun = noun
                    onProgress(shown)
                })
        }

        var phases: [PhaseRecord] = []
        var lastBefore: ScenarioOutcome?
        for phase in before where !control.isStopRequested && !phases.contains(where: \.keepsLoadFromBeginning) {
            let outcome = try carryOut(phase, "before, \(phase.scenarioNames[0])")
            phases.append(PhaseRecord(outcome.record, .before, mayFail: beforeMayFail))
            lastBefore = outcome
        }
        let hindrance = control.isStopRequested ? nil : phases.first(where: \.keepsLoadFromBeginning)
        var outcome: ScenarioOutcome
        if let lastBefore, hindrance != nil || control.isStopRequested {
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
            return "\(phase.scenario), before the load: \(part); --before-may-fail goes on all the same"
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
