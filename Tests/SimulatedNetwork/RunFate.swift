/// How the two runs of a call must have ended, by what arrived at whom.
///
/// Written from the text of the catalogue's scenarios and the RFC; it asks no engine.
struct RunFate {
    enum Verdict {
        case succeeds, fails
        /// It hangs on a few milliseconds.
        case open
    }

    var caller: Verdict
    /// Nil when nothing came to the callee, which then has no run.
    var callee: Verdict?

    /// Nil for a scenario that has no such description here.
    init?(_ scenario: String, _ judge: CallJudge) {
        let reader = FateReader(judge: judge)
        guard let opening = judge.transactions.first else { return nil }
        switch scenario {
        case "basic-call", "late-offer":
            caller = reader.callerOfCall(invites: 1)
            callee = reader.calleeOfCall(invites: 1)
        case "early-media":
            caller = reader.all([reader.hears(183, before: 200), reader.callerOfCall(invites: 1)])
            callee = reader.calleeOfCall(invites: 1)
        case "reinvite":
            caller = reader.callerOfCall(invites: 3)
            callee = reader.calleeOfCall(invites: 3)
        case "callee-hangs-up":
            caller = reader.callerWhoIsHungUp()
            callee = reader.calleeWhoHangsUp()
        case "busy":
            caller = reader.heard(opening, 486)
            callee = .succeeds
        case "cancel", "no-answer", "long-ring":
            caller = reader.callerWhoCancels()
            // The default wait, and the caller's own pause before it.
            let waits: [String: Int64] = ["long-ring": 120_000_000_000, "cancel": 32_200_000_000]
            callee = reader.calleeOfCancel(waits: waits[scenario] ?? 32_000_000_000)
        case "options-ping", "message":
            caller = reader.heard(opening, 200)
            callee = .succeeds
        case "register":
            caller = reader.heardAll("REGISTER", 2)
            callee =
                judge.transactions.filter { $0.method == "REGISTER" && !$0.copies.isEmpty }.count == 2
                ? .succeeds : .fails
        default: return nil
        }
        if opening.copies.isEmpty { callee = nil }
    }
}

private struct FateReader {
    let judge: CallJudge
    private var timeout: Int64 { judge.strictness.timeout }
    private var edge: Int64 { judge.strictness.late + 2_000_000 }

    private func before(_ time: Int64?, _ limit: Int64) -> RunFate.Verdict {
        guard let time else { return .fails }
        if abs(time - limit) <= edge { return .open }
        return time < limit ? .succeeds : .fails
    }

    /// When the callee gives up that wants to at `time`: a process that stands still takes first what has come.
    private func patience(_ time: Int64) -> Int64 {
        judge.strictness.latest(time, .callee) - judge.strictness.late
    }

    func all(_ verdicts: [RunFate.Verdict]) -> RunFate.Verdict {
        if verdicts.contains(.fails) { return .fails }
        return verdicts.contains(.open) ? .open : .succeeds
    }

    private func arrival(_ transaction: Transaction, _ status: Int) -> Int64? {
        transaction.responses.filter { $0.message.status == status }.flatMap(\.arrivals).min()
    }

    /// Whether the response that the script wants is the final one, and came in time.
    func heard(_ transaction: Transaction, _ status: Int) -> RunFate.Verdict {
        guard let final = transaction.firstFinalArrival, final == arrival(transaction, status) else { return .fails }
        let end = transaction.firstSent + timeout
        let limit = transaction.side == .callee ? patience(end) : end
        if transaction.method == "INVITE", let provisional = transaction.firstResponseArrival, provisional < final {
            // Timer B has been stopped; the script's patience is longer than what is repeated.
            return before(provisional, limit)
        }
        return before(final, limit)
    }

    func heardAll(_ method: String, _ count: Int) -> RunFate.Verdict {
        let asked = judge.transactions.filter { $0.method == method && $0.side == .caller }
        guard asked.count == count else { return .fails }
        return all(asked.map { heard($0, 200) })
    }

    func hears(_ first: Int, before second: Int) -> RunFate.Verdict {
        guard let invite = judge.transactions.first, let early = arrival(invite, first) else { return .fails }
        guard let late = arrival(invite, second) else { return .succeeds }
        return early == late ? .open : early < late ? .succeeds : .fails
    }

    func callerOfCall(invites: Int) -> RunFate.Verdict {
        var verdicts = [heardAll("INVITE", invites)]
        guard let bye = judge.transactions.first(where: { $0.method == "BYE" && $0.side == .caller }) else {
            return .fails
        }
        verdicts.append(heard(bye, 200))
        // Hung up by the other end before the own BYE was answered.
        let other = judge.transactions.filter { $0.method == "BYE" && $0.side == .callee }.flatMap(\.copies).min()
        if let other, other < (bye.firstFinalArrival ?? .max) { return .fails }
        return all(verdicts)
    }

    func calleeOfCall(invites: Int) -> RunFate.Verdict {
        let asked = judge.transactions.filter { $0.method == "INVITE" && $0.side == .caller && !$0.copies.isEmpty }
        guard asked.count == invites else { return .fails }
        var verdicts = asked.map { invite -> RunFate.Verdict in
            guard let success = invite.finals.first, success.message.isSuccess else { return .fails }
            return before(invite.firstAckArrival, patience(success.sent + timeout))
        }
        let bye = judge.transactions.first { $0.method == "BYE" && $0.side == .caller }
        let answered = bye?.finals.contains { $0.message.status == 200 } ?? false
        if judge.transactions.contains(where: { $0.method == "BYE" && $0.side == .callee }) || !answered {
            verdicts.append(.fails)
        }
        return all(verdicts)
    }

    func callerWhoIsHungUp() -> RunFate.Verdict {
        let came = judge.transactions.contains { $0.method == "BYE" && $0.side == .callee && !$0.copies.isEmpty }
        return all([heardAll("INVITE", 1), came ? .succeeds : .fails])
    }

    func calleeWhoHangsUp() -> RunFate.Verdict {
        guard let invite = judge.transactions.first, let success = invite.finals.first,
            let bye = judge.transactions.first(where: { $0.method == "BYE" && $0.side == .callee })
        else { return .fails }
        return all([before(invite.firstAckArrival, patience(success.sent + timeout)), heard(bye, 200)])
    }

    func calleeOfCancel(waits: Int64) -> RunFate.Verdict {
        guard let asked = judge.transactions.first?.copies.first else { return .fails }
        return before(
            judge.transactions.filter { $0.method == "CANCEL" }.flatMap(\.copies).min(), patience(asked + waits))
    }

    func callerWhoCancels() -> RunFate.Verdict {
        guard let invite = judge.transactions.first,
            let cancel = judge.transactions.first(where: { $0.method == "CANCEL" })
        else { return .fails }
        var limit = cancel.firstSent + timeout
        if let answered = cancel.firstFinalArrival, answered < limit { limit = answered + timeout }
        return before(arrival(invite, 487), limit)
    }
}

extension CallJudge {
    /// Whether the network alone can have broken the call: a request got no final response, or a final response no ACK,
    /// in the time there was.
    var hasLostTransaction: Bool {
        // A script may lose patience with a few that are late; nothing breaks by four losses.
        if log.sendings.filter(\.arrivals.isEmpty).count > 4 { return true }
        if let stop = strictness.calleeStops, let first = log.sendings.first, first.sent <= stop.upperBound,
            log.lastTime >= stop.lowerBound
        {
            return true
        }
        return transactions.contains { transaction in
            let limit = transaction.firstSent + strictness.timeout - strictness.late
            let final = transaction.firstFinalArrival ?? .max
            let stopped = transaction.firstResponseArrival ?? .max
            if transaction.method == "INVITE" {
                if min(final, stopped) > limit || final == .max { return true }
                let given = (transaction.firstFinalSent ?? 0) + strictness.timeout - strictness.late
                return transaction.firstAckArrival ?? .max > given
            }
            return final > limit || transaction.copies.isEmpty
        }
    }

    /// Whether a response was overtaken by a later one of the same transaction, so that a script may miss it.
    var hasOvertaking: Bool {
        transactions.contains { transaction in
            guard let final = transaction.firstFinalArrival else { return false }
            return transaction.provisionals.contains { ($0.arrivals.first ?? .max) > final }
        }
    }
}
