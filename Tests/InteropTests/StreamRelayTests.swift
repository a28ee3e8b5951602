import Foundation
import Testing

private let canRun = CarillonCommand.runs && isInstalled("sipp") && isInstalled("kamailio")

/// TCP as it is outside of one machine: 500 calls at 50/s through a relay that does to the stream what networks do.
@Suite(.enabled(if: canRun, "needs carillon run, sipp and kamailio"), .timeLimit(.minutes(5)))
struct StreamRelayTests {
    static let harmless: [StreamRelay.Manner] = [.pieces, .merged, .stalled]

    /// That it did what it is there for.
    private func expect(_ relay: StreamRelay, _ manner: StreamRelay.Manner) {
        let counts = relay.counts
        switch manner {
        case .pieces: #expect(counts.octets / counts.segments < 200)
        // More than any message of theirs.
        case .merged: #expect(counts.largestSegment > 1_000)
        case .stalled: #expect(counts.stalls > 0)
        case .reset: #expect(counts.resets > 0)
        }
    }

    private func callers(to port: UInt16, from ours: UInt16, _ more: [String] = []) throws -> ChildProcess {
        try CarillonCommand.caller(to: port, from: ours, calls: 500, rate: 50, ["--transport", "tcp"] + more)
    }

    /// Everything that began has succeeded, by so many connections, and no request was sent twice. (The ACK is, where a stall lets the
    /// callee repeat its 200: RFC 3261 §13.3.1.4 wants that over TCP too.)
    private func allSucceeded(_ caller: ChildProcess, connections: Int) async throws -> Int {
        let (record, calls) = try await CarillonCommand.succeeded(caller)
        #expect(try record.total("connectionsOpened") == connections)
        for again in ["invite", "request"] {
            #expect(try record.total("\(again)RetransmissionsSent") == 0)
        }
        return calls
    }

    @Test("Our calls to SIPp: none is lost", arguments: harmless)
    func toSIPp(manner: StreamRelay.Manner) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await SIPp.callee(on: port, calls: 500, transport: "t1"))
            let relay = try StreamRelay(to: port, manner: manner, seed: 3)
            defer { relay.stop() }
            // SIPp's Contact is its own port: ACK and BYE go past the relay.
            _ = try await allSucceeded(start(try callers(to: relay.port, from: ours)), connections: 2)
            expect(relay, manner)
        }
    }

    @Test("Our calls through Kamailio: none is lost", arguments: harmless)
    func throughKamailio(manner: StreamRelay.Manner) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            let relay = try StreamRelay(to: proxyPort, manner: manner, seed: 4)
            defer { relay.stop() }
            _ = start(
                try await Kamailio.proxy(on: proxyPort, to: port, overStreams: true, seenAs: relay.port))
            let callee = start(try await CarillonCommand.callee(on: port, calls: 500))
            let caller = start(try callers(to: relay.port, from: ours, ["--domain", "example.test"]))
            let calls = try await allSucceeded(caller, connections: 1)
            #expect(try await CarillonCommand.succeeded(callee).calls == calls)
            expect(relay, manner)
        }
    }

    @Test("SIPp's calls to us: none is lost", arguments: harmless)
    func fromSIPp(manner: StreamRelay.Manner) async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free()
            let callee = start(try await CarillonCommand.callee(on: port, calls: 500))
            let relay = try StreamRelay(to: port, manner: manner, seed: 5)
            defer { relay.stop() }
            let caller = start(try SIPp.caller(to: relay.port, calls: 500, rate: 50, transport: "t1"))
            #expect(try await caller.exit(within: .seconds(100)) == 0)
            let account = try SIPp.account(of: caller)
            #expect(account.successful == 500 && account.failed == 0)
            // SIPp takes a repeated 200 to INVITE for the one to BYE, and leaves with its last call: a BYE that is still on its way then is lost with
            // the connection. Without a repeated 200 nothing is lost.
            let code = try await callee.exit(within: .seconds(100))
            let record = try CarillonCommand.Record(of: callee)
            let failed = try record.total("runsFailed")
            #expect(try record.total("runsStarted") == 500 && record.total("runsSucceeded") == 500 - failed)
            #expect(failed == 0 && (code == 0 || code == 3) || code == 1, "\(callee.lastWords)")
            #expect(try failed <= record.total("responseRetransmissionsSent"), "\(callee.lastWords)")
            #expect(failed == 0 || callee.output.contains("\(failed) × BasicCall.swift:23  bob: expect BYE"))
            expect(relay, manner)
        }
    }

    /// The connection is reset while an INVITE is on it: that call is lost, others only where they were on the same connection.
    @Test(
        "Connections that are reset: calls on them are lost and counted, the others are not, and the pool opens others")
    func resets() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            let relay = try StreamRelay(to: proxyPort, manner: .reset(every: 20), seed: 6)
            defer { relay.stop() }
            _ = start(
                try await Kamailio.proxy(on: proxyPort, to: port, overStreams: true, seenAs: relay.port))
            let capture = WireCapture.isPossible ? try await WireCapture(ports: [relay.port], start) : nil
            _ = start(try await CarillonCommand.callee(on: port, calls: 500))
            let caller = start(
                try callers(to: relay.port, from: ours, ["--domain", "example.test", "--connections", "4"]))
            let code = try await caller.exit(within: .seconds(100))
            #expect(code == 1 || code == 3, "\(caller.lastWords)")
            let record = try CarillonCommand.Record(of: caller)
            let started = try record.total("runsStarted"), failed = try record.total("runsFailed")
            let counts = relay.counts
            expect(relay, .reset(every: 20))
            #expect(failed >= counts.resets)
            #expect(try record.total("runsSucceeded") == started - failed)
            #expect(try record.total("transactionsLost") == failed)
            // Four, and another one for each that was reset and was wanted again.
            #expect(try record.total("connectionsOpened") == counts.connections)
            #expect(counts.connections > 4 && counts.connections <= 4 + counts.resets)
            #expect(caller.output.contains("Connection reset by peer from the network (errno \(ECONNRESET))"))
            guard let capture else { return }
            let wire = try await WireAccount(capture.stop()).calls
            let lost = try await SIPCapture(
                file: record.folder.appendingPathComponent("failed.pcapng"), ports: [relay.port, ours]
            ).callIdentifiers()
            #expect(lost.count == failed)
            // Each had sent something on a connection that was reset, or nothing of it left at all.
            for call in lost {
                let ports = Set((wire[Substring(call)] ?? []).map(\.source))
                #expect(ports.isEmpty || !ports.isDisjoint(with: counts.resetPorts), "\(call)")
            }
        }
    }
}
