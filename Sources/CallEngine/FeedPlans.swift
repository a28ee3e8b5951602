import Feeds
import ScenarioDSL

// What a program knows of its feeds before any file is opened: which there are, which columns are read, and where.

/// A column that the program reads.
package struct FeedColumnPlan: Sendable, Hashable {
    /// Position in `CallProgram.feeds`.
    package var feed: Int
    package var name: String
}

extension CallProgram {
    /// A call slot names the feeds of its run by one bit each.
    static let mostFeeds = 64

    /// Takes up the feeds of a scenario.
    mutating func add(feedsOf scenario: ScenarioTree) -> [Diagnostic] {
        var problems: [Diagnostic] = []
        for use in scenario.feedUses {
            let number: Int
            if let known = feeds.firstIndex(where: { $0.name == use.feed.name }) {
                guard feeds[known] == use.feed else {
                    problems.append(Self.clash(use, with: feeds[known]))
                    continue
                }
                number = known
            } else {
                guard feeds.count < Self.mostFeeds else {
                    problems.append(Diagnostic(.error, at: use.at, "a run can have \(Self.mostFeeds) feeds"))
                    return problems
                }
                feeds.append(use.feed)
                number = feeds.count - 1
            }
            let column = FeedColumnPlan(feed: number, name: use.column)
            if !feedColumns.contains(column) { feedColumns.append(column) }
            feedUses.append(use)
        }
        return problems
    }

    /// A bit for each feed that a party reads.
    func feeds(readBy party: PartyTree) -> UInt64 {
        party.feedUses.reduce(0) { mask, use in
            mask | (feeds.firstIndex(of: use.feed).map { 1 << UInt64($0) } ?? 0)
        }
    }

    /// The feeds that a run of a scenario takes rows of: those that a party which is played here reads.
    func feedsInUse(scenario: Int, plays: Set<String>?) -> UInt64 {
        parties.filter { $0.scenario == scenario && plays?.contains($0.name) ?? true }.reduce(0) { $0 | $1.feeds }
    }

    /// The same over all scenarios.
    func feedsInUse(plays: Set<String>?) -> UInt64 {
        scenarios.indices.reduce(0) { $0 | feedsInUse(scenario: $1, plays: plays) }
    }

    private static func clash(_ use: FeedUse, with known: FeedTree) -> Diagnostic {
        Diagnostic(
            .error, at: use.at,
            "the feed \"\(known.name)\" of line \(use.feed.at.line) has the name of the one of line \(known.at.line), and"
                + " --feed and reports could not tell them apart: give it another, Feed(…, name: \"…\")")
    }

    /// Every slot has room for a row of each feed, whatever party it holds: a program without feeds has none.
    mutating func layOutFeeds() {
        for party in parties.indices { parties[party].layout.feeds = feeds.count }
    }
}

extension FeedPolicyTree {
    var selection: SelectionPolicy {
        switch self {
        case .sequential: .sequential
        case .once: .sequentialOnce
        case .random: .random
        case .unique: .unique
        case .exclusive: .exclusive
        }
    }

    /// For listings and the head of a run.
    package var text: String {
        switch self {
        case .sequential: "sequential, from the first again after the last"
        case .once: "once, the run ends with the rows"
        case .random: "random"
        case .unique: "unique, each row once in the run"
        case .exclusive: "exclusive, a row is with one run at a time"
        }
    }
}
