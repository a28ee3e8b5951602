/// Which row a run of a scenario gets.
///
/// For the first four, the row follows from the arrival's number in the whole plan alone (and the seed): any number of workers
/// gives one plan.
public enum SelectionPolicy: Equatable, Sendable {
    /// Row = arrival number, from the first again after the last.
    case sequential
    /// Row = arrival number; after the last row there is none.
    case sequentialOnce
    /// Any row, each as likely; drawn from the seed by the arrival's number.
    case random
    /// Each row at most once in the whole run, over all workers. By arrival number, as `sequentialOnce`: the assignments are
    /// equal, the promise differs (a row that was skipped, because its arrival was dropped, is never used later).
    case unique
    /// A row is leased to one run at a time; it is given back when the run ends. See `RowSelection`.
    case exclusive
}

/// A row that a run got. To be given back when the run ends.
public struct DrawnRow: Equatable, Sendable {
    public let row: UInt32
    /// Which of the leases of this row it is, so that one that was given back cannot be given back again.
    let lease: UInt32

    /// No row at all: what a run has of a feed that it does not use.
    public static let none = DrawnRow(row: .max, lease: .max)
}

/// What a draw gives.
public enum RowDraw: Equatable, Sendable {
    case row(DrawnRow)
    /// All rows of this worker are leased: this arrival is dropped and counted, a later one may get a row.
    case allLeased
    /// There will be no row any more: the plan is at its end.
    case spent
}

/// One worker's part in choosing rows. Each worker has its own; nothing is shared and nothing is allocated after the start.
///
/// What holds for `exclusive`:
/// - A row belongs to the worker row mod workers, which alone gives it out: with all parties that use a subscriber on one
///   worker, no other could know whether it is free. So a worker can be out of rows while another has some.
/// - A leased row is not given out again before it was given back.
/// - Rows come in order, then by how long they have rested: the row that was given back first comes first. So the first
///   rows/workers draws of each worker give the rows worker, worker + workers, … : until then row = arrival number, for any
///   number of workers, where every arrival draws.
/// - After that, the row depends on the order in which runs end, hence on the number of workers and on the server. It is the
///   same again for the same number of workers and the same order of draws and returns (as in the simulated network), not for
///   another.
///
/// A draw and a return take constant time. Exclusive needs 8 octets for each of the worker's rows, made resident by use.
public struct RowSelection: ~Copyable {
    private let policy: SelectionPolicy
    private let rows: UInt64
    private let seed: UInt64
    private var leases: LeaseTable

    /// - Parameters:
    ///   - rows: how many the feed has.
    ///   - source: the feed's name, for messages.
    ///   - seed: the run's, made the feed's own by `seed(ofRun:feed:)`; used by `random` only.
    /// - Throws: where an exclusive feed has fewer rows than there are workers.
    public init(
        _ policy: SelectionPolicy, rows: Int, source: String, worker: Int, workers: Int, seed: UInt64
    ) throws(FeedError) {
        precondition(rows > 0 && rows < UInt32.max, "a feed has rows, fewer than 2^32 - 1")
        precondition(workers > 0 && (0..<workers).contains(worker), "a worker is one of its number")
        self.policy = policy
        self.rows = UInt64(rows)
        self.seed = seed
        guard policy == .exclusive else {
            leases = try LeaseTable(rows: 0, worker: worker, workers: workers, source: source)
            return
        }
        guard rows >= workers else {
            throw FeedError(
                source,
                "\(counted(rows, "row")) for \(workers) workers; an exclusive feed needs at least one for each worker")
        }
        leases = try LeaseTable(rows: UInt32(rows), worker: worker, workers: workers, source: source)
    }

    /// A seed for one feed of a run: two feeds, or one feed in two runs, draw independently.
    public static func seed(ofRun seed: UInt64, feed: Int) -> UInt64 {
        scrambled(seed ^ scrambled(UInt64(feed) &+ increment))
    }

    /// The row for an arrival.
    /// - Parameter arrival: its number in the whole plan, from 0.
    public mutating func draw(arrival: UInt64) -> RowDraw {
        switch policy {
        case .sequential: return Self.unleased(arrival % rows)
        case .sequentialOnce, .unique: return arrival < rows ? Self.unleased(arrival) : .spent
        case .random:
            // The arrival-th number of SplitMix64 begun with the seed; its upper bits choose, so that each row has the same
            // share to within 1 in 2^32.
            let number = scrambled(seed &+ (arrival &+ 1) &* Self.increment)
            return Self.unleased(number.multipliedFullWidth(by: rows).high)
        case .exclusive: return leases.take().map { .row($0) } ?? .allLeased
        }
    }

    /// Gives a row back. Only `exclusive` needs it; others have nothing to give back.
    /// - Returns: false where the row was not leased by this draw, or no longer: then nothing changes.
    public mutating func giveBack(_ drawn: DrawnRow) -> Bool {
        policy == .exclusive ? leases.giveBack(drawn) : true
    }

    /// Whether a run of this worker has the row now. False for rows of other workers: see `owner`.
    public func isLeased(row: Int) -> Bool { leases.isLeased(row: row) }

    /// How many rows are leased now.
    public var leasedCount: Int { Int(leases.leasedCount) }

    /// The worker to which a row belongs.
    public static func owner(ofRow row: Int, workers: Int) -> Int { row % workers }

    private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

    private static func unleased(_ row: UInt64) -> RowDraw {
        .row(DrawnRow(row: UInt32(truncatingIfNeeded: row), lease: 0))
    }
}

/// The finaliser of SplitMix64: a bijection in which every input bit reaches every output bit.
private func scrambled(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
}
