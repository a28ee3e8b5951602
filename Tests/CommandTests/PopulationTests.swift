import Foundation
import Testing

extension CommandTests {
    /// Users that live beside the load.
    @Suite("Populations")
    struct Populations {
        private struct Read: Decodable {
            var phases: [Phase]?

            struct Phase: Decodable {
                var place: String
                var started, succeeded, failed: Int
                var registered, reregistered: Int?
                var heldLoadBack: Bool?
                var end: ReadRecord.End
            }

            init(file: URL) throws {
                self = try JSONDecoder().decode(Self.self, from: Data(String(contentsOf: file, encoding: .utf8).utf8))
            }
        }

        @Test(
            "They register before the load, refresh while it lasts, and are removed after it, in figures of their own")
        func whole() async throws {
            try await inFolder { folder in
                _ = try await serving(["options-ping", "registered-user", "--out", "served"], in: folder) {
                    server, target in
                    let run = try await carillon(
                        [
                            "run", "options-ping", target, "--rate", "20/s", "--for", "4s", "--population",
                            "registered-user:10@100/s", "--set", "expires=2", "--out", "report",
                        ], in: folder)
                    #expect(run.code == 0 || run.isStarved, "\(run.error)\(run.out)")
                    #expect(run.head("population") == "registered-user (catalogue), 10 users at 100/s")
                    #expect(run.out.contains("\nPopulation  registered-user: 10 registered, "), "\(run.out)")
                    #expect(run.out.contains(" refreshes, 10 removed, 0 failed in "), "\(run.out)")
                    server.signal(SIGTERM)
                }
                let file = folder.appendingPathComponent("report/run.json")
                let record = try ReadRecord(file: file)
                #expect(record.counters["registrationAttempts"] == 0 && record.end.kind == "finished")
                let phase = try #require(try Read(file: file).phases?.first)
                #expect(phase.place == "beside" && phase.started == 10 && phase.succeeded == 10 && phase.failed == 0)
                #expect(phase.end.kind == "finished" && phase.registered == 10)
                // Each lives for four seconds and more, and refreshes after 1.8 at the latest.
                #expect(phase.reregistered ?? 0 >= 20 + 10)
            }
        }

        @Test("Their Contacts name the port at which the load takes calls")
        func contacts() async throws {
            try await inFolder { folder in
                let registrar = try Peer()
                let run = try Command(
                    [
                        "run", "options-ping", "127.0.0.1:\(registrar.port)", "--calls", "1", "--no-report",
                        "--population", "registered-user:1@100/s", "--set", "expires=60",
                    ], in: folder)
                var messages: [String] = []
                for _ in 0..<3 {
                    messages.append(
                        try registrar.receive {
                            Peer.response("200 OK", to: $0).replacingOccurrences(
                                of: "Content-Length", with: "Expires: 60\r\nContent-Length")
                        })
                }
                #expect(try await run.end().out.contains("1 succeeded, 0 failed"))
                func header(_ name: String, _ message: String) -> String {
                    message.components(separatedBy: "\r\n").first { $0.hasPrefix(name + ": ") } ?? ""
                }
                func port(_ text: String) -> Int? {
                    text.range(of: #"127\.0\.0\.1:\d+"#, options: .regularExpression).flatMap {
                        Int(text[$0].split(separator: ":")[1])
                    }
                }
                #expect(messages.map { $0.prefix(7) } == ["REGISTE", "OPTIONS", "REGISTE"])
                #expect(header("Expires", messages[2]) == "Expires: 0")
                let load = try #require(port(header("Via", messages[1])))
                #expect(port(header("Contact", messages[0])) == load && port(header("Contact", messages[2])) == load)
                #expect(port(header("Via", messages[0])) != load)
            }
        }

        @Test("A user that cannot register keeps the load from beginning: exit 1, and why; --before-may-fail goes on")
        func failing() async throws {
            try await inFolder { folder in
                // Nobody plays REGISTER there: 405.
                _ = try await serving(["options-ping", "--no-report"], in: folder) { server, target in
                    let arguments = [
                        "run", "options-ping", target, "--calls", "1", "--population", "registered-user:2@50/s",
                        "--out", "report",
                    ]
                    let stopped = try await carillon(arguments, in: folder)
                    #expect(stopped.code == 1, "\(stopped.out)\(stopped.error)")
                    #expect(stopped.out.contains("registered-user, the population: "), "\(stopped.out)")
                    #expect(stopped.out.contains("expected 200 to REGISTER, got 405"), "\(stopped.out)")
                    let file = folder.appendingPathComponent("report/run.json")
                    #expect(try Read(file: file).phases?.first?.heldLoadBack == true)
                    #expect(try ReadRecord(file: file).counters["runsStarted"] == 0)
                    let allowed = try await carillon(
                        Array(arguments.dropLast(2)) + ["--before-may-fail", "--no-report"], in: folder)
                    #expect(allowed.out.contains("1 succeeded, 0 failed"), "\(allowed.out)")
                    server.signal(SIGTERM)
                }
            }
        }

        @Test("An interrupt ends the load, and the users are removed all the same")
        func interrupted() async throws {
            try await inFolder { folder in
                _ = try await serving(["options-ping", "registered-user", "--no-report"], in: folder) {
                    server, target in
                    let run = try Command(
                        [
                            "run", "options-ping", target, "--rate", "50/s", "--for", "10m", "--population",
                            "registered-user:5@100/s", "--out", "report",
                        ], in: folder)
                    try await until("the load") {
                        run.out.contains(" calls/s") || run.out.contains("\n1 s: ") || !run.isRunning
                    }
                    run.signal(SIGINT)
                    let outcome = try await run.end()
                    #expect(outcome.code == 130, "\(outcome.error)")
                    #expect(outcome.out.contains("5 registered, "), "\(outcome.out)")
                    #expect(outcome.out.contains(", 5 removed, 0 failed"), "\(outcome.out)")
                    server.signal(SIGTERM)
                }
            }
        }

        @Test("What a pause is a part of is a time: 64 where --set gives another thing")
        func partOfSetting() async throws {
            try await inFolder { folder in
                try """
                import ScenarioDSL

                let refreshed = Scenario("refreshed") {
                    let wait = Setting("wait", default: "1")
                    Party("alice") {
                        Pause(.part(0.5...0.9, of: wait))
                        Send(.options)
                        Expect(200)
                    }
                    Party("bob") {
                        Expect(.options)
                        Send(200)
                    }
                }
                """.write(to: folder.appendingPathComponent("call.swift"), atomically: true, encoding: .utf8)
                let run = try await carillon(["run", "call.swift", "--set", "wait=exponential(3s)"], in: folder)
                #expect(run.code == 64 && run.error.contains("is no time"), "\(run.error)")
                let right = try await carillon(["run", "call.swift", "--set", "wait=20ms", "--no-report"], in: folder)
                #expect(right.out.contains("1 succeeded, 0 failed"), "\(right.out)\(right.error)")
            }
        }

        @Test("A scenario that ends by itself is no population: 64, and what to do")
        func endsByItself() async throws {
            let run = try await carillon(["run", "options-ping", "--population", "add-binding:5"])
            #expect(run.code == 64)
            #expect(run.error.contains("add-binding ends by itself") && run.error.contains("RepeatUntilEnd"))
        }
    }
}
