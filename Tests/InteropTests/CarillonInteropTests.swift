import Foundation
import Testing

private let canRun = CarillonCommand.runs && isInstalled("sipp") && isInstalled("kamailio") && isInstalled("gcc")

/// Carillon against software nobody here wrote. Enabled by itself as soon as `carillon --help` lists `run`.
@Suite(.serialized, .enabled(if: canRun, "needs carillon run, sipp, kamailio and gcc"), .timeLimit(.minutes(5)))
struct CarillonInteropTests {
    @Test func ourCallersAgainstSIPpsCallee() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let callee = start(try await SIPp.callee(on: port, calls: 1000))
            let caller = start(try CarillonCommand.caller(to: port, from: ours, calls: 1000))
            let (record, calls) = try await CarillonCommand.succeeded(caller)
            // SIPp's own words: to each INVITE and each BYE.
            #expect(try record.total("responses2xx") == 2 * calls)
            if let account = try await SIPp.account(of: callee, after: calls, of: 1000) {
                #expect(account.successful == 1000 && account.failed == 0)
            }
        }
    }

    @Test func sippsCallersAgainstOurCallee() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free()
            let callee = start(try await CarillonCommand.callee(on: port, calls: 1000))
            let caller = start(try SIPp.caller(to: port, calls: 1000, rate: 500))
            #expect(try await caller.exit(within: .seconds(100)) == 0)
            let account = try SIPp.account(of: caller)
            #expect(account.successful == 1000 && account.failed == 0)
            #expect(try await CarillonCommand.succeeded(callee).calls == 1000)
        }
    }

    /// Linux takes all of 127.0.0.0/8 for its own.
    @Test(.enabled(if: WireCapture.isPossible, "needs tshark and root"))
    func callsFromManyAddresses() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free(), wide = try UDPPorts.free()
            let capture = try await WireCapture(ports: [port, ours, wide], start)
            let more = ["--sources", "127.9.0.0/24", "--dscp", "AF31", "--rport"]
            let sipp = start(try await SIPp.callee(on: port, calls: 300))
            let caller = start(try CarillonCommand.caller(to: port, from: ours, calls: 300, isAnywhere: true, more))
            let calls = try await CarillonCommand.succeeded(caller).calls
            if calls == 300 { #expect(try await sipp.exit(within: .seconds(60)) == 0) }

            // One that listens at all addresses, called at one that is not its machine's first.
            let callee = start(try await CarillonCommand.callee(on: wide, calls: 100, isAnywhere: true))
            let second = start(
                try CarillonCommand.caller(to: wide, named: "127.3.3.3", from: ours, calls: 100, isAnywhere: true, more)
            )
            let further = try await CarillonCommand.succeeded(second).calls
            #expect(try await CarillonCommand.succeeded(callee).calls == further)

            let sent = try await capture.stop().sources()
            // Call i has address i mod 256; a busy machine leaves some calls out, and with them some addresses.
            let addresses = Set(sent.filter { $0.port == ours }.map(\.source)).count
            #expect(addresses >= calls - 44 && addresses <= 256, "\(addresses) of \(calls)")
            for message in sent where message.port == ours {
                #expect(message.viaHost == message.source && message.source.hasPrefix("127.9.0."))
                #expect(message.contactHost == "" || message.contactHost == message.source)
                #expect(message.dscp == 26)
            }
            let answers = sent.filter { $0.port == wide }
            #expect(answers.count == 300 && answers.allSatisfy { $0.source == "127.3.3.3" && $0.dscp == 0 })
            #expect(answers.allSatisfy { $0.contactHost == "" || $0.contactHost == "127.3.3.3" })
        }
    }

    @Test(.enabled(if: Loopback.hasIPv6, "needs ::1"))
    func bothWaysWithSIPpOverIPv6() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let callee = start(try await SIPp.callee(on: port, calls: 200, at: .ipv6))
            let caller = start(try CarillonCommand.caller(to: port, from: ours, calls: 200, at: .ipv6))
            let calls = try await CarillonCommand.succeeded(caller).calls
            #expect(try await SIPp.account(of: callee, after: calls, of: 200)?.failed ?? 0 == 0)
        }
        try await withProcesses { start in
            let port = try UDPPorts.free()
            let callee = start(try await CarillonCommand.callee(on: port, calls: 200, at: .ipv6))
            let caller = start(try SIPp.caller(to: port, calls: 200, rate: 500, at: .ipv6))
            #expect(try await caller.exit(within: .seconds(100)) == 0)
            #expect(try SIPp.account(of: caller).successful == 200)
            #expect(try await CarillonCommand.succeeded(callee).calls == 200)
        }
    }

    @Test(.enabled(if: Loopback.hasIPv6, "needs ::1"))
    func throughARecordRoutingProxyOverIPv6() async throws {
        try await withProcesses { start in
            let proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: ours, at: .ipv6))
            let both = start(
                try CarillonCommand.caller(
                    to: proxyPort, from: ours, calls: 500, at: .ipv6,
                    ["--domain", "example.test", "--play", "alice,bob"]))
            _ = try await CarillonCommand.succeeded(both)
        }
    }

    /// The proxy refuses an ACK or BYE without its route set, so a completed call proves that the route set was followed.
    @Test func throughARecordRoutingProxyInTwoProcesses() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: port))
            let callee = start(try await CarillonCommand.callee(on: port, calls: 1000))
            let caller = start(
                try CarillonCommand.caller(to: proxyPort, from: ours, calls: 1000, ["--domain", "example.test"]))
            let calls = try await CarillonCommand.succeeded(caller).calls
            #expect(try await CarillonCommand.succeeded(callee).calls == calls)
        }
    }

    /// Both parties live in one process and share its socket; the proxy sends the second leg back to it.
    @Test func throughARecordRoutingProxyWithBothSidesInOneProcess() async throws {
        try await withProcesses { start in
            let proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: ours))
            let both = start(
                try CarillonCommand.caller(
                    to: proxyPort, from: ours, calls: 1000, ["--domain", "example.test", "--play", "alice,bob"]))
            #expect(try await CarillonCommand.succeeded(both).record.total("legsUnjoined") == 0)
        }
    }

    @Test(.enabled(if: WireCapture.isPossible, "needs tshark and root"))
    func tsharkAgreesWithOurCountsFromTheWire() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            let capture = try await WireCapture(ports: [port, ours], start)
            let callee = start(try await CarillonCommand.callee(on: port, calls: 500))
            let caller = start(try CarillonCommand.caller(to: port, from: ours, calls: 500))
            let (callerRecord, calls) = try await CarillonCommand.succeeded(caller)
            let calleeRecord = try await CarillonCommand.succeeded(callee).record
            let seen = try await capture.stop()
            #expect(try await seen.malformed().isEmpty)
            let all = try await seen.counts()
            let callerSent = try await seen.counts(from: ours).values.reduce(0, +)
            let calleeSent = try await seen.counts(from: port).values.reduce(0, +)
            #expect(try callerRecord.total("messagesSent") == callerSent)
            #expect(try callerRecord.total("messagesReceived") == calleeSent)
            #expect(try calleeRecord.total("messagesSent") == calleeSent)
            #expect(try calleeRecord.total("messagesReceived") == callerSent)
            let repeated = try callerRecord.total("inviteRetransmissionsSent")
            #expect(all["INVITE"] == calls + repeated)
            #expect(try await seen.callIdentifiers().count == calls)
        }
    }

    @Test(.enabled(if: isInstalled("tshark"), "needs tshark"))
    func tsharkReadsTheTracesOfFailedCalls() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await Kamailio.proxy(on: proxyPort, to: port))
            let caller = start(
                try CarillonCommand.caller(
                    to: proxyPort, from: ours, calls: 50, ["--to", "sip:nobody@127.0.0.1:\(proxyPort)"]))
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

    @Test(.enabled(if: PythonHistogram.isInstalled, "needs Python's hdrhistogram: Tests/Oracles/install.sh"))
    func pythonReadsOurHistogramLogWithEqualPercentiles() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free(), ours = try UDPPorts.free()
            _ = start(try await CPeer.callee(on: port, calls: 2000))
            let caller = start(try CarillonCommand.caller(to: port, from: ours, calls: 2000, rate: 1000))
            let (record, calls) = try await CarillonCommand.succeeded(caller)
            let read = try await PythonHistogram.read(record.folder.appendingPathComponent("intervals.hlog"))
            let recorded = record.delays.filter { $0.samples > 0 }
            #expect(Set(read.keys) == Set(recorded.map(\.name)))
            #expect(read["sessionRequestDelay"]?.samples == calls)
            for delay in recorded {
                let seen = try #require(read[delay.name])
                #expect(seen.samples == delay.samples, "\(delay.name)")
                #expect(seen.value(atTenThousandths: 5_000) == delay.p50Nanoseconds, "\(delay.name)")
                #expect(seen.value(atTenThousandths: 9_000) == delay.p90Nanoseconds, "\(delay.name)")
                #expect(seen.value(atTenThousandths: 9_900) == delay.p99Nanoseconds, "\(delay.name)")
                #expect(seen.value(atTenThousandths: 9_990) == delay.p999Nanoseconds, "\(delay.name)")
                #expect(seen.value(atTenThousandths: 9_999) == delay.p9999Nanoseconds, "\(delay.name)")
                #expect(seen.value(atTenThousandths: 10_000) == delay.maximumNanoseconds, "\(delay.name)")
            }
        }
    }
}
