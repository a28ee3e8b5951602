import CallEngine
import Measurement
import Reporting
import SIPWire
import ScenarioDSL

/// The flow that a scenario describes, played on paper: every party does its steps, messages arrive at once, time passes only
/// when nobody can go on. Of a choice the alternative is taken whose message comes; conditions are taken to hold. A remark
/// where the flow divides says so, and on which lines its other branches stand.
///
/// A file with one party has a peer that sends what the party expects first.
struct ExpectedFlow {
    private struct Message {
        var from: Int
        /// The method, of a response that of its request.
        var method: String
        var status: Int?
        var label: String
    }

    private struct Player {
        var steps: [Step]
        var inbox: [Message] = []
        /// By dialog name; "" is the main one.
        var peers: [String: Int] = [:]
        var lastSent: [String: String] = [:]
        var lastReceived: [String: String] = [:]
        /// Time until which it pauses.
        var wakes: Int64 = 0
        var hasPaused = false
    }

    /// One way out of a wait.
    private struct Way {
        var what: [MessageTree]
        var answering: String?
        var steps: [Step]
        var at: Spot
        /// The other ways of the same choice.
        var others: [Spot] = []
    }

    private let names: [String]
    private var players: [Player]
    private var arrows: [Ladder.Arrow] = []
    private var signals: Set<String> = []
    private var now: Int64 = 0
    /// Steps are bounded: a scenario may repeat without end.
    private var left = 400

    static func ladder(_ tree: ScenarioTree) -> Ladder {
        var flow = ExpectedFlow(tree)
        flow.play()
        let participants = tree.parties.map(\.name) + (flow.peer == nil ? [] : ["the peer"])
        return Ladder(participants: participants, arrows: flow.arrows, isTimed: false)
    }

    private init(_ tree: ScenarioTree) {
        names = tree.parties.map(\.name)
        players = tree.parties.map { Player(steps: $0.steps) }
        // Nobody: its messages are made when they are expected.
        if names.count == 1 { players.append(Player(steps: [])) }
    }

    private var peer: Int? { names.count == 1 ? 1 : nil }

    private mutating func play() {
        while left > 0 {
            var hasMoved = false
            for index in names.indices where advance(index) { hasMoved = true }
            if hasMoved || supply() || passTime() { continue }
            return
        }
    }

    /// Does what a party can do now.
    private mutating func advance(_ index: Int) -> Bool {
        var hasMoved = false
        while left > 0, let step = players[index].steps.first {
            guard perform(step, index, dialog: "") else { break }
            left -= 1
            hasMoved = true
        }
        return hasMoved
    }

    /// - Returns: false when the party has to wait at this step.
    private mutating func perform(_ step: Step, _ index: Int, dialog: String) -> Bool {
        let rest = Array(players[index].steps.dropFirst())
        switch step.action {
        case .send(let tree):
            players[index].steps = rest
            send(tree, step.at, index, dialog)
        case .sendRaw(let tree):
            players[index].steps = rest
            sendRaw(tree, step.at, index, dialog)
        case .expect, .firstOf:
            let ways = waysOut(players[index].steps).ways
            return take(ways, index, dialog)
        case .pause(let delay): return pause(Self.typical(delay), "pause \(Self.text(delay))", step, rest, index)
        case .expectNothing(let tree):
            return pause(tree.time.nanoseconds, "silence for \(durationText(tree.time.nanoseconds))", step, rest, index)
        case .repeated(let tree):
            var count = 1
            if tree.count == nil {
                note("drawn once, repeated until the load ends", step.at, index)
            } else if case .number(let number) = tree.count {
                count = max(0, min(number, 8))
                if number > count { note("drawn \(count) times of \(number)", step.at, index) }
            } else {
                note("drawn once, repeated by a value", step.at, index)
            }
            players[index].steps = (0..<count).flatMap { _ in tree.steps } + rest
        case .choose(let tree):
            players[index].steps = tree.then + rest
            let other = tree.otherwise.first.map { "; not drawn: line \($0.at.line)" } ?? ""
            note("if it holds\(other)", step.at, index)
        case .inDialog(let tree):
            // One step at a time, so that what follows stays in the dialog's block.
            guard let first = tree.steps.first else {
                players[index].steps = rest
                return true
            }
            players[index].steps = tree.steps
            let hasMoved = perform(first, index, dialog: tree.dialog)
            var block = tree
            block.steps = players[index].steps
            players[index].steps = (block.steps.isEmpty ? [] : [Step(.inDialog(block), at: step.at)]) + rest
            return hasMoved
        case .signal(let tree):
            players[index].steps = rest
            signals.insert(tree.name)
        case .awaitSignal(let tree):
            guard signals.contains(tree.name) else { return false }
            players[index].steps = rest
        case .fail(let tree):
            players[index].steps = []
            note("fails: \(tree.reason)", step.at, index)
        case .finish(let tree):
            players[index].steps = []
            note("ends: \(tree.outcome)", step.at, index)
        case .sendMedia(let tree):
            players[index].steps = rest
            if tree.what != .nothing { note("sends \(tree.what.rawValue)", step.at, index) }
        case .notified:
            // As a rule one NOTIFY for the 100 and one for the final response.
            players[index].steps =
                (0..<2).flatMap { _ in
                    [
                        Step(
                            .expect(ExpectTree(what: [.method("NOTIFY")], presence: .required, inspections: [])),
                            at: step.at), Step(.send(SendTree(what: .statuses(low: 200, high: 200))), at: step.at),
                    ]
                } + rest
        case .capture, .set, .require, .mark, .measure, .noAck, .credentials, .authenticate, .correlate:
            players[index].steps = rest
        }
        return true
    }

    // MARK: sending

    private mutating func send(_ tree: SendTree, _ at: Spot, _ index: Int, _ dialog: String) {
        let description = tree.content.contains {
            switch $0.part {
            case .offer, .answer: true
            case .body(let body): body.type == "application/sdp"
            default: false
            }
        }
        let addition = description ? " (SDP)" : ""
        switch tree.what {
        case .method(let method):
            // A redirected INVITE goes to somebody else.
            if tree.isRedirected == true { players[index].peers[dialog] = nil }
            let receiver = players[index].peers[dialog] ?? receiver(of: method, tree, from: index)
            players[index].peers[dialog] = receiver
            if method != "ACK" { players[index].lastSent[dialog] = method }
            deliver(Message(from: index, method: method, label: method + addition), to: receiver, at)
        case .statuses(let status, _):
            let method = tree.answering ?? players[index].lastReceived[dialog] ?? "INVITE"
            let receiver = players[index].peers[dialog] ?? (index == 0 ? 1 : 0)
            var reason = StatusCode.reasonPhrase(UInt16(clamping: status)).description
            if case .text(let given)? = tree.reason { reason = given }
            let label = "\(status)" + (reason.isEmpty ? "" : " \(reason)") + addition
            deliver(Message(from: index, method: method, status: status, label: label), to: receiver, at)
        }
    }

    private mutating func sendRaw(_ tree: SendRawTree, _ at: Spot, _ index: Int, _ dialog: String) {
        let receiver = players[index].peers[dialog] ?? (index == 0 ? min(1, players.count - 1) : 0)
        var message = Message(from: index, method: "raw", label: "raw octets")
        switch tree.what {
        case .method(let method)?:
            message.method = method
            message.label = "\(method) (raw)"
            players[index].lastSent[dialog] = method
        case .statuses(let status, _)?:
            message.method = players[index].lastReceived[dialog] ?? "INVITE"
            message.status = status
            message.label = "\(status) (raw)"
        case nil: break
        }
        players[index].peers[dialog] = receiver
        deliver(message, to: receiver, at)
    }

    /// Who a request that opens a dialog goes to: whom it names, else the first who waits for such a one.
    private func receiver(of method: String, _ tree: SendTree, from index: Int) -> Int {
        for value in [tree.requestURI, tree.to].compactMap({ $0 }) {
            if case .partyURI(let name) = value, let named = names.firstIndex(of: name) { return named }
        }
        let message = Message(from: index, method: method, label: method)
        let waiting = names.indices.first { other in
            other != index && waysOut(players[other].steps).ways.contains { fits(message, $0, other, "") }
        }
        return waiting ?? peer ?? (index == 0 ? min(1, players.count - 1) : 0)
    }

    private mutating func deliver(_ message: Message, to receiver: Int, _ at: Spot) {
        draw(from: message.from, to: receiver, message.label, at)
        // The ACK to a failure belongs to the transaction (RFC 3261 §17.1.1.3): it is sent by itself and nobody expects it.
        players[receiver].inbox.append(message)
    }

    // MARK: waiting

    /// What a party that waits would take: optional messages and the required one after them are one wait.
    private func waysOut(_ steps: [Step]) -> (ways: [Way], timeout: (AlternativeTree, Int64)?, after: [Step]) {
        var ways: [Way] = []
        var position = 0
        while position < steps.count {
            let step = steps[position]
            let after = Array(steps[(position + 1)...])
            switch step.action {
            case .expect(let tree):
                // What comes after it in the chain may still come.
                ways.append(
                    Way(what: tree.what, answering: tree.answering, steps: tree.inspections + after, at: step.at))
                if tree.presence == .required { return (ways, nil, []) }
                position += 1
            case .firstOf(let tree):
                for one in tree.alternatives where !one.isTimeout {
                    let others = tree.alternatives.map(\.at).filter { $0 != one.at }
                    ways.append(
                        Way(
                            what: one.what, answering: one.answering, steps: one.steps + after, at: one.at,
                            others: others))
                }
                let timeout = tree.alternatives.first(where: \.isTimeout).map {
                    ($0, tree.within?.nanoseconds ?? 32_000_000_000)
                }
                return (ways, timeout, after)
            case .inDialog(let tree) where ways.isEmpty:
                return waysOut(tree.steps + after)
            case .repeated(let tree) where ways.isEmpty:
                return waysOut(tree.steps + after)
            case .set where ways.isEmpty, .mark where ways.isEmpty, .noAck where ways.isEmpty,
                .credentials where ways.isEmpty, .correlate where ways.isEmpty:
                position += 1
            default: return (ways, nil, [])
            }
        }
        return (ways, nil, [])
    }

    private func fits(_ message: Message, _ way: Way, _ index: Int, _ dialog: String) -> Bool {
        way.what.contains { wanted in
            switch (wanted, message.status) {
            case (.method(let method), nil): method == message.method || method == "*" && message.method != "ACK"
            case (.statuses(let low, let high), let status?):
                low <= status && status <= high
                    && message.method == (way.answering ?? players[index].lastSent[dialog] ?? message.method)
            default: false
            }
        }
    }

    private mutating func take(_ ways: [Way], _ index: Int, _ dialog: String) -> Bool {
        for (place, message) in players[index].inbox.enumerated() {
            guard let way = ways.first(where: { fits(message, $0, index, dialog) }) else { continue }
            players[index].inbox.remove(at: place)
            players[index].steps = way.steps
            noteOthers(way.others, way.at, index)
            if message.status == nil {
                players[index].lastReceived[dialog] = message.method
                players[index].peers[dialog] = message.from
            } else if message.method == "INVITE", message.status! >= 200 {
                acknowledge(message, way, index)
            }
            return true
        }
        return false
    }

    /// The ACK that the script does not name: to a failure always, to a 2xx where no `Send(.ack)` follows.
    private mutating func acknowledge(_ message: Message, _ way: Way, _ index: Int) {
        guard message.status! < 300 else {
            draw(from: index, to: message.from, "ACK", way.at)
            return
        }
        for step in way.steps {
            switch step.action {
            case .noAck: return
            case .sendRaw(let tree) where tree.what == .method("ACK"): return
            case .send(let tree):
                guard case .method(let method) = tree.what else { continue }
                if method == "ACK" { return }
            case .inDialog(let tree):
                if case .send(let inner)? = tree.steps.first?.action, inner.what == .method("ACK") { return }
                continue
            default: continue
            }
            break
        }
        deliver(Message(from: index, method: "ACK", label: "ACK"), to: message.from, way.at)
    }

    private mutating func pause(_ time: Int64, _ words: String, _ step: Step, _ rest: [Step], _ index: Int) -> Bool {
        if !players[index].hasPaused {
            players[index].hasPaused = true
            players[index].wakes = now + max(0, time)
            if time > 0 { note(words, step.at, index) }
        }
        guard players[index].wakes <= now else { return false }
        players[index].hasPaused = false
        players[index].steps = rest
        return true
    }

    /// Nobody can go on: the earliest pause or time limit ends.
    private mutating func passTime() -> Bool {
        var next: (time: Int64, player: Int, timeout: [Step]?, words: String, at: Spot)?
        for index in names.indices {
            guard let step = players[index].steps.first else { continue }
            if players[index].hasPaused {
                if next.map({ players[index].wakes < $0.time }) ?? true {
                    next = (players[index].wakes, index, nil, "", step.at)
                }
            } else if case (_, let (timeout, limit)?, let after) = waysOut(players[index].steps) {
                if next.map({ now + limit < $0.time }) ?? true {
                    let words = "\(durationText(limit)) are over"
                    next = (now + limit, index, timeout.steps + after, words, timeout.at)
                }
            }
        }
        guard let next else { return false }
        now = max(now, next.time)
        if let steps = next.timeout {
            let others = waysOut(players[next.player].steps).ways.filter { !$0.others.isEmpty }.map(\.at)
            players[next.player].steps = steps
            note(next.words, next.at, next.player)
            noteOthers(others, next.at, next.player)
        }
        return true
    }

    /// The peer of a scenario with one party sends what the party expects first.
    private mutating func supply() -> Bool {
        guard let peer, !players[0].hasPaused, let way = waysOut(players[0].steps).ways.first, let what = way.what.first
        else { return false }
        left -= 1
        switch what {
        case .method(let method):
            let name = method == "*" ? "OPTIONS" : method
            deliver(Message(from: peer, method: name, label: name), to: 0, way.at)
        case .statuses(let low, _):
            let method = way.answering ?? players[0].lastSent.values.first ?? "INVITE"
            let last = players[0].lastSent[""] ?? method
            let reason = StatusCode.reasonPhrase(UInt16(clamping: low)).description
            deliver(
                Message(
                    from: peer, method: way.answering ?? last, status: low,
                    label: "\(low)" + (reason.isEmpty ? "" : " \(reason)")), to: 0, way.at)
        }
        return true
    }

    // MARK: drawing

    private mutating func draw(from: Int, to: Int, _ label: String, _ at: Spot) {
        arrows.append(Ladder.Arrow(timeNanoseconds: now, from: from, to: to, label: label, place: "line \(at.line)"))
    }

    private mutating func note(_ words: String, _ at: Spot, _ index: Int) {
        arrows.append(
            Ladder.Arrow(timeNanoseconds: now, from: index, to: index, label: words, place: "line \(at.line)"))
    }

    /// What else the choice could have been: a drawing has one way through.
    private mutating func noteOthers(_ others: [Spot], _ at: Spot, _ index: Int) {
        guard !others.isEmpty else { return }
        note("not drawn: line \(others.map { String($0.line) }.listed)", at, index)
    }

    /// A length that the delay has about as often as not; what settings give is their default.
    private static func typical(_ delay: DelayTree) -> Int64 {
        switch delay {
        case .fixed(let time): time.nanoseconds
        case .uniform(let low, let high): low.nanoseconds / 2 + high.nanoseconds / 2
        case .exponential(let mean): mean.nanoseconds
        case .lognormal(let median, _): median.nanoseconds
        case .weibull(_, let scale): scale.nanoseconds
        case .empirical(let weighted): weighted.max { $0.weight < $1.weight }?.delay.nanoseconds ?? 0
        case .value(.setting(_, let fallback?)): DelayTree(parsing: fallback).map(typical) ?? 0
        case .part(let low, let high, let value): Int64(Double(typical(.value(value))) * (low + high) / 2)
        case .value: 0
        }
    }

    private static func text(_ delay: DelayTree) -> String {
        switch delay {
        case .fixed(let time): "\(durationText(time.nanoseconds))"
        case .uniform(let low, let high): "\(durationText(low.nanoseconds)) to \(durationText(high.nanoseconds))"
        case .exponential(let mean): "exponential, mean \(durationText(mean.nanoseconds))"
        case .lognormal(let median, _): "lognormal, median \(durationText(median.nanoseconds))"
        case .weibull(_, let scale): "Weibull, scale \(durationText(scale.nanoseconds))"
        case .empirical: "as its table says"
        case .value(.setting(let name, let fallback)): name + (fallback.map { " (\($0))" } ?? "")
        case .value: "as long as a value says"
        case .part(let low, let high, let value): "\(low) to \(high) of: \(text(.value(value)))"
        }
    }
}
