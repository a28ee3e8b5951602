import Feeds
import ScenarioDSL

/// A feed whose rows can be read.
public final class OpenFeed: Sendable {
    public let name: String
    /// The file as it was named, or how the rows are made.
    public let source: String
    public let policy: SelectionPolicy
    /// `sequential`, `once`, …: the word in the language.
    public let policyName: String
    /// The same in a few words.
    public let policyText: String
    public let columns: ColumnNames
    public let rows: FeedRows
    private let file: DelimitedFile?
    private let generated: GeneratedRows?

    fileprivate init(_ tree: FeedTree, _ opened: DelimitedFile) {
        name = tree.name
        source = opened.name
        policy = tree.policy.selection
        policyName = tree.policy.rawValue
        policyText = tree.policy.text
        columns = opened.columns
        rows = opened.rows
        file = opened
        generated = nil
    }

    fileprivate init(_ tree: FeedTree, _ made: GeneratedRows) {
        name = tree.name
        source = tree.sourceText
        policy = tree.policy.selection
        policyName = tree.policy.rawValue
        policyText = tree.policy.text
        columns = made.columns
        rows = made.rows
        file = nil
        generated = made
    }

    public var isFile: Bool { file != nil }

    /// The lines of the file on which rows begin, by row; empty where there is no file.
    public func lines(ofRows rows: Set<Int>) -> [Int: Int] { file?.lines(ofRows: rows) ?? [:] }

    /// What happened to the file while it was in use that may have spoilt fields; nil: nothing.
    public func change() -> String? { file?.change()?.description }

    /// What of this column cannot stand in the head of a message; nil: nothing.
    func firstControl(column: Int) -> ControlCharacter? {
        if let file { return file.hasControlCharacters(column: column) ? file.firstControl(column: column) : nil }
        return generated?.firstControl(column: column)
    }
}

/// Where files of rows are to be found.
public struct FeedLocations: Sendable {
    /// The folder in which a relative path of a feed is sought, by the feed's name; none: the working directory.
    public var folders: [String: String]
    /// `--feed`: files that take the place of what the scenario says, by the feed's name; from the working directory.
    public var files: [String: String]

    public init(folders: [String: String] = [:], files: [String: String] = [:]) {
        self.folders = folders
        self.files = files
    }

    /// Where a file of this feed is, as it would be named from the working directory.
    public func path(of written: String, feed: String) -> String {
        guard let folder = folders[feed], !folder.isEmpty, !written.hasPrefix("/") else { return written }
        return folder.hasSuffix("/") ? folder + written : "\(folder)/\(written)"
    }
}

/// The feeds of a program, opened and checked, with the columns that it reads. Shared by all workers.
public struct OpenFeeds: Sendable {
    /// As in `CallProgram.feeds`; nil where no party that is played reads it.
    let all: [OpenFeed?]
    /// As in `CallProgram.feedColumns`: feed and column.
    let columns: [(feed: Int, column: Int)]

    /// Of a program without feeds.
    public init() {
        all = []
        columns = []
    }

    fileprivate init(_ all: [OpenFeed?], _ columns: [(feed: Int, column: Int)]) {
        self.all = all
        self.columns = columns
    }

    /// Those that are read.
    public var feeds: [OpenFeed] { all.compactMap(\.self) }
    /// By position in the program; nil where it is not read.
    package func feed(_ number: Int) -> OpenFeed? { all[number] }

    /// How many runs there can be until the rows of a feed that is read once are used up; nil: no end.
    public var rowsUntilEnd: Int? {
        feeds.filter { $0.policy == .sequentialOnce }.map(\.rows.count).min()
    }

    /// The same for feeds each row of which is used once.
    public var uniqueRows: Int? { feeds.filter { $0.policy == .unique }.map(\.rows.count).min() }

    /// Why so many workers cannot share the rows; nil: they can.
    public func problem(workers: Int) -> String? {
        guard let short = feeds.first(where: { $0.policy == .exclusive && $0.rows.count < workers }) else { return nil }
        return "\(short.source): \(short.rows.count) row\(short.rows.count == 1 ? "" : "s") for \(workers) workers; the"
            + " exclusive feed \"\(short.name)\" needs at least one for each"
    }
}

extension CallProgram {
    /// Opens the feeds, and checks all of their rows and every column that the program reads.
    ///
    /// - Parameter plays: the parties whose feeds are wanted; nil: all.
    /// - Returns: nil for the feeds where a diagnostic is an error.
    package func openFeeds(
        _ locations: FeedLocations, plays: Set<String>? = nil
    ) -> (feeds: OpenFeeds?, diagnostics: [Diagnostic]) {
        var found: [Diagnostic] = []
        let wanted = feedsInUse(plays: plays)
        let opened = feeds.enumerated().map { number, tree -> OpenFeed? in
            guard wanted & 1 << UInt64(number) != 0 else { return nil }
            do throws(FeedError) {
                return try Self.open(tree, locations)
            } catch {
                found.append(Self.diagnostic(error, tree, isGiven: locations.files[tree.name] != nil))
                return nil
            }
        }
        var unknown: Set<FeedColumnPlan> = []
        for use in feedUses {
            guard let number = feeds.firstIndex(of: use.feed), let feed = opened[number] else { continue }
            do throws(FeedError) {
                let column = try feed.columns.index(of: use.column)
                if use.isInHead, let control = feed.firstControl(column: column) {
                    // Each column is refused once, at the octet: every step that reads it would say the same.
                    guard unknown.insert(FeedColumnPlan(feed: number, name: use.column)).inserted else { continue }
                    found.append(Self.refusal(control, use, feed))
                }
            } catch {
                found.append(Diagnostic(.error, at: use.at, error.description))
            }
        }
        guard !found.contains(where: { $0.severity == .error }) else { return (nil, found) }
        let columns = feedColumns.map { plan in
            // Not there where only a party that is not played reads it.
            (feed: plan.feed, column: opened[plan.feed]?.columns.names.firstIndex(of: plan.name) ?? 0)
        }
        return (OpenFeeds(opened, columns), found)
    }

    private static func open(_ tree: FeedTree, _ locations: FeedLocations) throws(FeedError) -> OpenFeed {
        if let given = locations.files[tree.name] { return OpenFeed(tree, try DelimitedFile(path: given)) }
        switch tree.source {
        case .file(let path, let columns):
            return OpenFeed(tree, try DelimitedFile(path: locations.path(of: path, feed: tree.name), columns: columns))
        case .rows(let columns, let count):
            var made: [(name: String, values: ColumnGenerator)] = []
            for column in columns { made.append((column.name, try column.generator(of: tree.name))) }
            return OpenFeed(tree, try GeneratedRows(name: tree.name, columns: made, rows: count))
        }
    }

    /// A line of the file is to blame, or else the line that declares the feed.
    private static func diagnostic(_ error: FeedError, _ tree: FeedTree, isGiven: Bool) -> Diagnostic {
        guard let line = error.line else {
            let given = isGiven ? ", given for the feed \"\(tree.name)\"" : ""
            return Diagnostic(.error, at: tree.at, error.description + given)
        }
        return Diagnostic(.error, at: Spot(file: error.source, line: line), error.text)
    }

    private static func refusal(_ control: ControlCharacter, _ use: FeedUse, _ feed: OpenFeed) -> Diagnostic {
        let text =
            "\(control.text) in the column \"\(use.column)\", which \(use.at.file):\(use.at.line) writes into the head of a"
            + " message: it would break the message there. Such fields can stand in bodies only"
        guard let line = control.line else { return Diagnostic(.error, at: use.feed.at, text) }
        return Diagnostic(.error, at: Spot(file: "\(feed.source):\(line)", line: control.place), text)
    }
}

extension FeedColumnTree {
    fileprivate func generator(of feed: String) throws(FeedError) -> ColumnGenerator {
        switch values {
        case .pattern(let text): return .pattern(text)
        case .integers(let first, let last, let step):
            return .integers(from: Int64(first), through: Int64(last), step: Int64(step))
        case .numbers(let first, let count):
            let digits = first.hasPrefix("+") ? first.dropFirst() : first[...]
            guard !digits.isEmpty, digits.utf8.count <= 18, digits.utf8.allSatisfy({ (48...57).contains($0) }),
                let number = Int(digits)
            else {
                throw FeedError(
                    feed,
                    "column \"\(name)\": \"\(first)\" is no telephone number: digits, with a + before them or without")
            }
            let (last, overflows) = number.addingReportingOverflow(max(count, 1) - 1)
            let text = String(last)
            guard count > 0, !overflows, text.utf8.count <= digits.utf8.count else {
                throw FeedError(
                    feed,
                    "column \"\(name)\": from \(first) on there are no \(count) numbers of"
                        + " \(digits.utf8.count) digits")
            }
            let padded = String(repeating: "0", count: digits.utf8.count - text.utf8.count) + text
            return .numbers("\(first)...\(first.hasPrefix("+") ? "+" : "")\(padded)")
        }
    }
}
