import SIPTransactions
import SIPWire

/// A server transaction (RFC 3261 §17.2), and in a proxy its response context (§16.2): the branches that the request went to.
final class Transaction {
    let key: String
    let isInvite: Bool
    /// What came; nil once nothing more will be answered from it.
    var request: ElementMessage?
    let via: [UInt8]
    let hop: Hop
    /// Of our own responses.
    let tag: String

    private var invite = ServerInviteTransaction()
    private var other = ServerNonInviteTransaction()
    /// Sent again when the request comes again.
    private(set) var lastResponse: [UInt8] = []

    var route = PreparedRoute()
    var branches: [Branch] = []
    /// Targets not tried yet, in groups of equal q, the best last.
    var waiting: [[String]] = []
    /// Whether the final response has gone back.
    private(set) var hasFinal = false
    var isCancelled = false
    /// When the timer queue looks at it next.
    var scheduled = Tick.never
    private(set) var isForgotten = false

    init(key: String, request: ElementMessage, via: TopmostVia, tag: String) {
        self.key = key
        self.request = request
        self.via = via.answered
        self.tag = tag
        hop = via.hop
        isInvite = request.index.method == .invite
        if isInvite { invite.start(reliable: hop.isStream) } else { other.start(reliable: hop.isStream) }
    }

    /// - Returns: whether it may be sent.
    func respond(_ status: UInt16, _ octets: [UInt8], now: Tick, timers: TransactionTimers) -> Bool {
        let isSent: Bool
        if isInvite {
            isSent = invite.respond(status: status, now: now, timers: timers) == .send
        } else {
            isSent = other.respond(status: status, now: now, timers: timers) == .send
        }
        guard isSent else { return false }
        // A 2xx to INVITE is its sender's to repeat (RFC 3261 §13.3.1.4).
        lastResponse = isInvite && status / 100 == 2 ? [] : octets
        if status >= 200 { hasFinal = true }
        return true
    }

    /// The response to a request that came again; nil where none is due.
    func again() -> [UInt8]? {
        let isDue =
            isInvite
            ? invite.receiveRequestAgain() == .sendResponseAgain : other.receiveRequestAgain() == .sendResponseAgain
        return isDue && !lastResponse.isEmpty ? lastResponse : nil
    }

    func acknowledge(now: Tick, timers: TransactionTimers) -> ServerInviteTransaction.OnAcknowledgement {
        invite.receiveAcknowledgement(now: now, timers: timers)
    }

    /// - Returns: what is due to be sent again, and whether no ACK has come.
    func fire(now: Tick, timers: TransactionTimers) -> (again: [UInt8]?, isLost: Bool) {
        guard isInvite else {
            _ = other.fire(now: now, timers: timers)
            return (nil, false)
        }
        switch invite.fire(now: now, timers: timers) {
        case .sendResponseAgain: return (lastResponse, false)
        case .timeOut: return (nil, true)
        case .terminate, .nothing: return (nil, false)
        }
    }

    /// Ends it without a response.
    func abandon() {
        if isInvite { invite.abandon() } else { other.abandon() }
        hasFinal = true
    }

    private var isServerDone: Bool { isInvite ? invite.isTerminated : other.isTerminated }
    private var serverDeadline: Tick { isInvite ? invite.deadline : other.deadline }

    /// Whether it may be forgotten.
    var isDone: Bool { isServerDone && branches.allSatisfy(\.isDone) }

    var deadline: Tick { branches.reduce(serverDeadline) { min($0, $1.deadline) } }

    /// Nobody will ask for it any more.
    func forget() {
        isForgotten = true
        branches = []
        request = nil
        lastResponse = []
        waiting = []
    }

    /// Lets go of what the response context needed: the best response has been chosen.
    func release() {
        request = nil
        for branch in branches { branch.response = nil }
    }
}

/// A client transaction of a proxied request (RFC 3261 §16.6 step 10), and that of its CANCEL.
final class Branch {
    /// The value of the branch parameter.
    let token: String
    let hop: Hop
    let isInvite: Bool
    /// As sent: retransmissions, ACK and CANCEL are made of it.
    var request: [UInt8]

    private var invite = ClientInviteTransaction()
    private var other = ClientNonInviteTransaction()
    private var cancel = ClientNonInviteTransaction()
    var cancelOctets: [UInt8] = []
    var acknowledgement: [UInt8] = []
    /// To be cancelled once a provisional response has come (RFC 3261 §9.1).
    var isCancelWanted = false
    private(set) var hasProvisional = false
    /// Timer C (RFC 3261 §16.8); once CANCEL is sent, the end of our patience (§9.1).
    var limit = Tick.never
    /// The final response, 0 while there is none; 408 and 503 without a message are ours.
    var status: UInt16 = 0
    var response: ElementMessage?

    enum Received { case deliver, deliverAndAcknowledge, acknowledgeAgain, absorb }

    init(token: String, hop: Hop, isInvite: Bool, request: [UInt8]) {
        self.token = token
        self.hop = hop
        self.isInvite = isInvite
        self.request = request
    }

    func start(now: Tick, timers: TransactionTimers, timerC: UInt32) {
        if isInvite {
            invite.start(now: now, reliable: hop.isStream, timers: timers)
            limit = now.after(timerC)
        } else {
            other.start(now: now, reliable: hop.isStream, timers: timers)
        }
    }

    func startCancel(_ octets: [UInt8], now: Tick, timers: TransactionTimers) {
        cancelOctets = octets
        cancel.start(now: now, reliable: hop.isStream, timers: timers)
        limit = now.after(timers.timeout)
    }

    var isCancelled: Bool { !cancelOctets.isEmpty }
    var awaitsFinal: Bool { status == 0 }

    func receive(_ status: UInt16, now: Tick, timers: TransactionTimers) -> Received {
        if status < 200 { hasProvisional = true }
        guard isInvite else {
            return other.receive(status: status, now: now, timers: timers) == .deliver ? .deliver : .absorb
        }
        switch invite.receive(status: status, now: now, timers: timers) {
        case .deliver, .deliver2xxRepeat: return .deliver
        case .deliverAndAcknowledge: return .deliverAndAcknowledge
        case .acknowledgeAgain: return .acknowledgeAgain
        case .absorb: return .absorb
        }
    }

    func receiveForCancel(_ status: UInt16, now: Tick, timers: TransactionTimers) {
        _ = cancel.receive(status: status, now: now, timers: timers)
    }

    /// A final response is there, or will not come.
    func end(_ status: UInt16, _ response: ElementMessage?) {
        self.status = status
        self.response = response
        limit = .never
    }

    /// The request could not be sent, or nothing came in time.
    func abandon() {
        if isInvite { invite.abandon() } else { other.abandon() }
    }

    struct Fired {
        var again: [UInt8]?
        var cancelAgain: [UInt8]?
        var isTimedOut = false
        var isPastLimit = false
    }

    func fire(now: Tick, timers: TransactionTimers) -> Fired {
        var fired = Fired()
        if isInvite {
            switch invite.fire(now: now, timers: timers) {
            case .sendAgain: fired.again = request
            case .timeOut: fired.isTimedOut = true
            case .terminate, .nothing: break
            }
        } else {
            switch other.fire(now: now, timers: timers) {
            case .sendAgain: fired.again = request
            case .timeOut: fired.isTimedOut = true
            case .terminate, .nothing: break
            }
        }
        if isCancelled, case .sendAgain = cancel.fire(now: now, timers: timers) { fired.cancelAgain = cancelOctets }
        if now >= limit {
            limit = .never
            fired.isPastLimit = true
        }
        return fired
    }

    var isDone: Bool {
        (isInvite ? invite.isTerminated : other.isTerminated) && (!isCancelled || cancel.isTerminated)
    }

    var deadline: Tick { min(limit, isInvite ? invite.deadline : other.deadline, cancel.deadline) }
}

/// When to look at which transaction: a heap. An entry may be too early, never too late.
struct TimerQueue {
    private var entries: [(at: Tick, transaction: Transaction)] = []

    var first: Tick { entries.first?.at ?? .never }

    mutating func add(_ transaction: Transaction, at: Tick) {
        entries.append((at, transaction))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child].at < entries[parent].at else { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    var count: Int { entries.count }

    /// Takes out those that are forgotten, and of each transaction all entries but one.
    mutating func tidy() {
        let kept = entries.filter { !$0.transaction.isForgotten && $0.at == $0.transaction.scheduled }
        // What is in order is a heap.
        entries = kept.sorted { $0.at < $1.at }
    }

    mutating func take() -> Transaction {
        let first = entries[0].transaction
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < entries.count && entries[child].at < entries[least].at {
                least = child
            }
            guard least != parent else { return first }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
