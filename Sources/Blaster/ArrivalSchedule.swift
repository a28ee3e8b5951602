import Glibc

/// How arrivals are spread over time.
public enum ArrivalProcess: UInt8, Sendable {
    /// Independent arrivals at random times; see `ArrivalSchedule`.
    case poisson
    /// One every 1/rate seconds.
    case uniform
}

/// The due times of an open load plan. The seed fixes them: every worker walks the whole sequence and keeps the arrivals
/// whose number is its own modulo the number of workers, so that any number of workers carries out one plan.
///
/// Poisson here is a Poisson process *given its count* in windows of time. A Poisson process whose count in a window is known
/// is so many independent uniform points in it, and these are generated in order: with m points left and a length L to go,
/// the next one is L·(1 − U^(1/m)) away. So gaps are exponential and 10 ms counts are Poisson to within 1/m, while the
/// number of arrivals never strays from rate × time by more than a window's own fluctuation: over whole windows the rate is
/// exact, where a free Poisson process would be off by 1/√n (0.6 % at 1,000/s over 30 s). A window lasts one second, longer
/// at low rates so that it holds a thousand arrivals; the last one ends with the plan.
public struct ArrivalSchedule: Sendable {
    /// One arrival of the whole plan.
    public struct Arrival: Sendable, Equatable {
        /// Its place in the whole plan, from 0.
        public var number: UInt64
        /// When it is due, in nanoseconds from the start of the plan.
        public var due: Int64
    }

    private let rate: Double
    private let process: ArrivalProcess
    private let workers: UInt64
    /// Arrivals in the whole plan.
    private let total: UInt64
    /// Nanoseconds the plan lasts; `.max` when it has no end.
    private let duration: Double
    private let window: Double

    private var generator: SeededGenerator
    /// The next arrival's number.
    private var number: UInt64 = 0
    /// Of the arrivals this worker keeps.
    private var wanted: UInt64
    private var windowStart: Double = 0
    private var windowLength: Double = 0
    /// Arrivals left in the window, and where in it the last one was.
    private var remaining: UInt64 = 0
    private var position: Double = 0

    /// - Parameters:
    ///   - rate: arrivals a second, over all workers.
    ///   - durationNanoseconds: when the plan ends; nil: by `calls`, or never.
    ///   - calls: the most arrivals; nil: by the duration, or without limit.
    ///   - worker, workers: whose share this is.
    public init(
        rate: Double, process: ArrivalProcess, durationNanoseconds: Int64?, calls: UInt64?, seed: UInt64,
        worker: Int, workers: Int
    ) {
        precondition(rate > 0 && rate.isFinite, "an arrival rate is above zero")
        precondition(workers > 0 && (0..<workers).contains(worker), "a worker is one of its number")
        self.rate = rate
        self.process = process
        self.workers = UInt64(workers)
        var total = UInt64.max
        var duration = Double.infinity
        if let durationNanoseconds {
            duration = Double(durationNanoseconds)
            total = Self.count(rate, until: duration)
        }
        if let calls, calls < total {
            total = calls
            duration = Double(calls) / rate * 1e9
        }
        self.total = total
        self.duration = duration
        window = max(1, (1000 / rate).rounded(.up)) * 1e9
        generator = SeededGenerator(seed: seed)
        wanted = UInt64(worker)
        windowLength = 0
    }

    /// This worker's next arrival; nil when the plan is at its end.
    public mutating func next() -> Arrival? {
        switch process {
        case .uniform:
            guard wanted < total else { return nil }
            let arrival = Arrival(number: wanted, due: Int64(Double(wanted) / rate * 1e9))
            wanted &+= workers
            return arrival
        case .poisson:
            while let arrival = nextOfPlan() {
                if arrival.number == wanted {
                    wanted &+= workers
                    return arrival
                }
            }
            return nil
        }
    }

    /// The next arrival of all workers'.
    private mutating func nextOfPlan() -> Arrival? {
        guard number < total else { return nil }
        while remaining == 0 {
            windowStart += windowLength
            guard windowStart < duration else { return nil }
            windowLength = min(window, duration - windowStart)
            let end = windowStart + windowLength
            // By the plan's total at its end: a count rounded twice could miss one.
            remaining = (end >= duration ? total : Self.count(rate, until: end)) - number
            position = 0
        }
        // 1 − U^(1/m), without losing digits when m is large.
        position -= (windowLength - position) * expm1(log(generator.unitInterval()) / Double(remaining))
        remaining &-= 1
        let arrival = Arrival(number: number, due: Int64(windowStart + min(position, windowLength)))
        number &+= 1
        return arrival
    }

    /// Arrivals due before `end`, in nanoseconds.
    private static func count(_ rate: Double, until end: Double) -> UInt64 {
        let exact = rate * (end / 1e9)
        // 0.1 × 30 s is 3 arrivals, not 2.9999…
        let nearest = exact.rounded()
        return UInt64(abs(exact - nearest) < 1e-6 ? nearest : exact.rounded(.down))
    }
}
