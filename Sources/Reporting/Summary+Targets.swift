import Measurement

extension Summary {
    /// A line for each address that calls could go to.
    var targets: [String] {
        let all = record.targets ?? []
        let names = all.map { printable($0.name == $0.address ? $0.address : "\($0.name) (\($0.address))") }
        let width = names.map(\.count).max() ?? 0
        return zip(all, names).enumerated().map { number, one in
            field(number == 0 ? "Targets" : "", "\(one.1.padded(to: width))  \(targetText(one.0.counts))")
        }
    }

    private func targetText(_ counts: TargetCounts) -> String {
        let started = record[.runsStarted]
        let share = started > 0 ? " (\((Double(counts.runsStarted) / Double(started) * 1000).rounded() / 10) %)" : ""
        var text = "\(grouped(counts.runsStarted)) started\(share)"
        if counts.runsTakenOver > 0 { text += ", \(grouped(counts.runsTakenOver)) taken over" }
        if counts.runsMoved > 0 { text += ", \(grouped(counts.runsMoved)) went on elsewhere" }
        text += ", \(grouped(counts.runsSucceeded)) succeeded, \(grouped(counts.runsFailed)) failed"
        if counts.runsDrained > 0 { text += ", \(grouped(counts.runsDrained)) drained" }
        if counts.runsRefused > 0 {
            let reasons = [
                (counts.transportErrors, "by the transport"), (counts.timeouts, "by silence"),
                (counts.unavailable, "with 503"),
            ]
            .filter { $0.0 > 0 }.map { "\(grouped($0.0)) \($0.1)" }
            text += ", \(grouped(counts.runsRefused)) refused (\(reasons.joined(separator: ", ")))"
        }
        if counts.timesAvoided > 0 {
            text += ", avoided \(counted(counts.timesAvoided, "time"))"
            if counts.timesHeldBack > 0 { text += " (Retry-After: \(grouped(counts.timesHeldBack)))" }
        }
        return text
    }
}
