import RTPMedia
import ScenarioDSL
import SIPWire

extension ScenarioCompiler {
    /// Compiles steps in order.
    ///
    /// - Parameter following: what is executed after this block, to see whether the script names an ACK itself.
    /// - Returns: true when control never leaves the block (`Fail`, `Finish`).
    mutating func compile(_ steps: [Step], _ state: inout FlowState, dialog: Int, following: [Step]) -> Bool {
        let outer = dialogAtHand
        dialogAtHand = dialog
        defer { dialogAtHand = outer }
        var index = 0
        while index < steps.count {
            let item = steps[index]
            let rest = Array(steps[(index + 1)...]) + following
            switch item.action {
            case .expect(let tree):
                // Optional expectations and the required one after them are one wait.
                var chain = [(tree, item.at)]
                while chain.last!.0.presence == .optional, index + 1 < steps.count {
                    if case .expect(let next) = steps[index + 1].action {
                        chain.append((next, steps[index + 1].at))
                        index += 1
                    } else {
                        break
                    }
                }
                let after = Array(steps[(index + 1)...]) + following
                if chain.last!.0.presence == .optional {
                    if case .firstOf(let choice)? = steps.dropFirst(index + 1).first?.action {
                        index += 1
                        let beyond = Array(steps[(index + 1)...]) + following
                        if compileChain(
                            chain[...], choice: (choice, steps[index].at), &state, dialog: dialog, following: beyond)
                        {
                            return unreachable(steps, after: index)
                        }
                        index += 1
                        continue
                    }
                    warn(
                        chain.last!.1,
                        "an optional message is taken while the next required one is waited for, and none follows here:"
                            + " this line has no effect")
                    index += 1
                    continue
                }
                if compileChain(chain[...], choice: nil, &state, dialog: dialog, following: after) {
                    return unreachable(steps, after: index)
                }
            case .firstOf(let tree):
                if compileChain([], choice: (tree, item.at), &state, dialog: dialog, following: rest) {
                    return unreachable(steps, after: index)
                }
            case .send(let tree): compileSend(tree, at: item.at, &state, dialog: dialog)
            case .sendRaw(let tree): compileSendRaw(tree, at: item.at, &state, dialog: dialog)
            case .expectNothing(let tree): compileSilence(tree, at: item.at, &state, dialog: dialog)
            case .pause(let tree):
                let number = self.step(item.at, "pause")
                let delay = lower(tree, at: item.at, state)
                emit(Instruction(.pause, step: number, a: delay))
                state.messageAtHand = false
            case .repeated(let tree): compileRepeat(tree, at: item.at, &state, dialog: dialog, following: rest)
            case .choose(let tree):
                if compileChoose(tree, at: item.at, &state, dialog: dialog, following: rest) {
                    return unreachable(steps, after: index)
                }
            case .inDialog(let tree):
                let receives = PartyTree(name: "", answers: false, at: item.at, steps: tree.steps).startsByWaiting
                let number = self.dialog(named: tree.dialog, startsWithRequestReceived: receives)
                if number > 15 {
                    error(item.at, "a party can have 16 dialogs; \"\(tree.dialog)\" is one too many")
                }
                if compile(tree.steps, &state, dialog: number, following: []) {
                    return unreachable(steps, after: index)
                }
            case .capture, .set, .require, .mark, .measure, .authenticate: compileInspection(item, &state)
            case .noAck:
                if state.unacknowledged.remove(dialog) == nil {
                    error(item.at, "NoAck() without a 2xx to an INVITE before it: there is no ACK to leave out")
                }
            case .signal(let tree):
                let number = self.step(item.at, "signal \"\(tree.name)\"")
                emit(Instruction(.signal, step: number, a: signalIndex(tree.name)))
            case .awaitSignal(let tree): compileAwaitSignal(tree, at: item.at, &state, dialog: dialog)
            case .credentials(let tree): compileCredentials(tree, at: item.at, &state)
            case .sendMedia(let tree):
                let number = self.step(item.at, "send media: \(tree.what.rawValue)")
                emit(Instruction(.sendMedia, step: number, a: Int(MediaSending(tree.what).rawValue), c: dialog))
            case .correlate(let tree):
                compileCorrelation(tree, at: item.at, &state, isFirst: here == program.parties[partyIndex].entry)
            case .notified(let tree): compileNotified(tree, at: item.at, &state, dialog: dialog)
            case .fail(let tree):
                let number = self.step(item.at, "fail: \(tree.reason)")
                emit(Instruction(.fail, step: number, a: program.values.text(tree.reason)))
                return unreachable(steps, after: index)
            case .finish(let tree):
                let number = self.step(item.at, "finish as \(tree.outcome)")
                emit(Instruction(.finish, step: number, a: outcomeIndex(tree.outcome)))
                return unreachable(steps, after: index)
            }
            index += 1
        }
        return false
    }

    private mutating func unreachable(_ steps: [Step], after index: Int) -> Bool {
        if index + 1 < steps.count {
            error(
                steps[index + 1].at,
                "this step is never reached: the call ends at line \(steps[index].at.line) on every way. Remove it, or the"
                    + " end before it")
        }
        return true
    }

    // MARK: waiting

    /// A chain of optional expectations that ends in a required one or in a choice.
    private mutating func compileChain(
        _ chain: ArraySlice<(ExpectTree, Spot)>, choice: (FirstOfTree, Spot)?, _ state: inout FlowState, dialog: Int,
        following: [Step]
    ) -> Bool {
        var options: [WaitOption] = []
        for position in chain.indices {
            let (tree, at) = chain[position]
            let remaining = chain[(position + 1)...]
            let isLast = remaining.isEmpty && choice == nil
            options.append(
                WaitOption(what: tree.what, answering: tree.answering, at: at) { compiler, state in
                    let coming = chain[(position + 1)...].isEmpty ? following : []
                    compiler.keepOfferIfNeeded(&state, dialog: dialog, following: coming, at: at)
                    for inspection in tree.inspections { compiler.compileInspection(inspection, &state) }
                    compiler.acknowledgeUnlessNamed(&state, dialog: dialog, following: following, at: at)
                    if isLast { return false }
                    return compiler.compileChain(
                        remaining, choice: choice, &state, dialog: dialog, following: following)
                })
        }
        var within = chain.last?.0.within
        var onTimeout: AlternativeTree?
        var at = chain.last?.1 ?? party.at
        if let (tree, spot) = choice {
            within = tree.within
            at = spot
            for alternative in tree.alternatives {
                if alternative.isTimeout {
                    onTimeout = alternative
                    continue
                }
                options.append(
                    WaitOption(what: alternative.what, answering: alternative.answering, at: alternative.at) {
                        compiler, state in
                        compiler.keepOfferIfNeeded(
                            &state, dialog: dialog, following: alternative.steps + following, at: alternative.at)
                        compiler.acknowledgeUnlessNamed(
                            &state, dialog: dialog, following: alternative.steps + following, at: alternative.at)
                        return compiler.compile(alternative.steps, &state, dialog: dialog, following: following)
                    })
            }
        }
        return compileWait(options, within: within, onTimeout: onTimeout, at: at, &state, dialog: dialog, following)
    }

    private struct WaitOption {
        var what: [MessageTree]
        var answering: String?
        var at: Spot
        /// Compiles what follows the message; true when it never falls through.
        var body: (inout ScenarioCompiler, inout FlowState) -> Bool
    }

    private mutating func compileWait(
        _ options: [WaitOption], within: Seconds?, onTimeout: AlternativeTree?, at: Spot, _ state: inout FlowState,
        dialog: Int, _ following: [Step]
    ) -> Bool {
        let entry = state
        var first: [(option: Int, alternative: Alternative, effect: FlowState)] = []
        for (number, option) in options.enumerated() {
            for message in option.what {
                var after = entry
                after.messageAtHand = true
                guard
                    let bound = bind(
                        message, answering: option.answering, at: option.at, entry, &after, dialog: dialog)
                else { continue }
                first.append((number, bound, after))
            }
        }
        let names = first.map { program.steps[$0.alternative.step].text.replacing("expect ", with: "") }
        let waitStep = step(at, "expect " + Self.oneOf(names))
        let awaited = entry.outstanding.last { $0.dialog == dialog }
        let hasRequests = first.contains { $0.alternative.kind != .response }
        let expectsResponse = first.contains { $0.alternative.kind == .response }
        let limit = within.map { UInt32(clamping: $0.nanoseconds / 1_000_000) } ?? 32_000
        let waitIndex = program.waits.count
        var plan = WaitPlan(
            firstAlternative: program.alternatives.count, alternativeCount: first.count, limit: max(limit, 1),
            limitAfterProvisional: within == nil && expectsResponse && awaited?.method == "INVITE" ? 180_000 : 0,
            timeout: -1, dialog: dialog, awaited: expectsResponse ? awaited?.record ?? -1 : -1, step: waitStep)
        // The peer's own pauses come before its next request (its BYE above all).
        if within == nil && hasRequests && state.dialogs[dialog] != nil { plan.peerPauses = peerPauses() }
        program.waits.append(plan)
        program.alternatives.append(contentsOf: first.map(\.alternative))
        let wait = emit(Instruction(.wait, step: waitStep, a: waitIndex))

        var exits: [Int] = []
        var merged: FlowState?
        func leave(_ branch: FlowState, _ ends: Bool, _ compiler: inout ScenarioCompiler) {
            guard !ends else { return }
            exits.append(compiler.emit(Instruction(.jump, step: waitStep)))
            if merged == nil { merged = branch } else { merged!.meet(branch) }
        }
        for (number, option) in options.enumerated() {
            let mine = first.indices.filter { first[$0].option == number }
            guard let one = mine.first else { continue }
            var branch = first[one].effect
            for other in mine.dropFirst() { branch.meet(first[other].effect) }
            branch.messageAtHand = true
            // Only one kind of request can be asked for credentials: the record is known then.
            let kinds = Set(mine.map { first[$0].alternative.server })
            branch.received =
                kinds.count == 1 && kinds.first! >= 0
                ? .init(wait: wait, record: kinds.first!, dialog: dialog) : nil
            for index in mine { program.alternatives[plan.firstAlternative + index].target = here }
            let ends = option.body(&self, &branch)
            leave(branch, ends, &self)
        }
        if let onTimeout {
            program.waits[waitIndex].timeout = here
            var branch = entry
            branch.messageAtHand = false
            let ends = compile(onTimeout.steps, &branch, dialog: dialog, following: following)
            leave(branch, ends, &self)
        }
        for exit in exits { patch(exit, target: here) }
        guard let merged else { return true }
        state = merged
        return false
    }

    /// `180 or 200 to INVITE` for `180 to INVITE` and `200 to INVITE`.
    private static func oneOf(_ names: [String]) -> String {
        let parts = names.map { $0.split(separator: " to ", maxSplits: 1).map(String.init) }
        if let method = parts.first?.last, parts.allSatisfy({ $0.count == 2 && $0[1] == method }) {
            return parts.map { $0[0] }.joined(separator: " or ") + " to \(method)"
        }
        return names.joined(separator: " or ")
    }

    /// Which of the requests without a final response these statuses belong to: the last of the method that is named; else the last, but
    /// for what answers the INVITE before it.
    static func request(
        answeredBy statuses: ClosedRange<Int>, as method: String?, among methods: [String]
    ) -> Int? {
        if let method { return methods.lastIndex(of: method) }
        // A provisional response is an INVITE's. A CANCEL is answered 200 or 481 (RFC 3261 §9.2): 487 is its INVITE's.
        let answersCancel = statuses.contains(200) || statuses.contains(481)
        if statuses.upperBound < 200 || methods.last == "CANCEL" && !answersCancel,
            let invite = methods.lastIndex(of: "INVITE")
        {
            return invite
        }
        return methods.indices.last
    }

    /// Which transaction or dialog an expected message belongs to, and what its arrival changes.
    private mutating func bind(
        _ message: MessageTree, answering: String?, at: Spot, _ entry: FlowState, _ after: inout FlowState, dialog: Int
    ) -> Alternative? {
        switch message {
        case .statuses(let low, let high):
            let candidates = entry.outstanding.filter { $0.dialog == dialog }
            let range = low == high ? "\(low)" : "\(low)…\(high)"
            guard
                let place = Self.request(answeredBy: low...high, as: answering, among: candidates.map(\.method))
            else {
                let to = answering.map { " to \($0)" } ?? ""
                error(
                    at,
                    "\(range)\(to) can never arrive here: \(party.name) has no unanswered"
                        + " \(answering ?? "request"). Send it first, or remove this line")
                return nil
            }
            let chosen = candidates[place]
            let number = step(at, "expect \(range) to \(chosen.method)")
            received(low: low, high: high, to: chosen, &after)
            return Alternative(
                kind: .response, method: Method(token: chosen.method), methodText: -1, low: UInt16(clamping: low),
                high: UInt16(clamping: high), dialog: dialog, client: chosen.record, server: -1, target: -1,
                step: number)
        case .method(let name):
            let number = step(at, "expect \(name == "*" ? "any request" : name)")
            let record = name == "ACK" ? -1 : after.freeServerRecord()
            received(request: name, record: record, at: at, entry, &after, dialog: dialog)
            let method = Method(token: name)
            return Alternative(
                kind: name == "*" ? .anyRequest : .request, method: method,
                methodText: method == .other ? program.values.text(name) : -1, low: 0, high: 0, dialog: dialog,
                client: -1, server: record, target: -1, step: number)
        }
    }

    private mutating func received(
        low: Int, high: Int, to sent: FlowState.Outstanding, _ after: inout FlowState
    ) {
        if high < 200 {
            if let index = after.outstanding.firstIndex(where: { $0.record == sent.record }) {
                after.outstanding[index].provisionalSeen = true
            }
            if sent.method == "INVITE", after.dialogs[sent.dialog] == nil || after.dialogs[sent.dialog] == .ended {
                after.dialogs[sent.dialog] = .early
            }
            return
        }
        after.outstanding.removeAll { $0.record == sent.record }
        let success = low < 300 && high >= 200
        switch sent.method {
        case "INVITE":
            if success {
                after.dialogs[sent.dialog] = .confirmed
                after.unacknowledged.insert(sent.dialog)
            } else if after.dialogs[sent.dialog] == .early {
                after.dialogs[sent.dialog] = .ended
            }
        case "BYE": after.dialogs[sent.dialog] = .ended
        case "SUBSCRIBE", "REFER":
            if success && after.dialogs[sent.dialog] == nil { after.dialogs[sent.dialog] = .confirmed }
        default: break
        }
    }

    private mutating func received(
        request name: String, record: Int, at: Spot, _ entry: FlowState, _ after: inout FlowState, dialog: Int
    ) {
        var isLate = false
        switch name {
        case "ACK":
            if !entry.awaitingAck.contains(dialog) {
                error(
                    at,
                    "an ACK can never arrive here: \(party.name) has no 2xx to an INVITE that waits for one. The ACK to any other"
                        + " final response is taken by the transaction (RFC 3261 §17.2.1)")
            }
            after.awaitingAck.remove(dialog)
            after.recordsAwaitingAck = after.recordsAwaitingAck.filter { $0.value != dialog }
            return
        case "INVITE":
            if after.dialogs[dialog] == nil || after.dialogs[dialog] == .ended { after.dialogs[dialog] = .early }
            dialogs[dialog].hasInvite = true
            if entry.dialogs[dialog] == .confirmed { dialogs[dialog].refreshes = true }
        case "UPDATE": dialogs[dialog].refreshes = true
        case "BYE": after.dialogs[dialog] = .ended
        case "CANCEL":
            if !entry.unanswered.contains(where: { $0.dialog == dialog && $0.method == "INVITE" }) {
                // It may cross the 2xx; the ACK says that none comes any more.
                isLate = entry.awaitingAck.contains(dialog)
                if !isLate {
                    error(
                        at,
                        "a CANCEL can never arrive here: \(party.name) has no INVITE without a final response, and none"
                            + " whose ACK is to come (RFC 3261 §9.2)")
                }
            }
        default: break
        }
        after.unanswered.append(.init(method: name, dialog: dialog, record: record, at: at, isLateCancel: isLate))
        useServer(record, at: at)
        after.keptOffer[dialog] = nil
    }

    /// An offer that is answered only after a pause or another message is kept until then.
    private mutating func keepOfferIfNeeded(
        _ state: inout FlowState, dialog: Int, following: [Step], at: Spot
    ) {
        guard Self.answersLater(following) else { return }
        let variable = variableIndex("\u{1}offer of \(dialog)")
        let body = program.values.add(.init(kind: .body))
        let nothing = program.values.literal([])
        let number = step(at, "keep the offer")
        emit(Instruction(.capture, step: number, a: variable, b: body, c: nothing))
        state.keptOffer[dialog] = variable
    }

    /// Whether an `Answer()` comes after the message at hand is gone.
    private static func answersLater(_ steps: [Step]) -> Bool {
        var isGone = false
        for step in steps {
            switch step.action {
            case .send(let tree):
                guard tree.content.contains(where: { $0.part == .answer }) else { continue }
                if isGone { return true }
                // An answer in a 183 may come again in the 200.
                if case .statuses(let status, _) = tree.what, status < 200 { continue }
                return false
            case .expect, .pause, .expectNothing, .awaitSignal: isGone = true
            case .firstOf(let tree):
                return tree.alternatives.contains { answers($0.steps) }
            case .repeated(let tree):
                if answers(tree.steps) { return true }
            case .choose(let tree):
                if answersLater(tree.then) || answersLater(tree.otherwise) { return true }
                if isGone && (answers(tree.then) || answers(tree.otherwise)) { return true }
            case .fail, .finish: return false
            default: break
            }
        }
        return false
    }

    private static func answers(_ steps: [Step]) -> Bool {
        steps.contains { step in
            switch step.action {
            case .send(let tree): tree.content.contains { $0.part == .answer }
            case .choose(let tree): answers(tree.then) || answers(tree.otherwise)
            case .repeated(let tree): answers(tree.steps)
            case .inDialog(let tree): answers(tree.steps)
            case .firstOf(let tree): tree.alternatives.contains { answers($0.steps) }
            default: false
            }
        }
    }

    /// The ACK to a 2xx goes out at the next step unless the script names it.
    private mutating func acknowledgeUnlessNamed(
        _ state: inout FlowState, dialog: Int, following: [Step], at: Spot
    ) {
        guard state.unacknowledged.contains(dialog), !names(ackIn: following, dialog: dialog, current: dialog) else {
            return
        }
        let number = step(at, "send ACK")
        let template = acknowledgeTemplate(dialog: dialog)
        emit(Instruction(.acknowledge, step: number, a: template, c: dialog))
        state.unacknowledged.remove(dialog)
    }

    private func names(ackIn steps: [Step], dialog: Int, current: Int) -> Bool {
        for step in steps {
            switch step.action {
            case .noAck: if current == dialog { return true }
            case .send(let tree):
                guard current == dialog, case .method(let name) = tree.what else { continue }
                return name == "ACK"
            case .sendRaw(let tree):
                guard current == dialog, case .method("ACK")? = tree.what else { continue }
                return true
            case .inDialog(let tree):
                let number = dialogNames.firstIndex(of: tree.dialog) ?? -1
                if names(ackIn: tree.steps, dialog: dialog, current: number) { return true }
            case .firstOf(let tree):
                if tree.alternatives.contains(where: { names(ackIn: $0.steps, dialog: dialog, current: current) }) {
                    return true
                }
            case .choose(let tree):
                if names(ackIn: tree.then, dialog: dialog, current: current)
                    || names(ackIn: tree.otherwise, dialog: dialog, current: current)
                {
                    return true
                }
            case .repeated(let tree):
                if names(ackIn: tree.steps, dialog: dialog, current: current) { return true }
            default: continue
            }
        }
        return false
    }
}

extension MediaSending {
    init(_ tree: SoundTree) {
        switch tree {
        case .nothing: self = .nothing
        case .silence: self = .silence
        case .tone: self = .tone
        case .echo: self = .echo
        }
    }
}
