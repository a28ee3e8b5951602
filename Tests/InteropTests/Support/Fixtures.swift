import Foundation
import Synchronization

/// Where the repository and the files beside these tests are.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static func fixture(_ name: String) -> String {
        root.appendingPathComponent("Tests/InteropTests/Fixtures/\(name)").path
    }
}

/// The plain C peer of Benchmarks/peer, built once for these tests.
enum CPeer {
    private static let built: Task<String, any Error> = Task {
        let folder = Repository.root.appendingPathComponent(".build/interop")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let executable = folder.appendingPathComponent("peer").path
        let half = "\(executable).\(getpid())"
        let source = Repository.root.appendingPathComponent("Benchmarks/peer/peer.c").path
        _ = try await outputOf([
            "gcc", "-O2", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-o", half, source, "-lm",
        ])
        guard rename(half, executable) == 0 else { throw InteropError("cannot rename \(half) to \(executable)") }
        return executable
    }

    /// What the peer prints at its end.
    struct Account: Decodable {
        var calls, missing, refused, repeats, malformed, unexpected: Int
    }

    static func caller(to port: UInt16, calls: Int, window: Int = 8, user: String = "service") async throws
        -> ChildProcess
    {
        try ChildProcess(
            "c-caller",
            [
                try await built.value, "uac", "127.0.0.1:\(port)", "--calls", "\(calls)", "--window", "\(window)",
                "--user",
                user,
            ])
    }

    static func callee(on port: UInt16, calls: Int) async throws -> ChildProcess {
        let process = try ChildProcess(
            "c-callee",
            [try await built.value, "uas", "127.0.0.1:\(port)", "--calls", "\(calls)", "--until-idle", "15"])
        return try await listening(process, on: port)
    }

    static func account(of process: ChildProcess) throws -> Account {
        do {
            return try JSONDecoder().decode(Account.self, from: Data(process.output.utf8))
        } catch {
            throw InteropError("\(process.name) gave no account (\(error)): \(process.lastWords)")
        }
    }
}

/// This machine, as the programs under test are told of it.
enum Loopback: String {
    case ipv4 = "127.0.0.1"
    case ipv6 = "[::1]"

    /// Whether the machine has ::1.
    static let hasIPv6 =
        (try? String(contentsOfFile: "/proc/net/if_inet6", encoding: .utf8))?
        .contains(String(repeating: "0", count: 31) + "1 ") ?? false
}

/// SIPp with its built-in scenarios, or with ours that follow a route set.
enum SIPp {
    private static func common(_ host: Loopback) -> [String] { ["-i", host.rawValue] + common }
    /// Its watchdog ends it on a busy machine, and it gives up sooner than Timer B and F: neither says anything of ours.
    private static let common = [
        "-nostdin", "-trace_stat", "-stf", "statistics.csv", "-trace_err", "-error_file", "errors.log",
        "-watchdog_interval", "0", "-max_invite_retrans", "20", "-max_non_invite_retrans", "20",
    ]

    /// - Parameter transport: SIPp's `-t`: `u1` one UDP socket, `t1` one TCP connection, `tn` one for each call.
    static func caller(
        to port: UInt16, calls: Int, rate: Int = 200, routed: Bool = false, at host: Loopback = .ipv4,
        transport: String = "u1"
    ) throws -> ChildProcess {
        let scenario = routed ? ["-sf", Repository.fixture("sipp-uac-routed.xml")] : ["-sn", "uac", "-d", "0"]
        let ours = try UDPPorts.free()
        return try ChildProcess(
            "sipp-caller",
            ["sipp"] + scenario + [
                "\(host.rawValue):\(port)", "-p", "\(ours)", "-m", "\(calls)", "-r", "\(rate)", "-l", "\(calls)",
                "-t", transport, "-max_socket", "\(calls + 100)",
            ]
                + common(host))
    }

    static func callee(
        on port: UInt16, calls: Int, routed: Bool = false, at host: Loopback = .ipv4, transport: String = "u1",
        _ more: [String] = []
    ) async throws -> ChildProcess {
        let scenario = routed ? ["-sf", Repository.fixture("sipp-uas-routed.xml")] : ["-sn", "uas"]
        let process = try ChildProcess(
            "sipp-callee",
            ["sipp"] + scenario + ["-p", "\(port)", "-m", "\(calls)", "-t", transport] + common(host) + more)
        return try await listening(process, on: port, forStreams: transport.hasPrefix("t"))
    }

    /// The account of a callee once it has had all the calls it was told of. Nil where a late generator has left out some: then it
    /// waits for them, and what it says when it is stopped counts calls as failed that are in the four seconds it keeps them.
    static func account(of callee: ChildProcess, after calls: Int, of planned: Int) async throws -> Account? {
        guard calls == planned else { return nil }
        _ = try await callee.exit(within: .seconds(100))
        return try account(of: callee)
    }

    /// What the last line of SIPp's statistics says.
    struct Account: Equatable {
        var successful: Int, failed: Int, retransmissions: Int
    }

    static func account(of process: ChildProcess) throws -> Account {
        let file = process.folder.appendingPathComponent("statistics.csv")
        let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: ";", omittingEmptySubsequences: false)
        }
        guard let heads = rows.first, let last = rows.last, rows.count > 1 else {
            throw InteropError("\(process.name) wrote no statistics: \(process.lastWords)")
        }
        func value(_ head: Substring) throws -> Int {
            guard let column = heads.firstIndex(of: head), column < last.count, let value = Int(last[column]) else {
                throw InteropError("no column \(head) in the statistics of \(process.name)")
            }
            return value
        }
        return Account(
            successful: try value("SuccessfulCall(C)"), failed: try value("FailedCall(C)"),
            retransmissions: try value("Retransmissions(C)"))
    }
}

/// A stateful, record-routing Kamailio with two workers. See Fixtures/kamailio.cfg for its rules.
enum Kamailio {
    static func proxy(
        on port: UInt16, to callee: UInt16, at host: Loopback = .ipv4, overStreams: Bool = false, seenAs: UInt16? = nil,
        hidesTopology: Bool = false
    ) async throws -> ChildProcess {
        try await started(
            "kamailio.cfg", on: port, at: host,
            [
                "CALLEE_HOST=\"\(host.rawValue)\"", "CALLEE_PORT=\"\(callee)\"",
                overStreams ? "WITH_TCP" : "WITH_UDP",
            ] + (hidesTopology ? ["WITH_TOPOLOGY_HIDING"] : []), seenAs: seenAs, overStreams: overStreams)
    }

    /// One that keeps no state and no place on the way of the call. See Fixtures/kamailio-stateless.cfg for its rules.
    static func statelessProxy(on port: UInt16, to callee: UInt16) async throws -> ChildProcess {
        try await started(
            "kamailio-stateless.cfg", on: port, at: .ipv4,
            ["CALLEE_HOST=\"\(Loopback.ipv4.rawValue)\"", "CALLEE_PORT=\"\(callee)\""])
    }

    /// The record-routing proxy over TLS alone, with a certificate that clients have to trust.
    static func secureProxy(on port: UInt16, to callee: UInt16) async throws -> ChildProcess {
        try await started(
            "kamailio.cfg", on: port, at: .ipv4,
            [
                "CALLEE_HOST=\"127.0.0.1\"", "CALLEE_PORT=\"\(callee)\"",
            ] + secure(), overStreams: true, protocol: "tls")
    }

    private static func secure() throws -> [String] {
        [
            "WITH_TLS", "CERTIFICATE=\"\(try TestCertificate.certificate())\"", "KEY=\"\(try TestCertificate.key())\"",
            "AUTHORITY=\"\(try TestCertificate.certificate())\"",
        ]
    }

    /// Whether it is here with its TLS module.
    static let canSpeakTLS =
        isInstalled("kamailio") && isInstalled("openssl")
        && FileManager.default.fileExists(atPath: "/usr/lib/x86_64-linux-gnu/kamailio/modules/tls.so")

    /// A registrar and proxy that asks for credentials. See Fixtures/kamailio-digest.cfg for its rules.
    ///
    /// - Parameter seenAs: the port that it names in Via and Record-Route: a relay's.
    static func registrar(
        on port: UInt16, hash: String, at host: Loopback = .ipv4, nonceLives seconds: Int = 300, seenAs: UInt16? = nil,
        over transport: String = "udp"
    ) async throws -> ChildProcess {
        let definitions = ["HASH=\"\(hash)\"", "NONCE_EXPIRE=\(seconds)"]
        return try await started(
            "kamailio-digest.cfg", on: port, at: host,
            definitions + (transport == "tls" ? secure() : ["WITH_\(transport.uppercased())"]), seenAs: seenAs,
            overStreams: transport != "udp", protocol: transport)
    }

    private static func started(
        _ configuration: String, on port: UInt16, at host: Loopback, _ definitions: [String], seenAs: UInt16? = nil,
        overStreams: Bool = false, protocol name: String? = nil
    ) async throws -> ChildProcess {
        let process = try ChildProcess(
            "kamailio",
            [
                "kamailio", "-m", "1024", "-f", Repository.fixture(configuration), "-DD", "-E", "-l",
                (name ?? (overStreams ? "tcp" : "udp")) + ":\(host.rawValue):\(port)"
                    + (seenAs.map { "/\(host.rawValue):\($0)" } ?? ""), "-Y", ".", "-w", ".",
            ] + definitions.flatMap { ["-A", $0] })
        do {
            try await wait(for: "Kamailio to answer OPTIONS on port \(port)", within: .seconds(100)) {
                if let status = process.exitStatus { throw InteropError("it ended with \(status)") }
                return overStreams ? UDPPorts.isListening(port) : UDPPorts.answersOptions(port, at: host)
            }
        } catch {
            let words = process.lastWords
            await process.discard()
            throw InteropError("Kamailio: \(error): \(words)")
        }
        return process
    }
}

/// The process once it has bound the port.
func listening(_ process: ChildProcess, on port: UInt16, forStreams: Bool = false) async throws -> ChildProcess {
    do {
        try await wait(for: "\(process.name) to bind \(forStreams ? "TCP" : "UDP") \(port)", within: .seconds(100)) {
            if let status = process.exitStatus { throw InteropError("it ended with \(status)") }
            return forStreams ? UDPPorts.isListening(port) : UDPPorts.isBound(port)
        }
    } catch {
        let words = process.lastWords
        await process.discard()
        throw InteropError("\(process.name): \(error): \(words)")
    }
    return process
}

/// Runs `body` and then discards every process that it noted, whether it threw or not.
func withProcesses<Result>(_ body: (ProcessSet) async throws -> Result) async throws -> Result {
    let processes = ProcessSet()
    do {
        let result = try await body(processes)
        await processes.discardAll()
        return result
    } catch {
        await processes.discardAll()
        throw error
    }
}

/// The processes of one test, discarded in reverse order of their start.
final class ProcessSet: Sendable {
    private let all = Mutex<[ChildProcess]>([])
    private let folders = Mutex<[URL]>([])

    /// A folder that goes when they do.
    func newFolder(_ name: String) throws -> URL {
        let folder = try ChildProcess.newFolder(name)
        folders.withLock { $0.append(folder) }
        return folder
    }

    func callAsFunction(_ process: ChildProcess) -> ChildProcess {
        all.withLock { $0.append(process) }
        return process
    }

    func discardAll() async {
        for process in all.withLock({ $0 }).reversed() { await process.discard() }
        for folder in folders.withLock({ $0 }) { try? FileManager.default.removeItem(at: folder) }
    }
}
