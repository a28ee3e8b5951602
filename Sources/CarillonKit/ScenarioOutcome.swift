import Blaster
import CallEngine
import CallTraces
import Measurement
import Reporting
import ScenarioDSL

/// What a run leaves behind.
public struct ScenarioOutcome: Sendable {
    public var record: RunRecord
    /// Ladders of failed runs, by run number.
    public var ladders: [UInt64: Ladder]
    public var transcripts: [CallTranscript]
    public var capture: CaptureFileReport?
    public var traceCounts: TraceCounts
    /// Warnings about the scenario.
    public var diagnostics: [Diagnostic]
    public var transport: RunResult
    /// Nil where none were asked for.
    public var callRecords: CallRecordReport?
}

/// Why a run could not start.
public struct ScenarioRunError: Error, Sendable, CustomStringConvertible {
    public enum Kind: Sendable { case usage, scenario, environment }
    public var kind: Kind
    public var lines: [String]

    init(_ kind: Kind, _ lines: [String]) {
        self.kind = kind
        self.lines = lines
    }

    public var description: String { lines.joined(separator: "\n") }

    /// The exit code that says so.
    public var exitCode: ExitCode {
        switch kind {
        case .usage: .usage
        case .scenario: .unusableInput
        case .environment: .environment
        }
    }
}
