import Foundation
import Glibc
import Testing

/// The command as a user meets it: its words, its exit codes, its files. One test at a time: each starts processes that send.
@Suite("The carillon command", .serialized, .timeLimit(.minutes(5)))
enum CommandTests {}

/// One process of `carillon`, its output in files: a pipe that nobody reads would stop it.
final class Command {
    /// Built beside the tests; `CARILLON` names another one.
    static let path: String = {
        if let named = ProcessInfo.processInfo.environment["CARILLON"] { return named }
        let starts = [URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath(), bundle]
        for start in starts {
            var folder = start.deletingLastPathComponent()
            for _ in 0..<4 {
                let candidate = folder.appendingPathComponent("carillon").path
                if FileManager.default.isExecutableFile(atPath: candidate), !isFolder(candidate) { return candidate }
                folder.deleteLastPathComponent()
            }
        }
        return "carillon"
    }()

    private static let bundle = URL(fileURLWithPath: CommandLine.arguments[0])

    private static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    private let process = Process()
    private let workshop: Workshop
    private let number: Int

    var out: String { workshop.text("out-\(number)") }
    var error: String { workshop.text("error-\(number)") }

    /// - Parameter output: where standard output goes; nil: into a file.
    init(_ arguments: [String], in workshop: Workshop, output: FileHandle? = nil) throws {
        self.workshop = workshop
        number = workshop.next()
        process.executableURL = URL(fileURLWithPath: Self.path)
        process.arguments = arguments
        process.currentDirectoryURL = workshop.folder
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try output ?? workshop.file("out-\(number)")
        process.standardError = try workshop.file("error-\(number)")
        // What a developer's terminal says about colour is not the test's business.
        process.environment = ProcessInfo.processInfo.environment.merging(["NO_COLOR": "1"]) { $1 }
        try process.run()
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// The exit code; 128 and the signal where one killed it. One that does not end is killed and fails the test.
    @discardableResult
    func wait(limit: TimeInterval = 60) -> Int32 {
        let end = Date(timeIntervalSinceNow: limit)
        while process.isRunning {
            if Date() > end {
                kill(process.processIdentifier, SIGKILL)
                Issue.record("still running after \(limit) s: \(process.arguments ?? [])\n\(out)\n\(error)")
            }
            usleep(5_000)
        }
        return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    }

    /// Waits until something holds; false where the process ended first, or after a minute.
    func wait(until holds: () -> Bool) -> Bool {
        for _ in 0..<6_000 {
            if holds() { return true }
            if !process.isRunning { return holds() }
            usleep(10_000)
        }
        return false
    }

    /// The port of the head's line `listening  127.0.0.1:PORT`, once it is printed.
    func listeningPort() throws -> UInt16 {
        func port() -> UInt16? {
            guard let line = out.split(separator: "\n").first(where: { $0.hasPrefix("listening") }),
                let address = line.split(separator: " ").dropFirst().first
            else { return nil }
            return address.split(separator: ":").last.flatMap { UInt16($0) }
        }
        _ = wait(until: { port() != nil })
        return try #require(port(), "does not listen: \(out)\(error)")
    }

    /// The value of a line of the head.
    func head(_ name: String) -> String? {
        out.split(separator: "\n").first { $0.hasPrefix(name + " ") }.map {
            $0.dropFirst(name.count).trimmingCharacters(in: .whitespaces)
        }
    }
}

/// A folder for one test.
final class Workshop {
    let folder: URL
    private var count = 0

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("carillon-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func next() -> Int {
        count += 1
        return count
    }

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    func file(_ name: String) throws -> FileHandle {
        _ = FileManager.default.createFile(atPath: path(name), contents: nil)
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path(name)))
    }

    func text(_ name: String) -> String { (try? String(contentsOfFile: path(name), encoding: .utf8)) ?? "" }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path(name)))
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    func begin(_ arguments: String...) throws -> Command { try Command(arguments, in: self) }

    /// Runs to the end.
    func run(_ arguments: String...) throws -> (code: Int32, out: String, error: String) { try run(arguments) }

    func run(_ arguments: [String], output: FileHandle? = nil) throws -> (code: Int32, out: String, error: String) {
        let command = try Command(arguments, in: self, output: output)
        let code = command.wait()
        return (code, command.out, command.error)
    }

    /// What `run.json` of a report folder, or of standard output, says.
    func record(_ name: String) throws -> Record {
        let text = exists(name + "/run.json") ? self.text(name + "/run.json") : self.text(name)
        return try JSONDecoder().decode(Record.self, from: Data(text.utf8))
    }
}

/// The parts of `run.json` that these tests look at.
struct Record: Decodable {
    struct Identity: Decodable {
        var runID: String
        var seed: UInt64
        var command: [String]
    }
    struct End: Decodable { var kind: String }
    struct Verdict: Decodable { var level: String }
    struct Group: Decodable {
        struct Example: Decodable { var callID: String }
        var count: Int
        var expected: String
        var got: String
        var examples: [Example]
    }

    var identity: Identity
    var end: End
    var verdict: Verdict
    var counters: [String: Int]
    var failureGroups: [Group]

    /// What a run without failures must end with: a starved machine makes a run invalid, and then it must say so.
    var codeWithoutFailures: Int32 { verdict.level == "invalid" ? 3 : 0 }
}

/// A UDP socket on loopback.
final class Peer {
    let port: UInt16
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isBound)
        port = UInt16(bigEndian: address.sin_port)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// The next message, answered with what `answer` makes of it.
    func receive(answer: (String) -> String? = { _ in nil }) throws -> String {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var source = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &source) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
            }
        }
        try #require(count > 0, "nothing came within 20 s")
        let text = String(decoding: buffer[0..<count], as: UTF8.self)
        if let response = answer(text) {
            var octets = Array(response.utf8)
            _ = withUnsafeMutablePointer(to: &source) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor, &octets, octets.count, 0, $0, length)
                }
            }
        }
        return text
    }

    /// A response to a request: its Via, From, To, Call-ID and CSeq.
    static func response(_ line: String, to request: String) -> String {
        let repeated = request.components(separatedBy: "\r\n").filter { header in
            ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].contains { header.hasPrefix($0) }
        }
        let head = repeated.map { $0.hasPrefix("To:") && !$0.contains("tag=") ? $0 + ";tag=peer" : $0 }
        return (["SIP/2.0 \(line)"] + head + ["Content-Length: 0", "", ""]).joined(separator: "\r\n")
    }

    /// A port where nobody is.
    static func nobody() throws -> UInt16 {
        let peer = try Peer()
        return peer.port
    }
}
