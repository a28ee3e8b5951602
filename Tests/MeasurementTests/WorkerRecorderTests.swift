import Histogram
import Testing

@testable import Measurement

/// A seeded generator, so that a failure repeats.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Spread over all magnitudes, as delays are.
    mutating func delay() -> Int64 { Int64(next() >> UInt64.random(in: 17...63, using: &self)) }
}

func instant(_ seconds: Double) -> MonotonicInstant { MonotonicInstant(nanoseconds: Int64(seconds * 1e9)) }

@Suite struct BucketLayoutTests {
    @Test func everyBucketAgreesWithThePackage() {
        let histogram = SparseHistogram.emptyHistogram
        var next: UInt64 = 0
        for index in 0..<BucketLayout.count {
            let range = histogram.equivalentRangeForValue(next)
            guard
                BucketLayout.lowestValue(at: index) == range.lowerBound,
                BucketLayout.highestValue(at: index) == range.upperBound,
                BucketLayout.index(of: range.lowerBound) == index, BucketLayout.index(of: range.upperBound) == index
            else {
                Issue.record("bucket \(index) is \(range) in the package")
                return
            }
            next = range.upperBound + 1
        }
        #expect(next == BucketLayout.highestTrackableValue + 1)
    }
}

@Suite struct WorkerRecorderTests {
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func recordsWhatThePackageRecords(seed: UInt64) {
        var random = SplitMix(state: seed)
        let layout = RecorderLayout(marks: ["toRinging"])
        var recorder = WorkerRecorder(layout: layout, epoch: .zero)
        var expected: [DelayIndex: Histogram<UInt64>] = [:]
        let delays: [DelayIndex] = [.sessionRequestDelay, .startLateness, .mark(0)]
        for i in 0..<30_000 {
            let delay = delays[Int.random(in: 0..<3, using: &random)]
            let value = random.delay()
            recorder.record(delay, nanoseconds: value)
            expected[delay, default: SparseHistogram.emptyHistogram].record(UInt64(value))
            if i % 10_000 == 9_999 {
                recorder.closeInterval(
                    startedAt: instant(Double(i / 10_000)), endedAt: instant(Double(i / 10_000 + 1)), liveRuns: i)
            }
        }
        let record = recorder.finish(at: instant(3), liveRuns: 0)
        for delay in delays {
            let ours = record.histogram(of: delay)
            let theirs = expected[delay]!
            #expect(ours.samples == theirs.totalCount)
            #expect(ours.histogram == theirs)
            for percentile in [0.1, 1, 10, 50, 90, 99, 99.9, 99.99] {
                #expect(ours.value(atPercentile: percentile) == ours.histogram.valueAtPercentile(percentile))
                #expect(
                    ours.value(atPercentile: percentile)
                        == theirs.highestEquivalentForValue(theirs.valueAtPercentile(percentile)))
            }
        }
    }
}
