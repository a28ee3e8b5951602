import CLinuxSockets
import Measurement

extension MonotonicInstant {
    /// Reads CLOCK_MONOTONIC: about 25 ns. Workers read it once per batch.
    @inline(__always)
    public static func now() -> MonotonicInstant { MonotonicInstant(nanoseconds: clx_monotonic()) }
}

/// Maps the kernel's receive stamps (CLOCK_REALTIME) to the monotonic clock.
///
/// Both clocks are slewed alike, so their distance changes only when somebody sets the time. It is measured by reading one
/// between two readings of the other, the closest of a few brackets kept, and measured again regularly.
struct StampClock {
    /// CLOCK_REALTIME minus CLOCK_MONOTONIC, in nanoseconds.
    private(set) var offset: Int64 = 0
    /// Half the bracket of the measurement in use, the longest of all so far, in nanoseconds.
    private(set) var uncertainty: Int64 = 0
    /// Times the offset moved by more than a millisecond.
    private(set) var steps: UInt64 = 0
    private var measured: Int64 = 0

    private static let brackets = 5
    private static let refreshInterval: Int64 = 100_000_000
    private static let stepLimit: Int64 = 1_000_000

    init() {
        let reading = Self.measure()
        offset = reading.offset
        uncertainty = reading.uncertainty
        measured = clx_monotonic()
    }

    /// Measures the offset again when the last measurement is older than 100 ms.
    mutating func refresh(now: MonotonicInstant) {
        guard now.nanoseconds &- measured >= Self.refreshInterval else { return }
        measured = now.nanoseconds
        let reading = Self.measure()
        if abs(reading.offset &- offset) > Self.stepLimit { steps += 1 }
        offset = reading.offset
        uncertainty = max(uncertainty, reading.uncertainty)
    }

    /// The monotonic instant of a stamp, never after `now`: a datagram cannot have come later than it was read.
    @inline(__always)
    func instant(of stamp: Int64, now: MonotonicInstant) -> MonotonicInstant {
        if stamp == 0 { return now }
        return MonotonicInstant(nanoseconds: min(stamp &- offset, now.nanoseconds))
    }

    private static func measure() -> (offset: Int64, uncertainty: Int64) {
        var best: (offset: Int64, uncertainty: Int64) = (0, .max)
        for _ in 0..<brackets {
            let before = clx_monotonic()
            let real = clx_realtime()
            let half = (clx_monotonic() &- before) / 2
            if half < best.uncertainty { best = (real &- (before &+ half), half) }
        }
        return best
    }
}
