// The language, compiled once per toolchain: a compiled module is of use to the very compiler that wrote it only.

import Foundation

struct LanguageModule {
    /// Holds `ScenarioDSL.swiftmodule` and `libScenarioDSL.a`.
    let folder: String

    private static let limitMilliseconds: Int64 = 300_000

    /// The module in the cache, compiled now if it is not there; `progress` is told so first.
    static func open(
        _ language: LanguageFolder, _ toolchain: Toolchain, _ cache: ScenarioCache, environment: [String],
        progress: (String) -> Void
    ) throws(ScenarioFileError) -> LanguageModule {
        let key = SHA256.hex([Array(language.version.utf8), Array(toolchain.identity.utf8)]).prefix(32)
        let folder = cache.folder + "/language-" + key
        let module = LanguageModule(folder: folder)
        if module.isComplete { return module }

        progress("compiling the scenario language for this compiler, once; takes some seconds")
        let half = try ScenarioCache.temporaryFolder(in: cache.folder)
        defer { try? FileManager.default.removeItem(atPath: half) }
        let arguments =
            [
                toolchain.compiler, "-swift-version", "6", "-Onone", "-wmo", "-parse-as-library",
                "-package-name", "carillon", "-module-name", "ScenarioDSL", "-enable-upcoming-feature",
                "ExistentialAny",
                "-emit-module", "-emit-module-path", half + "/ScenarioDSL.swiftmodule",
                "-avoid-emit-module-source-info",
                "-emit-library", "-static", "-o", half + "/libScenarioDSL.a",
            ] + language.files
        let log = try MemoryFile("language")
        let end = try runChild(
            arguments, environment: environment, output: log.descriptor, errors: log.descriptor,
            limitMilliseconds: limitMilliseconds)
        guard end == .exited(0) else {
            let text = String(decoding: log.contents(limit: 1 << 20) ?? [], as: UTF8.self)
            throw ScenarioFileError(
                .environment,
                ["error: \(toolchain.compiler) cannot compile the scenario language (Swift 6.2 or later is needed)"]
                    + text.split(separator: "\n").prefix(12).map(String.init))
        }
        // Another run may have been quicker: then its folder stays and ours goes.
        if rename(half, folder) != 0, !module.isComplete {
            throw ScenarioFileError(.environment, "error: cannot write \(folder): \(errorText(errno))")
        }
        return module
    }

    private var isComplete: Bool {
        access(folder + "/ScenarioDSL.swiftmodule", R_OK) == 0 && access(folder + "/libScenarioDSL.a", R_OK) == 0
    }
}
