extension CallJudge {
    /// RFC 3261 §17.2, §8.2.6: what the end that answers sends.
    mutating func judgeServer(_ transaction: Transaction) {
        let copies = transaction.copies
        for response in transaction.responses {
            judge(response.message, to: transaction.request)
            if !copies.contains(where: { $0 <= response.sent }) {
                breaks("\(response.message.startLine) answers a \(transaction.method) that has not arrived (§17.2)")
            }
        }
        let statuses = Set(transaction.finals.compactMap(\.message.status))
        if statuses.count > 1 { breaks("\(transaction.method) has the final responses \(statuses.sorted()) (§17.2)") }
        let tags = Set(transaction.responses.filter { $0.message.status != 100 }.map(\.message.toTag))
        if tags.count > 1 {
            breaks("responses to one \(transaction.method) have the To tags \(tags.sorted()) (§8.2.6.2)")
        }
        if tags.contains("") { breaks("a response to \(transaction.method) has no To tag (§8.2.6.2)") }
        for (number, response) in transaction.responses.enumerated() {
            let before = transaction.responses[..<number].last { $0.message.status == response.message.status }
            if let before, before.message.octets != response.message.octets {
                breaks("a repeated \(response.message.startLine) is not the same octets (§17.2.1, §17.2.2)")
            }
        }
        if transaction.method == "INVITE" {
            judgeInviteServer(transaction, copies)
        } else {
            judgeNonInviteServer(transaction, copies)
        }
    }

    private mutating func judge(_ response: WireMessage, to request: WireMessage) {
        if response.cseq != request.cseq || response.from != request.from {
            breaks("\(response.startLine) has another CSeq or From than its request (§8.2.6.2)")
        }
        if response.sentBy != request.sentBy {
            breaks("\(response.startLine) has another Via than its request (§8.2.6.2)")
        }
        let keepsTo = request.toTag.isEmpty ? response.to.hasPrefix(request.to) : response.to == request.to
        if !keepsTo { breaks("\(response.startLine) has another To than its request (§8.2.6.2)") }
    }

    /// §17.2.2 and RFC 4320: one final response, sent again for each copy of the request and for nothing else.
    private mutating func judgeNonInviteServer(_ transaction: Transaction, _ copies: [Int64]) {
        let name = transaction.method
        if transaction.provisionals.contains(where: { $0.message.status != 100 }) {
            breaks("a provisional response to \(name) (RFC 4320 §4.1)")
        }
        guard let came = copies.first else { return }
        guard let final = transaction.finals.first else {
            if came + strictness.timeout + strictness.late < end {
                breaks("\(name) arrived and was never answered (§17.2.2, RFC 4320 §4.2)")
            }
            return
        }
        if final.sent > strictness.latest(came + strictness.timeout, transaction.side.other) {
            breaks(
                "\(name) is answered \(milliseconds(final.sent - came)) after it came: its client has given up (§17.2.2)"
            )
        }
        judgeRepeatsForCopies(
            "\(final.message.startLine) to \(name)", "§17.2.2", copies, transaction.finals.map(\.sent),
            transaction.side.other)
    }

    /// Each copy that comes after the first response is answered by one more, within Timer J; no other repeat.
    private mutating func judgeRepeatsForCopies(
        _ name: String, _ rule: String, _ copies: [Int64], _ sends: [Int64], _ side: Side
    ) {
        guard let first = sends.first else { return }
        let later = copies.filter { $0 > first }
        let (unanswered, unasked) = pair(later, Array(sends.dropFirst()), side)
        for copy in unanswered where copy < first + strictness.timeout - strictness.late {
            breaks(
                "a copy of the request came \(milliseconds(copy - first)) after \(name), and it was not sent again (\(rule))"
            )
        }
        // Several copies may be handed over in one instant, the first answer among them unless an earlier copy waited for it.
        let atOnce = copies.filter { $0 == first }.count
        let together = copies.contains { $0 < first } ? atOnce : max(atOnce - 1, 0)
        if unasked.count > together || unasked.contains(where: { $0 > first }) {
            breaks("\(name) is sent again unasked (\(rule))")
        }
    }

    /// §17.2.1 and RFC 6026 §7.1.
    private mutating func judgeInviteServer(_ invite: Transaction, _ copies: [Int64]) {
        guard let came = copies.first else { return }
        let side = invite.side.other
        guard let final = invite.finals.first else {
            if came + 400_000_000_000 < end { breaks("INVITE arrived and never got a final response (§13.3.1)") }
            judgeProvisionals(invite, copies, until: .max)
            return
        }
        judgeProvisionals(invite, copies, until: final.sent)
        if let late = invite.provisionals.first(where: { $0.sent > final.sent }) {
            breaks("\(late.message.startLine) is sent after the final response (§17.2.1)")
        }
        let acknowledged = invite.firstAckArrival
        let times = invite.finals.map(\.sent)
        if final.message.isSuccess {
            // A dialog that has been ended needs no ACK any more (§15.1.2).
            let over = transactions.filter { $0.method == "BYE" }.compactMap { bye in
                bye.side == side ? bye.firstSent : bye.firstFinalSent
            }.min()
            judgeRepeats(
                final.message.startLine, "§13.3.1.4", times, side, stop: acknowledged, mayStop: over, cap: strictness.t2
            )
            if times.count > 11 { breaks("\(final.message.startLine) is sent \(times.count) times (§13.3.1.4)") }
            return
        }
        // A refusal is repeated for each copy of the INVITE until its ACK has come, and by Timer G.
        let over = strictness.latest(final.sent + strictness.timeout, side)
        let asking = copies.filter { $0 > final.sent && $0 < min(acknowledged ?? .max, over) }
        let (unanswered, others) = pair(asking, Array(times.dropFirst()), side)
        // Copies handed over in the instant of the refusal or of its ACK may have been answered too.
        var byTimer = others
        for copy in copies where copy == final.sent || copy == acknowledged {
            if let place = byTimer.firstIndex(of: copy) { byTimer.remove(at: place) }
        }
        for copy in unanswered where copy < final.sent + strictness.timeout - strictness.late {
            breaks(
                "a copy of the INVITE came \(milliseconds(copy - final.sent)) after \(final.message.startLine), and it was not sent again (§17.2.1)"
            )
        }
        // A re-INVITE may be refused by an end that keeps nothing of it: each copy is answered, no timer runs (§8.2.7).
        let isStateless =
            !invite.request.toTag.isEmpty && invite.provisionals.isEmpty && byTimer.isEmpty
            && [488, 491, 500].contains(final.message.status)
        if isStateless { return }
        judgeRepeats(
            final.message.startLine, "Timer G, §17.2.1", [final.sent] + byTimer, side, stop: acknowledged,
            cap: strictness.t2)
    }

    /// §17.2.1: a copy of the INVITE that comes while it is undecided gets the last provisional response again.
    private mutating func judgeProvisionals(_ invite: Transaction, _ copies: [Int64], until decided: Int64) {
        let side = invite.side.other
        var seen: Set<Int> = []
        var news: [Int64] = []
        var repeats: [Int64] = []
        for response in invite.provisionals {
            if seen.insert(response.message.status ?? 0).inserted {
                news.append(response.sent)
            } else {
                repeats.append(response.sent)
            }
        }
        guard let first = news.first else { return }
        let asking = copies.filter { $0 > first && $0 < decided }
        let (unanswered, unasked) = pair(asking, repeats, side)
        if invite.provisionals.contains(where: \.message.isReliable) {
            let acknowledged = transactions.filter { $0.method == "PRACK" && $0.side == invite.side }.flatMap(\.copies)
                .min()
            judgeRepeats(
                "a reliable provisional response", "RFC 3262 §3", [first] + unasked, side, stop: acknowledged,
                mayStop: decided == .max ? nil : decided)
            return
        }
        for copy in unanswered where !news.contains(copy) {
            breaks(
                "a copy of the INVITE came \(milliseconds(copy - first)) after the first provisional response, and none was sent again (§17.2.1)"
            )
        }
        let together = max(copies.filter { $0 == first || $0 == decided }.count - 1, 0)
        if unasked.count > together { breaks("a provisional response is sent again unasked (§17.2.1)") }
    }
}
