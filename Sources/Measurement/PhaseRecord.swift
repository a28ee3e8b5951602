/// What was done before the load, beside it or after it (`--before`, `--population`, `--after`): kept apart, so that the figures of the load are its own.
public struct PhaseRecord: Sendable, Codable {
    public enum Place: String, Sendable, Hashable, Codable { case before, beside, after }

    public var place: Place
    public var scenario: String
    /// What one run of it is: a call where it invites, else an attempt.
    public var firstRequest: FirstRequest
    /// Runs that were asked for.
    public var runs: UInt64?
    public var ratePerSecond: Double?
    /// Failures of it are none of the whole run's (`--before-may-fail`).
    public var mayFail: Bool
    public var runID: String
    public var end: RunEnd
    public var epochUTCNanoseconds: Int64
    public var durationNanoseconds: Int64
    public var started, succeeded, failed, drained, cutOff: UInt64
    /// First REGISTERs that had a 2xx, and REGISTERs of those who were registered that had one: refreshes and removals. Nil: there was no
    /// REGISTER.
    public var registered, reregistered: UInt64?
    /// Those of requests and connections; none of the generator's own.
    public var delays: [DelayRecord]
    /// Largest first.
    public var failureGroups: [FailureGroup]
    public var verdict: Verdict
    /// Of what is done beside the load: it failed before that began, so it did not.
    public var heldLoadBack: Bool?
    /// Why it could not be carried out at all; nil: it was.
    public var problem: String?

    public init(_ record: RunRecord, _ place: Place, mayFail: Bool) {
        self.place = place
        scenario = record.identity.scenario
        firstRequest = record.firstRequest
        runs = record.plan.runs
        ratePerSecond = record.plan.ratePerSecond
        self.mayFail = mayFail
        runID = record.identity.runID
        end = record.end
        epochUTCNanoseconds = record.clock.epochUTCNanoseconds
        durationNanoseconds = record.durationNanoseconds
        started = record[.runsStarted]
        succeeded = record[.runsSucceeded]
        failed = record[.runsFailed]
        drained = record[.runsDrained]
        cutOff = record[.runsCutOff]
        if record[.registrationAttempts] > 0 {
            reregistered = record[.reregistrationAnswers2xx]
            registered = record[.registrationAnswers2xx] - record[.reregistrationAnswers2xx]
        }
        let ours = ["startLateness", "timerLateness", "receiveLateness"]
        // Refreshes are asked for by our timers: whether they were on time is told by these.
        delays = record.delays.filter {
            place == .beside && $0.name == "timerLateness" || !ours.contains($0.name) && !$0.name.hasSuffix("FromDue")
        }
        failureGroups = record.failureGroups
        verdict = record.verdict
    }

    /// One that could not begin.
    public init(_ place: Place, scenario: String, problem: String, at utcNanoseconds: Int64) {
        self.place = place
        self.scenario = scenario
        firstRequest = .other
        mayFail = false
        runID = ""
        end = .aborted(reason: problem)
        epochUTCNanoseconds = utcNanoseconds
        durationNanoseconds = 0
        (started, succeeded, failed, drained, cutOff) = (0, 0, 0, 0, 0)
        delays = []
        failureGroups = []
        verdict = Verdict(valid: [])
        self.problem = problem
    }

    /// What of it counts in the exit code. That its own pace was not kept does not: nobody reads rates there.
    public var exitCodes: [ExitCode] {
        guard !mayFail else { return [] }
        if problem != nil { return [.environment] }
        var codes: [ExitCode] = []
        if failed > 0 || cutOff > 0 { codes.append(.failed) }
        let grave: [Verdict.Kind] = [.unreachable, .aborted, .nothingRan, .exhausted]
        let isInvalid = verdict.reasons.contains { $0.level == .invalid && grave.contains($0.kind) }
        if end == .finished || isAborted, isInvalid || started < runs ?? 0 { codes.append(.invalidRun) }
        return codes
    }

    private var isAborted: Bool { if case .aborted = end { true } else { false } }

    /// It did not do what the load needs, so the load did not begin.
    public var keepsLoadFromBeginning: Bool { (place == .before || heldLoadBack == true) && !exitCodes.isEmpty }
}
