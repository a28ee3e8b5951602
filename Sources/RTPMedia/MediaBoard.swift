import Synchronization

/// What one worker's calls ask of its media ports, on its way to the media thread: one writer, one reader, a fixed size, no locks.
///
/// Of each pair of ports only the newest order counts. So the ring between the two threads names ports that have a new one, each once at most, and
/// cannot run full.
///
/// This is a handle on shared memory; whoever created it destroys it when both threads have ended.
public struct MediaBoard: @unchecked Sendable {
    private struct Cell: ~Copyable {
        /// Odd while the words are being written. Written by the worker.
        let version = Atomic<UInt64>(0)
        let first = Atomic<UInt64>(0)
        let second = Atomic<UInt64>(0)
        let third = Atomic<UInt64>(0)
        let fourth = Atomic<UInt64>(0)
        let fifth = Atomic<UInt64>(0)
        let sixth = Atomic<UInt64>(0)
        /// It is named in the ring. Set by the worker, cleared by the media thread.
        let isNamed = Atomic<Bool>(false)
    }

    private struct Ends: ~Copyable {
        /// Names ever taken out. Written by the media thread.
        let head = Atomic<UInt64>(0)
        private let apart1: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)
        private let apart2: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
        /// Names ever put in. Written by the worker.
        let tail = Atomic<UInt64>(0)
    }

    /// Counts of the worker, read when it has ended.
    public struct Counts: Sendable, Equatable {
        /// Pairs in use at once, at most.
        public var mostInUse = 0
        /// Streams that found no pair free.
        public var exhausted: UInt64 = 0
        /// Streams whose negotiated codecs are none that we can make sound of, where sound was asked for.
        public var withoutCodec: UInt64 = 0
    }

    /// Pairs of ports.
    public let count: Int
    private let cells: UnsafeMutablePointer<Cell>
    private let ends: UnsafeMutablePointer<Ends>
    private let ring: UnsafeMutablePointer<UInt16>
    private let mask: UInt64
    // The worker's own.
    let ports: UnsafeMutablePointer<UInt16>
    let orders: UnsafeMutablePointer<MediaOrder>
    let free: UnsafeMutablePointer<UInt16>
    let tally: UnsafeMutablePointer<Counts>

    /// - Parameter ports: the RTP port of each pair.
    public init(ports: [UInt16]) {
        precondition(ports.count <= Self.mostPairs, "a machine has no more ports")
        count = ports.count
        var capacity = 1
        while capacity < count { capacity *= 2 }
        mask = UInt64(capacity - 1)
        cells = .allocate(capacity: max(count, 1))
        for number in 0..<count { (cells + number).initialize(to: Cell()) }
        ends = .allocate(capacity: 1)
        ends.initialize(to: Ends())
        ring = .allocate(capacity: capacity)
        ring.initialize(repeating: 0, count: capacity)
        self.ports = .allocate(capacity: max(count, 1))
        self.ports.initialize(from: ports, count: count)
        orders = .allocate(capacity: max(count, 1))
        orders.initialize(repeating: MediaOrder(), count: max(count, 1))
        free = .allocate(capacity: max(count, 1))
        for number in 0..<count { (free + number).initialize(to: UInt16(number)) }
        tally = .allocate(capacity: 1)
        tally.initialize(to: Counts())
    }

    public static let mostPairs = 32_000

    public func destroy() {
        cells.deinitialize(count: count)
        cells.deallocate()
        ends.deinitialize(count: 1)
        ends.deallocate()
        ring.deallocate()
        ports.deallocate()
        orders.deallocate()
        free.deallocate()
        tally.deallocate()
    }

    /// When the worker has ended.
    public var counts: Counts { tally.pointee }

    // MARK: the worker's end

    func publish(_ order: MediaOrder, of pair: Int) {
        let words = order.words
        let version = cells[pair].version.load(ordering: .relaxed)
        cells[pair].version.store(version &+ 1, ordering: .sequentiallyConsistent)
        cells[pair].first.store(words.first, ordering: .sequentiallyConsistent)
        cells[pair].second.store(words.second, ordering: .sequentiallyConsistent)
        cells[pair].third.store(words.remote.0, ordering: .sequentiallyConsistent)
        cells[pair].fourth.store(words.remote.1, ordering: .sequentiallyConsistent)
        cells[pair].fifth.store(words.local.0, ordering: .sequentiallyConsistent)
        cells[pair].sixth.store(words.local.1, ordering: .sequentiallyConsistent)
        cells[pair].version.store(version &+ 2, ordering: .sequentiallyConsistent)
        guard !cells[pair].isNamed.exchange(true, ordering: .sequentiallyConsistent) else { return }
        let tail = ends.pointee.tail.load(ordering: .relaxed)
        ring[Int(tail & mask)] = UInt16(truncatingIfNeeded: pair)
        ends.pointee.tail.store(tail &+ 1, ordering: .releasing)
    }

    // MARK: the media thread's end

    /// The next pair whose order is new, and that order.
    public func take() -> (pair: Int, order: MediaOrder)? {
        let head = ends.pointee.head.load(ordering: .relaxed)
        guard head != ends.pointee.tail.load(ordering: .acquiring) else { return nil }
        let pair = Int(ring[Int(head & mask)])
        ends.pointee.head.store(head &+ 1, ordering: .releasing)
        // From here on a newer order names it again; this reading has all that came before.
        cells[pair].isNamed.store(false, ordering: .sequentiallyConsistent)
        while true {
            let version = cells[pair].version.load(ordering: .sequentiallyConsistent)
            var words = MediaOrder.Words()
            words.first = cells[pair].first.load(ordering: .sequentiallyConsistent)
            words.second = cells[pair].second.load(ordering: .sequentiallyConsistent)
            words.remote.0 = cells[pair].third.load(ordering: .sequentiallyConsistent)
            words.remote.1 = cells[pair].fourth.load(ordering: .sequentiallyConsistent)
            words.local.0 = cells[pair].fifth.load(ordering: .sequentiallyConsistent)
            words.local.1 = cells[pair].sixth.load(ordering: .sequentiallyConsistent)
            guard version & 1 == 0, cells[pair].version.load(ordering: .sequentiallyConsistent) == version else {
                continue
            }
            return (pair, MediaOrder(words))
        }
    }
}

/// A worker's media ports as its calls see them: numbers that are drawn and given back, and orders. No I/O, no allocation.
public struct MediaDesk {
    private let board: MediaBoard
    /// Where the next free pair stands, and how many there are. First in, first out: a port rests as long as it can before
    /// another call has it.
    private var next = 0
    private var freeCount: Int

    public init(_ board: MediaBoard) {
        self.board = board
        freeCount = board.count
    }

    public var inUse: Int { board.count &- freeCount }

    /// A pair for a stream, from 1; nil where all are in use, which is counted.
    public mutating func draw() -> UInt16? {
        guard freeCount > 0 else {
            board.tally.pointee.exhausted &+= 1
            return nil
        }
        let pair = board.free[next]
        next = next &+ 1 == board.count ? 0 : next &+ 1
        freeCount &-= 1
        board.tally.pointee.mostInUse = max(board.tally.pointee.mostInUse, inUse)
        var order = MediaOrder()
        order.isOpen = true
        order.generation = board.orders[Int(pair)].generation &+ 1
        give(order, to: pair &+ 1)
        return pair &+ 1
    }

    public mutating func giveBack(_ handle: UInt16) {
        var order = MediaOrder()
        order.generation = self.order(handle).generation
        give(order, to: handle)
        var place = next &+ freeCount
        if place >= board.count { place &-= board.count }
        board.free[place] = handle &- 1
        freeCount &+= 1
    }

    /// The even port of a pair, for RTP.
    public func port(_ handle: UInt16) -> UInt16 { board.ports[Int(handle) &- 1] }

    public func order(_ handle: UInt16) -> MediaOrder { board.orders[Int(handle) &- 1] }

    /// Tells the media thread, where there is something new.
    public func give(_ order: MediaOrder, to handle: UInt16) {
        let pair = Int(handle) &- 1
        guard board.orders[pair] != order else { return }
        board.orders[pair] = order
        board.publish(order, of: pair)
    }

    public func countWithoutCodec() { board.tally.pointee.withoutCodec &+= 1 }
}
