import Testing

@testable import CallEngine

@Suite struct LearnedArenaTests {
    @Test func `a block holds what is asked and wastes little`() {
        var previous = 0
        for octets in 1...LearnedArena.longestBlock {
            let capacity = LearnedArena.capacity(for: octets)
            if capacity < octets || capacity < previous || capacity % 8 != 0 {
                Issue.record("\(octets) octets get a block of \(capacity)")
                return
            }
            if octets > 16 && capacity - octets > max(7, octets / 8) {
                Issue.record("\(octets) octets waste \(capacity - octets)")
                return
            }
            previous = capacity
        }
        #expect(previous == LearnedArena.longestBlock)
    }

    @Test(arguments: [
        (1, 16), (16, 16), (17, 24), (48, 48), (121, 128), (128, 128), (129, 144), (200, 208), (256, 256), (257, 288),
        (1025, 1152), (131_072, 131_072),
    ]) func `block sizes`(octets: Int, capacity: Int) {
        #expect(LearnedArena.capacity(for: octets) == capacity)
    }

    @Test func `nothing, and too much, is not kept`() throws {
        var arena = try LearnedArena(maximumOctets: 1 << 20)
        let nothing = arena.store(UnsafeRawBufferPointer(start: nil, count: 0))
        let tooMuch = arena.allocate(LearnedArena.longestBlock + 1)
        #expect(nothing == .none)
        #expect(tooMuch == .none)
        #expect(arena.refused == 1)
        arena.free(.none)
        #expect(arena.blocks == 0)
        let capacity = arena.capacity(.none)
        #expect(capacity == 0)
    }

    @Test func `a full arena refuses, counts and serves again what is freed`() throws {
        var arena = try LearnedArena(maximumOctets: 3 << 17)
        let blocks = (0..<3).map { _ in arena.allocate(131_072) }
        #expect(blocks.allSatisfy { !$0.isNone })
        let fourth = arena.allocate(131_072)
        let small = arena.allocate(20)
        #expect(fourth == .none)
        #expect(small == .none)
        #expect(arena.refused == 2)
        // The last octet of the last block is ours to write.
        arena.pointer(blocks[2]).storeBytes(of: 1, toByteOffset: 131_071, as: UInt8.self)
        arena.free(blocks[1])
        let again = arena.allocate(122_881)
        #expect(again == blocks[1])
        #expect(arena.chunksTaken == 3)
    }

    @Test(arguments: UInt64(1)...8) func `behaves as a table of octet strings`(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        var arena = try LearnedArena(maximumOctets: 24 << 20)
        var kept: [UInt32: [UInt8]] = [:]
        var refused: UInt64 = 0
        var inUse = 0
        for step in 0..<6_000 {
            if Int.random(in: 0..<5, using: &random) < 3 {
                let widest = [60, 400, 3_000, step % 50 == 0 ? 140_000 : 300].randomElement(using: &random)!
                let octets = (0..<Int.random(in: 1...widest, using: &random)).map {
                    UInt8(truncatingIfNeeded: $0 &* step)
                }
                let handle = octets.withUnsafeBytes { arena.store($0) }
                if handle.isNone {
                    refused += 1
                    continue
                }
                try #require(kept[handle.raw] == nil, "seed \(seed), step \(step): a block in use is handed out")
                let capacity = arena.capacity(handle)
                try #require(capacity == LearnedArena.capacity(for: octets.count))
                inUse += capacity
                kept[handle.raw] = octets
            } else if let raw = kept.keys.randomElement(using: &random) {
                let handle = LearnedArena.Handle(raw: raw)
                let octets = kept.removeValue(forKey: raw)!
                let stored = Array(UnsafeRawBufferPointer(start: arena.pointer(handle), count: octets.count))
                try #require(stored == octets, "seed \(seed), step \(step): a block was overwritten")
                inUse -= arena.capacity(handle)
                arena.free(handle)
            }
            try #require(arena.blocks == kept.count)
            try #require(arena.octetsInUse == inUse)
            try #require(arena.refused == refused)
        }
        for (raw, octets) in kept {
            let stored = Array(
                UnsafeRawBufferPointer(start: arena.pointer(LearnedArena.Handle(raw: raw)), count: octets.count))
            #expect(stored == octets)
        }
    }
}
