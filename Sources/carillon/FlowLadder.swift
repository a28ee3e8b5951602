import Reporting
import ScenarioDSL

/// The flow that a scenario describes when all goes as its first alternatives say.
enum FlowLadder {
    static func of(_ tree: ScenarioTree) -> Ladder {
        var arrows: [Ladder.Arrow] = []
        let names = tree.parties.map(\.name)
        // Each party's sends in order; a send is drawn when its receiver's next expectation is for it.
        var scripts = tree.parties.map { flatten($0.steps) }
        var time: Int64 = 0
        var progress = true
        while progress {
            progress = false
            for sender in scripts.indices {
                while let item = scripts[sender].first {
                    if case .send(let label) = item {
                        scripts[sender].removeFirst()
                        let receiver = receiver(of: label, from: sender, &scripts)
                        arrows.append(
                            Ladder.Arrow(
                                timeNanoseconds: time, from: sender,
                                to: receiver ?? (sender == 0 ? min(1, names.count - 1) : 0),
                                label: label))
                        time += 1_000_000
                        progress = true
                    } else if case .pause = item {
                        scripts[sender].removeFirst()
                        progress = true
                    } else {
                        break
                    }
                }
            }
            // Nobody can send: whoever expects what an implicit ACK or a peer outside brings goes on.
            if !progress, let waiting = scripts.firstIndex(where: { !$0.isEmpty }) {
                scripts[waiting].removeFirst()
                progress = true
            }
        }
        return Ladder(participants: names, arrows: arrows, isTimed: false)
    }

    private enum Item {
        case send(String)
        case expect([String])
        case pause
    }

    private static func receiver(of label: String, from sender: Int, _ scripts: inout [[Item]]) -> Int? {
        for other in scripts.indices where other != sender {
            // Optional messages before it may have been passed over.
            for (place, item) in scripts[other].enumerated() {
                guard case .expect(let labels) = item else { break }
                if labels.contains(where: { matches($0, label) }) {
                    scripts[other].removeFirst(place + 1)
                    return other
                }
            }
        }
        return nil
    }

    private static func matches(_ expected: String, _ label: String) -> Bool {
        if expected == label { return true }
        if let status = Int(label.prefix(3)) {
            let bounds = expected.split(separator: "…").compactMap { Int($0) }
            if bounds.count == 2 { return bounds[0] <= status && status <= bounds[1] }
            return Int(expected) == status
        }
        return expected == "*"
    }

    private static func flatten(_ steps: [Step]) -> [Item] {
        steps.flatMap { step -> [Item] in
            switch step.action {
            case .send(let tree): [.send(label(tree.what))]
            case .sendRaw(let tree): [.send(tree.what.map(label) ?? "octets")]
            case .expect(let tree): [.expect(tree.what.map(label))]
            case .firstOf(let tree):
                tree.alternatives.first.map { [.expect($0.what.map(label))] + flatten($0.steps) } ?? []
            case .pause, .expectNothing: [.pause]
            case .repeated(let tree): flatten(tree.steps)
            case .choose(let tree): flatten(tree.then)
            case .inDialog(let tree): flatten(tree.steps)
            default: []
            }
        }
    }

    private static func label(_ message: MessageTree) -> String {
        switch message {
        case .method(let name): name
        case .statuses(let low, let high): low == high ? "\(low)" : "\(low)…\(high)"
        }
    }
}
