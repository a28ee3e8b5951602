import Blaster
import CallEngine
import Measurement
import MediaSockets
import RTPMedia

/// Whether a run has media: bound ports in its descriptions, and what comes to them counted.
public enum MediaUse: Sendable, Equatable {
    /// Where a scenario of it has a `SendMedia`.
    case asScenarioSays
    case absorb
    /// A `SendMedia` does nothing then.
    case off
}

extension ScenarioRun {
    /// Binds the ports and starts the media thread; nil in a run without media.
    func startMedia(_ program: CallProgram, _ plan: RunPlan) throws(ScenarioRunError) -> MediaThread? {
        guard media == .absorb || media == .asScenarioSays && program.sendsMedia else { return nil }
        do throws(MediaPortError) {
            return try MediaThread(ports: mediaPorts, at: plan.local, workers: plan.workersInUse)
        } catch {
            throw ScenarioRunError(.environment, [error.description])
        }
    }
}
