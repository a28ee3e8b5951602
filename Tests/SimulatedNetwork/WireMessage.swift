/// One SIP message as somebody reads it who has only RFC 3261 in hand: slowly, and with nothing of the engine's scanner.
public final class WireMessage {
    public let octets: [UInt8]
    public private(set) var startLine = ""
    /// Nil for a request.
    public private(set) var status: Int?
    /// Of a response: the method of its CSeq.
    public private(set) var method = ""
    public private(set) var requestURI = ""
    public private(set) var callID = ""
    public private(set) var cseq = -1
    public private(set) var via = ""
    public private(set) var branch = ""
    public private(set) var sentBy = ""
    public private(set) var from = ""
    public private(set) var to = ""
    public private(set) var fromTag = ""
    public private(set) var toTag = ""
    public private(set) var contactURI = ""
    public private(set) var routes: [String] = []
    /// What is wrong with the form of the message.
    public private(set) var faults: [String] = []

    public var isRequest: Bool { status == nil }
    public var isFinal: Bool { (status ?? 0) >= 200 }
    /// A provisional response that asks for a PRACK (RFC 3262 §7.1).
    public var isReliable: Bool { String(decoding: octets, as: UTF8.self).contains("\r\nRSeq:") }
    public var isSuccess: Bool { status.map { $0 >= 200 && $0 < 300 } ?? false }

    public init(_ octets: [UInt8]) {
        self.octets = octets
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        var body = octets.count
        var index = 0
        while index + 1 < octets.count {
            if octets[index] == 0x0D, octets[index + 1] == 0x0A {
                if index == start {
                    body = index + 2
                    break
                }
                lines.append(octets[start..<index])
                start = index + 2
                index += 2
            } else {
                index += 1
            }
        }
        guard let first = lines.first else {
            faults.append("no start line")
            return
        }
        startLine = String(decoding: first, as: UTF8.self)
        readStartLine()
        var seen: [String: Int] = [:]
        var length: Int?
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: 0x3A) else {
                faults.append("a header line without colon: \(String(decoding: line, as: UTF8.self))")
                continue
            }
            let name = Self.lowercased(line[..<colon])
            let value = String(decoding: line[(colon + 1)...].drop { $0 == 0x20 }, as: UTF8.self)
            seen[name, default: 0] += 1
            read(name, value, &length)
        }
        for name in ["from", "to", "call-id", "cseq"] where seen[name] != 1 {
            faults.append("\(name) stands \(seen[name] ?? 0) times (§8.1.1)")
        }
        if seen["via"] == nil { faults.append("no Via (§8.1.1)") }
        if isRequest && seen["max-forwards"] != 1 { faults.append("no Max-Forwards (§8.1.1.6)") }
        if !branch.hasPrefix("z9hG4bK") { faults.append("branch \(branch) without the cookie (§8.1.1.7)") }
        if fromTag.isEmpty { faults.append("no From tag (§8.1.1.3)") }
        if fromTag == toTag { faults.append("both ends have the tag \(fromTag), which must be unique (§19.3)") }
        if length != octets.count - body {
            faults.append("Content-Length \(length ?? -1), body of \(octets.count - body) octets (§20.14)")
        }
        if octets.count - body > 0, seen["content-type"] != 1 { faults.append("a body without Content-Type (§20.15)") }
    }

    private func readStartLine() {
        let words = startLine.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count == 3 else {
            faults.append("start line of \(words.count) words")
            return
        }
        if words[0] == "SIP/2.0" {
            status = Int(words[1])
            if status.map({ $0 < 100 || $0 > 699 }) ?? true { faults.append("status \(words[1])") }
        } else {
            method = String(words[0])
            requestURI = String(words[1])
            if words[2] != "SIP/2.0" { faults.append("version \(words[2])") }
        }
    }

    private func read(_ name: String, _ value: String, _ length: inout Int?) {
        switch name {
        case "via":
            guard via.isEmpty else { return }
            via = value
            branch = Self.parameter("branch", value)
            let words = value.split(separator: " ", maxSplits: 1)
            sentBy = words.count == 2 ? String(words[1].prefix { $0 != ";" }) : ""
        case "from":
            from = value
            fromTag = Self.parameter("tag", value)
        case "to":
            to = value
            toTag = Self.parameter("tag", value)
        case "call-id": callID = value
        case "cseq":
            let words = value.split(separator: " ")
            cseq = words.first.flatMap { Int($0) } ?? -1
            let named = words.count == 2 ? String(words[1]) : ""
            if status == nil {
                if named != method { faults.append("CSeq of \(named) in a \(method) (§8.1.1.5)") }
            } else {
                method = named
            }
        case "contact": contactURI = Self.uri(value)
        case "route": routes.append(value)
        case "content-length": length = Int(value)
        default: break
        }
    }

    /// What stands in angle brackets, or all up to the parameters.
    private static func uri(_ value: String) -> String {
        guard let open = value.firstIndex(of: "<") else { return String(value.prefix { $0 != ";" }) }
        return String(value[value.index(after: open)...].prefix { $0 != ">" })
    }

    /// A parameter behind the URI's angle brackets.
    private static func parameter(_ name: String, _ value: String) -> String {
        var rest = value[...]
        if let close = rest.lastIndex(of: ">") { rest = rest[close...] }
        for part in rest.split(separator: ";").dropFirst() where part.hasPrefix(name + "=") {
            return String(part.dropFirst(name.count + 1))
        }
        return ""
    }

    private static func lowercased(_ octets: ArraySlice<UInt8>) -> String {
        String(decoding: octets.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}
