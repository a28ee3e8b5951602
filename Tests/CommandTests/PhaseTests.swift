import Foundation
import Testing

extension CommandTests {
    /// What is done before the load and after it.
    @Suite("Phases")
    struct Phases {
        private struct Read: Decodable {
            var phases: [Phase]?

            struct Phase: Decodable {
                var place: String
                var scenario: String
                var started: Int
                var succeeded: Int
                var failed: Int
                var runID: String
                var delays: [Delay]
                var end: ReadRecord.End
            }

            struct Delay: Decodable {
                var name: String
                var samples: Int
            }

            init(_ text: String) throws { self = try JSONDecoder().decode(Self.self, from: Data(text.utf8)) }
            init(file: URL) throws { try self.init(String(contentsOf: file, encoding: .utf8)) }
        }

        @Test("Subscribers register, the load runs, they deregister: three accounts, and the load's own is undiluted")
        func whole() async throws {
            try await inFolder { folder in
                _ = try await serving(["basic-call", "add-binding", "--out", "served"], in: folder) { server, target in
                    let run = try await carillon(
                        [
                            "run", "basic-call", target, "--calls", "3", "--before", "add-binding:5@100/s", "--after",
                            "remove-binding:5@100/s", "--out", "report",
                        ], in: folder)
                    #expect(run.code == 0 || run.isStarved, "\(run.error)\(run.out)")
                    #expect(run.head("before") == "add-binding (catalogue), 5 runs at 100/s")
                    #expect(run.head("after") == "remove-binding (catalogue), 5 runs at 100/s")
                    #expect(run.out.contains("\nBefore      add-binding: 5 succeeded, 0 failed in "), "\(run.out)")
                    #expect(run.out.contains("\nAfter       remove-binding: 5 succeeded, 0 failed in "), "\(run.out)")
                    #expect(run.out.contains("registration p50 "))
                    server.signal(SIGTERM)
                }
                let file = folder.appendingPathComponent("report/run.json")
                let record = try ReadRecord(file: file)
                #expect(record.counters["runsSucceeded"] == 3 && record.counters["registrationAttempts"] == 0)
                #expect(record.end.kind == "finished")
                let phases = try #require(try Read(file: file).phases)
                #expect(phases.map(\.place) == ["before", "after"])
                #expect(phases.map(\.scenario) == ["add-binding", "remove-binding"])
                #expect(phases.allSatisfy { $0.succeeded == 5 && $0.failed == 0 && $0.end.kind == "finished" })
                #expect(
                    phases.allSatisfy {
                        $0.delays.contains { $0.name == "registrationRequestDelay" && $0.samples == 5 }
                    })
                #expect(Set(phases.map(\.runID) + [record.identity.runID]).count == 3)
                let served = try ReadRecord(file: folder.appendingPathComponent("served/run.json"))
                #expect(served.counters["runsSucceeded"] == 13)
            }
        }

        @Test("Each phase begins with the feed's first row, and all name the same address")
        func rows() async throws {
            try await inFolder { folder in
                let users = folder.appendingPathComponent("users.csv")
                try "user\nanna\nbert\n".write(to: users, atomically: true, encoding: .utf8)
                let registrar = try Peer()
                let run = try Command(
                    [
                        "run", "options-ping", "127.0.0.1:\(registrar.port)", "--calls", "1", "--no-report", "--before",
                        "add-binding:2@50/s", "--after", "remove-binding:2@50/s", "--feed", "users.csv",
                    ], in: folder)
                var messages: [String] = []
                for _ in 0..<5 {
                    messages.append(try registrar.receive { Peer.response("200 OK", to: $0) })
                }
                #expect(try await run.end().out.contains("1 succeeded, 0 failed"))
                func header(_ name: String, _ message: String) -> String {
                    message.components(separatedBy: "\r\n").first { $0.hasPrefix(name + ": ") } ?? ""
                }
                let users5 = messages.map { header("From", $0) }.map { from in
                    ["anna", "bert"].first { from.contains("sip:\($0)@") } ?? "-"
                }
                #expect(users5 == ["anna", "bert", "-", "anna", "bert"])
                #expect(messages[2].hasPrefix("OPTIONS "))
                #expect(messages.suffix(2).allSatisfy { header("Expires", $0) == "Expires: 0" })
                let registers = messages.filter { $0.hasPrefix("REGISTER ") }
                #expect(Set(registers.map { header("Contact", $0) }).count == 1)
                let sentBys = messages.map { header("Via", $0).split(separator: ";")[0] }
                #expect(Set(sentBys).count == 1, "\(sentBys)")
            }
        }

        @Test("A failure before the load keeps it from beginning: exit 1, and why; --before-may-fail goes on")
        func failing() async throws {
            try await inFolder { folder in
                // Nobody plays REGISTER there: 405.
                _ = try await serving(["options-ping", "--no-report"], in: folder) { server, target in
                    let arguments = [
                        "run", "options-ping", target, "--no-report", "--before", "add-binding:2@50/s", "--after",
                        "remove-binding:1",
                    ]
                    let stopped = try await carillon(arguments, in: folder)
                    #expect(stopped.code == 1, "\(stopped.out)\(stopped.error)")
                    #expect(stopped.out.contains("add-binding, before the load: 2 of 2 attempts failed"))
                    #expect(stopped.out.contains("expected 200 to REGISTER, got 405"), "\(stopped.out)")
                    #expect(!stopped.out.contains("remove-binding:"))
                    let quiet = try await carillon(arguments + ["--quiet"], in: folder)
                    #expect(quiet.code == 1 && quiet.out.isEmpty)
                    #expect(quiet.error.contains("expected 200 to REGISTER, got 405"), "\(quiet.error)")
                    let allowed = try await carillon(
                        Array(arguments.dropLast(2)) + ["--before-may-fail"], in: folder)
                    #expect(allowed.code == 0 || allowed.isStarved, "\(allowed.out)\(allowed.error)")
                    #expect(allowed.out.contains("add-binding: 0 succeeded, 2 failed"))
                    #expect(allowed.out.contains("1 succeeded, 0 failed"))
                    let after = try await carillon(
                        ["run", "options-ping", target, "--no-report", "--after", "remove-binding:1"], in: folder)
                    #expect(after.code == 1 || after.isStarved, "\(after.out)")
                    server.signal(SIGTERM)
                }
            }
        }

        @Test("An interrupt ends the load, and what comes after it is done all the same")
        func interruptedLoad() async throws {
            try await inFolder { folder in
                let run = try Command(
                    [
                        "run", "options-ping", "--rate", "50/s", "--for", "10m", "--after", "remove-binding:3@100/s",
                        "--out", "report",
                    ], in: folder)
                try await until("attempts") { run.out.contains(" failed, ") || !run.isRunning }
                run.signal(SIGINT)
                let outcome = try await run.end()
                #expect(outcome.code == 130, "\(outcome.error)")
                let file = folder.appendingPathComponent("report/run.json")
                #expect(try ReadRecord(file: file).end.kind == "interrupted")
                let phases = try #require(try Read(file: file).phases)
                #expect(phases.count == 1 && phases[0].succeeded == 3)
            }
        }

        @Test("An interrupt before the load: the load does not begin, what was done is undone")
        func interruptedBefore() async throws {
            try await inFolder { folder in
                let run = try Command(
                    [
                        "run", "options-ping", "--before", "add-binding:100000@20/s", "--after",
                        "remove-binding:2@100/s", "--out", "report",
                    ], in: folder)
                try await until("attempts") { run.out.contains("before, add-binding: ") || !run.isRunning }
                run.signal(SIGINT)
                let outcome = try await run.end()
                #expect(outcome.code == 130, "\(outcome.error)")
                let file = folder.appendingPathComponent("report/run.json")
                let record = try ReadRecord(file: file)
                #expect(record.end.kind == "interrupted" && record.counters["runsStarted"] == 0)
                let phases = try #require(try Read(file: file).phases)
                #expect(phases.map(\.place) == ["before", "after"])
                #expect(phases[0].end.kind == "interrupted" && phases[0].started < 100_000 && phases[0].started > 0)
                #expect(phases[1].succeeded == 2)
            }
        }

        @Test("A second interrupt leaves what comes after the load at once, and reports")
        func interruptedTwice() async throws {
            try await inFolder { folder in
                let run = try Command(
                    [
                        "run", "options-ping", "--rate", "50/s", "--for", "10m", "--after",
                        "remove-binding:100000@20/s", "--out", "report",
                    ], in: folder)
                try await until("attempts") { run.out.contains(" failed, ") || !run.isRunning }
                run.signal(SIGINT)
                try await until("the phase after") { run.out.contains("after, remove-binding: ") || !run.isRunning }
                run.signal(SIGINT)
                let outcome = try await run.end()
                #expect(outcome.code == 130, "\(outcome.error)")
                let phases = try #require(
                    try Read(file: folder.appendingPathComponent("report/run.json")).phases)
                #expect(phases.count == 1 && phases[0].started < 100_000)
            }
        }
    }
}
