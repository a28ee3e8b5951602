import Foundation
import Synchronization
import Testing

extension CommandTests {
    /// Rows of files in runs, as a user has them: a file beside the scenario, `--feed`, what is told of them.
    @Suite("Feeds")
    struct FeedTests {
        /// The phone's requests carry a row, and the registrar wants them all to carry the same one.
        static let scenario = #"""
            import ScenarioDSL

            let users = Feed("users.csv", .sequential)

            let registration = Scenario("registration") {
                Party("phone") {
                    Send(.register, from: "sip:\(users["user"])@\(.domain)", requestURI: "sip:\(users["host"])") {
                        Header("P-Asserted-Identity", "<tel:\(users["number"])>")
                        Header("Diversion", "<sip:\(users["number"])@\(users["host"]);user=phone>;reason=unconditional")
                        Body("text/plain", "\(users["user"])/\(users["number"])")
                    }
                    Expect(200)
                }
                Party("registrar", .answers) {
                    Expect(.register) {
                        Require(.header("From").user == users["user"], "the user of the row")
                        Require(.header("P-Asserted-Identity").uri == "tel:\(users["number"])", "the number of the row")
                        Require(.body == "\(users["user"])/\(users["number"])", "the body of the row")
                        Require(.requestURI.host == users["host"], "the host of the row")
                    }
                    Send(200)
                }
            }
            """#

        private static func rows(_ count: Int, prefix: String = "user") -> String {
            "user;number;host\n"
                + (0..<count).map { "\(prefix)\($0);+4930\(100_000 + $0);\"h\($0).example.com\"\n" }.joined()
        }

        /// The folder of a scenario file and its rows, and the program that it makes.
        private func inScenario(rows: String, _ body: (URL) async throws -> Void) async throws {
            try await inFolder { folder in
                try Data(Self.scenario.utf8).write(to: folder.appendingPathComponent("reg.swift"))
                try Data(rows.utf8).write(to: folder.appendingPathComponent("users.csv"))
                try await body(folder)
            }
        }

        /// The program with another policy for its feed.
        private func save(_ policy: String, in folder: URL) async throws {
            let lint = try await carillon(["lint", "reg.swift", "--emit", "reg.json"], in: folder)
            #expect(lint.code == 0, "\(lint.error)")
            #expect(lint.out.contains("feed users: users.csv, "))
            #expect(
                lint.out.contains("users.csv is not part of it and is sought beside it: users.csv\n"), "\(lint.out)")
            let file = folder.appendingPathComponent("reg.json")
            let saved = try String(contentsOf: file, encoding: .utf8)
            #expect(saved.contains("\"users.csv\"") && !saved.contains("+4930100000"))
            let changed = saved.replacingOccurrences(of: "\"sequential\"", with: "\"\(policy)\"")
            #expect(policy == "sequential" || changed != saved)
            try Data(changed.utf8).write(to: file)
        }

        /// What `run.json` says.
        private struct Report: Decodable {
            struct Feed: Decodable {
                var name: String
                var source: String
                var policy: String
                var rows: Int
                var endedArrivals: Bool
            }
            var feeds: [Feed]?
            var counters: [String: Int]
        }

        private func report(_ folder: URL) throws -> Report {
            let file = folder.appendingPathComponent("out/run.json")
            return try JSONDecoder().decode(Report.self, from: Data(contentsOf: file))
        }

        /// Answers REGISTERs with 200 until it is ended, and keeps them.
        private final class Registrar: Sendable {
            let port: UInt16
            private let taken = Mutex<[String]>([])
            private let isEnded = Atomic(false)

            init(after delay: Duration = .zero) throws {
                let peer = try Peer()
                port = peer.port
                let (box, pause) = (Box(peer), delay)
                Thread { [self] in
                    while !isEnded.load(ordering: .relaxed) {
                        let text = try? box.peer.receive { request in
                            guard request.hasPrefix("REGISTER ") else { return nil }
                            if pause > .zero { usleep(useconds_t(pause / .microseconds(1))) }
                            return Peer.response("200 OK", to: request)
                        }
                        if let text, text.hasPrefix("REGISTER ") { taken.withLock { $0.append(text) } }
                    }
                }.start()
            }

            private struct Box: @unchecked Sendable {
                let peer: Peer
                init(_ peer: Peer) { self.peer = peer }
            }

            /// The requests, each once.
            func end() throws -> [String] {
                isEnded.store(true, ordering: .relaxed)
                try Peer().send("OPTIONS sip:x SIP/2.0\r\n\r\n", to: "127.0.0.1:\(port)")
                var seen: Set<String> = []
                return taken.withLock { $0 }.filter { seen.insert($0).inserted }
            }
        }

        @Test(
            "Users of a file register: each request is made of one row, and any number of workers takes the same rows")
        func registering() async throws {
            try await inScenario(rows: Self.rows(30)) { folder in
                try await save("sequential", in: folder)
                for workers in [1, 2] {
                    let registrar = try Registrar()
                    let run = try await carillon(
                        [
                            "run", "reg.json", "127.0.0.1:\(registrar.port)", "--calls", "40", "--concurrency", "4",
                            "--workers", "\(workers)", "--no-report",
                        ], in: folder)
                    let requests = try registrar.end()
                    #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
                    #expect(
                        run.head("feeds")
                            == "users: users.csv, 30 rows, sequential, from the first again after the last")
                    var users: [Int: Int] = [:]
                    for request in requests {
                        let from = try #require(request.components(separatedBy: "From: <sip:user").last)
                        let number = try #require(Int(from.prefix { $0.isNumber }))
                        users[number, default: 0] += 1
                        #expect(request.hasPrefix("REGISTER sip:h\(number).example.com SIP/2.0\r\n"))
                        let telephone = "+4930\(100_000 + number)"
                        #expect(request.contains("\r\nP-Asserted-Identity: <tel:\(telephone)>\r\n"))
                        #expect(
                            request.contains(
                                "\r\nDiversion: <sip:\(telephone)@h\(number).example.com;user=phone>;reason=unconditional\r\n"
                            ))
                        #expect(request.hasSuffix("\r\n\r\nuser\(number)/\(telephone)"))
                    }
                    // The first ten come twice.
                    if run.code == 0 {
                        let wanted = Dictionary(uniqueKeysWithValues: (0..<30).map { ($0, $0 < 10 ? 2 : 1) })
                        #expect(users == wanted)
                    }
                }
            }
        }

        @Test("All parties of a run have the same row", arguments: ["sequential", "random", "exclusive", "unique"])
        func parties(policy: String) async throws {
            try await inScenario(rows: Self.rows(500)) { folder in
                try await save(policy, in: folder)
                let run = try await carillon(
                    ["run", "reg.json", "--calls", "300", "--rate", "500/s", "--workers", "2", "--no-report"],
                    in: folder)
                #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
                #expect(run.out.contains(" succeeded, 0 failed"))
            }
        }

        @Test("A feed that is read once ends the run, which says so", arguments: [true, false])
        func once(isClosed: Bool) async throws {
            try await inScenario(rows: Self.rows(37)) { folder in
                try await save("once", in: folder)
                let load = isClosed ? ["--concurrency", "5"] : ["--rate", "500/s", "--for", "5m"]
                let run = try await carillon(["run", "reg.json", "--workers", "2", "--out", "out"] + load, in: folder)
                #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
                #expect(run.head("load")?.contains("until the rows end") == true)
                #expect(
                    run.out.contains("users: users.csv, 37 rows, once; no attempt was started after the last row"))
                let report = try report(folder)
                let feed = try #require(report.feeds?.first)
                #expect(feed.name == "users" && feed.source == "users.csv" && feed.policy == "once")
                #expect(feed.rows == 37 && feed.endedArrivals)
                #expect(report.counters["arrivalsDue"] == 37 && report.counters["runsWithoutRow"] == 0)
            }
        }

        @Test("An arrival that finds no row is dropped and counted", arguments: ["exclusive", "unique"])
        func lacking(policy: String) async throws {
            try await inScenario(rows: Self.rows(4)) { folder in
                try await save(policy, in: folder)
                // Each answer takes 50 ms: four rows are enough for 20 a second at most.
                let registrar = try Registrar(after: .milliseconds(50))
                let run = try await carillon(
                    [
                        "run", "reg.json", "127.0.0.1:\(registrar.port)", "--rate", "200/s", "--calls", "100", "--out",
                        "out",
                    ], in: folder)
                let requests = try registrar.end()
                // Most of the load was not carried out: its figures do not stand.
                #expect(run.code == 3, "\(run.out)")
                let report = try report(folder)
                let lacking = try #require(report.counters["runsWithoutRow"])
                let started = try #require(report.counters["runsStarted"])
                let late = try #require(report.counters["runsNotStarted"])
                #expect(report.counters["arrivalsDue"] == 100 && lacking + started + late == 100)
                #expect(lacking > 50)
                // Wherever the lines are broken.
                let told = run.out.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                #expect(told.contains("\(lacking) without a row"))
                #expect(told.contains("\(lacking) without a row of a feed"))
                #expect(report.feeds?.first?.endedArrivals == false)
                if policy == "unique" { #expect(started <= 4 && requests.count <= 4) }
            }
        }

        @Test("A closed loop has no more calls than an exclusive feed has rows")
        func closed() async throws {
            try await inScenario(rows: Self.rows(3)) { folder in
                try await save("exclusive", in: folder)
                let run = try await carillon(
                    ["run", "reg.json", "--concurrency", "10", "--calls", "200", "--out", "out"], in: folder)
                #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
                #expect(run.out.contains("200 succeeded, 0 failed"))
                #expect(try report(folder).counters["runsWithoutRow"] == 0)
            }
        }

        @Test("--feed gives another file, from the working directory; what fits no feed is 64")
        func given() async throws {
            try await inScenario(rows: Self.rows(3)) { folder in
                try Data(Self.rows(3, prefix: "other").utf8).write(to: folder.appendingPathComponent("others.csv"))
                for argument in ["others.csv", "users=others.csv"] {
                    let registrar = try Registrar()
                    let run = try await carillon(
                        [
                            "run", "reg.swift", "127.0.0.1:\(registrar.port)", "--feed", argument, "--calls", "1",
                            "--no-report",
                        ], in: folder)
                    #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
                    #expect(try registrar.end().first?.contains("From: <sip:other0@") == true)
                }
                for (arguments, words) in [
                    (
                        ["reg.swift", "--feed", "user=others.csv"],
                        "the scenario's only feed is users; write users=FILE"
                    ),
                    (["basic-call", "--feed", "others.csv"], "the scenario reads no feed"),
                    (["reg.swift", "--feed", "users="], "names no file"),
                    (["reg.swift", "--feed", "users.csv", "--feed", "users=others.csv"], "has a file already"),
                    (["reg.json", "--workers", "4"], "3 rows for 4 workers"),
                ] {
                    if arguments[0] == "reg.json" { try await save("exclusive", in: folder) }
                    let run = try await carillon(["run"] + arguments + ["--no-report"], in: folder, asGiven: true)
                    #expect(run.code == 64 && run.error.contains(words), "\(arguments): \(run.error)")
                }
            }
        }

        @Test("What is wrong with the rows is 65, with its line, before anything is sent")
        func wrong() async throws {
            let cases = [
                (
                    "user;number;hots\na;1;h\n", "reg.swift:7: error: users.csv: no column \"host\"",
                    "did you mean \"hots\"?"
                ),
                ("user;number;host\na;1;h\nb;2\n", "users.csv:3: error: expected 3 fields", "got 2"),
                (
                    "user;number;host\na;\"1;h\n", "users.csv:2: error: the quote that opens field 2 (number)",
                    "not closed"
                ),
                ("user;number;host\na;1;h\n\"b\nX: y\";1;h\n", "users.csv:3:3: error: a line feed (0A)", "bodies only"),
                ("user;number;host\n", "reg.swift:3: error: users.csv: ", "has no row"),
            ]
            for (rows, start, end) in cases {
                try await inScenario(rows: rows) { folder in
                    for command in [["lint", "reg.swift"], ["run", "reg.swift", "--no-report"]] {
                        let outcome = try await carillon(command, in: folder)
                        #expect(outcome.code == 65, "\(outcome.error)")
                        #expect(outcome.error.contains(start) && outcome.error.contains(end), "\(outcome.error)")
                    }
                }
            }
            try await inScenario(rows: Self.rows(1)) { folder in
                let below = folder.appendingPathComponent("below")
                try FileManager.default.createDirectory(at: below, withIntermediateDirectories: true)
                // Beside the scenario, not where one stands.
                let found = try await carillon(["lint", "../reg.swift"], in: below)
                #expect(found.code == 0 && found.out.contains("feed users: ../users.csv, 1 row, "), "\(found.error)")
                try FileManager.default.removeItem(at: folder.appendingPathComponent("users.csv"))
                let absent = try await carillon(["lint", "../reg.swift"], in: below)
                #expect(absent.code == 65)
                #expect(absent.error.contains("reg.swift:3: error: ../users.csv: cannot be opened: No such file"))
                #expect(absent.error.contains("(looked for from "))
                let explained = try await carillon(["explain", "../reg.swift"], in: below)
                #expect(explained.code == 0 && explained.out.contains("feed users: users.csv, sequential"))
            }
        }

        @Test("A mapped file that is cut during the run does not end it; the run is INVALID for it")
        func cut() async throws {
            // Beyond the size up to which a file is copied: few rows, and long ones.
            let padding = String(repeating: "x", count: 60_000)
            let rows =
                "user;number;host;padding\n" + (0..<1150).map { "user\($0);\($0);h;\(padding)\n" }.joined()
            try await inScenario(rows: rows) { folder in
                let run = try Command(
                    ["run", "reg.swift", "--rate", "100/s", "--for", "3s", "--no-report"], in: folder)
                try await until("the run to begin") { run.out.contains(" started") || !run.isRunning }
                try #require(truncate(folder.appendingPathComponent("users.csv").path, 8192) == 0)
                let outcome = try await run.end()
                #expect(outcome.code == 3, "\(outcome.code): \(outcome.out)\(outcome.error)")
                #expect(outcome.out.contains("users.csv: was cut from 69"), "\(outcome.out)")
            }
        }

        @Test("A failed call says which row it had, on the screen and in run.json")
        func failed() async throws {
            try await inScenario(rows: "# comment\n" + Self.rows(3)) { folder in
                let peer = try Peer()
                let box = Refusing(peer)
                let thread = Thread { box.refuse() }
                thread.start()
                let run = try await carillon(
                    ["run", "reg.swift", "127.0.0.1:\(peer.port)", "--calls", "1", "--out", "out"], in: folder)
                #expect(run.code == 1 || run.isStarved, "\(run.out)\(run.error)")
                #expect(run.out.contains("data      row 1 of users (users.csv:3)"), "\(run.out)")
                let record = try String(contentsOf: folder.appendingPathComponent("out/run.json"), encoding: .utf8)
                #expect(record.contains("users.csv:3"))
            }
        }

        private struct Refusing: @unchecked Sendable {
            let peer: Peer
            init(_ peer: Peer) { self.peer = peer }
            func refuse() {
                _ = try? peer.receive { Peer.response("403 Forbidden", to: $0) }
            }
        }
    }
}
