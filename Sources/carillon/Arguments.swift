import ArgumentParser
import Blaster
import CallTraces
import SIPWire
import ScenarioDSL

// Values of options: text to what it means, or a sentence that says how it is written. ArgumentParser puts the option and
// the value before the sentence and ends with exit code 64.

/// Thrown by the readers below.
struct ArgumentProblem: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// `5000/s`, `300/m`, or a bare number a second.
struct Rate {
    var perSecond: Double

    static func parse(_ argument: String) throws -> Rate {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        let digits = parts[0].filter { $0 != "_" && $0 != "," }
        guard parts.count <= 2, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || $0 == 0x2E }),
            let number = Double(digits)
        else { throw ArgumentProblem("write a number a second, a minute or an hour: 5000/s, 300/m, 20/h") }
        let perSecond: Double
        switch parts.count == 2 ? parts[1] : "s" {
        case "s", "sec", "second": perSecond = number
        case "m", "min", "minute": perSecond = number / 60
        case "h", "hour": perSecond = number / 3600
        default: throw ArgumentProblem("\"/\(parts[1])\" is no unit of time here: /s, /m and /h are")
        }
        guard perSecond >= 0.0001, perSecond <= 10_000_000 else {
            throw ArgumentProblem("a rate is from 0.36/h to 10000000/s")
        }
        return Rate(perSecond: perSecond)
    }

    /// `500/s`, `0.5/s`, `3/m`.
    var text: String {
        func plain(_ value: Double) -> String? {
            abs(value - value.rounded()) < 1e-9 * value ? "\(Int(value.rounded()))" : nil
        }
        if let whole = plain(perSecond) { return "\(whole)/s" }
        if perSecond < 1, let whole = plain(perSecond * 60) { return "\(whole)/m" }
        if perSecond < 1, let whole = plain(perSecond * 3600) { return "\(whole)/h" }
        return "\((perSecond * 1000).rounded() / 1000)/s"
    }
}

/// `250ms`, `30s`, `2m`, `1h`, or a bare number of seconds.
struct TimeAmount {
    var nanoseconds: Int64

    private static let longest: Int64 = 366 * 86_400 * 1_000_000_000

    static func parse(_ argument: String) throws -> TimeAmount {
        guard let time = Seconds(parsing: argument) else {
            throw ArgumentProblem("write a time with its unit: 250ms, 30s, 2m, 1h")
        }
        guard time.nanoseconds > 0 else { throw ArgumentProblem("a time is longer than nothing") }
        guard time.nanoseconds <= longest else { throw ArgumentProblem("a year is the longest there is") }
        return TimeAmount(nanoseconds: time.nanoseconds)
    }

    /// For the protocol timers, which count milliseconds.
    static func parseTimer(_ argument: String) throws -> TimeAmount {
        let time = try parse(argument)
        guard time.nanoseconds >= 1_000_000, time.nanoseconds <= 86_400 * 1_000_000_000 else {
            throw ArgumentProblem("a timer is from 1ms to 24h")
        }
        return time
    }

    var milliseconds: UInt32 { UInt32(clamping: nanoseconds / 1_000_000) }
}

/// `64M`, `1G`, `500k`, or a bare number of octets.
struct MemoryAmount {
    var octets: Int

    static func parse(_ argument: String) throws -> MemoryAmount {
        let units: [Character: Int] = ["k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
        let unit = argument.last.flatMap { units[$0] }
        guard let number = Int(unit == nil ? argument : String(argument.dropLast())), number > 0 else {
            throw ArgumentProblem("write a number of octets: 64M, 500k, 1G")
        }
        let (octets, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
        guard !overflow, octets >= 64 << 10, octets <= 1 << 40 else {
            throw ArgumentProblem("memory for traces is from 64k to 1024G")
        }
        return MemoryAmount(octets: octets)
    }
}

enum Switch: String, ExpressibleByArgument, CaseIterable {
    case on, off
}

enum Arrivals: String, ExpressibleByArgument, CaseIterable {
    case poisson, uniform
}

enum Waiting: String, ExpressibleByArgument, CaseIterable {
    case auto, event, moderated, spin

    var policy: WaitPolicy {
        switch self {
        case .auto: .automatic
        case .event: .event
        case .moderated: .moderated
        case .spin: .spin
        }
    }
}

enum TraceChoice {
    static func parse(_ argument: String) throws -> TracePolicy {
        guard let policy = TracePolicy(argument: argument) else {
            throw ArgumentProblem("write failed, all, sample=1/100, first=20 or off")
        }
        return policy
    }
}

/// Eight hexadecimal digits, as the head of a run and run.json show them.
enum RunIdentifier {
    static func parse(_ argument: String) throws -> UInt32 {
        guard argument.utf8.count <= 8, argument.allSatisfy(\.isHexDigit), let value = UInt32(argument, radix: 16),
            value != 0
        else { throw ArgumentProblem("write the run's eight hexadecimal digits, 1f57e9e3; not all may be 0") }
        return value
    }

    static func text(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

/// `sip:alice@example.com` as `--from` and `--to` take it.
enum SIPAddress {
    static func parse(_ argument: String) throws -> String {
        let lower = argument.lowercased()
        guard ["sip:", "sips:", "tel:"].contains(where: lower.hasPrefix), argument.utf8.count > 4 else {
            throw ArgumentProblem("write a SIP URI: sip:alice@example.com")
        }
        guard argument.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"<>\"\\^`{|}".utf8.contains($0) }) else {
            throw ArgumentProblem("a URI has no blanks, brackets or quotes (RFC 3261 §25.1): sip:alice@example.com")
        }
        return argument
    }
}

/// A host, or host:port, as it stands in a URI.
enum HostText {
    static func parse(_ argument: String) throws -> String {
        if argument.hasPrefix("[") || argument.filter({ $0 == ":" }).count > 1 { return try reference(argument) }
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        let isHost = { (octet: UInt8) in
            octet >= 0x30 && octet <= 0x39 || octet | 0x20 >= 0x61 && octet | 0x20 <= 0x7A || "-._".utf8.contains(octet)
        }
        guard let host = parts.first, !host.isEmpty, host.utf8.allSatisfy(isHost),
            parts.count == 1 || UInt16(parts[1]).map({ $0 > 0 }) == true
        else { throw ArgumentProblem("write a host name, an IPv4 address, or an IPv6 address in brackets") }
        return argument
    }

    /// An IPv6reference (RFC 3261 §25.1) with or without a port; an address alone gets its brackets here.
    private static func reference(_ argument: String) throws -> String {
        let text = argument.hasPrefix("[") ? argument : "[\(argument)]"
        let isAddress = { (whole: String) in
            Array(whole.utf8).withUnsafeBytes { octets in
                octets.baseAddress.flatMap {
                    TransportAddress($0, hostport: OctetRange(offset: 0, length: UInt32(octets.count)), defaultPort: 0)
                } != nil
            }
        }
        guard isAddress(text) else { throw ArgumentProblem("write an IPv6 address in brackets: [2001:db8::1]") }
        return text
    }

    static func parseWithoutPort(_ argument: String) throws -> String {
        let text = try parse(argument)
        guard text.hasPrefix("[") ? text.hasSuffix("]") : !text.contains(":") else {
            throw ArgumentProblem(
                "write a host name or an address, without a port: the port is the socket's own")
        }
        return text
    }
}

/// `Name: value` as `--header` takes it.
enum ExtraHeader {
    /// What Carillon writes into every request: a second one would make the message unreadable.
    private static let own: Set<String> = [
        "via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "contact", "m", "max-forwards", "content-length",
        "l",
        "content-type", "c",
    ]

    static func parse(_ argument: String) throws -> String {
        guard let colon = argument.firstIndex(of: ":") else {
            throw ArgumentProblem("write 'Name: value'")
        }
        let name = argument[..<colon]
        guard !name.isEmpty, name.utf8.allSatisfy(isTokenOctet) else {
            throw ArgumentProblem("\"\(name)\" is no header name: a token is (RFC 3261 §25.1)")
        }
        guard !argument.unicodeScalars.contains(where: { $0.value < 0x20 && $0.value != 9 || $0.value == 0x7F }) else {
            throw ArgumentProblem("a line end or control character inside a header would make another header of it")
        }
        if own.contains(name.lowercased()) {
            throw ArgumentProblem(
                "\(name) is written by Carillon itself; a scenario replaces it with Header(\"\(name)\", …) in its Send")
        }
        return argument
    }

    private static func isTokenOctet(_ octet: UInt8) -> Bool {
        octet | 0x20 >= 0x61 && octet | 0x20 <= 0x7A || octet >= 0x30 && octet <= 0x39
            || "-.!%*_+`'~".utf8.contains(octet)
    }
}
