import SIPWire

/// What one worker records. Owned and used by one thread; recording writes to memory that is there from the start and
/// allocates nothing.
///
/// `record` and the `count…` methods are for the hot path. `fail` and `closeInterval` are not: the first copies text for
/// the first failures of a kind, the second walks the buckets that the interval touched.
public struct WorkerRecorder: ~Copyable, @unchecked Sendable {
    // Sendable although it holds raw pointers: they lead to memory that only this value reaches, and it has one owner.

    @usableFromInline let counts: UnsafeMutablePointer<UInt32>
    @usableFromInline let touched: UnsafeMutablePointer<UInt8>
    @usableFromInline let counters: UnsafeMutablePointer<UInt64>
    @usableFromInline let stepEvents: UnsafeMutablePointer<UInt64>
    @usableFromInline let responses: UnsafeMutablePointer<UInt64>
    let storage: RecorderStorage

    /// - Parameters:
    ///   - layout: what the program records; the same value for all workers of a run.
    ///   - epoch: the common start of the run. Intervals of all workers are aligned to it.
    public init(layout: RecorderLayout, epoch: MonotonicInstant) {
        storage = RecorderStorage(layout: layout, epoch: epoch)
        counts = storage.counts
        touched = storage.touched
        counters = storage.counters
        stepEvents = storage.stepEvents
        responses = storage.responses
    }

    // Holds the struct together: the optimizer may not let go of `storage` while the pointers into it are in use.
    deinit { withExtendedLifetime(storage) {} }

    /// Records one sample of a delay.
    ///
    /// A negative sample enters as 0 and one beyond 39 hours as 39 hours; both are counted.
    @inlinable @inline(__always)
    public mutating func record(_ delay: DelayIndex, nanoseconds: Int64) {
        record(delay, nanoseconds: nanoseconds, count: 1)
    }

    /// Records one sample that stands for `count` of them.
    @inlinable @inline(__always)
    public mutating func record(_ delay: DelayIndex, nanoseconds: Int64, count: Int) {
        var value = UInt64(bitPattern: nanoseconds)
        if _slowPath(value > BucketLayout.highestTrackableValue) { value = clamp(nanoseconds) }
        let zeros = BucketLayout.zeros(of: value)
        counts[delay.rawValue &* RecorderStorage.stride &+ BucketLayout.index(of: value, zeros: zeros)] &+=
            UInt32(truncatingIfNeeded: count)
        touched[delay.rawValue &<< 6 &+ zeros] = 1
    }

    @inlinable @inline(__always)
    public mutating func count(_ counter: Counter) {
        counters[counter.rawValue] &+= 1
    }

    @inlinable @inline(__always)
    public mutating func count(_ counter: Counter, by amount: Int) {
        counters[counter.rawValue] &+= UInt64(truncatingIfNeeded: amount)
    }

    /// - Parameter step: position in `RecorderLayout.steps`.
    @inlinable @inline(__always)
    public mutating func countStep(_ step: Int, _ event: StepEvent) {
        stepEvents[step &<< 3 &+ event.rawValue] &+= 1
    }

    /// A response that a transaction of ours took, once for each response (not for its retransmissions).
    /// - Parameters:
    ///   - status: 100 to 699; others are ignored.
    ///   - method: of the CSeq.
    @inlinable
    public mutating func countResponse(status: Int, method: Method) {
        guard UInt(bitPattern: status &- 100) < 600 else { return }
        responses[Int(method.rawValue) &<< 10 &+ status] &+= 1
        counters[Counter.responses1xx.rawValue &+ status / 100 &- 1] &+= 1
    }

    /// A response that a scenario of ours sent, once for each response.
    @inlinable
    public mutating func countResponseSent(status: Int, method: Method) {
        guard UInt(bitPattern: status &- 100) < 600 else { return }
        responses[RecorderStorage.responsesSentOffset &+ Int(method.rawValue) &<< 10 &+ status] &+= 1
    }

    /// A request that no step expected, by the status it was answered with. Counts `unexpectedRequests` as well.
    @inlinable
    public mutating func countUnexpectedRequest(answeredWith status: Int) {
        guard UInt(bitPattern: status &- 100) < 600 else { return }
        responses[RecorderStorage.unexpectedAnswersOffset &+ status] &+= 1
        counters[Counter.unexpectedRequests.rawValue] &+= 1
    }

    /// - Parameter fault: position in `RecorderLayout.faults`. Counts `malformedMessages` as well.
    public mutating func countMalformed(_ fault: Int) {
        counters[Counter.malformedMessages.rawValue] &+= 1
        if fault < storage.faultCount { storage.faults[fault] &+= 1 }
    }

    /// - Parameter scenario: position in `RecorderLayout.scenarios`. The counter of all runs is counted beside it.
    @inline(__always)
    public mutating func countRun(_ event: RunEvent, of scenario: Int) {
        guard scenario < storage.layout.scenarios.count else { return }
        storage.scenarioRuns[scenario &* RunEvent.allCases.count &+ event.rawValue] &+= 1
    }

    /// - Parameter outcome: position in `RecorderLayout.outcomes`. `runsSucceeded` or `runsFailed` is counted beside it.
    public mutating func countOutcome(_ outcome: Int) {
        if outcome < storage.outcomeCount { storage.outcomes[outcome] &+= 1 }
    }

    /// An arrival dropped since it was later than the catch-up limit.
    ///
    /// It counts as not started, and its lateness enters `startLateness` and the run's delay from due time: whoever had
    /// called then would have waited at least that long.
    public mutating func recordNotStarted(latenessNanoseconds: Int64) {
        count(.runsNotStarted)
        count(.fromDueLowerBounds)
        record(.startLateness, nanoseconds: latenessNanoseconds)
        record(storage.delayFromDue, nanoseconds: latenessNanoseconds)
    }

    /// The last word on a session attempt: its final response after redirections and answered challenges, 408 where no
    /// answer came (RFC 3261 §8.1.3.1). Sorts it into the sums of RFC 6076.
    public mutating func countSessionAnswer(status: Int) {
        switch status {
        case 200...299: count(.sessionAnswers2xx)
        case 300...399: count(.sessionAnswers3xx)
        case 401, 402, 407: count(.sessionAnswersChallenged)
        case 408, 500, 503, 504: count(.sessionsIneffective)
        case 480, 486, 600, 603: count(.sessionsEffectivelyRefused)
        default: count(.sessionAnswersOther)
        }
    }

    /// The last word on a registration attempt, 408 where no answer came.
    public mutating func countRegistrationAnswer(status: Int) {
        switch status {
        case 200...299: count(.registrationAnswers2xx)
        case 300...399, 401, 402, 407: count(.registrationAnswersOther)
        default: count(.registrationsIneffective)
        }
    }

    /// A failed run. The first 16 of a group (step, expectation, evidence), 1,000 over all groups, are kept in full.
    public mutating func fail(_ failure: borrowing FailureReport) {
        storage.failures.add(failure)
    }

    /// Ends the interval: adds it to the totals and keeps it. To be called about once per `intervalNanoseconds`, by all
    /// workers at the same points of the grid that starts at the epoch.
    ///
    /// Cost: what was touched, some 30 µs for a busy interval. Allocates one block.
    /// - Parameter liveRuns: runs in progress at `endedAt`.
    /// - Returns: what a progress line shows of it.
    @discardableResult
    public mutating func closeInterval(
        startedAt: MonotonicInstant, endedAt: MonotonicInstant, liveRuns: Int
    ) -> IntervalGlance {
        storage.closeInterval(startedAt: startedAt, endedAt: endedAt, liveRuns: liveRuns)
    }

    /// Hands over what was recorded. What came since the last `closeInterval` is in the totals, and in an interval of its
    /// own when anything came.
    public consuming func finish(at now: MonotonicInstant, liveRuns: Int) -> WorkerRecord {
        storage.finish(at: now, liveRuns: liveRuns)
    }

    /// The current sum of a counter, for run control on this thread.
    public func value(of counter: Counter) -> UInt64 { counters[counter.rawValue] }

    @usableFromInline @inline(never)
    mutating func clamp(_ nanoseconds: Int64) -> UInt64 {
        guard nanoseconds < 0 else {
            count(.delaysAboveRange)
            return BucketLayout.highestTrackableValue
        }
        count(.delaysBelowRange)
        return 0
    }
}

/// What one closed interval of one worker amounts to: the figures of a progress line, trivial so that a worker may
/// publish them.
public struct IntervalGlance: Sendable {
    public var startedAt: MonotonicInstant = .zero
    public var endedAt: MonotonicInstant = .zero
    public var runsStarted: UInt64 = 0
    public var runsSucceeded: UInt64 = 0
    public var runsFailed: UInt64 = 0
    public var runsRepeating: UInt64 = 0
    public var liveRuns: Int = 0
    /// Percentiles of the delay of the run's first request from send time, nanoseconds; 0 where nothing was recorded.
    public var delayP50Nanoseconds: UInt64 = 0
    public var delayP99Nanoseconds: UInt64 = 0
    public var startLatenessP99Nanoseconds: UInt64 = 0

    public init() {}
}
