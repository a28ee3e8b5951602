/// An INVITE server transaction (RFC 3261 §17.2.1 with the accepted state of RFC 6026 §7.1).
///
///                               │ start: deliver INVITE
///                               ▼
///     INVITE: send 1xx    ┌────────────┐
///     again            ┌──│ proceeding │──┐ 1xx from the core: send
///                      └─►└────────────┘◄─┘
///         300…699 from the │          │ 2xx from the core:
///         core: send       ▼          ▼ send
///     INVITE,        ┌───────────┐  ┌───────────┐
///     Timer G:    ┌──│ completed │  │ accepted  │──┐ INVITE: absorb; ACK: deliver;
///     send again  └─►└───────────┘  └───────────┘◄─┘ 2xx from the core: send
///                      │     │            │
///                  ACK │     │ Timer H:   │ Timer L
///                      ▼     │ time out   │
///               ┌───────────┐│            │
///     absorb    │ confirmed ││            │
///     INVITE,   └───────────┘│            │
///     ACK              │     │            │
///              Timer I │     │            │
///                      ▼     ▼            ▼
///                    ┌────────────────────────┐
///                    │       terminated       │
///                    └────────────────────────┘
///
/// A transport error informs the core and changes no state (RFC 6026 §8.8; RFC 3261's figure terminates here). Repeating a
/// 2xx until its ACK is the core's work: see `SuccessRetransmission`. The 100 within 200 ms is the core's as well
/// (RFC 3261 §17.2.1): it is a `respond(status: 100)`. A zeroed value is an unused machine.
public struct ServerInviteTransaction: Sendable, BitwiseCopyable {
    enum State: UInt8 {
        case unused, proceeding, completed, confirmed, accepted, terminated
    }

    private var backoff: Backoff
    private var state: State
    private var reliable: Bool
    private var hasResponded: Bool

    /// What a retransmission of the INVITE asks of the caller.
    public enum OnRequest: Sendable {
        /// Send the last response again, octet for octet.
        case sendResponseAgain
        /// Drop it.
        case absorb
    }

    /// What becomes of a response of the core.
    public enum OnRespond: Sendable {
        /// Send it.
        case send
        /// It may not be sent: a final response was sent before, or the transaction is over.
        case refuse
    }

    public enum OnAcknowledgement: Sendable {
        /// The non-2xx final response is acknowledged; Timer G stops.
        case confirm
        /// An ACK for the 2xx: the core's.
        case deliver
        /// Drop it.
        case absorb
    }

    /// What a timer asks of the caller.
    public enum OnFire: Sendable {
        /// Timer G: send the final response again, octet for octet.
        case sendResponseAgain
        /// Timer H: the ACK for the non-2xx final response never came. The transaction is terminated.
        case timeOut
        /// Timer I or L: nothing is left to absorb. The transaction is terminated.
        case terminate
        /// No timer was due.
        case nothing
    }

    public enum OnTransportFailure: Sendable {
        /// A response could not be delivered; the state stays.
        case inform
        case absorb
    }

    public init() {
        backoff = Backoff()
        state = .unused
        reliable = false
        hasResponded = false
    }

    /// The INVITE came and goes to the core now.
    /// - Parameter reliable: it came over a transport that retransmits by itself (TCP, TLS).
    public mutating func start(reliable: Bool) {
        assert(state == .unused, "a transaction starts once")
        self.reliable = reliable
        state = .proceeding
    }

    /// The INVITE came again.
    public mutating func receiveRequestAgain() -> OnRequest {
        switch state {
        case .proceeding: hasResponded ? .sendResponseAgain : .absorb
        case .completed: .sendResponseAgain
        case .unused, .confirmed, .accepted, .terminated: .absorb
        }
    }

    /// The core answers.
    /// - Parameter status: the response's status code, 100…699.
    public mutating func respond(status: UInt16, now: Tick, timers: TransactionTimers) -> OnRespond {
        switch state {
        case .proceeding:
            hasResponded = true
            if status < 200 { return .send }
            if status < 300 {
                linger(in: .accepted, for: timers.acceptedWait, now: now)
                return .send
            }
            let first = reliable ? nil : min(timers.t1, timers.t2)
            backoff = Backoff(from: now, first: first, timeout: timers.timeout)
            state = .completed
            return .send
        case .accepted:
            return status >= 200 && status < 300 ? .send : .refuse
        case .unused, .completed, .confirmed, .terminated:
            return .refuse
        }
    }

    /// An ACK came that matches this transaction.
    public mutating func receiveAcknowledgement(now: Tick, timers: TransactionTimers) -> OnAcknowledgement {
        switch state {
        case .completed:
            linger(in: .confirmed, for: timers.i(reliable: reliable), now: now)
            return .confirm
        case .accepted:
            return .deliver
        case .unused, .proceeding, .confirmed, .terminated:
            return .absorb
        }
    }

    /// To be called at `deadline` or later.
    public mutating func fire(now: Tick, timers: TransactionTimers) -> OnFire {
        switch state {
        case .completed:
            switch backoff.fire(now: now, first: timers.t1, cap: timers.t2) {
            case .sendAgain: return .sendResponseAgain
            case .nothing: return .nothing
            case .timeOut:
                abandon()
                return .timeOut
            }
        case .confirmed, .accepted:
            if now < backoff.deadline { return .nothing }
            abandon()
            return .terminate
        case .unused, .proceeding, .terminated:
            return .nothing
        }
    }

    /// The transport could not deliver a response (RFC 3261 §17.2.4 as changed by RFC 6026 §8.8).
    public mutating func transportFailed() -> OnTransportFailure {
        switch state {
        case .proceeding, .completed, .accepted: .inform
        case .unused, .confirmed, .terminated: .absorb
        }
    }

    /// The core takes the transaction over or gives it up: no timer runs and nothing is delivered any more.
    public mutating func abandon() {
        backoff = Backoff()
        state = .terminated
    }

    /// When `fire` must be called next; `Tick.never` when no timer runs.
    public var deadline: Tick { state == .unused || state == .proceeding ? .never : backoff.deadline }

    /// The core still owes a final response.
    public var awaitsFinalResponse: Bool { state == .proceeding }
    /// A non-2xx final response waits for its ACK.
    public var awaitsAcknowledgement: Bool { state == .completed }
    /// Finished but for absorbing late messages, which a linger table can do as well.
    public var isLingering: Bool { state == .confirmed || state == .accepted }
    public var isTerminated: Bool { state == .terminated }

    /// Timer I or L in full, in milliseconds, while lingering; else 0.
    public func lingerDuration(_ timers: TransactionTimers) -> UInt32 {
        switch state {
        case .confirmed: timers.i(reliable: reliable)
        case .accepted: timers.acceptedWait
        case .unused, .proceeding, .completed, .terminated: 0
        }
    }

    private mutating func linger(in next: State, for wait: UInt32, now: Tick) {
        if wait == 0 { return abandon() }
        backoff = Backoff(from: now, wait: wait)
        state = next
    }
}
