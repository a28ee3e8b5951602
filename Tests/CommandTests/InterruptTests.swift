import Foundation
import Testing

extension CommandTests {
    /// Ctrl-C and its kin: the first drains and reports, the second leaves at once.
    @Suite("Interrupts")
    struct InterruptTests {
        /// Starts calls that last longer than the test, and waits until some are in progress.
        private func longCalls(_ folder: URL, _ more: String...) async throws -> Command {
            let run = try Command(
                ["run", "basic-call", "--rate", "50/s", "--for", "10m", "--hold", "10m", "--out", "report"] + more,
                in: folder)
            // The first progress line comes after a second; the head before it speaks of "live calls" too.
            try await until("calls in progress") { run.out.contains(" failed, ") || !run.isRunning }
            return run
        }

        @Test(
            "The first ends what is in progress and reports",
            arguments: [
                (SIGINT, 130, "interrupted"), (SIGTERM, 143, "terminated"), (SIGHUP, 129, "hangup"),
            ] as [(Int32, Int32, String)])
        func first(signal: Int32, code: Int32, end: String) async throws {
            try await inFolder { folder in
                let run = try await longCalls(folder)
                run.signal(signal)
                let outcome = try await run.end()
                #expect(outcome.code == code, "\(outcome.error)")
                #expect(outcome.out.contains("drained at the end"))
                let report = folder.appendingPathComponent("report")
                for file in ["summary.txt", "run.json", "intervals.hlog"] { #expect(report.has(file)) }
                let record = try ReadRecord(file: report.appendingPathComponent("run.json"))
                #expect(record.end.kind == end)
                let started = try #require(record.counters["runsStarted"])
                #expect(started > 0)
                #expect(record.counters["runsDrained"] == started)
            }
        }

        @Test("A peer that answers nothing does not hold up the first, and the report says what was cut off")
        func silentPeer() async throws {
            try await inFolder { folder in
                let peer = try Peer()
                let run = try Command(["run", "options-ping", "127.0.0.1:\(peer.port)", "--out", "report"], in: folder)
                _ = try peer.receive()
                run.signal(SIGINT)
                let interrupted = ContinuousClock.now
                let outcome = try await run.end()
                // Five seconds for the last answers, not the 32 s of Timer F (RFC 3261 §17.1.2.2).
                #expect(ContinuousClock.now - interrupted < .seconds(25))
                #expect(outcome.code == 130, "\(outcome.error)")
                #expect(outcome.out.contains("1 cut off"), "\(outcome.out)")
                let record = try ReadRecord(file: folder.appendingPathComponent("report/run.json"))
                #expect(record.counters["runsCutOff"] == 1)
            }
        }

        @Test("A terminal that is closed may say so three times, and the report is whole all the same")
        func closedTerminal() async throws {
            try await inFolder { folder in
                let run = try await longCalls(folder, "--drain", "1/m")
                run.signal(SIGHUP)
                try await until("draining") { run.out.contains("draining") || !run.isRunning }
                for _ in 0..<3 {
                    run.signal(SIGHUP)
                    try await Task.sleep(for: .milliseconds(20))
                }
                // It still drains, a call a minute, and hears what somebody means.
                #expect(run.isRunning)
                run.signal(SIGTERM)
                let outcome = try await run.end()
                #expect(outcome.code == 143, "\(outcome.error)")
                let record = try ReadRecord(file: folder.appendingPathComponent("report/run.json"))
                #expect((record.counters["runsCutOff"] ?? 0) > 0)
            }
        }

        @Test("nohup: a hangup that is ignored stays ignored")
        func ignoredHangup() async throws {
            try await inFolder { folder in
                let run = try Command(
                    ["run", "basic-call", "--rate", "50/s", "--for", "10m", "--no-report"], in: folder, ignoring: "HUP")
                try await until("calls in progress") { run.out.contains(" failed, ") || !run.isRunning }
                run.signal(SIGHUP)
                run.signal(SIGINT)
                let outcome = try await run.end()
                #expect(outcome.code == 130, "\(outcome.error)")
                #expect(!outcome.error.contains("again"))
            }
        }

        @Test("The second leaves at once, with a report that says what was cut off")
        func second() async throws {
            try await inFolder { folder in
                // A call a minute is hung up: draining would take longer than the test may.
                let run = try await longCalls(folder, "--drain", "1/m")
                run.signal(SIGINT)
                try await until("draining") { run.out.contains("draining") || !run.isRunning }
                #expect(run.isRunning)
                run.signal(SIGINT)
                let outcome = try await run.end()
                #expect(outcome.code == 130, "\(outcome.error)")
                #expect(outcome.out.contains("cut off"))
                let record = try ReadRecord(file: folder.appendingPathComponent("report/run.json"))
                #expect(record.end.kind == "interrupted")
                #expect((record.counters["runsCutOff"] ?? 0) > 0)
            }
        }
    }
}
