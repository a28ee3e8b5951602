/// A non-INVITE client transaction (RFC 3261 §17.1.2).
///
///                              │ start: send request
///                              ▼
///     Timer E            ┌───────────┐  Timer F: time out
///     T1, 2·T1 … T2   ┌──│  trying   │───────────────────────────┐
///     send again      └─►└───────────┘  transport error: inform  │
///                          │       │                             │
///                      1xx │       │ 200…699                     │
///                  deliver ▼       │ deliver                     │
///     Timer E       ┌────────────┐ │    Timer F: time out        │
///     every T2   ┌──│ proceeding │─┼─────────────────────────────┤
///     send again └─►└────────────┘ │    transport error: inform  │
///                    │ ▲    │      │                             │
///       1xx: deliver └─┘    │      │                             │
///                           ▼      ▼                             ▼
///                        ┌───────────┐      Timer K       ┌────────────┐
///                        │ completed │───────────────────►│ terminated │
///                        └───────────┘                    └────────────┘
///
/// A zeroed value is an unused machine.
public struct ClientNonInviteTransaction: Sendable, BitwiseCopyable {
    enum State: UInt8 {
        case unused, trying, proceeding, completed, terminated
    }

    private var backoff: Backoff
    private var state: State
    private var reliable: Bool

    /// What a response asks of the caller.
    public enum OnResponse: Sendable {
        /// Hand it to the core.
        case deliver
        /// Drop it.
        case absorb
    }

    /// What a timer asks of the caller.
    public enum OnFire: Sendable {
        /// Timer E: send the request again, octet for octet.
        case sendAgain
        /// Timer F: no final response came. The transaction is terminated.
        case timeOut
        /// Timer K: nothing is left to absorb. The transaction is terminated.
        case terminate
        /// No timer was due.
        case nothing
    }

    public enum OnTransportFailure: Sendable {
        /// The request could not be delivered. The transaction is terminated.
        case inform
        case absorb
    }

    public init() {
        backoff = Backoff()
        state = .unused
        reliable = false
    }

    /// The request is sent now.
    /// - Parameter reliable: the transport retransmits by itself (TCP, TLS), so Timer E does not run.
    public mutating func start(now: Tick, reliable: Bool, timers: TransactionTimers) {
        assert(state == .unused, "a transaction starts once")
        self.reliable = reliable
        backoff = Backoff(from: now, first: reliable ? nil : min(timers.t1, timers.t2), timeout: timers.timeout)
        state = .trying
    }

    /// - Parameter status: the response's status code, 100…699.
    public mutating func receive(status: UInt16, now: Tick, timers: TransactionTimers) -> OnResponse {
        switch state {
        case .trying, .proceeding:
            if status < 200 {
                state = .proceeding
                return .deliver
            }
            let wait = timers.k(reliable: reliable)
            if wait == 0 {
                abandon()
            } else {
                backoff = Backoff(from: now, wait: wait)
                state = .completed
            }
            return .deliver
        case .unused, .completed, .terminated:
            return .absorb
        }
    }

    /// To be called at `deadline` or later.
    public mutating func fire(now: Tick, timers: TransactionTimers) -> OnFire {
        let due: Backoff.Due
        switch state {
        case .trying:
            due = backoff.fire(now: now, first: timers.t1, cap: timers.t2)
        case .proceeding:
            due = backoff.fire(now: now, every: timers.t2)
        case .completed:
            if now < backoff.deadline { return .nothing }
            abandon()
            return .terminate
        case .unused, .terminated:
            return .nothing
        }
        switch due {
        case .sendAgain: return .sendAgain
        case .nothing: return .nothing
        case .timeOut:
            abandon()
            return .timeOut
        }
    }

    /// The transport could not deliver the request (RFC 3261 §17.1.4, §18.4).
    public mutating func transportFailed() -> OnTransportFailure {
        switch state {
        case .trying, .proceeding:
            abandon()
            return .inform
        case .unused, .completed, .terminated:
            return .absorb
        }
    }

    /// The core takes the transaction over or gives it up: no timer runs and nothing is delivered any more.
    public mutating func abandon() {
        backoff = Backoff()
        state = .terminated
    }

    /// When `fire` must be called next; `Tick.never` when no timer runs.
    public var deadline: Tick { state == .unused ? .never : backoff.deadline }

    /// A final response is still to come.
    public var awaitsFinalResponse: Bool { state == .trying || state == .proceeding }
    /// Finished but for absorbing late responses, which a linger table can do as well.
    public var isLingering: Bool { state == .completed }
    public var isTerminated: Bool { state == .terminated }

    /// Timer K in full, in milliseconds, while lingering; else 0.
    public func lingerDuration(_ timers: TransactionTimers) -> UInt32 {
        state == .completed ? timers.k(reliable: reliable) : 0
    }
}
