import ArgumentParser
import Blaster
import CarillonKit
import Measurement

/// How many calls, how fast.
struct LoadOptions: ParsableArguments {
    @Option(
        name: .customLong("rate"), help: "Calls started a second, whatever becomes of them: 5000/s, 300/m.",
        transform: Rate.parse)
    var rate: Rate?
    @Option(
        name: .customLong("for"), help: "How long calls are started: 30s. Default: until --calls, else until Ctrl-C.",
        transform: TimeAmount.parse)
    var duration: TimeAmount?
    @Option(name: .customLong("calls"), help: "How many calls are started. Nothing said at all: one.")
    var calls: UInt64?
    @Option(
        name: .customLong("concurrency"),
        help: "Calls in progress at most. Without --rate: always so many, a new one when one ends.")
    var concurrency: Int?
    @Option(name: .customLong("arrivals"), help: "How starts are spread over time.")
    var arrivals: Arrivals?
    @Flag(
        name: .customLong("yes-load"),
        help: "The target may have more than 100/s though it is neither loopback nor private.")
    var yesLoad = false

    /// Where only a number or a time is given.
    static let defaultRate = 10.0
    static let rateThatAsks = 100.0

    func validate() throws {
        if let concurrency, !(1...4_000_000).contains(concurrency) {
            throw ValidationError("--concurrency \(concurrency): from 1 to 4000000")
        }
        if let calls, calls == 0 { throw ValidationError("--calls 0: a run of no calls shows nothing") }
        if arrivals != nil, rate == nil, concurrency != nil {
            throw ValidationError(
                "--arrivals says how a --rate is spread; with --concurrency alone a call starts when another ends")
        }
    }

    func apply(to run: inout ScenarioRun, _ destination: Destination?) {
        run.duration = duration?.nanoseconds
        run.calls = calls
        let process: ArrivalProcess = arrivals == .uniform ? .uniform : .poisson
        let isStranger = destination.map { !$0.isLoopbackOrPrivate } ?? false
        if let rate {
            run.load = .open(rate: rate.perSecond, process: process, concurrency: concurrency)
            askAbout(rate, rate.text, destination)
        } else if let concurrency {
            run.load = .closed(concurrency: concurrency)
            if isStranger, !yesLoad {
                stop(
                    .usage,
                    [
                        "--concurrency without --rate goes as fast as answers come, and \(destination!.strangerText) is neither"
                            + " loopback nor private: give a --rate, or say --yes-load"
                    ])
            }
        } else if calls != nil || duration != nil {
            run.load = .open(rate: Self.defaultRate, process: process, concurrency: nil)
        } else {
            run.load = .open(rate: 1, process: .uniform, concurrency: nil)
            run.calls = 1
        }
    }

    /// Ends the program where a rate is for somebody else's server and nobody has said that it may be.
    func askAbout(_ rate: Rate, _ text: String, _ destination: Destination?) {
        guard let destination, !destination.isLoopbackOrPrivate, rate.perSecond > Self.rateThatAsks, !yesLoad else {
            return
        }
        stop(
            .usage,
            [
                "\(text) at \(destination.strangerText), which is neither loopback nor private: load only what you"
                    + " run yourself, and say so with --yes-load"
            ])
    }

    /// The load in words, for the head of a run.
    func text(_ run: ScenarioRun) -> String {
        var parts: [String] = []
        switch run.load {
        case .open(let rate, let process, let cap):
            if run.calls == 1 {
                parts.append(calls == nil ? "one call (--rate, --calls, --for give more)" : "one call")
            } else {
                let unsaid = self.rate == nil ? " (the default)" : ""
                parts.append("\(Rate(perSecond: rate).text)\(unsaid)")
                parts.append(process == .poisson ? "Poisson arrivals" : "evenly spaced")
            }
            if let cap { parts.append("at most \(grouped(UInt64(cap))) at once") }
        case .closed(let concurrency):
            parts.append("\(grouped(UInt64(concurrency))) at once, as fast as answers come")
        case .none: break
        }
        if let calls = run.calls, calls > 1 { parts.append("\(grouped(calls)) calls") }
        if let duration = run.duration { parts.append("for \(durationText(duration))") }
        if run.endingRows != nil { parts.append("until the rows end") }
        if run.calls == nil && run.duration == nil { parts.append("until Ctrl-C") }
        return parts.joined(separator: ", ")
    }
}
