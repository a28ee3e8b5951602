import CLinuxSockets
import SIPTransactions

/// Finished transactions that still absorb late messages (Timers D, I, J, K, L and M), 32 octets each, found by key.
///
/// The waits of one run are few and constant, so what lingers equally long stands in one queue in order of expiry, and
/// expiring is moving its tail. A queue is a log: entries have ever growing numbers. A number below the tail has expired
/// wherever it stands, so expiring touches no index.
///
/// The index is a table of lines as wide as a cache line. Seven words of a line name entries and carry bits of their keys;
/// a key belongs into one line, and into a following one when that is full. The eighth word says until when an entry that
/// found this line full lingers. To learn that a key is unknown, the common case of every new request, one line is read
/// and no entry.
///
/// When lines fill up, an index of twice the width takes the new entries, and each of them brings two lines of the old index
/// along, in order. A line is chosen by the first of the bits that its words carry, so that moving reads no entry, and what
/// stood in one line comes to two that lie side by side. Until its line has been moved a key is looked for in both.
///
/// Numbers wrap after 2^29 entries of a queue. A word unused for that long can name an entry that is not its own: keys are
/// compared in full.
struct LingerTable: ~Copyable {
    /// What is kept of a transaction; its meaning is the caller's. It must own nothing: it is dropped without a word.
    struct Payload: Equatable {
        var first: UInt64
        var second: UInt64
        var third: UInt32
    }

    /// The most different waits.
    static let mostQueues = 8

    private struct Entry {
        var key: UInt64
        var first: UInt64
        var second: UInt64
        var third: UInt32
        var expiry: Tick
    }

    private struct Queue {
        var wait: UInt32
        /// The log: entries `tail..<head` linger.
        var tail: UInt32
        var head: UInt32

        var count: UInt32 { head &- tail }
    }

    /// One index: `lines` lines, a power of two, and when the last of its entries will have expired.
    private struct Index {
        var words: UnsafeMutablePointer<UInt64>
        var lines: Int
        var lastExpiry: Tick

        /// The line of a key with this hash, by its highest bits.
        @inline(__always)
        func line(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: (hash &>> 32 &* UInt64(lines)) &>> 32) }

        @inline(__always)
        func words(ofLine line: Int) -> UnsafeMutablePointer<UInt64> { words + line &* LingerTable.wordsPerLine }

        @inline(__always)
        func line(after line: Int) -> Int { (line &+ 1) & (lines &- 1) }
    }

    private static let chunkShift: UInt32 = 10
    private static let chunkEntries: UInt32 = 1 << chunkShift
    private static let chunkOctets = Int(chunkEntries) * MemoryLayout<Entry>.stride
    private static let firstLines = 64
    /// Words of a line, those that name entries, and how many of these are filled on average when a wider index begins.
    private static let wordsPerLine = 8
    private static let names = 7
    private static let load = 4
    /// Lines of the old index that each new entry moves: all have been moved long before the wider one is full.
    private static let movedPerInsert = 2
    /// Lines a key may go on into.
    private static let reach = 8
    private static let none: UInt32 = .max
    /// Numbers of entries have 29 bits, queues three.
    private static let numberMask: UInt32 = (1 << 29) - 1

    private let region: ReservedRegion
    private let entries: UnsafeMutableRawPointer
    /// Room for indexes, given out from its start: each is wider than all before it together.
    private let indexRoom: ReservedRegion
    private var indexUsed = 0
    /// Takes all new entries.
    private var index: Index
    /// The index before it, as long as `moved`, the lines that have been moved, is less than all.
    private var old: Index
    private var moved: Int
    /// Per queue the chunks of its log, by chunk number modulo `directorySize`.
    private let directory: UnsafeMutablePointer<UInt32>
    private let queues: UnsafeMutablePointer<Queue>
    private let directorySize: UInt32
    private var queueCount = 0
    private var firstFreeChunk: UInt32 = Self.none
    private var chunksTouched: UInt32 = 0

    /// All entries that expired before this have been dropped.
    private var swept: Tick = 0

    /// The most entries at once.
    let maximum: Int
    /// Entries that linger, with those expired and not yet swept.
    private(set) var count = 0
    /// Entries dropped before their time because the table was full.
    private(set) var evicted: UInt64 = 0
    /// Octets that have become resident at most. What exceeds it at the end of warming up is growth.
    var touchedOctets: Int {
        Int(chunksTouched) * Self.chunkOctets + (index.lines + (isMoving ? old.lines : 0)) * Self.wordsPerLine * 8
    }

    /// - Parameters:
    ///   - maximum: the most entries at once, up to 2^26; the oldest make room beyond.
    ///   - expected: how many there are likely to be at once, as far as the plan tells. The index starts at that size
    ///     instead of growing to it.
    init(maximum: Int, expected: Int = 0) throws(RegionUnavailable) {
        precondition(maximum > 0 && maximum <= 1 << 26)
        assert(MemoryLayout<Entry>.stride == 32)
        self.maximum = maximum
        // Each queue has a partly used chunk at either end.
        let chunks = maximum >> Int(Self.chunkShift) + 1 + 2 * Self.mostQueues
        directorySize = UInt32(Self.powerOfTwo(atLeast: chunks))
        let directoryWords = Self.mostQueues * Int(directorySize)
        let entryOctets = chunks * Self.chunkOctets
        let first = max(Self.firstLines, Self.powerOfTwo(atLeast: min(expected, maximum) / Self.load))
        // The widest index has room for all entries at the usual load; those before it are narrower by `widening` each.
        let widest = max(first, Self.powerOfTwo(atLeast: maximum / Self.load))
        let region = try ReservedRegion(octets: entryOctets + directoryWords * 4, for: "lingering transactions")
        let indexRoom = try ReservedRegion(
            octets: 4 * widest * Self.wordsPerLine * 8, for: "the index of lingering transactions")
        entries = region.base
        directory = (entries + entryOctets).bindMemory(to: UInt32.self, capacity: directoryWords)
        self.region = region
        queues = .allocate(capacity: Self.mostQueues)
        index = Index(
            words: indexRoom.base.bindMemory(to: UInt64.self, capacity: first * Self.wordsPerLine), lines: first,
            lastExpiry: 0)
        indexUsed = first * Self.wordsPerLine * 8
        old = index
        moved = first
        self.indexRoom = indexRoom
        self.indexRoom.adviseHugePages()
        self.region.adviseHugePages()
        // Every line is met at random soon: better all at once, before the run.
        self.indexRoom.populate(octets: indexUsed)
        self.indexRoom.isUsed(octets: indexUsed)
        self.indexRoom.isWanted(octets: indexUsed)
    }

    deinit {
        queues.deallocate()
    }

    /// The queue for one wait, made on first use.
    /// - Parameter wait: milliseconds, more than 0.
    /// - Returns: its number, or nil when there are `mostQueues` others.
    mutating func queue(lasting wait: UInt32) -> Int? {
        for queue in 0..<queueCount where queues[queue].wait == wait { return queue }
        if queueCount == Self.mostQueues { return nil }
        // Numbers start above zero, which is what an unused word names.
        queues[queueCount] = Queue(wait: wait, tail: Self.chunkEntries, head: Self.chunkEntries)
        queueCount += 1
        return queueCount - 1
    }

    /// Keeps a transaction for the wait of its queue. A key that is in the table already is hidden by the new entry.
    /// - Parameters:
    ///   - queue: from `queue(lasting:)`.
    ///   - now: not before the `now` of an earlier call.
    @inline(__always)
    mutating func insert(_ key: UInt64, _ payload: Payload, queue: Int, now: Tick) {
        assert(queue >= 0 && queue < queueCount)
        if count == maximum { evictOldest() }
        let number = queues[queue].head
        if number & (Self.chunkEntries - 1) == 0 { takeChunk(queue, number) }
        let expiry = now.after(queues[queue].wait)
        at(number, queue).initialize(
            to: Entry(
                key: key, first: payload.first, second: payload.second, third: payload.third, expiry: expiry))
        queues[queue].head = number &+ 1
        count &+= 1
        let hash = Self.hash(key)
        let word = Self.word(hash, queue, number)
        if isMoving { move(lines: Self.movedPerInsert) }
        if count > index.lines &* Self.load, canWiden { widen() }
        while !put(word, hash, expiry) { widen() }
    }

    /// The payload of the newest entry with this key, to be read or changed before the next call; nil when there is none.
    /// Entries that have expired may still be found until they are swept.
    func find(_ key: UInt64) -> UnsafeMutablePointer<Payload>? {
        let hash = Self.hash(key)
        var newest = find(key, hash, in: index)
        // What a full line passed on stands in one of the next, which may not have been moved yet.
        if newest == nil, isMoving, old.line(hash) &+ Self.reach > moved { newest = find(key, hash, in: old) }
        guard let newest else { return nil }
        return UnsafeMutableRawPointer(newest).advanced(by: MemoryLayout<Entry>.offset(of: \.first)!)
            .assumingMemoryBound(to: Payload.self)
    }

    @inline(__always)
    private func find(_ key: UInt64, _ hash: UInt64, in index: Index) -> UnsafeMutablePointer<Entry>? {
        var newest: UnsafeMutablePointer<Entry>?
        var newestNumber: UInt32 = 0
        var line = index.line(hash)
        for _ in 0..<Self.reach {
            let words = index.words(ofLine: line)
            for place in 0..<Self.names {
                let word = words[place]
                guard word &>> 32 == hash &>> 32, isLive(word) else { continue }
                let number = Self.number(word)
                let entry = at(number, Self.queue(word))
                guard entry.pointee.key == key else { continue }
                // Of two with one key the later hides the earlier.
                if let other = newest {
                    let later = (number &- newestNumber) & Self.numberMask < Self.numberMask / 2
                    guard
                        entry.pointee.expiry > other.pointee.expiry
                            || (entry.pointee.expiry == other.pointee.expiry && later)
                    else { continue }
                }
                newest = entry
                newestNumber = number
            }
            // Nothing that belonged here has gone on, or it has expired since.
            if words[Self.names] == 0 || words[Self.names] < UInt64(swept) { break }
            line = index.line(after: line)
        }
        return newest
    }

    /// Asks for the line of a key that is about to be looked up or inserted. The line is met at random, and nearly always
    /// cold: what can be done before it is needed is free.
    @inline(__always)
    func prefetch(_ key: UInt64) { clx_prefetch(index.words(ofLine: index.line(Self.hash(key)))) }

    /// Drops entries whose time has come.
    /// - Parameter atMost: how many to drop before returning.
    /// - Returns: how many were dropped.
    @discardableResult
    mutating func expire(now: Tick, atMost: Int) -> Int {
        var left = atMost
        for queue in 0..<queueCount {
            while left > 0 && queues[queue].count > 0
                && at(queues[queue].tail, queue).pointee.expiry <= now
            {
                dropOldest(queue)
                left &-= 1
            }
        }
        swept = min(nextExpiry, now)
        return atMost &- left
    }

    /// When the next entry expires; `Tick.never` when the table is empty.
    var nextExpiry: Tick {
        var earliest: Tick = .never
        for queue in 0..<queueCount where queues[queue].count > 0 {
            earliest = min(earliest, at(queues[queue].tail, queue).pointee.expiry)
        }
        return earliest
    }

    // MARK: - The log

    @inline(__always)
    private func at(_ number: UInt32, _ queue: Int) -> UnsafeMutablePointer<Entry> {
        let slot = Int((number &>> Self.chunkShift) & (directorySize &- 1))
        let chunk = directory[queue &* Int(directorySize) &+ slot]
        let entry = Int(chunk) &* Int(Self.chunkEntries) &+ Int(number & (Self.chunkEntries - 1))
        return (entries + entry &* MemoryLayout<Entry>.stride).assumingMemoryBound(to: Entry.self)
    }

    @inline(__always)
    private mutating func dropOldest(_ queue: Int) {
        let number = queues[queue].tail &+ 1
        queues[queue].tail = number
        count &-= 1
        if number & (Self.chunkEntries - 1) == 0 { releaseChunk(queue, number &- 1) }
    }

    private mutating func evictOldest() {
        var oldest = -1
        var since: Tick = .never
        for queue in 0..<queueCount where queues[queue].count > 0 {
            let inserted = at(queues[queue].tail, queue).pointee.expiry &- queues[queue].wait
            if oldest < 0 || inserted < since {
                oldest = queue
                since = inserted
            }
        }
        dropOldest(oldest)
        evicted &+= 1
    }

    @inline(never)
    private mutating func takeChunk(_ queue: Int, _ number: UInt32) {
        let chunk: UInt32
        if firstFreeChunk != Self.none {
            chunk = firstFreeChunk
            firstFreeChunk = (entries + Int(chunk) * Self.chunkOctets).load(as: UInt32.self)
        } else {
            chunk = chunksTouched
            chunksTouched &+= 1
            region.isUsed(octets: Int(chunksTouched) &* Self.chunkOctets)
            // Half way to the next index: all of it is met at random as soon as it begins.
            if count > index.lines &* Self.load / 2 {
                indexRoom.isWanted(octets: indexUsed &+ index.lines &* 2 &* Self.wordsPerLine &* 8)
            }
            assert(entries + (Int(chunk) + 1) * Self.chunkOctets <= UnsafeMutableRawPointer(directory))
        }
        let slot = Int((number &>> Self.chunkShift) & (directorySize &- 1))
        directory[queue * Int(directorySize) + slot] = chunk
    }

    @inline(never)
    private mutating func releaseChunk(_ queue: Int, _ number: UInt32) {
        let slot = Int((number &>> Self.chunkShift) & (directorySize &- 1))
        let chunk = directory[queue * Int(directorySize) + slot]
        (entries + Int(chunk) * Self.chunkOctets).storeBytes(of: firstFreeChunk, as: UInt32.self)
        firstFreeChunk = chunk
    }

    // MARK: - The index

    /// High half: bits that a word keeps of its key; all of it: the key's line.
    @inline(__always)
    private static func hash(_ key: UInt64) -> UInt64 {
        var x = key &* 0x9E37_79B9_7F4A_7C15
        x ^= x &>> 32
        return x &* 0xD6E8_FEB8_6659_FD93
    }

    @inline(__always)
    private static func word(_ hash: UInt64, _ queue: Int, _ number: UInt32) -> UInt64 {
        hash & 0xFFFF_FFFF_0000_0000 | UInt64(UInt32(truncatingIfNeeded: queue) &<< 29 | number & numberMask)
    }

    @inline(__always)
    private static func number(_ word: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: word) & numberMask }

    @inline(__always)
    private static func queue(_ word: UInt64) -> Int { Int(UInt32(truncatingIfNeeded: word) &>> 29) }

    /// Whether a word names an entry that still lingers.
    @inline(__always)
    private func isLive(_ word: UInt64) -> Bool {
        let queue = queues[Self.queue(word)]
        guard Self.queue(word) < queueCount else { return false }
        return (Self.number(word) &- queue.tail) & Self.numberMask < queue.count
    }

    /// Puts a word into its line where there is room, else into one of the next.
    @inline(__always)
    private mutating func put(_ word: UInt64, _ hash: UInt64, _ expiry: Tick) -> Bool {
        var line = index.line(hash)
        for _ in 0..<Self.reach {
            let words = index.words(ofLine: line)
            for place in 0..<Self.names where !isLive(words[place]) {
                words[place] = word
                index.lastExpiry = max(index.lastExpiry, expiry)
                return true
            }
            words[Self.names] = max(words[Self.names], UInt64(expiry))
            line = index.line(after: line)
        }
        return false
    }

    @inline(__always)
    private var isMoving: Bool { moved < old.lines }

    /// Moves the next lines of the old index.
    private mutating func move(lines: Int) {
        let end = min(moved &+ lines, old.lines)
        while moved < end {
            let words = old.words(ofLine: moved)
            for place in 0..<Self.names where isLive(words[place]) {
                // The word has the bits of the hash that choose a line. When its entry expires is not known here, but by when.
                if !put(words[place], words[place], old.lastExpiry) { evicted &+= 1 }
            }
            moved &+= 1
        }
        if !isMoving {
            indexRoom.release(from: UnsafeMutableRawPointer(old.words), octets: old.lines * Self.wordsPerLine * 8)
        }
    }

    private var canWiden: Bool { indexUsed + index.lines * 2 * Self.wordsPerLine * 8 <= indexRoom.octets }

    /// A wider index for what comes from now on; where there is no room for one, the oldest entry goes.
    @inline(never)
    private mutating func widen() {
        if isMoving { move(lines: .max / 2) }
        guard canWiden else {
            evictOldest()
            return
        }
        old = index
        moved = 0
        let lines = old.lines * 2
        index = Index(
            words: (indexRoom.base + indexUsed).bindMemory(to: UInt64.self, capacity: lines * Self.wordsPerLine),
            lines: lines, lastExpiry: 0)
        indexUsed += lines * Self.wordsPerLine * 8
        indexRoom.isUsed(octets: indexUsed)
    }

    private static func powerOfTwo(atLeast value: Int) -> Int {
        var power = 1
        while power < value { power *= 2 }
        return power
    }
}
