import Blaster
import CallEngine
import Glibc
import Measurement
import Reporting
import SIPWire
import Synchronization

/// One population, which lives beside the load: a run on threads of its own, from before the load begins until it is over.
final class PopulationRun: Sendable {
    private struct State {
        var shown: ProgressSnapshot?
        var result: Result<ScenarioOutcome, ScenarioRunError>?
    }

    let name: String
    let noun: String
    private let users: UInt64
    private let control = RunControl()
    private let state = Mutex(State())
    private let thread = Mutex<WorkerThread?>(nil)

    /// - Parameter port: where the load takes calls.
    init(_ run: ScenarioRun, contactPort port: UInt16) {
        name = run.scenarioNames[0]
        noun = ScenarioCompiler.compile(run.trees).program?.recorderLayout().firstRequest.noun ?? "attempt"
        users = run.calls ?? 0
        var run = run
        run.local.port = 0
        run.ports = nil
        run.contactPort = port
        // Its users stay until they are told to go: longer than this no timer counts.
        run.duration = 40 * 86_400 * 1_000_000_000
        let asked = run
        do throws(WorkerThread.CannotStart) {
            let thread = try WorkerThread(name: "population") { [self] in live(asked) }
            self.thread.withLock { $0 = thread }
        } catch {
            let errno = error.errno
            state.withLock {
                $0.result = .failure(
                    ScenarioRunError(
                        .environment, ["cannot start a thread for \(name): \(String(cString: strerror(errno)))"]))
            }
        }
    }

    private func live(_ run: ScenarioRun) {
        let result: Result<ScenarioOutcome, ScenarioRunError>
        do throws(ScenarioRunError) {
            result = .success(
                try run.startLoad(
                    control: control, onReady: { _ in }, progressInterval: 100_000_000,
                    onProgress: { snapshot in self.state.withLock { $0.shown = snapshot } }))
        } catch {
            result = .failure(error)
        }
        state.withLock { $0.result = result }
    }

    /// What a progress line shows; nil: nothing yet.
    var progress: ProgressSnapshot? {
        guard var shown = state.withLock({ $0.shown }) else { return nil }
        shown.phase = "population, \(name)"
        shown.noun = noun
        shown.plannedNanoseconds = nil
        return shown
    }

    var hasEnded: Bool { state.withLock { $0.result != nil } }
    /// Somebody has failed to begin.
    var hasFailures: Bool { state.withLock { $0.shown.map { $0.failed > 0 } ?? false } }
    /// Everyone has come to what is repeated until the end, or failed on the way there.
    var isThere: Bool {
        state.withLock { $0.shown.map { $0.repeating + $0.failed + $0.succeeded >= users } ?? false }
    }

    /// Its users go, at the drain rate.
    func requestStop() { control.requestStop() }
    func requestAbort() { control.requestAbort() }

    /// Waits for its thread.
    func outcome() throws(ScenarioRunError) -> ScenarioOutcome {
        thread.withLock { $0.take() }?.join()
        guard let result = state.withLock({ $0.result }) else {
            preconditionFailure("\(name) has ended without a result")
        }
        var outcome = try result.get()
        // It was we who told it to stop.
        if outcome.record.end == .interrupted, !control.isAbortRequested { outcome.record.end = .finished }
        return outcome
    }
}

extension ScenarioRun {
    /// The port at which the load will take calls: the one that was asked for, else one that is free now.
    func portForCalls() throws(ScenarioRunError) -> UInt16 {
        if let ports { return ports.lowerBound }
        if local.port != 0 { return local.port }
        do throws(SocketError) {
            return try UDPSocket(binding: local).localAddress.port
        } catch {
            throw ScenarioRunError(.environment, [error.description])
        }
    }
}
