// What is kept between runs, under $XDG_CACHE_HOME/carillon or ~/.cache/carillon:
//
//     language-<digest>/    the language compiled once per toolchain
//     programs/<digest>     what a scenario file left behind; successes only
//
// Entries appear by renaming, so that two runs at once do not see each other's halves. A cache that cannot be written is no
// error: everything is then compiled in a temporary folder.

import Foundation

struct ScenarioCache {
    let folder: String
    /// Set if `folder` is temporary: it goes when the load is over.
    let isTemporary: Bool

    private static let keptDays = 60.0

    static func open(environment: [String: String]) throws(ScenarioFileError) -> ScenarioCache {
        var base: String?
        // The XDG specification ignores relative paths.
        if let given = environment["XDG_CACHE_HOME"], given.hasPrefix("/") {
            base = given
        } else if let home = environment["HOME"], home.hasPrefix("/") {
            base = home + "/.cache"
        }
        if let base {
            let folder = base + "/carillon"
            let made: ()? = try? FileManager.default.createDirectory(
                atPath: folder + "/programs", withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            if made != nil, access(folder, W_OK) == 0, access(folder + "/programs", W_OK) == 0 {
                return ScenarioCache(folder: folder, isTemporary: false)
            }
        }
        let cache = ScenarioCache(folder: try temporaryFolder(in: NSTemporaryDirectory()), isTemporary: true)
        mkdir(cache.folder + "/programs", 0o700)
        return cache
    }

    /// A new folder that nobody else can have made.
    static func temporaryFolder(in parent: String) throws(ScenarioFileError) -> String {
        var template = Array((parent + "/carillon-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ScenarioFileError(.environment, "cannot make a folder in \(parent): \(errorText(errno))")
        }
        return template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    func removeIfTemporary() {
        if isTemporary { try? FileManager.default.removeItem(atPath: folder) }
    }

    func program(_ key: String) -> [UInt8]? {
        let path = folder + "/programs/" + key
        guard let octets = FileManager.default.contents(atPath: path) else { return nil }
        utimes(path, nil)
        return Array(octets)
    }

    /// Silent if it fails: the next run compiles again.
    func keep(program: [UInt8], _ key: String) {
        let path = folder + "/programs/" + key
        let half = path + ".\(getpid())"
        guard FileManager.default.createFile(atPath: half, contents: Data(program)) else { return }
        if rename(half, path) != 0 { unlink(half) }
        removeOldPrograms()
    }

    func dropProgram(_ key: String) { unlink(folder + "/programs/" + key) }

    private func removeOldPrograms() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/programs")) ?? []
        let oldest = Date().timeIntervalSince1970 - Self.keptDays * 86_400
        for name in names {
            let path = folder + "/programs/" + name
            var status = stat()
            if stat(path, &status) == 0, Double(status.st_mtim.tv_sec) < oldest { unlink(path) }
        }
    }
}
