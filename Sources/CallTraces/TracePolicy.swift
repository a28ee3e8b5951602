/// Which runs are recorded, and which of them are written.
public enum TracePolicy: Sendable, Hashable {
    /// Every run is recorded; those that fail are written, within `TraceLimits`.
    case failed
    /// Every run is recorded and written.
    case all
    /// One run in `oneIn` is recorded and written, however it ends. Decided by the run's number alone, so that both
    /// sides of a test choose the same runs.
    case sample(oneIn: UInt64)
    /// Runs whose number is below this are recorded and written, however they end.
    case first(UInt64)
    case off

    /// Whether messages of this run are kept.
    ///
    /// - Parameter run: the run's number in the whole plan, from 0.
    @inlinable public func records(run: UInt64) -> Bool {
        switch self {
        case .failed, .all: true
        case .sample(let oneIn): TracePolicy.isSampled(run: run, oneIn: oneIn)
        case .first(let count): run < count
        case .off: false
        }
    }

    /// Whether a run that ended well is written too.
    @inlinable public var writesRunsThatEndedWell: Bool {
        switch self {
        case .failed, .off: false
        case .all, .sample, .first: true
        }
    }

    @usableFromInline static func isSampled(run: UInt64, oneIn: UInt64) -> Bool {
        oneIn <= 1 || scrambled(run &+ 0x9E37_79B9_7F4A_7C15) % oneIn == 0
    }

    /// Reads the value of `--trace`: `failed`, `all`, `sample=1/N`, `first=N` or `off`; nil for anything else.
    public init?(argument: String) {
        switch argument {
        case "failed": self = .failed
        case "all": self = .all
        case "off": self = .off
        default:
            if argument.hasPrefix("sample=1/"), let n = UInt64(argument.dropFirst(9)), n > 0 {
                self = .sample(oneIn: n)
            } else if argument.hasPrefix("first="), let n = UInt64(argument.dropFirst(6)), n > 0 {
                self = .first(n)
            } else {
                return nil
            }
        }
    }
}

/// How much is kept and written. No limit ever blocks a call: what passes it is cut or skipped, and counted.
public struct TraceLimits: Sendable {
    /// Of one run, this many messages from its start …
    public var firstMessages: UInt16 = 16
    /// … and this many up to its end are kept.
    public var lastMessages: UInt16 = 48
    /// Failed runs are written whole until this many runs …
    public var failedRuns: UInt64 = 1000
    /// … or this many octets of messages; then …
    public var failedOctets: UInt64 = 256 << 20
    /// … one in this many, by run number, and the first of each kind of failure not seen before.
    public var thenOneIn: UInt64 = 1000
    /// Octets handed over and not yet written; a run that finds the queue full is lost and counted.
    public var queuedOctets: Int = 32 << 20
    /// The file ends here; later runs are counted as not written.
    public var fileOctets: UInt64 = 4 << 30

    public init() {}
}
