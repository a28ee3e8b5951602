import CallTraces
import Measurement
import Reporting
import SIPWire

extension TracePolicy {
    /// As `--trace` takes it.
    var text: String {
        switch self {
        case .failed: "failed"
        case .all: "all"
        case .off: "off"
        case .sample(let oneIn): "sample=1/\(oneIn)"
        case .first(let count): "first=\(count)"
        }
    }
}

extension CallTranscript {
    /// The messages as a ladder. Participants are the parties that this process plays and, where it is another one, the
    /// peer; a message between two parties of ours is drawn once.
    public func ladder(parties: [String]) -> Ladder {
        var names: [String] = []
        func column(_ name: String) -> Int {
            if let known = names.firstIndex(of: name) { return known }
            names.append(name)
            return names.count - 1
        }
        func party(_ number: UInt8) -> String {
            Int(number) < parties.count ? parties[Int(number)] : "party \(number)"
        }
        let ours = Set(messages.map(\.local))
        // Of a message between two of ours, the sending is drawn and its receiving says who took it.
        var receivers: [[UInt8]: [TracedMessage]] = [:]
        var sendings: [[UInt8]: Int] = [:]
        for message in messages where ours.contains(message.remote) {
            if message.direction == .received {
                receivers[message.octets, default: []].append(message)
            } else {
                sendings[message.octets, default: 0] += 1
            }
        }
        let players = Set(messages.map(\.party))
        var arrows: [Ladder.Arrow] = []
        for message in messages {
            let own = party(message.party)
            let toOurs = ours.contains(message.remote)
            var other = message.remote.text
            var hasFailed = message.isWhereItFailed
            if toOurs, message.direction == .received {
                if sendings[message.octets, default: 0] > 0 { continue }
                // What a party sent without its script, after it had ended: only its receiving is known.
                let others = players.subtracting([message.party])
                if others.count == 1, let one = others.first { other = party(one) }
            } else if toOurs {
                if let taker = receivers[message.octets]?.first {
                    receivers[message.octets]?.removeFirst()
                    other = party(taker.party)
                    hasFailed = hasFailed || taker.isWhereItFailed
                } else {
                    other = "(lost)"
                }
            }
            let from = column(message.direction == .sent ? own : other)
            let to = column(message.direction == .sent ? other : own)
            var label = message.arrowLabel
            if message.isRetransmission { label += " (again)" }
            arrows.append(
                Ladder.Arrow(
                    timeNanoseconds: message.nanoseconds, from: from, to: to, label: label,
                    note: hasFailed ? "failed here" : nil))
        }
        return Ladder(participants: names, arrows: arrows)
    }
}

public let carillonVersion = "0.1.0"
