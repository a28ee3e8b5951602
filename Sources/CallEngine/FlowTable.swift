import Glibc
import SIPWire

/// Remote addresses that this worker talks to, each with a number, and where its streams lead: what the engine sends on.
///
/// Grows with the number of different peers, never with calls. One thread.
struct FlowTable: ~Copyable {
    private var addresses: [TransportAddress] = []
    private var index: [TransportAddress: UInt32] = [:]
    private var lastAddress = TransportAddress(ipv4: 0, port: 0)
    private var lastFlow: UInt32 = .max
    /// A table of more peers than this is a sign of spoofed sources; beyond it those of its upper half are forgotten in turn.
    private static let most = 1 << 20
    /// Peers that others took the place of.
    private(set) var forgotten: UInt64 = 0
    private var nextForgotten = 0
    /// Peers lately spoken with, each at the place that its address gives it: with several targets nothing is looked up.
    private let recent: UnsafeMutablePointer<Recent>
    private static let recentCount = 256

    private struct Recent {
        var address = TransportAddress(ipv4: 0, port: 0)
        /// `.max`: nobody.
        var number = UInt32.max
    }

    private let most: Int
    /// What of a flow's number is that of the remote address.
    private let remoteMask: UInt32

    // Streams: lanes by number, and what peers have opened by its place in the transport's table.
    private var lanes: [TransportAddress] = []
    private var laneLocals: [UInt32] = []
    private var laneOfAddress: [TransportAddress: UInt32] = [:]
    private var secureLaneOfAddress: [TransportAddress: UInt32] = [:]
    /// Lanes beside the first to an address that speak from another one of ours.
    private var laneOfKey: [LaneKey: UInt32] = [:]

    private struct LaneKey: Hashable {
        var remote: TransportAddress
        var local: UInt32
        var tls: Bool
    }

    private let accepted: UnsafeMutablePointer<Accepted>?
    /// Where the connections of single calls lead.
    private let target: TransportAddress

    /// A connection that a peer has opened.
    private struct Accepted {
        var peer: TransportAddress
        var generation: UInt16
        var isOpen: Bool
        /// Why it is not open any more; 0: the peer has closed it.
        var errno: Int32
        /// Number of the local address it was opened to.
        var local: UInt32
    }

    private static var acceptedOctets: Int { Flow.mostConnections * MemoryLayout<Accepted>.stride }

    /// - Parameter hasLocals: a flow's number has that of a local address beside it.
    init(target: TransportAddress, streams: Bool, hasLocals: Bool) {
        self.target = target
        most = hasLocals ? Flow.mostRemote : Self.most
        remoteMask = hasLocals ? UInt32(Flow.mostRemote - 1) : .max
        recent = .allocate(capacity: Self.recentCount)
        recent.initialize(repeating: Recent(), count: Self.recentCount)
        guard streams else {
            accepted = nil
            return
        }
        let region = mmap(
            nil, Self.acceptedOctets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        precondition(region != MAP_FAILED, "no address space for the table of accepted connections")
        // Fresh pages are zero: nothing is open.
        accepted = region!.bindMemory(to: Accepted.self, capacity: Flow.mostConnections)
    }

    deinit {
        recent.deallocate()
        if let accepted { munmap(accepted, Self.acceptedOctets) }
    }

    @inline(__always)
    mutating func flow(to address: TransportAddress) -> Flow {
        if lastFlow != .max, address == lastAddress { return Flow(index: lastFlow) }
        return find(address)
    }

    @inline(never)
    private mutating func find(_ address: TransportAddress) -> Flow {
        let place = recent + Self.place(of: address)
        if place.pointee.number == .max || place.pointee.address != address {
            place.pointee = Recent(address: address, number: index[address] ?? add(address))
        }
        lastAddress = address
        lastFlow = place.pointee.number
        return Flow(index: lastFlow)
    }

    private mutating func add(_ address: TransportAddress) -> UInt32 {
        guard addresses.count < most else { return replace(address) }
        let number = UInt32(addresses.count)
        addresses.append(address)
        index[address] = number
        return number
    }

    /// The table is full: one of its later peers is forgotten. What is still sent to that one goes astray.
    private mutating func replace(_ address: TransportAddress) -> UInt32 {
        let number = most / 2 + nextForgotten
        nextForgotten = (nextForgotten + 1) % (most - most / 2)
        let old = addresses[number]
        index[old] = nil
        let place = recent + Self.place(of: old)
        if place.pointee.number == UInt32(number) { place.pointee = Recent() }
        addresses[number] = address
        index[address] = UInt32(number)
        forgotten += 1
        return UInt32(number)
    }

    @inline(__always)
    private static func place(of address: TransportAddress) -> Int {
        let mixed = (address.low ^ address.high ^ UInt64(address.port) &<< 40) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed &>> 56)
    }

    @inline(__always)
    func address(_ flow: Flow) -> TransportAddress {
        flow.isStream ? streamAddress(flow) : addresses[Int(flow.index & remoteMask)]
    }

    // MARK: Streams

    /// So many lanes in a row to one address.
    /// - Returns: the first.
    mutating func addLanes(to address: TransportAddress, _ count: Int, tls: Bool, from local: UInt32 = 0) -> Flow {
        let first = UInt32(lanes.count)
        lanes += [TransportAddress](repeating: address, count: count)
        laneLocals += [UInt32](repeating: local, count: count)
        if tls {
            if secureLaneOfAddress[address] == nil { secureLaneOfAddress[address] = first }
        } else if laneOfAddress[address] == nil {
            laneOfAddress[address] = first
        }
        return Flow.lane(first).over(tls: tls)
    }

    /// The lane to an address: the first, where there are several.
    ///
    /// - Parameter local: number of the local address that a new one speaks from.
    mutating func lane(to address: TransportAddress, tls: Bool, from local: UInt32) -> Flow {
        if let known = tls ? secureLaneOfAddress[address] : laneOfAddress[address] {
            if laneLocals[Int(known)] == local { return Flow.lane(known).over(tls: tls) }
            // Where calls have an address each, a connection is one address's.
            let key = LaneKey(remote: address, local: local, tls: tls)
            if let own = laneOfKey[key] { return Flow.lane(own).over(tls: tls) }
            guard lanes.count < Self.most else { return Flow.lane(known).over(tls: tls) }
            let made = addLanes(to: address, 1, tls: tls, from: local)
            laneOfKey[key] = UInt32(made.lane)
            return made
        }
        guard lanes.count < Self.most else {
            lanes[lanes.count - 1] = address
            return Flow.lane(UInt32(lanes.count - 1)).over(tls: tls)
        }
        return addLanes(to: address, 1, tls: tls, from: local)
    }

    /// Number of the local address that a lane speaks from.
    func local(ofLane flow: Flow) -> UInt32 { flow.lane < laneLocals.count ? laneLocals[flow.lane] : 0 }

    private func streamAddress(_ flow: Flow) -> TransportAddress {
        if flow.isLane { return flow.lane < lanes.count ? lanes[flow.lane] : target }
        guard flow.isAccepted, let accepted, flow.connection < Flow.mostConnections else { return target }
        return accepted[flow.connection].peer
    }

    /// A peer has opened a connection.
    func open(_ flow: Flow, from peer: TransportAddress, at local: UInt32) {
        guard flow.isAccepted, let accepted, flow.connection < Flow.mostConnections else { return }
        accepted[flow.connection] = Accepted(
            peer: peer, generation: UInt16(flow.connectionGeneration), isOpen: true, errno: 0, local: local)
    }

    func close(_ flow: Flow, errno: Int32) {
        guard isOpen(flow), let accepted else { return }
        accepted[flow.connection].isOpen = false
        accepted[flow.connection].errno = errno
    }

    /// Of a connection that a peer has opened: whether it can still be sent on.
    func isOpen(_ flow: Flow) -> Bool {
        guard let accepted, flow.connection < Flow.mostConnections else { return false }
        let connection = accepted[flow.connection]
        return connection.isOpen && UInt32(connection.generation) == flow.connectionGeneration
    }

    /// Number of the local address that a peer has opened a connection to.
    func local(ofAccepted flow: Flow) -> UInt32 {
        guard let accepted, flow.connection < Flow.mostConnections else { return 0 }
        return accepted[flow.connection].local
    }

    /// Why a connection that a peer had opened is not open any more.
    func closingError(_ flow: Flow) -> Int32 {
        guard let accepted, flow.connection < Flow.mostConnections else { return 0 }
        let connection = accepted[flow.connection]
        return UInt32(connection.generation) == flow.connectionGeneration ? connection.errno : 0
    }

    var count: Int { addresses.count }
}
