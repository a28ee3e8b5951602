import Feeds
import Testing

/// What each arrival gets, with so many workers; -1: nothing.
private func assigned(
    _ policy: SelectionPolicy, rows: Int, arrivals: Int, workers: Int, seed: UInt64 = 1
) throws -> [Int] {
    var rowOf = Array(repeating: -2, count: arrivals)
    for worker in 0..<workers {
        var selection = try RowSelection(
            policy, rows: rows, source: "users.csv", worker: worker, workers: workers, seed: seed)
        for arrival in stride(from: worker, to: arrivals, by: workers) {
            if case .row(let drawn) = selection.draw(arrival: UInt64(arrival)) {
                rowOf[arrival] = Int(drawn.row)
            } else {
                rowOf[arrival] = -1
            }
        }
    }
    return rowOf
}

@Suite struct RowSelectionTests {
    @Test(arguments: 1...3)
    func sequentialIsTheArrivalNumber(_ workers: Int) throws {
        let rows = try assigned(.sequential, rows: 7, arrivals: 20, workers: workers)
        #expect(rows == (0..<20).map { $0 % 7 })
    }

    @Test(arguments: [.sequentialOnce, .unique] as [SelectionPolicy], 1...3)
    func onceIsTheArrivalNumberAndThenNothing(_ policy: SelectionPolicy, _ workers: Int) throws {
        let rows = try assigned(policy, rows: 7, arrivals: 20, workers: workers)
        #expect(rows == Array(0..<7) + Array(repeating: -1, count: 13))
        var selection = try RowSelection(policy, rows: 7, source: "f", worker: 0, workers: workers, seed: 0)
        let draws = [7, 8, .max].map { selection.draw(arrival: $0) }
        #expect(draws == [.spent, .spent, .spent])
    }

    @Test(arguments: [1, 2, 3, 7, 1_000, Int(UInt32.max) - 1])
    func randomIsOnePlanForAnyNumberOfWorkers(_ rows: Int) throws {
        let one = try assigned(.random, rows: rows, arrivals: 3_000, workers: 1, seed: 5)
        #expect(one.allSatisfy { (0..<rows).contains($0) })
        for workers in 2...3 {
            #expect(try assigned(.random, rows: rows, arrivals: 3_000, workers: workers, seed: 5) == one)
        }
        if rows > 2 { #expect(try assigned(.random, rows: rows, arrivals: 3_000, workers: 1, seed: 6) != one) }
    }

    /// χ² with 99 degrees of freedom lies between 50 and 161 but for one case in 10^5; the seeds are fixed.
    @Test(arguments: 0..<5 as Range<Int>)
    func randomIsEven(_ feed: Int) throws {
        let seed = RowSelection.seed(ofRun: 42, feed: feed)
        var counts = Array(repeating: 0, count: 100)
        for row in try assigned(.random, rows: 100, arrivals: 100_000, workers: 1, seed: seed) { counts[row] += 1 }
        let deviation = counts.reduce(0.0) { $0 + (Double($1) - 1_000) * (Double($1) - 1_000) / 1_000 }
        #expect((50...161).contains(deviation))
    }

    @Test func feedsOfOneRunDrawApart() throws {
        let seeds = (0..<3).map { RowSelection.seed(ofRun: 42, feed: $0) } + [RowSelection.seed(ofRun: 43, feed: 0)]
        let plans = try seeds.map { try assigned(.random, rows: 10, arrivals: 10_000, workers: 1, seed: $0) }
        for (number, plan) in plans.enumerated() {
            for other in plans[..<number] {
                let equal = zip(plan, other).count { $0 == $1 }
                #expect((800...1_200).contains(equal))
            }
        }
    }

    @Test(arguments: 1...3)
    func exclusiveBeginsWithTheArrivalNumber(_ workers: Int) throws {
        let rows = try assigned(.exclusive, rows: 7, arrivals: 7 + 2 * workers, workers: workers)
        #expect(Array(rows[..<7]) == Array(0..<7))
        #expect(rows[7...].allSatisfy { $0 == -1 })
    }

    /// A model that keeps a plain queue says which row comes; and over all workers no row is out twice.
    @Test(arguments: [1, 2, 3, 5], [1, 2, 7, 42] as [UInt64])
    func exclusiveNeverDoubles(_ workers: Int, _ seed: UInt64) throws {
        let rows = 23
        var random = SplitMix(state: seed)
        var out: Set<UInt32> = []
        var exhaustions = 0
        for worker in 0..<workers {
            var selection = try RowSelection(
                .exclusive, rows: rows, source: "f", worker: worker, workers: workers, seed: 0)
            var free = Array(stride(from: worker, to: rows, by: workers))
            var held: [DrawnRow] = []
            var returned: [DrawnRow] = []
            for step in 0..<6_000 {
                // Long stretches of growing and of shrinking, so that both ends are met.
                if Int.random(in: 0..<10, using: &random) < ((step / 500) % 2 == 0 ? 7 : 3) {
                    switch selection.draw(arrival: UInt64(step)) {
                    case .row(let drawn):
                        #expect(Int(drawn.row) == free.removeFirst())
                        #expect(RowSelection.owner(ofRow: Int(drawn.row), workers: workers) == worker)
                        #expect(out.insert(drawn.row).inserted, "row \(drawn.row) is out twice")
                        held.append(drawn)
                    case .allLeased:
                        #expect(free.isEmpty)
                        exhaustions += 1
                    case .spent: Issue.record("an exclusive feed is never spent")
                    }
                } else if !held.isEmpty {
                    let drawn = held.remove(at: Int.random(in: 0..<held.count, using: &random))
                    let isBack = selection.giveBack(drawn)
                    #expect(isBack)
                    free.append(Int(drawn.row))
                    out.remove(drawn.row)
                    returned.append(drawn)
                }
                if let stale = returned.randomElement(using: &random) {
                    let isBack = selection.giveBack(stale)
                    #expect(!isBack, "given back twice")
                }
                #expect(selection.leasedCount == held.count)
            }
            let leased = (0..<rows).map { selection.isLeased(row: $0) }
            #expect(leased == (0..<rows).map { row in held.contains { $0.row == row } })
        }
        #expect(exhaustions > 0)
    }

    @Test func aRowOfAnotherWorkerIsNotTakenBack() throws {
        var first = try RowSelection(.exclusive, rows: 4, source: "f", worker: 0, workers: 2, seed: 0)
        var second = try RowSelection(.exclusive, rows: 4, source: "f", worker: 1, workers: 2, seed: 0)
        guard case .row(let drawn) = second.draw(arrival: 1) else {
            Issue.record("no row")
            return
        }
        #expect(drawn.row == 1)
        let taken = first.giveBack(drawn)
        #expect(!taken)
        let leased = [
            second.isLeased(row: 1), first.isLeased(row: 1), second.isLeased(row: 4), second.isLeased(row: 5),
        ]
        #expect(leased == [true, false, false, false])
        let again = second.giveBack(drawn)
        #expect(again)
    }

    @Test func othersHaveNothingToGiveBack() throws {
        var selection = try RowSelection(.random, rows: 4, source: "f", worker: 0, workers: 1, seed: 0)
        guard case .row(let drawn) = selection.draw(arrival: 0) else {
            Issue.record("no row")
            return
        }
        let first = selection.giveBack(drawn)
        let second = selection.giveBack(drawn)
        #expect(first && second)
        let leased = selection.isLeased(row: Int(drawn.row))
        #expect(!leased)
        #expect(selection.leasedCount == 0)
    }

    @Test func anExclusiveFeedHasARowForEachWorker() throws {
        #expect(
            throws: FeedError(
                "users.csv", "1 row for 2 workers; an exclusive feed needs at least one for each worker")
        ) { _ = try RowSelection(.exclusive, rows: 1, source: "users.csv", worker: 0, workers: 2, seed: 0) }
        #expect(try assigned(.unique, rows: 1, arrivals: 3, workers: 2) == [0, -1, -1])
    }
}
