/// What one worker's transport did and failed to do, for the run's verdict. Octets and counts; times in nanoseconds.
public struct TransportCounters: Sendable, Equatable {
    /// Datagrams received, after coalesced buffers were split.
    public var datagramsReceived: UInt64 = 0
    public var octetsReceived: UInt64 = 0
    /// Receive calls that brought something.
    public var receiveBatches: UInt64 = 0
    /// Buffers in which the kernel handed up several datagrams (UDP_GRO).
    public var coalescedBuffers: UInt64 = 0
    /// Datagrams longer than any UDP datagram can be: dropped.
    public var truncated: UInt64 = 0
    /// Datagrams the kernel dropped because our receive buffer was full.
    public var receiveOverflow: UInt64 = 0

    /// Datagrams the kernel took from us.
    public var datagramsSent: UInt64 = 0
    public var octetsSent: UInt64 = 0
    public var sendCalls: UInt64 = 0
    /// Sends that the kernel cut into several datagrams (UDP_SEGMENT).
    public var segmentedSends: UInt64 = 0
    /// Send calls that took fewer than they were given.
    public var shortSends: UInt64 = 0
    /// Send calls refused for want of buffer (EAGAIN, ENOBUFS, ENOMEM), tried again in a later round.
    public var sendsBlocked: UInt64 = 0
    /// Messages given up because the send buffer stayed full.
    public var sendsDropped: UInt64 = 0
    /// Messages the kernel would not send: no route, forbidden, too long.
    public var sendsFailed: UInt64 = 0
    /// ICMP answers to what we sent.
    public var refusals: UInt64 = 0

    /// Initial requests that came to a published port and were handed to the worker that owns them.
    public var handedOver: UInt64 = 0
    /// Those that found the owner's ring full and were dropped.
    public var handOverOverflow: UInt64 = 0

    /// Streams. Connections that we opened, that peers opened, that could not be opened.
    public var connectionsOpened: UInt64 = 0
    public var connectionsAccepted: UInt64 = 0
    public var connectionsRefused: UInt64 = 0
    /// Of ours, those that were still being set up when the run ended.
    public var connectionsUnfinished: UInt64 = 0
    /// Messages that waited for a connection of ours which never stood.
    public var messagesUnsent: UInt64 = 0
    /// Ended as they may; broken.
    public var connectionsClosed: UInt64 = 0
    public var connectionsReset: UInt64 = 0
    /// The most connections at once.
    public var mostConnections: UInt64 = 0
    public var portsExhausted: UInt64 = 0
    public var descriptorsExhausted: UInt64 = 0
    /// TLS handshakes on either side, those of them that took a session up again, and those that failed.
    public var tlsHandshakes: UInt64 = 0
    public var tlsResumptions: UInt64 = 0
    public var tlsHandshakesFailed: UInt64 = 0
    public var streamWrites: UInt64 = 0
    public var streamWritesShort: UInt64 = 0
    public var streamMessagesReceived: UInt64 = 0
    public var pingsReceived: UInt64 = 0
    public var pongsReceived: UInt64 = 0
    /// The most octets at once in send queues, and of messages that had come in part.
    public var mostQueuedOctets: UInt64 = 0
    public var mostPartOctets: UInt64 = 0

    /// Times the worker slept.
    public var waits: UInt64 = 0
    /// Wall time spent working, from the end of a wait to the start of the next one.
    public var busyNanoseconds: UInt64 = 0
    /// Wall time of the worker's whole life.
    public var elapsedNanoseconds: UInt64 = 0
    /// CPU time of the worker's thread, waking and spinning included.
    public var cpuNanoseconds: UInt64 = 0

    /// Half of the shortest bracket in which both clocks were read, the longest of the run: kernel stamps on the monotonic
    /// clock are right within it.
    public var stampUncertaintyNanoseconds: UInt64 = 0
    /// Times CLOCK_REALTIME was set by more than a millisecond during the run; stamps around a step are not trusted.
    public var clockSteps: UInt64 = 0
    /// What the kernel keeps for received datagrams, in octets of its own accounting (about 1280 a short datagram).
    public var receiveBufferOctets: UInt64 = 0

    public init() {}

    /// Adds another worker's: counts and times add up, the uncertainty and the clock steps are the larger ones.
    public mutating func add(_ other: TransportCounters) {
        datagramsReceived += other.datagramsReceived
        octetsReceived += other.octetsReceived
        receiveBatches += other.receiveBatches
        coalescedBuffers += other.coalescedBuffers
        truncated += other.truncated
        receiveOverflow += other.receiveOverflow
        datagramsSent += other.datagramsSent
        octetsSent += other.octetsSent
        sendCalls += other.sendCalls
        segmentedSends += other.segmentedSends
        shortSends += other.shortSends
        sendsBlocked += other.sendsBlocked
        sendsDropped += other.sendsDropped
        sendsFailed += other.sendsFailed
        refusals += other.refusals
        handedOver += other.handedOver
        handOverOverflow += other.handOverOverflow
        connectionsOpened += other.connectionsOpened
        connectionsAccepted += other.connectionsAccepted
        connectionsRefused += other.connectionsRefused
        connectionsUnfinished += other.connectionsUnfinished
        messagesUnsent += other.messagesUnsent
        connectionsClosed += other.connectionsClosed
        connectionsReset += other.connectionsReset
        mostConnections += other.mostConnections
        portsExhausted += other.portsExhausted
        descriptorsExhausted += other.descriptorsExhausted
        tlsHandshakes += other.tlsHandshakes
        tlsResumptions += other.tlsResumptions
        tlsHandshakesFailed += other.tlsHandshakesFailed
        streamWrites += other.streamWrites
        streamWritesShort += other.streamWritesShort
        streamMessagesReceived += other.streamMessagesReceived
        pingsReceived += other.pingsReceived
        pongsReceived += other.pongsReceived
        mostQueuedOctets += other.mostQueuedOctets
        mostPartOctets += other.mostPartOctets
        waits += other.waits
        busyNanoseconds += other.busyNanoseconds
        elapsedNanoseconds += other.elapsedNanoseconds
        cpuNanoseconds += other.cpuNanoseconds
        stampUncertaintyNanoseconds = max(stampUncertaintyNanoseconds, other.stampUncertaintyNanoseconds)
        clockSteps = max(clockSteps, other.clockSteps)
        receiveBufferOctets += other.receiveBufferOctets
    }
}
