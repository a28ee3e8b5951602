/// xoshiro256** (Blackman, Vigna), seeded through splitmix64: the same seed gives the same sequence everywhere.
struct SeededGenerator: Sendable {
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64
    private var d: UInt64

    init(seed: UInt64) {
        var state = seed
        func splitmix() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        a = splitmix()
        b = splitmix()
        c = splitmix()
        d = splitmix()
    }

    mutating func next() -> UInt64 {
        let product = b &* 5
        let result = (product << 7 | product >> 57) &* 9
        let shifted = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = d << 45 | d >> 19
        return result
    }

    /// Uniform in (0, 1]: its logarithm is finite.
    mutating func unitInterval() -> Double {
        Double((next() >> 11) &+ 1) * 0x1p-53
    }
}
