import ArgumentParser
import Blaster
import CallEngine
import CarillonKit
import Glibc
import Measurement
import SIPWire
import ScenarioDSL

/// `carillon serve SCENARIO… --listen ADDR:PORT`.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plays the answering parties of scenarios.",
        discussion: """
            An initial request goes to the party whose name is the user of its request URI, else to the first whose script \
            begins with its method. What no party takes is answered sensibly: 200 to OPTIONS, 405, 481, 501. Without \
            --transport it listens for datagrams and for connections, at the same port (RFC 3261 §18.2.1).

              carillon serve basic-call --listen 127.0.0.1:5070
              carillon serve basic-call register message --listen 10.0.0.4 --calls 1000

            `carillon serve registrar` and `carillon serve proxy` play no scenario: they are a small registrar and a small proxy, for want of \
            another. Each has a --help of its own.
            """)

    @Argument(help: "Catalogue names, .swift files or saved .json programs.")
    var scenarios: [String]
    @Option(
        name: .customLong("listen"),
        help: "Local address and port, or a port for each worker: 10.0.0.4:5060. Port 5060 unless said, 0 for any.")
    var listen: String
    @Option(name: .customLong("calls"), help: "Ends after so many calls.")
    var calls: UInt64?
    @Option(
        name: .customLong("until-idle"), help: "Ends when nothing has come for so long, after the first message.",
        transform: TimeAmount.parse)
    var untilIdle: TimeAmount?
    @Option(
        name: .customLong("ready-file"),
        help: "Written once everything listens, an address a line: a script waits for it before it calls.")
    var readyFile: String?
    @Option(
        name: .customLong("domain"), help: "Host part of addresses of record. Default: the local address.",
        transform: HostText.parse)
    var domain: String?
    @OptionGroup(title: "Scenario") var values: ScenarioOptions
    @OptionGroup(title: "Transport") var transport: TransportOptions
    @OptionGroup(title: "TLS") var tls: TLSFlags
    @OptionGroup(title: "Transport") var packets: PacketOptions
    @OptionGroup(title: "Media") var media: MediaOptions
    @OptionGroup(title: "Report") var report: ReportOptions
    @OptionGroup(title: "Engine") var engine: EngineOptions

    func validate() throws {
        if let calls, calls == 0 { throw ValidationError("--calls 0: it would end before it begins") }
    }

    func run() throws {
        var trees: [ScenarioTree] = []
        var origins: [String] = []
        var arguments: [ScenarioArgument] = []
        for scenario in scenarios {
            let found = ScenarioArgument.resolve(scenario)
            for tree in found.trees where tree.parties.contains(where: \.startsByWaiting) {
                if trees.contains(where: { $0.name == tree.name }) {
                    stop(.usage, ["\(scenario): there is a scenario \"\(tree.name)\" already; name each once"])
                }
                trees.append(tree)
                arguments.append(found)
                origins.append("\(tree.name) (\(found.origin))")
            }
        }
        guard !trees.isEmpty else {
            stop(.usage, ["no party of \(scenarios.listed) answers: there is nothing to serve; carillon run plays it"])
        }
        let program = ScenarioArgument.compile(trees)
        var run = ScenarioRun(trees: trees)
        values.apply(to: &run, program)
        engine.apply(to: &run)
        packets.apply(to: &run)
        media.apply(to: &run)
        report.apply(to: &run)
        run.feedLocations = values.feeds.locations(arguments, program)
        run.domain = domain
        // RFC 3261 §18.2.1: who listens for datagrams listens for connections at the same port, and the other way round.
        run.transports = transport.transport?.transports ?? [.udp, .tcp]
        if run.transports != .tls, transport.transport == nil, tls.certificate != nil { run.transports.insert(.tls) }
        tls.apply(to: &run, answers: true)
        run.keepAlive = transport.keepAlive?.nanoseconds
        transport.large.apply(to: &run)
        run.load = .none
        run.servedRuns = calls
        run.idleLimit = untilIdle?.nanoseconds
        // The last answer may be lost: its request comes again T1 after it was sent (RFC 3261 §17.1.2.2).
        run.lingerAfterEnd = Int64(run.timers.t1) * 1_000_000
        let answering = run.parties.filter(\.answers).map(\.name)
        if let plays = run.plays {
            let callers = plays.filter { !answering.contains($0) }.sorted()
            if !callers.isEmpty {
                stop(.usage, ["--play \(callers.listed): begins by itself, and serve plays answering parties only"])
            }
        } else {
            run.plays = Set(answering)
        }
        let local = LocalAddress.parse(listen, option: "--listen", defaultPort: run.transports == .tls ? 5061 : 5060)
        run.local = local.address
        run.ports = local.ports
        if run.transports.contains(.tls), run.transports != .tls,
            (local.ports?.upperBound ?? local.address.port) == UInt16.max
        {
            stop(.usage, ["--listen \(listen): TLS is at the next port, and there is none after 65535"])
        }
        if let ports = run.ports, ports.count < run.workers {
            stop(.usage, ["\(run.workers) workers need a port each; --listen gives \(ports.count)"])
        }
        run.openFeedsOrStop(program)
        var playing = Playing(run: run, options: report, noun: program.recorderLayout().firstRequest.noun) {
            addresses in
            var lines = [
                ("scenarios", origins.listed), ("parties", answering.filter { run.plays!.contains($0) }.listed),
            ]
            lines.append(
                (
                    "listening",
                    Head.addresses(addresses, advertised: run.advertisedHost)
                        + " over \(run.plainTransports.text)"
                        + (Head.secureAddresses(addresses).map { ", \($0) over TLS" } ?? "")
                ))
            lines.append(("ends", end))
            return lines + Head.common(run, engine)
        }
        playing.readyFile = readyFile
        // What an earlier run left there would be taken for this one's.
        if let readyFile { unlink(readyFile) }
        playing.carryOut()
    }

    private var end: String {
        var ways: [String] = []
        if let calls { ways.append(calls == 1 ? "when one call has ended" : "when \(grouped(calls)) calls have ended") }
        if let untilIdle {
            ways.append("when nothing has come for \(durationText(untilIdle.nanoseconds)), after the first message")
        }
        return (ways + ["with Ctrl-C"]).joined(separator: ", or ")
    }
}

extension ScenarioRun {
    /// What is spoken at the address itself: TLS beside others has a port of its own.
    var plainTransports: Transports { transports == .tls ? .tls : transports.subtracting(.tls) }
}
