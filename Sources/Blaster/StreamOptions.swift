import CallEngine
import SIPWire

/// What a worker gives its streams. Times in nanoseconds, sizes in octets.
public struct StreamOptions: Sendable {
    /// What may wait to be sent on one connection. From half of it on no calls are begun on it; beyond it messages are dropped.
    public var sendQueue = 4 << 20
    /// What may wait on all connections of a worker together. One half is for queues of any length, the other for each
    /// connection's first 64 KiB, so that peers that do not read take nothing from others.
    public var allSendQueues = 512 << 20
    /// What the parts of messages that have not come whole may take, over all connections of a worker. A quarter is kept for
    /// parts of up to 4096 octets.
    public var receivedParts = 256 << 20
    /// The limits of a message.
    public var limits = StreamLimits()
    /// Pings of ours on connections that we opened and that carried nothing for so long (RFC 5626 §4.4.1). Nil: none.
    public var keepAlive: Int64?
    /// How long an answer to a ping may take (RFC 5626 §4.4.1) before the connection is given up.
    public var pongLimit: Int64 = 10_000_000_000
    /// How long a connection may take to be set up, and sent octets to be acknowledged, in milliseconds.
    public var patience: UInt32 = 32_000
    /// Milliseconds that TLS may take to be agreed on: shorter than a transaction waits (Timers B and F), so that a call says what it waited for.
    public var handshakePatience: UInt32 = 10_000
    /// How long after a connection could not be opened the next attempt is made; doubled with each, up to the longest.
    public var firstRetry: Int64 = 100_000_000
    public var longestRetry: Int64 = 5_000_000_000
    /// Needed where TLS is spoken.
    public var tls: TLSOptions?

    /// The octet of IPv4's Type of Service or IPv6's Traffic Class; 0: as the system has it.
    public var trafficClass: UInt8 = 0

    public init() {}
}

extension RunPlan {
    var speaksStreams: Bool { transports.hasStreams }
    /// TLS has a port of its own, beside that of UDP and TCP.
    var hasSecurePort: Bool { transports.contains(.tls) && transports != .tls }
    var speaksDatagrams: Bool { transports.contains(.udp) }
}
