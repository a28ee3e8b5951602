import Foundation
import Testing

/// A way to Kamailio.
struct ProxyPath: CustomTestStringConvertible {
    var hash = "MD5"
    var host = Loopback.ipv4
    var transport = "udp"
    /// Share of the datagrams lost each way.
    var loss = 0.0

    var testDescription: String {
        "\(hash) over \(transport.uppercased()), \(host.rawValue)\(loss > 0 ? ", \(loss * 100) % lost each way" : "")"
    }

    static let all = ["MD5", "SHA-256"].flatMap { hash in
        [Loopback.ipv4, .ipv6].filter { $0 == .ipv4 || Loopback.hasIPv6 }.flatMap { host in
            [
                ProxyPath(hash: hash, host: host), ProxyPath(hash: hash, host: host, loss: 0.02),
                ProxyPath(hash: hash, host: host, transport: "tcp"),
            ] + (Kamailio.canSpeakTLS ? [ProxyPath(hash: hash, host: host, transport: "tls")] : [])
        }
    }
}

extension CarillonCommand {
    /// Alice registers, calls herself through the proxy, and all of it is challenged; fifty times a second.
    static func authenticatedCalls(
        to port: UInt16, from local: UInt16, at host: Loopback = .ipv4, calls: Int,
        over transport: SpokenTransport? = nil, _ more: [String] = []
    ) throws -> ChildProcess {
        try ChildProcess(
            "carillon",
            (transport?.command ?? [path]) + [
                "run", Repository.fixture("authenticated-call.swift"), "\(host.rawValue):\(port)", "--local",
                "\(host.rawValue):\(local)", "--workers", "1", "--rate", "50/s", "--calls", "\(calls)", "--seed", "7",
                "--gso", "off", "--out", "record", "--domain", "example.test", "--play", "alice,bob",
            ] + (transport?.options ?? []) + more)
    }
}

/// 500 registrations and calls at 50/s through a Kamailio that challenges them, by every way there is; all at once.
@Suite(.enabled(if: canRun, "needs carillon run, kamailio, tshark and root"), .timeLimit(.minutes(5)))
struct RegistrarPathTests {
    /// The proxy drops an ACK without credentials and without the route set, so a completed call proves that it had them.
    @Test("Registration and calls", arguments: ProxyPath.all)
    func registersAndCalls(path: ProxyPath) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let relay = path.loss > 0 ? try LossyRelay(to: port, at: path.host, loss: path.loss, seed: 11) : nil
            defer { relay?.stop() }
            let front = relay?.port ?? port
            _ = start(
                try await Kamailio.registrar(
                    on: port, hash: path.hash, at: path.host, seenAs: relay?.port, over: path.transport))
            let capture = try await WireCapture(ports: [front, ours], start)
            let transport = try SpokenTransport(path.transport, start)
            let caller = start(
                try CarillonCommand.authenticatedCalls(
                    to: front, from: ours, at: path.host, calls: 500, over: transport))
            let (record, calls) = try await CarillonCommand.succeeded(caller)
            #expect(try record.total("credentialsRefused") == 0)
            let wire = try await transport.account(of: capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.algorithms.contains(path.hash))
            // One Call-ID for the registration, one for the call.
            #expect(wire.callIDs.count == 2 * calls)
            // What the proxy said: each REGISTER and each INVITE challenged, no BYE, which reuses the nonce. Of a request that was
            // let in and whose answer was lost a repeat may be challenged: its nonce count has been used.
            for answer in ["401 REGISTER", "200 REGISTER", "407 INVITE", "200 INVITE", "200 BYE"] {
                #expect(wire.calls(with: answer, from: front) == calls, "\(answer)")
            }
            if path.loss == 0 { #expect(wire.calls(with: "407 BYE", from: front) == 0) }
            #expect(try record.total("challengesAnswered") >= 2 * calls)
            if let relay {
                #expect(relay.losses > calls / 10)
                #expect(
                    try record.total("requestRetransmissionsSent") + record.total("inviteRetransmissionsSent") > 0)
            }
            if transport.isSecure {
                // One that we opened, one that the proxy did, to the registered Contact.
                #expect(try record.total("tlsHandshakes") >= 2)
                #expect(try record.total("tlsHandshakesFailed") == 0)
            }
            if transport.name != "udp" {
                #expect(
                    try record.total("requestRetransmissionsSent") + record.total("inviteRetransmissionsSent") == 0)
            }
        }
    }
}

private let canRun = CarillonCommand.runs && isInstalled("kamailio") && WireCapture.isPossible

/// Our credentials before a registrar and proxy that nobody here wrote: Kamailio with user location in memory.
@Suite(.serialized, .enabled(if: canRun, "needs carillon run, kamailio, tshark and root"), .timeLimit(.minutes(5)))
struct DigestInteropTests {
    private func run(_ port: UInt16, _ ours: UInt16, calls: Int, _ more: [String] = []) throws -> ChildProcess {
        try CarillonCommand.authenticatedCalls(to: port, from: ours, calls: calls, more)
    }

    @Test("A nonce that grew old on the way is answered with the next one")
    func staleNonce() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.registrar(on: port, hash: "MD5", nonceLives: 1))
            let caller = start(try run(port, ours, calls: 20, ["--set", "talk=3s"]))
            let (record, calls) = try await CarillonCommand.succeeded(caller)
            #expect(try record.total("staleNonces") == calls)
        }
    }

    @Test("A wrong password is explained")
    func wrongPassword() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.registrar(on: port, hash: "SHA-256"))
            let caller = start(try run(port, ours, calls: 10, ["--set", "password=guess"]))
            let code = try await caller.exit(within: .seconds(100))
            #expect(code == 1 || code == 3)
            #expect(
                caller.output.contains(
                    "got       401 Unauthorized: the credentials for realm “example.test” were refused: the user is unknown"
                        + " there or the password wrong (SHA-256)"), "\(caller.output)")
            #expect(try CarillonCommand.Record(of: caller).total("credentialsRefused") > 0)
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
                            "127.0.0.1:\(port)", "--calls", "200", "--until-idle", "15s", "--out", "record",
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
            #expect(try await client.exit(within: .seconds(100)) == (isRight ? 0 : 1), "\(client.lastWords)")
            let code = try await registrar.exit(within: .seconds(100))
            #expect(code == (isRight ? 0 : 1) || code == 3, "\(registrar.lastWords)")
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
