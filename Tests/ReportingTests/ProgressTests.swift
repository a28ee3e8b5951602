import Reporting
import Testing

@Suite struct ProgressTests {
    static func snapshot(elapsed: Double = 5, planned: Double? = 10, runs: UInt64? = nil) -> ProgressSnapshot {
        var snapshot = ProgressSnapshot(
            elapsedNanoseconds: Int64(elapsed * 1e9), plannedNanoseconds: planned.map { Int64($0 * 1e9) },
            plannedRuns: runs)
        snapshot.due = 5_012
        snapshot.started = 5_012
        snapshot.succeeded = 5_000
        snapshot.failed = 2
        snapshot.live = 10
        snapshot.startedPerSecond = 1_002
        snapshot.delayP50Nanoseconds = 48_100
        snapshot.delayP99Nanoseconds = 220_000
        return snapshot
    }

    @Test func tellsWhatIsLeft() {
        #expect(Self.snapshot().remainingNanoseconds == 5_000_000_000)
        #expect(Self.snapshot(elapsed: 11).remainingNanoseconds == 0)
        #expect(Self.snapshot(elapsed: 11).share == 1)
        #expect(Self.snapshot(planned: nil).remainingNanoseconds == nil)
        #expect(Self.snapshot(planned: nil).share == nil)
        // By number of runs at the asked pace.
        var byRuns = Self.snapshot(planned: nil, runs: 10_012)
        byRuns.askedPerSecond = 1_000
        #expect(byRuns.remainingNanoseconds == 5_000_000_000)
        // Whichever ends first.
        byRuns.plannedNanoseconds = 7_000_000_000
        #expect(byRuns.remainingNanoseconds == 2_000_000_000)
        // Nothing tells the pace yet.
        byRuns = Self.snapshot(planned: nil, runs: 10)
        byRuns.startedPerSecond = 0
        #expect(byRuns.remainingNanoseconds == nil)
    }

    @Test func onePlainLine() {
        #expect(
            Self.snapshot().plainLine
                == "5 s: 1,002 calls/s, 5,012 started, 5,000 succeeded, 2 failed, 10 live, p50 48.1 µs p99 220 µs, 5 s left"
        )
        var late = Self.snapshot()
        late.startLatenessP99Nanoseconds = 61_000_000
        late.hints = ["worker 1 busy 90 %"]
        #expect(late.plainLine.hasSuffix("warning: starting 61 ms late, warning: worker 1 busy 90 %"))
        late.draining = true
        #expect(late.plainLine.contains("draining"))
    }

    @Test(arguments: [10, 30, 60, 100, 200])
    func terminalLineFits(columns: Int) {
        var snapshot = Self.snapshot()
        #expect(snapshot.terminalLine(columns: columns, style: .plain).count <= columns)
        snapshot.startLatenessP99Nanoseconds = 61_000_000
        let line = snapshot.terminalLine(columns: columns, style: .plain)
        #expect(line.count <= columns)
        #expect(columns < 60 || line.contains("starting 61 ms late"))
        #expect(columns < 100 || line.contains("█████░░░░░") && line.contains("5 s left"))
        #expect(!line.contains("\n"))
    }
}
