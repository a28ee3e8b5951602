import Testing

@testable import CallEngine

@Suite struct SlotSlabTests {
    @Test func `the slot freed last is used first`() throws {
        var slots = try SlotSlab(stride: 64, capacity: 4)
        let first = (slots.allocate()!, slots.allocate()!, slots.allocate()!)
        slots.free(first.0)
        slots.free(first.2)
        let second = (slots.allocate(), slots.allocate(), slots.allocate(), slots.allocate())
        #expect(first == (0, 1, 2))
        #expect(second == (2, 0, 3, nil))
        #expect(slots.refused == 1)
        #expect(slots.live == 4)
        #expect(slots.touched == 4)
    }

    @Test func `a name from an earlier life finds nothing`() throws {
        var slots = try SlotSlab(stride: 32, capacity: 2)
        let slot = slots.allocate()!
        let generation = slots.generation(slot)
        let alive = slots.find(slot, generation: generation)
        let expected = slots.pointer(slot)
        #expect(alive == expected)
        slots.free(slot)
        let freed = slots.find(slot, generation: generation)
        let guessed = slots.find(slot, generation: slots.generation(slot))
        #expect(freed == nil)
        #expect(guessed == nil)
        let again = slots.allocate()!
        let stale = slots.find(slot, generation: generation)
        #expect(again == slot)
        #expect(stale == nil)
    }

    @Test func `indices that never were find nothing`() throws {
        var slots = try SlotSlab(stride: 16, capacity: 8)
        _ = slots.allocate()
        for slot: UInt32 in [1, 7, 8, 1 << 24, .max] {
            for generation: UInt32 in [0, 1, .max] {
                let found = slots.find(slot, generation: generation)
                #expect(found == nil)
            }
            let live = slots.isLive(slot)
            #expect(live == false)
        }
    }

    @Test func `a slot keeps what its owner wrote and starts as zero`() throws {
        var slots = try SlotSlab(stride: 48, capacity: 3)
        let slot = slots.allocate()!
        let fresh = slots.pointer(slot).load(fromByteOffset: 40, as: UInt64.self)
        slots.pointer(slot).storeBytes(of: 77, toByteOffset: 40, as: UInt64.self)
        let other = slots.allocate()!
        slots.free(other)
        let kept = slots.pointer(slot).load(fromByteOffset: 40, as: UInt64.self)
        #expect(fresh == 0)
        #expect(kept == 77)
        #expect(slots.pointer(other) - slots.pointer(slot) == 48)
    }

    @Test(arguments: UInt64(1)...8) func `behaves as a set of slots`(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let capacity: UInt32 = 50
        var slots = try SlotSlab(stride: 16, capacity: capacity)
        var live: [UInt32: UInt32] = [:]
        var past: [(slot: UInt32, generation: UInt32)] = []
        for step in 0..<4_000 {
            if Bool.random(using: &random) {
                let slot = slots.allocate()
                if live.count == Int(capacity) {
                    try #require(slot == nil)
                } else {
                    let slot = try #require(slot)
                    try #require(live[slot] == nil, "seed \(seed), step \(step): slot \(slot) is handed out twice")
                    live[slot] = slots.generation(slot)
                }
            } else if let slot = live.keys.randomElement(using: &random) {
                past.append((slot, live.removeValue(forKey: slot)!))
                slots.free(slot)
            }
            var walked: [UInt32] = []
            var at: UInt32 = 0
            while let slot = slots.nextLive(from: at) {
                walked.append(slot)
                at = slot + 1
            }
            try #require(walked == live.keys.sorted(), "seed \(seed), step \(step)")
            try #require(Int(slots.live) == live.count)
        }
        for old in past {
            let found = slots.find(old.slot, generation: old.generation)
            #expect(found == nil)
        }
        for (slot, generation) in live {
            let found = slots.find(slot, generation: generation)
            #expect(found != nil)
        }
    }
}
