import CallTraces
import Measurement
import SIPWire

/// What happened to a flow, told to the engine by its transport.
public enum FlowEvent: Sendable {
    /// A stream connection is open and may be written.
    case opened
    /// The peer refused: ICMP port unreachable for a datagram (RFC 3261 §18.4), connection refused for a stream.
    case refused(errno: Int32)
    case closed
    case writable
    /// The transport's send queue is full: what was asked to be sent was dropped and counted.
    case queueFull
}

/// One worker's engine: calls, transactions, dialogs and the scenario interpreter, without a clock, a socket or an unseeded
/// random number. Bytes and time go in; messages come out in `outbound`.
///
/// The same engine runs under sockets (`Blaster`) and under a seeded simulated network (tests).
public struct CallEngine: ~Copyable {
    /// Messages to send. The caller flushes and empties it after each batch of `receive`, `advance` or `startRun`.
    public var outbound: OutboundLog

    /// Runs in progress: from the first request to the last dialog's final answer. Lingering transactions do not count.
    public private(set) var liveRuns: Int

    /// When `advance` must be called next; `.distantFuture` when no timer runs.
    public var nextDeadline: MonotonicInstant { .distantFuture }

    init() {
        outbound = OutboundLog()
        liveRuns = 0
    }

    /// Starts one run of the scenario: the party that an arrival creates executes until it waits.
    ///
    /// - Parameters:
    ///   - number: the arrival's place in the whole plan, over all workers.
    ///   - due: when the plan wanted it.
    /// - Returns: false when no call slot is free (counted as `noSlot`).
    public mutating func startRun(number: UInt64, due: MonotonicInstant, now: MonotonicInstant) -> Bool { false }

    /// One datagram, or one framed message of a stream.
    ///
    /// - Parameters:
    ///   - source: where it came from.
    ///   - received: the kernel's receive stamp mapped to the monotonic clock, or `now`.
    public mutating func receive(
        _ message: UnsafeRawBufferPointer, from source: TransportAddress, received: MonotonicInstant,
        now: MonotonicInstant
    ) {}

    /// Fires the timers that are due, a bounded number; call again when `nextDeadline` is still not in the future.
    public mutating func advance(to now: MonotonicInstant) {}

    public mutating func flow(_ flow: Flow, did event: FlowEvent, now: MonotonicInstant) {}

    /// Where a flow leads.
    public func address(of flow: Flow) -> TransportAddress { TransportAddress(ipv4: 0, port: 0) }

    /// Cancels or hangs up up to `count` runs in progress; drained runs are an outcome of their own.
    /// - Returns: how many are still to be drained.
    public mutating func drain(_ count: Int, now: MonotonicInstant) -> Int { 0 }

    /// The arrival came later than the catch-up limit and was given up; its lateness counts in the from-due figures.
    public mutating func recordNotStarted(due: MonotonicInstant, now: MonotonicInstant) {}

    /// The arrival found the concurrency cap full and was given up.
    public mutating func recordBlocked() {}

    /// Ends a measuring interval here and starts the next.
    public mutating func closeInterval(now: MonotonicInstant) {}

    /// Takes the transport's figures into the record, once, when the run ends.
    public mutating func countTransport(_ counters: TransportCounters) {}

    /// An ICMP answer to a datagram we sent to `destination` (RFC 3261 §18.4): `quoted` is the start of that datagram as
    /// far as the kernel gave it back, maybe nothing.
    public mutating func sendFailed(
        to destination: TransportAddress, quoted: UnsafeRawBufferPointer, errno: Int32, now: MonotonicInstant
    ) {}

    /// Which of `workers` owns the run that an initial request on a published port creates, by hash of Call-ID and From
    /// tag; nil for anything else, which stays with whom it came to.
    public func owner(ofInitialRequest message: UnsafeRawBufferPointer, workers: Int) -> Int? { nil }
}
