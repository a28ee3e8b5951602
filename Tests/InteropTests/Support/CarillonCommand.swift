import Foundation
import Testing

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
    ///
    /// - Parameter isAnywhere: its port is one of no address in particular.
    static func caller(
        to port: UInt16, named target: String? = nil, from local: UInt16, calls: Int, rate: Int = 500,
        at host: Loopback = .ipv4, isAnywhere: Bool = false, playing scenario: String = "basic-call",
        _ more: [String] = []
    ) throws -> ChildProcess {
        try ChildProcess(
            "carillon-caller",
            [
                path, "run", scenario, "\(target ?? host.rawValue):\(port)", "--local",
                "\(isAnywhere ? "0.0.0.0" : host.rawValue):\(local)", "--workers", "1", "--rate", "\(rate)/s",
                "--calls",
                "\(calls)", "--seed", "7", "--gso", "off", "--out", "record",
            ] + more)
    }

    static func callee(
        on port: UInt16, calls: Int, at host: Loopback = .ipv4, isAnywhere: Bool = false,
        playing scenario: String = "basic-call", over transport: SpokenTransport? = nil, _ more: [String] = []
    ) async throws -> ChildProcess {
        let process = try ChildProcess(
            "carillon-callee",
            (transport?.command ?? [path]) + [
                "serve", scenario, "--listen", "\(isAnywhere ? "0.0.0.0" : host.rawValue):\(port)", "--calls",
                "\(calls)", "--until-idle", "15s", "--gso", "off", "--out", "record",
            ] + (transport?.options ?? []) + more)
        return try await listening(process, on: port, forStreams: transport?.isSecure ?? false)
    }

    /// The record of a run once it has ended by itself and nothing that began has failed; and how much began. On a busy machine a
    /// generator may have been late and have left out arrivals: then it calls its run invalid, which here is no fault.
    static func succeeded(_ process: ChildProcess, within limit: Duration = .seconds(100)) async throws -> (
        record: Record, calls: Int
    ) {
        let code = try await process.exit(within: limit)
        #expect(code == 0 || code == 3, "\(process.name) ended with \(code): \(process.lastWords)")
        let record = try Record(of: process)
        let calls = try record.total("runsStarted")
        #expect(calls > 0, "\(process.lastWords)")
        #expect(try record.total("runsSucceeded") == calls, "\(process.lastWords)")
        #expect(try record.total("runsFailed") == 0, "\(process.lastWords)")
        return (record, calls)
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
            var media: [String: Int]?
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

        /// A figure of the run's media, by its name in run.json.
        func media(_ figure: String) throws -> Int {
            guard let value = contents.media?[figure] else { throw InteropError("run.json has no \(figure) of media") }
            return value
        }

        /// The run's total of a counter, by its name in run.json. Throws where no such key exists.
        func total(_ counter: String) throws -> Int {
            guard let value = contents.counters[counter] else { throw InteropError("run.json counts no \(counter)") }
            return value
        }
    }
}

/// Python with the package hdrhistogram, where `Tests/Oracles/install.sh` could install it.
enum PythonHistogram {
    private static let interpreter = Repository.root.appendingPathComponent(".build/oracles/bin/python3").path

    static var isInstalled: Bool { access(interpreter, X_OK) == 0 }

    /// One delay of a `.hlog`, summed over its intervals, as Python's buckets have it.
    struct Delay {
        var samples = 0
        fileprivate var buckets: [(value: Int, count: Int)] = []

        /// The smallest bucket that holds the sample of rank ceil(share * samples), as HdrHistogram's Java original says it.
        /// Python's own function rounds that rank.
        func value(atTenThousandths share: Int) -> Int? {
            var left = max(1, (samples * share + 9_999) / 10_000)
            for bucket in buckets {
                left -= bucket.count
                if left <= 0 { return bucket.value }
            }
            return nil
        }
    }

    /// The delays of a `.hlog` by name.
    static func read(_ log: URL) async throws -> [String: Delay] {
        let script = Repository.root.appendingPathComponent("Tests/Oracles/read_hlog.py").path
        var delays: [String: Delay] = [:]
        for line in try await outputOf([interpreter, script, log.path]).split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 8, let samples = Int(fields[1]) else { throw InteropError("unexpected line: \(line)") }
            let buckets = fields[8...].map { $0.split(separator: ":").compactMap { Int($0) } }.map { ($0[0], $0[1]) }
            delays[String(fields[0])] = Delay(samples: samples, buckets: buckets)
        }
        return delays
    }
}
