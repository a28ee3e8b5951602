import Testing

@testable import Measurement

@Suite struct VerdictTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var level: Verdict.Level
        var kinds: [Verdict.Kind]
        var fill: @Sendable (inout WorkerRecorder) -> Void
        var testDescription: String { name }

        init(
            _ name: String, _ level: Verdict.Level, _ kinds: [Verdict.Kind] = [],
            _ fill: @escaping @Sendable (inout WorkerRecorder) -> Void
        ) {
            self.name = name
            self.level = level
            self.kinds = kinds
            self.fill = fill
        }
    }

    static let cases = [
        Case("all well", .valid) { countGoodCalls(1_000, in: &$0) },
        Case("failed calls are not the generator's fault", .valid) {
            countGoodCalls(1_000, in: &$0)
            $0.count(.runsFailed, by: 900)
        },
        Case("4.9 ms late", .valid) { countGoodCalls(1_000, in: &$0, lateness: 4_900_000) },
        Case("5.1 ms late", .suspect, [.lateness]) { countGoodCalls(1_000, in: &$0, lateness: 5_100_000) },
        Case("51 ms late", .invalid, [.lateness]) { countGoodCalls(1_000, in: &$0, lateness: 51_000_000) },
        Case("one in 200 very late", .valid) {
            countGoodCalls(995, in: &$0)
            countGoodCalls(5, in: &$0, lateness: 900_000_000)
        },
        Case("99 % started", .suspect, [.blocked]) {
            countGoodCalls(990, in: &$0)
            $0.count(.arrivalsDue, by: 10)
            $0.count(.runsBlocked, by: 10)
        },
        Case("98.9 % started", .invalid, [.notStarted, .blocked]) {
            countGoodCalls(989, in: &$0)
            $0.count(.arrivalsDue, by: 11)
            $0.count(.runsBlocked, by: 11)
        },
        Case("0.1 % blocked", .valid) {
            countGoodCalls(999, in: &$0)
            $0.count(.arrivalsDue)
            $0.count(.runsBlocked)
        },
        Case("no slots", .invalid, [.notStarted]) {
            countGoodCalls(900, in: &$0)
            $0.count(.arrivalsDue, by: 100)
            $0.count(.runsWithoutSlot, by: 100)
        },
        Case("71 % busy", .suspect, [.busy]) {
            countGoodCalls(100, in: &$0)
            $0.count(.busyNanoseconds, by: 710_000_000)
            $0.count(.wallNanoseconds, by: 1_000_000_000)
        },
        Case("69 % busy", .valid) {
            countGoodCalls(100, in: &$0)
            $0.count(.busyNanoseconds, by: 690_000_000)
            $0.count(.wallNanoseconds, by: 1_000_000_000)
        },
        Case("99 % busy for less than a second", .valid) {
            countGoodCalls(5, in: &$0)
            $0.count(.busyNanoseconds, by: 990_000_000)
            $0.count(.wallNanoseconds, by: 999_999_999)
        },
        Case("one overflow in a million", .suspect, [.receiveOverflow]) {
            countGoodCalls(1_000, in: &$0)
            $0.count(.messagesReceived, by: 1_000_000)
            $0.count(.receiveOverflows)
        },
        Case("one overflow in a thousand", .invalid, [.receiveOverflow]) {
            countGoodCalls(1_000, in: &$0)
            $0.count(.receiveOverflows)
        },
        Case("unjoined legs", .suspect, [.unjoinedLegs]) {
            countGoodCalls(1_000, in: &$0)
            $0.count(.legsJoined, by: 998)
            $0.count(.legsUnjoined, by: 2)
        },
        Case("ports ran out", .invalid, [.exhausted]) {
            countGoodCalls(1_000, in: &$0)
            $0.count(.portsExhausted)
        },
        Case("descriptors ran out", .invalid, [.exhausted]) {
            countGoodCalls(1_000, in: &$0)
            $0.count(.descriptorsExhausted)
        },
        Case("nothing ran", .invalid, [.nothingRan]) { _ in },
        Case("nobody answers", .invalid, [.unreachable]) {
            for counter in [Counter.arrivalsDue, .runsStarted, .runsFailed, .messagesSent] {
                $0.count(counter, by: 100)
            }
            $0.count(.icmpErrors, by: 100)
        },
        Case("no connection stood", .invalid, [.noConnection]) {
            for counter in [Counter.arrivalsDue, .runsStarted, .runsFailed, .messagesSent, .messagesUnsent] {
                $0.count(counter, by: 100)
            }
        },
        Case("the gravest stands first", .invalid, [.receiveOverflow, .lateness, .busy]) {
            countGoodCalls(1_000, in: &$0, lateness: 6_000_000)
            $0.count(.busyNanoseconds, by: 900_000_000)
            $0.count(.wallNanoseconds, by: 1_000_000_000)
            $0.count(.receiveOverflows, by: 5)
        },
    ]

    @Test(arguments: cases)
    func judges(_ test: Case) {
        let verdict = recordRun { test.fill(&$0) }.verdict
        #expect(verdict.level == test.level)
        #expect(verdict.reasons.map(\.kind) == test.kinds)
        #expect(verdict.sentence.hasPrefix(test.level.rawValue.uppercased() + ": "))
        for reason in verdict.reasons {
            #expect(verdict.sentence.contains(reason.text))
            // In words and numbers.
            #expect(reason.kind == .nothingRan || reason.text.contains { $0.isNumber })
        }
    }

    @Test func theBusiestWorkerCounts() {
        let workers = [10_000_000, 950_000_000, 20_000_000].map { busy in
            var recorder = WorkerRecorder(layout: RecorderLayout(), epoch: .zero)
            countGoodCalls(10, in: &recorder)
            recorder.count(.busyNanoseconds, by: busy)
            recorder.count(.wallNanoseconds, by: 1_000_000_000)
            return recorder.finish(at: instant(1), liveRuns: 0)
        }
        let verdict = merge(workers).verdict
        #expect(verdict.reasons.map(\.kind) == [.busy])
        #expect(verdict.sentence.contains("worker 2 of 3 was busy 95 %"))
    }

    @Test func oneIsSaidAsOne() {
        func sentence(_ fill: (inout WorkerRecorder) -> Void) -> String { recordRun { fill(&$0) }.verdict.sentence }
        let unreachable = sentence {
            for counter in [Counter.arrivalsDue, .runsStarted, .runsFailed, .messagesSent] { $0.count(counter) }
        }
        #expect(unreachable.contains("1 message sent, none received"))
        let dropped = sentence {
            countGoodCalls(1, in: &$0)
            $0.count(.receiveOverflows)
            $0.count(.portsExhausted)
        }
        #expect(dropped.contains("dropped 1 datagram before we read it") && dropped.contains("ran out 1 time"))
        #expect(counted(0, "call") == "0 calls" && counted(1, "call") == "1 call")
        #expect(counted(2_000, "answer of a fork", "answers of forks") == "2,000 answers of forks")
    }

    @Test func aRunGivenUpIsInvalid() {
        let verdict = recordRun(end: .aborted(reason: "all 50 requests of the first second were refused")) {
            countGoodCalls(100, in: &$0)
        }.verdict
        #expect(verdict.level == .invalid)
        #expect(verdict.sentence.contains("first second"))
    }

    /// The caller stands still for one second of ten at 1,000 calls/s: those up to 100 ms late are started, the others
    /// dropped. From due time it shows, from send time it does not, and the verdict names lateness.
    @Test func aStoppedCallerShows() {
        let record = recordRun { recorder in
            for call in 0..<10_000 {
                recorder.count(.arrivalsDue)
                let lateness: Int64 = (4_000..<5_000).contains(call) ? Int64(5_000 - call) * 1_000_000 : 60_000
                guard lateness <= 100_000_000 else {
                    recorder.recordNotStarted(latenessNanoseconds: lateness)
                    continue
                }
                recorder.count(.runsStarted)
                recorder.count(.runsSucceeded)
                recorder.count(.messagesSent)
                recorder.count(.messagesReceived)
                recorder.record(.startLateness, nanoseconds: lateness)
                recorder.record(.sessionRequestDelay, nanoseconds: 50_000)
                recorder.record(.sessionRequestDelayFromDue, nanoseconds: 50_000 + lateness)
            }
        }
        #expect(record.delay(.sessionRequestDelayFromDue)!.nanoseconds(atPercentile: 99) >= 800_000_000)
        #expect(record.delay(.sessionRequestDelayFromDue)!.samples == 10_000)
        #expect(record.delay(.sessionRequestDelay)!.nanoseconds(atPercentile: 99) < 60_000)
        #expect(record[.fromDueLowerBounds] == 900)
        #expect(record.verdict.level == .invalid)
        #expect(record.verdict.reasons.map(\.kind) == [.lateness, .notStarted])
        #expect(record.verdict.sentence.contains("lateness"))
    }

    @Test(
        "Who answers late says so; a caller is not INVALID for what it reads late",
        arguments: [
            (.answering, 4_900_000, .valid), (.answering, 5_100_000, .suspect), (.answering, 51_000_000, .invalid),
            (.poisson, 49_000_000, .valid), (.poisson, 51_000_000, .suspect), (.closed, 900_000_000, .suspect),
        ] as [(PlannedLoad.Arrivals, Int64, Verdict.Level)])
    func receivesLate(arrivals: PlannedLoad.Arrivals, lateness: Int64, level: Verdict.Level) {
        let verdict = recordRun(arrivals: arrivals) { recorder in
            countGoodCalls(1_000, in: &recorder)
            for _ in 0..<100 { recorder.record(.receiveLateness, nanoseconds: lateness, count: 30) }
        }.verdict
        #expect(verdict.level == level)
        #expect(verdict.reasons.map(\.kind) == (level == .valid ? [] : [.receiveLateness]))
        if level == .invalid {
            #expect(verdict.sentence.hasSuffix("What callers measured is in part the delay of this generator."))
        }
    }

    @Test(
        "Timers that fire late are told; nobody is INVALID for them",
        arguments: [
            (.poisson, 49_000_000, .valid), (.poisson, 51_000_000, .suspect), (.closed, 1_500_000_000, .suspect),
        ] as [(PlannedLoad.Arrivals, Int64, Verdict.Level)])
    func lateTimers(arrivals: PlannedLoad.Arrivals, lateness: Int64, level: Verdict.Level) {
        let verdict = recordRun(arrivals: arrivals) { recorder in
            countGoodCalls(1_000, in: &recorder)
            for _ in 0..<100 { recorder.record(.timerLateness, nanoseconds: lateness, count: 1) }
        }.verdict
        #expect(verdict.level == level)
        #expect(verdict.reasons.map(\.kind) == (level == .valid ? [] : [.timerLateness]))
        #expect(verdict.sentence.contains("pauses and retransmissions came that much late") == (level == .suspect))
    }

    /// The answering side stands still for a second. What came meanwhile is read in a few batches, the oldest first.
    @Test(
        "A second in which nothing was answered shows, in a short run and in a long one",
        arguments: [(10, 1_000, .invalid), (10, 2, .invalid), (600, 1_000, .suspect), (600, 2, .suspect)]
            as [(Int, Int, Verdict.Level)])
    func aStoppedCallee(seconds: Int, perSecond: Int, level: Verdict.Level) {
        let record = recordRun(seconds: Double(seconds), arrivals: .answering) { recorder in
            countGoodCalls(seconds * perSecond, in: &recorder)
            for second in 0..<seconds {
                var left = perSecond
                while left > 0 {
                    let batch = second == 5 ? min(left, 64) : 1
                    let lateness = second == 5 ? Int64(left) * 1_000_000_000 / Int64(perSecond) : 40_000
                    recorder.record(.receiveLateness, nanoseconds: lateness, count: batch)
                    left -= batch
                }
                recorder.closeInterval(
                    startedAt: instant(Double(second)), endedAt: instant(Double(second + 1)), liveRuns: 0)
            }
        }
        #expect(record.delay(.receiveLateness)?.samples == UInt64(seconds * perSecond))
        #expect(record.verdict.level == level)
        #expect(record.verdict.reasons.map(\.kind) == [.receiveLateness])
        let sentence = record.verdict.sentence
        #expect(
            sentence.contains("in the interval that begins 5.0 s after the start") == (level == .suspect), "\(sentence)"
        )
    }

    /// The callee stands still: all calls started on time, so the verdict on us is good whatever the delays are.
    @Test func aStoppedCalleeIsNotOurFault() {
        let record = recordRun { recorder in
            countGoodCalls(10_000, in: &recorder)
            for call in 0..<10_000 {
                let delay: Int64 = (4_000..<5_000).contains(call) ? Int64(5_000 - call) * 1_000_000 : 50_000
                recorder.record(.sessionRequestDelay, nanoseconds: delay)
                recorder.record(.sessionRequestDelayFromDue, nanoseconds: delay)
            }
        }
        #expect(record.verdict.level == .valid)
        #expect(record.delay(.sessionRequestDelay)!.nanoseconds(atPercentile: 99) >= 800_000_000)
    }
}
