import SIPTransactions

/// Timers of call slots, one per slot: a hierarchy of four wheels of 1 ms, 256 ms, 65.5 s and 4.7 h per bucket, linked
/// through the slots themselves. Scheduling, moving and cancelling cost a few loads and stores whatever the number of
/// timers; a timer never fires early.
///
/// Each slot lends three UInt32 at a fixed offset: the next slot of the bucket, the previous one (or the bucket itself,
/// with the top bit set, for the first), and the due tick. `SlotSlab.none` means no slot, and in the second field "not
/// scheduled".
///
/// A wheel holds its current turn and the whole next one, hence 512 buckets each. A timer due within the current or the
/// next 256 ms goes to the finest wheel at once and most protocol timers are cancelled before they ever move. And timers
/// of a coarser bucket can move down at any time during the turn before theirs: `nextDue` moves a bounded number whenever
/// it has nothing due, so that a bucket of a million held calls does not stall the worker when its time comes.
struct TimerWheel: ~Copyable {
    private static let levels = 4
    private static let buckets = 512
    private static let words = buckets / 64
    private static let isFirst: UInt32 = 1 << 31
    /// Timers moved to a finer wheel per idle `nextDue`: about 10 µs of work.
    private static let movedWhenIdle = 256

    private let links: UnsafeMutableRawPointer
    private let stride: Int
    /// First slot of each bucket, `levels * buckets`.
    private let heads: UnsafeMutablePointer<UInt32>
    /// One bit per bucket that is not empty.
    private let occupied: UnsafeMutablePointer<UInt64>
    /// All timers due before this tick have been handed out.
    private var current: Tick
    /// Timers scheduled.
    private(set) var count = 0

    /// - Parameters:
    ///   - slab: the slots to link; it outlives the wheel.
    ///   - offset: where in a slot the three UInt32 stand, a multiple of 4, at least 8.
    ///   - now: the first tick.
    init(slots slab: borrowing SlotSlab, offset: Int, now: Tick = 0) {
        precondition(offset >= 8 && offset % 4 == 0 && offset + 12 <= slab.stride, "the links lie inside the slot")
        links = slab.base + offset
        stride = slab.stride
        heads = .allocate(capacity: Self.levels * Self.buckets)
        heads.initialize(repeating: SlotSlab.none, count: Self.levels * Self.buckets)
        occupied = .allocate(capacity: Self.levels * Self.words)
        occupied.initialize(repeating: 0, count: Self.levels * Self.words)
        current = now
    }

    deinit {
        heads.deallocate()
        occupied.deallocate()
    }

    /// Makes a newly allocated slot one without a timer. Comes before any other call for that slot.
    @inline(__always)
    func prepare(_ slot: UInt32) { setPrevious(slot, SlotSlab.none) }

    @inline(__always)
    func isScheduled(_ slot: UInt32) -> Bool { previous(slot) != SlotSlab.none }

    /// When the slot's timer is due; `Tick.never` when it has none.
    @inline(__always)
    func deadline(_ slot: UInt32) -> Tick { isScheduled(slot) ? due(slot) : .never }

    /// Sets or moves the slot's timer. A tick that has passed is due at once; `Tick.never` cancels.
    @inline(__always)
    mutating func schedule(_ slot: UInt32, at tick: Tick) {
        if isScheduled(slot) {
            if due(slot) == tick { return }
            cancel(slot)
        }
        if tick == .never { return }
        setDue(slot, tick)
        place(slot, tick)
        count &+= 1
    }

    /// Takes the slot's timer back if it has one. A slot must have none when it is freed.
    @inline(__always)
    mutating func cancel(_ slot: UInt32) {
        guard isScheduled(slot) else { return }
        unlink(slot)
        count &-= 1
    }

    /// A slot whose timer is due at `now` or earlier, with the timer taken off; nil when none is. The earliest
    /// millisecond comes first; within one there is no order. Callers may stop at any time and come back.
    mutating func nextDue(_ now: Tick) -> UInt32? {
        while true {
            // The current turn of the finest wheel is exact.
            let place = Int(current & 0x1FF)
            let inTurn = firstOccupied(level: 0, from: place, through: place | 0xFF)
            if inTurn >= 0 {
                let tick = (current & ~0xFF) | Tick(inTurn & 0xFF)
                if tick > now { break }
                current = tick
                let slot = heads[inTurn]
                unlink(slot)
                count &-= 1
                return slot
            }
            // Otherwise the next turn that holds anything, on any wheel.
            let start = nextTurn
            if start > now { break }
            current = start
            empty(level: 3, limit: .max, of: current)
            empty(level: 2, limit: .max, of: current)
            empty(level: 1, limit: .max, of: current)
        }
        if now > current { current = now }
        moveAhead()
        return nil
    }

    /// No timer is due before this tick; `Tick.never` when there is none. Exact within the current 256 ms, else the start
    /// of the stretch in which the next one falls: sleeping until then and asking again is always right.
    var earliest: Tick {
        if count == 0 { return .never }
        let place = Int(current & 0x1FF)
        let inTurn = firstOccupied(level: 0, from: place, through: place | 0xFF)
        if inTurn >= 0 { return (current & ~0xFF) | Tick(inTurn & 0xFF) }
        let next = nextTurn
        // The next turn of the finest wheel is exact too once nothing else can fall into it.
        if next == .never { return next }
        let turn = Int(next & 0x1FF)
        let exact = firstOccupied(level: 0, from: turn, through: turn | 0xFF)
        let fromCoarser = firstStart(level: 1, after: current)
        if exact >= 0, next == (current & ~0xFF) &+ 256, fromCoarser > next,
            firstStart(level: 2, after: current) > next, firstStart(level: 3, after: current) > next
        {
            return next | Tick(exact & 0xFF)
        }
        return next
    }

    // MARK: - Turns

    /// Start of the next 256 ms in which anything is due, as far as the wheels know; `Tick.never` when nothing is.
    private var nextTurn: Tick {
        var start: Tick = .never
        let turn = (current & ~0xFF).addingReportingOverflow(256)
        if !turn.overflow {
            let place = Int(turn.partialValue & 0x1FF)
            if firstOccupied(level: 0, from: place, through: place | 0xFF) >= 0 { start = turn.partialValue }
        }
        start = min(start, firstStart(level: 1, after: current))
        start = min(start, firstStart(level: 2, after: current))
        return min(start, firstStart(level: 3, after: current))
    }

    /// Start of the first bucket of a coarser wheel that holds anything, which is after the bucket of `tick`.
    private func firstStart(level: Int, after tick: Tick) -> Tick {
        let shift = UInt32(8 &* level)
        let here = tick &>> shift
        let place = Int(here) & (Self.buckets - 1)
        var found = firstOccupied(level: level, from: place, through: Self.buckets - 1)
        if found < 0 {
            found = firstOccupied(level: level, from: 0, through: place &- 1)
            if found < 0 { return .never }
        }
        let ahead = Tick((found &- place) & (Self.buckets - 1))
        return (here &+ ahead) &<< shift
    }

    /// Moves timers of the turns to come to finer wheels, a bounded number, coarse wheels first.
    private mutating func moveAhead() {
        var left = Self.movedWhenIdle
        var level = 3
        while level > 0 && left > 0 {
            let turn = (current &>> UInt32(8 &* level)).addingReportingOverflow(1).partialValue
            let next = turn &<< UInt32(8 &* level)
            if next > current { left = empty(level: level, limit: left, of: next) }
            level &-= 1
        }
    }

    /// Moves up to `limit` timers from the bucket of `tick` to finer wheels.
    /// - Returns: what is left of the limit.
    @discardableResult
    private mutating func empty(level: Int, limit: Int, of tick: Tick) -> Int {
        let bucket =
            level &* Self.buckets &+ (Int(tick &>> UInt32(8 &* level)) & (Self.buckets - 1))
        var left = limit
        while left > 0 {
            let slot = heads[bucket]
            if slot == SlotSlab.none { break }
            unlink(slot)
            place(slot, due(slot))
            left &-= 1
        }
        return left
    }

    /// Links a slot into the bucket of its tick, as seen from `current`.
    @inline(__always)
    private mutating func place(_ slot: UInt32, _ tick: Tick) {
        let at = max(tick, current)
        var level = 0
        var shift: UInt32 = 0
        if (at &>> 8) &- (current &>> 8) > 1 {
            level = 1
            shift = 8
            if (at &>> 16) &- (current &>> 16) > 1 {
                let far = (at &>> 24) &- (current &>> 24) > 1
                level = far ? 3 : 2
                shift = far ? 24 : 16
            }
        }
        link(slot, level &* Self.buckets &+ (Int(at &>> shift) & (Self.buckets - 1)))
    }

    // MARK: - Lists

    @inline(__always)
    private mutating func link(_ slot: UInt32, _ bucket: Int) {
        let first = heads[bucket]
        setNext(slot, first)
        setPrevious(slot, Self.isFirst | UInt32(truncatingIfNeeded: bucket))
        heads[bucket] = slot
        if first == SlotSlab.none {
            occupied[bucket &>> 6] |= 1 &<< UInt64(bucket & 63)
        } else {
            setPrevious(first, slot)
        }
    }

    @inline(__always)
    private mutating func unlink(_ slot: UInt32) {
        let after = next(slot)
        let before = previous(slot)
        if after != SlotSlab.none { setPrevious(after, before) }
        if before & Self.isFirst == 0 {
            setNext(before, after)
        } else {
            let bucket = Int(before & ~Self.isFirst)
            heads[bucket] = after
            if after == SlotSlab.none { occupied[bucket &>> 6] &= ~(1 &<< UInt64(bucket & 63)) }
        }
        setPrevious(slot, SlotSlab.none)
    }

    /// The first bucket of a wheel that is not empty, counted within the wheel, or -1.
    @inline(__always)
    private func firstOccupied(level: Int, from: Int, through last: Int) -> Int {
        if from > last { return -1 }
        let row = occupied + level &* Self.words
        var word = from &>> 6
        var bits = row[word] & (~0 &<< UInt64(from & 63))
        while bits == 0 {
            word &+= 1
            if word > last &>> 6 { return -1 }
            bits = row[word]
        }
        let found = word &<< 6 &+ bits.trailingZeroBitCount
        return found <= last ? found : -1
    }

    @inline(__always)
    private func next(_ slot: UInt32) -> UInt32 { at(slot).load(as: UInt32.self) }
    @inline(__always)
    private func previous(_ slot: UInt32) -> UInt32 { at(slot).load(fromByteOffset: 4, as: UInt32.self) }
    @inline(__always)
    private func due(_ slot: UInt32) -> Tick { at(slot).load(fromByteOffset: 8, as: Tick.self) }
    @inline(__always)
    private func setNext(_ slot: UInt32, _ value: UInt32) { at(slot).storeBytes(of: value, as: UInt32.self) }
    @inline(__always)
    private func setPrevious(_ slot: UInt32, _ value: UInt32) {
        at(slot).storeBytes(of: value, toByteOffset: 4, as: UInt32.self)
    }
    @inline(__always)
    private func setDue(_ slot: UInt32, _ value: Tick) {
        at(slot).storeBytes(of: value, toByteOffset: 8, as: Tick.self)
    }
    @inline(__always)
    private func at(_ slot: UInt32) -> UnsafeMutableRawPointer { links + Int(slot) &* stride }
}
