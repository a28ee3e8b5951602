/// A non-INVITE server transaction (RFC 3261 §17.2.2).
///
///                               │ start: deliver request
///                               ▼
///                         ┌───────────┐
///     request: absorb  ┌──│  trying   │
///                      └─►└───────────┘
///                           │       │
///       1xx from the core:  │       │ 200…699 from the core:
///       send                ▼       │ send
///     request: send   ┌────────────┐│
///     1xx again    ┌──│ proceeding ││
///                  └─►└────────────┘│
///                      │ ▲     │    │
///     1xx from the     └─┘     │    │ 200…699 from the core: send
///     core: send               ▼    ▼
///     request: send final ┌───────────┐     Timer J      ┌────────────┐
///     response again   ┌──│ completed │─────────────────►│ terminated │
///                      └─►└───────────┘                  └────────────┘
///
/// A transport error informs the core and changes no state (RFC 3261 §17.2.4 as changed by RFC 6026 §8.8). A zeroed value is an
/// unused machine.
public struct ServerNonInviteTransaction: Sendable, BitwiseCopyable {
    enum State: UInt8 {
        case unused, trying, proceeding, completed, terminated
    }

    private var limit: Tick
    private var state: State
    private var reliable: Bool

    /// What a retransmission of the request asks of the caller.
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

    /// What a timer asks of the caller.
    public enum OnFire: Sendable {
        /// Timer J: nothing is left to absorb. The transaction is terminated.
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
        limit = .never
        state = .unused
        reliable = false
    }

    /// The request came and goes to the core now.
    /// - Parameter reliable: it came over a transport that retransmits by itself (TCP, TLS).
    public mutating func start(reliable: Bool) {
        assert(state == .unused, "a transaction starts once")
        self.reliable = reliable
        state = .trying
    }

    /// The request came again.
    public mutating func receiveRequestAgain() -> OnRequest {
        switch state {
        case .proceeding, .completed: .sendResponseAgain
        case .unused, .trying, .terminated: .absorb
        }
    }

    /// The core answers.
    /// - Parameter status: the response's status code, 100…699.
    public mutating func respond(status: UInt16, now: Tick, timers: TransactionTimers) -> OnRespond {
        switch state {
        case .trying, .proceeding:
            if status < 200 {
                state = .proceeding
                return .send
            }
            let wait = timers.j(reliable: reliable)
            if wait == 0 {
                abandon()
            } else {
                limit = now.after(wait)
                state = .completed
            }
            return .send
        case .unused, .completed, .terminated:
            return .refuse
        }
    }

    /// To be called at `deadline` or later.
    public mutating func fire(now: Tick, timers: TransactionTimers) -> OnFire {
        if state != .completed || now < limit { return .nothing }
        abandon()
        return .terminate
    }

    /// The transport could not deliver a response.
    public mutating func transportFailed() -> OnTransportFailure {
        switch state {
        case .proceeding, .completed: .inform
        case .unused, .trying, .terminated: .absorb
        }
    }

    /// The core takes the transaction over or gives it up: no timer runs and nothing is delivered any more.
    public mutating func abandon() {
        limit = .never
        state = .terminated
    }

    /// When `fire` must be called next; `Tick.never` when no timer runs.
    public var deadline: Tick { state == .completed ? limit : .never }

    /// The core still owes a final response.
    public var awaitsFinalResponse: Bool { state == .trying || state == .proceeding }
    /// Finished but for answering late retransmissions, which a linger table can do as well.
    public var isLingering: Bool { state == .completed }
    public var isTerminated: Bool { state == .terminated }

    /// Timer J in full, in milliseconds, while lingering; else 0.
    public func lingerDuration(_ timers: TransactionTimers) -> UInt32 {
        state == .completed ? timers.j(reliable: reliable) : 0
    }
}
