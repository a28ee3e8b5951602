import Foundation
import Testing

private let canRun = CarillonCommand.runs && Kamailio.canSpeakTLS

/// Carillon over TLS with software nobody here wrote.
@Suite(
    .serialized, .enabled(if: canRun, "needs carillon run, openssl, and kamailio with its TLS module"),
    .timeLimit(.minutes(5)))
struct TLSInteropTests {
    /// What began has succeeded; a busy machine may have dropped arrivals.
    ///
    /// - Parameter mayLose: calls of a hundred. A proxy on a busy machine gives up a connection now and then, which with a
    ///   connection for each call costs one.
    private func mostSucceeded(
        _ process: ChildProcess, mayLose: Int = 0
    ) async throws -> (CarillonCommand.Record, calls: Int, lost: Int) {
        let code = try await process.exit(within: .seconds(100))
        let record = try CarillonCommand.Record(of: process)
        let calls = try record.total("runsStarted"), lost = calls - (try record.total("runsSucceeded"))
        #expect(code == 0 || code == 3 || lost > 0, "\(process.lastWords)")
        #expect(calls >= 250)
        #expect(lost * 100 <= calls * mayLose, "\(process.lastWords)")
        return (record, calls, lost)
    }

    /// The proxy refuses an ACK or BYE without its route set, and it speaks nothing but TLS. What was said is read by tshark with the
    /// secrets that our ends wrote.
    @Test(.enabled(if: WireCapture.isPossible, "needs tshark and root"), arguments: ["one", "per-call"])
    func throughARecordRoutingProxy(connections: String) async throws {
        for attempt in 1...3 {
            guard try await callsThroughProxy(connections: connections, isLast: attempt == 3) else { return }
        }
    }

    /// - Returns: whether the proxy has crashed, which is nothing that the calls could be blamed for: the TLS module of Debian's Kamailio
    ///   shares memory of OpenSSL 3 between its processes.
    private func callsThroughProxy(connections: String, isLast: Bool) async throws -> Bool {
        try await withProcesses { start in
            let port = try UDPPorts.free(), proxyPort = try UDPPorts.free(), ours = try UDPPorts.free()
            let capture = try await WireCapture(ports: [port, proxyPort], start)
            let keys = FileManager.default.temporaryDirectory.appendingPathComponent(
                "carillon-keys-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: keys) }
            let proxy = start(try await Kamailio.secureProxy(on: proxyPort, to: port))
            let callee = start(
                try await listening(
                    try ChildProcess(
                        "carillon-callee",
                        [
                            "env", "SSLKEYLOGFILE=\(keys.path)", CarillonCommand.path, "serve", "basic-call",
                            "--listen", "127.0.0.1:\(port)",
                            "--until-idle",
                            "5s", "--out", "record",
                        ] + TestCertificate.options()), on: port, forStreams: true))
            let caller = start(
                try ChildProcess(
                    "carillon-caller",
                    [
                        "env", "SSLKEYLOGFILE=\(keys.path)", CarillonCommand.path, "run", "basic-call",
                        "127.0.0.1:\(proxyPort)", "--local", "127.0.0.1:\(ours)", "--rate", "50/s", "--calls", "500",
                        "--seed", "7", "--domain", "example.test", "--connections", connections, "--out", "record",
                    ] + TestCertificate.options()))
            _ = try await caller.exit(within: .seconds(100))
            if !isLast, proxy.exitStatus != nil { return true }
            let (record, calls, lost) = try await mostSucceeded(caller, mayLose: connections == "one" ? 0 : 2)
            #expect(try record.total("tlsHandshakes") == (connections == "one" ? 1 : calls) || lost > 0)
            // Kamailio remembers sessions: all but the first few take one up again.
            if connections != "one" { #expect(try record.total("tlsResumptions") > calls / 2) }
            let (answered, served, _) = try await mostSucceeded(callee, mayLose: connections == "one" ? 0 : 2)
            #expect(served <= calls && served >= calls - lost)
            #expect(try answered.total("tlsHandshakes") >= 1)
            var seen = try await capture.stop()
            seen.keys = keys
            let wire = try await WireAccount(seen)
            #expect(wire.malformed.isEmpty, "\(wire.malformed)")
            guard lost == 0 else { return false }
            // Each message twice: before the proxy and behind it; the 100 is the proxy's own.
            let counts = wire.counts()
            for kind in ["INVITE", "ACK", "BYE", "180 INVITE", "200 INVITE", "200 BYE"] {
                #expect(counts[kind] == 2 * calls, "\(kind): \(counts)")
            }
            return false
        }
    }

    /// A client that knows nothing of SIP asks by hand.
    @Test func opensslAsksWhatWeCanDo() async throws {
        try await withProcesses { start in
            let port = try UDPPorts.free()
            let server = start(
                try await listening(
                    try ChildProcess(
                        "carillon-callee",
                        [
                            CarillonCommand.path, "serve", "basic-call", "--listen", "127.0.0.1:\(port)", "--no-report",
                        ] + TestCertificate.options()), on: port, forStreams: true))
            let request = """
                OPTIONS sip:127.0.0.1:\(port) SIP/2.0\r
                Via: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKopenssl\r
                Max-Forwards: 70\r
                From: <sip:openssl@127.0.0.1>;tag=1\r
                To: <sip:127.0.0.1:\(port)>\r
                Call-ID: openssl\r
                CSeq: 1 OPTIONS\r
                Content-Length: 0\r
                \r\n
                """
            let client = start(
                try ChildProcess(
                    "openssl",
                    [
                        "/bin/bash", "-c",
                        "{ printf %s \"$0\"; sleep 60; } | openssl s_client -quiet -verify_return_error -CAfile \(try TestCertificate.certificate()) -connect 127.0.0.1:\(port)",
                        request,
                    ]))
            try await wait(for: "an answer to OPTIONS", within: .seconds(30)) {
                client.output.contains("SIP/2.0 200") || client.exitStatus != nil
            }
            #expect(client.output.contains("SIP/2.0 200"), "\(client.output)\(client.lastWords)")
            #expect(
                client.output.contains("Via: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKopenssl"),
                "\(client.output)\(client.lastWords)")
            _ = server
        }
    }
}
