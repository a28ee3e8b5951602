/// What became of the calls at one address that requests were sent to, where a run had several.
///
/// runsStarted + runsTakenOver = runsSucceeded + runsFailed + runsDrained + runsMoved + those cut off.
public struct TargetRecord: Sendable, Hashable, Codable {
    /// The target as it was written.
    public var name: String
    public var address: String
    /// The target's part of the calls, as it was asked for.
    public var weight: Double
    /// Of its SRV record; 0 without one.
    public var priority: Int
    public var counts: TargetCounts

    public init(name: String, address: String, weight: Double, priority: Int, counts: TargetCounts = TargetCounts()) {
        self.name = name
        self.address = address
        self.weight = weight
        self.priority = priority
        self.counts = counts
    }
}

public struct TargetCounts: Sendable, Hashable, Codable {
    /// Runs whose first request went here.
    public var runsStarted: UInt64 = 0
    /// Runs that came here from another address, and those that went from here to another, by `--failover call`.
    public var runsTakenOver: UInt64 = 0
    public var runsMoved: UInt64 = 0
    /// Runs that ended here.
    public var runsSucceeded: UInt64 = 0
    public var runsFailed: UInt64 = 0
    public var runsDrained: UInt64 = 0
    /// First requests that the transport could not deliver, that got no answer, and that were answered 503.
    public var transportErrors: UInt64 = 0
    public var timeouts: UInt64 = 0
    public var unavailable: UInt64 = 0
    /// How often the address was avoided, whatever the reason, and of these since it had asked for it by Retry-After.
    public var timesAvoided: UInt64 = 0
    public var timesHeldBack: UInt64 = 0

    public init() {}

    /// First requests that did not get through.
    public var runsRefused: UInt64 { transportErrors + timeouts + unavailable }

    public mutating func add(_ other: TargetCounts) {
        runsStarted += other.runsStarted
        runsTakenOver += other.runsTakenOver
        runsMoved += other.runsMoved
        runsSucceeded += other.runsSucceeded
        runsFailed += other.runsFailed
        runsDrained += other.runsDrained
        transportErrors += other.transportErrors
        timeouts += other.timeouts
        unavailable += other.unavailable
        timesAvoided += other.timesAvoided
        timesHeldBack += other.timesHeldBack
    }
}
