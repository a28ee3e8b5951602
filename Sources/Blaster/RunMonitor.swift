import CLinuxSockets
import Glibc
import Measurement

/// The run's own thread while the workers work: adds up their snapshots, tells progress, and ends what has no purpose.
struct RunMonitor {
    private let plan: RunPlan
    private let shared: SharedMemory
    private let start: MonotonicInstant
    private var isIdle = false

    private static let pause: Int64 = 50_000_000

    init(plan: RunPlan, shared: SharedMemory, start: MonotonicInstant) {
        self.plan = plan
        self.shared = shared
        self.start = start
    }

    /// Returns when all workers have ended their runs, or an abort is asked for.
    mutating func watch(control: RunControl, progressInterval: Int64, onProgress: (RunProgress) -> Void) {
        var nextReport = start.advanced(byNanoseconds: progressInterval)
        while shared.words.pointee.done.load(ordering: .relaxed) < shared.workers && !control.isAbortRequested {
            clx_sleep_until(clx_monotonic() + Self.pause)
            let now = MonotonicInstant.now()
            let progress = progress(now)
            if Self.isNothingReachable(reachabilities) { stop() }
            if let limit = plan.idleLimit, progress.liveRuns == 0, lastReceived != .zero,
                now.nanoseconds(since: lastReceived) > limit, progress.phase == .loading
            {
                isIdle = true
                stop()
            }
            if let most = plan.endedRuns, progress.endedRuns >= most, progress.phase == .loading { stop() }
            if now >= nextReport {
                onProgress(progress)
                repeat {
                    nextReport = nextReport.advanced(byNanoseconds: max(progressInterval, Self.pause))
                } while nextReport <= now
            }
        }
    }

    private func stop() { shared.words.pointee.stop.store(1, ordering: .relaxed) }

    func progress(_ now: MonotonicInstant) -> RunProgress {
        var sum = RunProgress()
        sum.elapsed = now.nanoseconds(since: start)
        sum.phase = .done
        for i in 0..<shared.workers {
            let worker = shared.progress + i
            sum.started += worker.pointee.started.load(ordering: .relaxed)
            sum.notStarted += worker.pointee.notStarted.load(ordering: .relaxed)
            sum.blocked += worker.pointee.blocked.load(ordering: .relaxed)
            sum.noSlot += worker.pointee.noSlot.load(ordering: .relaxed)
            sum.noRow += worker.pointee.noRow.load(ordering: .relaxed)
            sum.liveRuns += Int(worker.pointee.liveRuns.load(ordering: .relaxed))
            sum.endedRuns += worker.pointee.endedRuns.load(ordering: .relaxed)
            sum.datagramsReceived += worker.pointee.datagramsReceived.load(ordering: .relaxed)
            sum.datagramsSent += worker.pointee.datagramsSent.load(ordering: .relaxed)
            sum.receiveOverflow += worker.pointee.receiveOverflow.load(ordering: .relaxed)
            let elapsed = worker.pointee.elapsedNanoseconds.load(ordering: .relaxed)
            if elapsed > 0 {
                let busy = worker.pointee.busyNanoseconds.load(ordering: .relaxed)
                sum.busiestShare = max(sum.busiestShare, Double(busy) / Double(elapsed))
            }
            sum.phase = min(sum.phase, RunPhase(rawValue: worker.pointee.phase.load(ordering: .relaxed)) ?? .done)
        }
        return sum
    }

    private var lastReceived: MonotonicInstant {
        var last: Int64 = 0
        for i in 0..<shared.workers { last = max(last, shared.progress[i].lastReceived.load(ordering: .relaxed)) }
        return MonotonicInstant(nanoseconds: last)
    }

    private var reachabilities: [Reachability] {
        (0..<shared.workers).map {
            Reachability(rawValue: shared.progress[$0].reachability.load(ordering: .relaxed)) ?? .unknown
        }
    }

    /// At least one worker found nothing there, and none found something.
    static func isNothingReachable(_ workers: [Reachability]) -> Bool {
        workers.contains(.refused) && !workers.contains(.reachable)
    }

    func result(of workers: [WorkerResult], control: RunControl) -> RunResult {
        var end = RunResult.End.completed
        if control.isAbortRequested {
            end = .aborted
        } else if control.isStopRequested {
            end = .stopped
        } else if isIdle {
            end = .idle
        }
        return RunResult(
            end: end, nothingReachable: Self.isNothingReachable(workers.map(\.reachability)), start: start,
            elapsed: Int64(workers.map(\.counters.elapsedNanoseconds).max() ?? 0), workers: workers)
    }
}
