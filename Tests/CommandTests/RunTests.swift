import Foundation
import Testing

extension CommandTests {
    /// What a run shows, sends and leaves.
    @Suite("carillon run") struct Running {
        @Test("The head says what is about to happen")
        func head() async throws {
            try await inFolder { folder in
                let run = try await carillon(
                    [
                        "run", "basic-call", "--rate", "600/m", "--calls", "3", "--seed", "7", "--t1", "200ms",
                        "--hold",
                        "1ms", "--out", "report",
                    ], in: folder)
                let record = try ReadRecord(file: folder.appendingPathComponent("report/run.json"))
                #expect(run.head("scenario") == "basic-call (catalogue)")
                #expect(run.head("parties") == "alice, bob, both sides in this process")
                #expect(run.head("local")?.hasPrefix("127.0.0.1:") == true)
                #expect(run.head("load") == "10/s, Poisson arrivals, 3 calls")
                #expect(run.head("settings") == "hold=1ms")
                #expect(run.head("seed") == "7, run \(record.identity.runID)")
                #expect(run.head("timers") == "T1 200 ms")
                #expect(run.head("traces")?.hasPrefix("of failed calls; room for ") == true)
                #expect(record.identity.seed == 7)
                #expect(run.error.isEmpty)
            }
        }

        @Test("A report folder may have a name of one letter, and stand deep", arguments: ["z", "z/", "a/b/c"])
        func shortName(path: String) async throws {
            try await inFolder { folder in
                let run = try await Command(["run", "basic-call", "--out", path, "--quiet"], in: folder).end()
                #expect(run.code == 0 || run.code == 3, "\(run.error)")
                #expect(folder.appendingPathComponent(path).has("run.json"))
            }
        }

        private func json(_ arguments: [String]) async throws -> [String: Any] {
            let run = try await carillon(["run"] + arguments + ["--json", "--no-report"])
            return try #require(
                try JSONSerialization.jsonObject(with: Data(run.out.utf8)) as? [String: Any], "\(run.error)")
        }

        /// RFC 6076 §4: an attempt that was redirected is one, and what follows it is its last word.
        @Test("A redirected call is one attempt") func redirectedOnce() async throws {
            let record = try await json(["redirected-call", "--calls", "5"])
            let figures = try #require(record["figures"] as? [String: Any])
            for name in ["sessionEstablishmentRatio", "sessionCompletionRatio"] {
                let ratio = try #require(figures[name] as? [String: Any])
                #expect(ratio["numerator"] as? Int == 5 && ratio["denominator"] as? Int == 5, "\(name): \(ratio)")
            }
            #expect((record["counters"] as? [String: Int])?["sessionAttempts"] == 5)
        }

        @Test("Of several registrations in a run the first is counted from due time")
        func dueOnce() async throws {
            let record = try await json(["register", "--calls", "3", "--hold", "10ms"])
            let delays = try #require(record["delays"] as? [[String: Any]])
            func samples(_ name: String) -> Int? {
                delays.first { $0["name"] as? String == name }?["samples"] as? Int
            }
            #expect(samples("registrationRequestDelay") == 6 && samples("registrationRequestDelayFromDue") == 3)
        }

        @Test("Nothing said is one call, into a folder of its own below the current one")
        func oneCall() async throws {
            try await inFolder { folder in
                let run = try await carillon(["run", "options-ping"], in: folder, asGiven: true)
                #expect(run.out.contains("1 succeeded, 0 failed") || run.isStarved)
                #expect(run.head("load")?.hasPrefix("one call") == true)
                let runs = try FileManager.default.contentsOfDirectory(
                    atPath: folder.appendingPathComponent("reports/runs").path)
                #expect(runs.count == 1 && runs[0].hasSuffix("Z-options-ping"))
                #expect(run.out.contains("Report: reports/runs/\(runs[0])"))
            }
        }

        @Test("Scenarios share the load by weight, drawn from the seed: the same for any number of workers")
        func mix() async throws {
            var shares: [[String: Int]] = []
            for workers in ["1", "2"] {
                try await inFolder { folder in
                    let run = try await Command(
                        [
                            "run", "basic-call=6,register=3,message=1", "--rate", "500/s", "--calls", "1000",
                            "--workers",
                            workers, "--seed", "5", "--out", "record",
                        ], in: folder
                    ).end()
                    #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
                    #expect(run.out.contains("Scenarios   basic-call"))
                    struct Record: Decodable {
                        struct Scenario: Decodable { var name: String, started, succeeded, failed: Int }
                        var scenarios: [Scenario]
                    }
                    let data = try Data(contentsOf: folder.appendingPathComponent("record/run.json"))
                    let scenarios = try JSONDecoder().decode(Record.self, from: data).scenarios
                    #expect(scenarios.allSatisfy { $0.failed == 0 && $0.succeeded == $0.started })
                    shares.append(Dictionary(uniqueKeysWithValues: scenarios.map { ($0.name, $0.started) }))
                }
            }
            #expect(shares[0] == shares[1])
            // Five standard deviations of a binomial share of 1,000.
            for (name, share) in [("basic-call", 600), ("register", 300), ("message", 100)] {
                let started = try #require(shares[0][name])
                #expect(abs(started - share) < 78, "\(name) \(started)")
            }
        }

        @Test(
            "A mix that makes no sense is a usage error",
            arguments: [
                ("basic-call=7,register", "\"register\" in \"basic-call=7,register\" has no weight"),
                ("basic-call=7,register=0", "\"0\" in \"register=0\" is no weight"),
                ("basic-call=7,basic-call=1", "basic-call stands twice"),
            ])
        func senselessMix(argument: String, words: String) async throws {
            try await inFolder { folder in
                let run = try await Command(["run", argument, "--no-report"], in: folder).end()
                #expect(run.code == 64)
                #expect(run.error.contains(words), "\(run.error)")
            }
        }

        @Test("A rate is meant over the time in which calls were due, not over the calls that last longer")
        func rate() async throws {
            let run = try await carillon([
                "run", "basic-call", "--rate", "100/s", "--calls", "50", "--hold", "1500ms", "--no-report",
            ])
            // A busy machine starts fewer of the fifty that are due within half a second.
            let load = try #require(
                run.out.firstMatch(of: /Load +(\d+) calls started.*?([\d.]+) calls\/s \(asked: 100 calls\/s\)/),
                "\(run.out)")
            let started = try #require(Double(load.1)), rate = try #require(Double(load.2))
            #expect(started == 50 || run.isStarved, "\(run.out)")
            #expect(abs(rate * 0.5 - started) < 0.5, "\(run.out)")
        }

        @Test("Progress is a line a second where nobody watches, without codes of a terminal")
        func progress() async throws {
            let run = try await carillon([
                "run", "basic-call", "--rate", "100/s", "--for", "2200ms", "--hold", "100ms", "--no-report",
            ])
            let lines = run.out.split(separator: "\n").filter { $0.contains(" started, ") && $0.contains(" live, ") }
            #expect(lines.count >= 2, "\(run.out)")
            #expect(lines.first?.contains(" calls/s, ") == true)
            #expect(lines.last?.contains("0 failed") == true && lines.last?.contains("p99") == true)
            #expect(!run.out.contains("\u{1B}") && !run.out.contains("\r"))
        }

        @Test("What a call sends is what the options say")
        func identity() async throws {
            try await inFolder { folder in
                let peer = try Peer()
                let run = try Command(
                    [
                        "run", "basic-call", "sip:5551234@127.0.0.1:\(peer.port)", "--from", "sip:anna@example.com",
                        "--domain", "example.org", "--advertise", "192.0.2.9", "--header", "X-Test: seven of nine",
                        "--header", "Subject: bells", "--run-id", "0badcafe", "--no-report",
                    ], in: folder)
                let invite = try peer.receive { Peer.response("603 Decline", to: $0) }
                let outcome = try await run.end()
                #expect(outcome.code == 1 || outcome.isStarved)
                let lines = invite.components(separatedBy: "\r\n")
                #expect(lines[0] == "INVITE sip:5551234@example.org SIP/2.0")
                #expect(lines.contains { $0.hasPrefix("From: <sip:anna@example.com>;tag=") })
                #expect(lines.contains("To: <sip:5551234@example.org>"))
                #expect(lines.contains { $0.hasPrefix("Via: SIP/2.0/UDP 192.0.2.9:") })
                #expect(lines.contains { $0.hasPrefix("Contact: <sip:alice@192.0.2.9:") })
                #expect(lines.contains("X-Test: seven of nine") && lines.contains("Subject: bells"))
                #expect(lines.contains { $0.hasPrefix("Call-ID: 0badcafe-") })
                #expect(outcome.head("seed")?.hasSuffix("run 0badcafe") == true)
                #expect(outcome.head("parties") == "alice")
                #expect(outcome.head("target") == "127.0.0.1:\(peer.port) over UDP")
            }
        }

        @Test("A proxy gets the bytes, the target the address")
        func proxy() async throws {
            try await inFolder { folder in
                let peer = try Peer()
                let run = try Command(
                    [
                        "run", "basic-call", "10.9.8.7", "--proxy", "127.0.0.1:\(peer.port)", "--to",
                        "sip:bob@example.net", "--no-report",
                    ], in: folder)
                let invite = try peer.receive { Peer.response("486 Busy Here", to: $0) }
                _ = try await run.end()
                #expect(invite.hasPrefix("INVITE sip:bob@example.net SIP/2.0\r\n"))
                #expect(invite.contains("From: <sip:alice@10.9.8.7"))
            }
        }

        @Test("--trace all keeps the messages of calls that went well; without failures nothing else is kept")
        func traces() async throws {
            try await inFolder { folder in
                _ = try await carillon(["run", "options-ping", "--trace", "all", "--out", "all"], in: folder)
                #expect(folder.has("all/failed.pcapng"))
                _ = try await carillon(["run", "options-ping", "--out", "failed"], in: folder)
                #expect(!folder.has("failed/failed.pcapng") && folder.has("failed/run.json"))
            }
        }

        @Test(
            "Both sides over IPv6: in brackets in SIP, without them in SDP",
            .enabled(if: Peer.hasIPv6, "needs ::1"))
        func overIPv6() async throws {
            try await inFolder { folder in
                let run = try await carillon(
                    ["run", "basic-call", "--local", "[::1]", "--calls", "3", "--trace", "all", "--out", "all"],
                    in: folder)
                #expect(run.code == 0, "\(run.error)")
                let trace = try Data(contentsOf: folder.appendingPathComponent("all/failed.pcapng"))
                for text in ["Via: SIP/2.0/UDP [::1]:", "Contact: <sip:alice@[::1]:", "c=IN IP6 ::1\r\n"] {
                    #expect(trace.range(of: Data(text.utf8)) != nil, "\(text)")
                }
                #expect(trace.range(of: Data("IN IP4".utf8)) == nil)
            }
        }

        @Test("A folder that is used again holds the new report alone, and keeps what no report wrote")
        func usedAgain() async throws {
            try await inFolder { folder in
                _ = try await carillon(["run", "options-ping", "--trace", "all", "--out", "report"], in: folder)
                #expect(folder.has("report/failed.pcapng"))
                let others = ["notes.txt", "failed.pcapng.gz"]
                for other in others { try Data().write(to: folder.appendingPathComponent("report/\(other)")) }
                // What cannot begin leaves the earlier report whole.
                let refused = try await carillon(
                    ["run", "basic-call", "127.0.0.1:9", "--local", "192.0.2.77", "--out", "report"], in: folder)
                #expect(refused.code == 69 && folder.has("report/failed.pcapng") && folder.has("report/run.json"))
                // As a kill in the middle leaves one.
                try Data().write(to: folder.appendingPathComponent("report/failed.pcapng.partial"))
                _ = try await carillon(["run", "options-ping", "--trace", "off", "--out", "report"], in: folder)
                #expect(
                    try FileManager.default.contentsOfDirectory(atPath: folder.path + "/report").sorted()
                        == (["intervals.hlog", "run.json", "summary.txt"] + others).sorted())
            }
        }

        @Test("What cannot begin leaves no empty folder")
        func nothingBegan() async throws {
            try await inFolder { folder in
                let run = try await carillon(["run", "basic-call", "127.0.0.1:9", "--local", "192.0.2.77"], in: folder)
                #expect(run.code == 69 && run.out.isEmpty)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/reports/runs").isEmpty)
            }
        }

        @Test("A reader that leaves early does not end the run")
        func closedPipe() async throws {
            try await inFolder { folder in
                let pipe = Pipe()
                let run = try Command(
                    ["run", "basic-call", "--calls", "30", "--rate", "100/s", "--out", "report"], in: folder,
                    output: pipe.fileHandleForWriting)
                try pipe.fileHandleForWriting.close()
                try pipe.fileHandleForReading.close()
                let code = try await run.end().code
                let record = try ReadRecord(file: folder.appendingPathComponent("report/run.json"))
                #expect(code == (record.verdict.level == "invalid" ? 3 : 0))
                #expect(record.counters["runsSucceeded"] == 30)
            }
        }
    }

    /// /dev/full takes nothing, as a disk without room does.
    @Suite("Full disks") struct FullDisks {
        @Test("They cost the files, not the truth: 69, and the summary on the terminal is whole")
        func report() async throws {
            try await inFolder { folder in
                let peer = try Peer()
                let report = folder.appendingPathComponent("report")
                try FileManager.default.createDirectory(at: report, withIntermediateDirectories: true)
                let files = ["summary.txt", "run.json", "failed.pcapng"]
                for file in files {
                    try FileManager.default.createSymbolicLink(
                        atPath: report.path + "/\(file).partial", withDestinationPath: "/dev/full")
                }
                let run = try Command(["run", "basic-call", "127.0.0.1:\(peer.port)", "--out", "report"], in: folder)
                _ = try peer.receive { Peer.response("486 Busy Here", to: $0) }
                let outcome = try await run.end()
                // A report that is not there goes before a call that failed.
                #expect(outcome.code == 69)
                for file in files {
                    #expect(outcome.error.contains("error: cannot write report/\(file)"), "\(outcome.error)")
                    #expect(!report.has(file))
                }
                #expect(outcome.error.contains("No space left"))
                #expect(report.has("intervals.hlog"))
                #expect(outcome.out.contains("0 succeeded, 1 failed") && outcome.out.contains("486 Busy Here"))
            }
        }

        @Test("Text that nobody could take is not taken for told")
        func output() async throws {
            try await inFolder { folder in
                let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
                let run = try await Command(["run", "options-ping", "--no-report"], in: folder, output: full).end()
                #expect(run.code == 69 && run.error.contains("standard output"))
                let list = try await Command(["list"], in: folder, output: full).end()
                #expect(list.code == 69 && list.error.contains("standard output"))
            }
        }
    }
}
