/// How the calls of a run ended on the wire, beside what the engines say.
public struct OutcomeTally: Sendable {
    /// Both ends well; one alone; neither; never reached the callee.
    public private(set) var both = 0
    public private(set) var callerAlone = 0
    public private(set) var calleeAlone = 0
    public private(set) var neither = 0
    public private(set) var unreached = 0
    /// Calls that hang on a few milliseconds, where either verdict is right.
    public private(set) var open = 0

    private let scenario: String?
    /// Whether the fates of this scenario's calls can be read from the wire.
    private var isKnown = false
    private let embedded: Bool
    /// What the wire expects and the engines said, of calls whose end no message names.
    private var expected: [Side: (succeeded: Int, failed: Int, open: Int)] = [:]
    private var said: [Side: (succeeded: Int, failed: Int)] = [:]

    init(scenario: String?, embedded: Bool) {
        self.scenario = scenario
        self.embedded = embedded
    }

    public var callersFailed: Int { calleeAlone + neither + unreached }

    mutating func noteUnnamed(_ side: Side, succeeded: Int, failed: Int) {
        let before = said[side] ?? (0, 0)
        said[side] = (before.succeeded + succeeded, before.failed + failed)
    }

    /// - Returns: what the engines say of this call against the wire.
    mutating func note(_ log: CallLog, _ judge: CallJudge) -> [String] {
        guard let scenario, let fate = RunFate(scenario, judge) else { return [] }
        count(fate)
        isKnown = true
        var broken: [String] = []
        if embedded {
            compare(.caller, Self.joined(fate), log, &broken)
        } else {
            compare(.caller, fate.caller, log, &broken)
            if let callee = fate.callee {
                compare(.callee, callee, log, &broken)
            } else if log.ends[.callee] != nil {
                broken.append("the callee has a run, and nothing came to it")
            }
        }
        let failed = fate.caller == .fails || fate.callee == .fails
        let explains = judge.hasLostTransaction || (scenario == "early-media" && judge.hasOvertaking)
        if failed && !explains { broken.append("a run failed, and the network explains nothing of it") }
        return broken
    }

    private mutating func count(_ fate: RunFate) {
        switch (fate.caller, fate.callee) {
        case (.open, _), (_, .open?): open += 1
        case (.succeeds, .succeeds?): both += 1
        case (.succeeds, _): callerAlone += 1
        case (.fails, .succeeds?): calleeAlone += 1
        case (.fails, .fails?): neither += 1
        case (.fails, nil): unreached += 1
        }
    }

    private static func joined(_ fate: RunFate) -> RunFate.Verdict {
        let callee = fate.callee ?? .succeeds
        if fate.caller == .fails || callee == .fails { return .fails }
        return fate.caller == .open || callee == .open ? .open : .succeeds
    }

    private mutating func compare(
        _ side: Side, _ verdict: RunFate.Verdict, _ log: CallLog, _ broken: inout [String]
    ) {
        guard let end = log.ends[side] else {
            var sums = expected[side] ?? (0, 0, 0)
            switch verdict {
            case .succeeds: sums.succeeded += 1
            case .fails: sums.failed += 1
            case .open: sums.open += 1
            }
            expected[side] = sums
            return
        }
        guard verdict != .open, end.succeeded != (verdict == .succeeds) else { return }
        broken.append(
            "the \(side.rawValue)'s engine says \(end.succeeded ? "succeeded" : "failed"), the wire says otherwise")
    }

    /// Of the calls whose end a timer brought: sums alone can be compared.
    func disagreements() -> [String] {
        guard isKnown else { return [] }
        return [Side.caller, .callee].compactMap { side in
            let wire = expected[side] ?? (0, 0, 0)
            let engine = said[side] ?? (0, 0)
            let fits =
                engine.succeeded >= wire.succeeded && engine.succeeded <= wire.succeeded + wire.open
                && engine.succeeded + engine.failed == wire.succeeded + wire.failed + wire.open
            return fits
                ? nil
                : "by timers \(engine) runs of the \(side.rawValue) ended, the wire expects \(wire)"
        }
    }
}
