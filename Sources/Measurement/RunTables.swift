import SIPWire

/// What happened at one step, over all runs.
public struct StepRecord: Sendable, Hashable, Codable {
    public var step: StepDescription
    public var sent: UInt64
    public var received: UInt64
    public var retransmissionsSent: UInt64
    public var retransmissionsReceived: UInt64
    public var timedOut: UInt64
    public var unexpected: UInt64
    public var absorbed: UInt64
    public var failed: UInt64

    init(_ step: StepDescription, events: ArraySlice<UInt64>) {
        func count(_ event: StepEvent) -> UInt64 { events[events.startIndex + event.rawValue] }
        self.step = step
        sent = count(.sent)
        received = count(.received)
        retransmissionsSent = count(.retransmissionsSent)
        retransmissionsReceived = count(.retransmissionsReceived)
        timedOut = count(.timedOut)
        unexpected = count(.unexpected)
        absorbed = count(.absorbed)
        failed = count(.failed)
    }
}

/// Responses of one status to one method.
public struct ResponseCount: Sendable, Hashable, Codable {
    public var status: Int
    /// The method as it stands in the request line; "other" for those without a name here, "" where it is not known.
    public var method: String
    public var count: UInt64

    /// From a table of 1,024 statuses for each method.
    static func list(_ table: ArraySlice<UInt64>, method: String? = nil) -> [ResponseCount] {
        table.indices.compactMap { index in
            guard table[index] > 0 else { return nil }
            let place = index - table.startIndex
            let name = method ?? Method(rawValue: UInt8(place >> 10))?.reportName ?? "other"
            return ResponseCount(status: place & 1_023, method: name, count: table[index])
        }
        .sorted { ($0.status, $0.method) < ($1.status, $1.method) }
    }
}

extension Method {
    var reportName: String { self == .other ? "other" : "\(self)".uppercased() }
}

/// What becomes of a run.
@frozen public enum RunEvent: Int, Sendable, CaseIterable {
    case started, succeeded, failed, drained
}

/// Runs of one scenario, where several are mixed.
public struct ScenarioCount: Sendable, Hashable, Codable {
    public var name: String
    public var started: UInt64
    public var succeeded: UInt64
    public var failed: UInt64
    /// Cancelled or hung up by us at the end of the run.
    public var drained: UInt64

    static func list(_ names: [String], _ counts: [UInt64]) -> [ScenarioCount] {
        names.enumerated().map { number, name in
            func count(_ event: RunEvent) -> UInt64 { counts[number * RunEvent.allCases.count + event.rawValue] }
            return ScenarioCount(
                name: name, started: count(.started), succeeded: count(.succeeded), failed: count(.failed),
                drained: count(.drained))
        }
    }
}

public struct NamedCount: Sendable, Hashable, Codable {
    public var name: String
    public var count: UInt64

    static func list(_ names: [String], _ counts: [UInt64]) -> [NamedCount] {
        zip(names, counts).map { NamedCount(name: $0, count: $1) }
    }
}

/// One worker's part of the work.
public struct WorkerShare: Sendable, Hashable, Codable {
    public var runsStarted: UInt64
    public var messagesSent: UInt64
    public var messagesReceived: UInt64
    /// Work without waiting, and the time of which it is a part.
    public var busyNanoseconds: UInt64
    public var wallNanoseconds: UInt64
    /// What the kernel charged the thread.
    public var cpuNanoseconds: UInt64
    public var startLatenessP99Nanoseconds: Int64

    init(_ worker: WorkerRecord) {
        runsStarted = worker.value(of: .runsStarted)
        messagesSent = worker.value(of: .messagesSent)
        messagesReceived = worker.value(of: .messagesReceived)
        busyNanoseconds = worker.value(of: .busyNanoseconds)
        wallNanoseconds = worker.value(of: .wallNanoseconds)
        cpuNanoseconds = worker.value(of: .cpuNanoseconds)
        startLatenessP99Nanoseconds = Int64(
            worker.histogram(of: .startLateness).value(atPercentile: 99) ?? 0)
    }

    /// 0 to 1.
    public var busyShare: Double { wallNanoseconds == 0 ? 0 : Double(busyNanoseconds) / Double(wallNanoseconds) }
}
