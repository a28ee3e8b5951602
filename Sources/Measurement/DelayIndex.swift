/// Which delay a sample belongs to: a built-in delay, or a mark named by the scenario.
///
/// All delays are nanoseconds of CLOCK_MONOTONIC. Where a start or an end is a datagram we received, it is the kernel's
/// receive stamp mapped to that clock; where it is one we sent, it is the clock read just before the batch was handed to
/// the kernel. `docs/measurement.md` states each delay exactly.
@frozen public struct DelayIndex: Sendable, Hashable {
    public let rawValue: Int
    @inlinable public init(rawValue: Int) { self.rawValue = rawValue }

    // Computed, not stored: a stored static of another module costs a call at each use.

    /// RFC 6076 §4.3.1, successful: from sending the first INVITE to the first provisional other than 100, or to the 2xx
    /// where none came before it. Spans redirection and an answered challenge. Recorded when the 2xx has come.
    @inlinable public static var sessionRequestDelay: DelayIndex { DelayIndex(rawValue: 0) }
    /// The same end, counted from the moment the load plan wanted the INVITE sent. Also takes, as lower bounds, the
    /// lateness of arrivals dropped as not started (`WorkerRecorder.recordNotStarted`).
    @inlinable public static var sessionRequestDelayFromDue: DelayIndex { DelayIndex(rawValue: 1) }
    /// RFC 6076 §4.3.2, failed: from sending the first INVITE to its failure response (not 401, 402, 407) or time-out.
    @inlinable public static var sessionRequestDelayFailed: DelayIndex { DelayIndex(rawValue: 2) }
    /// RFC 6076 §4.4, successful: from sending BYE to its 2xx.
    @inlinable public static var sessionDisconnectDelay: DelayIndex { DelayIndex(rawValue: 3) }
    /// RFC 6076 §4.4, failed: from sending BYE to a final response that is not 2xx. Time-outs (Timer F) are left out.
    @inlinable public static var sessionDisconnectDelayFailed: DelayIndex { DelayIndex(rawValue: 4) }
    /// RFC 6076 §4.5: from the 2xx to INVITE to the BYE, sent or received, or to Timer F of a BYE that nobody answered.
    @inlinable public static var sessionDuration: DelayIndex { DelayIndex(rawValue: 5) }
    /// RFC 6076 §4.1: from sending the first REGISTER to its 2xx, spanning an answered challenge.
    @inlinable public static var registrationRequestDelay: DelayIndex { DelayIndex(rawValue: 6) }
    /// The same end, counted from due time; lower bounds as in `sessionRequestDelayFromDue`.
    @inlinable public static var registrationRequestDelayFromDue: DelayIndex { DelayIndex(rawValue: 7) }
    /// Every other client transaction that was answered with 2xx: from sending the request to the final response.
    @inlinable public static var transactionDelay: DelayIndex { DelayIndex(rawValue: 8) }
    /// The first transaction of a run that begins with neither INVITE nor REGISTER, counted from due time.
    @inlinable public static var transactionDelayFromDue: DelayIndex { DelayIndex(rawValue: 9) }
    /// From due time to the moment the first message of the run was handed to the kernel. An arrival that was dropped as
    /// not started enters with its lateness at that moment, which is a lower bound.
    @inlinable public static var startLateness: DelayIndex { DelayIndex(rawValue: 10) }
    /// From the instant a timer was set to fire to the instant it was handled.
    @inlinable public static var timerLateness: DelayIndex { DelayIndex(rawValue: 11) }

    /// From the kernel's receive stamp to the moment the message was taken up. One sample for a batch, that of its oldest message,
    /// counted for all of them: an upper bound for the others.
    @inlinable public static var receiveLateness: DelayIndex { DelayIndex(rawValue: 12) }

    /// From the moment a connection was begun to the moment it stood, as the worker saw it.
    @inlinable public static var connectionSetup: DelayIndex { DelayIndex(rawValue: 13) }

    /// From a TCP connection that stands to the end of the TLS handshake on it, on either side.
    @inlinable public static var tlsHandshake: DelayIndex { DelayIndex(rawValue: 14) }

    @inlinable public static var builtInCount: Int { 15 }

    /// The `index`th mark of the layout.
    @inlinable public static func mark(_ index: Int) -> DelayIndex { DelayIndex(rawValue: builtInCount &+ index) }

    /// Names of the built-in delays, by raw value. They are the tags of `intervals.hlog` and the keys of `run.json`.
    public static let builtInNames = [
        "sessionRequestDelay", "sessionRequestDelayFromDue", "sessionRequestDelayFailed", "sessionDisconnectDelay",
        "sessionDisconnectDelayFailed", "sessionDuration", "registrationRequestDelay",
        "registrationRequestDelayFromDue", "transactionDelay", "transactionDelayFromDue", "startLateness",
        "timerLateness", "receiveLateness", "connectionSetup", "tlsHandshake",
    ]
}
