import ArgumentParser
import Blaster
import CallEngine
import CallTraces
import CarillonKit
import Measurement
import SIPWire
import Scenarios
import ScenarioDSL

/// `carillon run SCENARIO [TARGET…]`.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a scenario against a target, or against itself.",
        discussion: """
            SCENARIO is a name of the catalogue (carillon list), a .swift file or a saved .json program. TARGET is \
            host[:port] or a SIP URI; without it both sides run in this process. A name is looked up in the hosts file, then by SRV, \
            A and AAAA records (RFC 3263, without NAPTR); several targets share the calls by weight. Messages go over UDP unless --transport or \
            the URI's transport parameter says tcp.

              carillon run basic-call
                  one call, both sides here
              carillon run basic-call 10.0.0.5 --rate 500/s --for 1m
                  calls at a server
              carillon run basic-call=7,register=2,message=1 10.0.0.5 --rate 500/s --for 1m
                  a mix by weight: 70 % calls, 20 % registrations, 10 % messages
              carillon run basic-call 10.0.0.5=3 10.0.0.6=1 --rate 500/s --for 1m
                  two servers, three quarters of the calls at the first
              carillon run basic-call 10.0.0.5 --rate 500/s --for 1m --before add-binding:1000@200/s --after remove-binding:1000@200/s
                  1,000 subscribers register before the load and are removed after it
              carillon run basic-call 10.0.0.5 --rate 100/s --for 1h --population registered-user:100000@500/s
                  calls beside 100,000 users that stay registered
              carillon run call.swift sip:bob@10.0.0.5 --calls 1
                  a scenario of your own
              carillon run call.swift 10.0.0.5 --rate 50/s --feed users.csv --cdr calls.csv
                  a row of a file for each call, a line for each call
              carillon run basic-call 'sip:10.0.0.5;transport=tcp' --connections per-call
                  calls over TCP, each on a connection of its own
            """)

    @Argument(help: "Catalogue name, .swift file or saved .json program; several as a=7,b=3.")
    var scenario: String
    @Argument(help: "host[:port] or SIP URI; several as a=3 b=1 share the calls; none: both sides run here.")
    var targets: [String] = []
    @Option(name: .customLong("scenario"), help: "Which scenario of a file that declares several.")
    var only: String?

    @OptionGroup(title: "Load") var load: LoadOptions
    @OptionGroup(title: "Load") var phases: PhaseOptions
    @OptionGroup(title: "Scenario") var values: ScenarioOptions
    @OptionGroup(title: "Transport") var transport: TransportOptions
    @OptionGroup(title: "TLS") var tls: TLSFlags
    @OptionGroup(title: "Transport") var packets: PacketOptions
    @OptionGroup(title: "Transport") var connections: ConnectionOptions
    @OptionGroup(title: "Media") var media: MediaOptions
    @OptionGroup(title: "Targets") var targeting: TargetOptions
    @OptionGroup(title: "Addresses and identity") var identity: IdentityOptions
    @OptionGroup(title: "Addresses and identity") var sources: SourceOptions
    @OptionGroup(title: "Report") var report: ReportOptions
    @OptionGroup(title: "Engine") var engine: EngineOptions

    func run() throws {
        let mix = ScenarioArgument.mix(scenario)
        if mix.count > 1, only != nil { stop(.usage, ["--scenario picks from one file, not from a mix"]) }
        let found = mix.map { ScenarioArgument.resolve($0.argument).picking(only) }
        let trees = found.map { $0.trees[0] }
        for (number, one) in found.enumerated() where one.trees.count > 1 {
            // A run is of one scenario of a file.
            printError(
                [
                    "\(mix[number].argument) declares \(one.trees.map(\.name).listed); running \(one.trees[0].name)"
                        + " (--scenario NAME picks another)"
                ], label: "note")
        }
        for name in trees.map(\.name) where trees.filter({ $0.name == name }).count > 1 {
            stop(.usage, ["\(name) stands twice in \(scenario): give it the sum of the weights"])
        }
        let program = ScenarioArgument.compile(trees)
        let (before, population, after) = phases.resolve()
        let others = (before + population + after).map(\.program)
        for (number, tree) in trees.enumerated()
        where !program.initiators.contains(where: {
            program.scenarioNumber(ofParty: $0) == number
        }) {
            stop(
                .usage, ["no party of \(tree.name) begins by itself, so nothing would happen: carillon serve plays it"])
        }
        let initiators = program.initiators.map { program.partyNames[$0] }
        var run = ScenarioRun(trees: trees)
        if mix.count > 1 { run.weights = mix.map(\.weight) }
        run.scenarioFile = found.count == 1 ? found[0].file : nil
        values.apply(to: &run, program, others: others)
        engine.apply(to: &run)
        packets.apply(to: &run)
        media.apply(to: &run)
        run.feedLocations = values.feeds.locations(found, program, others: others)
        report.apply(to: &run)
        if let name = targets.first(where: { target in catalogue.contains { $0.name == target } }) {
            stop(
                .usage,
                [
                    "\(name) is a scenario, and stands where a TARGET does; several share the load as \(scenario)=1,\(name)=1"
                ])
        }
        let destination = identity.apply(to: &run, targets: targets, transport, targeting)
        connections.apply(to: &run, transport, tls, destination)
        targeting.apply(to: &run, destination, connections: connections.connections)
        choosePlayers(&run, destination, initiators: initiators)
        load.apply(to: &run, destination)
        sources.apply(to: &run, destination, identity)
        run.openFeedsOrStop(program)
        if let ports = run.ports, ports.count < run.workers {
            stop(.usage, ["\(run.workers) workers need a port each; --local gives \(ports.count)"])
        }
        for phase in before + population + after { load.askAbout(phase.rate, phase.text, destination) }
        let main = run
        run.before = before.map { $0.run(like: main, destination, values) }
        run.population = population.map { $0.populationRun(like: main, destination, values) }
        run.after = after.map { $0.run(like: main, destination, values) }
        run.beforeMayFail = phases.mayFail
        Playing(run: run, options: report, noun: program.recorderLayout().firstRequest.noun) { addresses in
            head(run, destination, found.map(\.origin), addresses, before, population, after)
        }
        .carryOut()
    }

    /// With a target the answering parties are somebody else's, unless `--play` says so.
    private func choosePlayers(_ run: inout ScenarioRun, _ destination: Destination?, initiators: [String]) {
        let all = run.parties.map(\.name)
        if let plays = run.plays {
            if let initiator = initiators.first(where: { !plays.contains($0) }) {
                stop(
                    .usage,
                    [
                        "--play \(plays.sorted().listed) leaves out \(initiator), who begins: nothing would happen."
                            + " carillon serve plays answering parties alone"
                    ])
            }
            let others = all.filter { !plays.contains($0) }
            if destination == nil, !others.isEmpty {
                stop(
                    .usage,
                    ["--play leaves out \(others.listed), and without a TARGET nobody else is there to play it"])
            }
        } else if destination == nil, !run.parties.contains(where: \.answers) {
            stop(
                .usage,
                [
                    "nobody answers in \(run.scenarioNames.listed): without a TARGET both sides run here, and there is only one."
                        + " Give a TARGET: carillon run \(scenario) 10.0.0.5"
                ])
        } else if destination != nil {
            run.plays = Set(run.parties.filter { !$0.answers }.map(\.name))
        }
    }

    private func way(_ run: ScenarioRun) -> String {
        if run.movesLargeRequests { return "UDP, large requests over TCP" }
        return run.transports.text + (run.transports != .udp ? ", \(run.connections.text)" : "")
            + (run.transports != .udp && run.workers > 1 && run.connections != .perCall ? " of each worker" : "")
    }

    private func head(
        _ run: ScenarioRun, _ destination: Destination?, _ origins: [String], _ addresses: [WorkerAddress],
        _ before: [Phase], _ population: [Phase], _ after: [Phase]
    ) -> [(String, String)] {
        var played: [String] = []
        for name in run.parties.map(\.name) where run.plays?.contains(name) ?? true && !played.contains(name) {
            played.append(name)
        }
        let total = run.weights.reduce(0, +)
        let scenarios = zip(run.scenarioNames, origins).enumerated().map { number, one in
            let share = total > 0 ? ", \(shareText(run.weights[number] / total)) of the load" : ""
            return "\(one.0) (\(one.1)\(share))"
        }
        var lines = [(scenarios.count > 1 ? "scenarios" : "scenario", scenarios.listed)]
        lines.append(("parties", played.listed + (destination == nil ? ", both sides in this process" : "")))
        if let destination { lines += destination.heads(way: way(run)) }
        if run.sources.isEmpty {
            lines.append(("local", Head.addresses(addresses, advertised: run.advertisedHost)))
        } else {
            let ports = addresses.prefix(4).map { String($0.local.port) }.listed + (addresses.count > 4 ? ", …" : "")
            lines.append(
                (
                    "local",
                    "\(run.sources.text), \(run.sourceOrder.text), at port\(addresses.count > 1 ? "s" : "") \(ports)"
                ))
        }
        lines += before.map { ("before", $0.line) }
        lines += population.map { ("population", $0.populationLine) }
        lines.append(("load", load.text(run)))
        lines += after.map { ("after", $0.line) }
        lines += Head.common(run, engine)
        return lines
    }
}

private func shareText(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }

/// Lines of the head that `run` and `serve` share.
enum Head {
    static func addresses(_ addresses: [WorkerAddress], advertised: String?) -> String {
        texts(addresses.map(\.local)) + (advertised.map { ", advertised as \($0)" } ?? "")
    }

    /// Where connections under TLS are taken, beside the others.
    static func secureAddresses(_ addresses: [WorkerAddress]) -> String? {
        let secure = addresses.compactMap(\.secure)
        return secure.isEmpty ? nil : texts(secure)
    }

    private static func texts(_ addresses: [TransportAddress]) -> String {
        addresses.prefix(4).map(\.text).listed + (addresses.count > 4 ? ", …" : "")
    }

    static func common(_ run: ScenarioRun, _ engine: EngineOptions) -> [(String, String)] {
        var lines: [(String, String)] = []
        if let feeds = run.feeds?.feeds, !feeds.isEmpty {
            lines.append(("feeds", feeds.map(\.text).joined(separator: "; ")))
        }
        if !run.settings.isEmpty {
            lines.append(("settings", run.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.listed))
        }
        lines.append(("seed", "\(run.seed), run \(RunIdentifier.text(run.runID ?? 0))"))
        if let timers = engine.unusualTimers { lines.append(("timers", timers)) }
        lines.append(("traces", traces(run)))
        return lines
    }

    private static func traces(_ run: ScenarioRun) -> String {
        let kept =
            switch run.traces {
            case .off: "off"
            case .failed: "of failed calls"
            case .all: "of all calls"
            case .sample(let oneIn): "of one call in \(grouped(oneIn))"
            case .first(let count): count == 1 ? "of the first call" : "of the first \(grouped(count)) calls"
            }
        guard run.traces != .off else { return kept }
        let whole = grouped(UInt64(TraceArena.wholeRuns(inOctets: run.traceOctets)))
        let place = run.workers > 1 ? " in each worker" : ""
        return "\(kept); room for \(whole) live calls of six messages\(place)"
    }
}
