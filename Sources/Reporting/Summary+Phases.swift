import Measurement

extension Summary {
    /// A line for each phase before and after the load, and why most of its failures were.
    var phases: [String] {
        var lines: [String] = []
        var last: PhaseRecord.Place?
        for phase in record.phases ?? [] {
            let name =
                switch phase.place {
                case last: ""
                case .before: "Before"
                case .beside: "Population"
                case .after: "After"
                }
            last = phase.place
            lines += wrapped(name, printable(phaseText(phase)))
            if let group = phase.failureGroups.first {
                let place = group.step.map { "\($0.file):\($0.line): " } ?? ""
                let text = "\(place)expected \(group.expected), got \(group.got)"
                lines += wrapped(
                    "", printable(phase.failureGroups.count > 1 ? "\(grouped(group.count)) × \(text)" : text))
                if let example = group.examples.first {
                    lines += wrapped("", printable("Call-ID \(example.callID), \(example.atUTC)\(example.rowsText)"))
                }
            }
        }
        return lines
    }

    private func phaseText(_ phase: PhaseRecord) -> String {
        if let problem = phase.problem { return "\(phase.scenario): not carried out: \(problem)" }
        var text = "\(phase.scenario): \(grouped(phase.succeeded)) succeeded, \(grouped(phase.failed)) failed"
        if phase.place == .beside, let registered = phase.registered, let again = phase.reregistered {
            let left = min(phase.succeeded, again)
            text =
                "\(phase.scenario): \(grouped(registered)) registered, \(counted(again - left, "refresh", "refreshes")),"
                + " \(grouped(left)) removed, \(grouped(phase.failed)) failed"
        }
        if phase.drained > 0 { text += ", \(grouped(phase.drained)) drained" }
        if phase.cutOff > 0 { text += ", \(grouped(phase.cutOff)) cut off" }
        if let runs = phase.runs, phase.started < runs { text += ", \(grouped(runs - phase.started)) not started" }
        text += " in \(durationText(phase.durationNanoseconds))"
        switch phase.end {
        case .finished: break
        case .interrupted, .terminated, .hangup: text += ", interrupted"
        case .aborted: text += ", given up"
        }
        let words = [
            ("registrationRequestDelay", "registration"), ("sessionRequestDelay", "session request"),
            ("transactionDelay", "other requests"), ("timerLateness", "refreshes late by"),
        ]
        for (name, word) in words {
            guard let delay = phase.delays.first(where: { $0.name == name }) else { continue }
            let p50 = durationText(delay.nanoseconds(atPercentile: 50))
            text += "; \(word) p50 \(p50), p99 \(durationText(delay.nanoseconds(atPercentile: 99)))"
        }
        if phase.mayFail, phase.failed > 0 { text += "; it may fail" }
        return text
    }
}
