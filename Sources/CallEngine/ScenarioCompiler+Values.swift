import Digest
import ScenarioDSL
import SIPWire

// Captures, requirements and delays, and the numbers that names get.
extension ScenarioCompiler {
    mutating func compileCredentials(_ tree: CredentialsTree, at: Spot, _ state: inout FlowState) {
        let texts = [tree.user, tree.password] + (tree.realm.map { [$0] } ?? [])
        for text in texts { requireReadable(text, state, at: at) }
        let number = step(at, "credentials of \(tree.user.reading)")
        program.credentials.append(
            CredentialsPlan(
                user: value(tree.user), password: value(tree.password), realm: tree.realm.map { value($0) } ?? -1,
                choosesStrongest: tree.preference == .strongest, protectsBody: tree.protectsBody))
        layout.hasCredentials = true
        emit(Instruction(.credentials, step: number, a: program.credentials.count - 1))
    }

    /// The request at hand must have credentials: one without them is challenged, and its wait goes on.
    private mutating func compileAuthentication(_ tree: AuthenticateTree, at: Spot, _ state: inout FlowState) {
        let texts = [tree.password, tree.realm] + (tree.user.map { [$0] } ?? [])
        for text in texts { requireReadable(text, state, at: at) }
        guard state.messageAtHand, let received = state.received,
            let request = state.unanswered.last(where: { $0.record == received.record }),
            request.method != "ACK", request.method != "CANCEL"
        else {
            error(
                at,
                "Authenticate looks at a request just received, before anything is sent: put it into Expect(.register) { … }."
                    + " ACK and CANCEL cannot be challenged (RFC 3261 §22.1)")
            return
        }
        let number = program.authentications.count
        program.authentications.append(
            AuthenticationPlan(
                user: tree.user.map { value($0) } ?? -1, password: value(tree.password), realm: value(tree.realm),
                algorithms: tree.algorithms.map(DigestAlgorithm.init), isProxy: tree.asProxy,
                nonceLivesMilliseconds: UInt64(max(tree.nonceLives.nanoseconds, 0)) / 1_000_000, anyURI: tree.anyURI,
                challenge: 0,
                spare: -1,
                party: partyIndex))
        let status = tree.asProxy ? 407 : 401
        program.authentications[number].challenge = makeResponse(
            status,
            SendTree(
                what: .statuses(low: status, high: status), answering: nil, from: nil, to: nil, requestURI: nil,
                reason: nil, content: []), to: request, at: at, &state,
            authentication: (number, tree.algorithms.count))
        layout.authenticates = true
        let step = step(at, "authenticate \(request.method)")
        emit(Instruction(.authenticate, step: step, a: number, b: received.record, c: received.wait))
    }

    mutating func compileInspection(_ item: Step, _ state: inout FlowState) {
        switch item.action {
        case .capture(let tree):
            requireReadable(tree.from, state, at: item.at)
            if let otherwise = tree.otherwise { requireReadable(otherwise, state, at: item.at) }
            let number = step(item.at, "capture \(tree.variable)")
            let from = value(tree.from)
            let otherwise = tree.otherwise.map { value($0) } ?? -1
            emit(
                Instruction(.capture, step: number, a: variableIndex(tree.variable), b: from, c: otherwise))
            state.known.insert(tree.variable)
        case .set(let tree):
            requireReadable(tree.to, state, at: item.at)
            let number = step(item.at, "compute \(tree.variable)")
            let to = value(tree.to)
            emit(Instruction(.set, step: number, a: variableIndex(tree.variable), b: to))
            state.known.insert(tree.variable)
        case .authenticate(let tree): compileAuthentication(tree, at: item.at, &state)
        case .require(let tree):
            if tree.condition.readsMessage { requireMessage(state, at: item.at) }
            requireKnown(tree.condition.variableNames, state, at: item.at)
            let number = step(item.at, "require \(tree.condition.reading)")
            let test = condition(tree.condition)
            emit(
                Instruction(.require, step: number, a: test, b: program.values.text(tree.reason)))
        case .mark(let tree):
            let number = step(item.at, "mark \"\(tree.name)\"")
            emit(Instruction(.mark, step: number, a: markIndex(tree.name)))
            state.marks.insert(tree.name)
        case .measure(let tree):
            for name in [tree.from] + (tree.to.map { [$0] } ?? []) where !state.marks.contains(name) {
                error(
                    item.at,
                    "\"\(name)\" is not marked on every way to this line, so \"\(tree.name)\" would have no start. Put"
                        + " Mark(\"\(name)\") before it")
            }
            let number = step(item.at, "measure \"\(tree.name)\"")
            emit(
                Instruction(
                    .measure, step: number, a: measureIndex(tree.name), b: markIndex(tree.from),
                    c: tree.to.map { markIndex($0) } ?? -1))
        default:
            error(item.at, "only Capture, Compute, Require, Mark and Measure may stand inside Expect { … }")
        }
    }

    mutating func requireReadable(_ tree: ValueTree, _ state: FlowState, at: Spot) {
        if tree.readsMessage { requireMessage(state, at: at) }
        requireKnown(tree.variableNames, state, at: at)
        for name in Set(tree.dialogNames) { requireDialog(name, state, at: at) }
    }

    /// Of a dialog that does not stand there is neither Call-ID nor tag.
    private mutating func requireDialog(_ name: String, _ state: FlowState, at: Spot) {
        if let number = dialogNames.firstIndex(of: name),
            state.dialogs[number] == .early || state.dialogs[number] == .confirmed
        {
            return
        }
        error(
            at,
            "the dialog \"\(name)\" does not stand here, so it has no tags that a Replaces could name. Put In(\(name)) {"
                + " Call(…) } before this line, and end it later (RFC 3891 §3)")
    }

    mutating func requireMessage(_ state: FlowState, at: Spot) {
        guard !state.messageAtHand else { return }
        error(
            at,
            "no message is at hand here: after a pause or before the first Expect a part of a message cannot be read."
                + " Capture it into a Variable inside Expect { … }")
    }

    mutating func requireKnown(_ names: [String], _ state: FlowState, at: Spot) {
        for name in names where !state.known.contains(name) {
            error(
                at,
                "\"\(name)\" has no value on every way to this line, so the message would have a hole. Capture or"
                    + " Compute it before")
        }
    }

    mutating func lower(_ tree: DelayTree, at: Spot, _ state: FlowState) -> Int {
        if let value = tree.source { requireReadable(value, state, at: at) }
        program.delays.append(plan(tree))
        return program.delays.count - 1
    }

    private mutating func plan(_ tree: DelayTree) -> DelayPlan {
        switch tree {
        case .value(let tree): .value(value(tree))
        case .part(let low, let high, let tree): .part(low: low, high: high, of: value(tree))
        default: DelayPlan(tree) ?? .fixed(0)
        }
    }

    /// Pauses of the other parties of the scenario: what this party may have to sit through.
    mutating func peerPauses() -> [DelayPlan] {
        func pauses(_ steps: [Step]) -> [DelayTree] {
            steps.flatMap { step -> [DelayTree] in
                switch step.action {
                case .pause(let tree): [tree]
                case .repeated(let tree): pauses(tree.steps)
                case .inDialog(let tree): pauses(tree.steps)
                case .choose(let tree): pauses(tree.then) + pauses(tree.otherwise)
                case .firstOf(let tree): tree.alternatives.flatMap { pauses($0.steps) }
                default: []
                }
            }
        }
        var found: [DelayPlan] = []
        for other in scenario.parties where other.name != party.name {
            for tree in pauses(other.steps) {
                // A variable of another party cannot be read here; its pause is not known.
                if let value = tree.source, !value.variableNames.isEmpty { continue }
                found.append(plan(tree))
            }
        }
        return found
    }

    mutating func signalIndex(_ name: String) -> Int { Self.index(of: name, in: &program.signals) }
    mutating func outcomeIndex(_ name: String) -> Int { Self.index(of: name, in: &program.outcomes) }
    private mutating func measureIndex(_ name: String) -> Int { Self.index(of: name, in: &program.measures) }

    private static func index(of name: String, in list: inout [String]) -> Int {
        if let known = list.firstIndex(of: name) { return known }
        list.append(name)
        return list.count - 1
    }
}

extension ConditionTree {
    /// As one would say it.
    var reading: String {
        switch self {
        case .compare(let sign, let left, let right): "\(left.reading) \(sign.rawValue) \(right.reading)"
        case .exists(let value): "\(value.reading) is there"
        case .contains(let value, let part): "\(value.reading) contains \(part.reading)"
        case .hasPrefix(let value, let prefix): "\(value.reading) begins with \(prefix.reading)"
        case .matches(let value, let pattern): "\(value.reading) matches \(pattern)"
        case .all(let members): members.map(\.reading).joined(separator: " and ")
        case .any(let members): members.map(\.reading).joined(separator: " or ")
        case .not(let member): "not (\(member.reading))"
        }
    }
}

extension ValueTree {
    var reading: String {
        switch self {
        case .text(let text): "\"\(text)\""
        case .number(let number): String(number)
        case .joined(let parts): parts.map(\.reading).joined()
        case .variable(let name): name
        case .setting(let name, _): "setting \(name)"
        case .feed(let feed, let column): "\(column) of \(feed.name)"
        case .field(let field): field.rawValue
        case .random(let digits): "\(digits) random digits"
        case .partyURI(let party): "URI of \(party)"
        case .header(let name, let nth): nth == 0 ? "\(name)" : "\(name)[\(nth)]"
        case .parameter(let name, let of): "\(name) of \(of.reading)"
        case .uriPart(let part, let of): "\(part.rawValue) of \(of.reading)"
        case .uriHeader(let name, let of): "\(name) in the URI of \(of.reading)"
        case .escaped(let of): "\(of.reading), escaped"
        case .dialogField(let field, let dialog): "\(field.rawValue) of \(dialog)"
        case .sdp(.connectionAddress): "SDP connection address"
        case .sdp(.mediaPort(let index)): "SDP media port \(index)"
        case .sdp(.attribute(let name)): "SDP attribute \(name)"
        case .ownBinding: "own binding"
        case .body: "body"
        case .status: "status"
        case .reasonPhrase: "reason phrase"
        case .method: "method"
        case .requestURI: "request URI"
        case .matching(let pattern, let of): "\(of.reading) matching \(pattern)"
        case .length(let of): "length of \(of.reading)"
        case .arithmetic(let sign, let left, let right): "\(left.reading) \(sign.rawValue) \(right.reading)"
        case .unborn: "a constant read above its line"
        }
    }
}

extension DigestAlgorithm {
    init(_ tree: DigestHashTree) {
        switch tree {
        case .md5: self = .md5
        case .sha256: self = .sha256
        case .sha512_256: self = .sha512_256
        }
    }
}
