import Foundation
import Testing

private let canRun = CarillonCommand.runs && isInstalled("kamailio") && WireCapture.isPossible

/// Calls of several parties, all of them ours, through a Kamailio with two workers that record-routes: messages overtake each other there.
/// What became of each group is read from the wire.
@Suite(
    .serialized, .enabled(if: canRun, "needs carillon run, kamailio, tshark and root"), .timeLimit(.minutes(5)))
struct TransferInteropTests {
    /// So many groups, so many at a time; `make test-all` has a thousand at a time.
    private static let load: (groups: Int, atATime: Int) =
        ProcessInfo.processInfo.environment["CARILLON_TEST_ALL"] == nil ? (100, 20) : (2000, 1000)

    /// What one group of a scenario sends from us to the proxy, and so from the proxy to us.
    struct Flow: CustomTestStringConvertible {
        var scenario: String
        var parties: String
        var calls: Int
        var kinds: [String: Int]
        var testDescription: String { scenario }
    }

    private static let flows = [
        Flow(
            scenario: "blind-transfer", parties: "alice,bob,carol", calls: 2,
            kinds: [
                "INVITE": 2, "180 INVITE": 2, "200 INVITE": 2, "ACK": 2, "REFER": 1, "202 REFER": 1, "NOTIFY": 2,
                "200 NOTIFY": 2, "BYE": 2, "200 BYE": 2,
            ]),
        Flow(
            scenario: "attended-transfer", parties: "alice,bob,carol", calls: 3,
            kinds: [
                "INVITE": 5, "180 INVITE": 2, "200 INVITE": 5, "ACK": 5, "REFER": 1, "202 REFER": 1, "NOTIFY": 2,
                "200 NOTIFY": 2, "BYE": 3, "200 BYE": 3,
            ]),
        Flow(
            scenario: "conference", parties: "alice,focus,bob,carol", calls: 3,
            kinds: [
                "INVITE": 3, "180 INVITE": 3, "200 INVITE": 3, "ACK": 3, "SUBSCRIBE": 2, "200 SUBSCRIBE": 2,
                "REFER": 2, "202 REFER": 2, "NOTIFY": 7, "200 NOTIFY": 7, "BYE": 3, "200 BYE": 3,
            ]),
        Flow(
            scenario: "call-pickup", parties: "alice,bob,bill", calls: 3,
            kinds: [
                "INVITE": 2, "180 INVITE": 1, "NOTIFY": 1, "200 NOTIFY": 1, "200 INVITE": 1, "ACK": 2, "CANCEL": 1,
                "200 CANCEL": 1, "487 INVITE": 1, "BYE": 1, "200 BYE": 1,
            ]),
        Flow(
            scenario: "click-to-dial", parties: "server,alice,bob", calls: 2,
            kinds: ["INVITE": 2, "180 INVITE": 2, "200 INVITE": 2, "ACK": 2, "BYE": 2, "200 BYE": 2]),
    ]

    @Test("Each group sends what its RFC says, once, and every message passes the proxy", arguments: flows)
    func throughTheProxy(_ flow: Flow) async throws {
        let (groups, atATime) = Self.load
        try await withProcesses { start in
            let proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: ours))
            let capture = try await WireCapture(ports: [proxyPort, ours], start)
            let run = start(
                try ChildProcess(
                    "carillon-\(flow.scenario)",
                    [
                        CarillonCommand.path, "run", flow.scenario, "127.0.0.1:\(proxyPort)", "--local",
                        "127.0.0.1:\(ours)", "--play", flow.parties, "--domain", "example.test", "--concurrency",
                        "\(atATime)", "--calls", "\(groups)", "--seed", "7", "--gso", "off", "--out", "record",
                    ]))
            let (record, calls) = try await CarillonCommand.succeeded(run, within: .seconds(200))
            #expect(calls == groups)
            #expect(try record.total("legsUnjoined") == 0)
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.callIDs.count == flow.calls * groups)
            let expected = flow.kinds.mapValues { $0 * groups }
            #expect(wire.counts(from: ours, to: proxyPort) == expected)
            var passed = wire.counts(from: proxyPort, to: ours)
            // The 100 is the proxy's own. A 180 that its 200 has overtaken goes no further.
            passed["100 INVITE"] = nil
            let ringing = "180 INVITE"
            #expect((passed[ringing] ?? 0) <= expected[ringing]!)
            passed[ringing] = expected[ringing]
            #expect(passed == expected)
            #expect(wire.counts(from: ours, to: ours).isEmpty)
        }
    }

    @Test(
        "Through a proxy that changes the Call-ID, legs are joined to their calls by a header, and to none without Correlate",
        arguments: [("basic-call", false), (Repository.fixture("correlated-call.swift"), true)])
    func otherCallIDs(_ scenario: String, _ isJoined: Bool) async throws {
        try await withProcesses { start in
            let proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: ours, hidesTopology: true))
            let capture = try await WireCapture(ports: [proxyPort, ours], start)
            let run = start(
                try ChildProcess(
                    "carillon-correlated",
                    [
                        CarillonCommand.path, "run", scenario, "127.0.0.1:\(proxyPort)", "--local",
                        "127.0.0.1:\(ours)", "--play", "alice,bob", "--domain", "example.test", "--concurrency", "10",
                        "--calls", "100", "--seed", "7", "--gso", "off", "--out", "record",
                    ]))
            _ = try await run.exit(within: .seconds(100))
            let record = try CarillonCommand.Record(of: run)
            #expect(try record.total("legsJoined") == (isJoined ? 100 : 0), "\(run.lastWords)")
            #expect(try record.total("legsUnjoined") == (isJoined ? 0 : 100), "\(run.lastWords)")
            // A leg that is joined to none is a run of its own.
            #expect(try record.total("runsSucceeded") == (isJoined ? 100 : 200), "\(run.lastWords)")
            let wire = try await WireAccount(capture.stop())
            #expect(wire.malformed.isEmpty)
            #expect(wire.callIDs.count == 200)
        }
    }
}
