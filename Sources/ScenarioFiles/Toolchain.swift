// Which compiler builds the user's file, and where the sources of the language are.

import Foundation
import ScenarioDSL

struct Toolchain {
    /// Path of `swiftc`, symbolic links resolved for `identity` only: the driver looks at the name it is called by.
    let compiler: String
    /// Changes when the compiler does. Its path, size and time of change: asking for its version costs 50 ms at each start.
    let identity: String

    static func find(environment: [String: String]) throws(ScenarioFileError) -> Toolchain {
        let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for folder in folders {
            let path = folder + "/swiftc"
            guard access(path, X_OK) == 0, let real = realpath(path, nil) else { continue }
            defer { free(real) }
            var status = stat()
            guard stat(real, &status) == 0 else { continue }
            let identity =
                "\(String(cString: real)) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
            return Toolchain(compiler: path, identity: identity)
        }
        throw ScenarioFileError(
            .environment,
            [
                "error: no swiftc on the PATH, and a scenario file is compiled before it runs",
                "install Swift 6.2 or later from https://www.swift.org/install, or use what needs no compiler: a scenario"
                    + " of the catalogue (carillon list), or a program saved elsewhere (carillon lint FILE --emit call.json)",
            ])
    }
}

/// The sources of `ScenarioDSL`, in the order of their names.
struct LanguageFolder {
    let files: [String]
    /// Digest of their text: the version of the language.
    let version: String

    /// Beside an installed program, else where this program was built.
    static func find(executable: String?) throws(ScenarioFileError) -> LanguageFolder {
        var folders: [String] = []
        if let executable {
            let bin = (executable as NSString).deletingLastPathComponent
            folders.append(((bin as NSString).deletingLastPathComponent) + "/share/carillon/ScenarioDSL")
        }
        folders.append(LanguageSources.folderAtBuild)
        for folder in folders {
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { continue }
            let files = names.filter { $0.hasSuffix(".swift") }.sorted().map { folder + "/" + $0 }
            let texts = files.compactMap { FileManager.default.contents(atPath: $0) }
            guard !files.isEmpty, texts.count == files.count else { continue }
            return LanguageFolder(files: files, version: SHA256.hex(texts.map(Array.init)))
        }
        throw ScenarioFileError(
            .environment,
            [
                "error: the sources of the scenario language are missing, and a scenario file is compiled against them",
                "looked in " + folders.joined(separator: " and in "),
                "install carillon together with its share folder, or run a scenario of the catalogue (carillon list)",
            ])
    }
}

/// Path of the running program.
func ownExecutable() -> String? {
    guard let path = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(path) }
    return String(cString: path)
}
