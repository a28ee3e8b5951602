import Foundation
import Synchronization

@testable import ScenarioFiles

/// A folder of its own for a test; it goes with the last reference.
final class Workshop: Sendable {
    let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "/carillon-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func write(_ name: String, _ text: String) throws -> String {
        let path = folder + "/" + name
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// All tests of a run share one cache, so that the language is compiled once. It goes with the process.
    static let cache: String = {
        atexit { try? FileManager.default.removeItem(atPath: Workshop.cachePath) }
        return cachePath
    }()
    private static let cachePath =
        NSTemporaryDirectory() + "/carillon-test-cache-\(ProcessInfo.processInfo.processIdentifier)"

    static var environment: [String: String] {
        var environment = ProcessInfo.processInfo.environment
        environment["XDG_CACHE_HOME"] = cache
        return environment
    }

    static func options(progress: @escaping @Sendable (String) -> Void = { _ in }) -> LoadOptions {
        LoadOptions(environment: environment, progress: progress)
    }

    func load(_ name: String, _ text: String) throws -> LoadedScenarios {
        try loadScenarios(file: try write(name, text), options: Self.options())
    }

    /// The lines said about a file that cannot be used.
    func complaint(_ name: String, _ text: String) throws -> ScenarioFileError? {
        do {
            _ = try load(name, text)
            return nil
        } catch let error as ScenarioFileError {
            return error
        }
    }
}
