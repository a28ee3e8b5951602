import SIPTransactions
import Testing

@testable import CallEngine

@Suite struct LingerTableTests {
    private typealias Payload = LingerTable.Payload

    private func payload(_ value: UInt64) -> Payload {
        Payload(first: value, second: ~value, third: UInt32(truncatingIfNeeded: value &* 3))
    }

    @Test func `an entry is found until its wait is over`() throws {
        var table = try LingerTable(maximum: 10)
        let queue = table.queue(lasting: 5000)!
        table.insert(7, payload(1), queue: queue, now: 100)
        #expect(table.nextExpiry == 5100)
        let early = table.expire(now: 5099, atMost: 10)
        let found = table.find(7)?.pointee
        let late = table.expire(now: 5100, atMost: 10)
        let gone = table.find(7)?.pointee
        #expect(early == 0)
        #expect(found == payload(1))
        #expect(late == 1)
        #expect(gone == nil)
        #expect(table.nextExpiry == .never)
    }

    @Test func `one queue per wait, eight at most`() throws {
        var table = try LingerTable(maximum: 10)
        for wait: UInt32 in 1...8 {
            let queue = table.queue(lasting: wait * 1000)
            #expect(queue == Int(wait) - 1)
        }
        let again = table.queue(lasting: 3000)
        let ninth = table.queue(lasting: 9000)
        #expect(again == 2)
        #expect(ninth == nil)
    }

    @Test func `a newer entry hides an older one with its key`() throws {
        var table = try LingerTable(maximum: 10)
        let queue = table.queue(lasting: 1000)!
        table.insert(7, payload(1), queue: queue, now: 0)
        table.insert(7, payload(2), queue: queue, now: 10)
        let first = table.find(7)?.pointee
        table.expire(now: 1000, atMost: 10)
        let second = table.find(7)?.pointee
        #expect(first == payload(2))
        #expect(second == payload(2))
    }

    @Test func `a payload can be changed in place`() throws {
        var table = try LingerTable(maximum: 10)
        let queue = table.queue(lasting: 1000)!
        table.insert(7, payload(1), queue: queue, now: 0)
        table.find(7)!.pointee.second = 99
        let second = table.find(7)?.pointee.second
        #expect(second == 99)
    }

    @Test func `a full table drops its oldest entry, of whichever queue`() throws {
        var table = try LingerTable(maximum: 3)
        let short = table.queue(lasting: 5000)!
        let long = table.queue(lasting: 32_000)!
        table.insert(1, payload(1), queue: long, now: 0)
        table.insert(2, payload(2), queue: short, now: 1)
        table.insert(3, payload(3), queue: long, now: 2)
        table.insert(4, payload(4), queue: short, now: 3)
        let kept = [table.find(1), table.find(2), table.find(3), table.find(4)].map { $0?.pointee.first }
        #expect(kept == [nil, 2, 3, 4])
        table.insert(5, payload(5), queue: short, now: 4)
        let then = [table.find(2), table.find(3), table.find(4), table.find(5)].map { $0?.pointee.first }
        #expect(then == [nil, 3, 4, 5])
        #expect(table.evicted == 2)
        #expect(table.count == 3)
    }

    @Test func `sweeping stops where it is told`() throws {
        var table = try LingerTable(maximum: 100)
        let queue = table.queue(lasting: 1000)!
        for key in 0..<10 as Range<UInt64> { table.insert(key, payload(key), queue: queue, now: 0) }
        let swept = table.expire(now: 2000, atMost: 4)
        #expect(swept == 4)
        #expect(table.count == 6)
    }

    @Test func `memory follows the most entries, not the number that passed through`() throws {
        var table = try LingerTable(maximum: 1_000_000)
        let queue = table.queue(lasting: 1000)!
        var key: UInt64 = 0
        var afterFirstTurn = 0
        for now in 0..<20_000 as Range<Tick> {
            for _ in 0..<20 {
                table.insert(key, payload(key), queue: queue, now: now)
                key += 1
            }
            table.expire(now: now, atMost: .max)
            if now == 2000 { afterFirstTurn = table.touchedOctets }
        }
        #expect(table.touchedOctets == afterFirstTurn)
        // An index grown to its load has between one and four lines for every four entries; one of the size that was
        // expected has 48 octets an entry in all.
        #expect(table.touchedOctets < 20_020 * (32 + 48) + 400_000)
    }

    /// Against a list: many keys in few buckets and few keys in many, several waits, growth, eviction, partial sweeps.
    @Test(arguments: UInt64(1)...12) func `behaves as a list of entries`(seed: UInt64) throws {
        struct Kept {
            var key: UInt64
            var value: UInt64
            var wait: UInt32
            var expiry: Tick
        }
        var random = SplitMix(state: seed)
        let maximum = [40, 3_000, 20_000][Int(seed % 3)]
        var table = try LingerTable(maximum: maximum, expected: seed % 5 == 0 ? 10_000 : 0)
        let waits: [UInt32] = [32_000, 5_000, 700]
        let queues = waits.map { table.queue(lasting: $0)! }
        // By queue, oldest first.
        var lists = [[Kept]](repeating: [], count: 3)
        var tails = [0, 0, 0]
        var lastKey: UInt64 = 0
        var now: Tick = 1
        var evicted = 0
        let keys: UInt64 = seed % 2 == 0 ? 1_000_000_000 : 6_000
        func total() -> Int {
            var total = 0
            for queue in 0..<3 { total += lists[queue].count - tails[queue] }
            return total
        }
        for step in 0..<30_000 as Range<UInt64> {
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                now += .random(in: 0...400, using: &random)
            case 1:
                let limit = Int.random(in: 0...200, using: &random)
                var swept = 0
                for queue in 0..<3 {
                    while swept < limit, tails[queue] < lists[queue].count,
                        lists[queue][tails[queue]].expiry <= now
                    {
                        tails[queue] += 1
                        swept += 1
                    }
                }
                let dropped = table.expire(now: now, atMost: limit)
                try #require(dropped == swept, "seed \(seed), step \(step)")
            case 2...3:
                // One that is or was there, or a stranger.
                let key =
                    Bool.random(using: &random)
                    ? UInt64.random(in: 0..<keys, using: &random) : lastKey
                let found = table.find(key)?.pointee
                // What is found is a live entry with that key, and one is found when there is any.
                var live: [Payload] = []
                for queue in 0..<3 {
                    for kept in lists[queue][tails[queue]...] where kept.key == key { live.append(payload(kept.value)) }
                }
                if let found {
                    try #require(live.contains(found), "seed \(seed), step \(step)")
                } else {
                    try #require(live.isEmpty, "seed \(seed), step \(step)")
                }
            default:
                if total() == maximum {
                    var oldest = -1
                    var since: Tick = .never
                    for queue in 0..<3 where tails[queue] < lists[queue].count {
                        let inserted = lists[queue][tails[queue]].expiry - waits[queue]
                        if inserted < since { (oldest, since) = (queue, inserted) }
                    }
                    tails[oldest] += 1
                    evicted += 1
                }
                let queue = Int.random(in: 0..<3, using: &random)
                let key = UInt64.random(in: 0..<keys, using: &random)
                let kept = Kept(key: key, value: step, wait: waits[queue], expiry: now + waits[queue])
                lists[queue].append(kept)
                lastKey = key
                table.insert(key, payload(step), queue: queues[queue], now: now)
                let found = table.find(key)?.pointee.first
                try #require(found != nil, "seed \(seed), step \(step)")
            }
            try #require(table.count == total(), "seed \(seed), step \(step)")
        }
        #expect(table.evicted == UInt64(evicted))
        for queue in 0..<3 {
            for kept in lists[queue][tails[queue]...] where keys > 6_000 {
                let found = table.find(kept.key)?.pointee
                try #require(found == payload(kept.value), "seed \(seed)")
            }
        }
    }
}
