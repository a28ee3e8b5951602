import ArgumentParser
import Blaster
import CarillonKit
import Measurement
import SIPWire
import ScenarioDSL

/// `carillon serve SCENARIO… --listen ADDR:PORT`.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plays the answering parties of scenarios.",
        discussion: """
            An initial request goes to the party whose name is the user of its request URI, else to the first whose script \
            begins with its method. What no party takes is answered sensibly: 200 to OPTIONS, 405, 481, 501.

              carillon serve basic-call --listen 127.0.0.1:5070
              carillon serve basic-call register message --listen 10.0.0.4:5060 --calls 1000
            """)

    @Argument(help: "Catalogue names, .swift files or saved .json programs.")
    var scenarios: [String]
    @Option(name: .customLong("listen"), help: "Local address and port.")
    var listen: String
    @Option(name: .customLong("calls"), help: "Ends after so many calls.")
    var calls: UInt64?
    @Option(name: .customLong("until-idle"), help: "Ends when nothing has come for so long, after the first message.")
    var untilIdle: TimeAmount?
    @OptionGroup var playing: PlayingOptions

    func run() throws {
        var trees: [ScenarioTree] = []
        var origins: [String] = []
        for scenario in scenarios {
            let found = ScenarioArgument.resolve(scenario)
            for tree in found.trees where tree.parties.contains(where: \.startsByWaiting) {
                trees.append(tree)
                origins.append("\(tree.name) (\(found.origin))")
            }
        }
        guard !trees.isEmpty else {
            stop(.usage, ["no party of \(scenarios.joined(separator: ", ")) answers: there is nothing to serve"])
        }
        var run = ScenarioRun(trees: trees)
        playing.apply(to: &run)
        run.load = .none
        run.servedRuns = calls
        run.idleLimit = untilIdle?.nanoseconds
        // The last answer may be lost, and its request come again.
        run.lingerAfterEnd = 500_000_000
        if run.plays == nil { run.plays = Set(run.parties.filter(\.answers).map(\.name)) }
        let local = LocalAddress.parse(listen, option: "--listen")
        run.local = local.address
        run.ports = local.ports
        if local.address.ipv4 == 0 {
            stop(
                .usage,
                ["--listen \(listen): name the address that peers are to see in Contact and Via, not all addresses"])
        }
        var end = "until Ctrl-C"
        if let calls { end = "until \(calls) calls have ended" }
        if let untilIdle {
            end += ", or nothing has come for \(durationText(untilIdle.nanoseconds)) after the first message"
        }
        Playing(
            run: run, options: playing,
            header: [
                ("serving", origins.joined(separator: ", ")),
                ("playing", run.parties.filter(\.answers).map(\.name).joined(separator: ", ")),
                ("listening", "\(local.address.text) over UDP, \(end)"),
            ]
        ).carryOut()
    }
}
