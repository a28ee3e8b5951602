import ArgumentParser
import Reporting
import ScenarioDSL
import Scenarios

/// `carillon list`.
struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the scenarios of the catalogue.")

    func run() {
        let style = TextStyle.forOutput(1)
        let rows = catalogue.map(\.tree).map { tree in
            let callers = tree.parties.filter { !$0.startsByWaiting }.map(\.name)
            let answering = tree.parties.filter(\.startsByWaiting).map(\.name)
            return (tree.name, "\(callers.listed) → \(answering.listed)", tree.summary)
        }
        let names = rows.map(\.0.count).max() ?? 0
        let parties = rows.map(\.1.count).max() ?? 0
        for (name, who, summary) in rows {
            let padding = String(repeating: " ", count: names - name.count + 2)
            let middle = who + String(repeating: " ", count: parties - who.count + 2)
            put(style.paint(name, .bold) + padding + style.paint(middle, .dim) + summary + "\n")
        }
    }
}
