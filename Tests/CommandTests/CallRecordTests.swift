import Foundation
import Testing

extension CommandTests {
    @Suite("--cdr")
    struct CallRecordTests {
        /// The fields of each line by the names in the first.
        private func records(_ file: URL) throws -> [[String: String]] {
            let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
                $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            }
            let names = try #require(lines.first)
            #expect(lines.allSatisfy { $0.count == names.count })
            return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(names, $0)) }
        }

        @Test("A line for each call of all workers: times in order, identifiers, the row")
        func lines() async throws {
            try await inFolder { folder in
                let run = try await carillon(
                    [
                        "run", "subscribers", "--calls", "200", "--rate", "400/s", "--workers", "2", "--hold", "50ms",
                        "--cdr", "calls.csv", "--out", "out",
                    ], in: folder)
                #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
                let report = try ReadRecord(file: folder.appendingPathComponent("out/run.json"))
                let started = try #require(report.counters["runsStarted"])
                #expect(run.out.contains("Call records: calls.csv, \(started) calls\n"))
                let records = try records(folder.appendingPathComponent("calls.csv"))
                #expect(records.count == started)
                #expect(Set(records.compactMap { $0["call_id"] }).count == started)
                #expect(Set(records.compactMap { $0["from_tag"] }).count == started)
                #expect(Set(records.compactMap { $0["run"] }).count == started)
                for record in records {
                    #expect(record["result"] == "succeeded" && record["method"] == "INVITE" && record["code"] == "200")
                    let (start, answer, end) = (record["start"]!, record["answer"]!, record["end"]!)
                    #expect(start < answer && answer < end && start.count == 27 && end.hasSuffix("Z"))
                    #expect(record["call_id"]?.hasPrefix(report.identity.runID) == true)
                    // Of the rows of the run's worker. With all arrivals started, none came back before all were given out.
                    let (number, row) = (Int(record["run"]!)!, Int(record["row_subscribers"]!)!)
                    #expect((row - 1) % 2 == number % 2)
                    if started == 200 { #expect(row == number + 1) }
                }
                #expect(Set(records.compactMap { $0["row_subscribers"] }).count == started)
            }
        }

        @Test("The code is the first request's last word: 486 of a busy callee, 487 of a cancelled call, both sides")
        func codes() async throws {
            try await inFolder { folder in
                for (scenario, code) in [("busy", "486"), ("cancel", "487"), ("register", "200"), ("message", "200")] {
                    let file = folder.appendingPathComponent("\(scenario).csv")
                    let run = try await carillon(
                        ["run", scenario, "--cdr", file.path, "--no-report"], in: folder)
                    #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
                    let record = try #require(try records(file).first)
                    #expect(record["code"] == code && record["result"] == "succeeded", "\(scenario): \(record)")
                    #expect(record["answer"]?.isEmpty == (code != "200"))
                }
                let served = folder.appendingPathComponent("served.csv")
                let server = try await serving(
                    ["busy", "--calls", "1", "--cdr", served.path, "--no-report"], in: folder
                ) { _, target in
                    let run = try await carillon(["run", "busy", target, "--no-report"], in: folder)
                    #expect(run.code == 0 || run.isStarved)
                }
                #expect(server.code == 0 || server.isStarved, "\(server.error)")
                let record = try #require(try records(served).first)
                #expect(record["code"] == "486" && record["method"] == "INVITE" && record["from_tag"]?.isEmpty == false)
            }
        }

        @Test("A call that fails, and one that is cut off, have their lines")
        func failed() async throws {
            try await inFolder { folder in
                let peer = try Peer()
                let run = try Command(
                    ["run", "options-ping", "127.0.0.1:\(peer.port)", "--cdr", "calls.csv", "--no-report"], in: folder)
                _ = try peer.receive()
                run.signal(SIGINT)
                run.signal(SIGINT)
                try await until("carillon to end") { !run.isRunning }
                let records = try records(folder.appendingPathComponent("calls.csv"))
                let record = try #require(records.first)
                #expect(records.count == 1)
                #expect(["cut off", "drained"].contains(record["result"]), "\(record)")
                #expect(record["code"]?.isEmpty == true && record["answer"]?.isEmpty == true)
            }
        }

        @Test("A file that fills up keeps whole lines, and what is missing is counted")
        func fillsUp() async throws {
            try await inFolder { folder in
                // Files of at most 8 KiB: the write beyond it fails as on a full disk.
                let run = try await Command(
                    [
                        "run", "basic-call", "--calls", "300", "--concurrency", "10", "--cdr", "calls.csv",
                        "--no-report",
                        "--trace", "off", "--quiet",
                    ], in: folder, limits: ["-f 8"]
                ).end()
                #expect(run.code == 69, "\(run.error)")
                let text = try String(contentsOf: folder.appendingPathComponent("calls.csv"), encoding: .utf8)
                let records = text.split(separator: "\n").count - 1
                #expect(text.hasSuffix("\n") && records > 20 && text.utf8.count <= 8192)
                #expect(run.error.contains("the lines of \(300 - records) calls are lost"), "\(records): \(run.error)")
            }
        }

        @Test("A full disk and a file that cannot be are 69, and say so; the run goes on to its end")
        func problems() async throws {
            let full = try await carillon(["run", "basic-call", "--calls", "3", "--cdr", "/dev/full", "--no-report"])
            #expect(full.code == 69, "\(full.error)")
            #expect(full.out.contains("3 succeeded, 0 failed"))
            #expect(
                full.error.contains("cannot write /dev/full: No space left on device; the lines of 3 calls are lost"))
            let absent = try await carillon(["run", "basic-call", "--cdr", "/nowhere/calls.csv", "--no-report"])
            #expect(absent.code == 69 && absent.error.contains("cannot create /nowhere/calls.csv: No such file"))
            #expect(!absent.out.contains("succeeded"))
        }
    }
}
