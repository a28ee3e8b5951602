import Foundation
import Testing

private let canRun = CarillonCommand.runs && isInstalled("sipp") && WireCapture.isPossible

extension CarillonCommand {
    /// `carillon serve registrar` or `serve proxy`.
    static func element(_ kind: String, on port: UInt16, _ more: [String] = []) async throws -> ChildProcess {
        try await listening(
            ChildProcess("element", [path, "serve", kind, "--listen", "127.0.0.1:\(port)"] + more), on: port)
    }

    /// Ends it, and gives what it says it has done: a line by its first word.
    static func account(of element: ChildProcess) async -> [Substring: String] {
        await element.stop(first: SIGINT, patience: .seconds(60))
        #expect(element.exitStatus == 130, "\(element.lastWords)")
        var account: [Substring: String] = [:]
        for line in element.output.split(separator: "\n") {
            guard let blank = line.firstIndex(of: " ") else { continue }
            account[line[..<blank]] = line[blank...].trimmingCharacters(in: .whitespaces)
        }
        return account
    }
}

extension SIPp {
    /// Registers the user “service” at this port.
    static func register(_ port: UInt16, at registrar: UInt16, transport: String = "u1") async throws {
        _ = try await outputOf(
            [
                "sipp", "-sf", Repository.fixture("sipp-register.xml"), "127.0.0.1:\(registrar)", "-i", "127.0.0.1",
                "-p",
                "\(try UDPPorts.free())", "-m", "1", "-nostdin", "-key", "contact_port", "\(port)", "-t", transport,
            ], within: .seconds(60))
    }
}

/// Our registrar and our proxy before peers that nobody here wrote, judged on the wire.
@Suite(.enabled(if: canRun, "needs carillon run, sipp, tshark and root"), .timeLimit(.minutes(5)))
struct ElementInteropTests {
    /// SIPp 3.6 knows MD5 alone.
    @Test("SIPp registers with digest") func digest() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let registrar = start(
                try await CarillonCommand.element(
                    "registrar", on: port, ["--password", "alice-secret"]))
            let capture = try await WireCapture(ports: [port], start)
            for (password, status) in [("alice-secret", Int32(0)), ("guess", 1)] {
                let client = start(
                    try ChildProcess(
                        "sipp",
                        [
                            "sipp", "-sf", Repository.fixture("sipp-register-digest.xml"), "127.0.0.1:\(port)", "-i",
                            "127.0.0.1", "-p", "\(ours)", "-m", "100", "-r", "100", "-nostdin", "-au", "alice", "-ap",
                            password,
                        ]))
                #expect(try await client.exit(within: .seconds(100)) == status, "\(client.lastWords)")
            }
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.algorithms == ["MD5"])
            #expect(wire.calls(with: "200 REGISTER", from: port) == 100)
            #expect(wire.calls(with: "401 REGISTER", from: port) == 200)
            let account = await CarillonCommand.account(of: registrar)
            #expect(account["challenges"]?.hasSuffix("100 credentials refused") == true, "\(account)")
            #expect(account["bindings"]?.hasSuffix("1 held, of 1 address of record") == true, "\(account)")
        }
    }

    @Test("SIPp calls SIPp through the proxy, and its route set is followed", arguments: ["u1", "t1"])
    func calls(transport: String) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), callee = try UDPPorts.free()
            let proxy = start(try await CarillonCommand.element("proxy", on: port))
            let answering = start(try await SIPp.callee(on: callee, calls: 200, routed: true, transport: transport))
            let capture = try await WireCapture(ports: [port, callee], start)
            try await SIPp.register(callee, at: port, transport: transport)
            let caller = start(
                try SIPp.caller(to: port, calls: 200, rate: 100, routed: true, transport: transport))
            #expect(try await caller.exit(within: .seconds(100)) == 0, "\(caller.lastWords)")
            // A message that is repeated when its call is over is one that SIPp does not expect; over TCP none is.
            let code = try await answering.exit(within: .seconds(100))
            #expect(code == 0 || transport == "u1", "\(answering.lastWords)")
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            for kind in ["INVITE", "ACK", "BYE", "200 INVITE", "200 BYE"] {
                // Each on both legs; a busy machine has SIPp repeat some over UDP.
                let count = wire.counts()[kind] ?? 0
                #expect(transport == "u1" ? count >= 400 : count == 400, "\(kind) \(wire.counts())")
                #expect(wire.calls(with: kind) == 200, "\(kind)")
            }
            #expect(wire.calls(with: "100 INVITE", from: port) == 200)
            let account = await CarillonCommand.account(of: proxy)
            let isExact = account["requests"] == "601: INVITE 200, ACK 200, BYE 200, REGISTER 1"
            #expect(isExact || transport == "u1", "\(account)")
            #expect(account["dropped"] == nil)
        }
    }

    @Test(
        "Our own phones register and call themselves through it, each request with credentials",
        arguments: ["udp", "tcp"])
    func authenticated(transport: String) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let proxy = start(
                try await CarillonCommand.element("proxy", on: port, ["--password", "alice-secret"]))
            let capture = try await WireCapture(ports: [port, ours], start)
            let transport = try SpokenTransport(transport, start)
            let caller = start(
                try CarillonCommand.authenticatedCalls(to: port, from: ours, calls: 200, over: transport))
            let calls = try await CarillonCommand.succeeded(caller).calls
            let wire = try await transport.account(of: capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.callIDs.count == 2 * calls)
            for answer in ["401 REGISTER", "200 REGISTER", "407 INVITE", "200 INVITE", "200 BYE"] {
                #expect(wire.calls(with: answer, from: port) == calls, "\(answer)")
            }
            let account = await CarillonCommand.account(of: proxy)
            #expect(account["challenges"]?.hasSuffix("0 credentials refused") == true, "\(account)")
        }
    }

    @Test("Two phones ring, one answers: the other is cancelled, and its 487 stays with the proxy")
    func fork() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let ringing = try UDPPorts.free(), answering = try UDPPorts.free()
            _ = start(try await CarillonCommand.element("proxy", on: port))
            let cancelled = start(try await CarillonCommand.callee(on: ringing, calls: 50, playing: "cancel"))
            let answerer = start(try await CarillonCommand.callee(on: answering, calls: 50))
            for contact in [ringing, answering] { try await SIPp.register(contact, at: port) }
            let capture = try await WireCapture(ports: [port, ours, ringing, answering], start)
            let caller = start(
                try CarillonCommand.caller(
                    to: port, from: ours, calls: 50, rate: 25,
                    ["--domain", "127.0.0.1:\(port)", "--to", "sip:service@127.0.0.1:\(port)"]))
            let calls = try await CarillonCommand.succeeded(caller).calls
            for callee in [cancelled, answerer] {
                #expect(try await CarillonCommand.succeeded(callee).calls == calls)
            }
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.counts(from: port, to: ringing) == ["INVITE": calls, "CANCEL": calls, "ACK": calls])
            #expect(wire.counts(from: port, to: answering) == ["INVITE": calls, "ACK": calls, "BYE": calls])
            let back = wire.counts(from: port, to: ours)
            #expect(back["200 INVITE"] == calls && back["487 INVITE"] == nil, "\(back)")
        }
    }

    @Test(
        "A phone that people use registers with digest, and is called",
        .enabled(if: Baresip.isInstalled, "needs baresip"),
        arguments: ["udp", "tcp"])
    func phone(transport: String) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let folder = try start.newFolder("users")
            let users = folder.appendingPathComponent("users.csv")
            try "user;password\nbob;bob-secret\n".write(to: users, atomically: true, encoding: .utf8)
            let proxy = start(
                try await CarillonCommand.element(
                    "proxy", on: port, ["--credentials", users.path, "--domain", "example.test"]))
            let capture = try await WireCapture(ports: [port, ours], start)
            let phone = try await Baresip(registrar: "sip:127.0.0.1:\(port);transport=\(transport)", start)
            try await phone.said("200 OK")
            let caller = start(
                try ChildProcess(
                    "caller",
                    [
                        CarillonCommand.path, "run", "authenticated-call", "--proxy", "127.0.0.1:\(port)", "--local",
                        "127.0.0.1:\(ours)", "--domain", "example.test", "--to", "sip:bob@example.test", "--play",
                        "alice",
                        "--set", "user=bob", "--set", "password=bob-secret", "--concurrency", "1", "--calls", "3",
                        "--hold",
                        "100ms", "--gso", "off", "--out", "record",
                    ]))
            #expect(try await CarillonCommand.succeeded(caller).calls == 3)
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.calls(with: "401 REGISTER", from: port) == 1)
            #expect(wire.calls(with: "200 REGISTER", from: port) == 1)
            #expect(wire.calls(with: "407 INVITE", from: port) == 3)
            #expect(wire.calls(with: "200 INVITE", from: port) == 3)
            #expect(wire.calls(with: "200 BYE", from: port) == 3)
            let account = await CarillonCommand.account(of: proxy)
            #expect(account["bindings"]?.hasPrefix("1 made") == true, "\(account)")
        }
    }
}
