import Foundation
import Testing

private let canRun = CarillonCommand.runs && isInstalled("kamailio") && WireCapture.isPossible

/// Our credentials before a registrar and proxy that nobody here wrote: Kamailio with user location in memory.
@Suite(.serialized, .enabled(if: canRun, "needs carillon run, kamailio, tshark and root"), .timeLimit(.minutes(5)))
struct DigestInteropTests {
    private func run(_ port: UInt16, _ ours: UInt16, calls: Int, _ more: [String] = []) throws -> ChildProcess {
        try ChildProcess(
            "carillon",
            [
                CarillonCommand.path, "run", Repository.fixture("authenticated-call.swift"), "127.0.0.1:\(port)",
                "--local", "127.0.0.1:\(ours)", "--workers", "1", "--rate", "50/s", "--calls", "\(calls)", "--seed",
                "7",
                "--gso", "off", "--out", "record", "--domain", "example.test", "--play", "alice,bob",
            ] + more)
    }

    /// Every call that began has succeeded. A busy machine may have dropped arrivals: then the run calls itself invalid, and
    /// what it did counts all the same.
    private func allSucceeded(_ caller: ChildProcess) async throws -> (CarillonCommand.Record, calls: Int) {
        let code = try await caller.exit(within: .seconds(100))
        #expect(code == 0 || code == 3, "\(caller.lastWords)")
        let record = try CarillonCommand.Record(of: caller)
        let calls = try record.total("runsStarted")
        #expect(calls >= 300)
        #expect(try record.total("runsSucceeded") == calls, "\(caller.lastWords)")
        #expect(try record.total("credentialsRefused") == 0)
        return (record, calls)
    }

    /// The proxy drops an ACK without credentials, so a completed call proves that it had them.
    @Test("Registration and calls with MD5 and SHA-256", arguments: ["MD5", "SHA-256"])
    func registersAndCalls(hash: String) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.registrar(on: port, hash: hash))
            let capture = try await WireCapture(ports: [port, ours], start)
            let caller = start(try run(port, ours, calls: 500))
            let (record, calls) = try await allSucceeded(caller)
            #expect(try record.total("challengesAnswered") == 2 * calls)
            let seen = try await capture.stop()
            #expect(try await seen.malformed().isEmpty)
            // What the proxy said, on the wire: each REGISTER and each INVITE challenged once, no BYE, which reuses the nonce.
            let answers = try await seen.counts(from: port)
            #expect(answers["401 REGISTER"] == calls)
            #expect(answers["407 INVITE"] == calls)
            #expect(answers["407 BYE"] == nil)
            #expect(answers["200 REGISTER"] == calls)
            let algorithms = try await seen.values("sip.auth.algorithm")
            #expect(algorithms.contains(hash))
        }
    }

    @Test("The same with two of a hundred datagrams lost each way: nothing fails, and what was lost was sent again")
    func lossyWay() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let relay = try LossyRelay(to: port, loss: 0.02, seed: 11)
            defer { relay.stop() }
            _ = start(try await Kamailio.registrar(on: port, hash: "MD5", seenAs: relay.port))
            let caller = start(try run(relay.port, ours, calls: 500))
            let (record, calls) = try await allSucceeded(caller)
            #expect(relay.passes > 8 * calls)
            #expect(relay.losses > calls / 10)
            #expect(
                try record.total("requestRetransmissionsSent") + record.total("inviteRetransmissionsSent") > 0)
        }
    }

    @Test("A nonce that grew old on the way is answered with the next one")
    func staleNonce() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.registrar(on: port, hash: "MD5", nonceLives: 1))
            let caller = start(try run(port, ours, calls: 20, ["--set", "talk=3s"]))
            #expect(try await caller.exit(within: .seconds(60)) == 0, "\(caller.lastWords)")
            let record = try CarillonCommand.Record(of: caller)
            #expect(try record.total("runsSucceeded") == 20)
            #expect(try record.total("staleNonces") == 20)
        }
    }

    @Test("A wrong password is explained")
    func wrongPassword() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.registrar(on: port, hash: "SHA-256"))
            let caller = start(try run(port, ours, calls: 10, ["--set", "password=guess"]))
            #expect(try await caller.exit(within: .seconds(60)) == 1)
            #expect(
                caller.output.contains(
                    "got       401 Unauthorized: the credentials for realm “example.test” were refused: the user is unknown"
                        + " there or the password wrong (SHA-256)"), "\(caller.output)")
            #expect(try CarillonCommand.Record(of: caller).total("credentialsRefused") == 10)
        }
    }

    /// Whose client is SIPp: it takes MD5 only.
    @Test("SIPp registers with ours", arguments: ["alice-secret", "guess"])
    func sippRegisters(password: String) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let registrar = start(
                try await listening(
                    ChildProcess(
                        "registrar",
                        [
                            CarillonCommand.path, "serve", Repository.fixture("registrar.swift"), "--listen",
                            "127.0.0.1:\(port)", "--calls", "200", "--until-idle", "5s", "--out", "record",
                        ]), on: port))
            let client = start(
                try ChildProcess(
                    "sipp",
                    [
                        "sipp", "-sf", Repository.fixture("sipp-register-digest.xml"), "127.0.0.1:\(port)", "-i",
                        "127.0.0.1", "-p", "\(ours)", "-m", "200", "-r", "200", "-nostdin", "-au", "alice", "-ap",
                        password,
                        "-trace_stat", "-stf", "statistics.csv",
                    ]))
            let isRight = password == "alice-secret"
            #expect(try await client.exit(within: .seconds(60)) == (isRight ? 0 : 1), "\(client.lastWords)")
            #expect(try await registrar.exit(within: .seconds(60)) == (isRight ? 0 : 1), "\(registrar.lastWords)")
            let record = try CarillonCommand.Record(of: registrar)
            #expect(try record.total(isRight ? "credentialsAccepted" : "credentialsWrong") == 200)
            #expect(try record.total(isRight ? "runsSucceeded" : "runsFailed") == 200)
            if !isRight {
                #expect(
                    registrar.output.contains("credentials of user “alice” with a wrong response: another password"))
            }
        }
    }
}
