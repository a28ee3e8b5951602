import ScenarioDSL

// What a pause may be. A scenario file, `--set` and `--hold` are held to it before a run; the engine holds to it what only
// a call knows.

extension DelayTree {
    /// Beyond this a run would be older than the 49 days that its timers count, and no call is longer in earnest.
    package static var longest: Seconds { Seconds(nanoseconds: DelayPlan.longest) }

    /// Why no call can pause like that; nil where one can.
    package var problem: String? {
        switch self {
        case .fixed(let time): return Self.problem("a pause", time)
        case .uniform(let low, let high):
            if low.nanoseconds > high.nanoseconds {
                return "the pause's bounds are reversed: \(low.duration) is more than \(high.duration)"
            }
            return Self.problem("a pause", low) ?? Self.problem("a pause", high)
        case .exponential(let mean): return Self.problem("a mean", mean)
        case .lognormal(let median, let sigma):
            guard sigma >= 0, sigma < 20 else { return "sigma \(sigma) makes no pause: from 0 to below 20" }
            return Self.problem("a median", median)
        case .weibull(let shape, let scale):
            guard shape > 0.05, shape < 1000 else {
                return "shape \(shape) makes no pause: from above 0.05 to below 1000"
            }
            return Self.problem("a scale", scale)
        case .empirical(let weighted):
            if weighted.isEmpty { return "an empirical pause needs at least one weighted value" }
            for one in weighted {
                if let problem = Self.problem("a pause", one.delay) { return problem }
                guard one.weight >= 0, one.weight < .infinity else { return "weight \(one.weight) is not 0 or more" }
            }
            let sum = weighted.reduce(0) { $0 + $1.weight }
            if sum == 0 { return "all weights are 0, so no pause can be drawn" }
            return sum < .infinity ? nil : "the weights add up beyond all numbers: only their proportion counts"
        case .part(let low, let high, _):
            return low >= 0 && high <= 1000
                ? nil : "a part is 0 or more, and 1000 at most: 0.5 ... 0.9 for a half to nine tenths"
        case .value: return nil
        }
    }

    private static func problem(_ what: String, _ time: Seconds) -> String? {
        if time.nanoseconds < 0 { return "\(what) of \(time.duration) is negative: time does not run backwards" }
        if time.nanoseconds > longest.nanoseconds {
            return "\(what) of \(time.duration) is too long: 30 days (\(longest.duration)) are the longest"
        }
        return nil
    }

    /// Why this text, the value of a setting, is no pause; nil where it is one.
    package static func problem(ofText text: String) -> String? {
        guard let delay = DelayTree(parsing: text) else {
            return "\"\(text)\" is no pause: write a time, 3s, or a distribution: uniform(1s, 5s),"
                + " exponential(30s), lognormal(30s, 0.5), weibull(1.5, 30s)"
        }
        return delay.problem.map { "\"\(text)\" is no pause: \($0)" }
    }
}

extension DelayTree {
    /// Why there is no part of this text, the value of a setting; nil where there is.
    package static func problem(ofWhole text: String) -> String? {
        guard let time = Seconds(parsing: text) else {
            return "\"\(text)\" is no time, so there is no part of it: write seconds, 3600, or a time, 1h"
        }
        return DelayTree.fixed(time).problem
    }
}

extension ValueTree {
    /// What is wrong with it as the whole that a pause is a part of, as far as that is known before a run.
    var partProblem: String? {
        switch self {
        case .setting(let name, let fallback?):
            DelayTree.problem(ofWhole: fallback).map { "the default of the setting \"\(name)\": \($0)" }
        case .text(let text): DelayTree.problem(ofWhole: text)
        default: nil
        }
    }
}

extension DelayPlan {
    /// Nanoseconds of 30 days.
    package static let longest: Int64 = 30 * 86_400 * 1_000_000_000

    /// A time that was computed, as one that a call can pause: what is no number is none.
    static func pause(_ nanoseconds: Double) -> Int64 {
        guard nanoseconds > 0 else { return 0 }
        return nanoseconds < Double(longest) ? Int64(nanoseconds) : longest
    }

    static func pause(_ nanoseconds: Int64) -> Int64 { min(max(nanoseconds, 0), longest) }
}
