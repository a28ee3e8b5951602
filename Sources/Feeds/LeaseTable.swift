/// One worker's rows of an exclusive feed: which are leased, and in which order the free ones come.
///
/// Free are, first, the rows that were never given out, which need no memory yet, then a queue of those that came back,
/// linked through the table.
struct LeaseTable: ~Copyable, @unchecked Sendable {
    /// 8 octets for each row. A row is told by its number among the worker's own: row = worker + own × workers.
    private struct Entry {
        /// The next in the queue, plus one; 0: none. `leased` while the row is given out.
        var next: UInt32
        /// How often the row was given out, modulo 2^32.
        var lease: UInt32
    }

    private static let leased = UInt32.max

    private let memory: FeedMemory
    private let rows: UInt32
    private let worker: UInt32
    private let workers: UInt32
    /// The worker's own rows.
    private let share: UInt32
    /// Own rows below this were given out at least once.
    private var begun: UInt32 = 0
    /// Both ends of the queue, plus one; 0: it is empty.
    private var first: UInt32 = 0
    private var last: UInt32 = 0
    private(set) var leasedCount: UInt32 = 0

    /// - Parameter rows: of all workers; 0: the table stays empty.
    init(rows: UInt32, worker: Int, workers: Int, source: String) throws(FeedError) {
        self.rows = rows
        self.worker = UInt32(worker)
        self.workers = UInt32(workers)
        share = rows > worker ? (rows - UInt32(worker) - 1) / UInt32(workers) + 1 : 0
        memory = try FeedMemory(
            octets: max(1, Int(share)) * MemoryLayout<Entry>.stride, for: "the leases of its rows", of: source)
        memory.base.bindMemory(to: Entry.self, capacity: max(1, Int(share)))
    }

    private var entries: UnsafeMutablePointer<Entry> { memory.base.assumingMemoryBound(to: Entry.self) }

    /// The row that rested longest; nil where all are leased.
    mutating func take() -> DrawnRow? {
        let own: UInt32
        if begun < share {
            own = begun
            begun &+= 1
        } else {
            guard first != 0 else { return nil }
            own = first &- 1
            first = entries[Int(own)].next
            if first == 0 { last = 0 }
        }
        assert(entries[Int(own)].next != Self.leased, "a leased row stood in the queue")
        entries[Int(own)].next = Self.leased
        entries[Int(own)].lease &+= 1
        leasedCount &+= 1
        return DrawnRow(row: worker &+ own &* workers, lease: entries[Int(own)].lease)
    }

    mutating func giveBack(_ drawn: DrawnRow) -> Bool {
        guard let own = own(Int(drawn.row)), entries[own].next == Self.leased, entries[own].lease == drawn.lease else {
            return false
        }
        entries[own].next = 0
        let place = UInt32(own) &+ 1
        if last == 0 { first = place } else { entries[Int(last &- 1)].next = place }
        last = place
        leasedCount &-= 1
        return true
    }

    func isLeased(row: Int) -> Bool { own(row).map { entries[$0].next == Self.leased } ?? false }

    private func own(_ row: Int) -> Int? {
        guard row >= 0, row < rows, row % Int(workers) == worker else { return nil }
        return row / Int(workers)
    }
}
