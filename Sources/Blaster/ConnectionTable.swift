import CLinuxSockets
import CallEngine
import Glibc
import Measurement
import SIPWire
import TLSSessions

/// All connections of one worker: those that it opens for the engine's flows, and those that peers open.
///
/// The engine names flows and never a connection. A lane's or a call's connection is opened when there is something to send on it, in
/// the background; until it stands, what is sent waits in its queue. What becomes of it is told by notices: to be taken by
/// `takeNotice` after each round. Used by one thread. Nothing is allocated per message.
struct ConnectionTable: ~Copyable {
    /// Marks of the watch that are no connection.
    static let listenerMark = UInt32.max
    static let publishedMark = UInt32.max - 1
    static let secureListenerMark = UInt32.max - 2
    static let securePublishedMark = UInt32.max - 3
    static let firstListenerMark = securePublishedMark
    /// Places are first given out in turn, and those that are free again wait for their turn behind so many others: a flow
    /// whose connection has ended names nobody else's for long.
    static let firstPlaces: UInt32 = 4096
    /// What one read may bring.
    static let readOctets = 256 << 10
    static let looks = 256
    static let acceptsPerRound = 64
    static let mostDropped = 1024
    static let tick: Int64 = 1_000_000_000

    /// There are streams at all; all else is empty where not.
    let isOn: Bool
    let options: StreamOptions
    let local: TransportAddress
    let watch: Int32
    let listener: Int32
    /// Worker 0's listener, which every worker takes connections from; -1: none.
    let published: Int32
    /// The same for TLS, where it has a port of its own.
    let secureListener: Int32
    let securePublished: Int32
    /// The one listener is for TLS.
    let listensSecurely: Bool
    let tls: UnsafeMutablePointer<TLSDesk>?
    /// Of a session that has just broken.
    var brokenWords: String?
    let most: Int
    let connections: UnsafeMutablePointer<Connection>
    let input: UnsafeMutableRawPointer
    let readiness: UnsafeMutablePointer<clx_readiness>
    let pieces: UnsafeMutablePointer<clx_piece>
    let entries: UnsafeMutablePointer<OutboundLog.Entry>
    let nextEntry: UnsafeMutablePointer<UInt32>
    /// By call slot, the place of its connection and one more; 0: none.
    private let placeOfCall: UnsafeMutablePointer<UInt32>
    private static let mostCalls = 1 << 24
    /// By lane, the same.
    private var placeOfLane: [UInt32] = []

    var pool: StreamBufferPool
    var queues: SendQueues
    var counters = TransportCounters()
    var notices: [ConnectionNotice] = []
    var dropped: [DroppedMessage] = []
    /// Connections with entries in this round's log.
    var dirty: [UInt32] = []
    /// Under TLS, connections with more to read than one round takes.
    var unread: [UInt32] = []
    static let readsPerRound = 4
    /// A read filled the whole buffer: there is more.
    var isBehind = false
    /// Connections that are set up or open.
    private(set) var live = 0
    var touched: UInt32 = 0
    /// Places that are free again, oldest first.
    private var freePlaces: [UInt32] = []
    private var freeHead = 0
    /// Idle ones that have something to send and wait for their time.
    var nextRetry = Int64.max
    var nextLook: Int64 = 0
    /// Descriptors have run out: connections wait to be accepted until there are some again.
    var acceptsAgain = Int64.max
    var lastFlow = Flow(index: .max)
    var lastPlace = Connection.none

    /// - Parameters:
    ///   - local: where connections come from, but for the port.
    ///   - listener: from `clx_stream_listen`; closed with the table. -1: none.
    init(
        isOn: Bool, options: StreamOptions, local: TransportAddress, sockets: borrowing WorkerSockets,
        tls: consuming TLSDesk?
    ) throws(StreamBufferPool.Unavailable) {
        self.isOn = isOn
        self.options = options
        self.local = local
        listener = sockets.listener
        published = sockets.published
        secureListener = sockets.secureListener
        securePublished = sockets.securePublished
        listensSecurely = sockets.listensSecurely
        if let tls {
            let place = UnsafeMutablePointer<TLSDesk>.allocate(capacity: 1)
            place.initialize(to: tls)
            self.tls = place
        } else {
            self.tls = nil
        }
        let small = !isOn
        pool = try StreamBufferPool(
            capacity: small ? 1 : options.receivedParts, reserve: small ? 0 : options.receivedParts / 4,
            limits: options.limits)
        queues = SendQueues(octets: small ? 1 : options.allSendQueues)
        most = small ? 1 : min(Flow.mostConnections, max(16, Int(clx_raise_descriptor_limit()) - 64))
        func region<T: ~Copyable>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
            let octets = max(count, 1) * MemoryLayout<T>.stride
            let mapped = mmap(nil, octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            guard let mapped, mapped != MAP_FAILED else { giveUp("no address space for connections") }
            return mapped.bindMemory(to: type, capacity: max(count, 1))
        }
        connections = region(Connection.self, most)
        input = .allocate(byteCount: small ? 16 : Self.readOctets, alignment: 64)
        readiness = .allocate(capacity: Self.looks)
        pieces = .allocate(capacity: small ? 1 : Int(CLX_MOST_PIECES))
        entries = region(OutboundLog.Entry.self, small ? 1 : OutboundLog.mostEntries)
        nextEntry = region(UInt32.self, small ? 1 : OutboundLog.mostEntries)
        placeOfCall = region(UInt32.self, small ? 1 : Self.mostCalls)
        watch = isOn ? clx_watch_create() : -1
        guard isOn else { return }
        guard watch >= 0 else { giveUp("no epoll instance: \(String(cString: strerror(-watch)))") }
        watchListeners()
    }

    func watchListeners() {
        let readable = UInt32(CLX_READABLE)
        if listener >= 0 { _ = clx_watch_add(watch, listener, Self.listenerMark, readable, 0) }
        if published >= 0 { _ = clx_watch_add(watch, published, Self.publishedMark, readable, 1) }
        if secureListener >= 0 { _ = clx_watch_add(watch, secureListener, Self.secureListenerMark, readable, 0) }
        if securePublished >= 0 { _ = clx_watch_add(watch, securePublished, Self.securePublishedMark, readable, 1) }
    }

    deinit {
        for place in 0..<Int(touched) {
            if connections[place].descriptor >= 0 { clx_close(connections[place].descriptor) }
            connections[place].endSession()
        }
        tls?.deinitialize(count: 1)
        tls?.deallocate()
        for descriptor in [watch, listener, published, secureListener, securePublished] where descriptor >= 0 {
            clx_close(descriptor)
        }
        munmap(connections, most * MemoryLayout<Connection>.stride)
        let logged = isOn ? OutboundLog.mostEntries : 1
        munmap(entries, logged * MemoryLayout<OutboundLog.Entry>.stride)
        munmap(nextEntry, logged * 4)
        munmap(placeOfCall, (isOn ? Self.mostCalls : 1) * 4)
        input.deallocate()
        readiness.deallocate()
        pieces.deallocate()
    }

    /// What waits for a connection that has not stood goes with it.
    private mutating func clearQueue(_ place: UInt32) {
        let connection = connections + Int(place)
        counters.messagesUnsent &+= UInt64(connection.pointee.waiting)
        connection.pointee.waiting = 0
        queues.clear(&connection.pointee.queue)
    }

    // MARK: Places

    private mutating func takePlace() -> UInt32? {
        let waiting = freePlaces.count - freeHead
        if waiting == 0 || touched < min(Self.firstPlaces, UInt32(most)) {
            guard touched < UInt32(most) else { return reclaim() }
            let place = touched
            touched += 1
            (connections + Int(place)).initialize(to: Connection())
            return place
        }
        let place = freePlaces[freeHead]
        freeHead += 1
        if freeHead >= 1024, freeHead * 2 > freePlaces.count {
            freePlaces.removeFirst(freeHead)
            freeHead = 0
        }
        return place
    }

    /// All places are taken: one of those that only remember a failure is used again.
    private mutating func reclaim() -> UInt32? {
        for place in 0..<touched {
            let connection = connections + Int(place)
            guard connection.pointee.state == .idle, connection.pointee.queue.isEmpty,
                connection.pointee.firstEntry == Connection.none  // it has something to send in this round
            else { continue }
            forget(place)
            return takePlace()
        }
        return nil
    }

    private mutating func givePlace(_ place: UInt32) {
        let generation = (connections[Int(place)].generation &+ 1) & 0x7FF
        connections[Int(place)] = Connection()
        connections[Int(place)].generation = generation
        freePlaces.append(place)
    }

    /// What was remembered of the entry before goes with it: `lastFlow` alone would name another's place.
    mutating func forgetLast() {
        lastFlow = OutboundLog.abandoned
        lastPlace = Connection.none
    }

    /// The place is free, and the flow leads nowhere until something is sent on it again.
    mutating func forget(_ place: UInt32) {
        let flow = connections[Int(place)].flow
        if flow.isLane, flow.lane < placeOfLane.count, placeOfLane[flow.lane] == place + 1 {
            placeOfLane[flow.lane] = 0
        } else if flow.isOfCall, placeOfCall[Int(flow.callSlot)] == place + 1 {
            placeOfCall[Int(flow.callSlot)] = 0
        }
        if flow == lastFlow { forgetLast() }
        clearQueue(place)
        givePlace(place)
    }

    /// The connection that carries a flow now; nil where there is none.
    func place(of flow: Flow) -> UInt32? {
        if flow.isLane {
            let place = flow.lane < placeOfLane.count ? placeOfLane[flow.lane] : 0
            return place == 0 ? nil : place - 1
        }
        let place: UInt32
        if flow.isOfCall {
            place = placeOfCall[Int(flow.callSlot)]
            guard place != 0 else { return nil }
            return connections[Int(place - 1)].flow == flow ? place - 1 : nil
        }
        place = UInt32(flow.connection)
        return place < touched && connections[Int(place)].flow == flow ? place : nil
    }

    // MARK: Opening

    /// A place for a flow of ours, and a connection on its way.
    /// - Returns: nil where all places are taken.
    mutating func open(
        _ flow: Flow, to flows: borrowing some FlowAddresses & ~Copyable, now: Int64
    ) -> UInt32? {
        if flow.isOfCall, placeOfCall[Int(flow.callSlot)] != 0 {
            // The slot's last call has gone without a word: the log was full.
            close(placeOfCall[Int(flow.callSlot)] - 1, errno: 0, tells: false)
        }
        guard let place = takePlace() else {
            counters.descriptorsExhausted &+= 1
            return nil
        }
        connections[Int(place)].flow = flow
        connections[Int(place)].state = .idle
        if flow.isLane {
            if flow.lane >= placeOfLane.count {
                placeOfLane += [UInt32](repeating: 0, count: flow.lane + 1 - placeOfLane.count)
            }
            placeOfLane[flow.lane] = place + 1
        } else {
            placeOfCall[Int(flow.callSlot)] = place + 1
        }
        begin(place, to: flows, now: now)
        return place
    }

    /// Begins to set a connection up.
    mutating func begin(_ place: UInt32, to flows: borrowing some FlowAddresses & ~Copyable, now: Int64) {
        let flow = connections[Int(place)].flow
        let here = local.isUnspecified ? flows.localAddress(of: flow) : local
        let descriptor = clx_stream_connect_from(here, to: flows.address(of: flow), options.patience)
        guard descriptor >= 0 else {
            failToOpen(place, errno: -descriptor, now: now)
            return
        }
        let failed = clx_watch_add(watch, descriptor, place, UInt32(CLX_READABLE | CLX_WRITABLE), 0)
        guard failed == 0 else {
            clx_close(descriptor)
            failToOpen(place, errno: -failed, now: now)
            return
        }
        let connection = connections + Int(place)
        connection.pointee.descriptor = descriptor
        connection.pointee.state = .connecting
        connection.pointee.watchesWriting = true
        connection.pointee.hasReceived = false
        connection.pointee.awaitsPong = false
        connection.pointee.began = now
        countLive()
    }

    private mutating func countLive() {
        live += 1
        counters.mostConnections = max(counters.mostConnections, UInt64(live))
    }

    private func clx_stream_connect_from(
        _ local: TransportAddress, to remote: TransportAddress, _ patience: UInt32
    ) -> Int32 {
        var here = clx_address(local)
        var there = clx_address(remote)
        return clx_stream_connect(&here, &there, patience, options.trafficClass)
    }

    /// A connection that was begun has come to nothing.
    mutating func abandon(_ place: UInt32, errno: Int32, words: String? = nil, now: Int64) {
        connections[Int(place)].endSession()
        clx_close(connections[Int(place)].descriptor)
        connections[Int(place)].descriptor = -1
        live -= 1
        failToOpen(place, errno: errno, words: words, now: now)
    }

    /// A connection could not be opened: what waits for it has failed, and the next attempt waits.
    mutating func failToOpen(_ place: UInt32, errno: Int32, words: String? = nil, now: Int64) {
        counters.connectionsRefused &+= 1
        if errno == EADDRNOTAVAIL { counters.portsExhausted &+= 1 }
        if errno == EMFILE || errno == ENFILE { counters.descriptorsExhausted &+= 1 }
        let connection = connections + Int(place)
        let flow = connection.pointee.flow
        notices.append(ConnectionNotice(flow: flow, event: .refused(errno: errno), errno: errno, words: words))
        if flow.isLane { retire(place, now: now) } else { forget(place) }
    }

    /// A lane whose connection has failed: it may be opened again after a delay that grows.
    private mutating func retire(_ place: UInt32, now: Int64) {
        let connection = connections + Int(place)
        clearQueue(place)
        let failures = connection.pointee.failures
        if failures < 60 { connection.pointee.failures &+= 1 }
        let delay = min(options.firstRetry << Int64(min(failures, 20)), options.longestRetry)
        connection.pointee.state = .idle
        connection.pointee.descriptor = -1
        connection.pointee.watchesWriting = false
        connection.pointee.isFull = false
        connection.pointee.began = now &+ delay
        connection.pointee.lastUsed = now
    }

    /// What waits for a connection of this flow's was made before the engine knew that the last one has ended: it goes with it.
    mutating func dropQueued(_ flow: Flow) {
        guard let place = place(of: flow) else { return }
        let connection = connections + Int(place)
        guard connection.pointee.state != .open, connection.pointee.state != .free else { return }
        clearQueue(place)
        connection.pointee.isFull = false
    }

    /// Something waits on an idle connection whose time has not come.
    mutating func awaitRetry(_ place: UInt32) { nextRetry = min(nextRetry, connections[Int(place)].began) }

    /// A peer's connection.
    /// - Returns: nil where there is no place for it: it is closed, counted.
    mutating func accept(_ descriptor: Int32, tls isSecure: Bool, now: Int64) -> Flow? {
        guard let place = takePlace() else {
            clx_close(descriptor)
            counters.descriptorsExhausted &+= 1
            return nil
        }
        let connection = connections + Int(place)
        let flow = Flow.accepted(connection: place, generation: UInt32(connection.pointee.generation)).over(
            tls: isSecure)
        connection.pointee.flow = flow
        connection.pointee.descriptor = descriptor
        connection.pointee.state = isSecure ? .handshaking : .open
        connection.pointee.began = now
        connection.pointee.lastUsed = now
        clx_stream_limit(descriptor, options.patience)
        if options.trafficClass != 0 { _ = clx_set_traffic_class(descriptor, options.trafficClass) }
        guard clx_watch_add(watch, descriptor, place, UInt32(CLX_READABLE), 0) == 0 else {
            clx_close(descriptor)
            forget(place)
            return nil
        }
        counters.connectionsAccepted &+= 1
        countLive()
        guard isSecure else { return flow }
        guard let session = tls?.pointee.answer(descriptor) else {
            counters.tlsHandshakesFailed &+= 1
            notices.append(
                ConnectionNotice(
                    flow: .datagram, event: .writable, errno: FailureReport.noCertificate,
                    words: "TLS: a peer opened a connection to us, and there is no certificate to answer with: "
                        + "--tls-cert FILE and --tls-key FILE"))
            close(place, errno: ECONNABORTED, tells: false, now: now)
            return nil
        }
        connection.pointee.tls = session
        return flow
    }

    mutating func cannotAccept(now: Int64) {
        counters.descriptorsExhausted &+= 1
        for one in [listener, published, secureListener, securePublished] where one >= 0 {
            clx_watch_remove(watch, one)
        }
        acceptsAgain = now &+ 100_000_000
    }

    // MARK: Closing

    /// Ends a connection, and what was under way on it.
    /// - Parameters:
    ///   - errno: why; 0: the peer has closed it, or it is not needed any more.
    ///   - tells: the engine has to hear of it.
    mutating func close(_ place: UInt32, errno: Int32, tells: Bool = true, now: Int64 = 0) {
        let connection = connections + Int(place)
        guard connection.pointee.state != .free else { return }
        let flow = connection.pointee.flow
        if connection.pointee.descriptor >= 0 {
            if errno == 0, connection.pointee.state == .open, connection.pointee.isSecure {
                // A farewell that finds no room is no loss.
                _ = connection.pointee.tls!.pointee.close()
            }
            connection.pointee.endSession()
            // Closing takes it out of the watch.
            clx_close(connection.pointee.descriptor)
            connection.pointee.descriptor = -1
            live -= 1
            if errno == 0 { counters.connectionsClosed &+= 1 } else { counters.connectionsReset &+= 1 }
        }
        _ = connection.pointee.framer.end(&pool)
        connection.pointee.framer.close(&pool)
        if tells {
            notices.append(ConnectionNotice(flow: flow, event: .closed(errno: errno), errno: errno, words: brokenWords))
        } else if connection.pointee.watchesWriting {
            notices.append(ConnectionNotice(flow: flow, event: .flowing))
        }
        brokenWords = nil
        if flow.isLane {
            // One that was used and closed in order is opened again at once.
            if errno == 0, connection.pointee.hasReceived {
                forget(place)
            } else {
                retire(place, now: now)
            }
        } else {
            forget(place)
        }
    }
}
