import Foundation
import Testing

extension CommandTests {
    /// The table of exit codes in README.md, each as a user comes by it.
    @Suite("Exit codes")
    struct ExitCodeTests {
        @Test("A scenario file with a mistake is 65, with file and line")
        func wrongFile() async throws {
            try await inFolder { folder in
                // An ACK before the INVITE, which only the checker can see.
                let text = """
                    import ScenarioDSL

                    let wrong = Scenario("wrong") {
                        Party("alice") {
                            Send(.ack)
                            Send(.invite) { Offer() }
                            Expect(200)
                        }
                    }
                    """
                try Data(text.utf8).write(to: folder.appendingPathComponent("wrong.swift"))
                let run = try await carillon(["run", "wrong.swift"], in: folder)
                #expect(run.code == 65)
                #expect(run.error.contains("wrong.swift:5: error: ACK"))
                let lint = try await carillon(["lint", "wrong.swift"], in: folder)
                #expect(lint.code == 65)
                #expect((lint.out + lint.error).contains("wrong.swift:5: error: ACK"))
            }
        }

        @Test("A saved program that is none, and a file that is not there, are 65")
        func unusableFiles() async throws {
            try await inFolder { folder in
                try Data("{\"format\":1,\"scenarios\":[".utf8).write(to: folder.appendingPathComponent("cut.json"))
                let cut = try await carillon(["run", "cut.json"], in: folder)
                #expect(cut.code == 65 && cut.error.contains("cut.json"))
                let missing = try await carillon(["run", "none.swift"], in: folder)
                #expect(missing.code == 65 && missing.error.contains("none.swift"))
            }
        }

        @Test("Calls that go as the scenario says are 0, and leave a report")
        func passed() async throws {
            try await inFolder { folder in
                let run = try await carillon(
                    ["run", "basic-call", "--concurrency", "4", "--calls", "20", "--out", "report"], in: folder)
                #expect(run.code == 0 || run.isStarved, "\(run.out)")
                #expect(run.out.contains("20 succeeded, 0 failed"))
                let report = folder.appendingPathComponent("report")
                let record = try ReadRecord(file: report.appendingPathComponent("run.json"))
                #expect(record.schema == 1 && record.end.kind == "finished")
                #expect(record.counters["runsSucceeded"] == 20)
                let summary = try String(contentsOf: report.appendingPathComponent("summary.txt"), encoding: .utf8)
                #expect(summary.contains("20 succeeded, 0 failed"))
                #expect(report.has("intervals.hlog"))
            }
        }

        @Test("--json prints run.json and nothing else")
        func json() async throws {
            let run = try await carillon([
                "run", "options-ping", "--calls", "5", "--concurrency", "2", "--json", "--no-report",
            ])
            let record = try ReadRecord(run.out)
            #expect(record.counters["runsSucceeded"] == 5)
            #expect(["valid", "suspect", "invalid"].contains(record.verdict.level))
        }

        @Test("One call in twenty that fails is 1")
        func failed() async throws {
            let served = try await serving("busy", calls: 20) { target in
                let run = try await carillon([
                    "run", "basic-call", target, "--calls", "20", "--concurrency", "4", "--no-report",
                ])
                #expect(run.code == 1 || run.isStarved, "\(run.out)")
                #expect(run.out.contains("0 succeeded, 20 failed"))
            }
            #expect(served.code == 0 || served.isStarved, "\(served.out)")
            #expect(served.out.contains("20 succeeded, 0 failed"))
        }

        @Test("Nothing reachable is 3, never a pass")
        func nothingReachable() async throws {
            let run = try await carillon(["run", "basic-call", "127.0.0.1:\(freePort())", "--no-report"])
            #expect(run.code == 3)
            #expect(run.out.hasPrefix("scenario") && run.out.contains("INVALID"))
            #expect(run.out.contains("refused"))
        }

        @Test("Where nobody listens each call hears of it, also of calls that left together")
        func refusedTogether() async throws {
            let run = try await carillon([
                "run", "options-ping", "127.0.0.1:\(freePort())", "--concurrency", "20", "--calls", "20", "--no-report",
            ])
            #expect(run.code == 3)
            #expect(run.out.contains("20 failed") && run.out.contains("20 × "), "\(run.out)\(run.error)")
            #expect(!run.out.contains("got       nothing"), "\(run.out)")
        }

        @Test("An address that is not ours, a host nobody knows, a folder that cannot be: 69")
        func environment() async throws {
            let bind = try await carillon(["run", "basic-call", "127.0.0.1:9", "--local", "192.0.2.77", "--no-report"])
            #expect(bind.code == 69 && bind.error.contains("192.0.2.77"))
            let name = try await carillon(["run", "basic-call", "host.invalid"])
            #expect(name.code == 69 && name.error.contains("host.invalid"))
            let folder = try await carillon(["run", "basic-call", "--out", "/dev/null"])
            #expect(folder.code == 69 && folder.error.contains("/dev/null") && folder.error.contains("--no-report"))
            let below = try await carillon(["run", "basic-call", "--out", "/proc/report"])
            #expect(below.code == 69 && below.error.contains("/proc/report"))
            let emit = try await carillon(["lint", "basic-call", "--emit", "/proc/call.json"])
            #expect(emit.code == 69 && emit.error.contains("/proc/call.json"))
        }

        @Test("A port that another process has is 69, and says which")
        func portTaken() async throws {
            let served = try await serving("basic-call", calls: 1) { target in
                let second = try await carillon(["serve", "basic-call", "--listen", target, "--no-report"])
                #expect(second.code == 69, "\(second.out)")
                #expect(second.error.contains(target))
                try await carillon(["run", "basic-call", target, "--no-report"])
            }
            #expect(served.out.contains("1 succeeded, 0 failed"))
        }
    }
}
