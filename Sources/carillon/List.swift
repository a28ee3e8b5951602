import ArgumentParser
import ScenarioDSL
import Scenarios

/// `carillon list`.
struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the scenarios of the catalogue.")

    func run() {
        let width = catalogue.map(\.name.count).max() ?? 0
        for scenario in catalogue {
            let tree = scenario.tree
            let name = tree.name + String(repeating: " ", count: width - tree.name.count + 2)
            let parties = tree.parties.map { $0.name + ($0.startsByWaiting ? " answers" : " begins") }
            put(
                "\(name)\(tree.summary)\n\(String(repeating: " ", count: width + 2))\(parties.joined(separator: ", "))\n"
            )
        }
    }
}
