/// When a message is sent again and when that ends: the arithmetic under Timers A/B, E/F and G/H and under the core's own
/// retransmissions. Nine octets, so that a machine stays within its slot record.
struct Backoff {
    /// Next retransmission; `Tick.never` when it is not sent again.
    private var nextSend: Tick
    /// When waiting ends; `Tick.never` when it has no limit.
    private var limit: Tick
    /// Retransmissions so far, which is the power of two of the current interval.
    private var sent: UInt8

    enum Due {
        case sendAgain, timeOut, nothing
    }

    /// No timer runs.
    init() {
        nextSend = .never
        limit = .never
        sent = 0
    }

    /// Sends again after `first` milliseconds unless that is nil, ends after `timeout`.
    init(from now: Tick, first: UInt32?, timeout: UInt32) {
        nextSend = first.map { now.after($0) } ?? .never
        limit = now.after(timeout)
        sent = 0
    }

    /// Only waits.
    init(from now: Tick, wait: UInt32) {
        self.init(from: now, first: nil, timeout: wait)
    }

    var deadline: Tick { min(nextSend, limit) }

    /// What is due at `now`. A limit that has passed wins over a retransmission that is late: after a stall the message
    /// is not sent once more only to be given up in the same instant.
    ///
    /// The next interval runs from `now`, as RFC 3261 resets its timers when they fire: a late process never sends two
    /// retransmissions closer together than the RFC allows.
    /// - Parameter cap: the longest interval, or nil to double without bound.
    mutating func fire(now: Tick, first: UInt32, cap: UInt32?) -> Due {
        if now >= limit { return .timeOut }
        if now < nextSend { return .nothing }
        if sent < 31 { sent &+= 1 }
        let doubled = UInt64(first) << UInt64(sent)
        nextSend = now.after(UInt32(clamping: min(doubled, UInt64(cap ?? .max))))
        return .sendAgain
    }

    /// Goes on at a fixed interval (Timer E in the proceeding state).
    mutating func fire(now: Tick, every interval: UInt32) -> Due {
        if now >= limit { return .timeOut }
        if now < nextSend { return .nothing }
        nextSend = now.after(interval)
        return .sendAgain
    }
}
