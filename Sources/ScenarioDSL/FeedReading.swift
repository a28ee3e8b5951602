// Which columns of which feeds a scenario reads, and where.

/// One reading of a feed's column.
package struct FeedUse: Sendable, Hashable {
    package var feed: FeedTree
    package var column: String
    /// The step or the part of a message that reads it.
    package var at: Spot
    /// The field gets into the head of a message, or into a variable that could: it must hold no line end.
    package var isInHead: Bool
}

extension ScenarioTree {
    /// In order of first use, each once.
    package var feedUses: [FeedUse] {
        var reader = FeedReader()
        for party in parties { reader.read(party.steps) }
        return reader.uses
    }
}

extension PartyTree {
    /// Those of this party.
    package var feedUses: [FeedUse] {
        var reader = FeedReader()
        reader.read(steps)
        return reader.uses
    }
}

private struct FeedReader {
    var uses: [FeedUse] = []

    mutating func read(_ steps: [Step]) {
        for step in steps { read(step.action, step.at) }
    }

    private mutating func read(_ action: Action, _ at: Spot) {
        switch action {
        case .send(let tree):
            for value in [tree.from, tree.to, tree.requestURI, tree.reason] { read(value, at, inHead: true) }
            read(tree.content, inHead: true)
        // A raw message may break the rules on purpose.
        case .sendRaw(let tree): read(tree.content, inHead: false)
        case .expect(let tree): read(tree.inspections)
        case .firstOf(let tree): for alternative in tree.alternatives { read(alternative.steps) }
        case .pause(let delay): read(delay.source, at, inHead: false)
        case .repeated(let tree):
            read(tree.count, at, inHead: false)
            read(tree.steps)
        case .choose(let tree):
            read(tree.condition, at)
            read(tree.then)
            read(tree.otherwise)
        case .inDialog(let tree): read(tree.steps)
        case .capture(let tree):
            read(tree.from, at, inHead: true)
            read(tree.otherwise, at, inHead: true)
        case .set(let tree): read(tree.to, at, inHead: true)
        case .require(let tree): read(tree.condition, at)
        case .correlate(let tree): read(tree.value, at, inHead: false)
        case .credentials(let tree):
            read(tree.user, at, inHead: true)
            read(tree.password, at, inHead: false)
            read(tree.realm, at, inHead: false)
        case .authenticate(let tree):
            read(tree.user, at, inHead: false)
            read(tree.password, at, inHead: false)
            read(tree.realm, at, inHead: true)
        case .mark, .measure, .signal, .awaitSignal, .expectNothing, .noAck, .fail, .finish, .notified,
            .sendMedia:
            break
        }
    }

    private mutating func read(_ content: [Content], inHead: Bool) {
        for item in content {
            switch item.part {
            case .header(let tree): read(tree.value, item.at, inHead: inHead)
            case .startLine(let tree): read(tree.text, item.at, inHead: inHead)
            case .body(let tree): read(tree.text, item.at, inHead: false)
            case .without, .offer, .answer, .bytes: break
            }
        }
    }

    private mutating func read(_ value: ValueTree?, _ at: Spot, inHead: Bool) {
        switch value {
        case .feed(let feed, let column):
            let use = FeedUse(feed: feed, column: column, at: at, isInHead: inHead)
            if !uses.contains(use) { uses.append(use) }
        case .joined(let parts): for part in parts { read(part, at, inHead: inHead) }
        case .parameter(_, let inner), .uriPart(_, let inner), .matching(_, let inner), .uriHeader(_, let inner),
            .escaped(let inner):
            read(inner, at, inHead: inHead)
        case .length(let inner): read(inner, at, inHead: false)
        case .arithmetic(_, let left, let right):
            read(left, at, inHead: false)
            read(right, at, inHead: false)
        default: break
        }
    }

    private mutating func read(_ condition: ConditionTree, _ at: Spot) {
        switch condition {
        case .compare(_, let left, let right), .contains(let left, let right), .hasPrefix(let left, let right):
            read(left, at, inHead: false)
            read(right, at, inHead: false)
        case .exists(let value), .matches(let value, _): read(value, at, inHead: false)
        case .all(let list), .any(let list): for each in list { read(each, at) }
        case .not(let inner): read(inner, at)
        }
    }
}
