import Glibc

/// Blocks of 2 KiB in one reserved region, addressed from 1, with a last-in-first-out free list.
///
/// Why 2 KiB: one side of a basic call leaves about 1.6 KiB (three received messages of ~400 octets, three sent ones of
/// ~90 octets of values, 24 octets of head each), and takes one block. With blocks of 512 it took four, which a burst of
/// calls leaves scattered: with 4,096 calls in progress nearly every message began with a line and a page that no cache
/// held, which was a third to a half of what tracing cost. A run of two messages wastes more. Huge pages gained nothing
/// beyond the noise. Last-in-first-out reuse keeps the working set as small as the number of calls in progress, hence in
/// cache, and the region is touched, hence resident, only as far as the most blocks ever used at once.
struct TraceBlocks: ~Copyable {
    static let octetsPerBlock = 2048
    /// A block starts with the index of the next block of its chain or of the free list.
    static let linkOctets = 4
    static let payloadPerBlock = octetsPerBlock - linkOctets

    let base: UnsafeMutableRawPointer
    let capacity: Int
    /// Blocks ever taken from the untouched part of the region.
    private(set) var touched = 0
    private var freeHead: UInt32 = 0
    /// What `freeHead` links to, read when it became the first: a block met cold is waited for by nobody.
    private var freeNext: UInt32 = 0
    private var freeCount = 0

    /// - Parameter octets: size of the region; address space only until it is used.
    init(octets: Int) {
        capacity = max(0, min(octets / Self.octetsPerBlock - 1, Int(UInt32.max) - 16))
        let size = (capacity + 1) * Self.octetsPerBlock
        let region = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        precondition(region != MAP_FAILED, "no address space for a trace arena of \(size) octets")
        base = region!
    }

    deinit { munmap(base, (capacity + 1) * Self.octetsPerBlock) }

    var available: Int { capacity &- touched &+ freeCount }
    var inUse: Int { touched &- freeCount }

    @inline(__always)
    func address(_ block: UInt32) -> UnsafeMutableRawPointer {
        base + Int(block) &* Self.octetsPerBlock
    }

    @inline(__always)
    func next(_ block: UInt32) -> UInt32 { address(block).load(as: UInt32.self) }

    @inline(__always)
    func link(_ block: UInt32, to next: UInt32) { address(block).storeBytes(of: next, as: UInt32.self) }

    /// A block linked to nothing. The caller has seen that one is available.
    @inline(__always)
    mutating func allocate() -> UInt32 {
        if freeHead != 0 {
            let block = freeHead
            freeHead = freeNext
            freeNext = freeHead == 0 ? 0 : next(freeHead)
            freeCount &-= 1
            link(block, to: 0)
            return block
        }
        assert(touched < capacity)
        touched &+= 1
        let block = UInt32(truncatingIfNeeded: touched)
        link(block, to: 0)
        return block
    }

    /// Gives back `count` blocks that are linked from `head` to `tail`.
    @inline(__always)
    mutating func free(head: UInt32, tail: UInt32, count: Int) {
        link(tail, to: freeHead)
        freeHead = head
        freeNext = next(head)
        freeCount &+= count
    }
}

/// How a chain stands: the first 64 octets, one cache line, of its first block.
///
/// A chain has up to three sections, each ending inside a block and the next beginning with a block of its own: the
/// first messages, which stay; the last messages, which grow; and, once those are more than the limit, the ones before
/// them. When the growing section is full, the one before it is given back whole and the growing one takes its place.
/// So the last messages are kept at constant cost per message, without walking the chain.
struct ChainState {
    /// Link of the first block, as in every block.
    var next: UInt32
    /// Where the next octet goes in the last block; `octetsPerBlock` when it is full.
    var used: UInt32
    var run: UInt64
    /// Messages of the run seen so far, kept or not.
    var messages: UInt32
    /// Ordinal, from 1, of the message at which the run failed; 0 when none is marked.
    var failedAt: UInt32
    var blocks: UInt32
    /// Messages not kept because the arena was full.
    var cutByFullArena: UInt32
    /// Messages the growing section may still take.
    var sectionLeft: UInt16
    /// Sections closed: 0, 1, or 2 for more.
    var sectionsClosed: UInt16
    var sectionBlocks: UInt32
    /// End of the first section, once closed.
    var firstTail: UInt32
    var firstUsed: UInt32
    /// End and size of the section before the growing one, once closed.
    var middleTail: UInt32
    var middleUsed: UInt32
    var middleBlocks: UInt32
    var spare: UInt32

    static let octets = 64
}

/// The head of one record in a chain, followed by both addresses where `path` says so, then by `length` octets.
struct RecordHead {
    /// CLOCK_MONOTONIC, nanoseconds.
    var at: Int64
    var length: UInt32
    /// The message's place in its run, from 1.
    var ordinal: UInt32
    /// Template of a sent message that is kept as values, else `noTemplate`.
    var template: UInt16
    var path: UInt16
    var party: UInt8
    var flags: UInt8
    var spare: UInt16

    static let octets = 24
    static let noTemplate: UInt16 = .max
    static let sent: UInt8 = 1
    static let retransmission: UInt8 = 2
    /// The message was longer than a record may be, or its values do not fit its template.
    static let damaged: UInt8 = 4
    /// It went over a stream.
    static let stream: UInt8 = 8
}
