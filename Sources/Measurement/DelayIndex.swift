/// Which delay a sample belongs to: a built-in delay, or a mark named by the scenario.
///
/// All delays are nanoseconds of CLOCK_MONOTONIC. Where a start or an end is a datagram we received, it is the kernel's
/// receive stamp mapped to that clock; where it is one we sent, it is the clock read just before the batch was handed to
/// the kernel. `docs/measurement.md` states each delay exactly.
@frozen public struct DelayIndex: Sendable, Hashable {
    public let rawValue: Int
    @inlinable public init(rawValue: Int) { self.rawValue = rawValue }

    /// RFC 6076 §4.3.1, successful: from sending the first INVITE to the first provisional other than 100, or to the 2xx
    /// where none came before it. Spans redirection and an answered challenge. Recorded when the 2xx has come.
    public static let sessionRequestDelay = DelayIndex(rawValue: 0)
    /// The same end, counted from the moment the load plan wanted the INVITE sent. Also takes, as lower bounds, the
    /// lateness of arrivals dropped as not started (`WorkerRecorder.recordNotStarted`).
    public static let sessionRequestDelayFromDue = DelayIndex(rawValue: 1)
    /// RFC 6076 §4.3.2, failed: from sending the first INVITE to its failure response (not 401, 402, 407) or time-out.
    public static let sessionRequestDelayFailed = DelayIndex(rawValue: 2)
    /// RFC 6076 §4.4, successful: from sending BYE to its 2xx.
    public static let sessionDisconnectDelay = DelayIndex(rawValue: 3)
    /// RFC 6076 §4.4, failed: from sending BYE to a final response that is not 2xx. Time-outs (Timer F) are left out.
    public static let sessionDisconnectDelayFailed = DelayIndex(rawValue: 4)
    /// RFC 6076 §4.5: from the 2xx to INVITE to the BYE, sent or received, or to Timer F of a BYE that nobody answered.
    public static let sessionDuration = DelayIndex(rawValue: 5)
    /// RFC 6076 §4.1: from sending the first REGISTER to its 2xx, spanning an answered challenge.
    public static let registrationRequestDelay = DelayIndex(rawValue: 6)
    /// The same end, counted from due time; lower bounds as in `sessionRequestDelayFromDue`.
    public static let registrationRequestDelayFromDue = DelayIndex(rawValue: 7)
    /// Every other client transaction that was answered with 2xx: from sending the request to the final response.
    public static let transactionDelay = DelayIndex(rawValue: 8)
    /// The first transaction of a run that begins with neither INVITE nor REGISTER, counted from due time.
    public static let transactionDelayFromDue = DelayIndex(rawValue: 9)
    /// From due time to the moment the first message of the run was handed to the kernel. An arrival that was dropped as
    /// not started enters with its lateness at that moment, which is a lower bound.
    public static let startLateness = DelayIndex(rawValue: 10)
    /// From the instant a timer was set to fire to the instant it was handled.
    public static let timerLateness = DelayIndex(rawValue: 11)

    public static let builtInCount = 12

    /// The `index`th mark of the layout.
    @inlinable public static func mark(_ index: Int) -> DelayIndex { DelayIndex(rawValue: builtInCount &+ index) }

    /// Names of the built-in delays, by raw value. They are the tags of `intervals.hlog` and the keys of `run.json`.
    public static let builtInNames = [
        "sessionRequestDelay", "sessionRequestDelayFromDue", "sessionRequestDelayFailed", "sessionDisconnectDelay",
        "sessionDisconnectDelayFailed", "sessionDuration", "registrationRequestDelay",
        "registrationRequestDelayFromDue", "transactionDelay", "transactionDelayFromDue", "startLateness",
        "timerLateness",
    ]
}
