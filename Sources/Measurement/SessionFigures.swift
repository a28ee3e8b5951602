/// A share of two counts. Undefined where the denominator is 0.
public struct Ratio: Sendable, Hashable, Codable {
    public var numerator: UInt64
    public var denominator: UInt64

    public init(_ numerator: UInt64, of denominator: UInt64) {
        self.numerator = numerator
        self.denominator = denominator
    }

    /// Nil where the denominator is 0: RFC 6076 leaves the ratio undefined then.
    public var percent: Double? { denominator == 0 ? nil : Double(numerator) / Double(denominator) * 100 }

    private enum CodingKeys: String, CodingKey { case numerator, denominator, percent }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        numerator = try container.decode(UInt64.self, forKey: .numerator)
        denominator = try container.decode(UInt64.self, forKey: .denominator)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(numerator, forKey: .numerator)
        try container.encode(denominator, forKey: .denominator)
        try container.encode(percent, forKey: .percent)
    }
}

/// The ratios of RFC 6076 §4. Retransmissions do not enter; an attempt repeated with credentials or at a new target is
/// one attempt.
///
/// The requests of the denominators are the attempts that have their last word. Those still open when the run was
/// drained or cut off stand in `undecidedSessionAttempts`: neither the peer's success nor its failure.
public struct SessionFigures: Sendable, Hashable, Codable {
    /// SER, §4.6: 2xx / (requests - 3xx).
    public var sessionEstablishmentRatio: Ratio
    /// SEER, §4.7: (2xx, 480, 486, 600, 603) / (requests - 3xx).
    public var sessionEstablishmentEffectivenessRatio: Ratio
    /// ISA, §4.8: (408, 500, 503, 504, no answer) / requests.
    public var ineffectiveSessionAttempts: Ratio
    /// SCR, §4.9: sessions that ended by an answered BYE / requests.
    public var sessionCompletionRatio: Ratio
    /// IRA, §4.2: (4xx but 401, 402, 407; 5xx; 6xx; no answer) / REGISTER attempts.
    public var ineffectiveRegistrationAttempts: Ratio
    public var undecidedSessionAttempts: UInt64
    public var undecidedRegistrationAttempts: UInt64

    init(_ counters: CounterValues) {
        let answered = counters[.sessionAnswers2xx]
        // A redirection that was followed is not the last word.
        let answers3xx = counters[.sessionAnswers3xx]
        let redirected = answers3xx - min(answers3xx, counters[.sessionRedirectionsFollowed])
        let requests =
            answered + redirected + counters[.sessionAnswersChallenged] + counters[.sessionsIneffective]
            + counters[.sessionsEffectivelyRefused] + counters[.sessionAnswersOther]
        let registrations =
            counters[.registrationAnswers2xx] + counters[.registrationAnswersOther]
            + counters[.registrationsIneffective]
        sessionEstablishmentRatio = Ratio(answered, of: requests - redirected)
        sessionEstablishmentEffectivenessRatio = Ratio(
            answered + counters[.sessionsEffectivelyRefused], of: requests - redirected)
        ineffectiveSessionAttempts = Ratio(counters[.sessionsIneffective], of: requests)
        // Where both sides are ours and hang up at once, two BYEs are answered in one session.
        sessionCompletionRatio = Ratio(min(counters[.sessionsCompleted], answered), of: requests)
        ineffectiveRegistrationAttempts = Ratio(counters[.registrationsIneffective], of: registrations)
        undecidedSessionAttempts = counters[.sessionAttempts] - min(counters[.sessionAttempts], requests)
        undecidedRegistrationAttempts =
            counters[.registrationAttempts] - min(counters[.registrationAttempts], registrations)
    }
}

/// The sums of all counters. In JSON an object with one key for each counter, named as its case.
public struct CounterValues: Sendable, Hashable, Codable {
    /// By `Counter.rawValue`.
    var values: [UInt64]

    public init() { values = [UInt64](repeating: 0, count: Counter.allCases.count) }

    init(_ values: [UInt64]) { self.values = values }

    public subscript(counter: Counter) -> UInt64 {
        get { values[counter.rawValue] }
        set { values[counter.rawValue] = newValue }
    }

    mutating func add(_ other: [UInt64]) {
        for i in values.indices { values[i] &+= other[i] }
    }

    struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public init(from decoder: any Decoder) throws {
        self.init()
        let container = try decoder.container(keyedBy: Key.self)
        for counter in Counter.allCases {
            self[counter] = try container.decodeIfPresent(UInt64.self, forKey: Key("\(counter)")) ?? 0
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        for counter in Counter.allCases { try container.encode(self[counter], forKey: Key("\(counter)")) }
    }
}
