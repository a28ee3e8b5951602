import Measurement
import SIPWire

/// Why the first request of a call did not get through (RFC 3263 §4.3).
enum TargetTrouble {
    /// RFC 3261 §8.1.3.1: taken as a 503.
    case transport
    /// Timer B or F.
    case timeout
    case unavailable
}

/// Which address each call goes to. Chosen once for each call, by the run's seed and the arrival's number alone as long as nothing
/// is avoided, so that any number of workers gives one plan. What fails is known to the worker that saw it.
struct TargetTable {
    struct Hop {
        var address: TransportAddress
        /// The first lane, or the datagram flow.
        var flow: Flow
        var target: Int
        var priority: Int
        var weight: Double
        var host: Int
        /// No new calls before this, unless there is nothing else.
        var avoidedUntil: Int64 = .min
        /// No new calls before this.
        var heldUntil: Int64 = .min
    }

    /// There is something to choose.
    let picks: Bool
    /// `failover call`.
    let movesCalls: Bool
    private let avoids: Bool
    private let obeysRetryAfter: Bool
    private let avoidance: Int64
    private let seed: UInt64
    private let weights: [Double]
    private(set) var hops: [Hop]
    private(set) var counts: [TargetCounts]
    /// Cumulative shares of 2^32.
    private var shares: [(end: UInt64, hop: Int)] = []
    /// When an address comes back.
    private var nextChange = Int64.min

    /// - Parameter flow: names the flow to an address; the first hop has `first`.
    init(_ plan: TargetPlan, seed: UInt64, first: Flow, flow: (TransportAddress) -> Flow) {
        picks = plan.picks
        movesCalls = plan.picks && plan.failover == .call
        avoids = plan.failover != .off
        obeysRetryAfter = plan.obeysRetryAfter
        avoidance = plan.avoidance
        self.seed = seed
        weights = plan.targets.map(\.weight)
        var hops: [Hop] = []
        if plan.picks {
            for (number, target) in plan.targets.enumerated() {
                for hop in target.hops where hops.count < TargetPlan.mostHops {
                    hops.append(
                        Hop(
                            address: hop.address, flow: hops.isEmpty ? first : flow(hop.address), target: number,
                            priority: hop.priority, weight: hop.weight, host: hop.host))
                }
            }
        }
        self.hops = hops
        counts = [TargetCounts](repeating: TargetCounts(), count: hops.count)
    }

    // MARK: Choosing

    /// Nil: every address has asked for no new calls.
    mutating func choose(run number: UInt64, now: Int64) -> Int? {
        look(now: now)
        var z = (seed ^ 0xBB67_AE85_84CA_A73B) &+ number &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
        let drawn = (z ^ (z &>> 31)) &>> 32
        return shares.first { drawn < $0.end }?.hop
    }

    /// When an address comes back; in the past where one has been lost since the last look.
    var nextLook: MonotonicInstant { MonotonicInstant(nanoseconds: max(nextChange, 0)) }

    mutating func look(now: Int64) { if now >= nextChange { share(now) } }

    /// The address to be tried after this one: of the same target where it has one left, else of another. Where all are avoided, one
    /// that is: to this call it may answer (RFC 3263 §4.3 has a call go on until the list is spent).
    ///
    /// - Parameter tried: addresses, as `bit` names them, that the call has been sent to.
    func next(after hop: Int, except tried: UInt64, now: Int64) -> Int? {
        let left = hops.indices.filter { $0 != hop && tried & Self.bit($0) == 0 && hops[$0].heldUntil <= now }
        let open = left.filter { isOpen($0, now) }
        return open.first { hops[$0].target == hops[hop].target } ?? open.first
            ?? left.first { hops[$0].target == hops[hop].target } ?? left.first
    }

    /// None from the 65th on: a call may come back to those.
    static func bit(_ hop: Int) -> UInt64 { hop < 64 ? 1 << UInt64(hop) : 0 }

    private func isOpen(_ hop: Int, _ now: Int64) -> Bool {
        hops[hop].heldUntil <= now && hops[hop].avoidedUntil <= now
    }

    /// Shares out the calls among the addresses that are not avoided: targets by weight, of each the hosts of its best priority by
    /// weight, of each host its first address.
    private mutating func share(_ now: Int64) {
        nextChange = .max
        for hop in hops {
            for end in [hop.avoidedUntil, hop.heldUntil] where end > now { nextChange = min(nextChange, end) }
        }
        var open = hops.indices.filter { isOpen($0, now) }
        // All are avoided: then none is, but for those that asked for it.
        if open.isEmpty { open = hops.indices.filter { hops[$0].heldUntil <= now } }
        var parts: [(hop: Int, part: Double)] = []
        for target in weights.indices {
            let mine = open.filter { hops[$0].target == target }
            guard let best = mine.map({ hops[$0].priority }).min() else { continue }
            var hosts: [Int] = []
            for hop in mine where hops[hop].priority == best && !hosts.contains(where: { isSameHost($0, hop) }) {
                hosts.append(hop)
            }
            let sum = hosts.reduce(0) { $0 + hops[$1].weight }
            for hop in hosts {
                // Where none has a weight all are alike.
                let part = sum > 0 ? hops[hop].weight / sum : 1 / Double(hosts.count)
                parts.append((hop, weights[target] * part))
            }
        }
        let whole = parts.reduce(0) { $0 + $1.part }
        var running = 0.0
        shares = parts.map { one in
            running += one.part
            return (UInt64(running / whole * 0x1p32), one.hop)
        }
        if !shares.isEmpty { shares[shares.count - 1].end = 1 << 32 }
    }

    private func isSameHost(_ one: Int, _ other: Int) -> Bool { hops[one].host == hops[other].host }

    // MARK: What happened

    mutating func countStart(_ hop: Int) { counts[hop].runsStarted += 1 }

    mutating func countMove(from hop: Int, to next: Int) {
        counts[hop].runsMoved += 1
        counts[next].runsTakenOver += 1
    }

    mutating func countEnd(_ hop: Int, _ event: RunEvent) {
        switch event {
        case .started: break
        case .succeeded: counts[hop].runsSucceeded += 1
        case .failed: counts[hop].runsFailed += 1
        case .drained: counts[hop].runsDrained += 1
        }
    }

    /// The first request of a call did not get through.
    ///
    /// - Parameter retryAfter: seconds, as a 503 gave them.
    mutating func note(_ trouble: TargetTrouble, _ hop: Int, retryAfter: UInt32? = nil, now: Int64) {
        switch trouble {
        case .transport: counts[hop].transportErrors += 1
        case .timeout: counts[hop].timeouts += 1
        case .unavailable: counts[hop].unavailable += 1
        }
        let wasOpen = isOpen(hop, now)
        if avoids { hops[hop].avoidedUntil = max(hops[hop].avoidedUntil, now &+ avoidance) }
        if obeysRetryAfter, let retryAfter, retryAfter > 0 {
            let until = now &+ Int64(retryAfter) &* 1_000_000_000
            if hops[hop].heldUntil <= now { counts[hop].timesHeldBack += 1 }
            hops[hop].heldUntil = max(hops[hop].heldUntil, until)
        }
        guard !isOpen(hop, now) else { return }
        if wasOpen { counts[hop].timesAvoided += 1 }
        // The shares are made anew with the next call.
        nextChange = now
    }
}
