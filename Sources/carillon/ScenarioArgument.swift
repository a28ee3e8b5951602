import CallEngine
import Measurement
import ScenarioDSL
import ScenarioFiles
import Scenarios

/// What SCENARIO on the command line stands for: a catalogue name, a Swift file, or a saved program.
struct ScenarioArgument {
    /// In written order, at least one.
    var trees: [ScenarioTree]
    /// "catalogue", "compiled in 380 ms", …
    var origin: String
    var file: String?

    /// Why it stands for nothing.
    struct Unusable: Error {
        var code: ExitCode
        var lines: [String]
    }

    static func find(_ text: String) throws(Unusable) -> ScenarioArgument {
        if text.hasSuffix(".swift") || text.hasSuffix(".json") || text.contains("/") {
            do throws(ScenarioFileError) {
                let options = ScenarioFiles.LoadOptions(progress: { put("carillon: \($0) …\n", to: 2) })
                let loaded = try loadScenarios(file: text, options: options)
                return ScenarioArgument(trees: loaded.scenarios, origin: loaded.origin.description, file: text)
            } catch {
                let code: ExitCode =
                    switch error.kind {
                    case .usage: .usage
                    case .unusable: .unusableInput
                    case .environment: .environment
                    }
                throw Unusable(code: code, lines: error.lines)
            }
        }
        if let known = catalogue.first(where: { $0.name == text }) {
            return ScenarioArgument(trees: [known.tree], origin: "catalogue", file: nil)
        }
        let near = catalogue.map(\.name).filter { distance($0, text) <= 3 }
        let hint =
            ["uac", "uas"].contains(text)
            ? "what SIPp calls so is `carillon \(text == "uac" ? "run" : "serve") basic-call`"
            : near.isEmpty ? "the catalogue has \(catalogue.map(\.name).listed)" : "did you mean \(near.listed)"
        throw Unusable(
            code: .usage,
            lines: [
                "no scenario is named \"\(text)\": \(hint)",
                "  a file is given by its path: call.swift, or call.json that carillon lint --emit saved",
            ])
    }

    /// `basic-call=7,register=2`: scenarios that share the load, with their weights; one scenario alone has none.
    static func mix(_ text: String) -> [(argument: String, weight: Double)] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 1 else { return [(text, 1)] }
        return parts.map { part in
            guard let sign = part.lastIndex(of: "="), sign > part.startIndex else {
                stop(
                    .usage,
                    [
                        "\"\(part)\" in \"\(text)\" has no weight: scenarios that share the load are written"
                            + " basic-call=7,register=2"
                    ])
            }
            let number = part[part.index(after: sign)...]
            guard let weight = Double(number), weight > 0, weight <= 1e9 else {
                stop(.usage, ["\"\(number)\" in \"\(part)\" is no weight: a number above 0"])
            }
            return (String(part[..<sign]), weight)
        }
    }

    /// The folder in which its files of rows are sought; nil: the working directory.
    var folder: String? {
        guard let file, let slash = file.lastIndex(of: "/") else { return nil }
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }

    /// The same; ends the program with a message where it cannot be had.
    static func resolve(_ text: String) -> ScenarioArgument {
        do throws(Unusable) {
            return try find(text)
        } catch {
            stop(error.code, error.lines)
        }
    }

    /// The program of scenarios that are to run: warnings are told, errors end the program.
    static func compile(_ trees: [ScenarioTree]) -> CallProgram {
        let (program, diagnostics) = ScenarioCompiler.compile(trees)
        guard let program else { stop(.unusableInput, diagnostics.unrepeated) }
        printError(diagnostics.unrepeated)
        return program
    }

    /// The scenario of this name, where a file declares several; nil: all of them.
    func picking(_ name: String?) -> ScenarioArgument {
        guard let name else { return self }
        var chosen = self
        chosen.trees = trees.filter { $0.name == name }
        if chosen.trees.isEmpty {
            stop(
                .usage,
                ["\(file ?? "the catalogue") declares no scenario \"\(name)\": it has \(trees.map(\.name).listed)"])
        }
        return chosen
    }

    /// Levenshtein distance.
    private static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.utf8.prefix(64))
        let b = Array(b.utf8.prefix(64))
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
