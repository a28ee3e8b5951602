import Foundation
import Synchronization
import Testing

/// The command as a user meets it: its words, its exit codes, its files.
@Suite("The carillon command", TwoAtATime(), .timeLimit(.minutes(5)))
enum CommandTests {}

/// The `carillon` that was built beside these tests, started as a user starts it: arguments, a folder, two streams, signals.
final class Command: Sendable {
    struct Trouble: Error, CustomStringConvertible {
        var description: String
    }

    /// How it ended.
    struct Outcome {
        var code: Int32
        var out: String
        var error: String

        /// The generator itself was the limit, as happens on a busy machine: exit 3 comes before 1, and rightly so.
        var isStarved: Bool { code == 3 && out.contains("INVALID") && out.contains("(limit ") }

        /// The value of a line of the head.
        func head(_ name: String) -> String? { headValue(name, in: out) }
    }

    static let path: String = {
        let places = [URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path, CommandLine.arguments[0]]
        for place in places {
            var folder = URL(fileURLWithPath: place).deletingLastPathComponent()
            for _ in 0..<4 {
                let candidate = folder.appendingPathComponent("carillon").path
                if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
                folder.deleteLastPathComponent()
            }
        }
        return "carillon"
    }()

    let identifier: pid_t
    private let folder: URL
    private let ending = Ending()

    /// What the termination handler may hold without holding the command.
    private final class Ending: Sendable {
        private let value = Mutex<Int32?>(nil)
        func set(_ code: Int32) { value.withLock { $0 = code } }
        var code: Int32? { value.withLock { $0 } }
    }

    /// Output goes to files, so that a test may look at it while the command runs and no pipe fills up.
    ///
    /// A run that says nothing of its load is one call, and calls come one after the other unless a rate is given: what is due at a
    /// time and cannot be started then, since the machine is busy, is left out.
    ///
    /// - Parameter asGiven: the arguments stand as they are.
    /// - Parameter output: where standard output goes instead.
    /// - Parameter ignoring: a signal that whoever starts it has ignored, as `nohup` does with HUP.
    /// - Parameter limits: options of `ulimit` that hold for it.
    init(
        _ arguments: [String], in workingFolder: URL, asGiven: Bool = false, output: FileHandle? = nil,
        ignoring: String? = nil, limits: [String] = []
    ) throws {
        let arguments = asGiven ? arguments : Self.oneAfterTheOther(arguments)
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("carillon-out-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // Whoever started the tests may have these ignored, and a child inherits that.
        let signals = ["--default-signal=INT,TERM,HUP"] + (ignoring.map { ["--ignore-signal=\($0)"] } ?? [])
        let shell = limits.map { "ulimit \($0) && " }.joined() + "exec \"$0\" \"$@\""
        process.arguments = signals + (limits.isEmpty ? [] : ["bash", "-c", shell]) + [Self.path] + arguments
        process.currentDirectoryURL = workingFolder
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try output ?? Self.newFile(folder.appendingPathComponent("out"))
        process.standardError = try Self.newFile(folder.appendingPathComponent("err"))
        process.terminationHandler = { [ending] ended in
            // A death by signal is none of the command's own codes.
            ending.set(ended.terminationStatus + (ended.terminationReason == .uncaughtSignal ? 1000 : 0))
        }
        try process.run()
        identifier = process.processIdentifier
    }

    private static func oneAfterTheOther(_ arguments: [String]) -> [String] {
        guard arguments.first == "run", arguments.count > 1,
            !arguments.contains(where: { ["--rate", "--for", "--concurrency"].contains($0) })
        else { return arguments }
        return arguments + ["--concurrency", "1"] + (arguments.contains("--calls") ? [] : ["--calls", "1"])
    }

    private static func newFile(_ file: URL) throws -> FileHandle {
        try Data().write(to: file)
        return try FileHandle(forWritingTo: file)
    }

    var isRunning: Bool { ending.code == nil }
    var out: String { text("out") }
    var error: String { text("err") }
    private func text(_ name: String) -> String {
        let data = try? Data(contentsOf: folder.appendingPathComponent(name))
        return String(decoding: data ?? Data(), as: UTF8.self)
    }

    func signal(_ number: Int32) { kill(identifier, number) }

    /// Waits for its end; after a minute it is killed and the test fails.
    func end() async throws -> Outcome {
        defer { try? FileManager.default.removeItem(at: folder) }
        do {
            try await until("carillon to end") { !self.isRunning }
        } catch {
            signal(SIGKILL)
            throw error
        }
        return Outcome(code: ending.code ?? -1, out: out, error: error)
    }
}

/// The value of a line that a run prints before it begins.
func headValue(_ name: String, in text: String) -> String? {
    text.split(separator: "\n").first { $0.hasPrefix(name + " ") }.map {
        $0.dropFirst(name.count).trimmingCharacters(in: .whitespaces)
    }
}

/// Looks every 10 ms whether something is so, for a minute at most.
func until(_ what: String, _ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while !condition() {
        guard ContinuousClock.now < deadline else { throw Command.Trouble(description: "waited a minute for \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Runs `carillon` to its end in a folder of its own.
@discardableResult
func carillon(
    _ arguments: [String], in folder: URL? = nil, asGiven: Bool = false
) async throws -> Command.Outcome {
    if let folder { return try await Command(arguments, in: folder, asGiven: asGiven).end() }
    return try await inFolder { try await Command(arguments, in: $0, asGiven: asGiven).end() }
}

/// A new folder for the length of `body`.
func inFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("carillon-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

/// `carillon serve` at a port that it chooses and prints, for the length of `body`, which ends it.
func serving(
    _ arguments: [String], in folder: URL, _ body: (_ server: Command, _ target: String) async throws -> Void
) async throws -> Command.Outcome {
    let server = try Command(["serve"] + arguments + ["--listen", "127.0.0.1:0"], in: folder)
    do {
        try await until("carillon serve to listen") {
            headValue("listening", in: server.out) != nil || !server.isRunning
        }
        let target = headValue("listening", in: server.out)?.split(separator: " ").first
        try await body(server, String(try #require(target, "\(server.error)")))
    } catch {
        server.signal(SIGKILL)
        throw error
    }
    return try await server.end()
}

/// `carillon serve` in a folder of its own, for the length of `body`; ends by itself after `calls`.
func serving(
    _ scenario: String, calls: Int, _ body: (_ target: String) async throws -> Void
) async throws -> Command.Outcome {
    try await inFolder { folder in
        try await serving([scenario, "--calls", "\(calls)", "--no-report"], in: folder) { _, target in
            try await body(target)
        }
    }
}

/// A UDP port of 127.0.0.1 that nobody has, below the range that the kernel hands out.
func freePort() throws -> UInt16 {
    for _ in 0..<1000 {
        let port = UInt16.random(in: 20_000..<26_000)
        if !isBound(port) { return port }
    }
    throw Command.Trouble(description: "no free UDP port")
}

/// Whether a process has the UDP port, by the kernel's own table.
func isBound(_ port: UInt16) -> Bool { isListed(port, in: "/proc/net/udp") }

/// Whether a process listens for connections at the port.
func isListening(_ port: UInt16) -> Bool { isListed(port, in: "/proc/net/tcp", state: "0A") }

private func isListed(_ port: UInt16, in file: String, state: Substring? = nil) -> Bool {
    let digits = String(port, radix: 16, uppercase: true)
    let wanted = ":" + String(repeating: "0", count: 4 - digits.count) + digits
    guard let table = kernelTable(file) else { return false }
    return table.split(separator: "\n").contains {
        let fields = $0.split(separator: " ")
        return fields.count > 3 && fields[1].hasSuffix(wanted) && (state == nil || fields[3] == state!)
    }
}

/// All of a file that the kernel makes while it is read: Foundation takes the first short read for its end.
private func kernelTable(_ file: String) -> String? {
    guard let stream = fopen(file, "r") else { return nil }
    defer { fclose(stream) }
    var text: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&block, 1, block.count, stream), count > 0 { text += block[..<count] }
    return String(decoding: text, as: UTF8.self)
}

extension URL {
    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: appendingPathComponent(name).path) }
}

/// What a program reads of `run.json`.
struct ReadRecord: Decodable {
    var schema: Int
    var identity: Identity
    var counters: [String: Int]
    var end: End
    var verdict: Verdict

    struct Identity: Decodable {
        var runID: String
        var seed: UInt64
    }

    struct End: Decodable { var kind: String }
    struct Verdict: Decodable { var level: String }

    init(_ text: String) throws { self = try JSONDecoder().decode(Self.self, from: Data(text.utf8)) }

    init(file: URL) throws { try self.init(String(contentsOf: file, encoding: .utf8)) }
}
