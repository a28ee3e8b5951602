import CLinuxSockets
import Measurement

/// How a worker waits when it has nothing to do. One sleep and wake costs about 40 µs of CPU, as much as five calls.
public enum WaitPolicy: Sendable, Equatable {
    /// By the rate of what happens: `event` while it is low, `moderated` above. Arrivals are met to a few microseconds as
    /// long as a worker has no more than 5,000 a second; beyond, they leave in portions of up to 1 ms.
    case automatic
    /// Until something comes or is due: least delay, a wake for each.
    case event
    /// For a while of up to 1 ms, whatever comes meanwhile, so that one wake serves many.
    case moderated
    /// Not at all: least delay, a whole core.
    case spin
}

/// Chooses how to wait from what has happened lately. An event is a datagram received or a run started.
struct WaitGovernor {
    enum Mode { case event, moderated, spin }

    private(set) var mode: Mode
    /// How long a moderated wait lasts, from wake to wake, in nanoseconds.
    private(set) var quantum: Int64

    /// Arrivals are worth a wake of their own, a little early, and a look at the clock until they are due: else every gap
    /// shorter than a wake would be none, and the arrivals not what they claim to be.
    let isPrecise: Bool
    /// How much earlier than an arrival to wake, in nanoseconds: what wakes were late by lately, and some.
    private(set) var lead: Int64 = 50_000

    private let policy: WaitPolicy
    private let longest: Int64
    private let threshold: Double
    /// Runs that a closed load keeps in progress; nil for others.
    private let concurrency: Int?
    private var since: Int64 = 0
    private var events = 0
    private var endedRuns: UInt64 = 0

    /// Gathered by one moderated wait, where the bounds of its length allow: a few full batches, and a burst that even a
    /// peer with default buffers (166 datagrams) survives.
    private static let gathered = 128.0
    private static let shortest: Int64 = 100_000
    private static let period: Int64 = 50_000_000
    private static let mostPrecise = 5000.0
    private static let leads: ClosedRange<Int64> = 20_000...100_000
    /// A closed load starts a run when one ends, so that what a wait adds to a run comes off the rate. A wait is at most this
    /// part of a run, which costs nothing where the peer is the limit and a few percent where the way to it is.
    private static let partOfRun = 16.0

    /// - Parameter concurrency: the runs that this worker keeps in progress under a closed load.
    /// - Parameter streams: messages come without stamps of the kernel's, so that delays have the wait in them.
    init(_ policy: WaitPolicy, load: Load, concurrency: Int, workers: Int, streams: Bool = false) {
        var expected = 0.0
        if case .open(let rate, _, _) = load {
            // A basic call is an arrival and three received datagrams.
            expected = 4 * rate / Double(workers)
            isPrecise = (policy == .automatic || policy == .event) && rate / Double(workers) <= Self.mostPrecise
        } else {
            isPrecise = false
        }
        self.concurrency = if case .closed = load { concurrency } else { nil }
        switch load {
        case .open where !streams:
            // A thousand arrivals a second may be a millisecond late, and each makes four events.
            longest = 1_000_000
            threshold = 1000
        case .open:
            longest = 250_000
            threshold = 8000
        case .closed, .none:
            // Whoever waits for our answer is kept waiting: only where many of them share the delay.
            longest = 250_000
            threshold = 20_000
        }
        self.policy = policy
        mode = .event
        quantum = longest
        choose(rate: expected, runs: 0)
    }

    /// The wait is long because little happens: what comes in answer to our own messages is worth another look.
    var isLongest: Bool { quantum == longest }

    /// - Parameter ended: runs that have ended since the start.
    mutating func count(_ count: Int, ended: UInt64, now: MonotonicInstant) {
        events &+= count
        let elapsed = now.nanoseconds &- since
        guard elapsed >= Self.period else { return }
        // The first period began before the clock was read: there is only `expected` to go by.
        if since != 0 {
            let perSecond = 1e9 / Double(elapsed)
            choose(rate: Double(events) * perSecond, runs: Double(ended &- endedRuns) * perSecond)
        }
        since = now.nanoseconds
        events = 0
        endedRuns = ended
    }

    /// Learns how late a wake was that time alone caused.
    mutating func wokeLate(by late: Int64) {
        let wanted = min(max(late &+ 20_000, Self.leads.lowerBound), Self.leads.upperBound)
        lead &+= (wanted &- lead) / 16
    }

    private mutating func choose(rate: Double, runs: Double) {
        quantum = Int64(min(max(Self.gathered * 1e9 / max(rate, 1), Double(Self.shortest)), Double(longest)))
        var isTooLong = false
        if let concurrency {
            // Little's law: how long a run takes, of which the wait may be a small part.
            let most = runs > 0 ? Double(concurrency) / runs / Self.partOfRun * 1e9 : 0
            isTooLong = most < Double(Self.shortest)
            quantum = Int64(min(Double(quantum), max(most, Double(Self.shortest))))
        }
        switch policy {
        case .event: mode = .event
        case .moderated: mode = .moderated
        case .spin: mode = .spin
        case .automatic:
            // Hysteresis: a rate at the threshold must not swing the latency to and fro.
            if isTooLong {
                mode = .event
            } else if rate >= threshold {
                mode = .moderated
            } else if rate < threshold * 0.7 {
                mode = .event
            }
        }
    }
}
