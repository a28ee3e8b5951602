import ArgumentParser
import CallEngine
import Glibc
import Measurement
import ScenarioDSL
import ScenarioFiles

/// `carillon lint FILE…`.
struct Lint: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks scenarios: wrong names, wrong order, values never set; prints how long each wait lasts.")

    @Argument(help: "Catalogue names, .swift files or saved .json programs.")
    var scenarios: [String]
    @Option(name: .customLong("emit"), help: "Writes the program as JSON: it runs without a Swift toolchain.")
    var emit: String?
    @Flag(name: .customLong("waits"), help: "Print every wait with its limit.")
    var waits = false

    func run() {
        var trees: [ScenarioTree] = []
        var failed = false
        for scenario in scenarios {
            let found = ScenarioArgument.resolve(scenario)
            trees += found.trees
            for tree in found.trees {
                let (program, diagnostics) = ScenarioCompiler.compile([tree])
                for diagnostic in diagnostics { put("\(diagnostic)\n") }
                guard let program else {
                    failed = true
                    continue
                }
                let parties = program.parties.map { $0.name + ($0.answers ? " answers" : " begins") }
                let longest = program.waits.map(\.longest).max() ?? 0
                let settings = program.settings.map { "\($0.name)=\($0.fallback ?? "(must be given)")" }
                put(
                    "\(tree.name): \(parties.joined(separator: ", ")); \(program.waits.count) waits, the longest"
                        + " \(seconds(longest)); settings \(settings.isEmpty ? "none" : settings.joined(separator: ", "))\n"
                )
                if waits { printWaits(program) }
            }
        }
        if failed { Glibc.exit(ExitCode.unusableInput.rawValue) }
        if let emit { save(trees, to: emit) }
    }

    private func printWaits(_ program: CallProgram) {
        for wait in program.waits {
            let step = program.steps[wait.step]
            var limit = seconds(wait.limit)
            if wait.limitAfterProvisional > 0 {
                limit += ", \(seconds(wait.limitAfterProvisional)) after a provisional"
            }
            if !wait.peerPauses.isEmpty { limit += " and the peer's pauses" }
            put("  \(step.at.file):\(step.at.line)  \(program.parties[step.party].name)  \(step.text)  \(limit)\n")
        }
    }

    private func save(_ trees: [ScenarioTree], to path: String) {
        do throws(ScenarioFileError) {
            var octets = try SavedProgram.encode(trees)
            let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            let written =
                descriptor < 0
                ? -1 : octets.withUnsafeMutableBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
            guard written == octets.count, close(descriptor) == 0 else {
                stop(.environment, ["cannot write \(path): \(String(cString: strerror(errno)))"])
            }
            put("\(path) is written: carillon run \(path) needs no Swift toolchain\n")
        } catch {
            stop(.unusableInput, error.lines)
        }
    }
}

/// `32 s`.
func seconds(_ milliseconds: UInt32) -> String {
    milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(Double(milliseconds) / 1000) s"
}

extension WaitPlan {
    var longest: UInt32 { max(limit, limitAfterProvisional) }
}
