import Foundation
import Synchronization

/// Why something outside this process did not do what a test needs of it.
struct InteropError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// One program in a private folder, its output kept in files. It is ended by its own id, never by name.
final class ChildProcess: Sendable {
    let name: String
    let identifier: pid_t
    /// Working folder, removed with `discard`.
    let folder: URL
    private let ended = Ended()

    private final class Ended: Sendable {
        let status = Mutex<Int32?>(nil)
    }

    /// Starts `arguments[0]`, looked up in PATH, with standard input closed.
    init(_ name: String, _ arguments: [String], folder: URL? = nil) throws {
        self.name = name
        self.folder = try folder ?? Self.newFolder(name)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // Whoever started us may have blocked or ignored what `stop` sends, and a child inherits that.
        process.arguments = ["--default-signal=INT,TERM"] + arguments
        process.currentDirectoryURL = self.folder
        process.environment = ProcessInfo.processInfo.environment.merging(["TERM": "xterm", "LC_ALL": "C.UTF-8"]) { $1 }
        process.standardInput = FileHandle.nullDevice
        for (suffix, attach) in [
            ("out", { process.standardOutput = $0 }), ("err", { process.standardError = $0 }),
        ] as [(String, (FileHandle) -> Void)] {
            let file = self.folder.appendingPathComponent("\(name).\(suffix)")
            guard FileManager.default.createFile(atPath: file.path, contents: nil) else {
                throw InteropError("\(name): cannot create \(file.path)")
            }
            attach(try FileHandle(forWritingTo: file))
        }
        process.terminationHandler = { [ended] finished in
            // A signal is told as a shell tells it: 128 + its number.
            let signalled = finished.terminationReason == .uncaughtSignal
            ended.status.withLock { $0 = finished.terminationStatus + (signalled ? 128 : 0) }
        }
        try process.run()
        identifier = process.processIdentifier
    }

    /// The exit status (128 + n after signal n), nil while it runs.
    var exitStatus: Int32? { ended.status.withLock { $0 } }

    var output: String { text("out") }
    var errors: String { text("err") }

    private func text(_ suffix: String) -> String {
        let file = folder.appendingPathComponent("\(name).\(suffix)")
        return (try? Data(contentsOf: file)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// The end of what it wrote, for an error message.
    var lastWords: String {
        let said = errors.isEmpty ? output : errors
        return said.split(separator: "\n").suffix(8).joined(separator: "\n")
    }

    /// The exit status once it ends by itself. After `limit` it is killed and the wait throws.
    func exit(within limit: Duration) async throws -> Int32 {
        do {
            try await wait(for: "\(name) to end", within: limit) { self.exitStatus != nil }
        } catch {
            await stop(first: SIGKILL)
            throw InteropError("\(name) did not end within \(limit): \(lastWords)")
        }
        return exitStatus ?? -1
    }

    /// Asks it to end, and makes it end after `patience`.
    func stop(first signal: Int32 = SIGTERM, patience: Duration = .seconds(3)) async {
        for number in [signal, SIGKILL] where exitStatus == nil {
            // Foundation makes it the leader of its own group; workers it forked must not outlive its being killed.
            kill(number == SIGKILL ? -identifier : identifier, number)
            try? await wait(for: "\(name) to end", within: patience) { self.exitStatus != nil }
        }
    }

    /// Stops it and removes its folder.
    func discard() async {
        await stop()
        try? FileManager.default.removeItem(at: folder)
    }

    static func newFolder(_ name: String) throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "carillon-\(name)-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }
}

/// Looks every 10 ms whether `condition` holds, and throws when it does not within `limit`.
func wait(for what: String, within limit: Duration, until condition: () throws -> Bool) async throws {
    let deadline = ContinuousClock.now + limit
    while try !condition() {
        if ContinuousClock.now > deadline { throw InteropError("waited \(limit) for \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Runs a short program to its end and returns its standard output; throws when it does not exit with 0.
func outputOf(_ arguments: [String], within limit: Duration = .seconds(60)) async throws -> String {
    let name = URL(fileURLWithPath: arguments[0]).lastPathComponent
    let process = try ChildProcess(name, arguments)
    do {
        let status = try await process.exit(within: limit)
        guard status == 0 else { throw InteropError("\(name) ended with \(status): \(process.lastWords)") }
        let output = process.output
        await process.discard()
        return output
    } catch {
        await process.discard()
        throw error
    }
}

/// Whether PATH has a program of this name.
func isInstalled(_ program: String) -> Bool {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
        access("\($0)/\(program)", X_OK) == 0
    }
}
