import SIPWire

/// Reads the simulated wire as somebody who has only RFC 3261 in hand, and says where it is broken. It knows nothing of the
/// engine: its own slow parsing, no counter, no record.
public final class WireChecker {
    public struct Violation: CustomStringConvertible {
        public var callID: String
        public var rule: String
        public var ladder: String
        public var description: String { "\(callID): \(rule)\n\(ladder)" }
    }

    /// One message as read from the wire.
    struct Message {
        var sent: Int64
        var delivered: [Int64]
        var isFromCaller: Bool
        var octets: [UInt8]
        var startLine: String
        var status: Int?
        var method: String
        var requestURI: String
        var cseq: Int
        var branch: String
        var fromTag: String
        var toTag: String
        var contact: String
    }

    private var calls: [String: [Message]] = [:]
    private var order: [String] = []
    private var branches: [String: String] = [:]
    public private(set) var violations: [Violation] = []
    public private(set) var callsChecked = 0
    /// Calls whose INVITE got a 2xx that arrived, whose ACK arrived, and whose BYE got a 2xx that arrived.
    public private(set) var callsWhole = 0
    private let t1: Int64 = 500_000_000
    private let t2: Int64 = 4_000_000_000
    /// A timer may fire this much late in virtual time, and never early.
    private let late: Int64 = 5_000_000
    private let early: Int64 = 1_100_000
    private let caller: TransportAddress

    public init(caller: TransportAddress) { self.caller = caller }

    public func note(_ event: WireEvent) {
        let text = String(decoding: event.octets, as: UTF8.self)
        let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
        guard let start = lines.first else { return }
        func header(_ name: String) -> String {
            let prefix = name.lowercased() + ":"
            for line in lines.dropFirst() {
                if line.isEmpty { break }
                if line.lowercased().hasPrefix(prefix) {
                    return String(line.dropFirst(prefix.count).drop { $0 == " " })
                }
            }
            return ""
        }
        func parameter(_ name: String, _ value: String) -> String {
            guard let range = value.ranges(of: ";\(name)=").last else { return "" }
            return String(value[range.upperBound...].prefix { $0 != ";" && $0 != "," && $0 != " " })
        }
        let cseq = header("CSeq").split(separator: " ")
        let words = start.split(separator: " ").map(String.init)
        let isResponse = start.hasPrefix("SIP/2.0 ")
        let message = Message(
            sent: event.sent, delivered: event.deliveries, isFromCaller: event.from == caller, octets: event.octets,
            startLine: start, status: isResponse ? Int(words.count > 1 ? words[1] : "") : nil,
            method: isResponse ? String(cseq.last ?? "") : words[0],
            requestURI: isResponse ? "" : (words.count > 1 ? words[1] : ""),
            cseq: Int(cseq.first ?? "") ?? -1, branch: parameter("branch", header("Via")),
            fromTag: parameter("tag", header("From")), toTag: parameter("tag", header("To")), contact: header("Contact")
        )
        let callID = header("Call-ID")
        noted += 1
        if noted % 20_000 == 0 { checkWhatIsOver(before: event.sent - 150_000_000_000) }
        if calls[callID] == nil { order.append(callID) }
        calls[callID, default: []].append(message)
    }

    private var noted = 0

    /// Calls that nothing has been heard of for so long are checked and forgotten: memory follows the calls in progress.
    private func checkWhatIsOver(before time: Int64) {
        order.removeAll { callID in
            guard let all = calls[callID], all.last!.sent < time else { return false }
            check(callID, all)
            calls[callID] = nil
            return true
        }
    }

    /// Checks what was noted.
    public func finish() {
        for callID in order { check(callID, calls[callID]!) }
        calls = [:]
        order = []
    }

    // MARK: rules

    private func check(_ callID: String, _ all: [Message]) {
        callsChecked += 1
        func violate(_ rule: String) {
            guard violations.count < 50 else { return }
            violations.append(Violation(callID: callID, rule: rule, ladder: Self.ladder(all)))
        }
        let requests = all.filter { $0.status == nil }
        let responses = all.filter { $0.status != nil }

        // Branches are unique across calls (§8.1.1.7); one branch belongs to one request and its CANCEL.
        var byTransaction: [String: [Message]] = [:]
        for request in requests {
            if let owner = branches[request.branch], owner != callID {
                violate("branch \(request.branch) is another call's (§8.1.1.7)")
            }
            branches[request.branch] = callID
            byTransaction["\(request.branch) \(request.method) \(request.isFromCaller)", default: []].append(request)
        }
        for (_, sends) in byTransaction {
            let first = sends[0]
            if sends.contains(where: { $0.octets != first.octets }) {
                violate("a repeated \(first.method) is not the same octets (§17.1.1.2)")
            }
            let key = first.branch
            let answers = responses.filter {
                $0.branch == key && $0.method == first.method && $0.isFromCaller != first.isFromCaller
            }
            switch first.method {
            case "INVITE": checkInvite(sends, answers, violate)
            case "ACK": break
            default: checkNonInvite(sends, answers, violate)
            }
            // One final response per request, except that forks may add 2xx.
            let finals = Set(answers.compactMap { $0.status }.filter { $0 >= 200 })
            if finals.count > 1 { violate("\(first.method) has the final responses \(finals.sorted()) (§17.2)") }
            // Only what arrived is answered.
            let arrivals = sends.flatMap(\.delivered)
            for answer in answers where !arrivals.contains(where: { $0 <= answer.sent }) {
                violate("\(answer.startLine) answers a \(first.method) that has not arrived")
            }
            // The same response again is the same octets.
            var seen: [String: [UInt8]] = [:]
            for answer in answers {
                let name = "\(answer.status!) \(answer.toTag)"
                if let before = seen[name], before != answer.octets {
                    violate("a repeated \(answer.startLine) is not the same octets (§17.2)")
                }
                seen[name] = answer.octets
            }
        }
        checkAcknowledgements(all, violate)
        checkOrder(requests, violate)
        checkEnd(all, violate)
    }

    /// §17.1.1.2: Timer A doubles from T1, Timer B ends it; the first response that arrives stops it.
    private func checkInvite(_ sends: [Message], _ answers: [Message], _ violate: (String) -> Void) {
        let stop = answers.flatMap(\.delivered).min()
        var expected = sends[0].sent
        var gap = t1
        for (number, send) in sends.enumerated() {
            if number > 0 {
                expected += gap
                gap *= 2
                if send.sent < expected - early || send.sent > expected + late * Int64(number) + late {
                    violate(
                        "INVITE \(number + 1) is sent \((send.sent - sends[0].sent) / 1_000_000) ms after the first (§17.1.1.2)"
                    )
                }
                expected = send.sent
                if let stop, send.sent > stop + late { violate("INVITE is repeated after a response came (§17.1.1.2)") }
            }
        }
        if sends.count > 7 { violate("INVITE is sent \(sends.count) times (Timer B)") }
        // Nothing came: it must have been tried to the end.
        if stop == nil, sends.count < 7 {
            violate("INVITE is given up after \(sends.count) sends without a response (Timer B)")
        }
    }

    /// §17.1.2.2: Timer E doubles up to T2, Timer F ends it.
    private func checkNonInvite(_ sends: [Message], _ answers: [Message], _ violate: (String) -> Void) {
        let finals = answers.filter { $0.status! >= 200 }.flatMap(\.delivered).min()
        let provisional = answers.filter { $0.status! < 200 }.flatMap(\.delivered).min()
        var gap = t1
        for number in sends.indices.dropFirst() {
            let since = sends[number].sent - sends[number - 1].sent
            if provisional == nil, since < gap - early || since > gap + late {
                violate(
                    "\(sends[0].method) is repeated after \(since / 1_000_000) ms, not \(gap / 1_000_000) (§17.1.2.2)")
            }
            gap = min(gap * 2, t2)
            if let finals, sends[number].sent > finals + late {
                violate("\(sends[0].method) is repeated after its final response came (§17.1.2.2)")
            }
        }
        if sends.count > 11 { violate("\(sends[0].method) is sent \(sends.count) times (Timer F)") }
        if finals == nil, provisional == nil, sends.count < 10 {
            violate("\(sends[0].method) is given up after \(sends.count) sends without a response (Timer F)")
        }
    }

    /// §13.2.2.4 and §17.1.1.3: each 2xx that arrives is acknowledged, each refusal too; §13.3.1.4 and §17.2.1: they are
    /// repeated until the ACK arrives.
    private func checkAcknowledgements(_ all: [Message], _ violate: (String) -> Void) {
        let finals = all.filter { ($0.status ?? 0) >= 200 && $0.method == "INVITE" }
        guard let first = finals.first else { return }
        let acks = all.filter {
            $0.method == "ACK" && $0.status == nil && $0.cseq == first.cseq && $0.isFromCaller != first.isFromCaller
        }
        let invites = all.filter { $0.method == "INVITE" && $0.status == nil && $0.cseq == first.cseq }
        let answered = all.filter { $0.method == "INVITE" && $0.status != nil && $0.cseq == first.cseq }.flatMap(
            \.delivered
        ).min()
        // Timer B: what comes after it finds no transaction.
        let timedOut = invites[0].sent + 64 * t1
        if let answered, answered >= timedOut { return }
        for final in finals where final.cseq == first.cseq && final.isFromCaller == first.isFromCaller {
            for arrival in final.delivered
            where !acks.contains(where: { $0.sent >= arrival && $0.sent <= arrival + late }) {
                // A script may hold its first ACK back; none here does.
                violate("\(final.startLine) arrived and no ACK was sent (§13.2.2.4)")
            }
        }
        for ack in acks {
            guard let answered = finals.last(where: { $0.sent <= ack.sent && $0.cseq == ack.cseq }) else { continue }
            if ack.toTag != answered.toTag {
                violate("the ACK has To tag \(ack.toTag), its response \(answered.toTag)")
            }
            if answered.status! >= 300, ack.branch != answered.branch {
                violate("the ACK to a refusal has another branch than the INVITE (§17.1.1.3)")
            }
            if answered.status! < 300 {
                if ack.branch == answered.branch { violate("the ACK to a 2xx has the INVITE's branch (§13.2.2.4)") }
                if !answered.contact.contains(ack.requestURI) {
                    violate("the ACK goes to \(ack.requestURI), not to the Contact (§12.2.1.1)")
                }
            }
        }
        // Repeats of the final response.
        let own = finals.filter {
            $0.isFromCaller == first.isFromCaller && $0.cseq == first.cseq && $0.toTag == first.toTag
        }
        let stop = acks.flatMap(\.delivered).min()
        let repeatedInvites = all.filter { $0.method == "INVITE" && $0.status == nil && $0.cseq == first.cseq }.flatMap(
            \.delivered)
        var gap = t1
        var last = own[0].sent
        for send in own.dropFirst() {
            // A refusal is repeated for a repeated INVITE too (§17.2.1); a 2xx by its timer alone.
            let isAsked = first.status! >= 300 && repeatedInvites.contains(send.sent)
            if isAsked { continue }
            let since = send.sent - last
            if since < gap - early || since > gap + late {
                violate(
                    "\(send.startLine) is repeated after \(since / 1_000_000) ms, not \(gap / 1_000_000) (§13.3.1.4, §17.2.1)"
                )
            }
            gap = min(gap * 2, t2)
            last = send.sent
            if let stop, send.sent > stop + late { violate("\(send.startLine) is repeated after its ACK came") }
        }
    }

    /// §12.2.1.1: CSeq numbers of one side grow; its tag stays.
    private func checkOrder(_ requests: [Message], _ violate: (String) -> Void) {
        for side in [true, false] {
            var highest = -1
            var seen: Set<String> = []
            for request in requests
            where request.isFromCaller == side && request.method != "ACK" && request.method != "CANCEL" {
                guard seen.insert(request.branch).inserted else { continue }
                if request.cseq <= highest { violate("CSeq \(request.cseq) follows \(highest) (§12.2.1.1)") }
                highest = request.cseq
            }
            let tags = Set(requests.filter { $0.isFromCaller == side }.map(\.fromTag))
            if tags.count > 1 { violate("one side uses the From tags \(tags.sorted())") }
        }
    }

    /// A dialog ends with a BYE that is answered, or the loss explains why not; nothing new begins after it.
    private func checkEnd(_ all: [Message], _ violate: (String) -> Void) {
        let okInvite = all.contains {
            $0.method == "INVITE" && (200..<300).contains($0.status ?? 0) && !$0.delivered.isEmpty
        }
        let ackArrived = all.contains { $0.method == "ACK" && $0.status == nil && !$0.delivered.isEmpty }
        let byeAnswered = all.contains {
            $0.method == "BYE" && (200..<300).contains($0.status ?? 0) && !$0.delivered.isEmpty
        }
        if okInvite && ackArrived && byeAnswered { callsWhole += 1 }
        // Whoever has a call ends it: a 2xx that arrived is followed by a BYE of one side.
        let bye = all.contains { $0.method == "BYE" && $0.status == nil }
        if okInvite && !bye { violate("the call stands and nobody sends BYE (§15)") }
        guard let byeDone = all.filter({ $0.method == "BYE" && ($0.status ?? 0) >= 200 }).flatMap(\.delivered).min()
        else { return }
        let branchesBefore = Set(all.filter { $0.sent <= byeDone }.map(\.branch))
        for message in all
        where message.status == nil && message.sent > byeDone + late && !branchesBefore.contains(message.branch)
            && message.method != "ACK"
        {
            violate("\(message.method) begins after the BYE was answered")
        }
    }

    static func ladder(_ all: [Message]) -> String {
        let start = all.first?.sent ?? 0
        return all.prefix(60).map { message in
            let time = Double(message.sent - start) / 1e9
            let arrow = message.isFromCaller ? "-->" : "<--"
            let fate =
                message.delivered.isEmpty
                ? "lost" : message.delivered.map { String(Double($0 - start) / 1e9) }.joined(separator: ", ")
            return "  \(time) \(arrow) \(message.startLine.prefix(60)) (\(message.method) \(message.cseq)) [\(fate)]"
        }.joined(separator: "\n")
    }
}
