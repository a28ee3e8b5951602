extension CallJudge {
    /// RFC 3261 §17.1: what the end that asks sends.
    mutating func judgeClient(_ transaction: Transaction) {
        let name = transaction.method
        if transaction.sends.contains(where: { $0.message.octets != transaction.request.octets }) {
            breaks("a repeated \(name) is not the same octets (§17.1.1.2, §17.1.2.2)")
        }
        let times = transaction.sends.map(\.sent)
        if name == "INVITE" {
            if times.count > 7 { breaks("INVITE is sent \(times.count) times (Timer B, §17.1.1.2)") }
            judgeRepeats(
                name, "Timer A, §17.1.1.2", times, transaction.side, stop: transaction.firstResponseArrival)
            return
        }
        if times.count > 11 { breaks("\(name) is sent \(times.count) times (Timer F, §17.1.2.2)") }
        judgeRepeats(
            name, "Timer E, §17.1.2.2", times, transaction.side, stop: transaction.firstFinalArrival,
            cap: strictness.t2, slowed: transaction.provisionals.flatMap(\.arrivals).min())
    }

    /// RFC 3261 §13.2.2.4 and §17.1.1.3: each final response that arrives is acknowledged, by the right ACK, and no ACK
    /// is sent for anything else.
    mutating func judgeAcknowledgements(_ invite: Transaction) {
        guard let first = invite.finals.min(by: { ($0.arrivals.first ?? .max) < ($1.arrivals.first ?? .max) }),
            let arrived = first.arrivals.first
        else {
            for ack in invite.acks { breaks("ACK \(ack.message.cseq), and no final response has arrived (§17.1.1.3)") }
            return
        }
        for ack in invite.acks where ack.sent < arrived {
            breaks("ACK \(ack.message.cseq) before a final response has arrived (§17.1.1.3)")
        }
        // Timer B or the caller's patience may have ended the transaction just before: then the response is a stray one.
        let provisional = invite.provisionals.flatMap(\.arrivals).min() ?? .max
        let timedOut = invite.firstSent + strictness.timeout
        if provisional > timedOut - strictness.late, arrived > timedOut - strictness.late { return }
        // A cancelled INVITE that has no answer yet is given up 64 × T1 after its CANCEL (§9.1).
        let cancelled = transactions.first {
            $0.method == "CANCEL" && $0.side == invite.side && $0.request.branch == invite.request.branch
        }
        if let cancelled, arrived > cancelled.firstSent + strictness.timeout - strictness.late { return }
        let succeeded = first.message.isSuccess
        let arrivals = invite.finals.filter { $0.message.isSuccess == succeeded }.flatMap(\.arrivals).sorted()
        // Timers M and D: 64 × T1, at least 32 s.
        var owed = arrivals.filter { $0 < arrived + strictness.timeout - strictness.late }
        if strictness.acknowledgementDelay > 0, succeeded, let first = invite.acks.first {
            if first.sent > arrived + strictness.acknowledgementDelay + strictness.late {
                breaks("the first ACK comes \(milliseconds(first.sent - arrived)) after its 2xx (§13.2.2.4)")
            }
            owed = [first.sent] + owed.filter { $0 > first.sent }
        }
        let (unanswered, rest) = pair(owed, invite.acks.map(\.sent), invite.side)
        for arrival in unanswered {
            breaks(
                "\(first.message.startLine) arrived \(milliseconds(arrival - arrived)) after the first and no ACK was sent "
                    + (succeeded ? "(§13.2.2.4)" : "(§17.1.1.3)"))
        }
        let asking = strictness.acknowledgementDelay > 0 ? arrivals.map { max($0, owed[0]) } : arrivals
        let (_, unasked) = pair(asking, invite.acks.map(\.sent), invite.side)
        if !rest.isEmpty, !unasked.isEmpty {
            breaks("\(unasked.count) more ACKs than final responses that arrived (§13.2.2.4, §17.1.1.3)")
        }
        for ack in invite.acks { judge(ack.message, to: first.message, of: invite) }
        if let one = invite.acks.first, invite.acks.contains(where: { $0.message.octets != one.message.octets }) {
            breaks("an ACK sent again is not the same octets (§13.2.2.4)")
        }
    }

    private mutating func judge(_ ack: WireMessage, to final: WireMessage, of invite: Transaction) {
        if ack.toTag != final.toTag {
            breaks("the ACK has To tag \(ack.toTag), its response \(final.toTag) (§13.2.2.4)")
        }
        if ack.from != invite.request.from { breaks("the ACK has another From than its INVITE (§13.2.2.4, §17.1.1.3)") }
        if final.isSuccess {
            if ack.branch == invite.request.branch { breaks("the ACK to a 2xx has the INVITE's branch (§13.2.2.4)") }
            if ack.requestURI != final.contactURI {
                breaks("the ACK goes to \(ack.requestURI), the 2xx has Contact \(final.contactURI) (§12.2.1.1)")
            }
        } else {
            if ack.via != invite.request.via {
                breaks("the ACK to a refusal has another Via than its INVITE (§17.1.1.3)")
            }
            if ack.requestURI != invite.request.requestURI {
                breaks(
                    "the ACK to a refusal goes to \(ack.requestURI), its INVITE went to \(invite.request.requestURI) (§17.1.1.3)"
                )
            }
            if ack.to != final.to { breaks("the ACK to a refusal has another To than the response (§17.1.1.3)") }
            if ack.routes != invite.request.routes { breaks("the ACK to a refusal has other Routes (§17.1.1.3)") }
        }
    }

    /// RFC 3261 §9.1.
    mutating func judgeCancel() {
        for cancel in transactions where cancel.method == "CANCEL" {
            guard
                let invite = transactions.first(where: {
                    $0.method == "INVITE" && $0.side == cancel.side && $0.request.branch == cancel.request.branch
                })
            else {
                breaks("CANCEL with a branch that no INVITE has (§9.1)")
                continue
            }
            let request = invite.request
            if cancel.request.requestURI != request.requestURI || cancel.request.from != request.from
                || cancel.request.to != request.to || cancel.request.cseq != request.cseq
                || cancel.request.routes != request.routes
            {
                breaks("CANCEL differs from its INVITE in Request-URI, From, To, CSeq number or Route (§9.1)")
            }
            let provisional = invite.provisionals.flatMap(\.arrivals).min()
            if provisional.map({ $0 > cancel.firstSent }) ?? true {
                breaks("CANCEL before a provisional response has arrived (§9.1)")
            }
            // That none SHOULD be sent after the final response is left to the script, which may say Send(.cancel) all the same.
        }
    }
}
