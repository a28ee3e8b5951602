import ArgumentParser
import Blaster
import CallTraces
import ScenarioDSL

/// `5000/s`, `300/m`, or a bare number a second.
struct Rate: ExpressibleByArgument {
    var perSecond: Double

    init?(argument: String) {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let number = Double(parts[0].filter { $0 != "_" && $0 != "," }), number > 0,
            number <= 10_000_000
        else { return nil }
        switch parts.count == 2 ? parts[1] : "s" {
        case "s", "sec", "second": perSecond = number
        case "m", "min", "minute": perSecond = number / 60
        case "h", "hour": perSecond = number / 3600
        default: return nil
        }
    }
}

/// `250ms`, `30s`, `2m`, `1h`, or a bare number of seconds.
struct TimeAmount: ExpressibleByArgument {
    var nanoseconds: Int64

    init?(argument: String) {
        guard let time = Seconds(parsing: argument), time.nanoseconds > 0 else { return nil }
        nanoseconds = time.nanoseconds
    }

    /// Milliseconds, for the protocol timers.
    var milliseconds: UInt32 { UInt32(clamping: nanoseconds / 1_000_000) }
}

/// `64M`, `1G`, `500k`, or a bare number of octets.
struct MemoryAmount: ExpressibleByArgument {
    var octets: Int

    init?(argument: String) {
        let units: [Character: Int] = ["k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
        guard let last = argument.last else { return nil }
        let unit = units[last] ?? 1
        guard let number = Int(units[last] == nil ? argument : String(argument.dropLast())), number >= 0,
            number < 1 << 40
        else { return nil }
        octets = number * unit
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

struct TraceChoice: ExpressibleByArgument {
    var policy: TracePolicy

    init(policy: TracePolicy) { self.policy = policy }

    init?(argument: String) {
        guard let policy = TracePolicy(argument: argument) else { return nil }
        self.policy = policy
    }

    var defaultValueDescription: String { "failed" }
}

/// Eight hexadecimal digits.
struct RunID: ExpressibleByArgument {
    var value: UInt32

    init?(argument: String) {
        guard let value = UInt32(argument, radix: 16), value != 0 else { return nil }
        self.value = value
    }
}
