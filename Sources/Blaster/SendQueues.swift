import CLinuxSockets
import Glibc

/// Octets of one connection that the kernel has not taken yet: a chain of blocks of `SendQueues`.
struct SendQueue {
    /// First and last block of the chain, from 1; 0: nothing waits.
    var head: UInt32 = 0
    var tail: UInt32 = 0
    /// Octets of the first block that have left, and of the last one that are filled.
    var left: UInt32 = 0
    var filled: UInt32 = 0
    var blocks: UInt32 = 0
    var octets = 0

    var isEmpty: Bool { octets == 0 }
}

/// The blocks in which a worker's connections keep what they could not send yet: one region that never grows, resident as far as it
/// was ever used.
struct SendQueues: ~Copyable {
    static let blockOctets = 16_384
    private static let link = 4
    private static let room = blockOctets - link
    /// Blocks that each connection may have whatever others have.
    private static let assured: UInt32 = 4

    private let base: UnsafeMutableRawPointer
    private let count: Int
    private var touched = 0
    private var free: UInt32 = 0
    private var inUse = 0
    /// The most octets of blocks in use at once.
    private(set) var mostOctets = 0

    /// - Parameter octets: of all blocks; nil address space ends the program, as for the other tables of a worker.
    init(octets: Int) {
        count = max(octets / Self.blockOctets, 8)
        let size = (count + 1) * Self.blockOctets
        let region = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let region, region != MAP_FAILED else { giveUp("no address space for send queues") }
        base = region
    }

    deinit { munmap(base, (count + 1) * Self.blockOctets) }

    private func address(_ block: UInt32) -> UnsafeMutableRawPointer { base + Int(block) &* Self.blockOctets }

    private mutating func take(_ queue: SendQueue) -> UInt32? {
        if queue.blocks >= Self.assured, inUse >= count / 2 { return nil }
        let block: UInt32
        if free != 0 {
            block = free
            free = address(block).load(as: UInt32.self)
        } else {
            guard touched < count else { return nil }
            touched += 1
            block = UInt32(touched)
        }
        inUse += 1
        mostOctets = max(mostOctets, inUse * Self.blockOctets)
        address(block).storeBytes(of: 0, as: UInt32.self)
        return block
    }

    private mutating func give(_ block: UInt32) {
        address(block).storeBytes(of: free, as: UInt32.self)
        free = block
        inUse -= 1
    }

    /// Appends octets, all or none.
    /// - Returns: false when there is no room.
    mutating func append(_ octets: UnsafeRawPointer, _ length: Int, to queue: inout SendQueue) -> Bool {
        let inLast = queue.tail == 0 ? 0 : Self.room &- Int(queue.filled)
        var wanted = length > inLast ? (length &- inLast &+ Self.room &- 1) / Self.room : 0
        let before = queue
        var first: UInt32 = 0
        var last: UInt32 = 0
        while wanted > 0 {
            guard let block = take(queue) else {
                // What was taken for nothing goes back.
                while first != 0 {
                    let next = address(first).load(as: UInt32.self)
                    give(first)
                    first = next
                }
                queue = before
                return false
            }
            if last == 0 { first = block } else { address(last).storeBytes(of: block, as: UInt32.self) }
            last = block
            queue.blocks &+= 1
            wanted &-= 1
        }
        if first != 0, queue.tail != 0 { address(queue.tail).storeBytes(of: first, as: UInt32.self) }
        var done = 0
        if queue.tail == 0 {
            queue.head = first
            queue.tail = first
            queue.left = 0
            queue.filled = 0
        }
        while done < length {
            if Int(queue.filled) == Self.room {
                queue.tail = address(queue.tail).load(as: UInt32.self)
                queue.filled = 0
            }
            let part = min(length &- done, Self.room &- Int(queue.filled))
            (address(queue.tail) + Self.link + Int(queue.filled)).copyMemory(from: octets + done, byteCount: part)
            queue.filled &+= UInt32(part)
            done &+= part
        }
        queue.octets &+= length
        return true
    }

    /// The first octets of a queue as pieces for one write.
    func pieces(of queue: SendQueue, into pieces: UnsafeMutablePointer<clx_piece>, room: Int) -> Int {
        var block = queue.head
        var number = 0
        var from = Int(queue.left)
        while block != 0, number < room {
            let end = block == queue.tail ? Int(queue.filled) : Self.room
            pieces[number] = clx_piece(octets: address(block) + Self.link + from, length: end &- from)
            number &+= 1
            from = 0
            if block == queue.tail { break }
            block = address(block).load(as: UInt32.self)
        }
        return number
    }

    /// So many octets have left.
    mutating func remove(_ octets: Int, from queue: inout SendQueue) {
        var rest = octets
        queue.octets &-= octets
        while rest > 0 {
            let end = queue.head == queue.tail ? Int(queue.filled) : Self.room
            let part = min(rest, end &- Int(queue.left))
            queue.left &+= UInt32(part)
            rest &-= part
            if Int(queue.left) == end {
                let next = queue.head == queue.tail ? 0 : address(queue.head).load(as: UInt32.self)
                give(queue.head)
                queue.blocks &-= 1
                queue.head = next
                queue.left = 0
                if next == 0 { queue = SendQueue() }
            }
        }
    }

    mutating func clear(_ queue: inout SendQueue) {
        var block = queue.head
        while block != 0 {
            let next = block == queue.tail ? 0 : address(block).load(as: UInt32.self)
            give(block)
            block = next
        }
        queue = SendQueue()
    }
}
