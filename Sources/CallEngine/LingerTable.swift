import SIPTransactions

/// Finished transactions that still absorb late messages (Timers D, I, J, K, L and M), 40 octets each, found by key.
///
/// The waits of one run are few and constant, so what lingers equally long stands in one queue in order of expiry, and
/// expiring is moving its tail. A queue is a log: entries have ever growing numbers, a bucket of the index names its newest
/// entry, and an entry the next older one of its bucket. A number below the tail is expired wherever it stands, so expiring
/// touches no index, and inserting only reads one word of it and writes it. The index grows a bucket at a time with the
/// number of entries (linear hashing), and the log in chunks that return to a pool, so memory follows the most entries
/// there ever were. Chunks and buckets never move.
///
/// Numbers wrap after 2^32 entries. A bucket unused for that long can then name an entry of another bucket: keys are
/// compared in full, links only ever lead to older entries, and growing stops at an entry that is not of its bucket.
struct LingerTable: ~Copyable {
    /// What is kept of a transaction; its meaning is the caller's. It must own nothing: it is dropped without a word.
    struct Payload: Equatable {
        var first: UInt64
        var second: UInt64
        var third: UInt64
    }

    /// The most different waits.
    static let mostQueues = 8

    private struct Entry {
        var key: UInt64
        var payload: Payload
        /// The next older entry of the bucket, or any number that is not in the queue.
        var older: UInt32
        var expiry: Tick
    }

    private struct Queue {
        var wait: UInt32
        /// The log: entries `tail..<head` linger.
        var tail: UInt32
        var head: UInt32
        /// Buckets of the index, and the power of two at or below that.
        var buckets: UInt32
        var level: UInt32

        var count: UInt32 { head &- tail }
    }

    private static let chunkShift: UInt32 = 10
    private static let chunkEntries: UInt32 = 1 << chunkShift
    private static let chunkOctets = Int(chunkEntries) * MemoryLayout<Entry>.stride
    private static let firstBuckets: UInt32 = 256
    /// Entries per bucket: lookups are rare, and a smaller index stays in cache.
    private static let load: UInt32 = 2
    private static let none: UInt32 = .max

    private let region: ReservedRegion
    private let entries: UnsafeMutableRawPointer
    /// Per queue `mostBuckets` numbers of newest entries.
    private let index: UnsafeMutablePointer<UInt32>
    /// Per queue the chunks of its log, by chunk number modulo `directorySize`.
    private let directory: UnsafeMutablePointer<UInt32>
    private let queues: UnsafeMutablePointer<Queue>
    private let mostBuckets: UInt32
    private let startBuckets: UInt32
    private let directorySize: UInt32
    private var queueCount = 0
    private var firstFreeChunk: UInt32 = Self.none
    private var chunksTouched: UInt32 = 0

    /// The most entries at once.
    let maximum: Int
    /// Entries that linger, with those expired and not yet swept.
    private(set) var count = 0
    /// Entries dropped before their time because the table was full.
    private(set) var evicted: UInt64 = 0
    /// Octets that have become resident at most. What exceeds it at the end of warming up is growth.
    var touchedOctets: Int {
        var octets = Int(chunksTouched) * Self.chunkOctets
        for queue in 0..<queueCount { octets += Int(queues[queue].buckets) * 4 }
        return octets
    }

    /// - Parameters:
    ///   - maximum: the most entries at once, up to 2^26; the oldest make room beyond.
    ///   - expected: how many a queue is likely to hold at once, as far as the plan tells. The index starts at that size
    ///     instead of growing to it.
    init(maximum: Int, expected: Int = 0) throws(RegionUnavailable) {
        precondition(maximum > 0 && maximum <= 1 << 26)
        assert(MemoryLayout<Entry>.stride == 40)
        self.maximum = maximum
        // Each queue has a partly used chunk at either end.
        let chunks = maximum >> Int(Self.chunkShift) + 1 + 2 * Self.mostQueues
        directorySize = UInt32(Self.powerOfTwo(atLeast: chunks))
        mostBuckets = max(Self.firstBuckets, UInt32(Self.powerOfTwo(atLeast: maximum / Int(Self.load) + 1)))
        let expectedBuckets = UInt32(Self.powerOfTwo(atLeast: min(expected, maximum) / Int(Self.load)))
        startBuckets = min(mostBuckets, max(Self.firstBuckets, expectedBuckets))
        let indexWords = Self.mostQueues * Int(mostBuckets)
        let directoryWords = Self.mostQueues * Int(directorySize)
        let entryOctets = chunks * Self.chunkOctets
        region = try ReservedRegion(
            octets: entryOctets + (indexWords + directoryWords) * 4, for: "lingering transactions")
        entries = region.base
        index = (entries + entryOctets).bindMemory(to: UInt32.self, capacity: indexWords)
        directory = UnsafeMutableRawPointer(index + indexWords).bindMemory(to: UInt32.self, capacity: directoryWords)
        queues = .allocate(capacity: Self.mostQueues)
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
        // Numbers start above zero, which is what an unused bucket names.
        queues[queueCount] = Queue(
            wait: wait, tail: Self.chunkEntries, head: Self.chunkEntries, buckets: startBuckets, level: startBuckets)
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
        if queues[queue].count >= queues[queue].buckets &* Self.load { grow(queue) }
        let bucket = index + bucket(of: key, queue)
        at(number, queue).initialize(
            to: Entry(
                key: key, payload: payload, older: bucket.pointee, expiry: now.after(queues[queue].wait)))
        bucket.pointee = number
        queues[queue].head = number &+ 1
        count &+= 1
    }

    /// The payload of the newest entry with this key, to be read or changed before the next call; nil when there is none.
    /// Entries that have expired may still be found until they are swept.
    func find(_ key: UInt64) -> UnsafeMutablePointer<Payload>? {
        for queue in 0..<queueCount {
            let tail = queues[queue].tail
            var bound = queues[queue].head
            var number = index[bucket(of: key, queue)]
            while number &- tail < bound &- tail {
                let entry = at(number, queue)
                if entry.pointee.key == key {
                    return UnsafeMutableRawPointer(entry).advanced(by: MemoryLayout<Entry>.offset(of: \.payload)!)
                        .assumingMemoryBound(to: Payload.self)
                }
                bound = number
                number = entry.pointee.older
            }
        }
        return nil
    }

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
            assert(entries + (Int(chunk) + 1) * Self.chunkOctets <= UnsafeMutableRawPointer(index))
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

    /// Where in `index` a key's bucket stands.
    @inline(__always)
    private func bucket(of key: UInt64, _ queue: Int) -> Int {
        let hash = UInt32(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) &>> 32)
        let level = queues[queue].level
        var bucket = hash & (level &* 2 &- 1)
        if bucket >= queues[queue].buckets { bucket = hash & (level &- 1) }
        return queue &* Int(mostBuckets) &+ Int(bucket)
    }

    /// Adds one bucket and gives it its share of the one it splits from, both still newest first.
    @inline(never)
    private mutating func grow(_ queue: Int) {
        let added = queues[queue].buckets
        if added == mostBuckets { return }
        let level = queues[queue].level
        let split = queue &* Int(mostBuckets) &+ Int(added &- level)
        let tail = queues[queue].tail
        var bound = queues[queue].head
        var number = index[split]
        queues[queue].buckets = added &+ 1
        if added &+ 1 == level &* 2 { queues[queue].level = level &* 2 }
        let new = queue &* Int(mostBuckets) &+ Int(added)
        // The end of a list is any number that has expired.
        index[split] = tail &- 1
        index[new] = tail &- 1
        var stays = index + split
        var goes = index + new
        while number &- tail < bound &- tail {
            let entry = at(number, queue)
            let home = bucket(of: entry.pointee.key, queue)
            let older = entry.pointee.older
            let link = UnsafeMutableRawPointer(entry).advanced(by: MemoryLayout<Entry>.offset(of: \.older)!)
                .assumingMemoryBound(to: UInt32.self)
            if home == split {
                stays.pointee = number
                stays = link
            } else if home == new {
                goes.pointee = number
                goes = link
            } else {
                break
            }
            link.pointee = tail &- 1
            bound = number
            number = older
        }
    }

    private static func powerOfTwo(atLeast value: Int) -> Int {
        var power = 1
        while power < value { power *= 2 }
        return power
    }
}
