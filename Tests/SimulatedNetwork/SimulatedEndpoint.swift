import CallEngine
import CallTraces
import Measurement
import SIPWire
import ScenarioDSL

/// One engine at one address of the simulated network.
final class SimulatedEndpoint {
    let address: TransportAddress
    var engine: CallEngine
    /// Runs that ended well or not, when it was last asked.
    private var seenEnded: (succeeded: UInt64, failed: UInt64) = (0, 0)

    init(
        _ program: CallProgram, at address: TransportAddress, target: TransportAddress, targetText: String,
        plays: Set<String>?, nonce: UInt32, seed: UInt64, settings: [String: String], worker: UInt8, start: Int64,
        traces: Bool
    ) throws {
        self.address = address
        var chosen = EngineSettings(
            local: address, target: target, targetText: targetText, nonce: RunNonce(nonce), seed: seed)
        chosen.hasTarget = target != address
        chosen.worker = worker
        chosen.plays = plays
        chosen.settings = settings
        chosen.mostSlots = 400_000
        chosen.arenaOctets = 1 << 30
        chosen.mostLingering = 2_000_000
        let (feeds, problems) = program.openFeeds(FeedLocations(), plays: plays)
        guard let feeds else { throw SimulationError(text: problems.map(\.description).joined()) }
        chosen.feeds = feeds
        let epoch = MonotonicInstant(nanoseconds: start)
        engine = try CallEngine(
            program: program, settings: chosen,
            recorder: WorkerRecorder(layout: program.recorderLayout(), epoch: epoch),
            traces: TraceArena(octets: traces ? 64 << 20 : 0, policy: traces ? .failed : .off), epoch: epoch)
    }

    /// When the engine wants to be woken; nil for never.
    var deadline: Int64? {
        let next = engine.nextDeadline
        return next == .distantFuture ? nil : next.nanoseconds
    }

    /// Runs that ended since the last question.
    func newlyEnded() -> (succeeded: Int, failed: Int) {
        let now = (engine.recorder.value(of: .runsSucceeded), engine.recorder.value(of: .runsFailed))
        defer { seenEnded = now }
        return (Int(now.0 - seenEnded.succeeded), Int(now.1 - seenEnded.failed))
    }
}
