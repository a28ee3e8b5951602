// How long a pause lasts: fixed, between two times, drawn from a distribution, or what a setting says.

/// A pause: `.seconds(2)`, `.milliseconds(100) ... .seconds(2)`, `.exponential(mean: .seconds(30))`. What is drawn comes from
/// the run's seed.
public struct Delay: Sendable {
    let tree: DelayTree

    init(_ tree: DelayTree) { self.tree = tree }

    /// Fixed.
    public static func microseconds(_ count: Int) -> Delay { Duration.microseconds(count).delay }
    /// Fixed.
    public static func milliseconds(_ count: Int) -> Delay { Duration.milliseconds(count).delay }
    /// Fixed.
    public static func seconds(_ count: Double) -> Delay { Duration.seconds(count).delay }
    /// Fixed.
    public static func minutes(_ count: Double) -> Delay { Duration.minutes(count).delay }
    /// Fixed.
    public static func hours(_ count: Double) -> Delay { Duration.hours(count).delay }

    /// Every time between the two equally likely.
    public static func uniform(_ low: Duration, _ high: Duration) -> Delay {
        Delay(.uniform(low: Seconds(low), high: Seconds(high)))
    }
    /// Memoryless: how long people talk is often modelled so.
    public static func exponential(mean: Duration) -> Delay { Delay(.exponential(mean: Seconds(mean))) }
    /// Half of the pauses are shorter than the median; `sigma` is the standard deviation of the logarithm.
    public static func lognormal(median: Duration, sigma: Double) -> Delay {
        Delay(.lognormal(median: Seconds(median), sigma: sigma))
    }
    /// `shape` below 1 means many short pauses and a long tail, 1 is exponential.
    public static func weibull(shape: Double, scale: Duration) -> Delay {
        Delay(.weibull(shape: shape, scale: Seconds(scale)))
    }
    /// One of these times, drawn by weight: `.empirical((7, .seconds(1)), (3, .seconds(60)))`.
    public static func empirical(_ choices: (Double, Duration)...) -> Delay {
        Delay(.empirical(choices.map { WeightedDelay(weight: $0.0, delay: Seconds($0.1)) }))
    }
    /// A variable, in seconds; a number as it came in a header, such as Expires.
    public static func secondsIn(_ value: Value) -> Delay { Delay(.value(value.tree)) }
    /// A part of the seconds in a variable, every one in the range equally likely: `.part(0.5 ... 0.9, of: expires)` is when phones
    /// refresh what expires.
    public static func part(_ range: ClosedRange<Double>, of value: Value) -> Delay {
        Delay(.part(low: range.lowerBound, high: range.upperBound, of: value.tree))
    }
}

/// What `Pause` takes beside a `Delay`: a constant of type `Duration`, a `Setting`.
public protocol PauseTime: Sendable {
    /// The pause it stands for.
    var delay: Delay { get }
}

extension Duration: PauseTime {
    /// A pause of this time.
    public var delay: Delay { Delay(.fixed(Seconds(self))) }

    /// Minutes, also parts of them.
    public static func minutes(_ count: Double) -> Duration { .seconds(count * 60) }
    /// Hours, also parts of them.
    public static func hours(_ count: Double) -> Duration { .seconds(count * 3_600) }

    /// Every time between the two equally likely: `Pause(.milliseconds(100) ... .seconds(2))`.
    public static func ... (low: Duration, high: Duration) -> Delay { .uniform(low, high) }
}
