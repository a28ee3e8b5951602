import ArgumentParser
import CallEngine
import CarillonKit
import Glibc
import Measurement
import ScenarioDSL

/// Files of rows on the command line.
struct FeedOptions: ParsableArguments {
    @Option(
        name: .customLong("feed"),
        help: ArgumentHelp(
            "A file of rows in place of the scenario's feed; NAME=FILE where it has several. May be repeated.",
            valueName: "file"))
    var feeds: [String] = []

    /// Where the rows of a program are found. Ends the program where an option fits no feed.
    ///
    /// - Parameter amongOthers: what fits no feed of this program is another's.
    func locations(
        _ scenarios: [ScenarioArgument], _ program: CallProgram, amongOthers: Bool = false, others: [CallProgram] = []
    ) -> FeedLocations {
        var locations = FeedLocations()
        for scenario in scenarios {
            for use in scenario.trees.flatMap(\.feedUses) where locations.folders[use.feed.name] == nil {
                locations.folders[use.feed.name] = scenario.folder ?? ""
            }
        }
        for text in feeds {
            if amongOthers || others.contains(where: { Self.fits(text, $0.feeds.map(\.name)) }) {
                guard Self.fits(text, program.feeds.map(\.name)) else { continue }
            }
            let (name, file) = Self.target(of: text, program.feeds.map(\.name))
            if let known = locations.files[name] {
                stop(.usage, ["--feed \(text): the feed \"\(name)\" has a file already, \(known)"])
            }
            locations.files[name] = file
        }
        return locations
    }

    /// Whether an option is for one of these feeds.
    private static func fits(_ text: String, _ names: [String]) -> Bool {
        if let equals = text.firstIndex(of: "="), names.contains(String(text[..<equals])) { return true }
        return names.count == 1 && (access(text, F_OK) == 0 || !text.contains("="))
    }

    private static func target(of text: String, _ names: [String]) -> (name: String, file: String) {
        guard !names.isEmpty else { stop(.usage, ["--feed \(text): the scenario reads no feed"]) }
        if let equals = text.firstIndex(of: "="), names.contains(String(text[..<equals])) {
            let file = String(text[text.index(after: equals)...])
            if file.isEmpty { stop(.usage, ["--feed \(text): names no file"]) }
            return (String(text[..<equals]), file)
        }
        if names.count == 1, access(text, F_OK) == 0 || !text.contains("=") { return (names[0], text) }
        if names.count == 1 {
            stop(
                .usage,
                [
                    "--feed \(text): there is no such file, and the scenario's only feed is \(names[0]); write \(names[0])=FILE"
                ])
        }
        stop(.usage, ["--feed \(text): the scenario has the feeds \(names.listed); write NAME=FILE"])
    }

    /// What becomes of the files when a program is saved: they stay where they are, and are sought beside the program.
    static func notes(on trees: [ScenarioTree], savedAs path: String) -> [String] {
        let saved = ScenarioArgument(trees: trees, origin: "", file: path)
        var seen: Set<String> = []
        return trees.flatMap(\.feedUses).compactMap { use in
            guard case .file(let written, _) = use.feed.source, seen.insert(written).inserted else { return nil }
            let locations = FeedLocations(folders: [use.feed.name: saved.folder ?? ""])
            let sought = locations.path(of: written, feed: use.feed.name)
            let place =
                written.hasPrefix("/")
                ? "is read from there" : "is not part of it and is sought beside it: \(sought)"
            let absence = access(sought, R_OK) == 0 ? "" : ", where it is not yet"
            return "\(written) \(place)\(absence)"
        }
    }

    /// The feeds of a program that is shown, not run: a file that is not there is said, and is no hindrance.
    static func listing(of program: CallProgram, _ locations: FeedLocations) -> String {
        guard !program.feeds.isEmpty else { return "" }
        let (opened, diagnostics) = program.openFeeds(locations)
        var lines = diagnostics.unrepeated
        for (number, tree) in program.feeds.enumerated() {
            let read = program.feedColumns.filter { $0.feed == number }.map(\.name).listed
            let source = opened?.feed(number)?.text ?? "\(tree.name): \(tree.sourceText), \(tree.policy.text)"
            lines.append("feed \(source); read: \(read)")
        }
        return "\n" + lines.joined(separator: "\n") + "\n"
    }
}

extension OpenFeed {
    /// `users: users.csv, 1,000 rows, sequential, …`.
    var text: String { "\(name): \(source), \(counted(UInt64(rows.count), "row")), \(policyText)" }
}

extension ScenarioRun {
    /// Opens the feeds; ends the program with what is wrong with them.
    mutating func openFeedsOrStop(_ program: CallProgram) {
        do throws(ScenarioRunError) {
            try openFeeds(program)
        } catch {
            stop(error.exitCode, error.lines)
        }
    }
}
