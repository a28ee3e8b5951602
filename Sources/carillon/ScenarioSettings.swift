import CallEngine
import Measurement
import ScenarioDSL

/// The settings that a scenario declares, and what they are used for: a value that would be no pause is found before the
/// run, not in it.
struct ScenarioSettings {
    private let declared: [SettingTree]
    private let pauses: Set<String>
    private let counts: Set<String>

    init(_ program: CallProgram) {
        declared = program.settings
        func name(_ node: Int) -> String? {
            let tree = program.values.nodes[node]
            return tree.kind == .setting ? String(decoding: program.values.texts[Int(tree.a)], as: UTF8.self) : nil
        }
        pauses = Set(
            program.delays.compactMap { if case .value(let node) = $0 { name(node) } else { nil } })
        counts = Set(
            program.instructions.compactMap { $0.operation == .loopStart ? name(Int($0.b)) : nil })
    }

    /// What `--set` and `--hold` give. Ends the program where they do not fit.
    func values(given settings: [String], hold: String?) -> [String: String] {
        var values: [String: String] = [:]
        func take(_ name: String, _ value: String, _ option: String) {
            guard declared.contains(where: { $0.name == name }) else {
                stop(.usage, ["\(option): the scenario has no setting \"\(name)\"; \(listing)"])
            }
            if values[name] != nil { stop(.usage, ["\(option): \"\(name)\" is given twice"]) }
            if let problem = problem(name, value) { stop(.usage, ["\(option): \(problem)"]) }
            values[name] = value
        }
        if let hold { take("hold", hold, "--hold \(hold)") }
        for setting in settings {
            let equals = setting.firstIndex(of: "=")!
            take(String(setting[..<equals]), String(setting[setting.index(after: equals)...]), "--set \(setting)")
        }
        let missing = declared.filter { $0.fallback == nil && values[$0.name] == nil }.map(\.name)
        if !missing.isEmpty {
            stop(
                .usage,
                ["the scenario needs a value for \(missing.listed), which has no default: --set \(missing[0])=…"])
        }
        return values
    }

    private var listing: String {
        guard !declared.isEmpty else { return "it has none" }
        return "it has " + declared.map { "\($0.name) (\($0.fallback ?? "no default"))" }.listed
    }

    private func problem(_ name: String, _ value: String) -> String? {
        if pauses.contains(name) {
            guard let delay = DelayTree(parsing: value) else {
                return "\"\(value)\" is no pause: write a time, 3s, or a distribution: uniform(1s, 5s),"
                    + " exponential(30s), lognormal(30s, 0.5), weibull(1.5, 30s)"
            }
            return Self.problem(delay).map { "\"\(value)\" is no pause: \($0)" }
        }
        if counts.contains(name), UInt32(value) == nil {
            return "\"\(value)\" is no number of times: write 0, 1, 2, …"
        }
        return nil
    }

    private static let longest: Int64 = 30 * 86_400 * 1_000_000_000

    private static func problem(_ delay: DelayTree) -> String? {
        func outside(_ time: Seconds) -> String? {
            if time.nanoseconds < 0 { return "time does not run backwards" }
            return time.nanoseconds > longest ? "30 days are the longest" : nil
        }
        switch delay {
        case .fixed(let time): return outside(time)
        case .uniform(let low, let high):
            if low.nanoseconds > high.nanoseconds { return "its bounds are reversed" }
            return outside(low) ?? outside(high)
        case .exponential(let mean): return outside(mean)
        case .lognormal(let median, let sigma):
            return sigma >= 0 && sigma < 20 ? outside(median) : "sigma is from 0 to 20"
        case .weibull(let shape, let scale):
            return shape > 0.05 && shape < 1000 ? outside(scale) : "its shape is more than 0.05"
        case .empirical, .value: return nil
        }
    }
}
