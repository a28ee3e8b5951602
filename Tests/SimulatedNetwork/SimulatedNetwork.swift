import CallEngine
import Glibc
import Measurement
import SIPTransactions
import SIPWire
import ScenarioDSL

/// Engines with a network between them, in virtual time. Everything follows from the seed.
///
/// Either two engines, one plays the calling parties and one the answering ones, or (`embedded`) one that plays both and
/// talks to itself.
public final class SimulatedNetwork {
    /// What one engine says of runs that ended while it was handed one message.
    public struct EndedRuns: Sendable {
        /// The run belongs to the call whose message this is; nil when a timer ended it.
        public var octets: [UInt8]?
        public var isCaller: Bool
        public var succeeded: Int
        public var failed: Int
        public var time: Int64

        public init(octets: [UInt8]?, isCaller: Bool, succeeded: Int, failed: Int, time: Int64) {
            self.octets = octets
            self.isCaller = isCaller
            self.succeeded = succeeded
            self.failed = failed
            self.time = time
        }
    }

    public static let start: Int64 = 1_000_000_000

    public let isEmbedded: Bool
    /// Virtual time in nanoseconds.
    public private(set) var now = SimulatedNetwork.start
    /// Told of each datagram as it is sent.
    public var onWire: (WireEvent) -> Void = { _ in }
    /// Told of runs that end.
    public var onEnd: (EndedRuns) -> Void = { _ in }
    /// Datagrams sent, lost, doubled.
    public private(set) var sent = 0
    public private(set) var lost = 0
    public private(set) var doubled = 0
    /// The highest number of call slots in use at once.
    public private(set) var mostSlots = 0

    private let caller: SimulatedEndpoint
    /// The same object as `caller` when embedded.
    private let callee: SimulatedEndpoint
    private let impairment: Impairment
    private var chance: Chance
    private var queue = ArrivalQueue()

    /// - Parameters:
    ///   - scenario: parties that begin by waiting answer, the others call.
    ///   - settings: as `--set name=value`.
    public init(
        _ scenario: Scenario, seed: UInt64, impairment: Impairment, settings: [String: String] = [:],
        embedded: Bool = false, traces: Bool = false
    ) throws {
        chance = Chance(seed: seed ^ 0x6E65_7477_6F72_6B00)
        self.impairment = impairment
        isEmbedded = embedded
        let (compiled, diagnostics) = ScenarioCompiler.compile([scenario.tree])
        guard let program = compiled else { throw SimulationError(text: diagnostics.map(\.description).joined()) }
        let answering = Set(scenario.tree.parties.filter(\.startsByWaiting).map(\.name))
        let calling = Set(scenario.tree.parties.map(\.name)).subtracting(answering)
        let calls = TransportAddress(ipv4: 0x0A00_0001, port: 5060)
        let answers = TransportAddress(ipv4: 0x0A00_0002, port: 5060)
        var nonces = Chance(seed: seed)
        func endpoint(_ address: TransportAddress, _ target: TransportAddress, _ text: String, _ plays: Set<String>?)
            throws -> SimulatedEndpoint
        {
            try SimulatedEndpoint(
                program, at: address, target: target, targetText: text, plays: plays,
                nonce: UInt32(truncatingIfNeeded: nonces.next()), seed: seed, settings: settings, worker: 0,
                start: Self.start, traces: traces)
        }
        if embedded {
            caller = try endpoint(calls, calls, "10.0.0.1:5060", nil)
            callee = caller
        } else {
            caller = try endpoint(calls, answers, "10.0.0.2:5060", calling)
            // As `carillon serve`: what it begins goes where URIs lead, and to itself.
            callee = try endpoint(answers, answers, "10.0.0.2:5060", answering)
        }
    }

    private var endpoints: [SimulatedEndpoint] { isEmbedded ? [caller] : [caller, callee] }

    // MARK: running

    /// Starts `runs` runs at a mean rate (exponential gaps), and goes on until nothing is on the wire and no timer runs.
    public func run(_ runs: Int, perSecond rate: Double) {
        var started = 0
        var due = now
        // Nothing lasts so long; a run that does not come to rest is a failure of the test, not of its patience.
        let latest = now + Int64(Double(runs) / rate * 1e9) + 100 * 3_600_000_000_000
        var idle = 0
        while now < latest {
            let before = (now, sent, started)
            var next = started < runs ? due : Int64.max
            if let arrival = queue.nextTime { next = min(next, grained(arrival)) }
            for endpoint in endpoints {
                if let deadline = endpoint.deadline { next = min(next, awake(endpoint, grained(deadline))) }
            }
            if next == .max { break }
            now = max(now, next)
            if started < runs, due <= now {
                let instant = MonotonicInstant(nanoseconds: now)
                _ = caller.engine.startRun(
                    number: UInt64(started), due: MonotonicInstant(nanoseconds: due), now: instant)
                started += 1
                due += Int64(-log(chance.positiveFraction()) / rate * 1e9)
                flush(caller)
                // The load is over with its last arrival.
                if started == runs, caller.engine.repeatsUntilEnd {
                    _ = caller.engine.endRepeating(.max, now: instant)
                    flush(caller)
                }
            }
            deliver()
            for endpoint in endpoints { advance(endpoint) }
            mostSlots = max(mostSlots, caller.engine.liveSlots)
            idle = before == (now, sent, started) ? idle + 1 : 0
            precondition(idle < 1_000_000, "an engine wants to be woken at \(now) and does nothing then")
        }
    }

    /// The first look at the clock at or after `time`.
    private func grained(_ time: Int64) -> Int64 {
        guard impairment.grain > 0 else { return time }
        return (time + impairment.grain - 1) / impairment.grain * impairment.grain
    }

    private func deliver() {
        while let time = queue.nextTime, grained(time) <= now {
            var arrival = queue.pop()
            let endpoint = arrival.to == caller.address ? caller : callee
            if let outage = currentOutage(endpoint), outage.kind == .stopped {
                // Waits in the socket; the order of arrival stays.
                arrival.time = Self.start + outage.end
                queue.push(arrival.octets, at: arrival.time, from: arrival.from, to: arrival.to)
                continue
            }
            guard arrival.to == endpoint.address else { continue }
            let instant = MonotonicInstant(nanoseconds: now)
            arrival.octets.withUnsafeBytes {
                endpoint.engine.receive(
                    $0, from: arrival.from, received: MonotonicInstant(nanoseconds: arrival.time), now: instant)
            }
            tellEnded(endpoint, arrival.octets)
            flush(endpoint)
        }
    }

    private func advance(_ endpoint: SimulatedEndpoint) {
        if currentOutage(endpoint)?.kind == .stopped { return }
        // Bounded work per call: again until nothing is due.
        while let deadline = endpoint.deadline, deadline <= now {
            endpoint.engine.advance(to: MonotonicInstant(nanoseconds: now))
            tellEnded(endpoint, nil)
            flush(endpoint)
            // A wheel that answers early has nothing to fire: time must go on.
            if endpoint.deadline == deadline { break }
        }
    }

    private func tellEnded(_ endpoint: SimulatedEndpoint, _ octets: [UInt8]?) {
        let ended = endpoint.newlyEnded()
        guard ended.succeeded + ended.failed > 0 else { return }
        onEnd(
            EndedRuns(
                octets: octets, isCaller: endpoint === caller, succeeded: ended.succeeded, failed: ended.failed,
                time: now))
    }

    // MARK: the wire

    private func flush(_ endpoint: SimulatedEndpoint) {
        let count = endpoint.engine.outbound.count
        guard count > 0 else { return }
        for index in 0..<count {
            let entry = endpoint.engine.outbound[index]
            let octets = Array(
                UnsafeRawBufferPointer(
                    start: endpoint.engine.outbound.octets + entry.offset, count: entry.length))
            let to = endpoint.engine.address(of: entry.flow)
            var deliveries = impairment.fate(at: now, &chance)
            if currentOutage(callee)?.kind == .cut { deliveries = [] }
            deliveries.removeAll { isCut(at: $0) }
            sent += 1
            lost += deliveries.isEmpty ? 1 : 0
            doubled += deliveries.count > 1 ? 1 : 0
            for time in deliveries { queue.push(octets, at: time, from: endpoint.address, to: to) }
            let arrivals = deliveries.map { handedOver($0, to: to) }
            onWire(WireEvent(sent: now, from: endpoint.address, to: to, octets: octets, deliveries: arrivals))
        }
        endpoint.engine.outbound.removeAll()
    }

    /// When an engine sees what arrives at `time`.
    private func handedOver(_ time: Int64, to address: TransportAddress) -> Int64 {
        let seen = grained(time)
        guard let outage = impairment.outage, outage.kind == .stopped, address == callee.address,
            seen >= Self.start + outage.start, seen < Self.start + outage.end
        else { return seen }
        return grained(Self.start + outage.end)
    }

    // MARK: outages

    private func currentOutage(_ endpoint: SimulatedEndpoint) -> Impairment.Outage? {
        guard let outage = impairment.outage, endpoint === callee, now >= Self.start + outage.start,
            now < Self.start + outage.end
        else { return nil }
        return outage
    }

    private func isCut(at time: Int64) -> Bool {
        guard let outage = impairment.outage, outage.kind == .cut else { return false }
        return time >= Self.start + outage.start && time < Self.start + outage.end
    }

    /// When an endpoint may next act that wants to at `time`.
    private func awake(_ endpoint: SimulatedEndpoint, _ time: Int64) -> Int64 {
        guard let outage = impairment.outage, outage.kind == .stopped, endpoint === callee,
            max(time, now) >= Self.start + outage.start, max(time, now) < Self.start + outage.end
        else { return time }
        return Self.start + outage.end
    }

    // MARK: what the engines say

    /// The caller's engine counts both sides when embedded.
    public func count(_ counter: Counter, caller isCaller: Bool) -> UInt64 {
        (isCaller ? caller : callee).engine.recorder.value(of: counter)
    }

    public var liveSlots: Int { endpoints.reduce(0) { $0 + $1.engine.liveSlots } }

    /// What both engines still hold: nothing, once all is quiet.
    public var residue: EngineResidue { endpoints.reduce(EngineResidue()) { $0 + $1.engine.residue } }
}

public struct SimulationError: Error, CustomStringConvertible {
    public var text: String
    public var description: String { text }
}
