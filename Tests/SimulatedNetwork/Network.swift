import CallEngine
import CallTraces
import Measurement
import SIPTransactions
import SIPWire
import ScenarioDSL

/// A seeded generator of its own: what is simulated must not share a line with what is tested.
public struct Chance {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// In [0, 1).
    public mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }
}

/// One datagram on the simulated wire.
public struct WireEvent: Sendable {
    /// Nanoseconds of virtual time.
    public var sent: Int64
    public var from: TransportAddress
    public var to: TransportAddress
    public var octets: [UInt8]
    /// When its copies arrive; empty when it is lost.
    public var deliveries: [Int64]
}

/// What the network does to datagrams.
public struct Impairment: Sendable {
    public var loss = 0.2
    public var duplication = 0.05
    /// Nanoseconds: a fixed part, and one drawn uniformly up to this.
    public var delay: Int64 = 1_000_000
    public var jitter: Int64 = 50_000_000

    public init(loss: Double = 0.2, duplication: Double = 0.05, jitter: Int64 = 50_000_000) {
        self.loss = loss
        self.duplication = duplication
        self.jitter = jitter
    }
}

/// A caller's and a callee's engine with a network between them, in virtual time. Everything follows from the seed.
public final class SimulatedNetwork {
    private struct Arrival {
        var time: Int64
        var sequence: UInt64
        var to: TransportAddress
        var from: TransportAddress
        var octets: [UInt8]
    }

    public let caller: TransportAddress
    public let callee: TransportAddress
    private var callers: CallEngine
    private var callees: CallEngine
    private var queue: [Arrival] = []
    private var sequence: UInt64 = 0
    private var chance: Chance
    private let impairment: Impairment
    /// Told of each datagram as it is sent.
    public var onWire: (WireEvent) -> Void = { _ in }
    public private(set) var now: Int64 = 1_000_000_000

    /// - Parameter scenario: its first party calls, the others answer.
    public init(
        _ scenario: Scenario, seed: UInt64, impairment: Impairment, settings: [String: String] = [:]
    ) throws {
        chance = Chance(seed: seed)
        self.impairment = impairment
        let caller = TransportAddress(ipv4: 0x0A00_0001, port: 5060)
        let callee = TransportAddress(ipv4: 0x0A00_0002, port: 5060)
        self.caller = caller
        self.callee = callee
        let (compiled, diagnostics) = ScenarioCompiler.compile([scenario.tree])
        guard let program = compiled else { throw SimulationError(text: diagnostics.map(\.description).joined()) }
        let answering = Set(scenario.tree.parties.filter(\.startsByWaiting).map(\.name))
        let calling = Set(scenario.tree.parties.map(\.name)).subtracting(answering)
        func engine(_ local: TransportAddress, _ target: TransportAddress, plays: Set<String>, nonce: UInt32) throws
            -> CallEngine
        {
            var chosen = EngineSettings(
                local: local, target: target, targetText: target == callee ? "10.0.0.2:5060" : "10.0.0.1:5060",
                nonce: RunNonce(nonce), seed: seed)
            chosen.plays = plays
            chosen.settings = settings
            chosen.mostSlots = 200_000
            chosen.arenaOctets = 256 << 20
            chosen.mostLingering = 1_000_000
            let start = MonotonicInstant(nanoseconds: 1_000_000_000)
            return try CallEngine(
                program: program, settings: chosen,
                recorder: WorkerRecorder(layout: program.recorderLayout(), epoch: start),
                traces: TraceArena(octets: 0, policy: .off), epoch: start)
        }
        callers = try engine(caller, callee, plays: calling, nonce: UInt32(truncatingIfNeeded: seed) | 1)
        callees = try engine(callee, caller, plays: answering, nonce: UInt32(truncatingIfNeeded: seed >> 8) | 2)
    }

    /// Starts `runs` runs at a mean rate, and goes on until all have ended and the wire has been silent for `silence`.
    public func run(_ runs: Int, perSecond rate: Double, silence: Int64 = 70_000_000_000) {
        var started = 0
        var due = now
        let gap = Int64(1e9 / rate)
        let most: Int64 = 4_000_000_000_000
        while now < most {
            var next = Int64.max
            if started < runs { next = min(next, due) }
            if let first = queue.first { next = min(next, first.time) }
            next = min(next, callers.nextDeadline.nanoseconds, callees.nextDeadline.nanoseconds)
            if next == .max { break }
            now = max(now, next)
            let instant = MonotonicInstant(nanoseconds: now)
            if started < runs, due <= now {
                _ = callers.startRun(number: UInt64(started), due: instant, now: instant)
                started += 1
                due += gap
            }
            while let first = queue.first, first.time <= now {
                let arrival = pop()
                arrival.octets.withUnsafeBytes { octets in
                    if arrival.to == caller {
                        callers.receive(octets, from: arrival.from, received: instant, now: instant)
                    } else {
                        callees.receive(octets, from: arrival.from, received: instant, now: instant)
                    }
                }
            }
            if callers.nextDeadline <= instant { callers.advance(to: instant) }
            if callees.nextDeadline <= instant { callees.advance(to: instant) }
            drain(isCaller: true)
            drain(isCaller: false)
        }
    }

    private func drain(isCaller: Bool) {
        let from = isCaller ? caller : callee
        let count = isCaller ? callers.outbound.count : callees.outbound.count
        for index in 0..<count {
            let entry = isCaller ? callers.outbound[index] : callees.outbound[index]
            let base = isCaller ? callers.outbound.octets : callees.outbound.octets
            let octets = Array(UnsafeRawBufferPointer(start: base + entry.offset, count: entry.length))
            let to = isCaller ? callers.address(of: entry.flow) : callees.address(of: entry.flow)
            var deliveries: [Int64] = []
            if chance.fraction() >= impairment.loss {
                deliveries.append(arrivalTime())
                if chance.fraction() < impairment.duplication { deliveries.append(arrivalTime()) }
            }
            for time in deliveries { push(time, octets, from: from, to: to) }
            onWire(WireEvent(sent: now, from: from, to: to, octets: octets, deliveries: deliveries))
        }
        if isCaller { callers.outbound.removeAll() } else { callees.outbound.removeAll() }
    }

    private func arrivalTime() -> Int64 {
        now + impairment.delay + Int64(chance.fraction() * Double(impairment.jitter))
    }

    // MARK: what is left

    public func count(_ counter: Counter, caller isCaller: Bool) -> UInt64 {
        isCaller ? callers.recorder.value(of: counter) : callees.recorder.value(of: counter)
    }

    public var liveSlots: Int { callers.liveSlots + callees.liveSlots }
    public var residue: EngineResidue { callers.residue + callees.residue }

    // MARK: a binary heap by time, then by order

    private func precedes(_ a: Arrival, _ b: Arrival) -> Bool {
        a.time != b.time ? a.time < b.time : a.sequence < b.sequence
    }

    private func push(_ time: Int64, _ octets: [UInt8], from: TransportAddress, to: TransportAddress) {
        sequence += 1
        queue.append(Arrival(time: time, sequence: sequence, to: to, from: from, octets: octets))
        var child = queue.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(queue[child], queue[parent]) else { break }
            queue.swapAt(child, parent)
            child = parent
        }
    }

    private func pop() -> Arrival {
        let first = queue[0]
        queue[0] = queue[queue.count - 1]
        queue.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < queue.count {
                if precedes(queue[child], queue[least]) { least = child }
            }
            guard least != parent else { break }
            queue.swapAt(parent, least)
            parent = least
        }
        return first
    }
}

public struct SimulationError: Error, CustomStringConvertible {
    public var text: String
    public var description: String { text }
}

extension SimulatedNetwork {
    public var nothing: EngineResidue { EngineResidue() }
}
