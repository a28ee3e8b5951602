/// One line of the table.
struct SoakPlan {
    var name = ""
    var seed: UInt64 = 0
    var calls = 0
    var loss = 0.2
    var duplication = 0.05
    /// Milliseconds.
    var jitter: Int64 = 50
    var grain: Int64 = 0
    /// Calls per second of virtual time.
    var rate = 1000.0
    var outage = ""
    var embedded = false
    var traces = false
    /// Ladders of failed calls that are printed.
    var failures = 0
    var settings: [String: String] = [:]

    static let hold = ["hold": "uniform(0s, 5s)"]

    /// The options that repeat this line alone.
    var options: String {
        var text = "--scenario \(name) --seed \(seed) --calls \(calls) --loss \(loss)"
        text += " --duplication \(duplication) --jitter \(jitter) --rate \(rate) --grain \(grain)"
        if !outage.isEmpty { text += " --outage \(outage)" }
        if embedded { text += " --embedded" }
        if traces { text += " --traces" }
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) { text += " --set '\(name)=\(value)'" }
        return text
    }
}

/// What the command line asks for.
struct SoakOptions {
    var plan = SoakPlan()
    var seeds = 10

    static let usage = """
        SimulationSoak [--scenario NAME] [--seed N | --seeds N] [--calls M] [--loss 0.2] [--duplication 0.05] [--jitter MS]
                       [--rate PER-SECOND] [--grain MS] [--outage cut|stopped] [--embedded] [--traces] [--set NAME=VALUE]
                       [--failures N]
        """

    /// Nil when an option is unknown or its value cannot be read.
    init?(_ given: [String]) {
        var arguments = given[...]
        while let option = arguments.popFirst() {
            switch option {
            case "--embedded": plan.embedded = true
            case "--traces": plan.traces = true
            default:
                guard let text = arguments.popFirst(), take(option, text) else { return nil }
            }
        }
    }

    private mutating func take(_ option: String, _ text: String) -> Bool {
        func put<T>(_ place: WritableKeyPath<SoakOptions, T>, _ value: T?) -> Bool {
            guard let value else { return false }
            self[keyPath: place] = value
            return true
        }
        switch option {
        case "--scenario": return put(\.plan.name, text)
        case "--seed": return put(\.plan.seed, UInt64(text))
        case "--seeds": return put(\.seeds, Int(text))
        case "--calls": return put(\.plan.calls, Int(text))
        case "--loss": return put(\.plan.loss, Double(text))
        case "--duplication": return put(\.plan.duplication, Double(text))
        case "--jitter": return put(\.plan.jitter, Int64(text))
        case "--rate": return put(\.plan.rate, Double(text))
        case "--grain": return put(\.plan.grain, Int64(text))
        case "--outage": return put(\.plan.outage, ["cut", "stopped"].contains(text) ? text : nil)
        case "--failures": return put(\.plan.failures, Int(text))
        case "--set":
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { return false }
            plan.settings[parts[0]] = parts[1]
            return true
        default: return false
        }
    }

    /// The lines of the table: one scenario with one seed or several, or all there is.
    func plans(scenarios: [String]) -> [SoakPlan] {
        if !plan.name.isEmpty {
            var one = plan
            if one.calls == 0 { one.calls = 100_000 }
            if one.settings.isEmpty && one.name == "basic-call" { one.settings = SoakPlan.hold }
            return repeated(one)
        }
        var basic = plan
        basic.name = "basic-call"
        if basic.calls == 0 { basic.calls = 100_000 }
        basic.settings = SoakPlan.hold
        var all = repeated(basic)
        for name in scenarios where name != "basic-call" {
            var one = plan
            one.name = name
            one.seed = 7
            one.calls = basic.calls / 10
            all.append(one)
        }
        let changes: [(inout SoakPlan) -> Void] = [
            { $0.loss = 0.4 },
            { $0.jitter = 200 },
            { $0.duplication = 0.4 },
            {
                $0.loss = 0.4; $0.jitter = 200; $0.duplication = 0.3
            },
            {
                $0.outage = "cut"; $0.rate = 300
            },
            {
                $0.outage = "stopped"; $0.rate = 300
            },
            {
                $0.embedded = true; $0.traces = true
            },
            { $0.grain = 3 },
        ]
        for (number, change) in changes.enumerated() {
            var one = basic
            one.seed = UInt64(101 + number)
            one.calls = basic.calls / 5
            change(&one)
            all.append(one)
        }
        return all
    }

    private func repeated(_ plan: SoakPlan) -> [SoakPlan] {
        if plan.seed != 0 { return [plan] }
        return (1...UInt64(max(seeds, 1))).map { seed in
            var one = plan
            one.seed = seed
            return one
        }
    }
}
