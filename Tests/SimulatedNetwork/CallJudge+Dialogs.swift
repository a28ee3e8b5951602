extension CallJudge {
    /// RFC 3261 §12: identifiers, sequence numbers, targets.
    mutating func judgeDialog() {
        guard let opening = transactions.first else { return }
        if !opening.request.toTag.isEmpty || opening.side != .caller {
            breaks("the call begins with a \(opening.method) that belongs to another (§12.2.2)")
        }
        for side in [Side.caller, .callee] {
            var highest = -1
            for transaction in transactions where transaction.side == side && transaction.method != "CANCEL" {
                if transaction.request.cseq <= highest {
                    breaks("\(transaction.method) has CSeq \(transaction.request.cseq) after \(highest) (§12.2.1.1)")
                }
                highest = max(highest, transaction.request.cseq)
            }
        }
        judgeTags()
        for transaction in transactions where !transaction.request.toTag.isEmpty { judgeTarget(transaction) }
        for transaction in transactions where transaction.method == "BYE" && transaction.request.toTag.isEmpty {
            breaks("BYE without a To tag (§12.2.1.1)")
        }
        var owners: [String: Int] = [:]
        for (number, transaction) in transactions.enumerated() where transaction.method != "CANCEL" {
            if owners.updateValue(number, forKey: transaction.request.branch) != nil {
                breaks("two requests share branch \(transaction.request.branch) (§8.1.1.7)")
            }
        }
    }

    /// Each end has one tag in one dialog, whoever speaks. What is answered outside it has its own.
    private mutating func judgeTags() {
        let own = Set(log.sendings.filter { $0.side == .caller && $0.message.isRequest }.map(\.message.fromTag))
        if own.count > 1 { breaks("the caller has the tags \(own.sorted()) (§12)") }
        var tags: Set<String> = []
        for transaction in transactions {
            if transaction.side == .callee { tags.insert(transaction.request.fromTag) }
            guard transaction.side == .caller else { continue }
            if !transaction.request.toTag.isEmpty { tags.insert(transaction.request.toTag) }
            guard transaction.method == "INVITE" else { continue }
            let given = Set(transaction.responses.map(\.message.toTag).filter { !$0.isEmpty })
            // An INVITE that was refused outside a dialog has opened none: its tag is its own, and so is that of the next.
            let isRefused =
                transaction.request.toTag.isEmpty
                && transaction.responses.contains {
                    $0.message.isFinal && !$0.message.isSuccess
                }
            if isRefused {
                if given.count > 1 { breaks("one INVITE is refused under the tags \(given.sorted()) (§12)") }
            } else {
                tags.formUnion(given)
            }
        }
        if tags.count > 1 { breaks("the callee has the tags \(tags.sorted()) (§12)") }
    }

    /// §12.2.1.1: a request in a dialog goes to the Contact the other end gave last.
    private mutating func judgeTarget(_ transaction: Transaction) {
        let given = log.sendings.filter {
            $0.side != transaction.side && !$0.message.contactURI.isEmpty
                && ($0.arrivals.first ?? .max) <= transaction.firstSent
        }
        let other = given.map(\.message.contactURI)
        if !other.contains(transaction.request.requestURI), transaction.method != "CANCEL" {
            breaks(
                "\(transaction.method) goes to \(transaction.request.requestURI), not to a Contact of the other end (§12.2.1.1)"
            )
        }
    }

    /// RFC 3261 §15: a session that stands is ended, once, and nothing new begins after that.
    mutating func judgeEnding() {
        let byes = transactions.filter { $0.method == "BYE" }
        for invite in transactions where invite.method == "INVITE" && invite.request.toTag.isEmpty {
            guard let success = invite.finals.first, success.message.isSuccess else { continue }
            judgeEarlyBye(of: invite, byes)
            let heard = invite.firstFinalArrival.map { $0 < invite.firstSent + strictness.timeout } ?? false
            let known = invite.firstResponseArrival.map { $0 < invite.firstSent + strictness.timeout } ?? false
            if (heard || known) && byes.isEmpty && invite.firstFinalArrival != nil {
                breaks("a 2xx came, the session stands and nobody sends BYE (§15)")
            }
            if byes.allSatisfy({ $0.side == invite.side }), invite.firstAckArrival == nil,
                byes.allSatisfy({ $0.copies.isEmpty }), success.sent + strictness.timeout + strictness.late < end
            {
                breaks("the 2xx was never acknowledged and its sender does not send BYE (§13.3.1.4)")
            }
        }
        for side in [Side.caller, .callee] {
            let over = byes.compactMap { bye -> Int64? in
                if bye.side == side { return bye.firstSent }
                return bye.finals.first { $0.message.isSuccess }?.sent
            }.min()
            guard let over else { continue }
            for transaction in transactions where transaction.side == side && transaction.firstSent > over {
                breaks(
                    "\(transaction.method) begins \(milliseconds(transaction.firstSent - over)) after the \(side.rawValue) ended the session (§15)"
                )
            }
        }
    }

    /// §15: the callee sends BYE only when it has the ACK or has waited for it long enough.
    private mutating func judgeEarlyBye(of invite: Transaction, _ byes: [Transaction]) {
        guard let success = invite.finals.first else { return }
        for bye in byes where bye.side != invite.side {
            let acknowledged = invite.firstAckArrival ?? .max
            if bye.firstSent < min(acknowledged, success.sent + strictness.timeout) {
                breaks("the callee sends BYE before the ACK came and before it waited 64 × T1 for it (§15)")
            }
        }
    }
}
