/// Octets learnt from peers (tags, Contacts, route sets, offers), kept outside the call slots because no program knows
/// their size: blocks of fixed sizes cut from one region, addressed by a `Handle` of four octets.
///
/// Block sizes grow in steps of 8 octets up to 128 and in eight steps per doubling from there to 131,072, so a block is
/// never more than 7 octets or an eighth larger than what is in it. The arena keeps no length: users have one beside the
/// handle anyway, in their header index. Freed blocks are reused last in, first out. Chunks belong to their size for
/// good, and only pages that were written are resident.
struct LearnedArena: ~Copyable {
    /// Names a block. Zero names none.
    struct Handle: Equatable {
        var raw: UInt32
        static let none = Handle(raw: 0)
        var isNone: Bool { raw == 0 }
    }

    /// The most octets one block holds.
    static let longestBlock = 131_072
    private static let chunkShift = 17
    private static let chunk = 1 << chunkShift
    private static let classes = 95

    private let region: ReservedRegion
    private let base: UnsafeMutableRawPointer
    /// Which size a chunk is cut into.
    private let chunkClasses: UnsafeMutablePointer<UInt8>
    /// Per size: the first free block, the next block never used, and the end of its chunk, in units of 8 octets.
    private let firstFree: UnsafeMutablePointer<UInt32>
    private let nextFresh: UnsafeMutablePointer<UInt32>
    private let freshLeft: UnsafeMutablePointer<UInt32>
    private let chunks: UInt32

    /// Chunks given to a size so far. What exceeds it at the end of warming up is growth.
    private(set) var chunksTaken: UInt32 = 0
    /// Blocks in use.
    private(set) var blocks = 0
    /// Octets of the blocks in use, with what rounding up wasted.
    private(set) var octetsInUse = 0
    /// Times nothing could be kept because the arena was full or the octets too many.
    private(set) var refused: UInt64 = 0

    /// - Parameter maximumOctets: the most the arena may grow to, up to 16 GiB. At least a chunk of 128 KiB per size in use
    ///   is needed, of which only written pages become resident.
    init(maximumOctets: Int) throws(RegionUnavailable) {
        precondition(maximumOctets >= Self.chunk && maximumOctets <= 1 << 34)
        // Chunk 0 is address space never used, so that no handle is zero.
        chunks = UInt32((maximumOctets + Self.chunk - 1) >> Self.chunkShift)
        region = try ReservedRegion(octets: (Int(chunks) + 1) << Self.chunkShift, for: "octets learnt from peers")
        region.adviseHugePages()
        base = region.base
        chunkClasses = .allocate(capacity: Int(chunks) + 1)
        chunkClasses.initialize(repeating: 0, count: Int(chunks) + 1)
        firstFree = .allocate(capacity: Self.classes)
        firstFree.initialize(repeating: 0, count: Self.classes)
        nextFresh = .allocate(capacity: Self.classes)
        nextFresh.initialize(repeating: 0, count: Self.classes)
        freshLeft = .allocate(capacity: Self.classes)
        freshLeft.initialize(repeating: 0, count: Self.classes)
    }

    deinit {
        chunkClasses.deallocate()
        firstFree.deallocate()
        nextFresh.deallocate()
        freshLeft.deallocate()
    }

    /// Keeps a copy of some octets.
    /// - Returns: `.none` for no octets, and when they cannot be kept (counted in `refused`).
    mutating func store(_ octets: UnsafeRawBufferPointer) -> Handle {
        guard let source = octets.baseAddress, octets.count > 0 else { return .none }
        let handle = allocate(octets.count)
        if !handle.isNone { pointer(handle).copyMemory(from: source, byteCount: octets.count) }
        return handle
    }

    /// A block for at least `octets`, 1 or more, with contents left over from earlier use.
    /// - Returns: `.none` when there is none (counted in `refused`).
    mutating func allocate(_ octets: Int) -> Handle {
        guard octets > 0, octets <= Self.longestBlock else {
            refused &+= 1
            return .none
        }
        let size = Self.sizeClass(of: octets)
        let block: UInt32
        if firstFree[size] != 0 {
            block = firstFree[size]
            firstFree[size] = pointer(Handle(raw: block)).load(as: UInt32.self)
        } else {
            if freshLeft[size] == 0 && !takeChunk(for: size) {
                refused &+= 1
                return .none
            }
            block = nextFresh[size]
            nextFresh[size] = block &+ UInt32(truncatingIfNeeded: Self.capacity(ofClass: size) &>> 3)
            freshLeft[size] &-= 1
        }
        blocks &+= 1
        octetsInUse &+= Self.capacity(ofClass: size)
        return Handle(raw: block)
    }

    /// Gives a block back; nothing for `.none`. A handle is given back once.
    mutating func free(_ handle: Handle) {
        if handle.isNone { return }
        let size = sizeClass(of: handle)
        pointer(handle).storeBytes(of: firstFree[size], as: UInt32.self)
        firstFree[size] = handle.raw
        blocks &-= 1
        octetsInUse &-= Self.capacity(ofClass: size)
    }

    /// Where a block's octets stand, aligned to 8; it never moves. Not for `.none`.
    @inline(__always)
    func pointer(_ handle: Handle) -> UnsafeMutableRawPointer {
        assert(!handle.isNone)
        return base + Int(handle.raw) &<< 3
    }

    /// How many octets a block holds; 0 for `.none`.
    func capacity(_ handle: Handle) -> Int { handle.isNone ? 0 : Self.capacity(ofClass: sizeClass(of: handle)) }

    /// How many octets a block for `octets` (1…`longestBlock`) holds.
    static func capacity(for octets: Int) -> Int { capacity(ofClass: sizeClass(of: octets)) }

    @inline(__always)
    private func sizeClass(of handle: Handle) -> Int {
        Int(chunkClasses[Int(handle.raw) &>> (Self.chunkShift - 3)])
    }

    /// Sizes 16, 24 … 128 are the classes 0…14; then eight a doubling: 144, 160 … 256 are 15…22, and so on.
    @inline(__always)
    private static func sizeClass(of octets: Int) -> Int {
        if octets <= 128 { return max(0, (octets &+ 7) &>> 3 &- 2) }
        // 129…256 is doubling 0, steps of 16.
        let doubling = Int.bitWidth &- 1 &- (octets &- 1).leadingZeroBitCount &- 7
        let step = doubling &+ 4
        return 15 &+ doubling &<< 3 &+ ((octets &- 1) &>> step &- 8)
    }

    @inline(__always)
    private static func capacity(ofClass size: Int) -> Int {
        if size < 15 { return (size &+ 2) &<< 3 }
        let doubling = (size &- 15) &>> 3
        return ((size &- 15) & 7 &+ 9) &<< (doubling &+ 4)
    }

    private mutating func takeChunk(for size: Int) -> Bool {
        if chunksTaken == chunks { return false }
        chunksTaken &+= 1
        region.isUsed(octets: (Int(chunksTaken) &+ 1) &<< Self.chunkShift)
        chunkClasses[Int(chunksTaken)] = UInt8(truncatingIfNeeded: size)
        nextFresh[size] = chunksTaken &<< UInt32(Self.chunkShift - 3)
        freshLeft[size] = UInt32(Self.chunk / Self.capacity(ofClass: size))
        return true
    }
}
