import Synchronization

/// Ends a run from outside: from another thread, or from a signal handler. Every function here is async-signal-safe: one
/// atomic operation, no allocation, no lock.
public final class RunControl: Sendable {
    private let request = Atomic<UInt32>(0)
    /// It was stopped, and went on with what is done all the same.
    private let hasResumed = Atomic<Bool>(false)

    public init() {}

    /// No new arrivals; runs in progress are hung up at the plan's drain rate.
    public func requestStop() { raise(to: 1) }

    /// Leaves at once. What was recorded is still reported.
    public func requestAbort() { raise(to: 2) }

    /// What an interrupt asks for: the first to stop, the second to leave at once.
    public func interrupt() {
        if request.load(ordering: .relaxed) == 0, !hasResumed.load(ordering: .relaxed) {
            requestStop()
        } else {
            requestAbort()
        }
    }

    /// What was asked to stop has. What is still to be done begins, and the next interrupt ends it at once.
    public func resume() {
        guard request.load(ordering: .relaxed) == 1 else { return }
        hasResumed.store(true, ordering: .relaxed)
        _ = request.compareExchange(expected: 1, desired: 0, ordering: .relaxed)
    }

    /// It was asked to stop, be it that it has gone on since.
    public var wasStopped: Bool { isStopRequested || hasResumed.load(ordering: .relaxed) }

    public var isStopRequested: Bool { request.load(ordering: .relaxed) >= 1 }
    public var isAbortRequested: Bool { request.load(ordering: .relaxed) >= 2 }

    private func raise(to wanted: UInt32) {
        _ = request.max(wanted, ordering: .relaxed)
    }
}

/// Words all workers of a run share. Written by the run's own thread and by each worker as it gets ready and done; read by
/// workers a few times a second.
struct RunWords: ~Copyable {
    /// When the plan starts on the monotonic clock; 0 until all workers are ready.
    let start = Atomic<Int64>(0)
    /// 1: stop, as `RunControl.requestStop`, for a reason the run found itself.
    let stop = Atomic<UInt32>(0)
    let ready = Atomic<Int>(0)
    /// Workers whose runs have all ended.
    let done = Atomic<Int>(0)
}
