import ScenarioDSL

/// One scenario through one network with one seed, watched by the checker: what tests and the long runs share.
public struct SimulatedRun: Sendable {
    public var scenario: Scenario
    public var seed: UInt64
    public var calls: Int
    /// Arrivals per second of virtual time.
    public var rate = 500.0
    public var impairment = Impairment()
    public var settings: [String: String] = [:]
    public var embedded = false
    public var traces = false
    /// See `Strictness.acknowledgementDelay`: of scripts that pause while they may be answered.
    public var acknowledgementDelay: Int64 = 0
    /// Call-IDs that a run has, where all of it happens.
    public var callIDs = 1

    public init(_ scenario: Scenario, seed: UInt64, calls: Int) {
        self.scenario = scenario
        self.seed = seed
        self.calls = calls
        if scenario.name == answerCrossesCancel.name { acknowledgementDelay = 301_000_000 }
        // Flow I of RFC 3725 acknowledges one phone when the other has answered.
        if scenario.name == "click-to-dial" { acknowledgementDelay = 64_000_000_000 }
        callIDs =
            switch scenario.name {
            case "blind-transfer", "click-to-dial": 2
            case "attended-transfer", "call-pickup", "conference": 3
            default: 1
            }
    }

    public struct Result: Sendable {
        public var violations: [WireChecker.Violation]
        public var violationCount: Int
        public var failedLadders: [String]
        public var calls: Int
        public var callsChecked: Int
        /// Call-IDs of a run, where all of it happens.
        public var callIDs: Int
        public var outcomes: OutcomeTally
        public var datagrams: Int
        public var lost: Int
        public var doubled: Int
        public var mostSlots: Int
        /// Of the caller's engine.
        public var succeeded: Int
        public var failed: Int
        public var residue: String
        public var isEmpty: Bool
        public var virtualSeconds: Double

        /// What is wrong with the run as a whole. Empty when every call keeps every rule, every run has ended, nothing is
        /// left behind, and no more and no fewer runs failed than the model allows.
        public func faults(allowed: ClosedRange<Int>?) -> [String] {
            var faults: [String] = []
            if violationCount > 0 { faults.append("\(violationCount) rules broken") }
            if !isEmpty { faults.append("left behind: \(residue)") }
            if succeeded + failed != calls { faults.append("\(succeeded) succeeded and \(failed) failed of \(calls)") }
            // A run that fails early has not made all of its calls.
            if callsChecked < calls || callsChecked > calls * callIDs {
                faults.append(
                    "\(callsChecked) calls on the wire, not \(calls)\(callIDs > 1 ? " to \(calls * callIDs)" : "")")
            }
            if let allowed, !allowed.contains(failed) { faults.append("\(failed) failed, the model allows \(allowed)") }
            return faults
        }
    }

    public func result() throws -> Result {
        let network = try SimulatedNetwork(
            scenario, seed: seed, impairment: impairment, settings: settings, embedded: embedded, traces: traces)
        var strictness = Strictness()
        strictness.late += impairment.grain
        strictness.acknowledgementDelay = acknowledgementDelay
        if let outage = impairment.outage, outage.kind == .stopped {
            strictness.calleeStops = (SimulatedNetwork.start + outage.start)...(SimulatedNetwork.start + outage.end)
        }
        let checker = WireChecker(
            scenario: scenario.name, strictness: strictness,
            patience: (scenario.name == longRing.name ? 200_000_000_000 : 70_000_000_000)
                + (impairment.outage.map { $0.end - $0.start } ?? 0), embedded: embedded)
        network.onWire = { checker.note($0) }
        network.onEnd = { checker.note($0) }
        network.run(calls, perSecond: rate)
        checker.finish(at: network.now)
        let residue = network.residue
        return Result(
            violations: checker.violations, violationCount: checker.violationCount,
            failedLadders: checker.failedLadders, calls: calls, callsChecked: checker.callsChecked, callIDs: callIDs,
            outcomes: checker.outcomes, datagrams: network.sent,
            lost: network.lost, doubled: network.doubled, mostSlots: network.mostSlots,
            succeeded: Int(network.count(.runsSucceeded, caller: true)),
            failed: Int(network.count(.runsFailed, caller: true)), residue: "\(residue)",
            isEmpty: residue == .init(), virtualSeconds: Double(network.now - SimulatedNetwork.start) / 1e9)
    }
}
