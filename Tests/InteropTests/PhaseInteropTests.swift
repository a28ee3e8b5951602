import Foundation
import Testing

private let canRun = CarillonCommand.runs && isInstalled("kamailio")

/// Phases and large requests against software nobody here wrote.
@Suite(.serialized, .enabled(if: canRun, "needs carillon run and kamailio"), .timeLimit(.minutes(5)))
struct PhaseInteropTests {
    private func calls(to port: UInt16, from local: UInt16, calls: Int, _ more: [String] = []) throws -> ChildProcess {
        try ChildProcess(
            "carillon",
            [
                CarillonCommand.path, "run", Repository.fixture("subscriber-call.swift"), "127.0.0.1:\(port)",
                "--local",
                "127.0.0.1:\(local)", "--rate", "25/s", "--calls", "\(calls)", "--gso", "off", "--out", "record",
                "--domain", "example.test", "--play", "alice,bob",
            ] + more)
    }

    /// Kamailio calls nobody but whom it has registered, at the address that was registered.
    @Test(
        "50 subscribers register, call each the own number through the registrar, and are removed: then nobody is there"
    )
    func subscribers() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.registrar(on: port, hash: "MD5"))
            let run = start(
                try calls(
                    to: port, from: ours, calls: 100,
                    [
                        "--before", Repository.fixture("subscriber-binding.swift") + ":50@100/s", "--after",
                        Repository.fixture("subscriber-removal.swift") + ":50@100/s",
                    ]))
            _ = try await CarillonCommand.succeeded(run)
            let again = start(try calls(to: port, from: ours, calls: 3))
            #expect(try await again.exit(within: .seconds(100)) != 0)
            let record = try CarillonCommand.Record(of: again)
            #expect(try record.total("runsSucceeded") == 0)
        }
    }

    /// Kamailio forgets a binding that is not refreshed in time, and calls nobody then.
    @Test(
        "50 subscribers live beside the load: each is called where it is registered, long after its first binding has gone"
    )
    func population() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.registrar(on: port, hash: "MD5"))
            let run = start(
                try calls(
                    to: port, from: ours, calls: 250,
                    ["--population", Repository.fixture("subscriber-population.swift") + ":50@100/s"]))
            _ = try await CarillonCommand.succeeded(run)
            #expect(run.output.contains(": 50 registered, "), "\(run.output)")
            #expect(run.output.contains(", 50 removed, 0 failed"), "\(run.output)")
            let again = start(try calls(to: port, from: ours, calls: 3))
            #expect(try await again.exit(within: .seconds(100)) != 0)
            #expect(try CarillonCommand.Record(of: again).total("runsSucceeded") == 0)
        }
    }

    /// SIPp speaks TCP there and nothing else, so that a call that succeeds has had its INVITE over TCP.
    @Test("Large INVITEs reach a callee over TCP", .enabled(if: isInstalled("sipp"), "needs sipp"))
    func large() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await SIPp.callee(on: port, calls: 100, transport: "t1"))
            let caller = start(
                try CarillonCommand.caller(
                    to: port, from: ours, calls: 100,
                    ["--large", "tcp", "--header", "Subject: " + String(repeating: "x", count: 2_000)]))
            let (record, calls) = try await CarillonCommand.succeeded(caller)
            #expect(try record.total("requestsMovedToTCP") == calls)
            #expect(try record.total("requestsReturnedToUDP") == 0)
        }
    }
}
