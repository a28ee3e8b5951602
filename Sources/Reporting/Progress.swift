import Measurement

/// Where a run stands: what run control reads from the workers and a progress line shows.
public struct ProgressSnapshot: Sendable {
    public var elapsedNanoseconds: Int64
    public var plannedNanoseconds: Int64?
    public var plannedRuns: UInt64?
    public var due: UInt64 = 0
    public var started: UInt64 = 0
    public var succeeded: UInt64 = 0
    public var failed: UInt64 = 0
    /// That have come to what they repeat until the load ends.
    public var repeating: UInt64 = 0
    public var live: Int = 0
    /// Runs started for each second of the last interval.
    public var startedPerSecond: Double = 0
    public var askedPerSecond: Double?
    /// Of the last interval; nil where it had no samples.
    public var delayP50Nanoseconds: UInt64?
    public var delayP99Nanoseconds: UInt64?
    public var startLatenessP99Nanoseconds: UInt64 = 0
    /// What already speaks against the generator, in a few words each.
    public var hints: [String] = []
    /// There are no more arrivals; runs in progress end by themselves.
    public var settling = false
    /// Runs in progress are hung up.
    public var draining = false
    public var noun = "call"
    /// What is done before or after the load; nil: the load.
    public var phase: String?
    /// The run answers what others start.
    public var answering = false

    public init(elapsedNanoseconds: Int64, plannedNanoseconds: Int64? = nil, plannedRuns: UInt64? = nil) {
        self.elapsedNanoseconds = elapsedNanoseconds
        self.plannedNanoseconds = plannedNanoseconds
        self.plannedRuns = plannedRuns
    }

    /// 0 to 1, by the plan's duration or its number of runs, whichever ends first; nil where the plan has no end.
    public var share: Double? {
        let byTime = plannedNanoseconds.flatMap { $0 > 0 ? Double(elapsedNanoseconds) / Double($0) : nil }
        let byRuns = plannedRuns.flatMap { $0 > 0 ? Double(due) / Double($0) : nil }
        return [byTime, byRuns].compactMap { $0 }.max().map { min(1, max(0, $0)) }
    }

    /// Until the last arrival is due; nil where the plan has no end or nothing tells its pace yet.
    public var remainingNanoseconds: Int64? {
        let byTime = plannedNanoseconds.map { max(0, $0 - elapsedNanoseconds) }
        let pace = askedPerSecond ?? startedPerSecond
        let byRuns = plannedRuns.flatMap { runs in
            pace > 0 ? Int64(min(9e18, Double(runs - min(runs, due)) / pace * 1e9)) : nil
        }
        return [byTime, byRuns].compactMap { $0 }.min()
    }

    private var delays: String? {
        guard let delayP50Nanoseconds, let delayP99Nanoseconds else { return nil }
        return "p50 \(durationText(Int64(delayP50Nanoseconds))) p99 \(durationText(Int64(delayP99Nanoseconds)))"
    }

    private var warnings: [String] {
        let late = Int64(startLatenessP99Nanoseconds)
        let lateness = late > Verdict.Limits.suspectLatenessNanoseconds ? ["starting \(durationText(late)) late"] : []
        return lateness + hints
    }

    private var rate: String {
        startedPerSecond < 10
            ? decimalText(startedPerSecond, decimals: 1) : grouped(UInt64(min(startedPerSecond, 1e18)))
    }

    /// To a tenth of a second: more would only flicker.
    private static func coarse(_ nanoseconds: Int64) -> String {
        let tenths = (nanoseconds + 50_000_000) / 100_000_000
        return tenths == 0 ? "0 s" : durationText(tenths * 100_000_000)
    }

    private var left: String? {
        if draining { return "draining" }
        if settling { return "the last \(noun)s are ending" }
        return remainingNanoseconds.map { "\(Self.coarse($0)) left" }
    }

    /// One line for a terminal, at most `columns` wide; the least important parts go first. Without line break.
    public func terminalLine(columns: Int, style: TextStyle) -> String {
        var bar = ""
        if let share {
            let full = Int(share * 10)
            bar = String(repeating: "█", count: full) + String(repeating: "░", count: 10 - full) + " "
        }
        // What stands last is left out first when the line is too long; warnings stay.
        var parts = [
            (phase.map { "\($0) " } ?? "") + "\(bar)\(Self.coarse(elapsedNanoseconds))"
                + (left.map { ", \($0)" } ?? ""), "\(rate) \(noun)s/s",
            "\(grouped(failed)) failed", "\(live) live", delays,
            answering ? "\(grouped(succeeded)) succeeded" : "\(grouped(started)) started",
        ].compactMap { $0 }
        let warning = warnings.isEmpty ? "" : " ! " + warnings.joined(separator: ", ")
        while parts.count > 1, parts.joined(separator: " · ").count + warning.count > columns { parts.removeLast() }
        let body = parts.joined(separator: " · ").shortened(to: columns)
        let tail = warning.shortened(to: max(0, columns - body.count))
        return body + style.paint(tail, .yellow)
    }

    /// One line for a file or a pipe, complete. Without line break.
    public var plainLine: String {
        var parts = [
            "\(rate) \(noun)s/s", "\(grouped(started)) started", "\(grouped(succeeded)) succeeded",
            "\(grouped(failed)) failed", "\(live) live",
        ]
        if answering { parts.remove(at: 1) }
        if let delays { parts.append(delays) }
        if let left { parts.append(left) }
        parts += warnings.map { "warning: \($0)" }
        return (phase.map { "\($0): " } ?? "") + "\(Self.coarse(elapsedNanoseconds)): " + parts.joined(separator: ", ")
    }
}
