// The retransmissions that belong to the UAS core and not to a transaction: a 2xx to INVITE until its ACK, and a reliable
// provisional response until its PRACK. Both run over every transport, because a hop further on may be unreliable.
//
//            │ start: the response is sent
//            ▼
//     ┌─────────────┐  ACK or PRACK    ┌──────────┐
//     │   sending   │─────────────────►│ finished │
//     └─────────────┘  64·T1: time out └──────────┘
//       │ ▲
//       └─┘ T1, 2·T1, 4·T1 …: send again

/// What the timer of such a response asks of the caller.
public enum OnResponseFire: Sendable {
    /// Send the response again, octet for octet.
    case sendAgain
    /// Nobody acknowledged it within 64 × T1. The machine is finished.
    case timeOut
    /// Nothing was due.
    case nothing
}

/// What an ACK or PRACK means to the response it acknowledges.
public enum OnResponseAcknowledgement: Sendable {
    /// The first: the response is not sent again.
    case stop
    /// A repetition, or too late.
    case absorb
}

/// A 2xx to INVITE, sent again by the UAS core after T1, doubling up to T2, until its ACK comes or 64 × T1 have passed
/// (RFC 3261 §13.3.1.4). On time-out the dialog stands, and the core should send BYE.
public struct SuccessRetransmission: Sendable, BitwiseCopyable {
    private var backoff: Backoff
    private var isSending: Bool

    public init() {
        backoff = Backoff()
        isSending = false
    }

    /// The 2xx is sent now.
    public mutating func start(now: Tick, timers: TransactionTimers) {
        backoff = Backoff(from: now, first: min(timers.t1, timers.t2), timeout: timers.timeout)
        isSending = true
    }

    public mutating func receiveAcknowledgement() -> OnResponseAcknowledgement {
        guard isSending else { return .absorb }
        stop()
        return .stop
    }

    /// To be called at `deadline` or later.
    public mutating func fire(now: Tick, timers: TransactionTimers) -> OnResponseFire {
        guard isSending else { return .nothing }
        switch backoff.fire(now: now, first: timers.t1, cap: timers.t2) {
        case .sendAgain: return .sendAgain
        case .nothing: return .nothing
        case .timeOut:
            stop()
            return .timeOut
        }
    }

    /// Ends it without an ACK: the dialog is gone, or a raw step takes over.
    public mutating func stop() { self = SuccessRetransmission() }

    /// When `fire` must be called next; `Tick.never` when nothing is sent again.
    public var deadline: Tick { isSending ? backoff.deadline : .never }
    public var awaitsAcknowledgement: Bool { isSending }
}

/// A reliable provisional response, sent again after T1, doubling without a bound, until its PRACK comes or 64 × T1 have
/// passed (RFC 3262 §3). On time-out the core should reject the INVITE with a 5xx.
public struct ReliableProvisional: Sendable, BitwiseCopyable {
    private var backoff: Backoff
    private var isSending: Bool

    public init() {
        backoff = Backoff()
        isSending = false
    }

    /// The provisional response is sent now.
    public mutating func start(now: Tick, timers: TransactionTimers) {
        backoff = Backoff(from: now, first: timers.t1, timeout: timers.timeout)
        isSending = true
    }

    /// A PRACK came whose RAck names this response.
    public mutating func receiveAcknowledgement() -> OnResponseAcknowledgement {
        guard isSending else { return .absorb }
        stop()
        return .stop
    }

    /// To be called at `deadline` or later.
    public mutating func fire(now: Tick, timers: TransactionTimers) -> OnResponseFire {
        guard isSending else { return .nothing }
        switch backoff.fire(now: now, first: timers.t1, cap: nil) {
        case .sendAgain: return .sendAgain
        case .nothing: return .nothing
        case .timeOut:
            stop()
            return .timeOut
        }
    }

    /// Ends it without a PRACK: a final response was sent, or a raw step takes over (RFC 3262 §3).
    public mutating func stop() { self = ReliableProvisional() }

    /// When `fire` must be called next; `Tick.never` when nothing is sent again.
    public var deadline: Tick { isSending ? backoff.deadline : .never }
    public var awaitsAcknowledgement: Bool { isSending }
}
