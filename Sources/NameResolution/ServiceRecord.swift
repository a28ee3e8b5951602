/// An SRV record (RFC 2782).
public struct ServiceRecord: Sendable, Hashable {
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
