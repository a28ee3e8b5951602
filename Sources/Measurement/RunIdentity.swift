import Glibc

/// What a run was and where it ran: enough to repeat it and to find its calls in the server's log.
public struct RunIdentity: Sendable, Hashable, Codable {
    /// Version of Carillon.
    public var version: String
    public var scenario: String
    /// The scenario's file, or nil for one of the catalogue.
    public var scenarioFile: String?
    /// The command with its arguments.
    public var command: [String]
    public var seed: UInt64
    /// The nonce mixed into the identifiers of this run.
    public var runID: String
    public var host: HostFacts

    public init(
        version: String, scenario: String, scenarioFile: String? = nil, command: [String], seed: UInt64, runID: String,
        host: HostFacts = .current()
    ) {
        self.version = version
        self.scenario = scenario
        self.scenarioFile = scenarioFile
        self.command = command
        self.seed = seed
        self.runID = runID
        self.host = host
    }
}

/// The machine the generator ran on (RFC 6076 §5.6 wants the environment documented).
public struct HostFacts: Sendable, Hashable, Codable {
    public var hostName: String
    public var kernel: String
    public var cpuModel: String
    /// Logical CPUs on line.
    public var cores: Int

    public init(hostName: String, kernel: String, cpuModel: String, cores: Int) {
        self.hostName = hostName
        self.kernel = kernel
        self.cpuModel = cpuModel
        self.cores = cores
    }

    public static func current() -> HostFacts {
        var names = utsname()
        uname(&names)
        let cores = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        return HostFacts(
            hostName: text(of: &names.nodename),
            kernel: "\(text(of: &names.sysname)) \(text(of: &names.release)) \(text(of: &names.machine))",
            cpuModel: cpuModelName(), cores: cores)
    }

    private static func text<T>(of field: inout T) -> String {
        withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private static func cpuModelName() -> String {
        guard let file = fopen("/proc/cpuinfo", "r") else { return "unknown" }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 512)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix("model name"), let colon = text.firstIndex(of: ":") else { continue }
            return String(text[text.index(after: colon)...].drop { $0 == " " }.prefix { $0 != "\n" })
        }
        return "unknown"
    }
}

/// The load that was asked for.
public struct PlannedLoad: Sendable, Hashable, Codable {
    public enum Arrivals: String, Sendable, Hashable, Codable {
        /// Open: runs begin when the plan says so, as a Poisson process or at equal distances.
        case poisson, uniform
        /// Closed: a run begins when another ends. Due time is send time, so delays from due time say nothing more.
        case closed
        /// Runs begin when the peer calls.
        case answering
    }

    public var arrivals: Arrivals
    public var ratePerSecond: Double?
    public var concurrency: Int?
    public var runs: UInt64?
    public var durationNanoseconds: Int64?
    /// Arrivals later than this are not started.
    public var catchUpLimitNanoseconds: Int64
    public var workers: Int
    public var transport: String
    /// Where requests go, as the user wrote it; nil where both sides run in one process or none is needed.
    public var target: String?
    public var segmentedSends: Bool
    public var traces: String

    public init(
        arrivals: Arrivals, ratePerSecond: Double? = nil, concurrency: Int? = nil, runs: UInt64? = nil,
        durationNanoseconds: Int64? = nil, catchUpLimitNanoseconds: Int64 = 100_000_000, workers: Int = 1,
        transport: String = "udp", target: String? = nil, segmentedSends: Bool = true, traces: String = "failed"
    ) {
        self.arrivals = arrivals
        self.ratePerSecond = ratePerSecond
        self.concurrency = concurrency
        self.runs = runs
        self.durationNanoseconds = durationNanoseconds
        self.catchUpLimitNanoseconds = catchUpLimitNanoseconds
        self.workers = workers
        self.transport = transport
        self.target = target
        self.segmentedSends = segmentedSends
        self.traces = traces
    }
}

/// How the clocks of a run hang together.
public struct RunClock: Sendable, Hashable, Codable {
    /// CLOCK_MONOTONIC and UTC since 1970 at one and the same instant: the epoch of the run.
    public var epochMonotonicNanoseconds: Int64
    public var epochUTCNanoseconds: Int64
    /// How far a kernel stamp mapped to CLOCK_MONOTONIC may be off.
    public var stampUncertaintyNanoseconds: Int64

    public init(epoch: MonotonicInstant, epochUTCNanoseconds: Int64, stampUncertaintyNanoseconds: Int64) {
        epochMonotonicNanoseconds = epoch.nanoseconds
        self.epochUTCNanoseconds = epochUTCNanoseconds
        self.stampUncertaintyNanoseconds = stampUncertaintyNanoseconds
    }

    public func utcNanoseconds(of instant: MonotonicInstant) -> Int64 {
        epochUTCNanoseconds + (instant.nanoseconds - epochMonotonicNanoseconds)
    }
}

/// Why the run ended. In JSON an object with `kind` and, where it was aborted, `reason`.
public enum RunEnd: Sendable, Hashable, Codable {
    /// The plan was carried out.
    case finished
    /// SIGINT, SIGTERM, SIGHUP. Drained, or cut off by a second signal.
    case interrupted, terminated, hangup
    /// Given up by run control, for example since every request of the first second was refused.
    case aborted(reason: String)

    private enum CodingKeys: String, CodingKey { case kind, reason }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let kind = try container.decode(String.self, forKey: .kind)
        switch kind {
        case "finished": self = .finished
        case "interrupted": self = .interrupted
        case "terminated": self = .terminated
        case "hangup": self = .hangup
        case "aborted": self = .aborted(reason: try container.decode(String.self, forKey: .reason))
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .kind, in: container, debugDescription: "unknown end of a run: \(kind)")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .finished: try container.encode("finished", forKey: .kind)
        case .interrupted: try container.encode("interrupted", forKey: .kind)
        case .terminated: try container.encode("terminated", forKey: .kind)
        case .hangup: try container.encode("hangup", forKey: .kind)
        case .aborted(let reason):
            try container.encode("aborted", forKey: .kind)
            try container.encode(reason, forKey: .reason)
        }
    }
}
