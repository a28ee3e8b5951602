import SIPWire

/// One step of a scenario as reports name it.
public struct StepDescription: Sendable, Hashable, Codable {
    public var scenario: String
    public var party: String
    /// Where the step stands: the scenario file's name and line.
    public var file: String
    public var line: Int
    /// The step as a reader of the scenario knows it, for example "Expect 200".
    public var text: String

    public init(scenario: String, party: String, file: String, line: Int, text: String) {
        self.scenario = scenario
        self.party = party
        self.file = file
        self.line = line
        self.text = text
    }
}

/// Something a step may fail at: what was expected, and which rule says so.
public struct Expectation: Sendable, Hashable, Codable {
    /// Completes "expected …", for example "200 to INVITE" or "granted > 0".
    public var text: String
    /// The rule, for example "RFC 3261 §13.2.2" or the author's own words.
    public var rule: String

    public init(text: String, rule: String) {
        self.text = text
        self.rule = rule
    }
}

/// What is counted of a step.
@frozen public enum StepEvent: Int, Sendable, CaseIterable {
    case sent, received, retransmissionsSent, retransmissionsReceived, timedOut, unexpected, absorbed, failed
}

/// What kind of request the run that an arrival creates begins with. Decides which delay from due time takes the arrivals
/// that were not started.
public enum FirstRequest: String, Sendable, Hashable, Codable {
    case invite, register, other

    /// What a run is called: a call where it invites, else an attempt.
    public var noun: String { self == .invite ? "call" : "attempt" }

    public var delayFromDue: DelayIndex {
        switch self {
        case .invite: .sessionRequestDelayFromDue
        case .register: .registrationRequestDelayFromDue
        case .other: .transactionDelayFromDue
        }
    }
}

/// What the workers of a run record. Made once from the compiled program and shared by all of them; indices in the hot
/// calls are positions in these arrays.
public struct RecorderLayout: Sendable, Hashable, Codable {
    /// Named marks of the scenario, in order: `DelayIndex.mark(i)`.
    public var marks: [String]
    public var steps: [StepDescription]
    public var expectations: [Expectation]
    /// Names of the scenarios that runs may be of: `WorkerRecorder.countRun(.started, of: i)`.
    public var scenarios: [String]
    /// Outcomes that the scenario names itself: `WorkerRecorder.countOutcome(i)`.
    public var outcomes: [String]
    /// Names of the faults of malformed messages: `WorkerRecorder.countMalformed(i)`.
    public var faults: [String]
    public var firstRequest: FirstRequest
    /// Nominal length of an interval, in nanoseconds.
    public var intervalNanoseconds: Int64
    /// Octets of interval records each worker may keep. Beyond, neighbouring intervals are merged in pairs, so a long run
    /// keeps every sample on a coarser grid. While a pass of merging is under way a worker may hold half as much again, and
    /// making the record of the run takes about as much once more.
    public var intervalOctets: Int

    public init(
        marks: [String] = [], steps: [StepDescription] = [], expectations: [Expectation] = [], outcomes: [String] = [],
        scenarios: [String] = [], faults: [String] = [], firstRequest: FirstRequest = .invite,
        intervalNanoseconds: Int64 = 1_000_000_000,
        intervalOctets: Int = 32 << 20
    ) {
        self.marks = marks
        self.steps = steps
        self.expectations = expectations
        self.outcomes = outcomes
        self.scenarios = scenarios
        self.faults = faults
        self.firstRequest = firstRequest
        self.intervalNanoseconds = intervalNanoseconds
        self.intervalOctets = intervalOctets
    }

    public var delayCount: Int { DelayIndex.builtInCount + marks.count }

    public func name(of delay: DelayIndex) -> String {
        delay.rawValue < DelayIndex.builtInCount
            ? DelayIndex.builtInNames[delay.rawValue] : marks[delay.rawValue - DelayIndex.builtInCount]
    }
}
