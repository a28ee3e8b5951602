import Feeds
import Foundation
import Measurement
import ScenarioDSL
import Testing

@testable import CallEngine

@Suite("Feeds in a program")
struct FeedTests {
    /// A folder with one file of rows, for the length of `body`.
    static func withFile(_ text: String, _ body: (_ path: String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("rows-\(UUID().uuidString).csv").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        try body(path)
    }

    static func registration(_ users: Feed) -> Scenario {
        Scenario("registration") {
            Party("phone") {
                Send(.register, from: "sip:\(users["user"])@example.com") {
                    Header("P-Asserted-Identity", "<tel:\(users["number"])>")
                    Body("text/plain", "\(users["user"]) is \(users["number"])")
                }
                Expect(200)
            }
        }
    }

    /// One engine of a scenario, with its feeds opened.
    private func exchange(
        _ scenario: Scenario, worker: Int = 0, workers: Int = 1, seed: UInt64 = 1
    ) throws -> Exchange {
        // Through the saved form, as a file's scenario comes.
        let saved = try JSONDecoder().decode(
            ScenarioTree.self, from: JSONEncoder().encode(scenario.tree))
        #expect(saved == scenario.tree)
        let program = try #require(ScenarioCompiler.compile([saved]).program)
        let (feeds, problems) = program.openFeeds(FeedLocations())
        try #require(problems.isEmpty, "\(problems)")
        return try Exchange(scenario) { settings in
            settings.feeds = feeds!
            settings.worker = UInt8(worker)
            settings.workers = workers
            settings.seed = seed
        }
    }

    /// The same numbers in every run of the test.
    private struct Draws: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    @Test("A request with made-up fields is challenged and goes out again as it was")
    func challenged() throws {
        let users = Feed(.pattern("user{row:3}", column: "user"), rows: 3, name: "users")
        let scenario = Scenario("registration") {
            Party("phone") {
                Credentials(user: users["user"], password: "\(users["user"])-secret")
                Send(.register, from: "sip:\(users["user"])@example.com")
                Expect(200)
            }
        }
        let exchange = try exchange(scenario)
        try exchange.start(1)
        let sent = try exchange.takeOne()
        #expect(sent.header("From").hasPrefix("<sip:user001@example.com>;tag="))
        exchange.hear(
            sent.response("401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD5"))
        let again = try exchange.takeOne()
        #expect(again.start == "REGISTER" && again.header("From") == sent.header("From"))
        #expect(again.header("Authorization").contains("username=\"user001\""))
    }

    @Test("A field stands in request head and body as the file has it; quotes in it are halved")
    func fields() throws {
        try Self.withFile("user;number\nalice;+49301\n\"b\"\"ob;x\";+49302\n") { path in
            let exchange = try exchange(Self.registration(Feed(path)))
            try exchange.start(0)
            try exchange.start(1)
            try exchange.start(2)
            let sent = exchange.take().map(\.text)
            try #require(sent.count == 3)
            #expect(sent[0].contains("From: <sip:alice@example.com>;tag="))
            #expect(sent[0].contains("P-Asserted-Identity: <tel:+49301>\r\n"))
            #expect(sent[0].hasSuffix("\r\n\r\nalice is +49301"))
            #expect(sent[0].contains("Content-Length:    15\r\n"))
            #expect(sent[1].contains("From: <sip:b\"ob;x@example.com>;tag="))
            #expect(sent[1].hasSuffix("\r\n\r\nb\"ob;x is +49302"))
            // From the first again after the last.
            #expect(sent[2].contains("From: <sip:alice@example.com>;tag="))
        }
    }

    @Test("A repeated request is the same octets, for every policy", arguments: FeedPolicyTree.allCases)
    func repeated(policy: FeedPolicyTree) throws {
        let policies: [FeedPolicyTree: FeedPolicy] = [
            .sequential: .sequential, .once: .once, .random: .random, .unique: .unique, .exclusive: .exclusive,
        ]
        let rows = Feed(
            [.pattern("user{row:4}", column: "user"), .numbers(from: "+4930100", count: 100)], policies[policy]!)
        let exchange = try exchange(Self.registration(rows))
        try exchange.start(41)
        let first = try exchange.takeOne().text
        exchange.pass(.milliseconds(600))
        // Another run in between takes another row.
        try exchange.start(42)
        let all = exchange.take().map(\.text)
        #expect(all.contains(first))
        #expect(Set(all).count == 2)
    }

    @Test("A slot has room for rows only where the program reads a feed")
    func slots() throws {
        let without = Scenario("without") {
            Party("phone") {
                Send(.register)
                Expect(200)
            }
        }
        let plain = try #require(ScenarioCompiler.compile([without.tree]).program)
        #expect(plain.parties[0].layout.feeds == 0 && plain.feeds.isEmpty)
        let program = try #require(ScenarioCompiler.compile([Self.registration(Feed("x.csv")).tree]).program)
        #expect(program.parties[0].layout.feeds == 1 && program.feedColumns.map(\.name) == ["user", "number"])
        #expect(program.parties[0].layout.feedOffset + 8 <= program.parties[0].layout.stride)
    }

    @Test("What is wrong with a file or a name is said at its line")
    func wrong() throws {
        func problems(_ scenario: Scenario) throws -> [String] {
            let program = try #require(ScenarioCompiler.compile([scenario.tree]).program)
            let (feeds, found) = program.openFeeds(FeedLocations())
            #expect((feeds == nil) == !found.isEmpty)
            return found.map(\.description)
        }
        try Self.withFile("user;nummer\na;1\n") { path in
            let found = try problems(Self.registration(Feed(path)))
            // Both places that read it.
            #expect(found.count == 2)
            #expect(
                found[0].hasPrefix("FeedTests.swift:") && found[0].contains("\(path): no column \"number\"")
                    && found[0].hasSuffix("(there are user, nummer); did you mean \"nummer\"?"))
        }
        try Self.withFile("user;number\na;1\nb\n") { path in
            let found = try problems(Self.registration(Feed(path)))
            #expect(found == ["\(path):3: error: expected 2 fields (user;number), got 1"])
        }
        let absent = Feed("/nowhere/users.csv")
        let line = #line - 1
        #expect(
            try problems(Self.registration(absent)) == [
                "FeedTests.swift:\(line): error: /nowhere/users.csv: cannot be opened: No such file or directory"
            ])
        let short = Feed([.numbers(from: "98", count: 3), .pattern("u{row}", column: "user")])
        #expect(try problems(Self.registration(short))[0].contains("from 98 on there are no 3 numbers of 2 digits"))
        for count in [0, -1, Int.min, Int.max] {
            let none = Feed([.numbers(from: "98", count: count), .pattern("u{row}", column: "user")])
            #expect(try problems(Self.registration(none)).count == 1)
        }
        let broken = Feed([.numbers(from: "98", count: 1), .pattern("u\r\nX: {row}", column: "user")])
        #expect(try problems(Self.registration(broken))[0].contains("a carriage return (0D) in the column \"user\""))
    }

    @Test("A feed that only other processes' parties read is neither opened nor drawn from")
    func unread() throws {
        let users = Feed("/nowhere/users.csv", .exclusive)
        let scenario = Scenario("sides") {
            Party("phone") {
                Send(.register, from: "sip:\(users["user"])@example.com")
                Expect(200)
            }
            Party("registrar") {
                Expect(.register)
                Send(200)
            }
        }
        let program = try #require(ScenarioCompiler.compile([scenario.tree]).program)
        #expect(program.openFeeds(FeedLocations()).feeds == nil)
        #expect(program.openFeeds(FeedLocations(), plays: ["phone"]).feeds == nil)
        let opened = try #require(program.openFeeds(FeedLocations(), plays: ["registrar"]).feeds)
        #expect(opened.feeds.isEmpty)
        let exchange = try Exchange(scenario, plays: ["registrar"]) { $0.feeds = opened }
        for number in 0..<3 {
            exchange.hear(
                """
                REGISTER sip:example.com SIP/2.0\r
                Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK\(number)\r
                From: <sip:a@example.com>;tag=\(number)\r
                To: <sip:a@example.com>\r
                Call-ID: \(number)\r
                CSeq: 1 REGISTER\r
                Content-Length: 0\r
                \r

                """)
            #expect(try exchange.takeOne().start == "200")
        }
        #expect(exchange.count(.runsWithoutRow) == 0)
    }

    @Test("A served run that finds no row is refused with 503, and counted")
    func served() throws {
        let rows = Feed([.integers(from: 1, through: 2)], .once)
        let scenario = Scenario("served") {
            Party("bob", .answers) {
                Expect(.message)
                Send(200) { Header("X-Row", "\(rows["number"])") }
            }
        }
        let exchange = try exchange(scenario)
        var answers: [String] = []
        for number in 0..<3 {
            exchange.hear(
                """
                MESSAGE sip:bob@example.com SIP/2.0\r
                Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK\(number)\r
                From: <sip:a@example.com>;tag=\(number)\r
                To: <sip:bob@example.com>\r
                Call-ID: \(number)\r
                CSeq: 1 MESSAGE\r
                Content-Length: 0\r
                \r

                """)
            let answer = try exchange.takeOne()
            answers.append("\(answer.start) \(answer.header("X-Row"))")
        }
        #expect(answers == ["200 1", "200 2", "503 "])
        #expect(exchange.count(.runsWithoutRow) == 1 && exchange.count(.runsStarted) == 2)
    }

    @Test("A line end in a field is refused where a head would get it, with line and column, and goes into bodies")
    func injection() throws {
        try Self.withFile("user;number\na;1\nb;\"2\r\n3\"\n") { path in
            let users = Feed(path)
            let program = try #require(ScenarioCompiler.compile([Self.registration(users).tree]).program)
            let (feeds, found) = program.openFeeds(FeedLocations())
            #expect(feeds == nil)
            #expect(found.count == 1)
            #expect(
                found[0].description.hasPrefix(
                    "\(path):3:5: error: a carriage return (0D) in the column \"number\", which FeedTests.swift:"))
            let inBody = Scenario("body") {
                Party("phone") {
                    Send(.message, from: "sip:\(users["user"])@example.com") { Body("text/plain", users["number"]) }
                    Expect(200)
                }
            }
            let exchange = try exchange(inBody)
            try exchange.start(1)
            #expect(try exchange.takeOne().text.hasSuffix("\r\n\r\n2\r\n3"))
            // Through a variable it could get into a head.
            let kept = Variable("kept")
            let byVariable = Scenario("variable") {
                Party("phone") {
                    Compute(kept, from: users["number"])
                    Send(.message) { Body("text/plain", kept) }
                    Expect(200)
                }
            }
            let second = try #require(ScenarioCompiler.compile([byVariable.tree]).program)
            #expect(second.openFeeds(FeedLocations()).feeds == nil)
        }
    }

    @Test("Two feeds of one name are an error at the second's use")
    func clash() throws {
        let users = Feed("a/users.csv")
        let others = Feed("b/users.csv")
        func scenario(_ other: Feed) -> Scenario {
            Scenario("clash") {
                Party("phone") {
                    Send(.register, from: "sip:\(users["user"])@example.com", to: "sip:\(other["user"])@example.com")
                    Expect(200)
                }
            }
        }
        let found = ScenarioCompiler.compile([scenario(others).tree]).diagnostics
        #expect(found.count == 1 && found[0].severity == .error)
        #expect(found[0].text.contains("the feed \"users\" of line"))
        let renamed = Feed("b/users.csv", name: "others")
        #expect(ScenarioCompiler.compile([scenario(renamed).tree]).diagnostics.isEmpty)
    }

    @Test("Workers share out one plan: the same rows for the same arrivals", arguments: [false, true])
    func workers(isRandom: Bool) throws {
        let rows = Feed(
            [.pattern("u{row}", column: "user"), .numbers(from: "100", count: 17)],
            isRandom ? .random : .sequential)
        let scenario = Self.registration(rows)
        func users(_ workers: Int, seed: UInt64 = 7) throws -> [Int: String] {
            var found: [Int: String] = [:]
            for worker in 0..<workers {
                let exchange = try exchange(scenario, worker: worker, workers: workers, seed: seed)
                for arrival in stride(from: worker, to: 60, by: workers) {
                    try exchange.start(UInt64(arrival))
                    found[arrival] = try exchange.takeOne().header("P-Asserted-Identity")
                }
            }
            return found
        }
        let one = try users(1)
        #expect(one.count == 60 && Set(one.values).count > 10)
        #expect(try users(2) == one)
        #expect(try users(5) == one)
        if isRandom { #expect(try users(1, seed: 8) != one) }
    }

    @Test("Exclusive: a row is with one run at a time, whatever the order in which they end", arguments: [1, 2, 3])
    func exclusive(workers: Int) throws {
        let rows = 20
        let feed = Feed([.pattern("u{row}", column: "user"), .numbers(from: "100", count: rows)], .exclusive)
        let engines = try (0..<workers).map { try exchange(Self.registration(feed), worker: $0, workers: workers) }
        var chance = Draws(state: UInt64(workers))
        var live: [String: (engine: Int, request: SentMessage)] = [:]
        var arrival: UInt64 = 0
        var lacking = 0
        for _ in 0..<3000 {
            let number = Int.random(in: 0..<workers, using: &chance)
            let exchange = engines[number]
            if Bool.random(using: &chance) || live.isEmpty {
                let hasStarted = exchange.engine.startRun(number: arrival, due: exchange.now, now: exchange.now)
                arrival += 1
                guard hasStarted else {
                    let lacksRow = exchange.engine.lacksRow
                    #expect(lacksRow)
                    #expect(live.values.filter { $0.engine == number }.count == (rows - number - 1) / workers + 1)
                    lacking += 1
                    continue
                }
                let request = try exchange.takeOne()
                let user = request.header("P-Asserted-Identity")
                #expect(live[user] == nil, "\(user) is leased twice")
                live[user] = (number, request)
            } else if let user = live.keys.sorted().randomElement(using: &chance), let held = live[user] {
                engines[held.engine].hear(
                    held.request.response(Bool.random(using: &chance) ? "200 OK" : "403 Forbidden"))
                #expect(engines[held.engine].take().isEmpty)
                live[user] = nil
            }
        }
        #expect(lacking > 0 && engines.allSatisfy { $0.count(.runsWithoutRow) == 0 })
        #expect(live.count <= rows)
    }

    @Test("A failed run says which row it had")
    func told() throws {
        try Self.withFile("# two\nuser;number\nalice;1\n\nbob;2\n") { path in
            let exchange = try exchange(Self.registration(Feed(path, name: "users")))
            try exchange.start(1)
            exchange.hear(try exchange.takeOne().response("403 Forbidden"))
            var record = exchange.record(feeds: [
                FeedRecord(name: "users", source: path, isFile: true, policy: "sequential", rows: 2)
            ])
            let opened = try DelimitedFile(path: path)
            record.findRows { feed, rows in
                #expect(feed == "users" && rows == [1])
                return opened.lines(ofRows: rows)
            }
            let group = try #require(record.failureGroups.first)
            let example = try #require(group.examples.first)
            #expect(example.rows == [RowReference(feed: "users", row: 2, place: "\(path):5")])
            #expect(group.sentence(example).contains("(call 1, \(path):5, Call-ID "))
        }
    }
}
