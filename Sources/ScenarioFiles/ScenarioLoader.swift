// A scenario file or saved program → scenarios. A Swift file is compiled by the user's own swiftc, run once in a child
// process, and leaves data only: nothing of it runs here.

import Foundation
import Glibc
import ScenarioDSL

/// What a file declares, and how it was got.
package struct LoadedScenarios: Sendable {
    package enum Origin: Sendable, Equatable, CustomStringConvertible {
        case savedProgram
        case cache
        case compiled(milliseconds: Int)

        /// For the head of a run.
        package var description: String {
            switch self {
            case .savedProgram: "loaded from a saved program"
            case .cache: "loaded from cache"
            case .compiled(let milliseconds): "compiled in \(milliseconds) ms"
            }
        }
    }

    /// At least one, in written order.
    package var scenarios: [ScenarioTree]
    package var origin: Origin
}

/// How to load.
package struct LoadOptions: Sendable {
    /// False: compile although the cache knows the file.
    package var useCache = true
    /// Longest time that the compiled file may run. It only builds data: milliseconds.
    package var runLimitMilliseconds: Int64 = 10_000
    package var compileLimitMilliseconds: Int64 = 120_000
    package var environment: [String: String]
    /// Told when something slow begins.
    package var progress: @Sendable (String) -> Void

    package init(
        environment: [String: String] = ProcessInfo.processInfo.environment,
        progress: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.environment = environment
        self.progress = progress
    }
}

/// Reads `call.swift` or `call.json`.
package func loadScenarios(file path: String, options: LoadOptions = LoadOptions()) throws(ScenarioFileError)
    -> LoadedScenarios
{
    guard path.hasSuffix(".swift") || path.hasSuffix(".json") else {
        throw ScenarioFileError(
            .usage,
            "\(path): error: a scenario file ends in .swift, a saved program in .json; carillon list names the catalogue"
        )
    }
    let octets = try readFile(path)
    if path.hasSuffix(".json") {
        let scenarios = try SavedProgram.decode(octets, name: path)
        try requireScenarios(scenarios, path)
        return LoadedScenarios(scenarios: scenarios, origin: .savedProgram)
    }
    return try ScenarioCompilation(path: path, octets: octets, options: options).load()
}

private func readFile(_ path: String) throws(ScenarioFileError) -> [UInt8] {
    var status = stat()
    guard stat(path, &status) == 0 else {
        throw ScenarioFileError(.unusable, "\(path): error: cannot be read: \(errorText(errno))")
    }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= SavedProgram.limitOctets else {
        throw ScenarioFileError(.unusable, "\(path): error: not a file, or larger than 64 MiB")
    }
    guard let data = FileManager.default.contents(atPath: path) else {
        throw ScenarioFileError(.unusable, "\(path): error: cannot be read: \(errorText(errno))")
    }
    return Array(data)
}

private func requireScenarios(_ scenarios: [ScenarioTree], _ path: String) throws(ScenarioFileError) {
    if scenarios.isEmpty {
        throw ScenarioFileError(
            .unusable,
            "\(path): error: declares no scenario: write `let call = Scenario(\"call\") { … }` at the top of the file")
    }
}

private struct ScenarioCompilation {
    let path: String
    let octets: [UInt8]
    let options: LoadOptions

    func load() throws(ScenarioFileError) -> LoadedScenarios {
        let toolchain = try Toolchain.find(environment: options.environment)
        let language = try LanguageFolder.find(executable: ownExecutable())
        let cache = try ScenarioCache.open(environment: options.environment)
        defer { cache.removeIfTemporary() }
        let name = (path as NSString).lastPathComponent  // it stands in the places of the tree
        let key = SHA256.hex([
            octets, Array(name.utf8), Array(language.version.utf8), Array(toolchain.identity.utf8),
        ])
        if options.useCache, let kept = cache.program(key) {
            if let scenarios = try? SavedProgram.decode(kept, name: path), !scenarios.isEmpty {
                return LoadedScenarios(scenarios: scenarios, origin: .cache)
            }
            cache.dropProgram(key)  // damaged: as if it were not there
        }
        try refuseWhatSwiftTakes()
        let module = try LanguageModule.open(
            language, toolchain, cache, environment: environmentList(["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"]),
            progress: options.progress)
        let started = ContinuousClock.now
        let folder = try ScenarioCache.temporaryFolder(in: cache.folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try compile(toolchain, module, to: folder + "/scenario")
        let document = try run(folder + "/scenario")
        let scenarios = try SavedProgram.decode(document, name: path)
        try requireScenarios(scenarios, path)
        let milliseconds = Int((ContinuousClock.now - started) / .milliseconds(1))
        cache.keep(program: document, key)
        return LoadedScenarios(scenarios: scenarios, origin: .compiled(milliseconds: milliseconds))
    }

    /// What Swift takes and makes something else of: names that are put together, and a draw or a clock, which would be read once
    /// and be the same for every call of every run until the file is changed.
    private func refuseWhatSwiftTakes() throws(ScenarioFileError) {
        let source = SourceText(String(decoding: octets, as: UTF8.self))
        var lines = source.interpolatedNames.map { place in
            "\(path):\(place.line):\(place.column): error: the name of a \(place.word) is an interpolation, of which Swift makes"
                + " a text: write \(place.word)(String(\"…\"))"
        }
        lines += source.chances.map { place in
            "\(path):\(place.line):\(place.column): error: '\(place.text)' would be read once and be the same for every call: a"
                + " random pause is Pause(.uniform(.milliseconds(200), .milliseconds(800)))"
        }
        if !lines.isEmpty { throw ScenarioFileError(.unusable, lines) }
    }

    private func environmentList(_ names: [String]) -> [String] {
        names.compactMap { name in options.environment[name].map { "\(name)=\($0)" } }
    }

    /// As swiftc prints it: absolute, without `//` and `..`, its last part not followed if it is a symbolic link.
    private var plainPath: String {
        let folder = (path as NSString).deletingLastPathComponent
        guard let real = realpath(folder.isEmpty ? "." : folder, nil) else { return path }
        defer { free(real) }
        return String(cString: real) + "/" + (path as NSString).lastPathComponent
    }

    private func compile(_ toolchain: Toolchain, _ module: LanguageModule, to executable: String)
        throws(ScenarioFileError)
    {
        // Typo correction is off in swiftc unless asked for. Without the two implicit imports `Task`, `Job` and `Regex`
        // are not proposed to somebody who mistypes a word of ours.
        let arguments = [
            toolchain.compiler, "-swift-version", "6", "-Onone", "-diagnostic-style=llvm",
            "-module-name", "scenario", "-Xfrontend", "-typo-correction-limit", "-Xfrontend", "50",
            "-Xfrontend", "-disable-implicit-concurrency-module-import",
            "-Xfrontend", "-disable-implicit-string-processing-module-import",
            "-I", module.folder, "-L", module.folder, "-lScenarioDSL", plainPath, "-o", executable,
        ]
        let log = try MemoryFile("messages")
        let end = try runChild(
            arguments, environment: environmentList(["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"]),
            output: log.descriptor, errors: log.descriptor, limitMilliseconds: options.compileLimitMilliseconds)
        let text = String(decoding: log.contents(limit: 16 << 20) ?? [], as: UTF8.self)
        switch end {
        case .exited, .signalled:
            let source = String(decoding: octets, as: UTF8.self)
            let lines = CompilerMessages(text, of: plainPath, file: path, source: source).reworded()
            if lines.isEmpty {
                if end == .exited(0) { return }
                throw ScenarioFileError(
                    .environment,
                    ["\(path): error: \(toolchain.compiler) failed without a word on this file"]
                        + text.split(separator: "\n").prefix(20).map(String.init))
            }
            throw ScenarioFileError(.unusable, lines)
        case .timedOut:
            throw ScenarioFileError(
                .unusable,
                "\(path): error: not compiled within \(options.compileLimitMilliseconds / 1000) s: one declaration of many"
                    + " hundred steps takes long; split it into functions marked @StepsBuilder")
        }
    }

    private func run(_ executable: String) throws(ScenarioFileError) -> [UInt8] {
        let document = try MemoryFile("program")
        // What the file prints goes to standard error: standard output is the run's.
        let end = try runChild(
            [executable],
            environment: environmentList(["PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH"])
                + ["CARILLON_PROGRAM_FD=3", "SWIFT_BACKTRACE=enable=no"],
            output: 2, errors: 2, program: document.descriptor, limitMilliseconds: options.runLimitMilliseconds)
        switch end {
        case .exited(0): break
        case .exited(let code):
            throw ScenarioFileError(
                .unusable,
                "\(path): error: ended itself with exit code \(code) while it was read; it only declares scenarios")
        case .signalled(let signal):
            throw ScenarioFileError(
                .unusable,
                "\(path): error: crashed while it was read (signal \(signal), \(String(cString: strsignal(signal)))):"
                    + " a failed precondition, an index out of range, or a constant used above its line")
        case .timedOut:
            throw ScenarioFileError(
                .unusable,
                "\(path): error: still running after \(options.runLimitMilliseconds / 1000) s: a scenario file only"
                    + " declares what happens, so a loop in it does not end, or it waits for something")
        }
        guard let octets = document.contents(limit: SavedProgram.limitOctets) else {
            throw ScenarioFileError(
                .unusable, "\(path): error: leaves more than 64 MiB behind: a loop unrolls too much")
        }
        if octets.isEmpty { try requireScenarios([], path) }
        return octets
    }
}
