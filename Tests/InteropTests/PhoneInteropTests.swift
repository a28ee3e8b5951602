import Foundation
import Testing

private let canRun = CarillonCommand.runs && Baresip.isInstalled && WireCapture.isPossible

/// A phone that people use: baresip, called by us and calling us. It is one phone, so there are few calls.
@Suite(
    .enabled(if: canRun, "needs carillon run, baresip (Debian: baresip-core), tshark and root"), .timeLimit(.minutes(5))
)
struct PhoneInteropTests {
    @Test("It answers our calls with a session description, and we hang up", arguments: ["udp", "tcp", "tls"])
    func called(transport: String) async throws {
        try await withProcesses { start in
            let transport = try SpokenTransport(transport, start)
            let phone = try await Baresip(start)
            let ours = try UDPPorts.free(), theirs = phone.port(of: transport)
            let capture = try await WireCapture(ports: [theirs, ours], start)
            let caller = start(
                try ChildProcess(
                    "caller",
                    transport.command + [
                        "run", "basic-call", "127.0.0.1:\(theirs)", "--local", "127.0.0.1:\(ours)", "--to",
                        "sip:bob@127.0.0.1:\(theirs)", "--concurrency", "1", "--calls", "5", "--hold", "100ms", "--gso",
                        "off", "--out", "record",
                    ] + transport.options))
            #expect(try await CarillonCommand.succeeded(caller).calls == 5)
            let seen = transport.opened(try await capture.stop())
            let wire = try await WireAccount(seen)
            #expect(wire.malformed.isEmpty)
            #expect(wire.callIDs.count == 5)
            for kind in ["INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"] {
                #expect(wire.counts()[kind] == 5, "\(kind)")
            }
            // Offers are ours, answers its.
            #expect(try await seen.values("sdp.owner.username").count >= 2)
        }
    }

    @Test("It calls us and hangs up", arguments: ["udp", "tcp", "tls"])
    func calls(transport: String) async throws {
        try await withProcesses { start in
            let transport = try SpokenTransport(transport, start)
            let phone = try await Baresip(start)
            let port = try UDPPorts.free()
            let capture = try await WireCapture(ports: [phone.port(of: transport), port], start)
            let callee = start(
                try await CarillonCommand.callee(on: port, calls: 3, over: transport.isSecure ? transport : nil))
            try await phone.call("sip:alice@127.0.0.1:\(port);transport=\(transport.name)", times: 3)
            #expect(try await CarillonCommand.succeeded(callee).calls == 3)
            let wire = try await transport.account(of: capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.callIDs.count == 3)
            for kind in ["INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"] {
                #expect(wire.counts()[kind] == 3, "\(kind)")
            }
            #expect(wire.counts(from: port) == ["180 INVITE": 3, "200 INVITE": 3, "200 BYE": 3])
        }
    }

    @Test("It registers with our registrar, which asks for credentials", arguments: ["udp", "tcp", "tls"])
    func registers(transport: String) async throws {
        try await withProcesses { start in
            let transport = try SpokenTransport(transport, start)
            let port = try UDPPorts.free()
            let registrar = start(
                try await listening(
                    ChildProcess(
                        "registrar",
                        transport.command + [
                            "serve", Repository.fixture("registrar.swift"), "--listen", "127.0.0.1:\(port)", "--calls",
                            "1", "--until-idle", "60s", "--out", "record",
                        ] + (transport.isSecure ? transport.options : [])), on: port, forStreams: transport.isSecure))
            let capture = try await WireCapture(ports: [port], start)
            let phone = try await Baresip(registrar: "sip:127.0.0.1:\(port);transport=\(transport.name)", start)
            try await phone.said("200 OK")
            let (record, registrations) = try await CarillonCommand.succeeded(registrar)
            #expect(registrations == 1)
            #expect(try record.total("credentialsAccepted") == 1)
            let wire = try await transport.account(of: capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.calls(with: "401 REGISTER", from: port) == 1)
            #expect(wire.calls(with: "200 REGISTER", from: port) == 1)
        }
    }
}
