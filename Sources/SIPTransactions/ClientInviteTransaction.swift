/// An INVITE client transaction (RFC 3261 §17.1.1 with the accepted state of RFC 6026 §7.2).
///
///                          │ start: send INVITE
///                          ▼
///      Timer A       ┌───────────┐  Timer B: time out
///      send again ┌──│  calling  │───────────────────────────────┐
///                 └─►└───────────┘  transport error: inform      │
///                      │ 1xx │ │                                 │
///             deliver  ▼     │ │                                 │
///      1xx        ┌──────────┴─┼─┐                               │
///      deliver ┌──│ proceeding │ │                               │
///              └─►└────────────┘ │                               │
///         300…699  │        │ 2xx│                               │
///         deliver, │        │    │ deliver                       │
///         ACK      ▼        ▼    ▼                               ▼
///      ┌───────────┐     ┌───────────┐                     ┌────────────┐
///      │ completed │     │ accepted  │──── Timer M ───────►│ terminated │
///      └───────────┘     └───────────┘                     └────────────┘
///        │ ▲    │          │ ▲                                   ▲
///        └─┘    │          └─┘ 2xx: deliver, the core ACKs again │
///       300…699 └──────────── Timer D, transport error ──────────┘
///       ACK again
///
/// (2xx and 300…699 leave calling and proceeding alike.) The proceeding state has no timer: how long a caller waits for
/// a final response is the core's decision (RFC 3261 §9.1, §13.3.1.1). A zeroed value is an unused machine.
public struct ClientInviteTransaction: Sendable, BitwiseCopyable {
    enum State: UInt8 {
        case unused, calling, proceeding, completed, accepted, terminated
    }

    private var backoff: Backoff
    private var state: State
    private var reliable: Bool

    /// What a response asks of the caller.
    public enum OnResponse: Sendable {
        /// Hand it to the core: a provisional response, or the first 2xx (which the core ACKs).
        case deliver
        /// Hand it to the core and send the transaction's ACK: the first non-2xx final response.
        case deliverAndAcknowledge
        /// Send the same ACK again; the core does not hear of it.
        case acknowledgeAgain
        /// A 2xx after the first, repeated or from another fork: the core ACKs it (RFC 6026 §7.2).
        case deliver2xxRepeat
        /// Drop it.
        case absorb
    }

    /// What a timer asks of the caller.
    public enum OnFire: Sendable {
        /// Timer A: send the INVITE again, octet for octet.
        case sendAgain
        /// Timer B: no response came. The transaction is terminated.
        case timeOut
        /// Timer D or M: nothing is left to absorb. The transaction is terminated.
        case terminate
        /// No timer was due.
        case nothing
    }

    public enum OnTransportFailure: Sendable {
        /// The INVITE could not be delivered. The transaction is terminated.
        case inform
        /// The ACK could not be delivered; the final response was handed up before. The transaction is terminated.
        case informAcknowledgementLost
        case absorb
    }

    public init() {
        backoff = Backoff()
        state = .unused
        reliable = false
    }

    /// The INVITE is sent now.
    /// - Parameter reliable: the transport retransmits by itself (TCP, TLS), so Timer A does not run.
    public mutating func start(now: Tick, reliable: Bool, timers: TransactionTimers) {
        assert(state == .unused, "a transaction starts once")
        self.reliable = reliable
        backoff = Backoff(from: now, first: reliable ? nil : timers.t1, timeout: timers.timeout)
        state = .calling
    }

    /// - Parameter status: the response's status code, 100…699.
    public mutating func receive(status: UInt16, now: Tick, timers: TransactionTimers) -> OnResponse {
        switch state {
        case .calling, .proceeding:
            if status < 200 {
                backoff = Backoff()
                state = .proceeding
                return .deliver
            }
            if status < 300 {
                linger(in: .accepted, for: timers.acceptedWait, now: now)
                return .deliver
            }
            linger(in: .completed, for: timers.d(reliable: reliable), now: now)
            return .deliverAndAcknowledge
        case .completed:
            return status >= 300 ? .acknowledgeAgain : .absorb
        case .accepted:
            return status >= 200 && status < 300 ? .deliver2xxRepeat : .absorb
        case .unused, .terminated:
            return .absorb
        }
    }

    /// To be called at `deadline` or later.
    public mutating func fire(now: Tick, timers: TransactionTimers) -> OnFire {
        switch state {
        case .calling:
            switch backoff.fire(now: now, first: timers.t1, cap: nil) {
            case .sendAgain: return .sendAgain
            case .nothing: return .nothing
            case .timeOut:
                abandon()
                return .timeOut
            }
        case .completed, .accepted:
            if now < backoff.deadline { return .nothing }
            abandon()
            return .terminate
        case .unused, .proceeding, .terminated:
            return .nothing
        }
    }

    /// The transport could not deliver what this transaction sent (RFC 3261 §17.1.4, §18.4).
    public mutating func transportFailed() -> OnTransportFailure {
        switch state {
        case .calling:
            abandon()
            return .inform
        case .completed:
            abandon()
            return .informAcknowledgementLost
        case .unused, .proceeding, .accepted, .terminated:
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

    /// The INVITE was sent and no response came: it may be sent again.
    public var isCalling: Bool { state == .calling }
    /// A final response is still to come.
    public var awaitsFinalResponse: Bool { state == .calling || state == .proceeding }
    /// Finished but for absorbing late messages, which a linger table can do as well.
    public var isLingering: Bool { state == .completed || state == .accepted }
    public var isTerminated: Bool { state == .terminated }

    /// Timer D or M in full, in milliseconds, while lingering; else 0.
    public func lingerDuration(_ timers: TransactionTimers) -> UInt32 {
        switch state {
        case .completed: timers.d(reliable: reliable)
        case .accepted: timers.acceptedWait
        case .unused, .calling, .proceeding, .terminated: 0
        }
    }

    private mutating func linger(in next: State, for wait: UInt32, now: Tick) {
        if wait == 0 { return abandon() }
        backoff = Backoff(from: now, wait: wait)
        state = next
    }
}
