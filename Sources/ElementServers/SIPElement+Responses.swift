import SIPTransactions
import SIPWire

// The stateful proxy of RFC 3261 §16.7 to §16.10: what comes back, what is cancelled, what does not come.

extension SIPElement {
    func receiveResponse(_ message: ElementMessage) {
        let status = message.index.statusCode
        counts.responsesReceived[Int(status / 100)] += 1
        guard settings.role == .proxy, let token = ownBranch(message) else { return counts.drop(.foreignResponse) }
        // Nobody below ours (§16.7 step 3): it would go nowhere. A CANCEL is our own.
        guard message.index.hasSeveralVias || message.index.cseqMethod == .cancel else {
            return counts.drop(.malformedResponse)
        }
        guard let (transaction, branch) = branches[token] else { return counts.drop(.strayResponse) }
        if message.index.cseqMethod == .cancel {
            branch.receiveForCancel(status, now: now, timers: settings.timers)
        } else if branch.isInvite == (message.index.cseqMethod == .invite) {
            receive(message, status, branch, transaction)
        } else {
            counts.drop(.strayResponse)
        }
        settle(transaction)
    }

    /// The branch of the topmost Via, where that is ours (§16.7 step 1).
    private func ownBranch(_ message: ElementMessage) -> String? {
        message.octets.withUnsafeBytes { buffer in
            let via = ViaValue(buffer.baseAddress!, message.index.topmostVia)
            guard isOwn(via), let branch = via.branch else { return nil }
            return message.text(branch)
        }
    }

    private func receive(
        _ message: ElementMessage, _ status: UInt16, _ branch: Branch, _ transaction: Transaction
    ) {
        switch branch.receive(status, now: now, timers: settings.timers) {
        case .absorb: counts.retransmissionsReceived += 1
        case .acknowledgeAgain:
            counts.retransmissionsReceived += 1
            send(branch.acknowledgement, to: branch.hop)
        case .deliverAndAcknowledge:
            if let request = reader.readOwn(branch.request) {
                branch.acknowledgement = request.companion("ACK", to: message.octets(message.index.to))
                send(branch.acknowledgement, to: branch.hop)
            }
            end(branch, of: transaction, status, message)
        case .deliver:
            if status < 200 { return receiveProvisional(message, status, branch, transaction) }
            end(branch, of: transaction, status, message)
        }
    }

    private func receiveProvisional(
        _ message: ElementMessage, _ status: UInt16, _ branch: Branch, _ transaction: Transaction
    ) {
        if branch.isCancelWanted, !branch.isCancelled { sendCancel(branch) }
        // Step 2: Timer C begins anew, but not with 100.
        if status > 100, branch.isInvite, !branch.isCancelled { branch.limit = now.after(settings.timerC) }
        guard status > 100, !transaction.hasFinal else { return }
        respond(transaction, status, octets: message.withoutTopmostVia())
    }

    /// A branch has its final response, or none will come.
    func end(_ branch: Branch, of transaction: Transaction, _ status: UInt16, _ message: ElementMessage?) {
        if status / 100 == 2, let message {
            branch.end(status, nil)
            branch.request = []
            // §16.7 step 5: each 2xx to INVITE at once, of another request the first.
            if transaction.isInvite || !transaction.hasFinal {
                respond(transaction, status, octets: message.withoutTopmostVia())
            }
            return stopOthers(transaction)
        }
        branch.end(status, transaction.hasFinal ? nil : message)
        if status / 100 == 6 { stopOthers(transaction) }
        finish(transaction)
    }

    /// Step 10, and no further targets.
    private func stopOthers(_ transaction: Transaction) {
        transaction.waiting = []
        for other in transaction.branches { cancel(other) }
    }

    /// Chooses the response where no more can come (§16.7 step 6).
    func finish(_ transaction: Transaction) {
        guard transaction.branches.allSatisfy({ !$0.awaitsFinal }) else { return }
        guard !transaction.hasFinal else { return transaction.release() }
        if !transaction.waiting.isEmpty { return startNextGroup(of: transaction) }
        guard let best = transaction.branches.min(by: { $0.rank < $1.rank }) else { return }
        if let response = best.response, best.status != 503 {
            let more = best.status == 401 || best.status == 407 ? otherChallenges(transaction, than: best) : []
            respond(transaction, best.status, octets: response.withoutTopmostVia(more: more))
        } else if best.status == 408, !transaction.isInvite {
            // Nobody waits for it any more, and it would look like a server's fault (RFC 4320 §4.2).
            transaction.abandon()
        } else {
            // 503 is between us and that server; whoever asks us would leave us for it.
            respond(transaction, best.status == 503 ? 500 : best.status)
        }
        transaction.release()
    }

    /// §16.7 step 7: whoever is challenged by several servers answers them all at once.
    private func otherChallenges(_ transaction: Transaction, than best: Branch) -> [UInt8] {
        var lines: [UInt8] = []
        for branch in transaction.branches where branch !== best && (branch.status == 401 || branch.status == 407) {
            guard let response = branch.response else { continue }
            for line in response.lines where line.name == .wwwAuthenticate || line.name == .proxyAuthenticate {
                lines += response.octets(line.line)
            }
        }
        return lines
    }

    // MARK: CANCEL and timers

    /// Cancels a branch that awaits its final response: at once, or when it may be (RFC 3261 §9.1).
    func cancel(_ branch: Branch) {
        guard branch.isInvite, branch.awaitsFinal, !branch.isCancelled else { return }
        branch.isCancelWanted = true
        if branch.hasProvisional { sendCancel(branch) }
    }

    private func sendCancel(_ branch: Branch) {
        guard let request = reader.readOwn(branch.request) else { return }
        branch.startCancel(request.companion("CANCEL"), now: now, timers: settings.timers)
        send(branch.cancelOctets, to: branch.hop)
    }

    func fire(_ branch: Branch, of transaction: Transaction) {
        let fired = branch.fire(now: now, timers: settings.timers)
        for octets in [fired.again, fired.cancelAgain] {
            guard let octets else { continue }
            counts.retransmissionsSent += 1
            send(octets, to: branch.hop, branch: branch.token)
        }
        if fired.isTimedOut {
            counts.timedOut += 1
            end(branch, of: transaction, 408, nil)
        } else if fired.isPastLimit, branch.awaitsFinal {
            if branch.hasProvisional, !branch.isCancelled {
                // §16.8: it has rung too long.
                counts.timedOut += 1
                cancel(branch)
            } else {
                // No answer to the INVITE after its CANCEL either (§9.1).
                branch.abandon()
                end(branch, of: transaction, transaction.isCancelled ? 487 : 408, nil)
            }
        }
    }
}

extension Branch {
    /// The less, the better its response (§16.7 step 6).
    fileprivate var rank: Int {
        let order: Int
        switch status {
        case 600...: order = 0
        case 300..<400: order = 3000
        case 401, 407, 415, 420, 484: order = 4000
        case 400..<500: order = 4500
        case 503: order = 5999
        default: order = 5000
        }
        // Of equals the one that somebody sent.
        return order + (response == nil ? 400 : 0)
    }
}
