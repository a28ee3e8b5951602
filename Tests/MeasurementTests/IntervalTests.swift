import Testing

@testable import Measurement

@Suite struct IntervalTests {
    /// Two workers on one grid: each interval is the sum, and all of them together are the totals.
    @Test func workersAddUp() {
        var random = SplitMix(state: 11)
        var expected = [SparseHistogram](repeating: SparseHistogram(), count: 5)
        let workers = (0..<2).map { worker in
            var recorder = WorkerRecorder(layout: RecorderLayout(marks: ["m"]), epoch: .zero)
            for second in 0..<5 {
                var values: [Int: UInt64] = [:]
                for _ in 0..<200 {
                    let value = random.delay()
                    recorder.record(.mark(0), nanoseconds: value)
                    values[BucketLayout.index(of: UInt64(value)), default: 0] += 1
                }
                expected[second].add(
                    SparseHistogram(
                        buckets: values.keys.sorted().map { SparseHistogram.Bucket(index: $0, count: values[$0]!) }))
                recorder.count(.runsStarted, by: second + 1)
                // A worker closes a little after the grid point.
                recorder.closeInterval(
                    startedAt: instant(Double(second) + 0.003 * Double(worker)),
                    endedAt: instant(Double(second + 1) + 0.004), liveRuns: 10 * second + worker)
            }
            return recorder.finish(at: instant(5), liveRuns: 0)
        }
        let record = merge(workers)
        #expect(record.intervals.count == 5)
        for (second, interval) in record.intervals.enumerated() {
            #expect(interval.histograms.map(\.name) == ["m"])
            #expect(interval.histograms[0].histogram == expected[second])
            #expect(interval.figures.counters[.runsStarted] == UInt64(2 * (second + 1)))
            #expect(interval.liveRunsAtEnd == 20 * second + 1)
        }
        let sum = expected.reduce(into: SparseHistogram()) { $0.add($1) }
        #expect(record.delay("m")?.histogram == sum)
        #expect(record.delay("m")?.samples == 2_000)
    }

    /// A long run in little memory: intervals are merged, nothing is lost, the store stays near its limit.
    @Test func coarsensAndKeepsEverySample() {
        let limit = 64 << 10
        var store = IntervalStore(epoch: .zero, nominalNanoseconds: 1_000_000_000, limitOctets: limit)
        var random = SplitMix(state: 3)
        var most = 0
        let seconds = 1_000
        for second in 0..<seconds {
            // Counters: none. One delay with 60 buckets.
            var block: [UInt8] = [0]
            appendVarint(1, to: &block)
            for _ in 0..<60 {
                appendVarint(UInt64.random(in: 1...3, using: &random), to: &block)
                appendVarint(1, to: &block)
            }
            block += [0, 0]
            store.append(
                block, startedAt: instant(Double(second)), endedAt: instant(Double(second + 1)), liveRuns: second)
            most = max(most, store.octets)
        }
        #expect(most < limit * 3 / 2)
        let target = store.targetNanoseconds
        let intervals = store.takeAll()
        #expect(intervals.count <= seconds / 4)
        #expect(target >= 4_000_000_000)
        var samples: UInt64 = 0
        var end = MonotonicInstant.zero
        for interval in intervals {
            #expect(interval.startedAt == end)
            end = interval.endedAt
            #expect(interval.endedAt.nanoseconds(since: interval.startedAt) <= target)
            #expect(Int64(interval.cell) * 1_000_000_000 / target == interval.startedAt.nanoseconds / target)
            samples += IntervalContents(interval.octets).delays[0]!.samples
        }
        #expect(end == instant(Double(seconds)))
        #expect(samples == UInt64(seconds * 60))
        #expect(intervals.last?.liveRunsAtEnd == seconds - 1)
    }

    /// One worker had to coarsen, the other not: the record is on the coarser grid and complete.
    @Test func gridsOfDifferentWidthMeet() {
        let workers = [64 << 10, 64 << 20].map { limit in
            var recorder = WorkerRecorder(layout: RecorderLayout(intervalOctets: 64 << 10), epoch: .zero)
            var random = SplitMix(state: UInt64(limit))
            for second in 0..<300 {
                for _ in 0..<(limit < 1 << 20 ? 300 : 3) {
                    recorder.record(.transactionDelay, nanoseconds: random.delay())
                }
                recorder.closeInterval(
                    startedAt: instant(Double(second)), endedAt: instant(Double(second + 1)), liveRuns: 1)
            }
            return recorder.finish(at: instant(300), liveRuns: 0)
        }
        #expect(workers[0].intervalNanoseconds > workers[1].intervalNanoseconds)
        let record = merge(workers)
        let grid = workers[0].intervalNanoseconds
        #expect(record.intervals.count == Int((300_000_000_000 + grid - 1) / grid))
        let samples = record.intervals.reduce(0) { $0 + $1.histograms.reduce(0) { $0 + $1.histogram.samples } }
        #expect(samples == 300 * 303)
        #expect(record.intervals.allSatisfy { $0.liveRunsAtEnd == 2 })
        let few = IntervalRecord.coarsened(record.intervals, toAtMost: 7)
        #expect(few.count <= 7)
        #expect(few.reduce(0) { $0 + $1.histograms.reduce(0) { $0 + $1.histogram.samples } } == samples)
        #expect(few.last?.endNanoseconds == record.durationNanoseconds)
    }

    /// What comes after the last close is in the totals and in an interval of its own; nothing makes none.
    @Test func finishKeepsTheRest() {
        var recorder = WorkerRecorder(layout: RecorderLayout(), epoch: .zero)
        recorder.closeInterval(startedAt: .zero, endedAt: instant(1), liveRuns: 0)
        recorder.record(.transactionDelay, nanoseconds: 5)
        let record = merge([recorder.finish(at: instant(1.5), liveRuns: 2)])
        #expect(record.intervals.count == 2)
        #expect(record.intervals[1].lengthNanoseconds == 500_000_000)
        #expect(record.durationNanoseconds == 1_500_000_000)
        #expect(record.delay(.transactionDelay)?.samples == 1)

        var idle = WorkerRecorder(layout: RecorderLayout(), epoch: .zero)
        idle.closeInterval(startedAt: .zero, endedAt: instant(1), liveRuns: 0)
        #expect(merge([idle.finish(at: instant(1.5), liveRuns: 0)]).intervals.count == 1)
    }
}
