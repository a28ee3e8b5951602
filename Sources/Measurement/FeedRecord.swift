/// A feed that a run took rows from.
public struct FeedRecord: Sendable, Hashable, Codable {
    public var name: String
    /// The file as it was named, or how the rows were made.
    public var source: String
    public var isFile: Bool
    /// `sequential`, `once`, `random`, `unique` or `exclusive`.
    public var policy: String
    public var rows: Int
    /// There was no further row, and arrivals ended with it.
    public var endedArrivals: Bool
    /// What happened to the file during the run, so that fields may have been spoilt.
    public var change: String?

    /// `users: users.csv, 3 rows, once; arrivals ended with the last row`.
    public func text(noun: String) -> String {
        "\(name): \(source), \(counted(UInt64(rows), "row")), \(policy)"
            + (endedArrivals ? "; no \(noun) was started after the last row" : "")
    }

    public init(name: String, source: String, isFile: Bool, policy: String, rows: Int) {
        self.name = name
        self.source = source
        self.isFile = isFile
        self.policy = policy
        self.rows = rows
        endedArrivals = false
    }
}

/// The row that a run had of one feed.
public struct RowReference: Sendable, Hashable, Codable {
    public var feed: String
    /// From 1, as people count.
    public var row: Int
    /// `users.csv:18`; nil where the rows come from no file.
    public var place: String?

    /// `users.csv:18`, or `row 17 of number`.
    public var text: String { place ?? longText }
    public init(feed: String, row: Int, place: String? = nil) {
        self.feed = feed
        self.row = row
        self.place = place
    }

    /// `row 17 of users (users.csv:18)`.
    public var longText: String { "row \(row) of \(feed)" + (place.map { " (\($0))" } ?? "") }
}

extension RunRecord {
    /// Says of each failed run kept in full where its rows stand.
    /// - Parameter lines: for a feed's name and its rows, from 0, the lines on which they begin, by row.
    public mutating func findRows(lines: (String, Set<Int>) -> [Int: Int]) {
        for feed in feeds ?? [] where feed.isFile {
            var rows: Set<Int> = []
            for group in failureGroups {
                for example in group.examples {
                    for row in example.rows ?? [] where row.feed == feed.name { rows.insert(row.row - 1) }
                }
            }
            guard !rows.isEmpty else { continue }
            let found = lines(feed.name, rows)
            for group in failureGroups.indices {
                for example in failureGroups[group].examples.indices {
                    for row in (failureGroups[group].examples[example].rows ?? []).indices
                    where failureGroups[group].examples[example].rows![row].feed == feed.name {
                        let line = found[failureGroups[group].examples[example].rows![row].row - 1]
                        failureGroups[group].examples[example].rows![row].place = line.map { "\(feed.source):\($0)" }
                    }
                }
            }
        }
    }
}
