/// What a run leaves behind: everything that reports, thresholds and comparisons read. Merged from the records of the
/// workers; sums and histograms are exact. As JSON it is `run.json` (`reports/README.md` has the schema).
public struct RunRecord: Sendable, Codable {
    public static let currentSchema = 1

    public var schema: Int
    public var identity: RunIdentity
    public var plan: PlannedLoad
    public var clock: RunClock
    /// What a run of this scenario begins with: a run is a call where it invites, else an attempt.
    public var firstRequest: FirstRequest
    public var end: RunEnd
    /// From the epoch to the end of the last interval, draining included.
    public var durationNanoseconds: Int64
    /// From the epoch to the last due arrival: the time over which a rate is meant.
    public var loadNanoseconds: Int64

    public var counters: CounterValues
    /// Ratios of RFC 6076; derived from `counters`.
    public var figures: SessionFigures
    /// Delays with samples, in the order of the layout.
    public var delays: [DelayRecord]
    public var steps: [StepRecord]
    public var responsesReceived: [ResponseCount]
    public var responsesSent: [ResponseCount]
    /// Requests that no step expected, by the status of our answer.
    public var unexpectedAnswers: [ResponseCount]
    public var malformed: [NamedCount]
    public var outcomes: [NamedCount]
    /// Of each scenario that was played, in the order of the command.
    public var scenarios: [ScenarioCount]
    /// Of each address that calls could go to; nil where there was one alone.
    public var targets: [TargetRecord]?
    /// What became of TLS where it did not come about or broke, in words, most frequent first; nil where nothing did.
    public var transportTroubles: [NamedCount]?
    /// What was done before and after the load, in that order; none of it is in the other figures. Nil where nothing was asked for.
    public var phases: [PhaseRecord]?
    /// Nil in a run without media.
    public var media: MediaRecord?
    /// Nil where the scenario reads none.
    public var feeds: [FeedRecord]?
    /// Largest first.
    public var failureGroups: [FailureGroup]
    public var intervals: [IntervalRecord]
    public var workers: [WorkerShare]
    /// The verdict on the generator itself; derived from the rest.
    public var verdict: Verdict

    /// Merges what the workers recorded.
    /// - Parameters:
    ///   - workers: at least one; all of one layout and one epoch.
    ///   - loadNanoseconds: how long the plan's arrivals were due, from the epoch.
    ///   - feeds: in the program's order; without rows where none was taken.
    ///   - targets: in the order in which they were named; empty where there was one alone.
    public init(
        merging workers: [WorkerRecord], identity: RunIdentity, plan: PlannedLoad, clock: RunClock, end: RunEnd,
        loadNanoseconds: Int64, feeds: [FeedRecord] = [],
        targets: [TargetRecord] = []
    ) {
        precondition(!workers.isEmpty, "a run has at least one worker")
        let layout = workers[0].layout
        precondition(
            workers.allSatisfy { $0.layout == layout && $0.epoch == workers[0].epoch },
            "workers of one run record one layout from one epoch")
        schema = Self.currentSchema
        self.identity = identity
        self.plan = plan
        self.clock = clock
        firstRequest = layout.firstRequest
        self.end = end
        self.loadNanoseconds = loadNanoseconds

        counters = CounterValues()
        for worker in workers { counters.add(worker.counters) }
        figures = SessionFigures(counters)
        delays = (0..<layout.delayCount).compactMap { index in
            var histogram = SparseHistogram()
            for worker in workers { histogram.add(worker.delays[index]) }
            let delay = DelayIndex(rawValue: index)
            return histogram.isEmpty ? nil : DelayRecord(name: layout.name(of: delay), histogram: histogram)
        }
        let stepEvents = Self.sum(workers.map(\.stepEvents))
        steps = layout.steps.indices.map { StepRecord(layout.steps[$0], events: stepEvents[$0 * 8..<$0 * 8 + 8]) }
        let responses = Self.sum(workers.map(\.responses))
        responsesReceived = ResponseCount.list(responses[..<RecorderStorage.responsesSentOffset])
        responsesSent = ResponseCount.list(
            responses[RecorderStorage.responsesSentOffset..<RecorderStorage.unexpectedAnswersOffset])
        unexpectedAnswers = ResponseCount.list(responses[RecorderStorage.unexpectedAnswersOffset...], method: "")
        malformed = NamedCount.list(layout.faults, Self.sum(workers.map(\.faults)))
        outcomes = NamedCount.list(layout.outcomes, Self.sum(workers.map(\.outcomes)))
        scenarios = ScenarioCount.list(layout.scenarios, Self.sum(workers.map(\.scenarioRuns)))
        self.targets = targets.isEmpty ? nil : targets
        let read = feeds.filter { $0.rows > 0 }
        self.feeds = read.isEmpty ? nil : read
        failureGroups = FailureGroup.merge(
            workers.map(\.failures), layout: layout, clock: clock, feeds: feeds.map(\.name))
        intervals = IntervalRecord.merge(workers)
        durationNanoseconds = intervals.map(\.endNanoseconds).max() ?? 0
        self.workers = workers.map(WorkerShare.init)
        verdict = Verdict(valid: [])
        verdict = Verdict(judging: self)
    }

    /// What went over the media ports, which the verdict speaks of too.
    public mutating func note(media: MediaRecord?) {
        guard let media else { return }
        self.media = media
        verdict = Verdict(judging: self)
    }

    /// What the transport said of its failures, and how often.
    public mutating func note(troubles: [String: UInt64]) {
        guard !troubles.isEmpty else { return }
        transportTroubles = troubles.map { NamedCount(name: $0.key, count: $0.value) }
            .sorted { ($0.count, $1.name) > ($1.count, $0.name) }
    }

    public subscript(counter: Counter) -> UInt64 { counters[counter] }

    public func delay(_ name: String) -> DelayRecord? { delays.first { $0.name == name } }
    public func delay(_ delay: DelayIndex) -> DelayRecord? {
        delay.rawValue < DelayIndex.builtInCount ? self.delay(DelayIndex.builtInNames[delay.rawValue]) : nil
    }

    /// Runs started for each second of the load, 0 where there was none.
    public var startedPerSecond: Double {
        loadNanoseconds > 0 ? Double(counters[.runsStarted]) / (Double(loadNanoseconds) / 1e9) : 0
    }

    private static func sum(_ tables: [[UInt64]]) -> [UInt64] {
        tables.dropFirst().reduce(into: tables[0]) { sum, table in
            for i in sum.indices { sum[i] &+= table[i] }
        }
    }
}

/// One delay over the whole run. In JSON its figures in nanoseconds and the histogram itself, from which alone it is read
/// back.
public struct DelayRecord: Sendable, Hashable, Codable {
    public var name: String
    public var histogram: SparseHistogram

    public init(name: String, histogram: SparseHistogram) {
        self.name = name
        self.histogram = histogram
    }

    public var samples: UInt64 { histogram.samples }

    /// Nanoseconds; 0 where there are no samples.
    public func nanoseconds(atPercentile percentile: Double) -> Int64 {
        Int64(histogram.value(atPercentile: percentile) ?? 0)
    }

    public var maximumNanoseconds: Int64 { Int64(histogram.maximum ?? 0) }
    public var meanNanoseconds: Int64 { Int64(histogram.mean ?? 0) }

    private enum CodingKeys: String, CodingKey {
        case name, samples, minimumNanoseconds, meanNanoseconds, p50Nanoseconds, p90Nanoseconds, p99Nanoseconds
        case p999Nanoseconds, p9999Nanoseconds, maximumNanoseconds, hdrHistogramV2
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        let text = try container.decode(String.self, forKey: .hdrHistogramV2)
        do {
            histogram = try SparseHistogram(encodedV2: text[...])
        } catch {
            throw DecodingError.dataCorruptedError(
                forKey: .hdrHistogramV2, in: container, debugDescription: "\(name): \(error)")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(samples, forKey: .samples)
        try container.encode(histogram.minimum, forKey: .minimumNanoseconds)
        try container.encode(meanNanoseconds, forKey: .meanNanoseconds)
        try container.encode(nanoseconds(atPercentile: 50), forKey: .p50Nanoseconds)
        try container.encode(nanoseconds(atPercentile: 90), forKey: .p90Nanoseconds)
        try container.encode(nanoseconds(atPercentile: 99), forKey: .p99Nanoseconds)
        try container.encode(nanoseconds(atPercentile: 99.9), forKey: .p999Nanoseconds)
        try container.encode(nanoseconds(atPercentile: 99.99), forKey: .p9999Nanoseconds)
        try container.encode(maximumNanoseconds, forKey: .maximumNanoseconds)
        try container.encode(histogram.encodedV2, forKey: .hdrHistogramV2)
    }
}
