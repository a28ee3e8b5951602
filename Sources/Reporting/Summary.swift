import Measurement

/// A run in words and tables, for a terminal and for `summary.txt`. All figures are the record's own; nothing is computed
/// here beyond formatting.
public struct Summary {
    public var record: RunRecord
    /// Ladders of failed runs by the run's number, where a trace kept them.
    public var ladders: [UInt64: Ladder]
    /// Where the report stands, for the last line.
    public var folder: String?
    public var style: TextStyle
    public var columns: Int
    /// Failure groups shown in full; the others as one line each.
    public var groupsInFull = 3

    public init(
        _ record: RunRecord, ladders: [UInt64: Ladder] = [:], folder: String? = nil, style: TextStyle = .plain,
        columns: Int = 100
    ) {
        self.record = record
        self.ladders = ladders
        self.folder = folder
        self.style = style
        self.columns = columns
    }

    public var text: String {
        var sections = [verdict, overview]
        sections.append(delayTable)
        sections.append(stepTable)
        sections.append(responses)
        sections.append(sessionFigures)
        sections.append(unusual)
        sections.append(generator)
        sections.append(failures)
        if let folder { sections.append(["Report: \(printable(folder))"]) }
        return sections.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
    }

    /// Why the run has not passed, for who wants to hear of nothing else: the verdict where it is INVALID, the outcome and the
    /// failures, and where the report stands. Nil where there is nothing to explain.
    public var explanation: String? {
        var sections: [[String]] = []
        if record.verdict.level == .invalid { sections.append(verdict) }
        if record[.runsFailed] > 0 || record[.runsCutOff] > 0 {
            sections.append([field("Outcome", outcome)])
            if !record.failureGroups.isEmpty { sections.append(failures) }
        }
        let failed = (record.phases ?? []).contains { !$0.exitCodes.isEmpty }
        if failed { sections.append(phases) }
        guard !sections.isEmpty else { return nil }
        if let folder { sections.append(["Report: \(printable(folder))"]) }
        return sections.map { $0.joined(separator: "\n") }.joined(separator: "\n\n") + "\n"
    }

    // MARK: What happened

    private var noun: String { record.firstRequest.noun }

    private var verdict: [String] {
        let verdict = record.verdict
        let ink: TextStyle.Ink =
            switch verdict.level {
            case .valid: .green
            case .suspect: .yellow
            case .invalid: .red
            }
        let sentence = printable(verdict.sentence)
        // On one line where it fits, else a line for each reason, the gravest behind the level.
        guard sentence.count > columns, let first = verdict.reasons.first else { return [style.paint(sentence, ink)] }
        let level = verdict.level.rawValue.uppercased()
        let indent = String(repeating: " ", count: level.count + 2)
        var lines = Self.broken("\(first.text).", to: columns - indent.count)
        for reason in verdict.reasons.dropFirst() {
            lines += Self.broken("Also: \(reason.text).", to: columns - indent.count)
        }
        lines.append(verdict.meaning)
        return lines.enumerated().map { index, line in
            index == 0 ? style.paint("\(level): \(printable(line))", ink) : indent + printable(line)
        }
    }

    private var overview: [String] {
        var lines: [String] = []
        let seconds = durationText(record.durationNanoseconds)
        var title = "\(printable(record.identity.scenario)), \(seconds), \(utcText(record.clock.epochUTCNanoseconds))"
        switch record.end {
        case .finished: break
        case .interrupted: title += ", interrupted"
        case .terminated: title += ", terminated"
        case .hangup: title += ", ended by a hangup"
        case .aborted: title += ", given up"
        }
        lines.append(style.paint(title, .bold))
        lines += wrapped("Load", load)
        lines.append(field("Outcome", outcome))
        if let outcomes = list(
            record.outcomes.filter { $0.count > 0 }.map { "\(printable($0.name)) \(grouped($0.count))" })
        {
            lines += wrapped("", outcomes)
        }
        if record.scenarios.count > 1 {
            let width = record.scenarios.map(\.name.count).max() ?? 0
            for (number, one) in record.scenarios.enumerated() {
                let name = printable(one.name).padding(toLength: width, withPad: " ", startingAt: 0)
                var text =
                    "\(name)  \(grouped(one.started)) started (\(shareText(one.started, of: record[.runsStarted])))"
                text += ", \(grouped(one.succeeded)) succeeded, \(grouped(one.failed)) failed"
                if one.drained > 0 { text += ", \(grouped(one.drained)) drained" }
                lines.append(field(number == 0 ? "Scenarios" : "", text))
            }
        }
        lines += phases
        lines += targets
        lines += media
        for (number, feed) in (record.feeds ?? []).enumerated() {
            lines += wrapped(number == 0 ? "Feeds" : "", printable(feed.text(noun: noun)))
        }
        return lines
    }

    private func shareText(_ part: UInt64, of whole: UInt64) -> String {
        guard whole > 0 else { return "n/a" }
        return "\((Double(part) / Double(whole) * 1000).rounded() / 10) %"
    }

    private var load: String {
        let started = record[.runsStarted]
        let due = record[.arrivalsDue]
        // A suspect generator could have done more damage to its own figures than we know: what it reached is a floor.
        let floor = record.verdict.level == .valid ? "" : "≥ "
        let rate = record.startedPerSecond
        let began = record.plan.arrivals == .answering ? "came in" : "started"
        var text = "\(counted(started, noun)) \(began)"
        // One call has no rate.
        if started == 1, due <= 1 { return text }
        if due > started { text += " of \(grouped(due)) due" }
        if rate > 0, record.plan.arrivals != .answering {
            text += ", \(floor)\(rateText(rate))"
            if let asked = record.plan.ratePerSecond { text += " (asked: \(rateText(asked)))" }
        }
        switch record.plan.arrivals {
        case .poisson: text += ", Poisson arrivals"
        case .uniform: text += ", evenly spaced"
        case .closed: text += ", closed loop of \(record.plan.concurrency ?? 0) (due time is send time)"
        case .answering: break
        }
        let drops = [
            (record[.runsNotStarted], "too late to start"), (record[.runsBlocked], "blocked by the cap"),
            (record[.runsWithoutSlot], "without a slot"), (record[.runsWithoutRow], "without a row"),
            (record[.runsWithoutConnection], "dropped since the queue of their connection was full"),
            (record[.runsBeyondSourceRate], "beyond the rate of their source"),
            (record[.runsHeldBack], "held back since their target had asked for it (Retry-After)"),
        ]
        for (count, words) in drops where count > 0 { text += ", \(grouped(count)) \(words)" }
        return text
    }

    private func rateText(_ rate: Double) -> String {
        if rate >= 1_000 { return "\(grouped(UInt64(rate.rounded()))) \(noun)s/s" }
        return "\(decimalText(rate, decimals: rate >= 100 ? 0 : 2)) \(noun)s/s"
    }

    private var outcome: String {
        let succeeded = record[.runsSucceeded]
        let failed = record[.runsFailed]
        var text = "\(grouped(succeeded)) succeeded, \(grouped(failed)) failed"
        if failed > 0 {
            text = style.paint(text, .red) + " (\(percentText(Ratio(failed, of: succeeded + failed))))"
        }
        if record[.runsDrained] > 0 { text += ", \(grouped(record[.runsDrained])) drained at the end" }
        if record[.runsCutOff] > 0 { text += ", \(grouped(record[.runsCutOff])) cut off" }
        return text
    }

    // MARK: Tables

    private var delayTable: [String] {
        guard !record.delays.isEmpty else { return [] }
        let ours = Set(["startLateness", "timerLateness", "receiveLateness"])
        let shown =
            record.delays.filter { !ours.contains($0.name) } + record.delays.filter { ours.contains($0.name) }
        // On a narrow terminal the columns that say least give way; summary.txt has all of them.
        var figures = DelayFigure.all
        var lines = Self.delayLines(shown, figures, style)
        for least in ["mean", "p90", "p99.9"]
        where Self.delayLines(shown, figures, .plain).contains(where: { $0.count > columns }) {
            figures.removeAll { $0.name == least }
            lines = Self.delayLines(shown, figures, style)
        }
        let bounds = record[.fromDueLowerBounds]
        if bounds > 0 {
            lines.append(
                "  \(counted(bounds, noun)) that \(bounds == 1 ? "was never started stands" : "were never started stand") in"
                    + " “from due” and “start lateness” with the")
            lines.append(
                "  time \(bounds == 1 ? "it was" : "they were") late when given up: at least that long is what a caller"
                    + " would have waited.")
        }
        let clamped = record[.delaysBelowRange] + record[.delaysAboveRange]
        if clamped > 0 {
            lines.append(
                clamped == 1
                    ? "  1 sample was out of range (below 0 or above 39 h) and stands at its end."
                    : "  \(grouped(clamped)) samples were out of range (below 0 or above 39 h) and stand at its ends.")
        }
        return lines
    }

    private struct DelayFigure {
        var name: String
        var nanoseconds: (DelayRecord) -> Int64

        static var all: [DelayFigure] {
            [DelayFigure(name: "mean") { $0.meanNanoseconds }]
                + [("p50", 50.0), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("p99.99", 99.99)].map { name, share in
                    DelayFigure(name: name) { $0.nanoseconds(atPercentile: share) }
                }
                + [DelayFigure(name: "max") { $0.maximumNanoseconds }]
        }
    }

    private static func delayLines(_ delays: [DelayRecord], _ figures: [DelayFigure], _ style: TextStyle) -> [String] {
        var table = TextTable(header: ["Delays", "samples"] + figures.map(\.name), indent: "")
        for delay in delays {
            table.rows.append(
                ["  " + (delayWords[delay.name] ?? printable(delay.name)), grouped(delay.samples)]
                    + figures.map { durationText($0.nanoseconds(delay), keepingZeros: true) })
        }
        return table.lines(style: style)
    }

    private var stepTable: [String] {
        guard !record.steps.isEmpty else { return [] }
        var table = TextTable(
            header: [
                "Steps", "", "sent", "received", "re-sent", "re-received", "absorbed", "timed out", "unexpected",
                "failed",
            ], left: [0, 1], emptyCell: "0", indent: "")
        // Parties that others play have no rows; of those that took part, what sends or waits has one even when nothing
        // came that far.
        let active = Set(record.steps.filter { $0.hasEvents }.map(\.step.party))
        let names = active.map { printable($0).count }.max() ?? 0
        for record in record.steps where active.contains(record.step.party) {
            let step = record.step
            let isMessage =
                step.text.hasPrefix("send ") || (step.text.hasPrefix("expect ") && !step.text.contains(" or "))
            guard record.hasEvents || isMessage else { continue }
            let counts = [
                record.sent, record.received, record.retransmissionsSent, record.retransmissionsReceived,
                record.absorbed, record.timedOut, record.unexpected, record.failed,
            ]
            table.rows.append(
                [
                    "  \(printable(step.party).padded(to: names))  \(printable(step.file)):\(step.line)",
                    printable(step.text),
                ]
                    + counts.map { grouped($0) })
        }
        return table.rows.isEmpty ? [] : table.lines(style: style)
    }

    private var responses: [String] {
        func row(_ name: String, _ counts: [ResponseCount]) -> [String] {
            let items = counts.map { count in
                ("\(count.status)" + (count.method.isEmpty ? "" : " \(count.method)")) + " \(grouped(count.count))"
            }
            return list(items).map { wrapped(name, $0) } ?? []
        }
        return row("Answers in", record.responsesReceived) + row("Answers out", record.responsesSent)
    }

    private var sessionFigures: [String] {
        let figures = record.figures
        var items: [String] = []
        if record[.sessionAttempts] > 0 || figures.sessionEstablishmentRatio.denominator > 0 {
            items += [
                "established \(percentText(figures.sessionEstablishmentRatio)) (SER)",
                "effective \(percentText(figures.sessionEstablishmentEffectivenessRatio)) (SEER)",
                "ineffective \(percentText(figures.ineffectiveSessionAttempts)) (ISA)",
                "completed \(percentText(figures.sessionCompletionRatio)) (SCR)",
            ]
        }
        if record[.registrationAttempts] > 0 || figures.ineffectiveRegistrationAttempts.denominator > 0 {
            items.append("registrations ineffective \(percentText(figures.ineffectiveRegistrationAttempts)) (IRA)")
            if record[.reregistrationAttempts] > 0 {
                items.append("\(grouped(record[.reregistrationAttempts])) of them refreshes or removals")
            }
        }
        if record[.challengesAnswered] + record[.credentialsRefused] > 0 {
            var text = counted(record[.challengesAnswered], "challenge") + " answered"
            if record[.staleNonces] > 0 { text += " (\(grouped(record[.staleNonces])) for a stale nonce)" }
            if record[.credentialsRefused] > 0 {
                text += ", credentials refused \(counted(record[.credentialsRefused], "time"))"
            }
            items.append(text)
        }
        if figures.undecidedSessionAttempts > 0 {
            items.append(
                "\(counted(UInt64(figures.undecidedSessionAttempts), "attempt")) undecided at the end, not counted")
        }
        return list(items).map { wrapped("RFC 6076", $0) } ?? []
    }

    private var unusual: [String] {
        let named: [(Counter, String, String)] = [
            (.unexpectedRequests, "unexpected request", "unexpected requests"),
            (.strayResponses, "stray response", "stray responses"), (.strayRequests, "stray request", "stray requests"),
            (.malformedMessages, "malformed message", "malformed messages"),
            (.forkedAnswers, "answer of a further fork", "answers of further forks"),
            (.keepAlives, "keep-alive", "keep-alives"), (.legsUnjoined, "leg not joined", "legs not joined"),
            (.overflowRefusals, "refused for lack of records", "refused for lack of records"),
            (.icmpErrors, "ICMP error", "ICMP errors"),
            (.messagesTooLongForPath, "message longer than the path's MTU", "messages longer than the path's MTU"),
            (
                .requestsTooLargeForUDP, "request too large for UDP (RFC 3261 §18.1.1: TCP)",
                "requests too large for UDP (RFC 3261 §18.1.1: TCP)"
            ),
            (.requestsMovedToTCP, "large request sent over TCP", "large requests sent over TCP"),
            (
                .pathsNotFollowed,
                "Contact or Record-Route with a host name or a transport not spoken here: not followed",
                "Contacts or Record-Routes with a host name or a transport not spoken here: not followed"
            ),
            (.requestsReturnedToUDP, "back over UDP as TCP was refused", "back over UDP as TCP was refused"),
        ]
        var items = counts(named)
        items += record.malformed.filter { $0.count > 0 }.map { "\(printable($0.name)) \(grouped($0.count))" }
        let resent =
            record[.inviteRetransmissionsSent] + record[.requestRetransmissionsSent]
            + record[.responseRetransmissionsSent] + record[.ackRetransmissionsSent]
        let again =
            record[.inviteRetransmissionsReceived] + record[.requestRetransmissionsReceived]
            + record[.responseRetransmissionsReceived] + record[.ackRetransmissionsReceived]
        let messages =
            "\(grouped(record[.messagesSent])) sent (\(counted(resent, "retransmission"))),"
            + " \(grouped(record[.messagesReceived])) received (\(counted(again, "retransmission")))"
        let unsent =
            record[.messagesUnsent] == 0
            ? "" : "; \(grouped(record[.messagesUnsent])) of those sent never left: no connection stood"
        return wrapped("Messages", messages + unsent) + streams + (list(items).map { wrapped("Unusual", $0) } ?? [])
    }

    /// Connections, where there were any.
    private var streams: [String] {
        let named: [(Counter, String)] = [
            (.connectionsOpened, "opened"), (.connectionsAccepted, "accepted"), (.connectionsClosed, "closed"),
            (.connectionsReset, "broken"), (.connectionsRefused, "not set up"),
            (.connectionsUnfinished, "still being set up at the end"),
        ]
        let handshakes: [(Counter, String)] = [
            (.tlsHandshakes, "done"), (.tlsResumptions, "of them resumed"), (.tlsHandshakesFailed, "failed"),
        ]
        guard named.contains(where: { record[$0.0] > 0 }) else { return [] }
        var items = [
            "connections: "
                + named.filter { record[$0.0] > 0 }.map { "\(grouped(record[$0.0])) \($0.1)" }.joined(separator: ", ")
        ]
        if handshakes.contains(where: { record[$0.0] > 0 }) {
            items.append(
                "TLS handshakes: "
                    + handshakes.filter { record[$0.0] > 0 }.map { "\(grouped(record[$0.0])) \($0.1)" }
                    .joined(separator: ", "))
        }
        items += counts([
            (
                .transactionsLost, "party lost a transaction with its connection",
                "parties lost transactions with their connection"
            ),
            (.pingsReceived, "ping", "pings"), (.pongsReceived, "pong", "pongs"),
        ])
        return wrapped("Streams", items.joined(separator: " · "))
            + (record.transportTroubles ?? []).prefix(4).flatMap {
                wrapped("", "\(grouped($0.count)) × \($0.name)")
            }
    }

    private var generator: [String] {
        var items: [String] = []
        if let lateness = record.delay(.startLateness) {
            items.append("start lateness p99 \(durationText(lateness.nanoseconds(atPercentile: 99)))")
        }
        if record.plan.arrivals == .answering, let lateness = record.delay(.receiveLateness) {
            items.append("receive lateness p99 \(durationText(lateness.nanoseconds(atPercentile: 99)))")
        }
        if let busiest = record.workers.max(by: { $0.busyShare < $1.busyShare }) {
            let name = record.workers.count == 1 ? "worker" : "busiest of \(record.workers.count) workers"
            items.append("\(name) at work \(decimalText(busiest.busyShare * 100, decimals: 0)) % of the time")
        }
        let named: [(Counter, String, String)] = [
            (.receiveOverflows, "datagram lost in our receive buffer", "datagrams lost in our receive buffer"),
            (.sendsDropped, "send dropped", "sends dropped"), (.sendsRefused, "send refused", "sends refused"),
            (.sendsWouldBlock, "send that had to wait", "sends that had to wait"),
            (.sendsWithoutBuffers, "send without kernel buffers", "sends without kernel buffers"),
            (.lingerEvictions, "lingering transaction evicted", "lingering transactions evicted"),
            (.slabGrowths, "slab growth", "slab growths"), (.peersForgotten, "peer forgotten", "peers forgotten"),
            (.traceCuts, "trace cut", "traces cut"),
            (.callRecordsDropped, "call record dropped", "call records dropped"),
            (.handOversRefused, "hand-over refused", "hand-overs refused"),
        ]
        items += counts(named)
        items.append("clock good to \(durationText(record.clock.stampUncertaintyNanoseconds))")
        return wrapped("Generator", items.joined(separator: " · "))
            + wrapped(
                "",
                "\(record.identity.host.cpuModel), \(counted(UInt64(record.identity.host.cores), "CPU")),"
                    + " \(record.identity.host.kernel)")
            + wrapped("", "seed \(record.identity.seed), run \(printable(record.identity.runID))")
    }

    // MARK: Failures

    private var failures: [String] {
        let groups = record.failureGroups
        guard !groups.isEmpty else { return [] }
        let total = groups.reduce(0) { $0 + $1.count }
        var lines = [
            style.paint(
                "Failures: \(grouped(total)) in \(counted(UInt64(groups.count), "group"))", .bold)
        ]
        for group in groups.prefix(groupsInFull) {
            lines.append("")
            lines += failure(group)
        }
        let rest = groups.dropFirst(groupsInFull)
        if !rest.isEmpty { lines.append("") }
        for group in rest.prefix(20) {
            lines.append(
                "  \(grouped(group.count)) × \(printable(group.place)): expected \(printable(group.expected)), "
                    + "got \(printable(group.got))")
        }
        if rest.count > 20 { lines.append("  … and \(counted(UInt64(rest.count - 20), "more group")) in run.json") }
        return lines
    }

    /// A group on one screen: where, what was expected, what came, after how long, by which rule, and one run of it.
    public func failure(_ group: FailureGroup) -> [String] {
        // The run whose ladder is there explains most.
        let example = group.examples.first { ladders[$0.run] != nil } ?? group.examples.first
        var lines = ["  \(style.paint("\(grouped(group.count)) ×", .red)) \(style.paint(headline(group), .bold))"]
        func row(_ name: String, _ value: String) { lines.append("      \(name.padded(to: 9)) \(printable(value))") }
        row("expected", group.expected)
        row("got", (example?.got ?? group.got) + (example.map { waitedText($0.afterNanoseconds) } ?? ""))
        if !group.rule.isEmpty { row("rule", group.rule) }
        if let example {
            row(
                "example",
                "\(noun) \(example.run), \(example.atUTC), from \(example.localAddress) to \(example.remoteAddress)")
            if let rows = example.rows { row("data", rows.map(\.longText).joined(separator: ", ")) }
            row("Call-ID", example.callID)
            row("From tag", example.fromTag)
            if let ladder = ladders[example.run] {
                lines.append("")
                lines += ladder.text(columns: columns - 4).split(separator: "\n").map { "    \($0)" }
            }
        }
        return lines
    }

    private func headline(_ group: FailureGroup) -> String {
        guard let step = group.step else { return "various" }
        return "\(printable(step.file)):\(step.line)  \(printable(step.party)): \(printable(step.text))"
    }

    // MARK: Lines

    private static let nameWidth = 11

    func field(_ name: String, _ value: String) -> String {
        style.paint(name.padded(to: Self.nameWidth), .dim) + " " + value
    }

    /// Counters that are not 0, with their words for one and for more.
    private func counts(_ named: [(Counter, String, String)]) -> [String] {
        named.filter { record[$0.0] > 0 }.map { counted(record[$0.0], $0.1, $0.2) }
    }

    private func list(_ items: [String]) -> String? { items.isEmpty ? nil : items.joined(separator: " · ") }

    /// A named line, broken at its separators or blanks where it is longer than the screen.
    func wrapped(_ name: String, _ value: String) -> [String] {
        Self.broken(value, to: columns - Self.nameWidth - 1).enumerated()
            .map { index, text in field(index == 0 ? name : "", text) }
    }

    /// Items between middle dots stay whole: a count must not lose its name to the next line. Other text breaks at blanks.
    private static func broken(_ text: String, to width: Int) -> [String] {
        let separator = text.contains(" · ") ? " · " : " "
        var lines: [String] = []
        for item in text.split(separator: separator) {
            if let line = lines.last, line.count + separator.count + item.count <= max(20, width) {
                lines[lines.count - 1] = line + separator + item
            } else {
                lines.append(String(item))
            }
        }
        return lines
    }
}
