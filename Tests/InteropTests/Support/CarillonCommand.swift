import Foundation

/// The carillon executable that was built with these tests.
enum CarillonCommand {
    /// Beside the test bundle, in `.build/<configuration>`; `CARILLON` names another one.
    static let path: String = {
        if let named = ProcessInfo.processInfo.environment["CARILLON"] { return named }
        let bundle = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let beside = [bundle, URL(fileURLWithPath: CommandLine.arguments[0])].map {
            $0.deletingLastPathComponent().appendingPathComponent("carillon").path
        }
        return beside.first { access($0, X_OK) == 0 } ?? beside[0]
    }()

    /// Whether it is there and its help lists the subcommand `run`. The tests that need calls wait for that.
    static let runs: Bool = {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = ["--help"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard access(path, X_OK) == 0, (try? process.run()) != nil else { return false }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text.split(separator: "\n").contains { $0.trimmingCharacters(in: .whitespaces).hasPrefix("run ") }
    }()

    /// `carillon run basic-call` toward `port`, without segmentation: a tap on loopback sees a segmented send as one frame.
    static func caller(
        to port: UInt16, from local: UInt16, calls: Int, rate: Int = 500, _ more: [String] = []
    ) throws -> ChildProcess {
        try ChildProcess(
            "carillon-caller",
            [
                path, "run", "basic-call", "127.0.0.1:\(port)", "--local", "127.0.0.1:\(local)", "--workers", "1",
                "--rate",
                "\(rate)/s", "--calls", "\(calls)", "--seed", "7", "--gso", "off", "--out", "record",
            ] + more)
    }

    static func callee(on port: UInt16, calls: Int, _ more: [String] = []) async throws -> ChildProcess {
        let process = try ChildProcess(
            "carillon-callee",
            [
                path, "serve", "basic-call", "--listen", "127.0.0.1:\(port)", "--calls", "\(calls)", "--until-idle",
                "5s",
                "--gso", "off", "--out", "record",
            ] + more)
        return try await listening(process, on: port)
    }

    /// The record that a run left in its folder: run.json of schema 1 (reports/README.md).
    struct Record {
        let folder: URL
        private let contents: Contents

        private struct Contents: Decodable {
            var schema: Int
            var counters: [String: Int]
            var delays: [Delay]
            var verdict: Verdict
        }

        struct Delay: Decodable {
            var name: String
            var samples: Int
            var p50Nanoseconds, p90Nanoseconds, p99Nanoseconds, p999Nanoseconds, p9999Nanoseconds: Int?
            var maximumNanoseconds: Int?
        }

        struct Verdict: Decodable {
            var level: String
        }

        init(of process: ChildProcess) throws {
            let root = process.folder.appendingPathComponent("record")
            let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)?.allObjects ?? []
            guard let file = files.compactMap({ $0 as? URL }).first(where: { $0.lastPathComponent == "run.json" })
            else {
                throw InteropError("\(process.name) left no run.json: \(process.lastWords)")
            }
            folder = file.deletingLastPathComponent()
            contents = try JSONDecoder().decode(Contents.self, from: Data(contentsOf: file))
            guard contents.schema == 1 else { throw InteropError("run.json has schema \(contents.schema), expected 1") }
        }

        var delays: [Delay] { contents.delays }
        var verdict: String { contents.verdict.level }

        /// The run's total of a counter, by its name in run.json. Throws where no such key exists.
        func total(_ counter: String) throws -> Int {
            guard let value = contents.counters[counter] else { throw InteropError("run.json counts no \(counter)") }
            return value
        }
    }
}

/// Python with the package hdrhistogram, where `.ci/python-histogram` could install it.
enum PythonHistogram {
    private static let interpreter = Repository.root.appendingPathComponent(".build/python/bin/python3").path

    static var isInstalled: Bool { access(interpreter, X_OK) == 0 }

    struct Delay: Decodable, Equatable {
        var samples, p50, p90, p99, p999, p9999, maximum: Int
    }

    /// The delays of a `.hlog` by name, summed over its intervals.
    static func read(_ log: URL) async throws -> [String: Delay] {
        let text = try await outputOf([interpreter, Repository.fixture("read_hlog.py"), log.path])
        return try JSONDecoder().decode([String: Delay].self, from: Data(text.utf8))
    }
}
