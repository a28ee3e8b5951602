import SIPWire
import Testing

@testable import CallTraces

@Suite struct TracePolicyTests {
    @Test(
        arguments: [
            ("failed", .failed), ("all", .all), ("off", .off), ("sample=1/1000", .sample(oneIn: 1000)),
            ("first=20", .first(20)), ("", nil), ("sample=1/0", nil), ("sample=2/3", nil), ("first=", nil),
            ("first=-1", nil), ("First=1", nil), ("first=0", nil),
        ] as [(String, TracePolicy?)])
    func argumentsAreRead(argument: String, policy: TracePolicy?) {
        #expect(TracePolicy(argument: argument) == policy)
    }

    @Test func offRecordsNothing() {
        var arena = TraceArena(octets: 1 << 20, policy: .off)
        let isOff = arena.isOff
        #expect(isOff)
        var chain = TraceChain.none
        arena.appendBasicCall(&chain, run: 1)
        #expect(chain.head == 0)
        #expect(arena.octetsTouched == 0)
    }

    @Test func firstRecordsTheFirstRuns() {
        var arena = TraceArena(octets: 1 << 20, policy: .first(3))
        let recorded = (0..<10 as Range<UInt64>).filter { run in
            var chain = TraceChain.none
            arena.appendBasicCall(&chain, run: run)
            return arena.take(&chain) != nil
        }
        #expect(recorded == [0, 1, 2])
        #expect(arena.counts.runsCutByFullArena == 0)
    }

    /// The share is right (± 5 standard deviations of 100,000 draws) and both sides choose the same runs.
    @Test(arguments: [1, 2, 10, 1000] as [UInt64])
    func sampleChoosesOneInN(oneIn: UInt64) {
        let policy = TracePolicy.sample(oneIn: oneIn)
        let runs = 100_000
        let chosen = (0..<UInt64(runs)).filter { policy.records(run: $0) }
        let share = 1 / Double(oneIn)
        let deviation = (Double(runs) * share * (1 - share)).squareRoot()
        #expect(abs(Double(chosen.count) - Double(runs) * share) <= 5 * deviation + 0.5)
        #expect(chosen.allSatisfy { TracePolicy.sample(oneIn: oneIn).records(run: $0) })
    }

    @Test func failuresAreWrittenUntilTheLimitThenSampledAndTheFirstOfEachKindAlways() {
        var limits = TraceLimits()
        limits.failedRuns = 50
        limits.thenOneIn = 100
        let outlet = TraceOutlet(limits: limits)
        var arena = TraceArena(octets: 1 << 20, policy: .failed, limits: limits, outlet: outlet)
        for run in 0..<5000 as Range<UInt64> {
            var chain = TraceChain.none
            arena.appendBasicCall(&chain, run: run)
            var verdict = verdict180
            if run == 4000 || run == 4500 { verdict.got = 503 }
            arena.endFailed(&chain, verdict: verdict)
        }
        arena.close()
        outlet.close()
        var written: [UInt64] = []
        while let batch = outlet.next() {
            var offset = 0
            withExtendedLifetime(batch) {
                while offset < batch.used {
                    let head = (batch.base + offset).load(as: RunImage.self)
                    written.append(head.run)
                    offset += head.octets
                }
            }
        }
        let sampled = (50..<5000 as Range<UInt64>).filter { TracePolicy.sample(oneIn: 100).records(run: $0) }
        #expect(written == (Array(0..<50) + sampled + [4000]).sorted())
        #expect(arena.counts.failedRuns == 5000)
        #expect(arena.counts.runsHandedOver == UInt64(written.count))
        #expect(arena.counts.failedRunsBeyondLimits == 5000 - UInt64(written.count))
        #expect(arena.octetsInUse == 0)
    }

    @Test func aFullQueueLosesRunsAndCountsThem() {
        var limits = TraceLimits()
        limits.queuedOctets = 3 << 20
        let outlet = TraceOutlet(limits: limits)
        var arena = TraceArena(octets: 1 << 20, policy: .all, limits: limits, outlet: outlet)
        for run in 0..<5000 as Range<UInt64> {
            var chain = TraceChain.none
            arena.appendBasicCall(&chain, run: run)
            arena.endWell(&chain)
        }
        arena.close()
        outlet.close()
        var octets = 0
        while let batch = outlet.next() { octets += batch.used }
        #expect(octets <= 3 << 20)
        #expect(arena.counts.runsLost > 0 && arena.counts.runsHandedOver > 0)
        #expect(arena.counts.runsLost + arena.counts.runsHandedOver == 5000)
    }

    @Test func strayMessagesForgetTheOldest() throws {
        let outlet = TraceOutlet()
        var arena = TraceArena(octets: 1 << 20, policy: .failed, outlet: outlet)
        for index in 0..<1000 {
            [UInt8](repeating: UInt8(index & 0xFF), count: 1000).withUnsafeBytes {
                arena.appendStray(.malformed, octets: $0, from: callee, to: caller, at: .zero)
            }
        }
        [].withUnsafeBytes { arena.appendStray(.noCall, octets: $0, from: callee, to: caller, at: .zero) }
        [UInt8](repeating: 9, count: 2_000).withUnsafeBytes {
            arena.appendStray(.afterEnd, octets: $0, from: callee, to: caller, at: .zero)
        }
        arena.close()
        outlet.close()
        let taken = outlet.next()
        let batch = try #require(taken)
        var seen: [(UInt8, Int, UInt8?)] = []
        withExtendedLifetime(batch) {
            var images = MessageImages(batch.base)
            #expect(images.head.kind == .strays)
            while let (message, octets) = images.next() { seen.append((message.reason, octets.count, octets.first)) }
        }
        #expect(UInt64(seen.count) + arena.counts.strayMessagesForgotten == arena.counts.strayMessages)
        #expect(arena.counts.strayMessages == 1002)
        #expect(seen.last?.0 == StrayReason.afterEnd.rawValue)
        #expect(seen.dropLast().last?.0 == StrayReason.noCall.rawValue)
        #expect(arena.counts.runsHandedOver == 0)
        // In order, up to the newest.
        let malformed = seen.dropLast(2).map(\.2)
        #expect(malformed.count > 100)
        #expect(malformed == (1000 - malformed.count..<1000).map { UInt8($0 & 0xFF) })
    }
}
