import Foundation
import Synchronization

/// Why something outside this process did not do what a test needs of it.
struct InteropError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// One program in a private folder, its output kept in files. It is ended by its own id, never by name.
///
/// Not Foundation's `Process`: that takes a child for ended when a descriptor it inherits is closed, and then waits for it on the
/// one thread that hears of all children. Kamailio closes the first 32 descriptors as it starts, so that nothing that ended beside
/// it was noticed - wherever the test process had few enough files open.
final class ChildProcess: Sendable {
    let name: String
    let identifier: pid_t
    /// Working folder, removed with `discard`.
    let folder: URL
    private let ended = Mutex<Int32?>(nil)

    /// Starts `arguments[0]`, looked up in PATH, with standard input closed, as the leader of its own process group.
    init(_ name: String, _ arguments: [String], folder: URL? = nil) throws {
        self.name = name
        self.folder = try folder ?? Self.newFolder(name)
        identifier = try Self.spawn(
            arguments, in: self.folder, output: self.folder.appendingPathComponent("\(name).out").path,
            errors: self.folder.appendingPathComponent("\(name).err").path)
    }

    private static func spawn(_ arguments: [String], in folder: URL, output: String, errors: String) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (descriptor, path) in [(1, output), (2, errors)] as [(Int32, String)] {
            posix_spawn_file_actions_addopen(&actions, descriptor, path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        }
        // What is not open is passed over.
        for descriptor in 3..<256 as Range<Int32> { posix_spawn_file_actions_addclose(&actions, descriptor) }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Whoever started us may have blocked or ignored what `stop` sends, and a child inherits that.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        for number in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&signals, number) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))

        let environment = ProcessInfo.processInfo.environment.merging(["TERM": "xterm", "LC_ALL": "C.UTF-8"]) { $1 }
        var words: [UnsafeMutablePointer<CChar>?] =
            (["env", "--chdir", folder.path] + arguments).map { strdup($0) } + [nil]
        var settings: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in words + settings { free(text) } }
        var identifier: pid_t = 0
        let problem = posix_spawnp(&identifier, "env", &actions, &attributes, &words, &settings)
        guard problem == 0 else {
            throw InteropError("cannot start \(arguments[0]): \(String(cString: strerror(problem)))")
        }
        return identifier
    }

    /// The exit status (128 + n after signal n), nil while it runs.
    var exitStatus: Int32? {
        ended.withLock { ended in
            var status: Int32 = 0
            if ended == nil, waitpid(identifier, &status, WNOHANG) == identifier {
                // A signal is told as a shell tells it: 128 + its number.
                let signal = status & 0x7F
                ended = signal == 0 ? status >> 8 & 0xFF : 128 + signal
            }
            return ended
        }
    }

    var output: String { text("out") }
    var errors: String { text("err") }

    private func text(_ suffix: String) -> String {
        let file = folder.appendingPathComponent("\(name).\(suffix)")
        return (try? Data(contentsOf: file)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// The end of what it wrote, for an error message.
    var lastWords: String {
        let said = (errors.isEmpty ? output : errors).split(separator: "\n")
        // Of a crash the end is registers: what matters stands above them.
        if let crash = said.firstIndex(where: { $0.contains("Fatal error") || $0.contains("Program crashed") }) {
            // What the C library finds wrong it says first.
            return said[max(said.startIndex, crash - 3)...].prefix(40).joined(separator: "\n")
        }
        // Of a run of ours that has lost calls: how many, when, and what came.
        if let outcome = said.lastIndex(where: { $0.hasPrefix("Outcome ") }) {
            return said[max(said.startIndex, outcome - 3)...].prefix(90).joined(separator: "\n")
        }
        return said.suffix(8).joined(separator: "\n")
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
            // It leads its own group; workers it forked must not outlive its being killed.
            kill(number == SIGKILL ? -identifier : identifier, number)
            // Nothing survives SIGKILL; a busy machine only takes its time.
            let limit = number == SIGKILL ? .seconds(100) : patience
            try? await wait(for: "\(name) to end", within: limit) { self.exitStatus != nil }
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
