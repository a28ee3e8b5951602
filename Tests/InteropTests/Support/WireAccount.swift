/// The SIP messages of a capture, each once however often it was sent: what was repeated because the machine was slow, or because
/// a datagram was lost, falls together. Read by tshark, in one pass.
struct WireAccount {
    /// What tells one message from another: between two ports a Call-ID and a CSeq number have one of each kind.
    struct Message: Hashable {
        /// `INVITE` for a request, `200 INVITE` for a response to it.
        var kind: String
        var callID: Substring
        var cseq: Int
        var source, destination: UInt16
    }

    /// In the order of their first copies.
    private(set) var messages: [Message] = []
    /// Hash functions named in challenges and credentials.
    private(set) var algorithms: Set<String> = []
    /// Frames that tshark calls malformed or in error.
    private(set) var malformed: [String] = []

    private static let fields = [
        "frame.number", "udp.srcport", "udp.dstport", "tcp.srcport", "tcp.dstport", "sip.Method", "sip.Status-Code",
        "sip.CSeq.seq", "sip.CSeq.method", "sip.Call-ID", "sip.auth.algorithm", "_ws.malformed", "_ws.expert.severity",
        "_ws.expert.message",
    ]
    /// tshark's number for expert severity "error".
    private static let error = "8388608"

    init(_ capture: SIPCapture) async throws {
        var seen: Set<Message> = []
        let lines = try await capture.tshark(
            [
                "-Y", "sip || (_ws.malformed || _ws.expert.severity == error) && \(capture.isOfPorts)", "-T", "fields",
                "-E", "separator=/t",
                "-E",
                "aggregator=|",
            ] + Self.fields.flatMap { ["-e", $0] })
        for line in lines {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard fields.count == Self.fields.count else { throw InteropError("unexpected line of tshark: \(line)") }
            func values(_ field: Int) -> [Substring] { fields[field].split(separator: "|") }
            if !fields[11].isEmpty || values(12).contains(where: { $0 == Self.error }) {
                malformed.append("frame \(fields[0]): \(fields[13])")
            }
            algorithms.formUnion(values(10).map { $0.filter { $0 != "\"" } })
            var methods = values(5), statuses = values(6)
            let numbers = values(7), cseqMethods = values(8), callIDs = values(9)
            guard let source = UInt16(fields[1].isEmpty ? fields[3] : fields[1]),
                let destination = UInt16(fields[2].isEmpty ? fields[4] : fields[2]),
                callIDs.count == methods.count + statuses.count, cseqMethods.count == callIDs.count,
                numbers.count == callIDs.count
            else {
                if callIDs.isEmpty { continue }
                throw InteropError("tshark's frame \(fields[0]) cannot be told apart: \(line)")
            }
            // Several messages may stand in one segment: requests and responses are listed apart, CSeqs in the order of all.
            for (place, method) in cseqMethods.enumerated() {
                let kind: String
                if methods.first == method {
                    kind = String(methods.removeFirst())
                } else if !statuses.isEmpty {
                    kind = "\(statuses.removeFirst()) \(method)"
                } else {
                    throw InteropError("tshark's frame \(fields[0]) has a request with another CSeq: \(line)")
                }
                let message = Message(
                    kind: kind, callID: callIDs[place], cseq: Int(numbers[place]) ?? -1, source: source,
                    destination: destination)
                if seen.insert(message).inserted { messages.append(message) }
            }
        }
    }

    /// How many messages there are of each kind; `from` and `to` keep those from or to a port.
    func counts(from source: UInt16? = nil, to destination: UInt16? = nil) -> [String: Int] {
        var counts: [String: Int] = [:]
        for message in messages
        where (source ?? message.source) == message.source
            && (destination ?? message.destination) == message.destination
        {
            counts[message.kind, default: 0] += 1
        }
        return counts
    }

    /// How many Call-IDs there are with a message of this kind. A request that was sent again because its answer was slow may have
    /// got two answers; its call is one.
    func calls(with kind: String, from source: UInt16? = nil) -> Int {
        Set(
            messages.lazy.filter { $0.kind == kind && (source ?? $0.source) == $0.source }.map(\.callID)
        ).count
    }

    var callIDs: Set<Substring> { Set(messages.map(\.callID)) }

    /// Calls by their Call-ID, each message in its order.
    var calls: [Substring: [Message]] { Dictionary(grouping: messages, by: \.callID) }
}
