import Foundation
import Measurement
import Scenarios
import SimulatedNetwork
import Testing

@Suite("Right under loss")
struct LossTests {
    static let long = ProcessInfo.processInfo.environment["CARILLON_TEST_ALL"] != nil
    static let calls =
        ProcessInfo.processInfo.environment["CARILLON_SIMULATED_CALLS"].flatMap { Int($0) } ?? (long ? 20_000 : 1_500)

    /// `CARILLON_SEEDS=41,42` repeats what a failure named.
    static let seeds: [UInt64] =
        ProcessInfo.processInfo.environment["CARILLON_SEEDS"].map { $0.split(separator: ",").compactMap { UInt64($0) } }
        ?? [1, 2, 3]

    @Test("A basic call keeps every rule on a bad network", arguments: seeds)
    func basicCall(seed: UInt64) throws {
        try run("basic-call", seed: seed, calls: Self.calls, settings: ["hold": "uniform(0s, 5s)"])
    }

    @Test(
        "So do the other flows of the catalogue",
        arguments: [
            "cancel", "busy", "early-media", "late-offer", "reinvite", "no-answer", "options-ping", "message",
            "register",
        ])
    func others(name: String) throws {
        try run(name, seed: 7, calls: Self.calls / 5, settings: [:])
    }

    @Test("And on a worse one", arguments: [11, 12] as [UInt64])
    func worse(seed: UInt64) throws {
        try run(
            "basic-call", seed: seed, calls: Self.calls / 3, settings: ["hold": "uniform(0s, 2s)"],
            impairment: Impairment(loss: 0.4, duplication: 0.3, jitter: 200_000_000))
    }

    private func run(
        _ name: String, seed: UInt64, calls: Int, settings: [String: String], impairment: Impairment = Impairment()
    ) throws {
        let scenario = try #require(catalogue.first { $0.name == name })
        let network = try SimulatedNetwork(scenario, seed: seed, impairment: impairment, settings: settings)
        let checker = WireChecker(caller: network.caller)
        network.onWire = { checker.note($0) }
        network.run(calls, perSecond: 200)
        checker.finish()
        #expect(checker.callsChecked >= calls)
        let report = checker.violations.prefix(3).map(\.description).joined(separator: "\n\n")
        #expect(checker.violations.isEmpty, "seed \(seed), \(checker.violations.count) violations:\n\(report)")
        let residue = network.residue
        #expect(residue == network.nothing, "left behind with seed \(seed): \(residue)")
        let succeeded = network.count(.runsSucceeded, caller: true)
        let failed = network.count(.runsFailed, caller: true)
        #expect(succeeded + failed == UInt64(calls))
        if name == "basic-call" {
            let share = LossModel.basicCallFailures(
                loss: impairment.loss, duplication: impairment.duplication, runs: 100_000, seed: seed)
            let bounds = LossModel.bounds(share: share, count: calls)
            #expect(bounds.contains(Double(failed)), "\(failed) of \(calls) failed, the model says \(share)")
            // Loss may break a call at its end for one side only; the wire must know of every call that succeeded.
            #expect(checker.callsWhole >= Int(succeeded))
        }
    }
}
