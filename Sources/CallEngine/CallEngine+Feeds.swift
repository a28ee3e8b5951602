import Feeds
import SIPWire

/// A column that the program reads, ready to be read.
struct BoundFeedColumn {
    var rows: FeedRows
    var column: Int
}

/// One worker's rows: which run gets which, and the columns they are read by. Nothing is allocated after the start.
struct FeedDesk: ~Copyable {
    /// What a slot keeps of one feed: the row and its lease.
    static let recordOctets = MemoryLayout<DrawnRow>.stride

    let count: Int
    fileprivate let selections: UnsafeMutablePointer<RowSelection>
    fileprivate let columns: UnsafeMutablePointer<BoundFeedColumn>
    /// Whether a run has to give its rows back.
    fileprivate let leases: Bool
    /// Holds the memory that `columns` points to.
    private let open: OpenFeeds

    init(_ program: borrowing CallProgram, _ settings: EngineSettings) throws(FeedError) {
        let feeds = settings.feeds.all
        precondition(
            feeds.count == program.feeds.count && settings.feeds.columns.count == program.feedColumns.count,
            "the feeds of a program are opened before its engines are made")
        var selections: [Int] = []
        let memory = UnsafeMutablePointer<RowSelection>.allocate(capacity: max(1, feeds.count))
        do throws(FeedError) {
            for (number, feed) in feeds.enumerated() {
                (memory + number).initialize(
                    to: try RowSelection(
                        feed?.policy ?? .sequential, rows: feed?.rows.count ?? 1, source: feed?.source ?? "",
                        worker: Int(settings.worker),
                        workers: settings.workers, seed: RowSelection.seed(ofRun: settings.seed, feed: number)))
                selections.append(number)
            }
        } catch {
            for number in selections { (memory + number).deinitialize(count: 1) }
            memory.deallocate()
            throw error
        }
        let bound = UnsafeMutablePointer<BoundFeedColumn>.allocate(capacity: max(1, settings.feeds.columns.count))
        for (number, column) in settings.feeds.columns.enumerated() {
            // What is not open is not read: no run has a row of it.
            guard let feed = feeds[column.feed] else { continue }
            (bound + number).initialize(to: BoundFeedColumn(rows: feed.rows, column: column.column))
        }
        self.selections = memory
        columns = bound
        count = feeds.count
        leases = feeds.contains { $0?.policy == .exclusive }
        open = settings.feeds
    }

    deinit {
        selections.deinitialize(count: count)
        selections.deallocate()
        columns.deallocate()
    }
}

extension CallEngine {
    @inline(__always)
    private func rowRecord(
        _ header: UnsafeMutablePointer<SlotHeader>, _ feed: Int
    ) -> UnsafeMutablePointer<DrawnRow> {
        (UnsafeMutableRawPointer(header) + Int(party(header).pointee.feedOffset) + feed &* FeedDesk.recordOctets)
            .assumingMemoryBound(to: DrawnRow.self)
    }

    /// Gives a new run, whose owner has this slot, its rows.
    ///
    /// - Returns: false where a feed has none for it; then it has none at all.
    mutating func drawRows(_ slot: UInt32, arrival: UInt64) -> Bool {
        let header = self.header(slot)
        let wanted = party(header).pointee.feeds
        for feed in 0..<feeds.count {
            rowRecord(header, feed).pointee = .none
            guard wanted & 1 &<< UInt64(feed) != 0 else { continue }
            guard case .row(let row) = feeds.selections[feed].draw(arrival: arrival) else {
                for earlier in 0..<feed { giveBack(earlier, header) }
                return false
            }
            rowRecord(header, feed).pointee = row
        }
        return true
    }

    /// The run is over: its rows are free for others.
    mutating func giveBackRows(_ header: UnsafeMutablePointer<SlotHeader>) {
        guard feeds.leases else { return }
        for feed in 0..<feeds.count { giveBack(feed, header) }
    }

    private mutating func giveBack(_ feed: Int, _ header: UnsafeMutablePointer<SlotHeader>) {
        let drawn = rowRecord(header, feed).pointee
        guard drawn != .none else { return }
        _ = feeds.selections[feed].giveBack(drawn)
        rowRecord(header, feed).pointee = .none
    }

    /// The field of the run's row: where it stands in the file, or written behind what was computed for this value.
    mutating func feedField(
        _ number: Int, record: Int, _ header: UnsafeMutablePointer<SlotHeader>, _ slot: UInt32
    ) -> UnsafeRawBufferPointer? {
        let drawn = rowRecord(owner(slot, header), record).pointee
        guard drawn != .none, textUsed < Self.scratchOctets / 2 else { return nil }
        let column = feeds.columns + number
        let scratch = UnsafeMutableRawBufferPointer(start: textScratch + textUsed, count: Self.scratchOctets / 2)
        guard
            let field = column.pointee.rows.field(
                row: Int(drawn.row), column: column.pointee.column, scratch: scratch)
        else { return nil }
        if field.baseAddress == UnsafeRawPointer(scratch.baseAddress) { textUsed += field.count }
        return field
    }

    /// The rows of a run, for what is told of it: a record for each feed.
    func rowsOfRun(_ header: UnsafeMutablePointer<SlotHeader>) -> UnsafeRawBufferPointer {
        guard feeds.count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: rowRecord(header, 0), count: feeds.count * FeedDesk.recordOctets)
    }
}
