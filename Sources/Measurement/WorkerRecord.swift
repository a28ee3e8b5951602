/// What one worker recorded: handed over when its thread ends, merged into a `RunRecord`.
public struct WorkerRecord: Sendable {
    public let layout: RecorderLayout
    let epoch: MonotonicInstant
    /// By `Counter.rawValue`.
    let counters: [UInt64]
    /// By `DelayIndex.rawValue`.
    let delays: [SparseHistogram]
    /// Eight for each step, by `StepEvent.rawValue`.
    let stepEvents: [UInt64]
    /// As in `RecorderStorage.responses`.
    let responses: [UInt64]
    let faults: [UInt64]
    let outcomes: [UInt64]
    /// As in `RecorderStorage.scenarioRuns`.
    let scenarioRuns: [UInt64]
    let failures: [FailureKey: FailureTally]
    let intervals: [EncodedInterval]
    /// The grid the intervals are on: a multiple of the layout's.
    let intervalNanoseconds: Int64

    public func value(of counter: Counter) -> UInt64 { counters[counter.rawValue] }
    public func histogram(of delay: DelayIndex) -> SparseHistogram { delays[delay.rawValue] }
}
