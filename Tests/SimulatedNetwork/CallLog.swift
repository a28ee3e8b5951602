/// The two ends of a call. Which one sent a message is read from its tags: with both in one engine the addresses are equal.
public enum Side: String, Sendable {
    case caller, callee

    var other: Side { self == .caller ? .callee : .caller }
}

/// One datagram of a call.
struct Sending {
    var message: WireMessage
    var side: Side
    /// Nanoseconds of virtual time.
    var sent: Int64
    /// When its copies are handed to the other end, earliest first; empty when it is lost.
    var arrivals: [Int64]
}

/// What an end of a call said of its run.
struct RunEnd {
    var succeeded: Bool
    var time: Int64
}

/// Everything that went over the wire with one Call-ID, in the order of sending.
final class CallLog {
    let callID: String
    private(set) var sendings: [Sending] = []
    /// From tag of the first message: that of the caller.
    private let callerTag: String
    /// The last time anything was sent or arrived.
    private(set) var lastTime: Int64 = 0
    var ends: [Side: RunEnd] = [:]

    init(_ first: WireMessage) {
        callID = first.callID
        callerTag = first.fromTag
    }

    func note(_ message: WireMessage, sent: Int64, arrivals: [Int64]) {
        let asksCallee = message.fromTag == callerTag
        let side: Side = message.isRequest == asksCallee ? .caller : .callee
        // A repeat shares the first one's text.
        let known = sendings.last { $0.message.octets == message.octets }?.message
        sendings.append(
            Sending(message: known ?? message, side: side, sent: sent, arrivals: arrivals.sorted()))
        lastTime = max(lastTime, sent, arrivals.max() ?? 0)
    }

    /// The whole call as a ladder, with what became of each datagram.
    var ladder: String {
        let start = sendings.first?.sent ?? 0
        func seconds(_ time: Int64) -> String {
            let microseconds = (time - start) / 1000
            let fraction = String(microseconds % 1_000_000)
            return "\(microseconds / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction
        }
        var lines = sendings.prefix(120).map { sending in
            let arrow = sending.side == .caller ? "──►" : "◄──"
            let fate =
                sending.arrivals.isEmpty
                ? "lost" : "arrives " + sending.arrivals.map(seconds).joined(separator: " and ")
            let message = sending.message
            return "  \(seconds(sending.sent)) \(arrow) \(message.startLine) (CSeq \(message.cseq) \(message.method), "
                + "…\(message.branch.suffix(6)))  \(fate)"
        }
        if sendings.count > 120 { lines.append("  … \(sendings.count - 120) more") }
        for side in [Side.caller, .callee] {
            guard let end = ends[side] else { continue }
            lines.append("  \(seconds(end.time)) the \(side.rawValue) says it \(end.succeeded ? "succeeded" : "failed")")
        }
        return lines.joined(separator: "\n")
    }
}
