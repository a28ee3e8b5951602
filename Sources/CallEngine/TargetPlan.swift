import SIPWire

/// Where the calls of a run go: targets that share them by weight, each with its addresses in the order in which they are tried
/// (RFC 3263 §4.2), and what is done about those that fail (§4.3).
public struct TargetPlan: Sendable {
    public struct Hop: Sendable, Hashable {
        public var address: TransportAddress
        /// Lower is tried first; hosts of one priority share the calls by weight (RFC 2782).
        public var priority: Int
        public var weight: Double
        /// Which host has it: addresses of one host are tried one after the other.
        public var host: Int

        public init(address: TransportAddress, priority: Int = 0, weight: Double = 0, host: Int = 0) {
            self.address = address
            self.priority = priority
            self.weight = weight
            self.host = host
        }
    }

    public struct Target: Sendable, Hashable {
        /// As it was written.
        public var name: String
        public var weight: Double
        /// At least one.
        public var hops: [Hop]

        public init(name: String, weight: Double = 1, hops: [Hop]) {
            self.name = name
            self.weight = weight
            self.hops = hops
        }
    }

    public enum Failover: String, Sendable, CaseIterable {
        /// Nothing is avoided.
        case off
        /// The next calls avoid an address that failed.
        case next
        /// So does the call itself: its first request goes to the next address (RFC 3263 §4.3).
        case call
    }

    public var targets: [Target]
    public var failover = Failover.next
    /// How long an address that failed is avoided. Nanoseconds.
    public var avoidance: Int64 = 30_000_000_000
    /// A 503 with Retry-After keeps new calls away for so long (RFC 3261 §21.5.4).
    public var obeysRetryAfter = false

    public init(targets: [Target] = []) { self.targets = targets }

    /// Addresses of a run at most: more are left out.
    public static let mostHops = 1024

    /// There is something to choose for each call.
    var picks: Bool { targets.reduce(0) { $0 + $1.hops.count } > 1 || (!targets.isEmpty && obeysRetryAfter) }
}
