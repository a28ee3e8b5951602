import Histogram
import Testing

@testable import Measurement

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

    @Test func outOfRangeIsClampedAndCounted() {
        var recorder = WorkerRecorder(layout: RecorderLayout(), epoch: .zero)
        recorder.record(.transactionDelay, nanoseconds: -1)
        recorder.record(.transactionDelay, nanoseconds: .min)
        recorder.record(.transactionDelay, nanoseconds: 1 << 47)
        recorder.record(.transactionDelay, nanoseconds: .max)
        recorder.record(.transactionDelay, nanoseconds: (1 << 47) - 1)
        let record = recorder.finish(at: instant(1), liveRuns: 0)
        let histogram = record.histogram(of: .transactionDelay)
        #expect(histogram.samples == 5)
        #expect(record.value(of: .delaysBelowRange) == 2)
        #expect(record.value(of: .delaysAboveRange) == 2)
        #expect(histogram.minimum == 0)
        #expect(histogram.maximum == (1 << 47) - 1)
        #expect(histogram.buckets.map(\.count) == [2, 3])
    }

    @Test(arguments: [
        (FirstRequest.invite, DelayIndex.sessionRequestDelayFromDue), (.register, .registrationRequestDelayFromDue),
        (.other, .transactionDelayFromDue),
    ])
    func arrivalsNotStartedAreLowerBounds(first: FirstRequest, delay: DelayIndex) {
        var recorder = WorkerRecorder(layout: RecorderLayout(firstRequest: first), epoch: .zero)
        recorder.recordNotStarted(latenessNanoseconds: 400_000_000)
        let record = recorder.finish(at: instant(1), liveRuns: 0)
        #expect(record.value(of: .runsNotStarted) == 1)
        #expect(record.value(of: .fromDueLowerBounds) == 1)
        #expect(record.histogram(of: delay).samples == 1)
        #expect(record.histogram(of: delay).maximum! >= 400_000_000)
        #expect(record.histogram(of: .startLateness).samples == 1)
        #expect(record.histogram(of: .sessionRequestDelay).isEmpty)
    }

    @Test func tablesKeepTheirPlaces() {
        let step = StepDescription(scenario: "s", party: "p", file: "f.swift", line: 1, text: "t")
        let layout = RecorderLayout(steps: [step, step], outcomes: ["a", "b"], faults: ["x", "y"])
        let record = recordRun(layout: layout) { recorder in
            for (i, event) in StepEvent.allCases.enumerated() {
                for _ in 0...i { recorder.countStep(1, event) }
            }
            recorder.countResponse(status: 200, method: .bye)
            recorder.countResponse(status: 200, method: .bye)
            recorder.countResponse(status: 699, method: .other)
            recorder.countResponse(status: 100, method: .invite)
            // Outside 100...699: ignored, and above all written nowhere else.
            for status in [-1, 0, 99, 700, 1_024, Int.max, Int.min] {
                recorder.countResponse(status: status, method: .update)
                recorder.countResponseSent(status: status, method: .update)
                recorder.countUnexpectedRequest(answeredWith: status)
            }
            recorder.countResponseSent(status: 180, method: .invite)
            recorder.countUnexpectedRequest(answeredWith: 481)
            recorder.countMalformed(1)
            recorder.countMalformed(7)
            recorder.countOutcome(0)
            recorder.countOutcome(9)
        }
        #expect(record.steps[0].sent == 0)
        let second = record.steps[1]
        #expect(
            [
                second.sent, second.received, second.retransmissionsSent, second.retransmissionsReceived,
                second.timedOut, second.unexpected, second.absorbed, second.failed,
            ] == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(record.responsesReceived.map(\.status) == [100, 200, 699])
        #expect(record.responsesReceived.map(\.method) == ["INVITE", "BYE", "other"])
        #expect(record.responsesReceived.map(\.count) == [1, 2, 1])
        #expect(record.responsesSent.map(\.status) == [180])
        #expect(record.unexpectedAnswers.map(\.status) == [481])
        #expect(record[.unexpectedRequests] == 1)
        #expect(record[.responses1xx] == 1)
        #expect(record[.responses2xx] == 2)
        #expect(record[.responses6xx] == 1)
        #expect(record[.malformedMessages] == 2)
        #expect(record.malformed.map(\.count) == [0, 1])
        #expect(record.outcomes.map(\.count) == [1, 0])
    }

    @Test func aGlanceSaysWhatTheIntervalAdded() {
        var recorder = WorkerRecorder(layout: RecorderLayout(), epoch: .zero)
        countGoodCalls(100, in: &recorder)
        for i in 1...100 { recorder.record(.sessionRequestDelay, nanoseconds: Int64(i) * 1_000_000) }
        let first = recorder.closeInterval(startedAt: .zero, endedAt: instant(1), liveRuns: 7)
        #expect(first.runsStarted == 100)
        #expect(first.runsSucceeded == 100)
        #expect(first.liveRuns == 7)
        #expect(abs(Int64(first.delayP50Nanoseconds) - 50_000_000) <= 50_000)
        #expect(abs(Int64(first.delayP99Nanoseconds) - 99_000_000) <= 99_000)
        let second = recorder.closeInterval(startedAt: instant(1), endedAt: instant(2), liveRuns: 0)
        #expect(second.runsStarted == 0)
        #expect(second.delayP50Nanoseconds == 0)
    }
}
