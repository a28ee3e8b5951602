import Foundation
import Testing

/// The command as a user meets it: its words, its exit codes, its files.
@Suite("The carillon command", .serialized)
struct CommandTests {
    struct Outcome {
        var code: Int32
        var out: String
        var error: String
    }

    /// `carillon`, built beside the tests.
    static let path: String = {
        var folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        for _ in 0..<4 {
            let candidate = folder.appendingPathComponent("carillon").path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
            folder.deleteLastPathComponent()
        }
        return "carillon"
    }()

    private func begin(_ arguments: [String], in folder: URL? = nil) throws -> (Process, Pipe, Pipe) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.path)
        process.arguments = arguments
        if let folder { process.currentDirectoryURL = folder }
        let out = Pipe()
        let error = Pipe()
        process.standardOutput = out
        process.standardError = error
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return (process, out, error)
    }

    private func finish(_ begun: (Process, Pipe, Pipe)) -> Outcome {
        let out = begun.1.fileHandleForReading.readDataToEndOfFile()
        let error = begun.2.fileHandleForReading.readDataToEndOfFile()
        begun.0.waitUntilExit()
        return Outcome(
            code: begun.0.terminationStatus, out: String(decoding: out, as: UTF8.self),
            error: String(decoding: error, as: UTF8.self))
    }

    private func carillon(_ arguments: String..., in folder: URL? = nil) throws -> Outcome {
        finish(try begin(arguments, in: folder))
    }

    private func temporaryFolder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("carillon-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    /// A UDP port that is free now.
    private func freePort() -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, length)
                getsockname(descriptor, $0, &length)
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    @Test("Calls between two parties of one process pass")
    func embedded() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let run = try carillon("run", "basic-call", "--rate", "500/s", "--calls", "50", "--out", folder.path)
        #expect(run.out.contains("50 succeeded, 0 failed"))
        #expect(run.code == 0 || run.out.contains("INVALID"))  // a starved machine is said to be one
        for file in ["run.json", "summary.txt", "intervals.hlog"] {
            #expect(FileManager.default.fileExists(atPath: folder.appendingPathComponent(file).path))
        }
    }

    @Test("A failing call is explained on one screen, exit 1")
    func explained() throws {
        let port = freePort()
        let server = try begin([
            "serve", "busy", "--listen", "127.0.0.1:\(port)", "--calls", "3", "--no-report", "--quiet",
        ])
        usleep(300_000)
        let run = try carillon(
            "run", "basic-call", "127.0.0.1:\(port)", "--calls", "3", "--rate", "50/s", "--no-report")
        #expect(run.code == 1)
        #expect(run.out.contains("BasicCall.swift:12"))
        #expect(run.out.contains("expected  180 or 200 to INVITE"))
        #expect(run.out.contains("486 Busy Here"))
        #expect(run.out.contains("Call-ID"))
        #expect(run.out.contains("INVITE ─"))
        _ = finish(server)
    }

    @Test("Two processes: run against serve")
    func twoProcesses() throws {
        let port = freePort()
        let server = try begin(["serve", "basic-call", "--listen", "127.0.0.1:\(port)", "--calls", "40", "--no-report"])
        usleep(300_000)
        let run = try carillon(
            "run", "basic-call", "127.0.0.1:\(port)", "--rate", "200/s", "--calls", "40", "--no-report")
        #expect(run.out.contains("40 succeeded, 0 failed"))
        let served = finish(server)
        #expect(served.out.contains("40 succeeded, 0 failed"))
    }

    @Test("Nothing reachable is exit 3, never a pass")
    func nothingReachable() throws {
        let run = try carillon("run", "basic-call", "127.0.0.1:\(freePort())", "--no-report")
        #expect(run.code == 3)
        #expect(run.out.contains("refused"))
    }

    @Test(
        "Wrong usage is exit 64, and says what is right",
        arguments: [
            (["run", "basic-cal"], "did you mean basic-call"), (["run", "basic-call", "--rate", "fast"], "--rate"),
            (["run", "basic-call", "--set", "colour=red"], "colour"),
            (["run", "basic-call", "--play", "mallory"], "mallory"),
            (["run", "basic-call", "8.8.8.8", "--rate", "500/s"], "--yes-load"),
            (["run", "basic-call", "--calls", "0"], "--calls"),
            (["run", "basic-call", "sips:bob@127.0.0.1"], "UDP"), (["run", "basic-call", "--hold", "long"], "--hold"),
            (["serve", "basic-call", "--listen", "0.0.0.0:5060"], "--listen"),
        ])
    func usage(arguments: [String], word: String) throws {
        let run = finish(try begin(arguments))
        #expect(run.code == 64)
        #expect(run.error.contains(word))
    }

    @Test("A scenario that cannot be used is exit 65, with its line")
    func wrongFile() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("wrong.json")
        try Data("{\"format\":1,\"scenarios\":[".utf8).write(to: file)
        let run = try carillon("run", file.path)
        #expect(run.code == 65)
        #expect(run.error.contains("wrong.json"))
        let missing = try carillon("run", folder.appendingPathComponent("none.swift").path)
        #expect(missing.code == 64 || missing.code == 65)
        #expect(missing.error.contains("none.swift"))
    }

    @Test("An address that is not ours cannot be bound: exit 69")
    func cannotBind() throws {
        let run = try carillon("run", "basic-call", "127.0.0.1:5060", "--local", "192.0.2.77", "--no-report")
        #expect(run.code == 69)
    }

    @Test("An interrupt drains and still reports, exit 130")
    func interrupted() throws {
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let run = try begin([
            "run", "basic-call", "--rate", "100/s", "--for", "20s", "--hold", "30s", "--out", folder.path,
        ])
        usleep(1_500_000)
        kill(run.0.processIdentifier, SIGINT)
        let outcome = finish(run)
        #expect(outcome.code == 130)
        #expect(outcome.out.contains("drained"))
        #expect(FileManager.default.fileExists(atPath: folder.appendingPathComponent("run.json").path))
    }

    @Test("A full disk costs the files, not the truth")
    func fullDisk() throws {
        let run = try carillon("run", "basic-call", "--calls", "5", "--rate", "100/s", "--out", "/dev/full/report")
        #expect(run.code == 69)
        #expect(run.error.contains("cannot write"))
    }

    @Test("list, new, lint, explain")
    func tools() throws {
        let list = try carillon("list")
        #expect(list.code == 0)
        #expect(list.out.contains("basic-call"))
        let explain = try carillon("explain", "basic-call", "--messages")
        #expect(explain.out.contains("message 0: INVITE of alice"))
        let mermaid = try carillon("explain", "basic-call", "--mermaid")
        #expect(mermaid.out.hasPrefix("sequenceDiagram"))
        let folder = try temporaryFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let lint = try carillon("lint", "basic-call", "--waits", "--emit", "call.json", in: folder)
        #expect(lint.code == 0)
        #expect(lint.out.contains("180 s after a provisional"))
        let saved = try carillon("run", "call.json", "--no-report", in: folder)
        #expect(saved.out.contains("1 succeeded, 0 failed"))
        let new = try carillon("new", "my-call", in: folder)
        #expect(new.code == 0)
        let again = try carillon("new", "my-call", in: folder)
        #expect(again.code == 64)
        #expect(again.error.contains("nothing is overwritten"))
    }
}
