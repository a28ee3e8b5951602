/// One interval of the run, over all workers. Times count from the epoch of the run.
///
/// A record made from workers holds every sample; one read from JSON holds the figures only (the samples are in
/// `intervals.hlog`).
public struct IntervalRecord: Sendable, Codable {
    public var startNanoseconds: Int64
    public var endNanoseconds: Int64
    public var liveRunsAtEnd: Int
    /// Sum of the most each worker had at once: an upper bound of what all had at once.
    public var mostLiveRuns: Int
    private var body: Body

    private enum Body: Sendable {
        /// As `IntervalStore` writes it, with the names of the delays.
        case samples([UInt8], RecorderLayout)
        case figures(IntervalFigures)
    }

    public var lengthNanoseconds: Int64 { endNanoseconds - startNanoseconds }

    /// What was counted and measured in the interval. Unpacks the samples at each call.
    public var figures: IntervalFigures {
        switch body {
        case .figures(let figures): return figures
        case .samples(let octets, let layout):
            let contents = IntervalContents(octets)
            var delays: [String: IntervalDelay] = [:]
            for (index, histogram) in contents.delays {
                delays[layout.name(of: DelayIndex(rawValue: index))] = IntervalDelay(histogram)
            }
            return IntervalFigures(counters: CounterValues(contents.counters), delays: delays)
        }
    }

    /// Samples by the delay's name, in the order of the layout; empty for an interval that was read from JSON.
    public var histograms: [(name: String, histogram: SparseHistogram)] {
        guard case .samples(let octets, let layout) = body else { return [] }
        let delays = IntervalContents(octets).delays
        return delays.keys.sorted().map { (layout.name(of: DelayIndex(rawValue: $0)), delays[$0]!) }
    }

    private enum CodingKeys: String, CodingKey {
        case startNanoseconds, endNanoseconds, liveRunsAtEnd, mostLiveRuns, counters, delays
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        startNanoseconds = try container.decode(Int64.self, forKey: .startNanoseconds)
        endNanoseconds = try container.decode(Int64.self, forKey: .endNanoseconds)
        liveRunsAtEnd = try container.decode(Int.self, forKey: .liveRunsAtEnd)
        mostLiveRuns = try container.decode(Int.self, forKey: .mostLiveRuns)
        let sums = try container.decode([String: UInt64].self, forKey: .counters)
        var counters = CounterValues()
        for counter in Counter.allCases { counters[counter] = sums["\(counter)"] ?? 0 }
        let delays = try container.decode([String: IntervalDelay].self, forKey: .delays)
        body = .figures(IntervalFigures(counters: counters, delays: delays))
    }

    /// Counters that stood still are left out.
    public func encode(to encoder: any Encoder) throws {
        let figures = figures
        var sums: [String: UInt64] = [:]
        for counter in Counter.allCases where figures.counters[counter] != 0 {
            sums["\(counter)"] = figures.counters[counter]
        }
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(startNanoseconds, forKey: .startNanoseconds)
        try container.encode(endNanoseconds, forKey: .endNanoseconds)
        try container.encode(liveRunsAtEnd, forKey: .liveRunsAtEnd)
        try container.encode(mostLiveRuns, forKey: .mostLiveRuns)
        try container.encode(sums, forKey: .counters)
        try container.encode(figures.delays, forKey: .delays)
    }
}

public struct IntervalFigures: Sendable, Hashable {
    public var counters: CounterValues
    /// By name, only those with samples.
    public var delays: [String: IntervalDelay]
}

/// One delay in one interval, in nanoseconds.
public struct IntervalDelay: Sendable, Hashable, Codable {
    public var samples: UInt64
    public var p50Nanoseconds: UInt64
    public var p90Nanoseconds: UInt64
    public var p99Nanoseconds: UInt64
    public var maximumNanoseconds: UInt64

    init(_ histogram: SparseHistogram) {
        samples = histogram.samples
        p50Nanoseconds = histogram.value(atPercentile: 50) ?? 0
        p90Nanoseconds = histogram.value(atPercentile: 90) ?? 0
        p99Nanoseconds = histogram.value(atPercentile: 99) ?? 0
        maximumNanoseconds = histogram.maximum ?? 0
    }
}

extension IntervalRecord {
    /// Brings the intervals of all workers onto the coarsest of their grids and adds up what falls into one cell.
    static func merge(_ workers: [WorkerRecord]) -> [IntervalRecord] {
        let layout = workers[0].layout
        let epoch = workers[0].epoch
        let nominal = max(1, layout.intervalNanoseconds)
        let cells = Int(workers.map(\.intervalNanoseconds).max()! / nominal)
        var byCell: [Int: IntervalRecord] = [:]
        for worker in workers {
            // A worker may have several intervals in one cell: its last one says what was live at the end.
            var live: [Int: (atEnd: Int, most: Int)] = [:]
            for interval in worker.intervals {
                let cell = interval.cell / max(1, cells)
                live[cell] = (interval.liveRunsAtEnd, max(live[cell]?.most ?? 0, interval.mostLiveRuns))
                let start = interval.startedAt.nanoseconds(since: epoch)
                let end = interval.endedAt.nanoseconds(since: epoch)
                guard var sum = byCell[cell], case .samples(let octets, _) = sum.body else {
                    byCell[cell] = IntervalRecord(
                        startNanoseconds: start, endNanoseconds: end, liveRunsAtEnd: 0, mostLiveRuns: 0,
                        body: .samples(interval.octets, layout))
                    continue
                }
                sum.body = .samples(mergedBlocks(octets, interval.octets), layout)
                sum.startNanoseconds = min(sum.startNanoseconds, start)
                sum.endNanoseconds = max(sum.endNanoseconds, end)
                byCell[cell] = sum
            }
            for (cell, runs) in live {
                byCell[cell]!.liveRunsAtEnd += runs.atEnd
                byCell[cell]!.mostLiveRuns += runs.most
            }
        }
        return byCell.keys.sorted().map { byCell[$0]! }
    }

    /// At most so many intervals, by adding up neighbours: for charts and `run.json`; `intervals.hlog` keeps the full grid.
    public static func coarsened(_ intervals: [IntervalRecord], toAtMost most: Int) -> [IntervalRecord] {
        let perCell = (intervals.count + most - 1) / max(1, most)
        guard perCell > 1 else { return intervals }
        return stride(from: 0, to: intervals.count, by: perCell).map { first in
            intervals[first + 1..<min(first + perCell, intervals.count)].reduce(intervals[first]) { $0.adding($1) }
        }
    }

    private func adding(_ later: IntervalRecord) -> IntervalRecord {
        guard case .samples(let a, let layout) = body, case .samples(let b, _) = later.body else { return self }
        return IntervalRecord(
            startNanoseconds: startNanoseconds, endNanoseconds: later.endNanoseconds,
            liveRunsAtEnd: later.liveRunsAtEnd, mostLiveRuns: max(mostLiveRuns, later.mostLiveRuns),
            body: .samples(Self.mergedBlocks(a, b), layout))
    }

    private static func mergedBlocks(_ a: [UInt8], _ b: [UInt8]) -> [UInt8] {
        var merged: [UInt8] = []
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in mergeIntervalBlocks(a, b, into: &merged) }
        }
        return merged
    }

    private init(
        startNanoseconds: Int64, endNanoseconds: Int64, liveRunsAtEnd: Int, mostLiveRuns: Int, body: Body
    ) {
        self.startNanoseconds = startNanoseconds
        self.endNanoseconds = endNanoseconds
        self.liveRunsAtEnd = liveRunsAtEnd
        self.mostLiveRuns = mostLiveRuns
        self.body = body
    }
}
