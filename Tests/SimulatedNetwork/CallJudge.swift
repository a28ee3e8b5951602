/// The times that a judge holds the wire against, in nanoseconds.
public struct Strictness: Sendable {
    public var t1: Int64 = 500_000_000
    public var t2: Int64 = 4_000_000_000
    /// What is due may come this much late. It may never come early.
    public var late: Int64 = 5_000_000
    /// How long a script may hold back its first ACK to a 2xx; copies that come meanwhile are answered by it.
    public var acknowledgementDelay: Int64 = 0
    /// In this time, of the virtual clock, the callee's process stands still: what it owes is due when it goes on.
    public var calleeStops: ClosedRange<Int64>?

    public init() {}

    /// 64 × T1: Timers B, F, H, J, L and M.
    public var timeout: Int64 { 64 * t1 }

    /// When something that is due for an end of the call must have been done.
    func latest(_ time: Int64, _ side: Side) -> Int64 {
        // What is due within `late` of the stop may not have been done before it.
        guard let stop = calleeStops, side == .callee, time + late >= stop.lowerBound, time <= stop.upperBound else {
            return time + late
        }
        return stop.upperBound + late
    }
}

/// A request and all that belongs to it: its repeats, its responses and, of an INVITE, the ACKs.
struct Transaction {
    var method: String
    var side: Side
    /// The request as it was sent first.
    var request: WireMessage
    var sends: [Sending]
    var responses: [Sending] = []
    /// Of an INVITE: ACKs with its CSeq number, by the same end.
    var acks: [Sending] = []

    var firstSent: Int64 { sends[0].sent }
    /// When copies of the request came to the other end.
    var copies: [Int64] { sends.flatMap(\.arrivals).sorted() }
    var finals: [Sending] { responses.filter { $0.message.isFinal } }
    var provisionals: [Sending] { responses.filter { !$0.message.isFinal } }
    var firstFinalSent: Int64? { finals.first?.sent }
    var firstFinalArrival: Int64? { finals.flatMap(\.arrivals).min() }
    var firstResponseArrival: Int64? { responses.flatMap(\.arrivals).min() }
    var firstAckArrival: Int64? { acks.flatMap(\.arrivals).min() }
}

/// Judges one call by RFC 3261 and 6026 and nothing else.
///
/// Each rule looks at what was sent and at what had arrived by then; the rules stand in the extensions, by the part of the
/// RFC they come from.
struct CallJudge {
    let log: CallLog
    let strictness: Strictness
    /// Nothing was watched after this time.
    let end: Int64
    let transactions: [Transaction]
    private(set) var broken: [String] = []

    init(_ log: CallLog, _ strictness: Strictness, end: Int64) {
        self.log = log
        self.strictness = strictness
        self.end = end
        transactions = Self.transactions(of: log)
    }

    /// The rules that the call breaks, in words with the RFC's section. Empty when it keeps all.
    mutating func verdict() -> [String] {
        judgeForm()
        for transaction in transactions {
            judgeClient(transaction)
            judgeServer(transaction)
            if transaction.method == "INVITE" { judgeAcknowledgements(transaction) }
        }
        judgeStrays()
        judgeDialog()
        judgeCancel()
        judgeEnding()
        return broken
    }

    mutating func breaks(_ rule: String) { broken.append(rule) }

    func milliseconds(_ time: Int64) -> String { "\(Double(time / 1000) / 1000) ms" }

    // MARK: what belongs together

    private static func transactions(of log: CallLog) -> [Transaction] {
        var found: [Transaction] = []
        for sending in log.sendings where sending.message.isRequest && sending.message.method != "ACK" {
            let message = sending.message
            let place = found.firstIndex {
                $0.request.branch == message.branch && $0.method == message.method && $0.side == sending.side
            }
            if let place {
                found[place].sends.append(sending)
            } else {
                found.append(
                    Transaction(method: message.method, side: sending.side, request: message, sends: [sending]))
            }
        }
        for sending in log.sendings where !sending.message.isRequest {
            let message = sending.message
            let place = found.firstIndex {
                $0.request.branch == message.branch && $0.method == message.method && $0.side != sending.side
            }
            if let place { found[place].responses.append(sending) }
        }
        for sending in log.sendings where sending.message.isRequest && sending.message.method == "ACK" {
            let place = found.firstIndex {
                $0.method == "INVITE" && $0.side == sending.side && $0.request.cseq == sending.message.cseq
            }
            if let place { found[place].acks.append(sending) }
        }
        return found
    }

    // MARK: form

    private mutating func judgeForm() {
        for sending in log.sendings {
            for fault in sending.message.faults { breaks("\(sending.message.startLine): \(fault)") }
        }
    }

    /// Responses that answer nothing and ACKs that belong to no INVITE.
    private mutating func judgeStrays() {
        for sending in log.sendings {
            let message = sending.message
            if !message.isRequest {
                let belongs = transactions.contains {
                    $0.request.branch == message.branch && $0.method == message.method && $0.side != sending.side
                }
                if !belongs { breaks("\(message.startLine) to \(message.method) answers no request (§8.2.6.2)") }
            } else if message.method == "ACK" {
                let belongs = transactions.contains {
                    $0.method == "INVITE" && $0.side == sending.side && $0.request.cseq == message.cseq
                }
                if !belongs { breaks("ACK with CSeq \(message.cseq), which no INVITE has (§13.2.2.4)") }
            }
        }
    }

    // MARK: repeats by a timer

    /// - Parameters:
    ///   - times: when the message was sent, first and repeats.
    ///   - cap: the longest gap; gaps double from T1.
    ///   - slowed: what came and makes each later gap the longest.
    ///   - stop: what arrived and must end it.
    ///   - mayStop: what may end it.
    mutating func judgeRepeats(
        _ name: String, _ rule: String, _ times: [Int64], _ side: Side, stop: Int64?, mayStop: Int64? = nil,
        cap: Int64 = .max, slowed: Int64? = nil
    ) {
        guard let first = times.first, let last = times.last else { return }
        let t1 = strictness.t1
        func gap(_ number: Int) -> Int64 {
            if let slowed, slowed <= times[number] { return cap }
            return min(t1 << Int64(min(number, 20)), cap)
        }
        for number in times.indices.dropFirst() {
            let since = times[number] - times[number - 1]
            let due = gap(number - 1)
            if since < due {
                breaks("\(name) is repeated after \(milliseconds(since)), not \(milliseconds(due)) (\(rule))")
            }
            if times[number] > strictness.latest(times[number - 1] + due, side) {
                breaks("\(name) is repeated late, after \(milliseconds(since)), not \(milliseconds(due)) (\(rule))")
            }
            if let stop, times[number] > strictness.latest(stop, side) - strictness.late {
                breaks(
                    "\(name) is repeated although what ends it came \(milliseconds(times[number] - stop)) before (\(rule))"
                )
            }
        }
        if last - first >= strictness.timeout {
            breaks("\(name) is sent \(milliseconds(last - first)) after the first (\(rule))")
        }
        let due = last + gap(times.count - 1)
        let latest = strictness.latest(due, side)
        guard due < first + strictness.timeout, latest < first + strictness.timeout, latest < end else { return }
        if let stop, stop <= latest { return }
        if let mayStop, mayStop <= latest { return }
        breaks("\(name) is not repeated after \(times.count) sends, nothing having come (\(rule))")
    }

    // MARK: what is owed for each arrival

    /// Takes one send for each arrival out of `sends`: the first at or after it, and in time.
    /// - Returns: arrivals without a send, sends without an arrival.
    func pair(_ arrivals: [Int64], _ sends: [Int64], _ side: Side) -> (unanswered: [Int64], unasked: [Int64]) {
        var rest = sends
        var unanswered: [Int64] = []
        for arrival in arrivals {
            let latest = strictness.latest(arrival, side)
            if let place = rest.firstIndex(where: { $0 >= arrival && $0 <= latest }) {
                rest.remove(at: place)
            } else {
                unanswered.append(arrival)
            }
        }
        return (unanswered, rest)
    }
}
