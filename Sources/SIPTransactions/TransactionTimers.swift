/// The base values of the transaction timers (RFC 3261 §17.1.1.1, table 4), in milliseconds, and what follows from them.
///
/// One value serves all transactions of a run; machines take it as an argument instead of each keeping a copy.
public struct TransactionTimers: Sendable, BitwiseCopyable, Hashable {
    /// Round-trip estimate: the first retransmission interval.
    public var t1: UInt32
    /// The longest interval between retransmissions of non-INVITE requests and INVITE responses.
    public var t2: UInt32
    /// The longest time a message stays in the network.
    public var t4: UInt32
    /// Replaces the waits that only absorb late messages (Timers D, I, J, K, L and M) over unreliable and reliable
    /// transports alike; nil leaves them to the RFC.
    public var linger: UInt32?

    public init(t1: UInt32 = 500, t2: UInt32 = 4000, t4: UInt32 = 5000, linger: UInt32? = nil) {
        self.t1 = t1
        self.t2 = t2
        self.t4 = t4
        self.linger = linger
    }

    /// 64 × T1: Timers B, F and H, and how long a 2xx or a reliable provisional response is sent again.
    @inlinable
    public var timeout: UInt32 { t1 > .max >> 6 ? .max &- 1 : t1 &<< 6 }

    /// Timer D: an INVITE client transaction after a non-2xx final response. Not below 32 s over unreliable transports,
    /// because the peer's T1 is unknown (RFC 3261 §17.1.1.2).
    @inlinable
    public func d(reliable: Bool) -> UInt32 { linger ?? (reliable ? 0 : max(32_000, timeout)) }

    /// Timer I: an INVITE server transaction after the ACK.
    @inlinable
    public func i(reliable: Bool) -> UInt32 { linger ?? (reliable ? 0 : t4) }

    /// Timer J: a non-INVITE server transaction after its final response.
    @inlinable
    public func j(reliable: Bool) -> UInt32 { linger ?? (reliable ? 0 : timeout) }

    /// Timer K: a non-INVITE client transaction after its final response.
    @inlinable
    public func k(reliable: Bool) -> UInt32 { linger ?? (reliable ? 0 : t4) }

    /// Timers L and M: an INVITE server or client transaction after a 2xx, on any transport (RFC 6026 §7.1, §7.2).
    @inlinable
    public var acceptedWait: UInt32 { linger ?? timeout }
}

extension Tick {
    /// This tick plus some milliseconds, never reaching `Tick.never`.
    @inlinable
    public func after(_ milliseconds: UInt32) -> Tick {
        let (sum, overflow) = addingReportingOverflow(milliseconds)
        return overflow || sum == .never ? .never &- 1 : sum
    }
}
