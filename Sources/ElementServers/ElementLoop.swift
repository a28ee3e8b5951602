import CLinuxSockets
import Glibc
import SIPTransactions
import SIPWire

/// An element at its sockets: one thread, datagrams and streams at one port (RFC 3261 §18.2.1).
public final class ElementLoop {
    /// What could not be made ready.
    public struct Failure: Error, CustomStringConvertible {
        public var description: String
    }

    /// Datagrams that are sent by one system call.
    private static let batch = 64
    private static let second: Int64 = 1_000_000_000

    public let element: SIPElement
    /// Where it listens, with the port that it got.
    public let address: TransportAddress
    public private(set) var counts: ElementCounts
    private let datagrams: Int32
    private let watch: Int32
    private let receiver: OpaquePointer
    private let sender: OpaquePointer
    private let room: UnsafeMutableRawBufferPointer
    private var streams: ElementStreams
    private let start: Int64
    private var lastMessage: Int64?
    private var unsent = 0
    private var truncated = 0

    /// Binds its sockets.
    ///
    /// - Parameter make: the element, from the address with the port that it got.
    public init(listen: TransportAddress, _ make: (TransportAddress) -> SIPElement) throws(Failure) {
        let (datagrams, listener, address) = try Self.bind(listen)
        self.datagrams = datagrams
        self.address = address
        // Room for what comes while the loop is busy; what the machine allows is good enough.
        var kept: (Int32, Int32) = (0, 0)
        _ = clx_udp_set_buffers(datagrams, 8 << 20, 8 << 20, &kept.0, &kept.1)
        watch = clx_watch_create()
        guard watch >= 0 else { throw Failure(description: "epoll: \(Self.reason(watch))") }
        guard let receiver = clx_receiver_create(datagrams, UInt32(Self.batch)),
            let sender = clx_sender_create(UInt32(Self.batch), UInt32(Self.batch))
        else { throw Failure(description: "no memory for the batches of UDP \(address.text)") }
        self.receiver = receiver
        self.sender = sender
        room = .allocate(byteCount: Self.batch * 65_536, alignment: 64)
        do {
            streams = try ElementStreams(listener: listener, watch: watch, local: address)
        } catch {
            throw Failure(description: "no address space for messages that come in parts: \(Self.reason(error.errno))")
        }
        _ = clx_raise_descriptor_limit()
        start = clx_monotonic()
        element = make(address)
        counts = ElementCounts()
    }

    deinit {
        streams.closeAll()
        clx_receiver_destroy(receiver)
        clx_sender_destroy(sender)
        room.deallocate()
        clx_close(watch)
        clx_close(datagrams)
    }

    private static func reason(_ number: Int32) -> String { String(cString: strerror(abs(number))) }

    /// Of any port, one that both have.
    private static func bind(_ listen: TransportAddress) throws(Failure) -> (Int32, Int32, TransportAddress) {
        var attempts = 0
        while true {
            attempts += 1
            var wanted = clx_address(listen)
            let datagrams = clx_udp_open(&wanted)
            guard datagrams >= 0 else {
                throw Failure(description: "cannot bind UDP \(listen.text): \(reason(datagrams))")
            }
            var name = clx_address()
            _ = clx_local_address(datagrams, &name)
            let address = TransportAddress(name)
            let listener = clx_stream_listen(&name)
            if listener >= 0 { return (datagrams, listener, address) }
            clx_close(datagrams)
            guard listen.port == 0, attempts < 100 else {
                throw Failure(description: "cannot bind TCP \(address.text): \(reason(listener))")
            }
        }
    }

    private var now: Tick { Tick(truncatingIfNeeded: (clx_monotonic() - start) / 1_000_000) }

    /// Until `isEnded` says so, or nothing has come for `idle` nanoseconds after the first message. A signal makes it look at once.
    public func run(idle: Int64? = nil, until isEnded: () -> Bool) {
        while !isEnded() {
            let next = element.advance(to: now)
            flush()
            if let idle, let lastMessage, clx_monotonic() - lastMessage >= idle { break }
            let wait = next == .never ? Self.second : min(Self.second, max(0, Int64(next) - Int64(now)) * 1_000_000)
            let ready = clx_wait(datagrams, -1, watch, -1, min(wait, idle.map { max($0 / 4, 1_000_000) } ?? wait))
            if ready & Int32(CLX_READY_ERROR) != 0 { readErrors() }
            if ready & Int32(CLX_READY_SOCKET) != 0 {
                receive()
                receiveStreams()
            }
            flush()
        }
        collectCounts()
    }

    /// Bindings that hold.
    public func bindingCount() -> (records: Int, bindings: Int) { element.bindingCount(now: now) }

    private func collectCounts() {
        counts = element.counts
        counts.drops[.unsent, default: 0] += unsent + streams.unsent
        counts.drops[.truncated, default: 0] += truncated
        counts.drops[.brokenStream, default: 0] += streams.broken
        counts.drops[.fullConnection, default: 0] += streams.full
        counts.drops[.tooManyConnections, default: 0] += streams.refused
        counts.drops = counts.drops.filter { $0.value > 0 }
    }

    // MARK: Datagrams

    private func receive() {
        // Timers come between the batches, however much there is to receive.
        let count = clx_receiver_receive(receiver)
        guard count > 0, let found = clx_receiver_datagrams(receiver) else { return }
        let now = now
        lastMessage = clx_monotonic()
        for number in 0..<Int(count) {
            let datagram = found[number]
            guard datagram.truncated == 0 else {
                truncated += 1
                continue
            }
            let octets = UnsafeRawBufferPointer(start: datagram.octets, count: Int(datagram.length))
            element.receive(octets, from: Hop(address: TransportAddress(datagram.source)), now: now)
        }
    }

    /// Nobody listens where a request went: its branch need not wait for it (RFC 3261 §16.9).
    private func readErrors() {
        var error = clx_error()
        var most = Self.batch
        while most > 0, clx_udp_read_error(datagrams, &error) == 1 {
            most -= 1
            withUnsafeBytes(of: &error.octets) { octets in
                let length = min(Int(error.length), octets.count)
                element.refused(datagram: UnsafeRawBufferPointer(rebasing: octets[..<length]), now: now)
            }
        }
    }

    // MARK: Sending

    /// Sends what the element has put out, datagrams in batches. What fails may make it put out more.
    private func flush() {
        while !element.outbox.isEmpty {
            let messages = element.outbox
            element.outbox = []
            var pending: [Outgoing] = []
            for message in messages {
                if message.hop.isStream {
                    for failed in streams.send(message) { element.failed(branch: failed, now: now) }
                } else {
                    pending.append(message)
                    if pending.count == Self.batch { sendDatagrams(&pending) }
                }
            }
            sendDatagrams(&pending)
        }
    }

    private func sendDatagrams(_ pending: inout [Outgoing]) {
        guard !pending.isEmpty else { return }
        clx_sender_clear(sender)
        var used = 0
        var messages: [Outgoing] = []
        for message in pending {
            guard message.octets.count <= 65_507 else {
                fail(message)
                continue
            }
            let piece = UnsafeMutableRawBufferPointer(rebasing: room[used..<(used + message.octets.count)])
            piece.copyBytes(from: message.octets)
            var destination = clx_address(message.hop.address)
            clx_sender_open(sender, &destination, nil, 0)
            clx_sender_add(sender, piece.baseAddress, piece.count)
            used += piece.count
            messages.append(message)
        }
        pending.removeAll(keepingCapacity: true)
        var first = 0
        var attempts = 0
        while first < messages.count {
            let sent = clx_sender_transmit(sender, datagrams, UInt32(first))
            if sent > 0 {
                first += Int(sent)
                attempts = 0
                continue
            }
            attempts += 1
            // The kernel tells an ICMP error by failing the next call, and room in the socket comes soon.
            if attempts < 8, sent != -EMSGSIZE, sent != -EINVAL, sent != -EACCES, sent != -EPERM {
                if sent == -EAGAIN || sent == -ENOBUFS { clx_sleep_until(clx_monotonic() + 200_000) }
                continue
            }
            fail(messages[first])
            first += 1
            attempts = 0
        }
    }

    private func fail(_ message: Outgoing) {
        unsent += 1
        if let branch = message.branch { element.failed(branch: branch, now: now) }
    }

    // MARK: Streams

    private func receiveStreams() {
        streams.receive { octets, hop in
            lastMessage = clx_monotonic()
            element.receive(octets, from: hop, now: now)
        } failed: { branches in
            for branch in branches { element.failed(branch: branch, now: now) }
        }
    }
}

extension clx_address {
    init(_ address: TransportAddress) {
        self.init()
        high = address.high
        low = address.low
        port = address.port
        is_ipv6 = address.isIPv6 ? 1 : 0
    }
}

extension TransportAddress {
    init(_ address: clx_address) {
        if address.is_ipv6 != 0 {
            self.init(ipv6High: address.high, ipv6Low: address.low, port: address.port)
        } else {
            self.init(ipv4: UInt32(truncatingIfNeeded: address.low), port: address.port)
        }
    }
}
