import Foundation
import ScenarioDSL
import SimulatedNetwork
import Testing

/// Whether a scenario has more than two parties, which meet in one engine.
private func partiesMeet(_ name: String) -> Bool {
    ["blind-transfer", "attended-transfer", "call-pickup", "conference", "click-to-dial"].contains(name)
}

@Suite("Right under loss")
struct LossTests {
    /// `CARILLON_SEEDS=41,42` repeats what a failure named; `make simulate` does the long runs.
    static let seeds: [UInt64] =
        ProcessInfo.processInfo.environment["CARILLON_SEEDS"].map { $0.split(separator: ",").compactMap { UInt64($0) } }
        ?? [1, 2, 3]
    static let hold = ["hold": "uniform(0s, 5s)"]
    static let longestHold: Int64 = 5_000_000_000

    @Test("A basic call keeps every rule on a bad network", arguments: seeds)
    func basicCall(seed: UInt64) throws {
        try check("basic-call", seed: seed, calls: 1_000) { $0.settings = Self.hold }
    }

    @Test(
        "So do the other flows of the catalogue, and flows in which the two ends cross",
        arguments: lossScenarios.map(\.name).filter { $0 != "basic-call" })
    func others(name: String) throws {
        try check(name, seed: 7, calls: 150)
    }

    @Test(
        "Three parties and more in one engine: transfers, pickup, a conference",
        arguments: lossScenarios.map(\.name).filter(partiesMeet), [51, 52] as [UInt64])
    func multiparty(name: String, seed: UInt64) throws {
        try check(name, seed: seed, calls: 200) {
            $0.embedded = true
            $0.traces = true
        }
    }

    @Test("Two of five lost, up to 200 ms of jitter, a third doubled", arguments: [11] as [UInt64])
    func worse(seed: UInt64) throws {
        try check("basic-call", seed: seed, calls: 600) {
            $0.settings = Self.hold
            $0.impairment = Impairment(loss: 0.4, duplication: 0.3, jitter: 200_000_000)
        }
    }

    @Test(
        "A session whose re-INVITE, CANCEL or BYE gets no answer is ended all the same",
        arguments: ["reinvite", "cancel"])
    func unanswered(name: String) throws {
        // With this seed some BYEs come while the callee still waits for a re-INVITE.
        try check(name, seed: 13, calls: 150) { $0.impairment = Impairment(loss: 0.5) }
    }

    @Test("Both parties in one engine, with traces kept")
    func embedded() throws {
        try check("basic-call", seed: 21, calls: 300) {
            $0.embedded = true
            $0.traces = true
        }
        try check("reinvite", seed: 22, calls: 50) {
            $0.embedded = true
            $0.traces = true
        }
    }

    @Test("Messages that are taken in batches, every 3 ms")
    func batches() throws {
        try check("basic-call", seed: 31, calls: 300) {
            $0.settings = Self.hold
            $0.impairment.grain = 3_000_000
        }
    }

    @Test(
        "The callee cannot be reached for 40 s, and stands still for 40 s",
        arguments: [Impairment.Outage.Kind.cut, .stopped])
    func outage(kind: Impairment.Outage.Kind) throws {
        try check("basic-call", seed: 41, calls: 400) {
            $0.settings = Self.hold
            $0.rate = 40
            $0.impairment.outage = .init(kind, from: 3_000_000_000, to: 43_000_000_000)
        }
    }

    @Test(
        "A callee that gives up waiting for the ACK, with BYE, is answered while the caller still waits for its 200",
        arguments: [Impairment.Outage.Kind.cut, .stopped])
    func byeBeforeAnswer(kind: Impairment.Outage.Kind) throws {
        // With this seed the 180 comes through, every 200 is lost, and a BYE comes after the outage.
        try check("callee-hangs-up", seed: 77, calls: 400) {
            $0.rate = 40
            $0.impairment.outage = .init(kind, from: 3_000_000_000, to: 43_000_000_000)
        }
    }

    @Test("A seed gives the same wire twice")
    func repeats() throws {
        func wire() throws -> [[UInt8]] {
            let scenario = try #require(lossScenarios.first { $0.name == "basic-call" })
            let network = try SimulatedNetwork(scenario, seed: 5, impairment: Impairment())
            var wire: [[UInt8]] = []
            network.onWire = { wire.append($0.octets) }
            network.run(50, perSecond: 100)
            return wire
        }
        let first = try wire()
        #expect(first.count > 300)
        #expect(try wire() == first)
    }

    private func check(
        _ name: String, seed: UInt64, calls: Int, _ change: (inout SimulatedRun) -> Void = { _ in }
    ) throws {
        let scenario = try #require(lossScenarios.first { $0.name == name })
        var run = SimulatedRun(scenario, seed: seed, calls: calls)
        run.rate = 200
        change(&run)
        let result = try run.result()
        var allowed: ClosedRange<Int>?
        if name == "basic-call", !run.embedded, run.impairment.outage == nil, run.impairment.grain == 0 {
            var model = LossModel(run.impairment, longestHold: Self.longestHold)
            model.tryCalls(10_000, seed: seed)
            allowed = BinomialBounds.failures(of: calls, model: model)
        }
        let faults = result.faults(allowed: allowed)
        let ladders = result.violations.prefix(3).map(\.description).joined(separator: "\n\n")
        #expect(faults.isEmpty, "\(name) with seed \(seed): \(faults.joined(separator: "; "))\n\(ladders)")
    }
}
