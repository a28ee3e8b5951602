/// An SRV record (RFC 2782).
public struct ServiceRecord: Sendable, Hashable, Comparable {
    public var priority: UInt16
    public var weight: UInt16
    public var port: UInt16
    public var target: String

    public init(priority: UInt16, weight: UInt16, port: UInt16, target: String) {
        self.priority = priority
        self.weight = weight
        self.port = port
        self.target = target
    }

    public static func < (one: ServiceRecord, other: ServiceRecord) -> Bool {
        (one.priority, one.weight, one.target, one.port) < (other.priority, other.weight, other.target, other.port)
    }

    /// "A Target of "." means that the service is decidedly not available at this domain."
    var saysNoService: Bool { target.isEmpty || target == "." }
}

extension Sequence<ServiceRecord> {
    /// The order in which RFC 2782 wants them tried: by priority, and within one drawn by weight.
    ///
    /// Records of weight 0 are put first before each draw, and the drawn number may be 0: so they have "a very small chance of
    /// being selected" as long as others have a weight.
    public func ordered(using generator: inout some RandomNumberGenerator) -> [ServiceRecord] {
        var ordered: [ServiceRecord] = []
        let all = Array(self)
        for priority in Set(all.map(\.priority)).sorted() {
            let level = all.filter { $0.priority == priority }
            var left = level.filter { $0.weight == 0 } + level.filter { $0.weight > 0 }
            while left.count > 1 {
                let sum = left.reduce(0) { $0 + UInt64($1.weight) }
                let drawn = UInt64.random(in: 0...sum, using: &generator)
                var running: UInt64 = 0
                let place = left.firstIndex {
                    running += UInt64($0.weight)
                    return running >= drawn
                }
                ordered.append(left.remove(at: place ?? 0))
            }
            ordered += left
        }
        return ordered
    }
}

/// splitmix64: the same seed, the same draws.
public struct SeededDraws: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z &>> 31)
    }
}
