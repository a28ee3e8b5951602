import Digest
import SIPTransactions
import SIPWire

/// A registrar or a proxy: messages in, messages out. It reads no clock and opens no socket.
///
/// Small and correct, for tests and for whoever has no server at hand; in one thread, its state bounded by `ElementSettings`.
public final class SIPElement {
    public let settings: ElementSettings
    public internal(set) var counts = ElementCounts()
    /// What is to be sent, in this order. The owner empties it.
    public var outbox: [Outgoing] = []

    var reader = MessageReader()
    var digest: DigestGuard
    var location: LocationService
    var transactions: [String: Transaction] = [:]
    /// By the value of the branch parameter.
    var branches: [String: (transaction: Transaction, branch: Branch)] = [:]
    var timers = TimerQueue()
    /// Those with a final response, in the order of it, from `oldest` on.
    private var finished: [Transaction] = []
    private var oldest = 0
    private var random: UInt64
    var now: Tick = 0

    /// - Parameter seed: what identifiers and nonces are made of: from a source that nobody can guess.
    public init(_ settings: ElementSettings, seed: (UInt64, UInt64, UInt64, UInt64, UInt64)) {
        self.settings = settings
        random = seed.4
        digest = DigestGuard(settings, NonceSecret(seed.0, seed.1, seed.2, seed.3))
        location = LocationService(mostRecords: settings.mostRecords)
    }

    // MARK: What happens

    /// One datagram, or one message of a stream.
    public func receive(_ octets: UnsafeRawBufferPointer, from source: Hop, now: Tick) {
        self.now = now
        switch reader.read(octets) {
        case .keepAlive: break
        case .malformed(let fault, let message): refuse(message, fault, from: source)
        case .message(let message):
            if message.index.isRequest {
                receiveRequest(message, from: source)
            } else {
                receiveResponse(message)
            }
        }
    }

    /// Timers up to `now`.
    ///
    /// - Returns: when to come again; `Tick.never` where nothing is awaited.
    public func advance(to now: Tick) -> Tick {
        self.now = now
        while timers.first <= now {
            let transaction = timers.take()
            transaction.scheduled = .never
            guard !transaction.isForgotten else { continue }
            if transaction.deadline <= now { fire(transaction) }
            settle(transaction)
        }
        return timers.first
    }

    /// The request of this branch could not be sent (RFC 3261 §16.9).
    public func failed(branch token: String, now: Tick) {
        self.now = now
        guard let (transaction, branch) = branches[token], branch.awaitsFinal else { return }
        branch.abandon()
        end(branch, of: transaction, 503, nil)
        settle(transaction)
    }

    /// The beginning of a datagram of ours for which nobody listened.
    public func refused(datagram: UnsafeRawBufferPointer, now: Tick) {
        // It may be cut, and is then malformed; its topmost Via is at its head.
        let message: ElementMessage
        switch reader.read(datagram) {
        case .keepAlive: return
        case .message(let whole): message = whole
        case .malformed(_, let part): message = part
        }
        let range = message.index.topmostVia
        guard message.index.isRequest, message.index.method != .cancel, !range.isEmpty else { return }
        let branch = message.octets.withUnsafeBytes { ViaValue($0.baseAddress!, range).branch.map(message.text) }
        if let branch { failed(branch: branch, now: now) }
    }

    public func bindingCount(now: Tick) -> (records: Int, bindings: Int) { location.count(now: now) }

    // MARK: Requests

    private func receiveRequest(_ message: ElementMessage, from source: Hop) {
        guard let via = TopmostVia(message, from: source) else { return counts.drop(.malformedRequest) }
        let method = message.index.method
        guard !message.index.from.isEmpty, !message.index.to.isEmpty, !message.index.callID.isEmpty else {
            guard method != .ack else { return counts.drop(.malformedAcknowledgement) }
            counts.malformedRefused += 1
            return respondStatelessly(message, via, 400)
        }
        let key = Self.key(message, via, method == .ack || method == .cancel ? .invite : method)
        if method == .ack {
            counts.requests[Int(Method.ack.rawValue)] += 1
            return receiveAcknowledgement(message, via, key)
        }
        if method != .cancel, let known = transactions[key] { return receiveAgain(known) }
        let ownKey = method == .cancel ? key + " CANCEL" : key
        if method == .cancel, let known = transactions[ownKey] { return receiveAgain(known) }
        counts.requests[Int(method.rawValue)] += 1
        guard makeRoom() else {
            counts.requestsBeyondLimit += 1
            return respondStatelessly(message, via, 503)
        }
        let transaction = Transaction(key: ownKey, request: message, via: via, tag: token())
        transactions[ownKey] = transaction
        if method == .cancel {
            cancel(transactions[key], by: transaction)
        } else if settings.role == .registrar {
            serve(message, transaction)
        } else {
            proxy(message, transaction)
        }
        settle(transaction)
    }

    private func receiveAgain(_ transaction: Transaction) {
        counts.retransmissionsReceived += 1
        guard let response = transaction.again() else { return }
        counts.retransmissionsSent += 1
        send(response, to: transaction.hop)
    }

    private func receiveAcknowledgement(_ message: ElementMessage, _ via: TopmostVia, _ key: String) {
        if let transaction = transactions[key] {
            switch transaction.acknowledge(now: now, timers: settings.timers) {
            case .confirm: return settle(transaction)
            case .absorb: return
            // Of a client of RFC 2543: the ACK for a 2xx has the INVITE's identity.
            case .deliver: break
            }
        }
        guard settings.role == .proxy else { return counts.drop(.strayAcknowledgement) }
        passOn(message, via)
    }

    /// The server transaction that a request belongs to (RFC 3261 §17.2.3).
    private static func key(_ message: ElementMessage, _ via: TopmostVia, _ method: Method) -> String {
        let name = method == .other ? message.methodText : "\(method.rawValue)"
        if via.hasUniqueBranch { return "\(via.branch) \(via.sentBy) \(name)" }
        // RFC 2543: by Request-URI, Call-ID, CSeq number, From tag and topmost Via. The To tag is the response's in an ACK.
        let from = message.tag(message.index.from) ?? ""
        return "2543 \(name) \(message.index.cseqNumber) \(message.callID) \(from) \(message.requestURI) "
            + message.text(message.index.topmostVia)
    }

    /// RFC 3261 §9.2, §16.10: the CANCEL is answered by itself, and stops what awaits its final response.
    private func cancel(_ invite: Transaction?, by transaction: Transaction) {
        guard let invite else { return respond(transaction, 481) }
        respond(transaction, 200)
        guard !invite.hasFinal else { return }
        invite.isCancelled = true
        invite.waiting = []
        for branch in invite.branches { cancel(branch) }
        settle(invite)
    }

    /// What cannot be read whole is answered where it can be (RFC 3261 §8.2, §16.3 step 1), without a transaction.
    private func refuse(_ message: ElementMessage, _ fault: WireFault, from source: Hop) {
        guard message.index.isRequest else { return counts.drop(.malformedResponse) }
        guard message.index.method != .ack else { return counts.drop(.malformedAcknowledgement) }
        let index = message.index
        guard let via = TopmostVia(message, from: source), !index.from.isEmpty, !index.to.isEmpty,
            !index.callID.isEmpty, index.has(.cseq)
        else { return counts.drop(.malformedRequest) }
        counts.malformedRefused += 1
        respondStatelessly(message, via, fault.statusToAnswer)
    }

    // MARK: Responses of our own

    func respond(_ transaction: Transaction, _ status: UInt16, more: [UInt8] = []) {
        guard let request = transaction.request else { return }
        let tag = status == 100 ? nil : transaction.tag
        respond(transaction, status, octets: request.response(status, via: transaction.via, tag: tag, more: more))
    }

    func respond(_ transaction: Transaction, _ status: UInt16, octets: [UInt8]) {
        let hadFinal = transaction.hasFinal
        guard transaction.respond(status, octets, now: now, timers: settings.timers) else { return }
        counts.responsesSent[Int(status / 100)] += 1
        send(octets, to: transaction.hop)
        guard status >= 200, !hadFinal else { return }
        finished.append(transaction)
        if transaction.branches.allSatisfy({ !$0.awaitsFinal }) { transaction.release() }
    }

    private func respondStatelessly(_ message: ElementMessage, _ via: TopmostVia, _ status: UInt16) {
        counts.responsesSent[Int(status / 100)] += 1
        // The same to each copy (RFC 3261 §8.2.7).
        let tag = String(fingerprint(of: [via.branch, message.callID]), radix: 16)
        send(message.response(status, via: via.answered, tag: tag), to: via.hop)
    }

    func send(_ octets: [UInt8], to hop: Hop, branch: String? = nil) {
        outbox.append(Outgoing(octets: octets, hop: hop, branch: branch))
    }

    // MARK: Transactions

    /// The timers of a transaction that something has happened to; and its end.
    func settle(_ transaction: Transaction) {
        guard !transaction.isForgotten else { return }
        if transaction.isDone { return forget(transaction) }
        let deadline = transaction.deadline
        guard deadline < transaction.scheduled else { return }
        transaction.scheduled = deadline
        timers.add(transaction, at: deadline)
    }

    private func forget(_ transaction: Transaction) {
        transactions[transaction.key] = nil
        for branch in transaction.branches { branches[branch.token] = nil }
        transaction.forget()
    }

    /// Room for one more transaction.
    private func makeRoom() -> Bool {
        guard transactions.count >= settings.mostTransactions else {
            tidy()
            return true
        }
        while oldest < finished.count {
            let transaction = finished[oldest]
            oldest += 1
            guard !transaction.isForgotten else { continue }
            counts.transactionsForgotten += 1
            forget(transaction)
            tidy()
            return true
        }
        return false
    }

    /// Lets go of what is forgotten: `finished` and the timers may hold so many beside those that are kept.
    private func tidy() {
        while oldest < finished.count, finished[oldest].isForgotten { oldest += 1 }
        let most = 2 * transactions.count + 4096
        if finished.count > most {
            finished = finished[oldest...].filter { !$0.isForgotten }
            oldest = 0
        }
        if timers.count > most { timers.tidy() }
    }

    private func fire(_ transaction: Transaction) {
        let (again, isLost) = transaction.fire(now: now, timers: settings.timers)
        if let again {
            counts.retransmissionsSent += 1
            send(again, to: transaction.hop)
        }
        if isLost { counts.timedOut += 1 }
        for branch in transaction.branches where branch.deadline <= now { fire(branch, of: transaction) }
    }

    // MARK: Identifiers

    /// SplitMix64.
    private func next() -> UInt64 {
        random &+= 0x9E37_79B9_7F4A_7C15
        var value = random
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    func token() -> String { String(next(), radix: 36) }
}

/// FNV-1a over the texts, each ended.
func fingerprint(of texts: [String]) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for text in texts {
        for octet in text.utf8 { hash = (hash ^ UInt64(octet)) &* 0x100_0000_01B3 }
        hash = (hash ^ 0xFF) &* 0x100_0000_01B3
    }
    return hash
}
