import CallEngine
import Glibc
import Measurement
import SIPWire

/// What a worker asks of its engine. `CallEngine` is the one that is run; tests put smaller ones in its place.
///
/// A worker is generic over it so that the loop is compiled against the concrete engine: no call of this protocol goes
/// through a witness table in a run.
protocol LoadEngine: ~Copyable, SendableMetatype {
    var liveRuns: Int { get }
    /// Runs that have ended, in any way.
    var endedRuns: UInt64 { get }
    var nextDeadline: MonotonicInstant { get }
    /// The outbound log is half full: flush before anything else.
    var wantsFlush: Bool { get }

    /// False where nothing can start it; `lacksRow` says whether a row of a feed was what it lacked.
    mutating func startRun(number: UInt64, due: MonotonicInstant, now: MonotonicInstant) -> Bool
    mutating func receive(
        _ message: UnsafeRawBufferPointer, from source: TransportAddress, received: MonotonicInstant,
        now: MonotonicInstant)
    /// The same of a socket with several local addresses.
    mutating func receive(
        _ message: UnsafeRawBufferPointer, from source: TransportAddress, at local: TransportAddress,
        received: MonotonicInstant, now: MonotonicInstant)
    /// One message of a stream.
    mutating func receive(
        _ message: UnsafeRawBufferPointer, on flow: Flow, received: MonotonicInstant, now: MonotonicInstant)
    mutating func advance(to now: MonotonicInstant)
    mutating func flow(_ flow: Flow, did event: FlowEvent, now: MonotonicInstant)
    /// A datagram is longer than the path takes whole: its call's, and nobody else's.
    mutating func messageWasTooLong(on flow: Flow, owner: UInt32, now: MonotonicInstant)
    mutating func sendFailed(
        to destination: TransportAddress, quoted: UnsafeRawBufferPointer, errno: Int32, now: MonotonicInstant)
    /// Hangs up so many runs.
    ///
    /// - Returns: how many are still to be hung up; those that were and have not ended yet do not count.
    mutating func drain(_ count: Int, now: MonotonicInstant) -> Int
    /// Some of its runs go on until they are told that the load is over, by `endRepeating`, which returns true when all have been.
    var repeatsUntilEnd: Bool { get }
    mutating func endRepeating(_ count: Int, now: MonotonicInstant) -> Bool
    func owner(ofInitialRequest message: UnsafeRawBufferPointer, workers: Int) -> Int?

    /// A message did not leave since the queue of its connection was full or the connection gone.
    mutating func sendDropped(on flow: Flow, owner: UInt32, errno: Int32, now: MonotonicInstant)
    mutating func countStreamFault(_ rule: StreamRule)
    /// What is to be said of an errno that is not the network's; before what it came of is told.
    mutating func explain(_ errno: Int32, _ words: String)
    mutating func recordHandshake(_ nanoseconds: Int64)
    /// Whether the connection that this arrival would take has room for it.
    mutating func mayStart(_ number: UInt64) -> Bool

    mutating func recordNotStarted(due: MonotonicInstant, now: MonotonicInstant)
    mutating func recordBlocked()
    var lacksRow: Bool { get }
    mutating func recordWithoutRow()
    /// So many messages are taken up now, the oldest of which came so long ago.
    mutating func recordReceived(_ messages: Int, latenessNanoseconds: Int64)
    mutating func closeInterval(now: MonotonicInstant)
    mutating func countTransport(_ counters: TransportCounters)

    /// Hands what the outbound log has for streams to their connections. The octets stay in the log until `flush(through:)`.
    mutating func flush(into streams: inout ConnectionTable, now: MonotonicInstant)
    /// What was made since then for streams waits for the next time.
    var hasOutboundStreams: Bool { get }
    /// Opens, pings and forgets connections that are due for it.
    mutating func look(after streams: inout ConnectionTable, now: MonotonicInstant)
    /// Sends the outbound log and empties it when all of it has left.
    mutating func flush(through socket: inout UDPSocket) -> UDPSocket.SendOutcome
    /// Gives up the outbound log.
    mutating func discardOutbound(through socket: inout UDPSocket)
}

/// Of an engine without feeds.
extension LoadEngine where Self: ~Copyable {
    var lacksRow: Bool { false }
    mutating func recordWithoutRow() {}
}

/// Of engines whose runs end by themselves.
extension LoadEngine where Self: ~Copyable {
    var repeatsUntilEnd: Bool { false }
    mutating func endRepeating(_ count: Int, now: MonotonicInstant) -> Bool { true }
}

/// Of engines that have one local address.
extension LoadEngine where Self: ~Copyable {
    mutating func receive(
        _ message: UnsafeRawBufferPointer, from source: TransportAddress, at local: TransportAddress,
        received: MonotonicInstant, now: MonotonicInstant
    ) {
        receive(message, from: source, received: received, now: now)
    }
}

extension LoadEngine where Self: ~Copyable {
    mutating func messageWasTooLong(on flow: Flow, owner: UInt32, now: MonotonicInstant) {
        self.flow(flow, did: .refused(errno: EMSGSIZE), now: now)
    }
}

/// Of engines that speak by datagrams alone.
extension LoadEngine where Self: ~Copyable {
    mutating func receive(
        _ message: UnsafeRawBufferPointer, on flow: Flow, received: MonotonicInstant, now: MonotonicInstant
    ) {}
    mutating func sendDropped(on flow: Flow, owner: UInt32, errno: Int32, now: MonotonicInstant) {}
    mutating func countStreamFault(_ rule: StreamRule) {}
    mutating func explain(_ errno: Int32, _ words: String) {}
    mutating func recordHandshake(_ nanoseconds: Int64) {}
    mutating func mayStart(_ number: UInt64) -> Bool { true }
    mutating func flush(into streams: inout ConnectionTable, now: MonotonicInstant) {}
    var hasOutboundStreams: Bool { false }
    mutating func look(after streams: inout ConnectionTable, now: MonotonicInstant) {}
}

extension CallEngine: FlowAddresses {}

extension CallEngine: LoadEngine {
    public var wantsFlush: Bool { outbound.wantsFlush }

    public mutating func recordReceived(_ messages: Int, latenessNanoseconds: Int64) {
        recorder.record(.receiveLateness, nanoseconds: latenessNanoseconds, count: messages)
    }

    mutating func flush(into streams: inout ConnectionTable, now: MonotonicInstant) {
        guard outbound.hasStreams else { return outbound.markDatagrams() }
        let count = outbound.takeStreams(into: streams.entries)
        streams.send(count, in: outbound.octets, to: self, now: now.nanoseconds)
    }

    mutating func look(after streams: inout ConnectionTable, now: MonotonicInstant) {
        streams.look(now: now.nanoseconds, to: self)
    }

    public mutating func flush(through socket: inout UDPSocket) -> UDPSocket.SendOutcome {
        let outcome = socket.send(outbound, to: self)
        if case .sent = outcome { outbound.removeDatagrams() }
        return outcome
    }

    var hasOutboundStreams: Bool { outbound.hasStreams }

    public mutating func discardOutbound(through socket: inout UDPSocket) {
        socket.discard(outbound)
        outbound.removeDatagrams()
    }
}
