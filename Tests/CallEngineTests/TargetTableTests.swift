import Measurement
import SIPWire
import Testing

@testable import CallEngine

/// Which address a call goes to.
@Suite("The choice of a target")
struct TargetTableTests {
    private static let second: Int64 = 1_000_000_000

    private func address(_ number: Int) -> TransportAddress {
        TransportAddress(ipv4: 0x0A00_0000 + UInt32(number), port: 5060)
    }

    private func hop(_ number: Int, priority: Int = 0, weight: Double = 0, host: Int? = nil) -> TargetPlan.Hop {
        TargetPlan.Hop(address: address(number), priority: priority, weight: weight, host: host ?? number)
    }

    private func table(
        _ targets: [(weight: Double, hops: [TargetPlan.Hop])], seed: UInt64 = 1,
        _ change: (inout TargetPlan) -> Void = { _ in }
    ) -> TargetTable {
        var plan = TargetPlan(
            targets: targets.enumerated().map { .init(name: "t\($0)", weight: $1.weight, hops: $1.hops) })
        change(&plan)
        return TargetTable(plan, seed: seed, first: Flow(index: 0)) { _ in Flow(index: 1) }
    }

    private func shares(_ table: inout TargetTable, now: Int64 = 0, of count: Int = 20_000) -> [Int] {
        var counts = [Int](repeating: 0, count: table.hops.count)
        for number in 0..<UInt64(count) {
            if let hop = table.choose(run: number, now: now) { counts[hop] += 1 }
        }
        return counts
    }

    /// Five standard deviations of a binomial distribution: one such test in a million is beyond them, and the seed is fixed.
    private func isNear(_ count: Int, _ share: Double, of all: Int = 20_000) -> Bool {
        let mean = share * Double(all)
        return abs(Double(count) - mean) <= 5 * (mean * (1 - share)).squareRoot()
    }

    @Test("one address leaves nothing to choose, unless it may ask for no calls")
    func one() {
        #expect(!table([(1, [hop(1)])]).picks)
        #expect(table([(1, [hop(1)])]) { $0.obeysRetryAfter = true }.picks)
        #expect(table([(1, [hop(1), hop(2)])]).picks)
        #expect(!table([]).picks)
    }

    @Test("targets share the calls by weight, drawn from the seed and the number of the call")
    func weights() {
        var table = table([(3, [hop(1)]), (1, [hop(2)]), (4, [hop(3)])])
        let counts = shares(&table)
        #expect(isNear(counts[0], 3 / 8) && isNear(counts[1], 1 / 8) && isNear(counts[2], 4 / 8), "\(counts)")
        var again = self.table([(3, [hop(1)]), (1, [hop(2)]), (4, [hop(3)])])
        var other = self.table([(3, [hop(1)]), (1, [hop(2)]), (4, [hop(3)])], seed: 2)
        let drawn = (0..<100 as Range<UInt64>).map { table.choose(run: $0, now: 0) }
        #expect(drawn == (0..<100 as Range<UInt64>).reversed().map { again.choose(run: $0, now: 0) }.reversed())
        #expect(drawn != (0..<100 as Range<UInt64>).map { other.choose(run: $0, now: 0) })
    }

    @Test("of one target the hosts of the best priority share by their weight, and each begins with its first address")
    func services() {
        var table = table([
            (
                1,
                [
                    hop(1, priority: 10, weight: 20, host: 0), hop(2, priority: 10, weight: 20, host: 0),
                    hop(3, priority: 10, weight: 60, host: 1), hop(4, priority: 10, weight: 0, host: 2),
                    hop(5, priority: 20, weight: 99, host: 3),
                ]
            )
        ])
        let counts = shares(&table)
        #expect(isNear(counts[0], 0.25) && isNear(counts[2], 0.75), "\(counts)")
        #expect(counts[1] == 0 && counts[3] == 0 && counts[4] == 0)
    }

    @Test("an address that failed is avoided for a time, then it has its calls again")
    func avoidance() {
        var table = table([(1, [hop(1, priority: 1), hop(2, priority: 2)])]) { $0.avoidance = 10 * Self.second }
        #expect(table.choose(run: 0, now: 0) == 0)
        table.note(.transport, 0, now: Self.second)
        table.note(.timeout, 0, now: 2 * Self.second)
        #expect(table.choose(run: 1, now: 2 * Self.second) == 1)
        #expect(table.choose(run: 1, now: 12 * Self.second - 1) == 1)
        #expect(table.choose(run: 1, now: 12 * Self.second) == 0)
        #expect(table.counts[0].transportErrors == 1 && table.counts[0].timeouts == 1)
        // The second time it was avoided already.
        #expect(table.counts[0].timesAvoided == 1)
    }

    @Test("a host's next address comes before another host's")
    func addressesOfAHost() {
        var table = table([(1, [hop(1, host: 0), hop(2, host: 0), hop(3, priority: 2, host: 1)])])
        table.note(.transport, 0, now: 0)
        #expect(table.choose(run: 0, now: 0) == 1)
        #expect(table.next(after: 1, except: 0, now: 0) == 2)
        table.note(.transport, 1, now: 0)
        #expect(table.choose(run: 0, now: 0) == 2)
    }

    @Test("the share of a target that fails goes to the others, by their weights")
    func sharesOfOthers() {
        var table = table([(3, [hop(1)]), (1, [hop(2)]), (1, [hop(3)])])
        table.note(.unavailable, 0, now: 0)
        let counts = shares(&table, now: 1)
        #expect(counts[0] == 0 && isNear(counts[1], 0.5) && isNear(counts[2], 0.5), "\(counts)")
    }

    @Test("where all have failed none is avoided")
    func allAvoided() {
        var table = table([(1, [hop(1)]), (1, [hop(2)])])
        table.note(.transport, 0, now: 0)
        table.note(.transport, 1, now: 0)
        // But a call goes on to the one that it has not tried.
        #expect(table.next(after: 0, except: 0, now: 0) == 1)
        #expect(table.next(after: 0, except: 0b10, now: 0) == nil)
        let counts = shares(&table, now: 1)
        #expect(isNear(counts[0], 0.5) && isNear(counts[1], 0.5))
    }

    @Test("with failover off nothing is avoided, and all is counted")
    func off() {
        var table = table([(1, [hop(1, priority: 1), hop(2, priority: 2)])]) { $0.failover = .off }
        table.note(.transport, 0, now: 0)
        #expect(table.choose(run: 0, now: 0) == 0)
        #expect(table.counts[0].transportErrors == 1 && table.counts[0].timesAvoided == 0)
    }

    @Test("Retry-After keeps calls away where it is obeyed, also from the only address")
    func retryAfter() {
        var obeying = table([(1, [hop(1)])]) { $0.obeysRetryAfter = true }
        obeying.note(.unavailable, 0, retryAfter: 5, now: 0)
        #expect(obeying.choose(run: 0, now: 5 * Self.second - 1) == nil)
        #expect(obeying.choose(run: 0, now: 5 * Self.second) == 0)
        #expect(obeying.counts[0].timesHeldBack == 1)
        var ignoring = table([(1, [hop(1), hop(2)])]) { $0.failover = .off }
        ignoring.note(.unavailable, 0, retryAfter: 5, now: 0)
        #expect(shares(&ignoring, now: 1)[0] > 0)
        #expect(ignoring.counts[0].timesHeldBack == 0)
    }
}
