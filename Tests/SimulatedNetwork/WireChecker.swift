import SIPWire

/// Reads the simulated wire and says where RFC 3261 is broken. It knows nothing of the engine: it parses by itself, looks at
/// no counter, and judges every call by what was sent and what had arrived by then.
///
/// Calls are judged and forgotten once nothing has been heard of them for `patience`, so that memory follows the calls in
/// progress.
public final class WireChecker {
    public struct Violation: Sendable, CustomStringConvertible {
        public var callID: String
        public var rule: String
        public var ladder: String
        public var description: String { "Call-ID \(callID): \(rule)\n\(ladder)" }
    }

    /// Violations kept with their ladders; more are counted.
    public static let mostKept = 50

    public let strictness: Strictness
    /// Nanoseconds of silence after which a call is over: above Timer D, L and M, and above any hold time used here.
    public let patience: Int64
    public private(set) var violations: [Violation] = []
    public private(set) var violationCount = 0
    public private(set) var callsChecked = 0
    /// Ladders of the first calls that an end says failed.
    public private(set) var failedLadders: [String] = []
    public private(set) var datagrams = 0
    /// Fates of the runs by the wire, and whether the engines agree.
    public private(set) var outcomes: OutcomeTally

    private var calls: [String: CallLog] = [:]
    /// Calls by the time they were last looked at.
    private var order: [CallLog] = []
    /// By hash: branches and the calls they belong to, and the calls that are over.
    private var branchOwners: [Int: Int] = [:]
    private var over: Set<Int> = []
    private var lastSweep: Int64 = 0

    /// - Parameter scenario: tells which calls should have succeeded; nil judges protocol alone.
    public init(
        scenario: String? = nil, strictness: Strictness = Strictness(), patience: Int64 = 70_000_000_000,
        embedded: Bool = false
    ) {
        self.strictness = strictness
        self.patience = patience
        outcomes = OutcomeTally(scenario: scenario, embedded: embedded)
    }

    // MARK: watching

    public func note(_ event: WireEvent) {
        datagrams += 1
        let message = WireMessage(event.octets)
        let log: CallLog
        if let known = calls[message.callID] {
            log = known
        } else {
            log = CallLog(message)
            if over.contains(message.callID.hashValue) {
                violate(log, "\(message.startLine) is sent long after the call was over")
            }
            calls[message.callID] = log
            order.append(log)
        }
        log.note(message, sent: event.sent, arrivals: event.deliveries)
        checkBranch(message, log)
        if message.isRequest { checkAddress(message, event, log) }
        if event.sent - lastSweep > 5_000_000_000 { sweep(event.sent) }
    }

    /// What an engine says of runs that ended.
    public func note(_ end: SimulatedNetwork.EndedRuns) {
        let side: Side = end.isCaller ? .caller : .callee
        guard let octets = end.octets, end.succeeded + end.failed == 1,
            let log = calls[WireMessage(octets).callID], log.ends[side] == nil
        else {
            outcomes.noteUnnamed(side, succeeded: end.succeeded, failed: end.failed)
            return
        }
        log.ends[side] = RunEnd(succeeded: end.succeeded == 1, time: end.time)
    }

    /// Judges what is left.
    /// - Parameter now: until when the wire was watched.
    public func finish(at now: Int64) {
        for log in order { judge(log, end: now) }
        order = []
        calls = [:]
        for rule in outcomes.disagreements() {
            violationCount += 1
            violations.append(Violation(callID: "(all)", rule: rule, ladder: ""))
        }
    }

    private func sweep(_ now: Int64) {
        lastSweep = now
        order.removeAll { log in
            guard log.lastTime < now - patience else { return false }
            judge(log, end: now)
            calls[log.callID] = nil
            over.insert(log.callID.hashValue)
            return true
        }
    }

    private func judge(_ log: CallLog, end: Int64) {
        callsChecked += 1
        var judge = CallJudge(log, strictness, end: end)
        if failedLadders.count < Self.mostKept, log.ends.values.contains(where: { !$0.succeeded }) {
            failedLadders.append("Call-ID \(log.callID)\n\(log.ladder)")
        }
        // One ladder tells all that is wrong with its call.
        var seen: Set<String> = []
        for rule in judge.verdict() where seen.insert(rule).inserted { violate(log, rule) }
        for rule in outcomes.note(log, judge) { violate(log, rule) }
    }

    private func violate(_ log: CallLog, _ rule: String) {
        violationCount += 1
        guard violations.count < Self.mostKept else { return }
        violations.append(Violation(callID: log.callID, rule: rule, ladder: log.ladder))
    }

    // MARK: rules across calls

    /// §8.1.1.7: a branch is unique across space and time.
    private func checkBranch(_ message: WireMessage, _ log: CallLog) {
        guard message.isRequest else { return }
        let owner = log.callID.hashValue
        if let other = branchOwners.updateValue(owner, forKey: message.branch.hashValue), other != owner {
            violate(log, "branch \(message.branch) is another call's (§8.1.1.7)")
        }
    }

    /// §18.1.1: sent-by names where the request comes from.
    private func checkAddress(_ message: WireMessage, _ event: WireEvent, _ log: CallLog) {
        let octets = (0..<4).map { String(event.from.ipv4 >> UInt32(24 - 8 * $0) & 0xFF) }
        if message.sentBy != octets.joined(separator: ".") + ":" + String(event.from.port) {
            violate(log, "sent-by \(message.sentBy) is not where the request comes from (§18.1.1)")
        }
    }
}
