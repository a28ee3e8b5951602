// Reading a whole tree once: which settings it names, and what the language itself finds wrong.

extension ScenarioTree {
    /// Fills `settings` and `problems` from the parties.
    mutating func gatherSettingsAndProblems() {
        var reader = TreeReader()
        for party in parties {
            reader.named(party.name, "party", party.at)
            reader.read(party.steps)
        }
        settings = reader.settings
        problems = reader.problems
    }
}

private struct TreeReader {
    var settings: [SettingTree] = []
    var problems: [ProblemTree] = []

    mutating func read(_ steps: [Step]) {
        for step in steps { read(step.action, step.at) }
    }

    private mutating func read(_ action: Action, _ at: Spot) {
        switch action {
        case .send(let tree):
            for value in [tree.from, tree.to, tree.requestURI, tree.reason] { read(value, at) }
            read(tree.content)
        case .sendRaw(let tree): read(tree.content)
        case .expect(let tree): read(tree.inspections)
        case .firstOf(let tree): for alternative in tree.alternatives { read(alternative.steps) }
        case .pause(let delay): read(delay.source, at)
        case .repeated(let tree):
            read(tree.count, at)
            read(tree.steps)
        case .choose(let tree):
            read(tree.condition, at)
            read(tree.then)
            read(tree.otherwise)
        case .inDialog(let tree):
            named(tree.dialog, "dialog", at)
            read(tree.steps)
        case .capture(let tree):
            named(tree.variable, "variable", at)
            read(tree.from, at)
            read(tree.otherwise, at)
        case .set(let tree):
            named(tree.variable, "variable", at)
            read(tree.to, at)
        case .require(let tree): read(tree.condition, at)
        case .correlate(let tree): read(tree.value, at)
        case .mark(let tree): named(tree.name, "mark", at)
        case .measure(let tree):
            named(tree.from, "mark", at)
            if let end = tree.to { named(end, "mark", at) }
        case .signal(let tree): named(tree.name, "signal", at)
        case .awaitSignal(let tree): named(tree.name, "signal", at)
        case .authenticate(let tree): for value in [tree.user, tree.password, tree.realm] { read(value, at) }
        case .credentials(let tree): for value in [tree.user, tree.password, tree.realm] { read(value, at) }
        case .expectNothing, .noAck, .fail, .finish, .notified, .sendMedia: break
        }
    }

    private mutating func read(_ content: [Content]) {
        for item in content {
            switch item.part {
            case .header(let tree): read(tree.value, item.at)
            case .body(let tree): read(tree.text, item.at)
            case .startLine(let tree): read(tree.text, item.at)
            case .without, .offer, .answer, .bytes: break
            }
        }
    }

    private mutating func read(_ value: ValueTree?, _ at: Spot) {
        switch value {
        case .joined(let parts): for part in parts { read(part, at) }
        case .setting(let name, let fallback): add(SettingTree(name: name, fallback: fallback), at)
        case .partyURI(let party): named(party, "party", at)
        case .parameter(_, let inner), .uriPart(_, let inner), .matching(_, let inner), .length(let inner),
            .uriHeader(_, let inner), .escaped(let inner):
            read(inner, at)
        case .dialogField(_, let dialog): named(dialog, "dialog", at)
        case .arithmetic(_, let left, let right):
            read(left, at)
            read(right, at)
        case .unborn: unborn("value", at)
        default: break
        }
    }

    private mutating func read(_ condition: ConditionTree, _ at: Spot) {
        switch condition {
        case .compare(_, let left, let right), .contains(let left, let right), .hasPrefix(let left, let right):
            read(left, at)
            read(right, at)
        case .exists(let value), .matches(let value, _): read(value, at)
        case .all(let list), .any(let list): for each in list { read(each, at) }
        case .not(let inner): read(inner, at)
        }
    }

    private mutating func add(_ setting: SettingTree, _ at: Spot) {
        guard let known = settings.first(where: { $0.name == setting.name }) else {
            settings.append(setting)
            return
        }
        if known.fallback != setting.fallback {
            func text(_ fallback: String?) -> String { fallback.map { "the default \"\($0)\"" } ?? "no default" }
            problems.append(
                ProblemTree(
                    at: at,
                    text: "the setting '\(setting.name)' has \(text(setting.fallback)) here and \(text(known.fallback))"
                        + " above, so its value depends on where it is read: declare it once, as a constant"))
        }
    }

    mutating func named(_ name: String, _ kind: String, _ at: Spot) {
        if name == Unborn.name { unborn(kind, at) }
        if name.hasPrefix(PutTogether.mark) {
            let text = name.dropFirst(PutTogether.mark.count)
            problems.append(
                ProblemTree(
                    at: at,
                    text:
                        "the name \"\(text)\" is an interpolation, of which Swift makes a text where a \(kind) is meant:"
                        + " write Variable(String(\"…\"))"))
        }
    }

    private mutating func unborn(_ kind: String, _ at: Spot) {
        problems.append(
            ProblemTree(
                at: at,
                text: "a \(kind) is used here above the line that declares it; a file is read from top to bottom and it"
                    + " is still empty: move its `let` above this scenario"))
    }
}
