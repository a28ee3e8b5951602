import Foundation
import NameServer
import Testing

extension CommandTests {
    /// Names, several targets, and targets that fail.
    @Suite("Where calls go", .enabled(if: NameServer.isInstalled, "needs dnsmasq")) struct Targets {
        /// What `run.json` says of each address.
        struct Record: Decodable {
            var counters: [String: Int]
            var targets: [Target]?

            struct Target: Decodable {
                var name: String
                var address: String
                var counts: [String: Int]
            }

            init(file: URL) throws { self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: file)) }
            func count(_ address: String, _ name: String) -> Int? {
                targets?.first { $0.address == address }?.counts[name]
            }
        }

        /// Two servers for the length of `body`, with their addresses.
        private func twoServers(
            _ body: (_ folder: URL, _ one: String, _ other: String) async throws -> Void
        ) async throws {
            try await inFolder { folder in
                let arguments = ["basic-call", "options-ping", "--no-report"]
                _ = try await serving(arguments, in: folder) { first, one in
                    _ = try await serving(arguments, in: folder) { second, other in
                        try await body(folder, one, other)
                        second.signal(SIGTERM)
                    }
                    first.signal(SIGTERM)
                }
            }
        }

        private func port(_ address: String) -> String { String(address.split(separator: ":")[1]) }

        @Test(
            "A name leads through SRV records of its transport to hosts and ports; the head says so",
            arguments: ["udp", "tcp"])
        func services(transport: String) async throws {
            try await twoServers { folder, one, _ in
                let dns = try NameServer([
                    "host-record=sip.test,127.0.0.1", "srv-host=_sip._\(transport).corp.test,sip.test,\(port(one))",
                ])
                let run = try await Command(
                    [
                        "run", "basic-call", "sip:bob@corp.test;transport=\(transport)", "--dns-server", dns.text,
                        "--trace",
                        "all", "--out", "report",
                    ], in: folder
                ).end()
                #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
                let target = try #require(run.head("target"))
                #expect(target.hasPrefix("corp.test over \(transport.uppercased())"))
                #expect(target.hasSuffix("(SRV _sip._\(transport).corp.test: \(one))"))
                #expect(run.out.contains("1 succeeded, 0 failed"))
            }
        }

        @Test("The Request-URI has the name, without the port that SRV gave")
        func requestURI() async throws {
            let peer = try Peer()
            let dns = try NameServer([
                "host-record=sip.test,127.0.0.1", "srv-host=_sip._udp.corp.test,sip.test,\(peer.port)",
            ])
            try await inFolder { folder in
                let run = try Command(
                    ["run", "options-ping", "corp.test", "--dns-server", dns.text, "--no-report"], in: folder)
                let request = try peer.receive { Peer.response("200 OK", to: $0) }
                #expect(request.hasPrefix("OPTIONS sip:bob@corp.test SIP/2.0\r\n"), "\(request)")
                #expect(try await run.end().out.contains("1 succeeded"))
            }
        }

        @Test("--proxy is resolved, and the target is named")
        func proxy() async throws {
            let peer = try Peer()
            let dns = try NameServer(["host-record=proxy.test,127.0.0.1"])
            try await inFolder { folder in
                let run = try Command(
                    [
                        "run", "options-ping", "sip:carol@example.com", "--proxy", "proxy.test:\(peer.port)",
                        "--dns-server",
                        dns.text, "--no-report",
                    ], in: folder)
                let request = try peer.receive { Peer.response("200 OK", to: $0) }
                #expect(request.hasPrefix("OPTIONS sip:carol@example.com SIP/2.0\r\n"), "\(request)")
                #expect(try await run.end().out.contains("1 succeeded"))
            }
        }

        @Test("What cannot be resolved is 69, says which server was asked and what it said, and nothing is begun")
        func unresolved() async throws {
            let dns = try NameServer(["txt-record=text.test,nothing else", "srv-host=_sip._udp.shut.test"])
            let silent = try SilentServer()
            try await inFolder { folder in
                func fails(_ name: String, _ server: String, _ words: String...) async throws {
                    let run = try await Command(
                        ["run", "basic-call", name, "--dns-server", server, "--dns-timeout", "300ms"], in: folder
                    ).end()
                    #expect(run.code == 69 && run.out.isEmpty && !folder.has("reports"), "\(run.error)")
                    for word in words + [server] where name != "shut.test" || word != server {
                        #expect(run.error.contains(word), "\(run.error)")
                    }
                }
                try await fails("nowhere.test", dns.text, "does not exist", "NXDOMAIN")
                try await fails("text.test:5060", dns.text, "neither A nor AAAA")
                try await fails("shut.test", dns.text, "not offered", "RFC 2782")
                try await fails("corp.test", silent.text, "no answer", "300 ms")
                try await fails("corp.test", "127.0.0.1:\(freePort())", "nobody listens")
            }
        }

        @Test("Targets share the calls by weight, and run.json has each of them")
        func weights() async throws {
            try await twoServers { folder, one, other in
                let run = try await Command(
                    [
                        "run", "options-ping", "\(one)=3", "\(other)=1", "--rate", "500/s", "--calls", "1000",
                        "--workers", "2",
                        "--out", "report",
                    ], in: folder
                ).end()
                #expect(run.head("target 1")?.contains("75.0 %") == true)
                let record = try Record(file: folder.appendingPathComponent("report/run.json"))
                let started = try #require(record.count(one, "runsStarted"))
                let others = try #require(record.count(other, "runsStarted"))
                #expect(started + others == record.counters["runsStarted"])
                // 750 of 1,000 with a standard deviation of 14; fewer where the machine could not start all.
                let share = Double(started) / Double(started + others)
                #expect(abs(share - 0.75) < 0.07, "\(started) and \(others)")
                #expect(run.out.contains("Targets     \(one)  "))
                for address in [one, other] {
                    #expect(record.count(address, "runsSucceeded") == record.count(address, "runsStarted"))
                }
            }
        }

        @Test(
            "A dead first choice costs the calls that found it so, or none", arguments: ["udp", "tcp"],
            ["next", "call"])
        func failover(transport: String, policy: String) async throws {
            try await twoServers { folder, one, _ in
                let dead = "127.0.0.1:\(try freePort())"
                let dns = try NameServer([
                    "host-record=sip.test,127.0.0.1",
                    "srv-host=_sip._\(transport).corp.test,sip.test,\(port(dead)),10,1",
                    "srv-host=_sip._\(transport).corp.test,sip.test,\(port(one)),20,1",
                ])
                let run = try await Command(
                    [
                        "run", "basic-call", "corp.test", "--transport", transport, "--dns-server", dns.text,
                        "--failover",
                        policy, "--rate", "100/s", "--calls", "100", "--out", "report",
                    ], in: folder
                ).end()
                let record = try Record(file: folder.appendingPathComponent("report/run.json"))
                let refused = try #require(record.count(dead, "transportErrors"))
                let moved = record.count(dead, "runsMoved")
                #expect(refused >= 1 && record.count(dead, "timesAvoided") == 1, "\(run.out)")
                #expect(record.count(dead, "runsStarted") == refused)
                if policy == "call" {
                    #expect(moved == refused && record.count(one, "runsTakenOver") == refused)
                    #expect(record.counters["runsFailed"] == 0)
                    #expect(record.count(one, "runsSucceeded") == record.counters["runsStarted"])
                } else {
                    #expect(moved == 0 && record.count(dead, "runsFailed") == refused)
                    #expect(record.counters["runsFailed"] == refused)
                }
                #expect(run.out.contains("\(refused) refused (\(refused) by the transport)"))
            }
        }

        @Test("A 503 with Retry-After holds arrivals back where it is obeyed", arguments: ["obey", "ignore"])
        func retryAfter(policy: String) async throws {
            let peer = try Peer()
            try await inFolder { folder in
                let server = peer.answering {
                    Peer.response("503 Service Unavailable", to: $0).replacingOccurrences(
                        of: "Content-Length", with: "Retry-After: 60\r\nContent-Length")
                }
                defer { server.cancel() }
                let outcome = try await Command(
                    [
                        "run", "options-ping", "127.0.0.1:\(peer.port)", "--retry-after", policy, "--rate", "20/s",
                        "--calls", "40", "--arrivals", "uniform", "--out", "report",
                    ], in: folder
                ).end()
                let counters = try Record(file: folder.appendingPathComponent("report/run.json")).counters
                let due = try #require(counters["arrivalsDue"]), started = try #require(counters["runsStarted"])
                let heldBack = try #require(counters["runsHeldBack"])
                // A busy machine starts some of them not at all.
                let dropped = counters["runsNotStarted"] ?? 0
                #expect(started + heldBack + dropped == due, "\(outcome.out)")
                #expect(policy == "obey" ? heldBack > 0 : heldBack == 0, "\(outcome.out)")
                #expect(counters["runsFailed"] == started && started > 0, "\(outcome.out)")
                #expect(outcome.out.contains("held back") == (policy == "obey"))
            }
        }
    }
}
