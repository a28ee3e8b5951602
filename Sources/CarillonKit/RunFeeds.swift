import Blaster
import CallEngine
import Measurement

// The feeds of a run: opened before it begins, told of when it is over.
extension ScenarioRun {
    /// Opens the feeds and checks them, unless that is done. Feeds whose rows are used once may end the run before `calls` does.
    package mutating func openFeeds(_ program: CallProgram) throws(ScenarioRunError) {
        guard feeds == nil else { return }
        let (opened, diagnostics) = program.openFeeds(feedLocations, plays: plays)
        guard let opened else { throw ScenarioRunError(.scenario, diagnostics.map(\.description)) }
        if let problem = opened.problem(workers: workersInUse) { throw ScenarioRunError(.usage, [problem]) }
        feeds = opened
        guard let rows = rowsUntilEnd(opened) else { return }
        guard UInt64(rows) < calls ?? .max else { return }
        calls = UInt64(rows)
        endingRows = rows
    }

    /// Never more than may have a run at once: rows are shared out among those that work.
    var workersInUse: Int {
        var plan = RunPlan(load: load, local: local)
        plan.workers = workers
        return plan.workersInUse
    }

    /// Runs after which no row is left. Where nothing says when a run is due, one without a row is none.
    private func rowsUntilEnd(_ feeds: OpenFeeds) -> Int? {
        if case .closed = load { return [feeds.rowsUntilEnd, feeds.uniqueRows].compactMap(\.self).min() }
        return load == .none ? nil : feeds.rowsUntilEnd
    }
}

extension OpenFeeds {
    /// In the program's order; without rows where nobody reads it.
    func records(_ program: CallProgram) -> [FeedRecord] {
        program.feeds.indices.map { number in
            guard let feed = self.feed(number) else {
                return FeedRecord(name: program.feeds[number].name, source: "", isFile: false, policy: "", rows: 0)
            }
            var record = FeedRecord(
                name: feed.name, source: feed.source, isFile: feed.isFile, policy: feed.policyName,
                rows: feed.rows.count)
            record.change = feed.change()
            return record
        }
    }
}

extension RunRecord {
    /// Marks the feeds that had so many rows and no more, where arrivals ended for it.
    mutating func noteEnd(ofRows rows: Int?) {
        guard let rows, end == .finished, self[.arrivalsDue] >= UInt64(rows) else { return }
        for number in (feeds ?? []).indices {
            let feed = feeds![number]
            let isUsedUp = feed.policy == "once" || feed.policy == "unique"
            feeds![number].endedArrivals = isUsedUp && feed.rows == rows
        }
    }
}
