import ScenarioDSL
import SIPWire

/// Lowers scenario trees to one `CallProgram`.
///
/// The compiler walks each party's steps once, in order, and keeps what a reader of the script would keep in mind
/// (`FlowState`): which requests are unanswered, which dialogs stand, which values are known. From that it assigns records,
/// binds each response to its request, inserts the ACK that the script leaves out, and finds what cannot work.
package struct ScenarioCompiler {
    package internal(set) var program = CallProgram()
    package internal(set) var diagnostics: [Diagnostic] = []

    var scenario: ScenarioTree
    var partyIndex = 0
    var scenarioFirstParty = 0
    var layout = SlotLayout()
    var dialogs: [DialogPlan] = []
    var dialogNames: [String] = []
    var variables: [String] = []
    var marks: [String] = []
    /// The step that opened each dialog: From, To and request URI of what follows in it.
    var inviteOrigins: [Int: SendTree] = [:]
    /// Dialogs that an INVITE opens whose own step writes a Route.
    var invitesWithRoute: Set<Int> = []
    /// Dialogs whose INVITE may have followed a Contact: what is cancelled stands in the INVITE alone.
    var redirectedDialogs: Set<Int> = []
    var party: PartyTree
    /// The dialog that the step being compiled belongs to.
    var dialogAtHand = 0
    /// Dialogs in which a REFER or SUBSCRIBE has been sent: NOTIFYs come there.
    var subscribedDialogs: Set<Int> = []

    /// Compiles; the program is nil when a diagnostic is an error.
    package static func compile(_ trees: [ScenarioTree]) -> (program: CallProgram?, diagnostics: [Diagnostic]) {
        var diagnostics: [Diagnostic] = []
        var program = CallProgram()
        for tree in trees {
            diagnostics += ScenarioChecker.check(tree)
            guard !diagnostics.contains(where: { $0.severity == .error }) else { continue }
            var compiler = ScenarioCompiler(tree, into: program)
            compiler.compileScenario()
            diagnostics += compiler.diagnostics
            program = compiler.program
        }
        program.layOutFeeds()
        let failed = diagnostics.contains { $0.severity == .error }
        return (failed || trees.isEmpty ? nil : program, diagnostics)
    }

    private init(_ scenario: ScenarioTree, into program: CallProgram) {
        self.scenario = scenario
        self.program = program
        party = scenario.parties.first ?? PartyTree(name: "", answers: false, at: scenario.at, steps: [])
    }

    private mutating func compileScenario() {
        scenarioFirstParty = program.parties.count
        let count = scenario.parties.count
        program.scenarios.append(
            ScenarioPlan(name: scenario.name, parties: scenarioFirstParty..<(scenarioFirstParty + count)))
        diagnostics += program.add(feedsOf: scenario)
        for setting in scenario.settings where !program.settings.contains(where: { $0.name == setting.name }) {
            program.settings.append(setting)
        }
        // Templates name other parties, so all of them have their numbers before the first is compiled.
        for tree in scenario.parties {
            program.parties.append(
                PartyProgram(
                    name: tree.name, scenario: program.scenarios.count - 1, answers: tree.startsByWaiting, entry: 0,
                    at: tree.at))
        }
        for (offset, tree) in scenario.parties.enumerated() {
            compile(tree, index: scenarioFirstParty + offset)
        }
    }

    private mutating func compile(_ tree: PartyTree, index: Int) {
        partyIndex = index
        party = tree
        layout = SlotLayout()
        dialogs = []
        dialogNames = []
        variables = []
        marks = []
        inviteOrigins = [:]
        invitesWithRoute = []
        redirectedDialogs = []
        dialogAtHand = 0
        subscribedDialogs = []
        _ = dialog(named: "", startsWithRequestReceived: tree.startsByWaiting)

        program.parties[index].entry = program.instructions.count
        let firstAlternative = program.alternatives.count
        var state = FlowState()
        let ends = compile(tree.steps, &state, dialog: 0, following: [])
        if !ends {
            let step = self.step(tree.steps.last?.at ?? tree.at, "end of \(tree.name)")
            finishBlock(state, at: tree.steps.last?.at ?? tree.at)
            emit(Instruction(.end, step: step))
        }
        program.parties[index].end = program.instructions.count
        for number in dialogs.indices { makeClosingTemplates(dialog: number) }
        // A dialog whose target may move while a request is in flight: what was sent is kept as it was.
        for number in program.templates.indices
        where program.templates[number].party == index && program.templates[number].status == 0
            && dialogs[program.templates[number].dialog].refreshes
            && program.templates[number].segments.contains(where: { $0.readsDialog })
        {
            program.templates[number].isPure = false
        }
        // After a refusal another INVITE may come, and gets another tag: the refusal is repeated as it was.
        let invites = program.alternatives[firstAlternative...].filter { $0.kind == .request && $0.method == .invite }
        if invites.count > 1 || layout.loops > 0 {
            for number in program.templates.indices
            where program.templates[number].party == index && program.templates[number].status >= 300
                && program.templates[number].method == .invite
            {
                program.templates[number].isPure = false
            }
        }

        if layout.authenticates {
            // A record more, where refused INVITEs wait for their ACK.
            for number in program.authentications.indices where program.authentications[number].party == index {
                program.authentications[number].spare = layout.servers
            }
            layout.servers += 1
        }
        layout.dialogs = dialogs.count
        layout.variables = variables.count
        layout.marks = marks.count
        program.parties[index].layout = layout
        program.parties[index].dialogs = dialogs
        program.parties[index].variables = variables
        program.parties[index].feeds = program.feeds(readBy: tree)
        program.parties[index].firstMethods = tree.startsByWaiting ? Self.firstMethods(tree.steps) : []
    }

    /// What is still open when a script ends is ended for it; the author should know.
    private mutating func finishBlock(_ state: FlowState, at spot: Spot) {
        for open in state.owed where open.method != "ACK" {
            warn(
                spot,
                "\(party.name) ends without answering the \(open.method) of line \(open.at.line): it is answered"
                    + " \(open.method == "CANCEL" ? 200 : 500) for it. Send a final response")
        }
        // A subscription has its end by itself, when its time is up.
        for (number, dialog) in state.dialogs where dialog == .confirmed && dialogs[number].hasInvite {
            let name = dialogNames[number].isEmpty ? "the call" : "dialog \"\(dialogNames[number])\""
            warn(spot, "\(party.name) ends while \(name) stands: it is hung up for it. Send(.bye) or Expect(.bye)")
        }
        for open in state.outstanding {
            warn(
                spot,
                "\(party.name) ends before the final response to its \(open.method) of line \(open.at.line):"
                    + " that response is not looked at. Expect it")
        }
    }

    // MARK: small tools

    mutating func error(_ at: Spot, _ text: String) {
        diagnostics.append(Diagnostic(.error, at: at, text))
    }

    mutating func warn(_ at: Spot, _ text: String) {
        diagnostics.append(Diagnostic(.warning, at: at, text))
    }

    var here: Int { program.instructions.count }

    @discardableResult
    mutating func emit(_ instruction: Instruction) -> Int {
        if program.instructions.count >= Int(UInt16.max) - 1 {
            if program.instructions.count == Int(UInt16.max) - 1 {
                error(party.at, "the program has more than 65,534 instructions: split the scenario")
            }
            return program.instructions.count - 1
        }
        program.instructions.append(instruction)
        return program.instructions.count - 1
    }

    mutating func patch(_ instruction: Int, target: Int) {
        switch program.instructions[instruction].operation {
        case .jump: program.instructions[instruction].a = Int32(target)
        default: program.instructions[instruction].c = Int32(target)
        }
    }

    mutating func step(_ at: Spot, _ text: String) -> Int {
        // The same line may be compiled on several ways to it; it is one step all the same.
        if let known = program.steps.lastIndex(where: { $0.at == at && $0.party == partyIndex && $0.text == text }) {
            return known
        }
        program.steps.append(StepPlan(at: at, party: partyIndex, text: text))
        return program.steps.count - 1
    }

    mutating func variableIndex(_ name: String) -> Int {
        if let known = variables.firstIndex(of: name) { return known }
        variables.append(name)
        return variables.count - 1
    }

    mutating func markIndex(_ name: String) -> Int {
        if let known = marks.firstIndex(of: name) { return known }
        marks.append(name)
        return marks.count - 1
    }

    mutating func dialog(named name: String, startsWithRequestReceived: Bool) -> Int {
        if let known = dialogNames.firstIndex(of: name) { return known }
        dialogNames.append(name)
        dialogs.append(DialogPlan(name: name, isServer: startsWithRequestReceived))
        return dialogs.count - 1
    }

    mutating func value(_ tree: ValueTree) -> Int {
        declareVariables(in: tree)
        return program.values.lower(tree, names: names)
    }

    mutating func condition(_ tree: ConditionTree) -> Int {
        declareVariables(in: tree)
        return program.values.lower(tree, names: names)
    }

    private var names: Names {
        Names(
            variables: variables, parties: partyNumbers, feeds: program.feeds, columns: program.feedColumns,
            dialogAtHand: dialogAtHand, dialogs: dialogNames)
    }

    private var partyNumbers: [String: Int] {
        var numbers: [String: Int] = [:]
        for (offset, tree) in scenario.parties.enumerated() { numbers[tree.name] = scenarioFirstParty + offset }
        return numbers
    }

    private mutating func declareVariables(in tree: ValueTree) {
        for name in tree.variableNames { _ = variableIndex(name) }
    }

    private mutating func declareVariables(in tree: ConditionTree) {
        for name in tree.variableNames { _ = variableIndex(name) }
    }

    struct Names: ValueNames {
        let variables: [String]
        let parties: [String: Int]
        let feeds: [FeedTree]
        let columns: [FeedColumnPlan]
        let dialogAtHand: Int
        let dialogs: [String]
        func dialog(_ name: String) -> Int { dialogs.firstIndex(of: name) ?? 0 }
        func feed(_ feed: FeedTree, _ column: String) -> (column: Int, record: Int) {
            let record = feeds.firstIndex(of: feed) ?? 0
            return (columns.firstIndex(of: FeedColumnPlan(feed: record, name: column)) ?? 0, record)
        }
        func variable(_ name: String) -> Int { variables.firstIndex(of: name) ?? 0 }
        func party(_ name: String) -> Int { parties[name] ?? 0 }
    }

    /// Methods that a party's first wait takes: what an initial request must be to create it.
    private static func firstMethods(_ steps: [Step]) -> [String] {
        func methods(_ messages: [MessageTree]) -> [String] {
            messages.compactMap { if case .method(let name) = $0 { name } else { nil } }
        }
        var found: [String] = []
        for step in steps {
            switch step.action {
            case .expect(let tree):
                found += methods(tree.what)
                if tree.presence == .required { return found }
            case .firstOf(let tree): return found + tree.alternatives.flatMap { methods($0.what) }
            case .inDialog(let tree): return found + firstMethods(tree.steps)
            case .repeated(let tree): return found + firstMethods(tree.steps)
            case .set, .mark, .correlate: continue
            default: return found
            }
        }
        return found
    }
}

/// What is known at one point of a party's script.
struct FlowState {
    /// A request sent whose final response is still to come.
    struct Outstanding: Equatable {
        var method: String
        var dialog: Int
        var record: Int
        var provisionalSeen: Bool
        var at: Spot
    }

    /// A request received that has no final response yet.
    struct Unanswered: Equatable {
        var method: String
        var dialog: Int
        var record: Int
        var at: Spot
        /// A CANCEL after the 2xx: it is answered 200 unless the script does it at once.
        var isLateCancel = false
    }

    enum DialogState: Equatable {
        case early, confirmed, ended
    }

    var outstanding: [Outstanding] = []
    var unanswered: [Unanswered] = []
    var dialogs: [Int: DialogState] = [:]
    /// Dialogs whose 2xx to INVITE awaits our ACK.
    var unacknowledged: Set<Int> = []
    /// Dialogs in which a 2xx was sent to an INVITE and the peer's ACK has not been waited for.
    var awaitingAck: Set<Int> = []
    /// Server records of INVITEs with a final response whose ACK is still to come, with their dialogs.
    var recordsAwaitingAck: [Int: Int] = [:]
    var known: Set<String> = []
    var marks: Set<String> = []
    /// The last message received can still be read: no wait or pause since.
    var messageAtHand = false
    /// The wait that took the request at hand, and where it is kept; nil where nothing, or no single request, is at hand.
    struct Received: Equatable {
        var wait: Int
        var record: Int
        var dialog: Int
    }
    var received: Received?
    /// Variable that keeps the offer of an INVITE received, per dialog.
    var keptOffer: [Int: Int] = [:]
    /// How many session descriptions this party has sent per dialog: the version in `o=` (RFC 3264 §8).
    var descriptions: [Int: Int] = [:]

    /// Requests received that the script is to answer.
    var owed: [Unanswered] { unanswered.filter { !$0.isLateCancel } }

    func freeClientRecord() -> Int { Self.lowestFree(outstanding.map(\.record)) }
    func freeServerRecord() -> Int { Self.lowestFree(unanswered.map(\.record) + recordsAwaitingAck.keys) }

    private static func lowestFree(_ used: [Int]) -> Int {
        var record = 0
        while used.contains(record) { record += 1 }
        return record
    }

    /// What is known where two branches meet: what both know.
    mutating func meet(_ other: FlowState) {
        outstanding = outstanding.filter { mine in other.outstanding.contains { $0.record == mine.record } }
        unanswered = unanswered.filter { mine in other.unanswered.contains { $0.record == mine.record } }
        for (dialog, state) in other.dialogs {
            if let mine = dialogs[dialog], mine != state {
                dialogs[dialog] = mine == .ended || state == .ended ? .ended : .early
            } else if dialogs[dialog] == nil {
                dialogs[dialog] = state
            }
        }
        unacknowledged.formIntersection(other.unacknowledged)
        awaitingAck.formUnion(other.awaitingAck)
        recordsAwaitingAck.merge(other.recordsAwaitingAck) { mine, _ in mine }
        known.formIntersection(other.known)
        marks.formIntersection(other.marks)
        messageAtHand = messageAtHand && other.messageAtHand
        if received != other.received { received = nil }
        keptOffer = keptOffer.filter { other.keptOffer[$0.key] == $0.value }
        descriptions.merge(other.descriptions) { max($0, $1) }
    }
}

extension ValueTree {
    /// Names of the variables read, in order.
    package var variableNames: [String] {
        switch self {
        case .variable(let name): [name]
        case .joined(let parts): parts.flatMap(\.variableNames)
        case .parameter(_, let of), .uriPart(_, let of), .matching(_, let of), .length(let of), .uriHeader(_, let of),
            .escaped(let of):
            of.variableNames
        case .arithmetic(_, let left, let right): left.variableNames + right.variableNames
        default: []
        }
    }

    /// Further dialogs whose identifiers are read.
    package var dialogNames: [String] {
        switch self {
        case .dialogField(_, let dialog): [dialog]
        case .joined(let parts): parts.flatMap(\.dialogNames)
        case .parameter(_, let of), .uriPart(_, let of), .matching(_, let of), .length(let of), .uriHeader(_, let of),
            .escaped(let of):
            of.dialogNames
        case .arithmetic(_, let left, let right): left.dialogNames + right.dialogNames
        default: []
        }
    }

    /// True where the last message received is read.
    package var readsMessage: Bool {
        switch self {
        case .header, .sdp, .ownBinding, .body, .status, .reasonPhrase, .method, .requestURI: true
        case .joined(let parts): parts.contains(where: \.readsMessage)
        case .parameter(_, let of), .uriPart(_, let of), .matching(_, let of), .length(let of), .uriHeader(_, let of),
            .escaped(let of):
            of.readsMessage
        case .arithmetic(_, let left, let right): left.readsMessage || right.readsMessage
        default: false
        }
    }

    /// True where every reading gives the same octets for the whole call.
    package var isConstant: Bool {
        switch self {
        // A run keeps its row.
        case .text, .number, .setting, .partyURI, .feed: true
        case .field(let field):
            switch field {
            case .domain, .target, .localAddress, .localPort, .localURI, .runNumber, .party: true
            default: false
            }
        case .joined(let parts): parts.allSatisfy(\.isConstant)
        case .length(let of), .parameter(_, let of), .uriPart(_, let of), .matching(_, let of), .uriHeader(_, let of),
            .escaped(let of):
            of.isConstant
        case .arithmetic(_, let left, let right): left.isConstant && right.isConstant
        default: false
        }
    }
}

extension ConditionTree {
    package var variableNames: [String] {
        switch self {
        case .compare(_, let left, let right): left.variableNames + right.variableNames
        case .exists(let value), .matches(let value, _): value.variableNames
        case .contains(let value, let part): value.variableNames + part.variableNames
        case .hasPrefix(let value, let prefix): value.variableNames + prefix.variableNames
        case .all(let members), .any(let members): members.flatMap(\.variableNames)
        case .not(let member): member.variableNames
        }
    }

    package var readsMessage: Bool {
        switch self {
        case .compare(_, let left, let right): left.readsMessage || right.readsMessage
        case .exists(let value), .matches(let value, _): value.readsMessage
        case .contains(let value, let part): value.readsMessage || part.readsMessage
        case .hasPrefix(let value, let prefix): value.readsMessage || prefix.readsMessage
        case .all(let members), .any(let members): members.contains(where: \.readsMessage)
        case .not(let member): member.readsMessage
        }
    }
}

extension TemplateSource.Segment {
    var readsDialog: Bool {
        switch self {
        case .live(.remoteTarget, _), .live(.routes, _), .live(.remoteTag, _): true
        default: false
        }
    }
}
