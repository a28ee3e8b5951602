/// How the command ends. One code for each run; `run.json` and the summary carry all reasons.
public enum ExitCode: Int32, Sendable, CaseIterable {
    case passed = 0
    /// Calls or checks failed.
    case failed = 1
    case thresholdCrossed = 2
    /// Generator saturated, nothing reachable, or nothing ran.
    case invalidRun = 3
    /// Worse than a baseline.
    case regression = 4
    case usage = 64
    /// The scenario or capture cannot be used.
    case unusableInput = 65
    /// Cannot bind, no route, a tool is missing.
    case environment = 69
    case internalError = 70
    /// SIGHUP, SIGINT, SIGTERM; the report is written.
    case hangup = 129
    case interrupted = 130
    case terminated = 143

    /// Which code wins when several apply: 129, 130 and 143, then 70, 69, 3, 1, 2, 4. Usage (64) and unusable input (65) end the
    /// command before a run begins; they stand after 70 among errors of the same kind.
    public static let precedence: [ExitCode] = [
        .hangup, .interrupted, .terminated, .internalError, .usage, .unusableInput, .environment, .invalidRun, .failed,
        .thresholdCrossed, .regression, .passed,
    ]

    /// The one to exit with; `passed` where none applies.
    public static func first(of codes: some Sequence<ExitCode>) -> ExitCode {
        let present = Set(codes)
        return precedence.first { present.contains($0) } ?? .passed
    }
}

/// A stated requirement and whether the run met it.
public struct RequirementResult: Sendable, Hashable, Codable {
    /// As it was written, for example "sessionRequestDelay.p99 < 200ms".
    public var text: String
    public var met: Bool
    /// It states how many runs may fail, which replaces the rule "no failed call".
    public var concernsOutcomes: Bool

    public init(text: String, met: Bool, concernsOutcomes: Bool = false) {
        self.text = text
        self.met = met
        self.concernsOutcomes = concernsOutcomes
    }
}

/// The exit code of a run that has a record.
///
/// A SUSPECT run passes: its figures are floors, and the summary says so. Drained runs have not failed.
/// - Parameters:
///   - requirements: results of the stated requirements. One that is not met means `thresholdCrossed`. Where one concerns
///     outcomes, failed runs are judged by it alone and no longer mean `failed`.
///   - allowInvalid: the user knows that the generator is the limit and wants the outcome all the same.
public func exitCode(
    for record: RunRecord, requirements: [RequirementResult] = [], regression: Bool = false, allowInvalid: Bool = false
) -> ExitCode {
    var codes: [ExitCode] = []
    switch record.end {
    case .hangup: codes.append(.hangup)
    case .interrupted: codes.append(.interrupted)
    case .terminated: codes.append(.terminated)
    case .finished, .aborted: break
    }
    let phases = record.phases ?? []
    codes += phases.flatMap(\.exitCodes)
    // That nothing ran is no fault of the load's then.
    if phases.contains(where: \.keepsLoadFromBeginning) { return ExitCode.first(of: codes) }
    // A run cut off has not ended well either, but nobody's requirement can have it in mind.
    let outcomesAreStated = requirements.contains(where: \.concernsOutcomes)
    if record[.runsFailed] > 0, !outcomesAreStated { codes.append(.failed) }
    if record[.runsCutOff] > 0 { codes.append(.failed) }
    if requirements.contains(where: { !$0.met }) { codes.append(.thresholdCrossed) }
    if record.verdict.level == .invalid, !allowInvalid { codes.append(.invalidRun) }
    if record[.runsStarted] == 0 { codes.append(.invalidRun) }
    if regression { codes.append(.regression) }
    return ExitCode.first(of: codes)
}
