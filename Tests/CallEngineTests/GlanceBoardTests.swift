import Measurement
import Testing

@testable import CallEngine

@Suite("What a progress line shows")
struct GlanceBoardTests {
    private func glance(from start: Int64, to end: Int64, started: UInt64) -> IntervalGlance {
        var glance = IntervalGlance()
        glance.startedAt = MonotonicInstant(nanoseconds: start)
        glance.endedAt = MonotonicInstant(nanoseconds: end)
        glance.runsStarted = started
        glance.runsSucceeded = started
        return glance
    }

    @Test("the end of a run, a moment after an interval's, is no pace of 0")
    func shortInterval() {
        let board = GlanceBoard()
        board.post(glance(from: 0, to: 1_000_000_000, started: 500), worker: 0)
        board.post(glance(from: 1_000_000_000, to: 1_001_000_000, started: 0), worker: 0)
        #expect(board.glance().startedPerSecond == 500)
        #expect(board.glance().succeeded == 500)
        board.post(glance(from: 1_001_000_000, to: 2_001_000_000, started: 0), worker: 0)
        #expect(board.glance().startedPerSecond == 0)
    }

    @Test("a run that is shorter than that is shown all the same")
    func shortRun() {
        let board = GlanceBoard()
        board.post(glance(from: 0, to: 50_000_000, started: 5), worker: 0)
        #expect(board.glance().startedPerSecond == 100)
    }
}
