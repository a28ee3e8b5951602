import ArgumentParser
import CallEngine
import Glibc
import Measurement
import ScenarioDSL
import ScenarioFiles

/// `carillon lint SCENARIO…`.
struct Lint: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks scenarios, and prints how long their waits last.",
        discussion: """
            What is wrong is said as FILE:LINE: error: … on standard error, and ends with exit code 65; a warning ends with 0.
            """)

    @Argument(help: "Catalogue names, .swift files or saved .json programs.")
    var scenarios: [String]
    @Option(
        name: .customLong("emit"), help: "Writes the program as JSON to this file: it runs without a Swift toolchain.")
    var emit: String?
    @OptionGroup var feeds: FeedOptions
    @Flag(name: .customLong("waits"), help: "Print every wait with its limit.")
    var waits = false

    func validate() throws {
        if let emit, !emit.hasSuffix(".json") {
            throw ValidationError("--emit \(emit): a saved program ends in .json, by which carillon run knows it")
        }
    }

    func run() {
        var trees: [ScenarioTree] = []
        var codes: [Measurement.ExitCode] = []
        for scenario in scenarios {
            let found: ScenarioArgument
            do throws(ScenarioArgument.Unusable) {
                found = try ScenarioArgument.find(scenario)
            } catch {
                // The other files are looked at all the same.
                printError(error.lines)
                codes.append(error.code)
                continue
            }
            trees += found.trees
            for tree in found.trees {
                let (program, diagnostics) = ScenarioCompiler.compile([tree])
                printError(diagnostics.unrepeated)
                guard let program else {
                    codes.append(.unusableInput)
                    continue
                }
                let (opened, problems) = program.openFeeds(feeds.locations([found], program))
                printError(problems.unrepeated)
                guard let opened else {
                    codes.append(.unusableInput)
                    continue
                }
                describe(tree, program)
                for feed in opened.feeds { put("  feed \(feed.text)\n") }
            }
        }
        let code = ExitCode.first(of: codes)
        guard code == .passed else {
            if let emit { printError(["\(emit) is not written: see above"]) }
            Glibc.exit(code.rawValue)
        }
        if let emit { save(trees, to: emit) }
    }

    private func describe(_ tree: ScenarioTree, _ program: CallProgram) {
        let parties = program.parties.map { $0.name + ($0.answers ? " answers" : " begins") }
        let settings = program.settings.map { "\($0.name) (\($0.fallback ?? "must be given"))" }
        put("\(tree.name): \(parties.listed); settings: \(settings.isEmpty ? "none" : settings.listed)\n")
        let all = unrepeatedWaits(program)
        if waits {
            let rows = all.map { wait -> (String, String, String) in
                let step = program.steps[wait.step]
                return (
                    "\(step.at.file):\(step.at.line)", "\(program.parties[step.party].name)  \(step.text)",
                    wait.limitText
                )
            }
            let places = rows.map(\.0.count).max() ?? 0
            let texts = rows.map(\.1.count).max() ?? 0
            for (place, text, limit) in rows {
                put(
                    "  \(place)\(String(repeating: " ", count: places - place.count + 2))"
                        + "\(text)\(String(repeating: " ", count: texts - text.count + 2))\(limit)\n")
            }
        }
        if let longest = all.max(by: { $0.longest < $1.longest }) {
            let step = program.steps[longest.step]
            put(
                "  \(all.count == 1 ? "1 wait," : "\(all.count) waits, the longest") at \(step.at.file):\(step.at.line), \(step.text): \(longest.limitText)\n"
            )
        }
    }

    /// One wait may be compiled on several ways to it.
    private func unrepeatedWaits(_ program: CallProgram) -> [WaitPlan] {
        struct Key: Hashable {
            var step: Int
            var limit: String
        }
        var seen: Set<Key> = []
        return program.waits.filter { seen.insert(Key(step: $0.step, limit: $0.limitText)).inserted }
    }

    private func save(_ trees: [ScenarioTree], to path: String) {
        do throws(ScenarioFileError) {
            let octets = try SavedProgram.encode(trees)
            if let problem = writeFile(octets, to: path, replacing: true) { stop(.environment, [problem]) }
            put("\(path) is written: carillon run \(path) needs no Swift toolchain\n")
            for note in FeedOptions.notes(on: trees, savedAs: path) { put(note + "\n") }
        } catch {
            stop(.unusableInput, error.lines)
        }
    }
}

/// Writes a whole file or none: under another name first, then renamed.
///
/// - Returns: what went wrong, nil when it is there.
func writeFile(_ octets: [UInt8], to path: String, replacing: Bool) -> String? {
    func problem() -> String { "cannot write \(path): \(String(cString: strerror(errno)))" }
    if !replacing {
        // Reserves the name, so that nothing of the user's is overwritten.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return problem() }
        close(descriptor)
    }
    let partial = path + ".partial"
    let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    var failure = descriptor < 0 ? problem() : nil
    if descriptor >= 0 {
        var done = 0
        while failure == nil && done < octets.count {
            let written = octets.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done) }
            if written >= 0 { done += written } else if errno != EINTR { failure = problem() }
        }
        if close(descriptor) != 0, failure == nil { failure = problem() }
        if failure == nil, rename(partial, path) != 0 { failure = problem() }
        if failure != nil { unlink(partial) }
    }
    if failure != nil && !replacing { unlink(path) }
    return failure
}

extension Sequence<Diagnostic> {
    /// As lines, each once: a line that is compiled on several ways is wrong on each of them.
    var unrepeated: [String] {
        var seen: Set<String> = []
        return map(\.description).filter { seen.insert($0).inserted }
    }
}

extension WaitPlan {
    var longest: UInt32 { max(limit, limitAfterProvisional) }

    /// `32 s, 180 s after a provisional`.
    var limitText: String {
        var text = durationText(Int64(limit) * 1_000_000)
        if limitAfterProvisional > 0 {
            text += ", \(Self.seconds(limitAfterProvisional)) after a provisional"
        }
        return text + (peerPauses.isEmpty ? "" : " and the peer's pauses")
    }

    /// Waits are meant in seconds also where they last minutes.
    private static func seconds(_ milliseconds: UInt32) -> String {
        milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : durationText(Int64(milliseconds) * 1_000_000)
    }
}
