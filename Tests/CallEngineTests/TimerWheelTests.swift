import SIPTransactions
import Testing

@testable import CallEngine

/// A small generator with a printed seed, so that a failure can be run again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite struct TimerWheelTests {
    private func slab(_ count: UInt32) throws -> SlotSlab { try SlotSlab(stride: 32, capacity: count) }

    @Test func `a timer comes out at its tick and not before`() throws {
        for tick: Tick in [
            0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 70_000, 131_071, 131_072, 16_777_215, 16_777_216, 40_000_000,
            4_294_967_294,
        ] {
            var slots = try slab(1)
            let slot = slots.allocate()!
            var wheel = TimerWheel(slots: slots, offset: 16)
            wheel.prepare(slot)
            wheel.schedule(slot, at: tick)
            #expect(wheel.deadline(slot) == tick)
            #expect(wheel.earliest <= tick)
            if tick > 0 { #expect(wheel.nextDue(tick - 1) == nil, "tick \(tick)") }
            #expect(wheel.earliest == tick, "tick \(tick)")
            #expect(wheel.nextDue(tick) == slot, "tick \(tick)")
            #expect(wheel.isScheduled(slot) == false)
            #expect(wheel.nextDue(tick) == nil)
            #expect(wheel.earliest == .never)
        }
    }

    @Test func `a tick that has passed is due at once`() throws {
        var slots = try slab(1)
        let slot = slots.allocate()!
        var wheel = TimerWheel(slots: slots, offset: 16, now: 1_000_000)
        wheel.prepare(slot)
        wheel.schedule(slot, at: 7)
        #expect(wheel.nextDue(1_000_000) == slot)
    }

    @Test func `never cancels, and cancelling twice is nothing`() throws {
        var slots = try slab(1)
        let slot = slots.allocate()!
        var wheel = TimerWheel(slots: slots, offset: 16)
        wheel.prepare(slot)
        wheel.cancel(slot)
        wheel.schedule(slot, at: 9)
        #expect(wheel.count == 1)
        wheel.schedule(slot, at: .never)
        wheel.cancel(slot)
        #expect(wheel.count == 0)
        #expect(wheel.deadline(slot) == .never)
        #expect(wheel.nextDue(100) == nil)
    }

    @Test func `sleeping until earliest meets every timer on time in few wakes`() throws {
        var slots = try slab(1)
        let slot = slots.allocate()!
        for tick: Tick in [1, 300, 5_000, 100_000, 20_000_000, 4_000_000_000] {
            var wheel = TimerWheel(slots: slots, offset: 16, now: 3)
            wheel.prepare(slot)
            wheel.schedule(slot, at: tick)
            var wakes = 0
            var due: UInt32?
            var now: Tick = 3
            while due == nil && wakes < 20 {
                now = max(now, wheel.earliest)
                due = wheel.nextDue(now)
                wakes += 1
            }
            #expect(due == slot)
            #expect(now == max(3, tick))
            #expect(wakes <= 7, "tick \(tick)")
        }
    }

    @Test func `a stop of seconds hands everything out in order`() throws {
        var slots = try slab(2000)
        var wheel = TimerWheel(slots: slots, offset: 16)
        var random = SplitMix(state: 1)
        for _ in 0..<2000 {
            let slot = slots.allocate()!
            wheel.prepare(slot)
            wheel.schedule(slot, at: .random(in: 0...400_000, using: &random))
        }
        var last: Tick = 0
        var handedOut = 0
        while let slot = wheel.nextDue(500_000) {
            let tick = slots.pointer(slot).load(fromByteOffset: 24, as: Tick.self)
            #expect(tick >= last)
            last = tick
            handedOut += 1
        }
        #expect(handedOut == 2000)
        #expect(wheel.count == 0)
    }

    /// Against a table of deadlines: random schedules, moves, cancels and steps of time of all sizes, stopping in between.
    @Test(arguments: UInt64(1)...16) func `behaves as a table of deadlines`(seed: UInt64) throws {
        let population: UInt32 = 120
        var random = SplitMix(state: seed)
        var slots = try slab(population)
        var now: Tick =
            seed % 4 == 0 ? .random(in: 0...4_000_000_000, using: &random) : .random(in: 0...70_000, using: &random)
        var wheel = TimerWheel(slots: slots, offset: 20, now: now)
        var deadlines = [Tick](repeating: .never, count: Int(population))
        for _ in 0..<population {
            let slot = slots.allocate()!
            wheel.prepare(slot)
        }
        let spans: [ClosedRange<UInt32>] = [0...3, 0...300, 200...600, 0...5_000, 60_000...140_000, 0...20_000_000]
        for step in 0..<6_000 {
            let slot = UInt32.random(in: 0..<population, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0...4:
                let ahead = UInt32.random(in: spans.randomElement(using: &random)!, using: &random)
                let tick = now.after(ahead)
                wheel.schedule(slot, at: tick)
                deadlines[Int(slot)] = tick
            case 5:
                wheel.cancel(slot)
                deadlines[Int(slot)] = .never
            case 6:
                let tick = now > 50 ? now - 50 : 0
                wheel.schedule(slot, at: tick)
                deadlines[Int(slot)] = tick
            default:
                let widest = spans[step % 400 == 0 ? 5 : step % 23 == 0 ? 4 : Int.random(in: 0...3, using: &random)]
                now = now.after(.random(in: widest, using: &random))
                // Now and then leave some for the next round.
                var atMost = Int.random(in: 0..<4, using: &random) == 0 ? 3 : Int.max
                while atMost > 0, let due = wheel.nextDue(now) {
                    try #require(deadlines[Int(due)] <= now, "seed \(seed), step \(step): slot \(due) came early")
                    deadlines[Int(due)] = .never
                    atMost -= 1
                }
                if atMost > 0 {
                    try #require(!deadlines.contains { $0 <= now }, "seed \(seed), step \(step): a timer was missed")
                }
            }
            let earliest = deadlines.min()!
            try #require(wheel.earliest <= max(earliest, now), "seed \(seed), step \(step)")
            try #require((wheel.earliest == .never) == (earliest == .never), "seed \(seed), step \(step)")
            try #require(wheel.deadline(slot) == deadlines[Int(slot)])
            try #require(wheel.count == deadlines.count { $0 != .never })
        }
    }

    @Test func `a bucket of many timers has moved down before its turn`() throws {
        let many: UInt32 = 50_000
        var slots = try slab(many)
        var wheel = TimerWheel(slots: slots, offset: 16)
        for _ in 0..<many {
            let slot = slots.allocate()!
            wheel.prepare(slot)
            wheel.schedule(slot, at: 131_072 + 65_000)
        }
        // The worker's loop, once a millisecond, through the turn before.
        for now: Tick in 65_536..<131_072 { _ = wheel.nextDue(now) }
        // Nothing is left above the second wheel: its start is what the wheel knows, not the start of the third's bucket.
        #expect(wheel.earliest == 131_072 + 65_000 & ~255)
    }
}
