import Glibc

/// What `StreamFramer` takes from a peer, in octets.
public struct StreamLimits: Sendable, Equatable {
    /// Start line and header fields, empty line included.
    public var head: Int
    /// A body that is delivered. `Content-Length` may not be above.
    public var body: Int
    /// A body that is passed over, so that the connection and the calls on it live on. Above, the connection is closed.
    public var passedOver: Int
    /// Whether a message without Content-Length is counted and taken for one without a body, or closes the connection. RFC 3261
    /// §20.14 demands the header field on streams; a peer that leaves it out where there is no body can be understood.
    public var mayLackLength: Bool

    public init(head: Int = 65_536, body: Int = 262_144, passedOver: Int = 16_777_216, mayLackLength: Bool = true) {
        precondition(head >= 16 && head <= 1 << 24, "a head of 16 octets to 16 MiB")
        precondition(body >= 0 && body <= 1 << 28, "a body of up to 256 MiB")
        precondition(passedOver >= body && passedOver <= 1 << 30, "a body passed over is no shorter, and up to 1 GiB")
        self.head = head
        self.body = body
        self.passedOver = passedOver
        self.mayLackLength = mayLackLength
    }
}

/// Where a worker's stream framers keep the messages that have come in part: blocks of 4 KiB and powers of two, out of one
/// region that never grows (buddy allocation, so that free memory never stays cut up).
///
/// A connection holds a block only while a part of a message waits. A block is twice as long as what it holds at most, but for
/// the smallest. The last `reserve` octets are for the smallest blocks alone: with 4096 for each connection, no peer
/// that sends long messages can keep another connection's message of up to 4096 octets out. One thread uses a pool.
public struct StreamBufferPool: ~Copyable {
    /// The size of the smallest block, in octets.
    public static let smallestBlock = 4096

    public let limits: StreamLimits
    /// How much all blocks are together, in octets: address space; pages become resident as they are first used.
    public let capacity: Int
    /// How much of that is kept for the smallest blocks, in octets.
    public let reserve: Int
    /// In blocks handed out, in octets.
    public private(set) var used = 0
    /// The most that ever was.
    public private(set) var mostUsed = 0
    /// Messages that did not come in one piece and were copied.
    public internal(set) var copiedMessages: UInt64 = 0
    /// Octets of messages that were passed over.
    public internal(set) var passedOverOctets: UInt64 = 0

    private let blocks: UnsafeMutableRawPointer
    private let blockCount: Int
    private let largestOrder: Int
    /// Of each smallest block that a block begins with, its order; 0x80 added while it is free; 0xFF elsewhere.
    private let states: UnsafeMutablePointer<UInt8>
    /// The free blocks of one order, as a ring of numbers; its head for order n stands at `blockCount + n`.
    private let nexts: UnsafeMutablePointer<UInt32>
    private let previous: UnsafeMutablePointer<UInt32>
    private let faults: UnsafeMutablePointer<UInt64>

    /// No address space for the region.
    public struct Unavailable: Error {
        public let octets: Int
        public let errno: Int32
    }

    /// - Parameters:
    ///   - capacity: rounded up to a multiple of the largest block, which takes a head and a body of full length.
    ///   - reserve: kept for blocks of 4096 octets; 4096 for each connection there may be is right. At most `capacity`.
    public init(
        capacity: Int = 1 << 26, reserve: Int = 0, limits: StreamLimits = StreamLimits()
    ) throws(Unavailable) {
        precondition(capacity > 0 && capacity <= 1 << 40 && reserve >= 0 && reserve <= capacity)
        // Behind a head that has not ended, one step may be copied in vain.
        largestOrder = Self.order(of: limits.head + max(limits.body, StreamFramer.step))
        let largest = Self.smallestBlock << largestOrder
        self.limits = limits
        self.reserve = reserve
        self.capacity = (capacity + largest - 1) / largest * largest
        blockCount = self.capacity / Self.smallestBlock
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let region = mmap(nil, self.capacity, PROT_READ | PROT_WRITE, flags, -1, 0), region != MAP_FAILED else {
            throw Unavailable(octets: self.capacity, errno: Glibc.errno)
        }
        blocks = region
        states = .allocate(capacity: blockCount)
        states.initialize(repeating: 0xFF, count: blockCount)
        let entries = blockCount + largestOrder + 1
        nexts = .allocate(capacity: entries)
        previous = .allocate(capacity: entries)
        for entry in 0..<entries {
            nexts[entry] = UInt32(entry)
            previous[entry] = UInt32(entry)
        }
        faults = .allocate(capacity: StreamRule.allCases.count)
        faults.initialize(repeating: 0, count: StreamRule.allCases.count)
        for block in stride(from: 0, to: blockCount, by: 1 << largestOrder) { putFree(block, largestOrder) }
    }

    deinit {
        munmap(blocks, capacity)
        states.deallocate()
        nexts.deallocate()
        previous.deallocate()
        faults.deallocate()
    }

    /// How often that rule was broken on any stream of this pool.
    public func count(_ rule: StreamRule) -> UInt64 { faults[Int(rule.rawValue)] }

    mutating func note(_ rule: StreamRule) { faults[Int(rule.rawValue)] &+= 1 }

    // MARK: Blocks

    /// The order of the smallest block that holds so many octets.
    static func order(of octets: Int) -> Int {
        let blocks = (octets &+ smallestBlock &- 1) / smallestBlock
        return blocks <= 1 ? 0 : Int.bitWidth &- (blocks &- 1).leadingZeroBitCount
    }

    func address(of block: Int) -> UnsafeMutableRawPointer { blocks + block &* Self.smallestBlock }

    /// A block of that order, by its number; nil where there is none, or only what is kept for the smallest.
    mutating func take(order: Int) -> Int? {
        let size = Self.smallestBlock << order
        guard order <= largestOrder, order == 0 || capacity &- used &- size >= reserve else { return nil }
        var found = order
        while nexts[blockCount &+ found] == UInt32(blockCount &+ found) {
            found &+= 1
            if found > largestOrder { return nil }
        }
        let block = Int(nexts[blockCount &+ found])
        takeFree(block)
        while found > order {
            // The upper half stays free.
            found &-= 1
            putFree(block &+ (1 << found), found)
        }
        states[block] = UInt8(order)
        used &+= size
        if used > mostUsed { mostUsed = used }
        return block
    }

    mutating func give(_ block: Int) {
        var order = Int(states[block])
        precondition(order <= largestOrder, "a block given back twice")
        used &-= Self.smallestBlock << order
        var block = block
        while order < largestOrder {
            let buddy = block ^ (1 << order)
            guard states[buddy] == UInt8(order) | 0x80 else { break }
            takeFree(buddy)
            states[max(block, buddy)] = 0xFF
            block = min(block, buddy)
            order &+= 1
        }
        putFree(block, order)
    }

    private func putFree(_ block: Int, _ order: Int) {
        let head = blockCount + order
        states[block] = UInt8(order) | 0x80
        let next = nexts[head]
        nexts[block] = next
        previous[block] = UInt32(head)
        previous[Int(next)] = UInt32(block)
        nexts[head] = UInt32(block)
    }

    private func takeFree(_ block: Int) {
        nexts[Int(previous[block])] = nexts[block]
        previous[Int(nexts[block])] = previous[block]
        states[block] = 0xFF
    }
}
