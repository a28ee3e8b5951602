import ElementServers
import SIPTransactions
import SIPWire
import Testing

/// An element without sockets and without a clock: what it is sent, and what it sends.
final class Wire {
    static let own = TransportAddress(ipv4: 0x7F00_0001, port: 5060)

    struct Sent: CustomStringConvertible {
        var text: String
        var hop: Hop
        var branch: String?
        var description: String { "→ \(hop.address.text)\n\(text)" }

        var startLine: String { text.components("\r\n")[0] }
        var status: Int? { startLine.hasPrefix("SIP/2.0 ") ? Int(startLine.dropFirst(8).prefix(3)) : nil }
        var port: UInt16 { hop.address.port }
        var body: String { text.components("\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n") }

        /// The values of all header fields of that name.
        func values(_ name: String) -> [String] {
            text.components("\r\n\r\n")[0].components("\r\n").filter { $0.hasPrefix(name + ": ") }.map {
                String($0.dropFirst(name.count + 2))
            }
        }

        var requestURI: String { startLine.components(" ")[1] }
        /// Of the topmost Via.
        var viaBranch: String {
            values("Via").first.flatMap { $0.components("branch=").last }.map { $0.components(";")[0] } ?? ""
        }

        /// A response to this request.
        func response(_ status: Int, tag: String = "callee", more: String = "", method: String? = nil) -> String {
            let kept = text.components("\r\n\r\n")[0].components("\r\n").filter { line in
                ["Via:", "From:", "To:", "Call-ID:", "CSeq:", "Record-Route:"].contains { line.hasPrefix($0) }
            }
            let head = kept.map { $0.hasPrefix("To:") && !$0.contains("tag=") ? $0 + ";tag=\(tag)" : $0 }
            return "SIP/2.0 \(status) Because\r\n" + head.joined(separator: "\r\n") + "\r\n" + more
                + "Content-Length: 0\r\n\r\n"
        }
    }

    let element: SIPElement
    var now: Tick = 1000

    init(_ role: ElementSettings.Role, _ more: (inout ElementSettings) -> Void = { _ in }) {
        var settings = ElementSettings(role: role, address: Self.own)
        more(&settings)
        element = SIPElement(settings, seed: (1, 2, 3, 4, 5))
    }

    /// Delivers a message from 127.0.0.1 and this port.
    ///
    /// - Returns: what left on it.
    @discardableResult
    func receive(_ text: String, from port: UInt16 = 6000, isStream: Bool = false, connection: UInt32 = 0) -> [Sent] {
        let source = Hop(
            address: TransportAddress(ipv4: 0x7F00_0001, port: port), isStream: isStream, connection: connection)
        Array(text.utf8).withUnsafeBytes { element.receive($0, from: source, now: now) }
        return take()
    }

    /// Time passes, timer by timer.
    @discardableResult
    func pass(_ milliseconds: UInt32) -> [Sent] {
        let end = now + milliseconds
        var sent: [Sent] = []
        while true {
            let next = element.advance(to: now)
            sent += take()
            guard next <= end else { break }
            now = max(next, now + 1)
        }
        now = end
        return sent
    }

    func take() -> [Sent] {
        let sent = element.outbox.map {
            Sent(text: String(decoding: $0.octets, as: UTF8.self), hop: $0.hop, branch: $0.branch)
        }
        element.outbox = []
        return sent
    }

    /// Registers a Contact, without credentials.
    func register(_ user: String, _ contact: String, callID: String = "reg", cseq: Int = 1) throws {
        let sent = receive(
            request(
                "REGISTER", "sip:127.0.0.1", to: "sip:\(user)@127.0.0.1", branch: "z9hG4bK\(contact.hashValue)",
                callID: "\(callID)-\(contact.hashValue)",
                cseq: cseq, more: "Contact: \(contact)\r\n"))
        try #require(sent.count == 1 && sent[0].status == 200, "\(sent)")
    }
}

/// A request as a phone at 127.0.0.1:6000 sends it.
func request(
    _ method: String, _ uri: String, to: String = "sip:bob@127.0.0.1", toTag: String? = nil,
    branch: String = "z9hG4bKone",
    callID: String = "call", cseq: Int = 1, maxForwards: String? = "70", vias: String = "", more: String = "",
    body: String = ""
) -> String {
    "\(method) \(uri) SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6000;branch=\(branch)\r\n\(vias)"
        + (maxForwards.map { "Max-Forwards: \($0)\r\n" } ?? "")
        + "From: <sip:alice@127.0.0.1>;tag=a\r\nTo: <\(to)>\(toTag.map { ";tag=\($0)" } ?? "")\r\nCall-ID: \(callID)\r\n"
        + "CSeq: \(cseq) \(method)\r\n\(more)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

extension String {
    func components(_ separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
