import Foundation
import Testing

private let canRun = CarillonCommand.runs && Baresip.isInstalled && WireCapture.isPossible

/// A phone that people use: baresip, called by us and calling us. It is one phone, so there are few calls.
@Suite(
    .enabled(if: canRun, "needs carillon run, baresip (Debian: baresip-core), tshark and root"), .timeLimit(.minutes(5))
)
struct PhoneInteropTests {
    @Test("It answers our calls with a session description, and we hang up", arguments: ["udp", "tcp"])
    func called(transport: String) async throws {
        try await withProcesses { start in
            let phone = try await Baresip(start)
            let ours = try UDPPorts.free()
            let capture = try await WireCapture(ports: [phone.port, ours], start)
            let caller = start(
                try ChildProcess(
                    "caller",
                    [
                        CarillonCommand.path, "run", "basic-call", "127.0.0.1:\(phone.port)", "--local",
                        "127.0.0.1:\(ours)", "--to", "sip:bob@127.0.0.1:\(phone.port)", "--concurrency", "1", "--calls",
                        "5", "--hold", "100ms", "--transport", transport, "--gso", "off", "--out", "record",
                    ]))
            #expect(try await CarillonCommand.succeeded(caller).calls == 5)
            let seen = try await capture.stop()
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

    @Test("It calls us and hangs up", arguments: ["udp", "tcp"])
    func calls(transport: String) async throws {
        try await withProcesses { start in
            let phone = try await Baresip(start)
            let port = try UDPPorts.free()
            let capture = try await WireCapture(ports: [phone.port, port], start)
            let callee = start(try await CarillonCommand.callee(on: port, calls: 3))
            try await phone.call("sip:alice@127.0.0.1:\(port);transport=\(transport)", times: 3)
            #expect(try await CarillonCommand.succeeded(callee).calls == 3)
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.callIDs.count == 3)
            for kind in ["INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"] {
                #expect(wire.counts()[kind] == 3, "\(kind)")
            }
            #expect(wire.counts(from: port) == ["180 INVITE": 3, "200 INVITE": 3, "200 BYE": 3])
        }
    }

    @Test("It registers with our registrar, which asks for credentials", arguments: ["udp", "tcp"])
    func registers(transport: String) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free()
            let registrar = start(
                try await listening(
                    ChildProcess(
                        "registrar",
                        [
                            CarillonCommand.path, "serve", Repository.fixture("registrar.swift"), "--listen",
                            "127.0.0.1:\(port)", "--calls", "1", "--until-idle", "60s", "--out", "record",
                        ]), on: port))
            let capture = try await WireCapture(ports: [port], start)
            let phone = try await Baresip(registrar: "sip:127.0.0.1:\(port);transport=\(transport)", start)
            try await phone.said("200 OK")
            let (record, registrations) = try await CarillonCommand.succeeded(registrar)
            #expect(registrations == 1)
            #expect(try record.total("credentialsAccepted") == 1)
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.calls(with: "401 REGISTER", from: port) == 1)
            #expect(wire.calls(with: "200 REGISTER", from: port) == 1)
        }
    }
}
