import CallEngine
import Measurement
import ScenarioDSL

/// The settings that a scenario declares, and what they are used for: a value that would be no pause is found before the
/// run, not in it.
struct ScenarioSettings {
    private let declared: [SettingTree]
    private let pauses: Set<String>
    /// Of which a pause is a part.
    private let wholes: Set<String>
    private let counts: Set<String>

    init(_ program: CallProgram) {
        declared = program.settings
        func name(_ node: Int) -> String? {
            let tree = program.values.nodes[node]
            return tree.kind == .setting ? String(decoding: program.values.texts[Int(tree.a)], as: UTF8.self) : nil
        }
        pauses = Set(program.delays.compactMap { if case .value(let node) = $0 { name(node) } else { nil } })
        wholes = Set(program.delays.compactMap { if case .part(_, _, let node) = $0 { name(node) } else { nil } })
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
            // The head shows it as it is understood: a bare number is one of seconds.
            values[name] = pauses.contains(name) && Double(value) != nil ? value + "s" : value
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
        if pauses.contains(name), let problem = DelayTree.problem(ofText: value) { return problem }
        if wholes.contains(name), let problem = DelayTree.problem(ofWhole: value) { return problem }
        if counts.contains(name), UInt32(value) == nil {
            return "\"\(value)\" is no number of times: write 0, 1, 2, …"
        }
        return nil
    }
}
