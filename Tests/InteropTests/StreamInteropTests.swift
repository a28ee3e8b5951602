import Foundation
import Testing

private let canRun = CarillonCommand.runs && isInstalled("sipp") && isInstalled("kamailio")

/// Carillon over TCP against software nobody here wrote.
@Suite(.serialized, .enabled(if: canRun, "needs carillon run, sipp and kamailio"), .timeLimit(.minutes(5)))
struct StreamInteropTests {
    /// What began has succeeded, and nothing was sent twice.
    private func succeeded(_ process: ChildProcess) async throws -> (record: CarillonCommand.Record, calls: Int) {
        let (record, calls) = try await CarillonCommand.succeeded(process)
        for again in ["invite", "request", "ack"] {
            #expect(try record.total("\(again)RetransmissionsSent") == 0)
        }
        return (record, calls)
    }

    @Test(arguments: [("one", 1), ("8", 8), ("per-call", 500)])
    func ourCallersAgainstSIPpsCallee(connections: String, opened: Int) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await SIPp.callee(on: port, calls: 500, transport: "t1"))
            let caller = start(
                try CarillonCommand.caller(
                    to: port, from: ours, calls: 500, ["--transport", "tcp", "--connections", connections]))
            let (record, calls) = try await succeeded(caller)
            let opened = connections == "per-call" ? calls : opened
            #expect(try record.total("connectionsOpened") == opened)
            #expect(record.delays.first { $0.name == "connectionSetup" }?.samples == opened)
            // SIPp's own account says nothing: it keeps a call for 4 s after its BYE, and counts it failed when its connection
            // closes in that time. Each of ours ended with SIPp's 200 to its BYE.
            #expect(try record.total("responses2xx") == 2 * calls)
        }
    }

    @Test(arguments: [("t1", 1), ("tn", 500)])
    func sippsCallersAgainstOurCallee(transport: String, accepted: Int) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free()
            let callee = start(try await CarillonCommand.callee(on: port, calls: 500))
            let caller = start(try SIPp.caller(to: port, calls: 500, rate: 250, transport: transport))
            #expect(try await caller.exit(within: .seconds(100)) == 0)
            let account = try SIPp.account(of: caller)
            #expect(account.successful == 500 && account.failed == 0)
            let (record, calls) = try await succeeded(callee)
            #expect(calls == 500)
            #expect(try record.total("connectionsAccepted") == accepted)
        }
    }

    @Test(.enabled(if: Loopback.hasIPv6, "needs ::1"))
    func bothWaysWithSIPpOverIPv6() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await SIPp.callee(on: port, calls: 100, at: .ipv6, transport: "t1"))
            let caller = start(
                try CarillonCommand.caller(to: port, from: ours, calls: 100, at: .ipv6, ["--transport", "tcp"]))
            _ = try await succeeded(caller)
        }
        try await withProcesses { start in
            let port = try UDPPorts.free()
            let callee = start(try await CarillonCommand.callee(on: port, calls: 100, at: .ipv6))
            let caller = start(try SIPp.caller(to: port, calls: 100, at: .ipv6, transport: "t1"))
            #expect(try await caller.exit(within: .seconds(100)) == 0)
            #expect(try await succeeded(callee).calls == 100)
        }
    }

    /// The proxy refuses an ACK or BYE without its route set, so a completed call proves that the route set was followed, and it
    /// speaks nothing but TCP.
    @Test func throughARecordRoutingProxyInTwoProcesses() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: port, overStreams: true))
            let callee = start(try await CarillonCommand.callee(on: port, calls: 500))
            let caller = start(
                try CarillonCommand.caller(
                    to: proxyPort, from: ours, calls: 500, rate: 100,
                    ["--domain", "example.test", "--transport", "tcp"]))
            let calls = try await succeeded(caller).calls
            #expect(try await succeeded(callee).calls == calls)
        }
    }

    @Test func throughARecordRoutingProxyWithBothSidesInOneProcess() async throws {
        try await withProcesses { start in
            let proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: ours, overStreams: true))
            let both = start(
                try CarillonCommand.caller(
                    to: proxyPort, from: ours, calls: 500, rate: 100,
                    ["--domain", "example.test", "--play", "alice,bob", "--transport", "tcp", "--connections", "4"]))
            #expect(try await succeeded(both).record.total("legsUnjoined") == 0)
        }
    }

    @Test(.enabled(if: WireCapture.isPossible, "needs tshark and root"))
    func tsharkSeesEveryMessage() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let capture = try await WireCapture(ports: [port, ours], start)
            let callee = start(try await CarillonCommand.callee(on: port, calls: 300))
            let caller = start(
                try CarillonCommand.caller(
                    to: port, from: ours, calls: 300, ["--transport", "tcp", "--connections", "3"]))
            let calls = try await succeeded(caller).calls
            #expect(try await succeeded(callee).calls == calls)
            let seen = try await capture.stop()
            let wire = try await WireAccount(seen)
            #expect(wire.malformed.isEmpty, "\(wire.malformed)")
            // A 200 to INVITE is repeated over TCP too where its ACK is slow (RFC 3261 §13.3.1.4), and the ACK with it.
            #expect(
                wire.counts() == [
                    "INVITE": calls, "ACK": calls, "BYE": calls, "180 INVITE": calls, "200 INVITE": calls,
                    "200 BYE": calls,
                ])
        }
    }

    @Test(.enabled(if: isInstalled("tshark"), "needs tshark"))
    func tsharkReadsTheTracesOfFailedCalls() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: port, overStreams: true))
            let caller = start(
                try CarillonCommand.caller(
                    to: proxyPort, from: ours, calls: 50,
                    ["--to", "sip:nobody@127.0.0.1:\(proxyPort)", "--transport", "tcp"]))
            let code = try await caller.exit(within: .seconds(100))
            #expect(code == 1 || code == 3, "\(caller.lastWords)")
            let record = try CarillonCommand.Record(of: caller)
            let calls = try record.total("runsFailed")
            #expect(try record.total("runsStarted") == calls)
            let traces = SIPCapture(
                file: record.folder.appendingPathComponent("failed.pcapng"), ports: [proxyPort, ours])
            let wire = try await WireAccount(traces)
            #expect(wire.malformed.isEmpty, "\(wire.malformed)")
            for kind in ["INVITE", "404 INVITE", "ACK"] { #expect(wire.counts()[kind] == calls, "\(wire.counts())") }
            #expect(wire.callIDs.count == calls)
        }
    }
}
