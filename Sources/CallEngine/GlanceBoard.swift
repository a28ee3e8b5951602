import Measurement
import Synchronization

/// Where workers leave, once a second, what a progress line shows of their last interval.
///
/// Written by each worker at the end of an interval, read by the run's own thread.
public final class GlanceBoard: Sendable {
    /// Sums over the workers and the run so far; delays of the last interval are the worst worker's.
    public struct Glance: Sendable {
        public var succeeded: UInt64 = 0
        public var failed: UInt64 = 0
        /// That have come to what they repeat until the end.
        public var repeating: UInt64 = 0
        public var startedPerSecond: Double = 0
        public var delayP50Nanoseconds: UInt64?
        public var delayP99Nanoseconds: UInt64?
        public var startLatenessP99Nanoseconds: UInt64 = 0

        public init() {}
    }

    /// Nanoseconds of an interval that is worth showing.
    private static let shortest: Int64 = 200_000_000

    private struct Board {
        var last: [Int: IntervalGlance] = [:]
        var succeeded: UInt64 = 0
        var failed: UInt64 = 0
        var repeating: UInt64 = 0
    }

    private let board = Mutex(Board())

    public init() {}

    func post(_ glance: IntervalGlance, worker: Int) {
        board.withLock {
            // The end of a run closes an interval that has just begun: what it shows is no pace.
            let length = glance.endedAt.nanoseconds(since: glance.startedAt)
            if length >= Self.shortest || $0.last[worker] == nil { $0.last[worker] = glance }
            $0.succeeded += glance.runsSucceeded
            $0.failed += glance.runsFailed
            $0.repeating += glance.runsRepeating
        }
    }

    public func glance() -> Glance {
        board.withLock { board in
            var all = Glance()
            all.succeeded = board.succeeded
            all.failed = board.failed
            all.repeating = board.repeating
            for one in board.last.values {
                let length = Double(one.endedAt.nanoseconds(since: one.startedAt)) / 1e9
                if length > 0 { all.startedPerSecond += Double(one.runsStarted) / length }
                if one.delayP99Nanoseconds > 0 {
                    all.delayP50Nanoseconds = max(all.delayP50Nanoseconds ?? 0, one.delayP50Nanoseconds)
                    all.delayP99Nanoseconds = max(all.delayP99Nanoseconds ?? 0, one.delayP99Nanoseconds)
                }
                all.startLatenessP99Nanoseconds = max(
                    all.startLatenessP99Nanoseconds, one.startLatenessP99Nanoseconds)
            }
            return all
        }
    }
}
