import Glibc
import SimulatedNetwork

/// Executes plans and prints a line for each.
struct Soak {
    /// Models by network, so that ten seeds share one.
    private var models: [String: LossModel] = [:]

    private static let columns: [(title: String, width: Int)] = [
        ("scenario", 21), ("seed", 4), ("calls", 7), ("datagrams", 9), ("lost", 6), ("both ok", 8), ("caller", 6),
        ("callee", 6), ("neither", 7), ("unheard", 7), ("failed", 7), ("allowed", 11), ("broken", 6), ("s", 6),
        ("MiB", 5),
    ]

    static func printHead() { show(columns.map(\.title), "") }

    private static func show(_ cells: [String], _ end: String) {
        let padded = zip(cells, columns).map { String(repeating: " ", count: max(0, $1.width - $0.count)) + $0 }
        print(padded.joined(separator: " ") + " " + end)
        fflush(nil)
    }

    /// Failures that the model allows; nil where there is no model.
    private mutating func allowed(_ plan: SoakPlan, _ impairment: Impairment) -> ClosedRange<Int>? {
        guard plan.name == "basic-call", plan.outage.isEmpty, !plan.embedded, plan.grain == 0,
            plan.settings == SoakPlan.hold
        else { return nil }
        let key = "loss \(plan.loss), duplication \(plan.duplication), jitter \(plan.jitter) ms"
        if models[key] == nil {
            var model = LossModel(impairment, longestHold: 5_000_000_000)
            model.tryCalls(4_000_000, seed: 0x6D6F_6465_6C)
            models[key] = model
            print("# model with \(key): \(model.failed) of \(model.tried) basic calls fail at the caller")
        }
        return models[key].map { BinomialBounds.failures(of: plan.calls, model: $0) }
    }

    /// - Returns: whether all is as it must be.
    mutating func execute(_ plan: SoakPlan) throws -> Bool {
        guard let scenario = lossScenarios.first(where: { $0.name == plan.name }) else {
            print("no scenario \(plan.name); there are \(lossScenarios.map(\.name).joined(separator: ", "))")
            return false
        }
        var run = SimulatedRun(scenario, seed: plan.seed, calls: plan.calls)
        run.rate = plan.rate
        run.impairment = Impairment(
            loss: plan.loss, duplication: plan.duplication, jitter: plan.jitter * 1_000_000,
            grain: plan.grain * 1_000_000)
        if !plan.outage.isEmpty {
            run.impairment.outage = .init(
                plan.outage == "cut" ? .cut : .stopped, from: 3_000_000_000, to: 43_000_000_000)
        }
        run.settings = plan.settings
        run.embedded = plan.embedded
        run.traces = plan.traces
        let bounds = allowed(plan, run.impairment)
        let start = Self.seconds
        let result = try run.result()
        let time = Self.seconds - start
        let faults = result.faults(allowed: bounds)
        let outcomes = result.outcomes
        let mean = Double(result.lost) / Double(max(result.datagrams, 1))
        Self.show(
            [
                plan.name, "\(plan.seed)", "\(plan.calls)", "\(result.datagrams)",
                "\(Double(Int(mean * 1000)) / 10)%", "\(outcomes.both)", "\(outcomes.callerAlone)",
                "\(outcomes.calleeAlone)", "\(outcomes.neither)", "\(outcomes.unreached)", "\(result.failed)",
                bounds.map { "\($0.lowerBound)...\($0.upperBound)" } ?? "-", "\(result.violationCount)",
                "\(Double(Int(time * 10)) / 10)", "\(Self.residentMebibytes)",
            ], faults.isEmpty ? "ok" : "WRONG")
        for ladder in result.failedLadders.prefix(plan.failures) { print("\n\(ladder)") }
        if faults.isEmpty { return true }
        for fault in faults { print("  \(fault)") }
        for violation in result.violations.prefix(5) { print("\n\(violation)\n") }
        print("  again: Benchmarks/simulation/run.sh \(plan.options)")
        return false
    }

    private static var seconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static var residentMebibytes: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Int(usage.ru_maxrss) / 1024
    }
}
