import ArgumentParser
import Blaster
import CallTraces
import CarillonKit
import Measurement
import SIPWire
import ScenarioDSL

/// `carillon run SCENARIO [TARGET]`.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a scenario against a target, or against itself.",
        discussion: """
            SCENARIO is a name of the catalogue (carillon list), a .swift file or a saved .json program. TARGET is \
            host[:port] or a SIP URI; without it both sides run in this process.

              carillon run basic-call                                  one call, both sides
              carillon run basic-call 10.0.0.5 --rate 500/s --for 1m   calls at a proxy
              carillon run call.swift sip:bob@10.0.0.5 --calls 1       a scenario of your own
            """)

    @Argument(help: "Catalogue name, .swift file or saved .json program.")
    var scenario: String
    @Argument(help: "host[:port] or SIP URI; none: both sides run here.")
    var target: String?
    @Option(name: .customLong("scenario"), help: "Which scenario of a file that declares several.")
    var only: String?

    @Option(name: .customLong("rate"), help: "Calls started a second, whatever becomes of them: 5000/s.")
    var rate: Rate?
    @Option(name: .customLong("for"), help: "How long calls are started: 30s.")
    var duration: TimeAmount?
    @Option(name: .customLong("calls"), help: "How many calls are started.")
    var calls: UInt64?
    @Option(name: .customLong("concurrency"), help: "Calls in progress at most; without --rate: always so many.")
    var concurrency: Int?
    @Option(name: .customLong("arrivals"), help: "poisson or uniform.")
    var arrivals: Arrivals = .poisson
    @Option(name: .customLong("proxy"), help: "Where requests are sent, when it is not where they are addressed to.")
    var proxy: String?
    @Option(name: .customLong("from"), help: "Address of record of the calling party, a SIP URI.")
    var from: String?
    @Option(name: .customLong("to"), help: "Address of record of the called party, a SIP URI.")
    var to: String?
    @Option(
        name: .customLong("local"),
        help: "Local address and port or ports: 10.0.0.4, 10.0.0.4:5060, 10.0.0.4:5060-5067.")
    var local: String?
    @Option(name: .customLong("interface"), help: "Interface whose address is used.")
    var interface: String?
    @Option(name: .customLong("header"), help: "Header for initial requests, 'Name: value'. May be repeated.")
    var headers: [String] = []
    @Flag(
        name: .customLong("yes-load"),
        help: "The target may have more than 100/s though it is neither loopback nor private.")
    var yesLoad = false
    @OptionGroup var playing: PlayingOptions

    func validate() throws {
        if let concurrency, concurrency < 1 { throw ValidationError("--concurrency \(concurrency): 1 or more") }
        if let calls, calls == 0 { throw ValidationError("--calls 0: a run of no calls shows nothing") }
        if local != nil && interface != nil { throw ValidationError("--local and --interface say the same twice") }
        for header in headers {
            guard let colon = header.firstIndex(of: ":"), colon != header.startIndex,
                !header.utf8.contains(where: { $0 == 10 || $0 == 13 })
            else { throw ValidationError("--header '\(header)': write 'Name: value'") }
        }
        for (option, uri) in [("--from", from), ("--to", to)] {
            if let uri, !uri.hasPrefix("sip:") && !uri.hasPrefix("tel:") {
                throw ValidationError("\(option) \(uri): write a SIP URI, sip:alice@example.com")
            }
        }
    }

    func run() throws {
        let found = ScenarioArgument.resolve(scenario).picking(only)
        var trees = found.trees
        if trees.count > 1 {
            // A run is of one scenario; a mix of several comes with load plans.
            write(
                toStandardError:
                    "carillon: note: \(scenario) declares \(trees.map(\.name).joined(separator: ", ")); running \(trees[0].name)"
                    + " (--scenario NAME picks another)\n")
            trees = [trees[0]]
        }
        var run = ScenarioRun(trees: trees)
        run.scenarioFile = found.file
        playing.apply(to: &run)
        var header: [(String, String)] = [("scenario", "\(run.scenarioNames[0]) (\(found.origin))")]

        var destination: Target?
        if let target { destination = Target.parse(target) }
        if let proxy {
            let next = Target.parse(proxy)
            if let wanted = destination {
                run.domain = run.domain ?? wanted.text
                destination = Target(address: next.address, text: next.text, user: wanted.user)
            } else {
                destination = next
            }
        }
        if let destination {
            run.target = destination.address
            run.targetText = destination.text
            if let user = destination.user, to == nil {
                run.calleeURI = "sip:\(user)@\(run.domain ?? destination.text)"
            }
        }
        run.callerURI = from
        if let to { run.calleeURI = to }
        run.extraHeaders = headers
        placeLocally(&run, destination)
        choosePlayers(&run, destination)
        applyLoad(&run, destination, &header)
        describe(run, destination, &header)
        Playing(run: run, options: playing, header: header).carryOut()
    }

    private func placeLocally(_ run: inout ScenarioRun, _ destination: Target?) {
        if let local {
            let parsed = LocalAddress.parse(local, option: "--local")
            run.local = parsed.address
            run.ports = parsed.ports
            if parsed.address.ipv4 == 0 {
                let towards = destination?.address ?? TransportAddress(ipv4: 0x7F00_0001, port: 5060)
                run.local = localAddress(towards: towards)
                run.local.port = parsed.address.port
            }
        } else if let interface {
            run.local = address(ofInterface: interface)
        } else if let destination {
            run.local = localAddress(towards: destination.address)
        }
    }

    /// With a target the answering parties are somebody else's, unless `--play` says so.
    private func choosePlayers(_ run: inout ScenarioRun, _ destination: Target?) {
        guard playing.play == nil, destination != nil else { return }
        run.plays = Set(run.parties.filter { !$0.answers }.map(\.name))
    }

    private func applyLoad(_ run: inout ScenarioRun, _ destination: Target?, _ header: inout [(String, String)]) {
        run.duration = duration?.nanoseconds
        run.calls = calls
        let process: ArrivalProcess = arrivals == .poisson ? .poisson : .uniform
        if let rate {
            run.load = .open(rate: rate.perSecond, process: process, concurrency: concurrency)
            if let destination, !destination.isLoopbackOrPrivate, rate.perSecond > 100, !yesLoad {
                stop(
                    .usage,
                    [
                        "\(rate.perSecond.formattedRate) to \(destination.text), which is neither loopback nor private:"
                            + " load only what you run yourself, and say so with --yes-load"
                    ])
            }
        } else if let concurrency {
            run.load = .closed(concurrency: concurrency)
            if let destination, !destination.isLoopbackOrPrivate, !yesLoad {
                stop(
                    .usage,
                    [
                        "--concurrency without --rate goes as fast as answers come; \(destination.text) is neither loopback"
                            + " nor private: say --yes-load, or give a --rate"
                    ])
            }
        } else if calls != nil || duration != nil {
            run.load = .open(rate: 10, process: process, concurrency: nil)
        } else {
            run.load = .open(rate: 1, process: .uniform, concurrency: nil)
            run.calls = 1
        }
    }

    private func describe(_ run: ScenarioRun, _ destination: Target?, _ header: inout [(String, String)]) {
        let played = run.parties.filter { run.plays?.contains($0.name) ?? true }.map(\.name)
        header.append(("playing", played.joined(separator: ", ")))
        header.append(("target", destination.map { "\($0.text) over UDP" } ?? "this process (both sides)"))
        var load: String
        switch run.load {
        case .open(let rate, let process, let cap):
            load =
                run.calls == 1
                ? "one call" : "\(rate.formattedRate), \(process == .poisson ? "Poisson" : "uniform") arrivals"
            if let cap { load += ", at most \(cap) at once" }
        case .closed(let concurrency): load = "\(concurrency) at once, as fast as answers come"
        case .none: load = "none"
        }
        if let calls = run.calls, calls > 1 { load += ", \(calls) calls" }
        if let duration = run.duration { load += ", for \(durationText(duration))" }
        if run.calls == nil && run.duration == nil { load += ", until Ctrl-C" }
        header.append(("load", load))
        header.append(("seed", "\(run.seed)" + (run.workers > 1 ? ", \(run.workers) workers" : "")))
        if run.traces != .off {
            let whole = TraceArena.wholeRuns(inOctets: run.traceOctets)
            header.append(
                ("traces", "\(run.traceText); memory for \(whole) live calls of six messages a worker"))
        }
    }
}

extension Double {
    /// `500/s`, `0.5/s`.
    var formattedRate: String { self == rounded() ? "\(Int(self))/s" : "\(self)/s" }
}
