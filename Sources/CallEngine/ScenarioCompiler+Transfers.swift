import ScenarioDSL

// `Notified`: the NOTIFYs of the subscription that a REFER opens (RFC 3515 §2.4.4). `Correlate`: what joins a leg to its run.
extension ScenarioCompiler {
    mutating func compileNotified(_ tree: NotifiedTree, at: Spot, _ state: inout FlowState, dialog: Int) {
        guard subscribedDialogs.contains(dialog) else {
            error(
                at,
                "Notified waits for the NOTIFYs of a REFER, and \(party.name) has sent none in this dialog: none would come."
                    + " Put Send(.refer) { ReferTo(…) } before it (RFC 3515 §2.4.4)")
            return
        }
        guard case .statuses(let low, let high) = tree.until else { return }
        let first = here
        let event = ValueTree.header(name: "Event", nth: 0)
        let steps = [
            Step(
                .expect(
                    ExpectTree(
                        what: [.method("NOTIFY")], answering: nil, presence: .required,
                        within: tree.within ?? Seconds(.seconds(180)),
                        inspections: [
                            Step(
                                .require(
                                    RequireTree(
                                        condition: .hasPrefix(event, prefix: .text("refer")),
                                        reason: "RFC 3515 §2.4.4: NOTIFYs of a REFER have the event refer")), at: at)
                        ])), at: at),
            Step(.send(SendTree(what: .statuses(low: 200, high: 200))), at: at),
        ]
        _ = compile(steps, &state, dialog: dialog, following: [])
        let ends = ConditionTree.hasPrefix(
            .header(name: "Subscription-State", nth: 0), prefix: .text("terminated"))
        let status = ValueTree.matching(pattern: #"^SIP/2\.0 +(\d{3})"#, of: .body)
        let words = ValueTree.matching(pattern: #"^SIP/2\.0 +([^\r\n]*)"#, of: .body)
        let isLast = low == 200 && high == 699
        let wanted = ConditionTree.all([
            .compare(.greaterOrEqual, status, .number(low)), .compare(.lessOrEqual, status, .number(high)),
        ])
        let again = step(at, "expect NOTIFY until the subscription is over")
        let goesOn = isLast ? ends : .any([ends, wanted])
        emit(Instruction(.branchUnless, step: again, a: condition(goesOn), c: first))
        // What it ended with. The plain text is looked at first: a pattern costs more than all else of the message.
        let reason = "RFC 3515 §2.4.5: the sipfrag of the last NOTIFY tells what became of the reference"
        let number = step(at, "require \(Self.outcome(low, high))")
        if isLast {
            let success = condition(.hasPrefix(.body, prefix: .text("SIP/2.0 2")))
            let decision = emit(Instruction(.branchUnless, step: number, a: success))
            let jump = emit(Instruction(.jump, step: number))
            patch(decision, target: here)
            emit(
                Instruction(
                    .require, step: number, a: condition(.hasPrefix(words, prefix: .text("2"))),
                    b: program.values.text(reason)))
            patch(jump, target: here)
        } else {
            emit(Instruction(.require, step: number, a: condition(wanted), b: program.values.text(reason)))
        }
        if !dialogs[dialog].hasInvite { state.dialogs[dialog] = .ended }
    }

    private static func outcome(_ low: Int, _ high: Int) -> String {
        if low == 200, high == 699 { return "the reference to succeed with a 2xx" }
        return low == high ? "the reference to come to \(low)" : "the reference to come to \(low)…\(high)"
    }

    mutating func compileCorrelation(_ tree: CorrelateTree, at: Spot, _ state: inout FlowState, isFirst: Bool) {
        if tree.names {
            requireReadable(tree.value, state, at: at)
            let number = step(at, "correlate as \(tree.value.reading)")
            emit(Instruction(.correlate, step: number, a: value(tree.value)))
            return
        }
        guard party.startsByWaiting, isFirst, program.parties[partyIndex].correlation < 0 else {
            error(
                at,
                "Correlate(by: …) says how the first request of a party finds its call, so it is the first step of a party that"
                    + " answers, and stands there once. Put it above the first Expect")
            return
        }
        guard tree.value.isOfMessageAlone, tree.value.readsMessage else {
            error(
                at,
                "Correlate(by: \(tree.value.reading)) is read before the party has a call: only parts of the request can be, a"
                    + " header, the request URI, the body. Write Correlate(by: .header(…))")
            return
        }
        program.parties[partyIndex].correlation = value(tree.value)
    }
}

extension ValueTree {
    /// Nothing but the message at hand and texts is read.
    fileprivate var isOfMessageAlone: Bool {
        switch self {
        case .text, .number, .setting, .header, .sdp, .body, .method, .requestURI: true
        case .joined(let parts): parts.allSatisfy(\.isOfMessageAlone)
        case .parameter(_, let of), .uriPart(_, let of), .matching(_, let of), .length(let of), .uriHeader(_, let of),
            .escaped(let of):
            of.isOfMessageAlone
        default: false
        }
    }
}
