import Testing

@testable import Measurement

@Suite struct ExitCodeTests {
    /// 130/143 > 70 > 69 > 3 > 1 > 2 > 4, for every pair.
    @Test func precedence() {
        let order: [Int32] = [70, 69, 3, 1, 2, 4, 0]
        for (i, first) in order.enumerated() {
            for second in order[i...] {
                let pair = [ExitCode(rawValue: second)!, ExitCode(rawValue: first)!]
                #expect(ExitCode.first(of: pair).rawValue == first)
                #expect(ExitCode.first(of: pair + [.interrupted]) == .interrupted)
                #expect(ExitCode.first(of: [.terminated] + pair) == .terminated)
            }
        }
        #expect(Set(ExitCode.precedence) == Set(ExitCode.allCases))
        #expect(ExitCode.first(of: []) == .passed)
    }

    static let good = recordRun { countGoodCalls(100, in: &$0) }
    static let failed = recordRun {
        countGoodCalls(99, in: &$0)
        for counter in [Counter.arrivalsDue, .runsStarted, .runsFailed] { $0.count(counter) }
    }
    static let late = recordRun { countGoodCalls(100, in: &$0, lateness: 60_000_000) }
    static let suspect = recordRun { countGoodCalls(100, in: &$0, lateness: 6_000_000) }
    static let empty = recordRun { _ in }
    static let stopped = recordRun(end: .interrupted) { countGoodCalls(100, in: &$0, lateness: 60_000_000) }
    static let killed = recordRun(end: .terminated) { countGoodCalls(100, in: &$0) }
    static let drained = recordRun {
        countGoodCalls(100, in: &$0)
        $0.count(.runsDrained, by: 50)
    }
    static let cutOff = recordRun {
        countGoodCalls(100, in: &$0)
        $0.count(.runsCutOff)
    }
    static let met = RequirementResult(text: "p99 < 1s", met: true)
    static let crossed = RequirementResult(text: "p99 < 1ms", met: false)
    static let ratioMet = RequirementResult(text: "SER >= 90 %", met: true, concernsOutcomes: true)
    static let ratioCrossed = RequirementResult(text: "SER >= 99.9 %", met: false, concernsOutcomes: true)

    @Test func ofARun() {
        #expect(exitCode(for: Self.good) == .passed)
        #expect(exitCode(for: Self.suspect) == .passed)
        #expect(exitCode(for: Self.drained) == .passed)
        #expect(exitCode(for: Self.cutOff) == .failed)
        #expect(exitCode(for: Self.failed) == .failed)
        #expect(exitCode(for: Self.late) == .invalidRun)
        #expect(exitCode(for: Self.late, allowInvalid: true) == .passed)
        #expect(exitCode(for: Self.empty) == .invalidRun)
        #expect(exitCode(for: Self.empty, allowInvalid: true) == .invalidRun)
        #expect(exitCode(for: Self.stopped) == .interrupted)
        #expect(exitCode(for: Self.killed) == .terminated)
        #expect(exitCode(for: Self.good, regression: true) == .regression)
    }

    @Test func withRequirements() {
        #expect(exitCode(for: Self.good, requirements: [Self.met]) == .passed)
        #expect(exitCode(for: Self.good, requirements: [Self.met, Self.crossed]) == .thresholdCrossed)
        #expect(exitCode(for: Self.good, requirements: [Self.crossed], regression: true) == .thresholdCrossed)
        #expect(exitCode(for: Self.failed, requirements: [Self.met]) == .failed)
        #expect(exitCode(for: Self.failed, requirements: [Self.crossed]) == .failed)
        // A stated ratio replaces "no failed call".
        #expect(exitCode(for: Self.failed, requirements: [Self.ratioMet]) == .passed)
        #expect(exitCode(for: Self.failed, requirements: [Self.ratioCrossed]) == .thresholdCrossed)
        #expect(exitCode(for: Self.late, requirements: [Self.crossed]) == .invalidRun)
    }
}
