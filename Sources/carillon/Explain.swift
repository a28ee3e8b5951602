import ArgumentParser
import CallEngine
import Measurement
import Reporting
import ScenarioDSL

/// `carillon explain SCENARIO`.
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows a scenario's flow as a ladder and the program it compiles to.")

    @Argument(help: "Catalogue name, .swift file or saved .json program.")
    var scenario: String
    @Flag(name: .customLong("mermaid"), help: "Print the flow as a Mermaid sequence diagram, and nothing else.")
    var mermaid = false
    @Flag(name: .customLong("messages"), help: "Print the message templates too.")
    var messages = false

    func run() {
        let found = ScenarioArgument.resolve(scenario)
        for tree in found.trees {
            let (program, diagnostics) = ScenarioCompiler.compile([tree])
            for diagnostic in diagnostics { write(toStandardError: "\(diagnostic)\n") }
            guard let program else { stop(.unusableInput, ["\(tree.name) cannot run: see above"]) }
            let ladder = FlowLadder.of(tree)
            if mermaid {
                put(ladder.mermaid + "\n")
                continue
            }
            put("\(tree.name)\(tree.summary.isEmpty ? "" : ": \(tree.summary)")\n\n")
            put(ladder.text(columns: 100) + "\n")
            put(ProgramListing.text(of: program, messages: messages))
        }
    }
}
