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
    @Option(name: .customLong("scenario"), help: "Which scenario of a file that declares several. Default: all.")
    var only: String?
    @OptionGroup var feeds: FeedOptions
    @Flag(name: .customLong("mermaid"), help: "Print the flow as a Mermaid sequence diagram, and nothing else.")
    var mermaid = false
    @Flag(name: .customLong("messages"), help: "Print the messages too, with what is filled in when they are sent.")
    var messages = false

    func run() {
        let style = TextStyle.forOutput(1)
        let found = ScenarioArgument.resolve(scenario).picking(only)
        for tree in found.trees {
            let program = ScenarioArgument.compile([tree])
            let ladder = ExpectedFlow.ladder(tree)
            if mermaid {
                put(ladder.mermaid)
                continue
            }
            put(style.paint(tree.name, .bold) + (tree.summary.isEmpty ? "" : ": \(tree.summary)") + "\n\n")
            put(ladder.text(columns: max(80, min(terminalColumns(), 140))))
            put(FeedOptions.listing(of: program, feeds.locations([found], program)))
            put(ProgramListing.text(of: program, messages: messages))
            if !messages { put("\n--messages shows what is sent, --mermaid the flow as a diagram\n") }
        }
    }
}
