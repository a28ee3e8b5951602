/// The verdict on the generator itself: may the figures of this run be believed?
public struct Verdict: Sendable, Hashable, Codable {
    public enum Level: String, Sendable, Hashable, Codable, Comparable, CaseIterable {
        case valid, suspect, invalid

        public static func < (a: Level, b: Level) -> Bool {
            allCases.firstIndex(of: a)! < allCases.firstIndex(of: b)!
        }
    }

    /// One finding, in words and numbers.
    public struct Reason: Sendable, Hashable, Codable {
        public var level: Level
        public var kind: Kind
        /// A clause without full stop, for example "start lateness p99 is 61 ms (limit 50 ms)".
        public var text: String
    }

    public enum Kind: String, Sendable, Hashable, Codable {
        case lateness, timerLateness, receiveLateness, notStarted, busy, receiveOverflow, unjoinedLegs, blocked
        case exhausted, unreachable, noConnection, nothingRan
        case aborted, withoutRow, feedChanged, media
    }

    public var level: Level
    /// Gravest first; empty where the run is valid.
    public var reasons: [Reason]

    init(valid reasons: [Reason]) {
        level = reasons.map(\.level).max() ?? .valid
        self.reasons = reasons
    }

    /// Limits of house rules; `docs/measurement.md` states them with their grounds.
    public enum Limits {
        public static let suspectLatenessNanoseconds: Int64 = 5_000_000
        public static let invalidLatenessNanoseconds: Int64 = 50_000_000
        public static let startedShare = 0.99
        public static let suspectBusyShare = 0.70
        /// A shorter time says nothing of a share: its one-off work (memory touched and code read for the first time, tens of
        /// milliseconds together) would be counted as load. One measuring interval.
        public static let shortestBusyNanoseconds: UInt64 = 1_000_000_000
        public static let invalidOverflowShare = 0.0001
        public static let suspectUnjoinedShare = 0.001
        public static let suspectBlockedShare = 0.001
        public static let suspectUnsentMediaShare = 0.001
    }

    /// Of media: what we could not send or read in time says nothing of the peer.
    private static func judge(_ media: MediaRecord, _ add: (Level, Kind, String) -> Void) {
        if media.portsExhausted > 0 {
            add(
                .invalid, .exhausted,
                "media ports ran out \(counted(media.portsExhausted, "time")) (\(grouped(UInt64(media.portPairs))) pairs)"
            )
        }
        let due = media.packetsSent + media.packetsUnsent
        if Double(media.packetsUnsent) > Double(due) * Limits.suspectUnsentMediaShare {
            add(
                .suspect, .media,
                "\(counted(media.packetsUnsent, "media packet")) could not be sent in time"
                    + " (\(percentText(Ratio(media.packetsUnsent, of: due))), limit 0.1 %)")
        }
        if media.receiveOverflows > 0 {
            add(
                .suspect, .media,
                "the kernel dropped \(counted(media.receiveOverflows, "media packet")) before we read"
                    + " \(media.receiveOverflows == 1 ? "it" : "them")")
        }
    }

    /// Judges a record by its counters, its lateness and its workers.
    public init(judging record: RunRecord) {
        var reasons: [Reason] = []
        func add(_ level: Level, _ kind: Kind, _ text: String) {
            reasons.append(Reason(level: level, kind: kind, text: text))
        }
        func percent(_ part: UInt64, of whole: UInt64) -> String { percentText(Ratio(part, of: whole)) }
        // What the target asked us not to send says nothing of the generator.
        let due = record[.arrivalsDue] - min(record[.runsHeldBack], record[.arrivalsDue])
        let started = record[.runsStarted]

        if case .aborted(let reason) = record.end { add(.invalid, .aborted, "the run was given up: \(reason)") }
        if started == 0 { add(.invalid, .nothingRan, "no \(record.firstRequest.noun) ran") }
        // What cannot be read is an answer too, and says much of the peer.
        if record[.messagesSent] > 0, record[.messagesReceived] == 0, record[.runsSucceeded] == 0,
            !record.malformed.contains(where: { $0.count > 0 })
        {
            let refused = record[.icmpErrors], unfinished = record[.connectionsUnfinished]
            if record[.messagesUnsent] == record[.messagesSent] {
                add(
                    .invalid, .noConnection,
                    "no connection stood: \(counted(record[.messagesUnsent], "message")) waited for one"
                        + (unfinished > 0 ? ", \(counted(unfinished, "attempt")) still under way at the end" : ""))
            } else {
                add(
                    .invalid, .unreachable,
                    "nothing answered: \(counted(record[.messagesSent], "message")) sent, none received"
                        + (refused > 0 ? ", \(grouped(refused)) refused by ICMP" : ""))
            }
        }
        if record[.portsExhausted] > 0 {
            add(.invalid, .exhausted, "local ports ran out \(counted(record[.portsExhausted], "time"))")
        }
        if record[.descriptorsExhausted] > 0 {
            add(.invalid, .exhausted, "file descriptors ran out \(counted(record[.descriptorsExhausted], "time"))")
        }

        if let media = record.media { Self.judge(media, add) }

        if let lateness = record.delay(.startLateness)?.nanoseconds(atPercentile: 99) {
            if lateness > Limits.invalidLatenessNanoseconds {
                add(.invalid, .lateness, "start lateness p99 is \(durationText(lateness)) (limit 50 ms)")
            } else if lateness > Limits.suspectLatenessNanoseconds {
                add(.suspect, .lateness, "start lateness p99 is \(durationText(lateness)) (limit 5 ms)")
            }
        }
        if due > 0, Double(started) < Double(due) * Limits.startedShare {
            let parts = [
                (record[.runsNotStarted], "too late"), (record[.runsBlocked], "blocked by the concurrency cap"),
                (record[.runsWithoutSlot], "without a call slot"), (record[.runsWithoutRow], "without a row of a feed"),
                (record[.runsWithoutConnection], "whose connection's queue was full"),
                (record[.runsBeyondSourceRate], "beyond the rate of their source"),
            ]
            .filter { $0.0 > 0 }.map { "\(grouped($0.0)) \($0.1)" }
            add(
                .invalid, .notStarted,
                "only \(percent(started, of: due)) of \(counted(due, "due arrival")) started (limit 99 %)"
                    + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", ")))
        }

        // No more than suspect: in a closed loop that fills the machine timers wait for the messages before them by design.
        if let lateness = record.delay(.timerLateness)?.nanoseconds(atPercentile: 99),
            lateness > Limits.invalidLatenessNanoseconds
        {
            add(
                .suspect, .timerLateness,
                "timer lateness p99 is \(durationText(lateness)) (limit 50 ms): pauses and retransmissions came that much late"
            )
        }
        if let late = Self.lateReceiving(record) { add(late.level, .receiveLateness, late.text) }

        let overflows = record[.receiveOverflows]
        if overflows > 0 {
            let arrived = record[.messagesReceived] + overflows
            let grave = Double(overflows) > Double(arrived) * Limits.invalidOverflowShare
            add(
                grave ? .invalid : .suspect, .receiveOverflow,
                "the kernel dropped \(counted(overflows, "datagram")) before we read \(overflows == 1 ? "it" : "them")"
                    + " (\(percent(overflows, of: arrived)) of those that came"
                    + (grave ? ", limit 0.01 %)" : ")"))
        }
        let measured = record.workers.indices.filter {
            record.workers[$0].wallNanoseconds >= Limits.shortestBusyNanoseconds
        }
        if let busiest = measured.max(by: { record.workers[$0].busyShare < record.workers[$1].busyShare }),
            record.workers[busiest].busyShare > Limits.suspectBusyShare
        {
            let share = decimalText(record.workers[busiest].busyShare * 100, decimals: 0)
            add(
                .suspect, .busy,
                "worker \(busiest + 1) of \(record.workers.count) was busy \(share) % of the time (limit 70 %)")
        }
        let unjoined = record[.legsUnjoined]
        let legs = record[.legsJoined] + unjoined
        if Double(unjoined) > Double(legs) * Limits.suspectUnjoinedShare {
            add(
                .suspect, .unjoinedLegs,
                "\(percent(unjoined, of: legs)) of \(counted(legs, "leg")) could not be joined to their call (limit 0.1 %)"
            )
        }
        let blocked = record[.runsBlocked]
        if Double(blocked) > Double(due) * Limits.suspectBlockedShare {
            add(
                .suspect, .blocked,
                "\(percent(blocked, of: due)) of \(counted(due, "due arrival")) found the concurrency cap full (limit 0.1 %)"
            )
        }
        let rowless = record[.runsWithoutRow]
        if Double(rowless) > Double(due) * Limits.suspectBlockedShare {
            add(
                .suspect, .withoutRow,
                "\(percent(rowless, of: due)) of \(counted(due, "due arrival")) found no row of a feed (limit 0.1 %)")
        }
        for change in (record.feeds ?? []).compactMap(\.change) { add(.invalid, .feedChanged, change) }
        // Stable by position among equals.
        self.init(valid: reasons.filter { $0.level == .invalid } + reasons.filter { $0.level == .suspect })
    }

    /// Messages that waited for us.
    ///
    /// Who answers is judged as who calls is by its starts: what it answers late, its callers measure. Who calls has the kernel's
    /// stamps for its own delays, and in a closed loop its messages wait for each other by design, so that only a wait which has no
    /// such grounds is told, and the run is not INVALID for it. A stall too short for the p99 of a long run shows in its interval.
    private static func lateReceiving(_ record: RunRecord) -> (level: Level, text: String)? {
        guard let lateness = record.delay(.receiveLateness)?.nanoseconds(atPercentile: 99) else { return nil }
        let answers = record.plan.arrivals == .answering
        let p99 = "receive lateness p99 is \(durationText(lateness))"
        if lateness > Limits.invalidLatenessNanoseconds {
            return (answers ? .invalid : .suspect, p99 + " (limit 50 ms)")
        }
        guard answers else { return nil }
        if lateness > Limits.suspectLatenessNanoseconds { return (.suspect, p99 + " (limit 5 ms)") }
        let name = DelayIndex.builtInNames[DelayIndex.receiveLateness.rawValue]
        let intervals = record.intervals.map { ($0.startNanoseconds, $0.figures.delays[name]?.p99Nanoseconds ?? 0) }
        guard let worst = intervals.max(by: { $0.1 < $1.1 }), worst.1 > UInt64(Limits.invalidLatenessNanoseconds) else {
            return nil
        }
        return (
            .suspect,
            "receive lateness p99 is \(durationText(Int64(worst.1))) in the interval that begins"
                + " \(decimalText(Double(worst.0) / 1e9, decimals: 1)) s after the start (limit 50 ms)"
        )
    }

    /// What the level means for whoever reads the figures.
    public var meaning: String {
        switch level {
        case .valid: return "The generator kept up; the figures stand."
        case .suspect: return "Read rates as floors."
        case .invalid:
            if reasons.contains(where: { $0.kind == .noConnection }) {
                return "No call reached the peer: there is nothing to measure."
            }
            return switch reasons.first?.kind {
            case .nothingRan, .unreachable, .aborted: "This run says nothing about the peer."
            case .receiveLateness: "What callers measured is in part the delay of this generator."
            default: "The figures describe the generator, not the peer."
            }
        }
    }

    /// The first line of every output: level, reasons, meaning.
    public var sentence: String {
        let findings = reasons.map(\.text).joined(separator: "; ")
        return "\(level.rawValue.uppercased()): " + (findings.isEmpty ? "" : findings + ". ") + meaning
    }
}
