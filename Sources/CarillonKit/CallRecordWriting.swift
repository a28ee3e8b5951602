import CallEngine
import CallTraces

/// The file of call records of one run, being written.
struct CallRecordWriting {
    let outlet = CallRecordOutlet()
    let writer: CallRecordWriter

    /// Nil where the run wants none.
    init?(_ run: ScenarioRun, _ program: CallProgram, wallClockOffset: Int64) throws(ScenarioRunError) {
        guard let path = run.callRecordPath else { return nil }
        do {
            writer = try CallRecordWriter(
                outlet: outlet, path: path, feeds: program.feeds.map(\.name), outcomes: program.outcomes,
                wallClockOffset: wallClockOffset)
        } catch {
            throw ScenarioRunError(.environment, ["\(error)"])
        }
    }
}
