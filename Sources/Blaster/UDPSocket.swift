import CLinuxSockets
import CallEngine
import Glibc
import Measurement
import SIPWire

/// Where a flow leads: what a socket needs to know of an engine to send its log.
public protocol FlowAddresses: ~Copyable {
    func address(of flow: Flow) -> TransportAddress
    /// Where a flow leaves from; asked only of sockets that have several local addresses.
    func localAddress(of flow: Flow) -> TransportAddress
}

extension FlowAddresses where Self: ~Copyable {
    public func localAddress(of flow: Flow) -> TransportAddress { TransportAddress(ipv4: 0, port: 0) }
}

/// One bound, non-blocking UDP socket with everything a worker needs to move batches: prepared receive and send headers,
/// segmentation both ways where the kernel has it, receive stamps and the error queue.
///
/// Where nearly everything comes from one peer, a second socket at the same address can be connected to it (`favour`): the
/// kernel then looks up no route for each datagram, a seventh of what a call costs. Nothing else changes: what others send
/// comes by the first.
///
/// Used by one thread at a time. Nothing is allocated after `init`.
public struct UDPSocket: ~Copyable {
    public struct Options: Sendable {
        /// Octets asked for received datagrams: what comes while this machine does something else. The kernel keeps twice as many
        /// and charges about 1280 for a datagram, so this is a quarter of a second of 210,000 a second, the pace of a core. Not
        /// more: what waits for half a second (T1) is repeated by its sender, and an overloaded worker would read repeats.
        public var receiveBuffer = 32 << 20
        public var sendBuffer = 4 << 20
        /// UDP_SEGMENT and UDP_GRO where the kernel has them. Off, every datagram is a send of its own, in order.
        public var segmentation = true
        /// The most messages that leave in one `send`, so that a peer's buffer is not overrun by one round of ours.
        public var burst = 512
        /// The socket is bound to no address: each message says which of the machine's it leaves from, and which one it came to.
        public var namesSources = false
        /// The octet of IPv4's Type of Service or IPv6's Traffic Class; 0: as the system has it.
        public var trafficClass: UInt8 = 0
        public var pathMTU = PathMTU.system

        public init() {}
    }

    /// What becomes of datagrams that are longer than the path takes whole.
    public enum PathMTU: Sendable, Equatable {
        /// As the system is set up: usually they leave in fragments, and others must not be cut on their way.
        case system
        /// They are refused (EMSGSIZE), and none is cut on its way.
        case discover
        /// Any datagram may be cut anywhere.
        case ignore
    }

    /// One received message; its octets are valid until the next `receiveBatch`.
    public struct Message {
        public var octets: UnsafeRawBufferPointer
        public var source: TransportAddress
        /// CLOCK_REALTIME when the kernel took it in; 0 when unknown. Segments of one buffer share its stamp.
        public var stamp: Int64
        /// The local address it was sent to, without a port; unspecified unless the socket names its sources.
        public var local = TransportAddress(ipv4: 0, port: 0)
    }

    /// A flow whose message did not leave.
    public struct Failure {
        public var flow: Flow
        /// Call slot that the message was of.
        public var owner: UInt32
        public var event: FlowEvent
    }

    public enum SendOutcome {
        /// Everything has left; the caller empties the log.
        case sent
        /// The burst is spent; the rest leaves by the next `send`.
        case burstSpent
        /// The send buffer is full; the rest is tried again by the next `send`.
        case blocked
    }

    /// Buffers of one receive call.
    static let batch = 64
    /// Failures kept between two `takeFailure`s; more are counted only.
    static let mostFailures = 64

    public let localAddress: TransportAddress
    public internal(set) var counters = TransportCounters()
    /// An ICMP error was met by a send or receive: the error queue has something.
    public internal(set) var hasErrors = false

    let descriptor: Int32
    let receiver: OpaquePointer
    let sender: OpaquePointer
    let burst: Int
    let namesSources: Bool

    /// The socket that is connected to `favoured`; -1 while there is none.
    var favouredDescriptor: Int32 = -1
    private var favouredReceiver: OpaquePointer?
    /// The peer with a socket of its own.
    public private(set) var favoured: TransportAddress?
    /// What others sent while it was bound and not yet connected has been taken.
    private var favouredIsClean = false
    private let options: Options

    // Receiving: where in the batch the next message is. A batch is what the first socket
    // had, then what the favoured peer's had: this way round, what came before there were two stays in order.
    private var datagrams: UnsafePointer<clx_datagram>?
    private var received = 0
    private var receivedOfFavoured = 0
    private var current = 0
    private var offset: UInt32 = 0

    // Sending: see UDPSocket+Send.swift.
    var grouping = SegmentGrouping()
    let order: UnsafeMutablePointer<UInt32>
    let headerMessages: UnsafeMutablePointer<UInt16>
    let failures: UnsafeMutablePointer<Failure>
    var failureCount = 0
    /// Segmented sends are used for messages up to this length; 0 switches them off.
    var largestSegment: Int
    /// Each message is a datagram of its own for now: where the kernel passes a segmented send on whole, as it does on
    /// loopback, a port where nobody listens answers all of its messages by one ICMP error, which tells one call.
    var sendsAlone = false
    /// Entries of the log before this one have been arranged into windows.
    var arranged = 0
    var windowCount = 0
    /// Messages of the window that have left or failed.
    var windowSent = 0
    var headerCount = 0
    var headersSent = 0
    /// The prepared headers leave by the favoured peer's socket.
    var isToFavoured = false
    var attempts = 0

    /// Opens and binds.
    /// - Parameter local: port 0 lets the kernel choose; `localAddress` tells what it chose.
    public init(binding local: TransportAddress, options: Options = Options()) throws(SocketError) {
        var name = clx_address(local)
        let descriptor = clx_udp_open(&name)
        guard descriptor >= 0 else { throw SocketError(operation: .open, address: local, errno: -descriptor) }
        var receiveBuffer: Int32 = 0
        var sendBuffer: Int32 = 0
        var failed = Self.mark(descriptor, options)
        guard failed == 0 else {
            clx_close(descriptor)
            throw SocketError(operation: .marks, address: local, errno: -failed)
        }
        failed = clx_udp_set_buffers(
            descriptor, Int32(clamping: options.receiveBuffer), Int32(clamping: options.sendBuffer), &receiveBuffer,
            &sendBuffer)
        guard failed == 0 else {
            clx_close(descriptor)
            throw SocketError(operation: .buffers, address: local, errno: -failed)
        }
        failed = clx_local_address(descriptor, &name)
        guard failed == 0 else {
            clx_close(descriptor)
            throw SocketError(operation: .localAddress, address: local, errno: -failed)
        }
        guard let receiver = clx_receiver_create(descriptor, UInt32(Self.batch)) else {
            clx_close(descriptor)
            throw SocketError(operation: .memory, address: local, errno: ENOMEM)
        }
        let window = UInt32(SegmentGrouping.window)
        guard let sender = clx_sender_create(window, window) else {
            clx_receiver_destroy(receiver)
            clx_close(descriptor)
            throw SocketError(operation: .memory, address: local, errno: ENOMEM)
        }
        self.options = options
        self.descriptor = descriptor
        self.receiver = receiver
        self.sender = sender
        localAddress = TransportAddress(name)
        burst = max(1, options.burst)
        namesSources = options.namesSources
        if namesSources {
            failed = clx_udp_tell_local(descriptor)
            // Only half of this object exists: it is left to nobody.
            precondition(failed == 0, "no IP_PKTINFO: \(String(cString: strerror(-failed)))")
        }
        largestSegment = 0
        if options.segmentation {
            if clx_udp_can_segment(descriptor) != 0 { largestSegment = Int(UInt16.max) }
            _ = clx_udp_set_gro(descriptor, 1)
        }
        order = .allocate(capacity: SegmentGrouping.window)
        headerMessages = .allocate(capacity: SegmentGrouping.window)
        failures = .allocate(capacity: Self.mostFailures)
        counters.receiveBufferOctets = UInt64(receiveBuffer)
    }

    /// Sets what datagrams carry besides their octets.
    private static func mark(_ descriptor: Int32, _ options: Options) -> Int32 {
        var failed: Int32 = 0
        if options.trafficClass != 0 { failed = clx_set_traffic_class(descriptor, options.trafficClass) }
        if failed == 0, options.pathMTU != .system {
            failed = clx_udp_set_path_mtu(
                descriptor, Int32(options.pathMTU == .discover ? CLX_PATH_MTU_DISCOVER : CLX_PATH_MTU_IGNORE))
        }
        return failed
    }

    /// In place of a socket, for a worker that speaks over streams alone: nothing is open, nothing comes, and nothing may be
    /// sent.
    init(absentAt local: TransportAddress) {
        options = Options()
        descriptor = -1
        // It has no descriptor, and what is sent through it is refused; its room is that of any other.
        let window = SegmentGrouping.window
        guard let receiver = clx_receiver_create(-1, 1),
            let sender = clx_sender_create(UInt32(window), UInt32(window))
        else {
            preconditionFailure("no memory for the headers of one datagram")
        }
        self.receiver = receiver
        self.sender = sender
        localAddress = local
        burst = 1
        namesSources = false
        largestSegment = 0
        order = .allocate(capacity: window)
        headerMessages = .allocate(capacity: window)
        failures = .allocate(capacity: Self.mostFailures)
    }

    deinit {
        clx_receiver_destroy(receiver)
        if let favouredReceiver { clx_receiver_destroy(favouredReceiver) }
        if favouredDescriptor >= 0 { clx_close(favouredDescriptor) }
        clx_sender_destroy(sender)
        if descriptor >= 0 { clx_close(descriptor) }
        order.deallocate()
        headerMessages.deallocate()
        failures.deallocate()
    }

    /// Segmented sends are in use.
    public var segments: Bool { largestSegment > 0 }

    /// Gives a peer a socket of its own. Once in a socket's life; where the system refuses, all stays as it is.
    mutating func favour(_ peer: TransportAddress) {
        // A connected socket has one address of its own.
        guard favoured == nil, !namesSources else { return }
        var name = clx_address(peer)
        let beside = clx_udp_open_beside(descriptor, &name)
        guard beside >= 0 else { return }
        var effective: (receive: Int32, send: Int32) = (0, 0)
        guard
            clx_udp_set_buffers(
                beside, Int32(clamping: options.receiveBuffer), Int32(clamping: options.sendBuffer), &effective.receive,
                &effective.send) == 0, Self.mark(beside, options) == 0,
            let receiver = clx_receiver_create(beside, UInt32(Self.batch))
        else {
            clx_close(beside)
            return
        }
        if options.segmentation { _ = clx_udp_set_gro(beside, 1) }
        favouredDescriptor = beside
        favouredReceiver = receiver
        favoured = peer
    }

    // MARK: Receiving

    /// Takes up to 64 buffers, of a socket with a favoured peer up to 64 from it and 64 from others, without waiting; their
    /// messages come from `nextMessage`.
    /// - Returns: the number of buffers, 0 when there is nothing.
    public mutating func receiveBatch() -> Int {
        current = 0
        offset = 0
        datagrams = clx_receiver_datagrams(receiver)
        received = take(from: receiver)
        var drops = UInt64(clx_receiver_drops(receiver))
        if let favouredReceiver {
            receivedOfFavoured = take(from: favouredReceiver)
            drops &+= UInt64(clx_receiver_drops(favouredReceiver))
            if receivedOfFavoured == 0, !favouredIsClean, var name = favoured.map({ clx_address($0) }) {
                favouredIsClean = true
                clx_receiver_set_source(favouredReceiver, &name)
            }
        }
        let count = received &+ receivedOfFavoured
        guard count > 0 else { return 0 }
        counters.receiveBatches &+= 1
        counters.receiveOverflow = max(counters.receiveOverflow, drops)
        return count
    }

    private mutating func take(from receiver: OpaquePointer) -> Int {
        let count = clx_receiver_receive(receiver)
        // A pending ICMP error is told once by the next call on the socket.
        if count < 0 { hasErrors = true }
        return max(0, Int(count))
    }

    private mutating func turnToFavoured() {
        datagrams = clx_receiver_datagrams(favouredReceiver)
        current = 0
        received = receivedOfFavoured
        receivedOfFavoured = 0
    }

    /// When the kernel took in the oldest message of a batch none of which has been taken yet; 0 when unknown.
    var oldestStamp: Int64 {
        let first = received > 0 ? datagrams!.pointee.stamp : 0
        guard receivedOfFavoured > 0 else { return first }
        let favoured = clx_receiver_datagrams(favouredReceiver).pointee.stamp
        return first == 0 || favoured != 0 && favoured < first ? favoured : first
    }

    /// The next message of the batch; nil ends it.
    @inline(__always)
    public mutating func nextMessage() -> Message? {
        while true {
            if current >= received {
                guard receivedOfFavoured > 0 else { return nil }
                turnToFavoured()
            }
            let datagram = datagrams! + current
            let length = datagram.pointee.length
            let segment = datagram.pointee.segment
            if datagram.pointee.truncated != 0 {
                counters.truncated &+= 1
                current &+= 1
                continue
            }
            let start = offset
            var end = length
            if segment != 0 {
                end = min(start &+ segment, length)
                if start == 0 { counters.coalescedBuffers &+= 1 }
            }
            if end == length {
                current &+= 1
                offset = 0
            } else {
                offset = end
            }
            counters.datagramsReceived &+= 1
            counters.octetsReceived &+= UInt64(end &- start)
            var message = Message(
                octets: UnsafeRawBufferPointer(start: datagram.pointee.octets + Int(start), count: Int(end &- start)),
                source: TransportAddress(datagram.pointee.source), stamp: datagram.pointee.stamp)
            if namesSources { message.local = TransportAddress(datagram.pointee.local) }
            return message
        }
    }

    /// Waits until something has come, here or on a stream of the watch (-1: none), the event (-1: none) is signalled, or so many
    /// nanoseconds have passed.
    /// - Returns: a mask of CLX_READY_*.
    func wait(watch: Int32, event: Int32, atMost nanoseconds: Int64) -> Int32 {
        clx_wait(descriptor, favouredDescriptor, watch, event, nanoseconds)
    }

    // MARK: Errors

    /// The next entry of the error queue, or false when it is empty.
    public mutating func readError(into error: inout clx_error) -> Bool {
        guard
            favouredDescriptor >= 0 && clx_udp_read_error(favouredDescriptor, &error) == 1
                || clx_udp_read_error(descriptor, &error) == 1
        else {
            hasErrors = false
            return false
        }
        // Origin 1 is local: the failed send told so itself.
        if error.origin > 1 { counters.refusals &+= 1 }
        return true
    }

    /// A flow whose message did not leave, since the last call.
    public mutating func takeFailure() -> Failure? {
        guard failureCount > 0 else { return nil }
        failureCount &-= 1
        return failures[failureCount]
    }

    /// Reads the kernel's own drop counter, which knows also of drops after the last received datagram.
    public mutating func readOverflow() {
        var drops: UInt32 = 0
        var sum: UInt64 = 0
        if clx_udp_drops(descriptor, &drops) == 0 { sum = UInt64(drops) }
        if favouredDescriptor >= 0, clx_udp_drops(favouredDescriptor, &drops) == 0 { sum &+= UInt64(drops) }
        counters.receiveOverflow = max(counters.receiveOverflow, sum)
    }
}

extension TransportAddress {
    @inline(__always)
    package init(_ address: clx_address) {
        self.init(ipv6High: address.high, ipv6Low: address.low, port: address.port)
        isIPv6 = address.is_ipv6 != 0
    }
}

extension clx_address {
    @inline(__always)
    package init(_ address: TransportAddress) {
        self.init()
        high = address.high
        low = address.low
        port = address.port
        is_ipv6 = address.isIPv6 ? 1 : 0
    }
}
