import Measurement
import SIPWire

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

/// A record of one worker that `body` filled.
func recordRun(
    layout: RecorderLayout = RecorderLayout(), end: RunEnd = .finished, seconds: Double = 10,
    arrivals: PlannedLoad.Arrivals = .poisson,
    _ body: (inout WorkerRecorder) -> Void
) -> RunRecord {
    var recorder = WorkerRecorder(layout: layout, epoch: .zero)
    body(&recorder)
    return merge([recorder.finish(at: instant(seconds), liveRuns: 0)], end: end, seconds: seconds, arrivals: arrivals)
}

func merge(
    _ workers: [WorkerRecord], end: RunEnd = .finished, seconds: Double = 10,
    arrivals: PlannedLoad.Arrivals = .poisson
) -> RunRecord {
    RunRecord(
        merging: workers,
        identity: RunIdentity(version: "test", scenario: "basic-call", command: ["carillon"], seed: 1, runID: "r"),
        plan: PlannedLoad(arrivals: arrivals),
        clock: RunClock(epoch: .zero, epochUTCNanoseconds: 1_790_000_000_000_000_000, stampUncertaintyNanoseconds: 500),
        end: end, loadNanoseconds: Int64(seconds * 1e9))
}

/// Calls that went well: `count` of them, each counted as due, started, succeeded, with one message each way.
func countGoodCalls(_ count: Int, in recorder: inout WorkerRecorder, lateness: Int64 = 100_000) {
    for counter in [Counter.arrivalsDue, .runsStarted, .runsSucceeded, .messagesSent, .messagesReceived] {
        recorder.count(counter, by: count)
    }
    for _ in 0..<count { recorder.record(.startLateness, nanoseconds: lateness) }
}
