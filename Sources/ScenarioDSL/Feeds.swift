// Data that comes from outside of a scenario: files of rows, and rows that are made by rule.

/// Rows of data, one for each run: `let users = Feed("users.csv", .sequential)`, then `"sip:\(users["user"])@\(.domain)"`.
///
/// All parties of one run see the same row. A feed that no value names is not opened. How files look and what is said of
/// them: docs/feeds.md.
public struct Feed: Sendable {
    private let name: BornName
    private let written: FeedTree

    /// A file whose first line names its columns; a relative path is sought beside the scenario's file.
    /// - Parameters:
    ///   - name: what `--feed NAME=FILE` and reports call it; without it the file's name up to its last dot.
    ///   - columns: names of the columns of a file that does not name them itself.
    public init(
        _ path: String, _ policy: FeedPolicy = .sequential, name: String? = nil, columns: [String]? = nil,
        file: StaticString = #fileID, line: Int = #line
    ) {
        let name = name ?? FeedTree.name(ofPath: path)
        self.name = BornName(name)
        written = FeedTree(
            name: name, at: Spot(file, line), policy: policy.tree, source: .file(path: path, columns: columns))
    }

    /// Rows that are made by rule: `Feed(.numbers(from: "+493012340000", count: 10_000))`.
    /// - Parameters:
    ///   - columns: one, or several in brackets.
    ///   - rows: how many; without it as many as the columns have, which must then all be equally long.
    ///   - name: what `--feed NAME=FILE` and reports call it; without it the first column's name.
    public init(
        _ columns: FeedColumns, _ policy: FeedPolicy = .sequential, rows: Int? = nil, name: String? = nil,
        file: StaticString = #fileID, line: Int = #line
    ) {
        let name = name ?? columns.list.first?.name ?? "rows"
        self.name = BornName(name)
        written = FeedTree(
            name: name, at: Spot(file, line), policy: policy.tree,
            source: .rows(columns: columns.list, count: rows))
    }

    /// This run's field of a column. Stands wherever a value may.
    public subscript(column: String) -> Value {
        Value(name.isBorn ? .feed(written, column: column) : .unborn)
    }
}

/// Which run gets which row. With the first four the seed decides, whatever the number of workers.
public struct FeedPolicy: Sendable {
    let tree: FeedPolicyTree
    /// One after the other, and from the first again after the last.
    public static let sequential = FeedPolicy(tree: .sequential)
    /// One after the other; no run is started after the last.
    public static let once = FeedPolicy(tree: .once)
    /// Any, each as likely, drawn from the run's seed.
    public static let random = FeedPolicy(tree: .random)
    /// Each row once in the whole run. Arrivals that find none left are dropped and counted.
    public static let unique = FeedPolicy(tree: .unique)
    /// A row is with one run at a time, the one that rested longest first. Arrivals that find none free are dropped and
    /// counted.
    public static let exclusive = FeedPolicy(tree: .exclusive)
}

/// Columns that are made by rule, `[.numbers(from: "+4930100", count: 100), .pattern("user{row}", column: "user")]`.
public struct FeedColumns: Sendable, ExpressibleByArrayLiteral {
    let list: [FeedColumnTree]

    /// All columns of its elements, in order.
    public init(arrayLiteral elements: FeedColumns...) { list = elements.flatMap(\.list) }

    private init(_ column: String, _ values: FeedValuesTree) {
        list = [FeedColumnTree(name: column, values: values)]
    }

    /// Telephone numbers of equally many digits, leading zeros kept. With a `+` at most 15 digits (ITU-T E.164 §6).
    public static func numbers(from first: String, count: Int, column: String = "number") -> FeedColumns {
        FeedColumns(column, .numbers(from: first, count: count))
    }
    /// Whole numbers in decimal.
    public static func integers(
        from first: Int, through last: Int, by step: Int = 1, column: String = "number"
    ) -> FeedColumns {
        FeedColumns(column, .integers(from: first, through: last, step: step))
    }
    /// Text with the row's number: `user{row}` from 0, `user{row+1}` from 1, `user{row:6}` in six digits; `{{` is a brace.
    public static func pattern(_ text: String, column: String = "text") -> FeedColumns {
        FeedColumns(column, .pattern(text))
    }
}
