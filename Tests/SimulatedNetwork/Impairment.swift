/// What the simulated network does to datagrams. All times are nanoseconds of virtual time.
public struct Impairment: Sendable {
    /// A time in which the callees' side is not to be reached, counted from the start of the run.
    public struct Outage: Sendable {
        public enum Kind: Sendable {
            /// The link is cut: what either side sends is lost, both go on.
            case cut
            /// The process stands still: nothing fires, and what comes waits in its socket until it goes on.
            case stopped
        }

        public var kind: Kind
        public var start: Int64
        public var end: Int64

        public init(_ kind: Kind, from start: Int64, to end: Int64) {
            self.kind = kind
            self.start = start
            self.end = end
        }
    }

    /// Probability that a datagram is lost, each by itself.
    public var loss: Double
    /// Probability that one which is not lost arrives twice.
    public var duplication: Double
    /// Each copy takes `delay` and up to `jitter` more, drawn uniformly; hence copies overtake each other.
    public var delay: Int64
    public var jitter: Int64
    public var outage: Outage?
    /// How often an engine looks at its socket and clock; 0: at once. With a grain, what came is handed over late and
    /// with the time it came at, as a worker does that takes messages in batches.
    public var grain: Int64

    public init(
        loss: Double = 0.2, duplication: Double = 0.05, delay: Int64 = 0, jitter: Int64 = 50_000_000,
        outage: Outage? = nil, grain: Int64 = 0
    ) {
        self.loss = loss
        self.duplication = duplication
        self.delay = delay
        self.jitter = jitter
        self.outage = outage
        self.grain = grain
    }

    /// When copies of a datagram sent at `now` arrive; empty when it is lost.
    func fate(at now: Int64, _ chance: inout Chance) -> [Int64] {
        if chance.fraction() < loss { return [] }
        let first = now + delay + Int64(chance.fraction() * Double(jitter))
        if chance.fraction() >= duplication { return [first] }
        return [first, now + delay + Int64(chance.fraction() * Double(jitter))]
    }
}
