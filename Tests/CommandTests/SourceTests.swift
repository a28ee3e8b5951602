import Foundation
import Testing

extension CommandTests {
    @Suite("Calls from many addresses") struct Sources {
        @Test(
            "Each has one of them, over UDP and TCP, with one worker and two",
            arguments: [
                ["--sources", "127.9.0.0/28"],
                ["--sources", "127.9.0.0/28", "--workers", "2", "--sources-order", "random"],
                ["--sources", "127.9.0.1-127.9.0.9", "--transport", "tcp", "--connections", "per-call"],
            ])
        func calls(options: [String]) async throws {
            try await inFolder { folder in
                let served = try await serving(["basic-call", "--calls", "40", "--no-report"], in: folder) {
                    _, target in
                    let run = try await carillon(
                        [
                            "run", "basic-call", target, "--calls", "40", "--concurrency", "8", "--cdr", "calls.csv",
                            "--no-report",
                        ]
                            + options, in: folder)
                    #expect(run.out.contains("40 succeeded, 0 failed"), "\(run.out)\(run.error)")
                    #expect(run.head("local")?.contains("addresses, 127.9.0.") == true)
                }
                #expect(served.out.contains("40 succeeded, 0 failed"), "\(served.out)")
            }
        }

        @Test("One that is not this machine's ends the run before it begins: exit 69, and its name")
        func foreign() async throws {
            try await inFolder { folder in
                let run = try await carillon(
                    ["run", "basic-call", "--sources", "127.9.0.1", "--sources", "192.0.2.8/31"], in: folder)
                #expect(run.code == 69)
                #expect(
                    run.error.contains("cannot send from 192.0.2.8: Cannot assign requested address"), "\(run.error)")
                #expect(
                    try FileManager.default.contentsOfDirectory(
                        atPath: folder.appendingPathComponent("reports/runs").path
                    ).isEmpty)
            }
        }

        @Test("A failed call says which address it had")
        func failure() async throws {
            try await inFolder { folder in
                _ = try await serving(["busy", "--no-report", "--calls", "1"], in: folder) { _, target in
                    let run = try await carillon(
                        ["run", "basic-call", target, "--sources", "127.9.0.77", "--out", "r"], in: folder)
                    #expect(run.out.contains("from 127.9.0.77:"), "\(run.out)")
                }
            }
        }

        @Test("No source begins more calls than --source-rate says: the rest is dropped, and counted")
        func rate() async throws {
            let run = try await carillon([
                "run", "basic-call", "--sources", "127.9.0.0/30", "--source-rate", "5/s", "--rate", "20/s", "--calls",
                "20",
                "--sources-order", "blocks:5", "--json", "--no-report",
            ])
            let record = try ReadRecord(run.out)
            let dropped = record.counters["runsBeyondSourceRate"] ?? 0
            #expect(dropped > 0 && run.code == 3)
            // A busy machine may be late for others.
            let late = record.counters["runsNotStarted"] ?? 0
            #expect((record.counters["runsStarted"] ?? 0) + dropped + late == 20)
        }
    }
}
