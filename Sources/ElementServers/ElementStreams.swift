import CLinuxSockets
import Glibc
import SIPWire

/// The connections of an element: those that peers open, and those that it opens itself.
struct ElementStreams: ~Copyable {
    /// Octets that wait for a peer to read, of one connection.
    private static let mostWaiting = 1 << 20
    private static let mostConnections = 4096
    /// Without an acknowledgement, in milliseconds: as long as a transaction lasts (RFC 3261 §17.1.1.2, Timer B).
    private static let patience: UInt32 = 32_000

    private final class Connection {
        let descriptor: Int32
        let remote: TransportAddress
        var framer = StreamFramer()
        var waiting: [UInt8] = []
        var isOpen: Bool
        /// Branches whose requests are not written yet.
        var branches: [String] = []
        var interest = UInt32(CLX_READABLE)

        init(_ descriptor: Int32, _ remote: TransportAddress, isOpen: Bool) {
            self.descriptor = descriptor
            self.remote = remote
            self.isOpen = isOpen
        }
    }

    private let listener: Int32
    private let watch: Int32
    private let local: TransportAddress
    private var pool: StreamBufferPool
    private let room: UnsafeMutableRawBufferPointer
    private var connections: [UInt32: Connection] = [:]
    /// The newest to an address.
    private var byAddress: [TransportAddress: UInt32] = [:]
    private var last: UInt32 = 0
    private(set) var unsent = 0
    private(set) var broken = 0
    private(set) var full = 0
    private(set) var refused = 0

    init(listener: Int32, watch: Int32, local: TransportAddress) throws(StreamBufferPool.Unavailable) {
        self.listener = listener
        self.watch = watch
        self.local = local
        pool = try StreamBufferPool(reserve: Self.mostConnections * StreamBufferPool.smallestBlock)
        room = .allocate(byteCount: 65_536, alignment: 64)
        _ = clx_watch_add(watch, listener, 0, UInt32(CLX_READABLE), 0)
    }

    /// Before the end: it has no more use after this.
    mutating func closeAll() {
        for number in Array(connections.keys) { _ = close(number) }
        clx_close(listener)
        room.deallocate()
    }

    /// - Returns: the branches of what is lost.
    @discardableResult
    private mutating func close(_ number: UInt32) -> [String] {
        guard let connection = connections.removeValue(forKey: number) else { return [] }
        if byAddress[connection.remote] == number { byAddress[connection.remote] = nil }
        connection.framer.close(&pool)
        clx_watch_remove(watch, connection.descriptor)
        clx_close(connection.descriptor)
        if !connection.waiting.isEmpty { unsent += 1 }
        return connection.branches
    }

    private mutating func add(_ connection: Connection, interest: Int) -> UInt32? {
        last &+= 1
        if last == 0 { last = 1 }
        connection.interest = UInt32(interest)
        guard clx_watch_add(watch, connection.descriptor, last, connection.interest, 0) == 0 else {
            clx_close(connection.descriptor)
            return nil
        }
        connections[last] = connection
        byAddress[connection.remote] = last
        return last
    }

    // MARK: Sending

    /// Sends by the message's connection, else by one to its address, which is opened where there is none (RFC 3261 §18.1.1,
    /// §18.2.2).
    ///
    /// - Returns: the branches that cannot be served.
    mutating func send(_ message: Outgoing) -> [String] {
        let lost = message.branch.map { [$0] } ?? []
        guard let number = connection(for: message.hop), let connection = connections[number] else {
            unsent += 1
            return lost
        }
        guard connection.waiting.count + message.octets.count <= Self.mostWaiting else {
            full += 1
            return lost
        }
        connection.waiting += message.octets
        if let branch = message.branch { connection.branches.append(branch) }
        return connection.isOpen ? write(number) : []
    }

    private mutating func connection(for hop: Hop) -> UInt32? {
        if hop.connection != 0, connections[hop.connection] != nil { return hop.connection }
        if let known = byAddress[hop.address] { return known }
        guard connections.count < Self.mostConnections else {
            refused += 1
            return nil
        }
        var from = clx_address(local), to = clx_address(hop.address)
        let descriptor = clx_stream_connect(&from, &to, Self.patience, 0)
        guard descriptor >= 0 else { return nil }
        return add(Connection(descriptor, hop.address, isOpen: false), interest: CLX_WRITABLE)
    }

    private mutating func write(_ number: UInt32) -> [String] {
        guard let connection = connections[number] else { return [] }
        var done = 0
        while done < connection.waiting.count {
            let written = connection.waiting.withUnsafeBytes { octets in
                var piece = clx_piece(octets: octets.baseAddress! + done, length: octets.count - done)
                return clx_stream_write(connection.descriptor, &piece, 1)
            }
            guard written > 0 else {
                if written == -Int64(EAGAIN) { break }
                return close(number)
            }
            done += Int(written)
        }
        connection.waiting.removeFirst(done)
        if connection.waiting.isEmpty { connection.branches = [] }
        setInterest(number, connection)
        return []
    }

    private func setInterest(_ number: UInt32, _ connection: Connection) {
        let wanted = UInt32(connection.waiting.isEmpty ? CLX_READABLE : CLX_READABLE | CLX_WRITABLE)
        guard wanted != connection.interest else { return }
        connection.interest = wanted
        _ = clx_watch_change(watch, connection.descriptor, number, wanted)
    }

    // MARK: Receiving

    /// What is there now.
    ///
    /// - Parameters:
    ///   - deliver: takes each message.
    ///   - failed: takes the branches whose requests are lost.
    mutating func receive(
        _ deliver: (UnsafeRawBufferPointer, Hop) -> Void, failed: ([String]) -> Void
    ) {
        let most = 256
        let found = [clx_readiness](unsafeUninitializedCapacity: most) { room, count in
            count = Int(clx_watch_look(watch, room.baseAddress, UInt32(most)))
        }
        for one in found {
            if one.mark == 0 {
                accept()
                continue
            }
            guard let connection = connections[one.mark] else { continue }
            if !connection.isOpen {
                guard clx_stream_outcome(connection.descriptor) == 0 else {
                    failed(close(one.mark))
                    continue
                }
                connection.isOpen = true
            }
            if one.ready & UInt32(CLX_WRITABLE) != 0 { failed(write(one.mark)) }
            if one.ready & UInt32(CLX_READABLE | CLX_BROKEN) != 0 { read(one.mark, deliver, failed) }
        }
    }

    private mutating func accept() {
        for _ in 0..<64 {
            var peer = clx_address()
            let descriptor = clx_stream_accept(listener, &peer)
            guard descriptor >= 0 else { return }
            guard connections.count < Self.mostConnections else {
                refused += 1
                clx_close(descriptor)
                continue
            }
            clx_stream_limit(descriptor, Self.patience)
            _ = add(Connection(descriptor, TransportAddress(peer), isOpen: true), interest: CLX_READABLE)
        }
    }

    private mutating func read(
        _ number: UInt32, _ deliver: (UnsafeRawBufferPointer, Hop) -> Void, _ failed: ([String]) -> Void
    ) {
        guard let connection = connections[number] else { return }
        let count = clx_stream_read(connection.descriptor, room.baseAddress, room.count)
        guard count > 0 else {
            if count != -Int64(EAGAIN) { failed(close(number)) }
            return
        }
        let hop = Hop(address: connection.remote, isStream: true, connection: number)
        var input = StreamInput(UnsafeRawBufferPointer(rebasing: room[..<Int(count)]))
        while let event = connection.framer.next(&input, &pool) {
            switch event {
            case .message(let octets): deliver(octets, hop)
            case .ping:
                // RFC 5626 §4.4.1.
                failed(send(Outgoing(octets: [13, 10], hop: hop, branch: nil)))
                guard connections[number] != nil else { return }
            case .pong: break
            case .fault(let fault):
                guard !fault.goesOn else { continue }
                broken += 1
                return failed(close(number))
            }
        }
    }
}
