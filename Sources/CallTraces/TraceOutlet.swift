import Glibc
import Synchronization

/// The way from all workers to the one writer: decides which failed runs are still written, and holds a bounded queue.
///
/// Shared by every worker (which hand over) and the writer thread (which takes). Touched only when a run is written or
/// failed beyond the limits, never per message. Handing over never waits for the file: a full queue refuses.
public final class TraceOutlet: Sendable {
    public let limits: TraceLimits
    private let admittedRuns = Atomic<UInt64>(0)
    private let admittedOctets = Atomic<UInt64>(0)
    private let kinds = Mutex<Set<UInt64>>([])
    private let queue = BatchQueue()

    /// Kinds of failure told apart; further kinds count as seen before.
    static let mostKinds = 4096

    public init(limits: TraceLimits = TraceLimits()) { self.limits = limits }

    /// Whether a failed run is still written: within the limits, or the first of its kind, or one in N.
    func admits(_ verdict: TraceVerdict, isKnownKind: Bool, run: UInt64, octets: Int) -> Bool {
        let isNewKind =
            !isKnownKind && kinds.withLock { $0.count < Self.mostKinds && $0.insert(verdict.kind).inserted }
        let isWithin =
            admittedRuns.load(ordering: .relaxed) < limits.failedRuns
            && admittedOctets.load(ordering: .relaxed) < limits.failedOctets
        guard isWithin || isNewKind || TracePolicy.isSampled(run: run, oneIn: limits.thenOneIn) else { return false }
        admittedRuns.wrappingAdd(1, ordering: .relaxed)
        admittedOctets.wrappingAdd(UInt64(octets), ordering: .relaxed)
        return true
    }

    /// An empty batch of the usual size, used before where there is one, or a larger one where it is needed.
    func emptyBatch(octets: Int) -> TraceBatch {
        if octets <= TraceBatch.usualOctets, let batch = queue.takeEmpty() { return batch }
        return TraceBatch(octets: max(octets, TraceBatch.usualOctets))
    }

    /// - Returns: false when the queue is full or closed: the batch is dropped.
    func hand(_ batch: TraceBatch) -> Bool { queue.put(batch, mostOctets: limits.queuedOctets) }

    /// Waits for the next batch; nil once the outlet is closed and empty.
    func next() -> TraceBatch? { queue.take() }

    /// The writer has done with a batch.
    func recycle(_ batch: TraceBatch) { queue.recycle(batch) }

    /// No more batches come.
    func close() { queue.close() }
}

/// A first-in-first-out queue of batches with a condition to wait on; the standard library's mutex has none.
///
/// All state is behind `mutex`, which lives at a fixed address as long as the queue.
final class BatchQueue: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let filled = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var waiting: [TraceBatch] = []
    private var waitingOctets = 0
    private var empties: [TraceBatch] = []
    private var isClosed = false
    private static let mostEmpties = 8

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(filled, nil)
    }

    deinit {
        pthread_cond_destroy(filled)
        pthread_mutex_destroy(mutex)
        filled.deallocate()
        mutex.deallocate()
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    func put(_ batch: TraceBatch, mostOctets: Int) -> Bool {
        locked {
            if isClosed || (!waiting.isEmpty && waitingOctets + batch.used > mostOctets) { return false }
            waiting.append(batch)
            waitingOctets += batch.used
            pthread_cond_signal(filled)
            return true
        }
    }

    func take() -> TraceBatch? {
        locked {
            while waiting.isEmpty && !isClosed { pthread_cond_wait(filled, mutex) }
            if waiting.isEmpty { return nil }
            let batch = waiting.removeFirst()
            waitingOctets -= batch.used
            return batch
        }
    }

    func takeEmpty() -> TraceBatch? { locked { empties.popLast() } }

    func recycle(_ batch: TraceBatch) {
        batch.removeAll()
        locked {
            if batch.capacity == TraceBatch.usualOctets, empties.count < Self.mostEmpties { empties.append(batch) }
        }
    }

    func close() {
        locked {
            isClosed = true
            pthread_cond_broadcast(filled)
        }
    }
}
