import Measurement
import ScenarioDSL
import ScenarioFiles
import Scenarios

/// What SCENARIO on the command line stands for: a catalogue name, a Swift file, or a saved program.
struct ScenarioArgument {
    var trees: [ScenarioTree]
    /// "catalogue", "compiled in 380 ms", …
    var origin: String
    var file: String?

    /// Ends the program with a message where it cannot be had.
    static func resolve(_ text: String) -> ScenarioArgument {
        if text.hasSuffix(".swift") || text.hasSuffix(".json") || text.contains("/") {
            do throws(ScenarioFileError) {
                let loaded = try loadScenarios(file: text)
                return ScenarioArgument(trees: loaded.scenarios, origin: loaded.origin.description, file: text)
            } catch {
                let code: ExitCode =
                    switch error.kind {
                    case .usage: .usage
                    case .unusable: .unusableInput
                    case .environment: .environment
                    }
                stop(code, error.lines)
            }
        }
        if let known = catalogue.first(where: { $0.name == text }) {
            return ScenarioArgument(trees: [known.tree], origin: "catalogue", file: nil)
        }
        let near = catalogue.map(\.name).filter { distance($0, text) <= 3 }
        let hint =
            near.isEmpty
            ? "the catalogue has \(catalogue.map(\.name).joined(separator: ", "))"
            : "did you mean \(near.joined(separator: ", "))"
        stop(
            .usage,
            [
                "no scenario is named \"\(text)\": \(hint)",
                "  a file is given by its path: call.swift, or call.json that lint --emit saved",
            ])
    }

    /// One scenario of a file that declares several: the first, unless `name` says which.
    func picking(_ name: String?) -> ScenarioArgument {
        var chosen = self
        if let name {
            chosen.trees = trees.filter { $0.name == name }
            if chosen.trees.isEmpty {
                stop(
                    .usage,
                    [
                        "\(file ?? "the catalogue") declares no scenario \"\(name)\": it has "
                            + trees.map(\.name).joined(separator: ", ")
                    ])
            }
        }
        return chosen
    }

    /// Levenshtein distance.
    private static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.utf8)
        let b = Array(b.utf8)
        var row = Array(0...b.count)
        for i in 0..<a.count {
            var diagonal = row[0]
            row[0] = i + 1
            for j in 0..<b.count {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
}
