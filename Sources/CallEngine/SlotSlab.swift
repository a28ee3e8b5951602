/// Call slots of one size, addressed by index, with a generation against late messages for a slot that has changed hands.
///
/// The first UInt32 of a slot is its generation: odd while the slot is live, even while it is free, and one higher with
/// each change, so that what was handed out for one life of a slot never matches another (until it wraps, after 2^31
/// lives of that slot). While a slot is free its second UInt32 links the free list. The rest is the owner's: zero in a
/// slot used for the first time, otherwise whatever the last owner left.
///
/// Freed slots are reused last in, first out: the slot most likely still in cache goes first, and the slab stays as small
/// as the largest number of slots ever live at once.
struct SlotSlab: ~Copyable {
    /// Index of a slot that does not exist.
    static let none: UInt32 = .max
    static let mostSlots: UInt32 = 1 << 24

    private let region: ReservedRegion
    let base: UnsafeMutableRawPointer
    /// Octets from one slot to the next.
    let stride: Int
    let capacity: UInt32
    /// Slots ever used: those below were handed out at least once. What exceeds it at the end of warming up is growth.
    private(set) var touched: UInt32 = 0
    private(set) var live: UInt32 = 0
    /// Times `allocate` found no slot.
    private(set) var refused: UInt64 = 0
    private var firstFree: UInt32 = Self.none

    /// - Parameters:
    ///   - stride: octets of a slot, a multiple of 16, at least 16.
    ///   - capacity: the most slots live at once, up to `mostSlots`.
    init(stride: Int, capacity: UInt32) throws(RegionUnavailable) {
        precondition(stride >= 16 && stride % 16 == 0, "a slot is a multiple of 16 octets")
        precondition(capacity > 0 && capacity <= Self.mostSlots)
        region = try ReservedRegion(octets: stride * Int(capacity), for: "call slots")
        region.adviseHugePages()
        base = region.base
        self.stride = stride
        self.capacity = capacity
    }

    /// A slot with a fresh odd generation, or nil when all are live (counted in `refused`).
    @inline(__always)
    mutating func allocate() -> UInt32? {
        let slot: UInt32
        if firstFree != Self.none {
            slot = firstFree
            firstFree = pointer(slot).load(fromByteOffset: 4, as: UInt32.self)
        } else if touched < capacity {
            slot = touched
            touched &+= 1
            region.isUsed(octets: Int(touched) &* stride)
        } else {
            refused &+= 1
            return nil
        }
        live &+= 1
        bump(slot)
        return slot
    }

    /// Ends a slot's life. Its octets from the eighth on stay readable until it is allocated again.
    @inline(__always)
    mutating func free(_ slot: UInt32) {
        assert(isLive(slot), "slot \(slot) is freed twice")
        bump(slot)
        pointer(slot).storeBytes(of: firstFree, toByteOffset: 4, as: UInt32.self)
        firstFree = slot
        live &-= 1
    }

    /// Unchecked: `slot` came from `allocate`.
    @inline(__always)
    func pointer(_ slot: UInt32) -> UnsafeMutableRawPointer {
        assert(slot < capacity)
        return base + Int(slot) &* stride
    }

    /// The slot's octets if it is in the very life that had this generation: for indices that come out of a message.
    @inline(__always)
    func find(_ slot: UInt32, generation: UInt32) -> UnsafeMutableRawPointer? {
        guard slot < touched, generation & 1 == 1 else { return nil }
        let found = pointer(slot)
        return found.load(as: UInt32.self) == generation ? found : nil
    }

    @inline(__always)
    func generation(_ slot: UInt32) -> UInt32 { pointer(slot).load(as: UInt32.self) }

    /// Whether a slot is handed out; false for any index that never was.
    @inline(__always)
    func isLive(_ slot: UInt32) -> Bool { slot < touched && generation(slot) & 1 == 1 }

    /// The first live slot at or after `start`. Walking on from each answer plus one meets every slot that stays live,
    /// whatever is allocated and freed in between.
    func nextLive(from start: UInt32) -> UInt32? {
        var slot = start
        while slot < touched {
            if generation(slot) & 1 == 1 { return slot }
            slot &+= 1
        }
        return nil
    }

    @inline(__always)
    private func bump(_ slot: UInt32) {
        let at = pointer(slot)
        at.storeBytes(of: at.load(as: UInt32.self) &+ 1, as: UInt32.self)
    }
}
