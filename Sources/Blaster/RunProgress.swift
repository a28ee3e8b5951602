import CallEngine
import Measurement
import SIPWire
import Synchronization

/// Where a worker is in its life.
public enum RunPhase: UInt64, Sendable, Comparable {
    /// Arrivals are due, or may come from outside.
    case loading
    /// No more arrivals; runs in progress end by themselves.
    case settling
    /// Runs in progress are hung up.
    case draining
    /// All runs have ended.
    case done

    public static func < (a: RunPhase, b: RunPhase) -> Bool { a.rawValue < b.rawValue }
}

/// Whether anything that we sent to is there.
enum Reachability: UInt64 {
    case unknown, reachable, refused
}

/// One worker's snapshot: written by that worker alone, twenty times a second, and read by the run's own thread. Words are
/// read one by one, so that they may be 50 ms apart. On cache lines of its own.
struct ProgressWords: ~Copyable {
    let started = Atomic<UInt64>(0)
    let notStarted = Atomic<UInt64>(0)
    let blocked = Atomic<UInt64>(0)
    let noSlot = Atomic<UInt64>(0)
    let noRow = Atomic<UInt64>(0)
    let liveRuns = Atomic<UInt64>(0)
    let endedRuns = Atomic<UInt64>(0)
    let datagramsReceived = Atomic<UInt64>(0)
    let datagramsSent = Atomic<UInt64>(0)
    let receiveOverflow = Atomic<UInt64>(0)
    let busyNanoseconds = Atomic<UInt64>(0)
    let elapsedNanoseconds = Atomic<UInt64>(0)
    let phase = Atomic<UInt64>(RunPhase.loading.rawValue)
    let reachability = Atomic<UInt64>(Reachability.unknown.rawValue)
    /// Monotonic instant of the last datagram; 0: none yet.
    let lastReceived = Atomic<Int64>(0)
    private let padding: UInt64 = 0
}

/// A run as it stands, over all workers.
public struct RunProgress: Sendable {
    /// Nanoseconds since the plan started.
    public var elapsed: Int64 = 0
    /// The phase of the worker that is furthest behind.
    public var phase = RunPhase.loading
    public var started: UInt64 = 0
    public var notStarted: UInt64 = 0
    public var blocked: UInt64 = 0
    public var noSlot: UInt64 = 0
    public var noRow: UInt64 = 0
    public var liveRuns = 0
    public var endedRuns: UInt64 = 0
    public var datagramsReceived: UInt64 = 0
    public var datagramsSent: UInt64 = 0
    public var receiveOverflow: UInt64 = 0
    /// Work share of the busiest worker since the start, 0 to 1.
    public var busiestShare: Double = 0

    init() {}
}

/// What one worker leaves behind.
public struct WorkerResult: Sendable {
    public var index: Int
    public var localAddress: TransportAddress
    public var counters = TransportCounters()
    /// Arrivals that created a run, came too late, found the cap full, found no call slot, found no row of a feed.
    public var started: UInt64 = 0
    public var notStarted: UInt64 = 0
    public var blocked: UInt64 = 0
    public var noSlot: UInt64 = 0
    public var noRow: UInt64 = 0
    /// How long arrivals could start: from the plan's start until there were to be no more, in nanoseconds.
    public var loadNanoseconds: Int64 = 0
    /// Runs still in progress when the worker left.
    public var abandonedRuns = 0
    var reachability = Reachability.unknown
}

/// What a run of the workers leaves behind, beside the engines' records.
public struct RunResult: Sendable {
    public enum End: Sendable, Equatable {
        /// The plan was carried out, or there was nothing left to wait for.
        case completed
        /// `RunControl.requestStop`: runs in progress were drained.
        case stopped
        /// `RunControl.requestAbort`.
        case aborted
        /// Nothing came any more for the plan's idle limit.
        case idle
    }

    public var end: End
    /// In the first second everything sent was refused and nothing came back; the run was stopped for it.
    public var nothingReachable: Bool
    /// When the plan started, on the monotonic clock, and how long the workers were at it in nanoseconds.
    public var start: MonotonicInstant
    public var elapsed: Int64
    public var workers: [WorkerResult]

    /// How long arrivals could start, of the worker that had them longest, in nanoseconds.
    public var loadNanoseconds: Int64 { workers.map(\.loadNanoseconds).max() ?? 0 }

    /// Over all workers.
    public var counters: TransportCounters {
        var sum = TransportCounters()
        for worker in workers { sum.add(worker.counters) }
        return sum
    }
}
