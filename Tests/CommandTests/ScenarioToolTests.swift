import Foundation
import Testing

extension CommandTests {
    /// `list`, `new`, `lint`, `explain`: what one does before a run.
    @Suite("Scenario tools")
    struct ScenarioToolTests {
        @Test("Every scenario that list names runs, both sides in one process")
        func catalogue() async throws {
            let list = try await carillon(["list"])
            #expect(list.code == 0)
            let names = list.out.split(separator: "\n").filter { $0.first != " " }.compactMap {
                $0.split(separator: " ").first
            }
            #expect(names.contains("basic-call") && names.count >= 10)
            for name in names {
                let run = try await carillon(["run", String(name), "--no-report"])
                #expect(run.code == 0 || run.isStarved, "\(name): \(run.out)")
                #expect(run.out.contains("1 succeeded, 0 failed"), "\(name)")
            }
        }

        @Test("A new file runs as it is, and is never overwritten")
        func new() async throws {
            try await inFolder { folder in
                let new = try await carillon(["new", "my-call"], in: folder)
                #expect(new.code == 0)
                #expect(new.out.contains("carillon run my-call.swift"))
                let again = try await carillon(["new", "my-call"], in: folder)
                #expect(again.code == 64 && again.error.contains("nothing is overwritten"))
                let run = try await carillon(["run", "my-call.swift", "--hold", "0s", "--no-report"], in: folder)
                #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
                #expect(run.out.contains("1 succeeded, 0 failed"))
                let cached = try await carillon(["run", "my-call.swift", "--hold", "0s", "--no-report"], in: folder)
                #expect(cached.out.contains("(loaded from cache)"))
            }
        }

        @Test("What lint saves runs")
        func saved() async throws {
            try await inFolder { folder in
                let lint = try await carillon(["lint", "basic-call", "--waits", "--emit", "call.json"], in: folder)
                #expect(lint.code == 0)
                #expect(
                    lint.out.contains(
                        "BasicCall.swift:12  alice  expect 180 or 200 to INVITE  32 s, 180 s after a provisional"))
                #expect(folder.has("call.json"))
                let run = try await carillon(["run", "call.json", "--calls", "3", "--no-report"], in: folder)
                #expect(run.code == 0 || run.isStarved)
                #expect(run.out.contains("3 succeeded, 0 failed"))
            }
        }

        @Test("explain draws the flow and lists the program with its lines")
        func explain() async throws {
            let explain = try await carillon(["explain", "basic-call", "--messages"])
            #expect(explain.code == 0)
            #expect(explain.out.contains("─ INVITE (SDP) ─"))
            // Nothing has run: an order, no times.
            #expect(!explain.out.contains("seconds"))
            #expect(explain.out.contains("BasicCall.swift:10") && explain.out.contains("octets a call"))
            #expect(explain.out.contains("message 0: INVITE of alice"))
            #expect(
                explain.out.contains("CSeq: «number» INVITE") && explain.out.contains("‹address of bob at the target›"))
            let mermaid = try await carillon(["explain", "basic-call", "--mermaid"])
            #expect(mermaid.out.hasPrefix("sequenceDiagram\n"))
            #expect(mermaid.out.contains("p0->>p1: INVITE (SDP)\n"))
            // The alternative is taken whose message comes, not the first: here nobody answers.
            let unanswered = try await carillon(["explain", "no-answer"])
            #expect(unanswered.out.contains("─ CANCEL ─") && unanswered.out.contains("487 Request Terminated"))
            #expect(!unanswered.out.contains("─ BYE ─"))
        }

        @Test("explain says where the flow divides, and what it does not draw")
        func explainBranches() async throws {
            try await inFolder { folder in
                let text = """
                    import ScenarioDSL

                    let branches = Scenario("branches") {
                        let times = Setting("times", default: 3)
                        Party("alice") {
                            Send(.options)
                            FirstOf {
                                On(200) { Pause(.milliseconds(1)) }
                                On(486) { Fail("busy") }
                                OnTimeout { Fail("silent") }
                            }
                            If(times == "3") {
                                Send(.message) { Body("text/plain", "one") }
                            } else: {
                                Send(.info)
                            }
                            Expect(200)
                            Repeat(times) {
                                Send(.options)
                                Expect(200)
                            }
                        }
                    }
                    """
                try Data(text.utf8).write(to: folder.appendingPathComponent("branches.swift"))
                let remarks = [
                    "not drawn: line 9, 10", "if it holds; not drawn: line 15",
                    "drawn once, repeated by a value",
                ]
                let ladder = try await carillon(["explain", "branches.swift"], in: folder)
                #expect(ladder.code == 0, "\(ladder.error)")
                for remark in remarks { #expect(ladder.out.contains(remark), "\(ladder.out)") }
                #expect(!ladder.out.contains("─ INFO ─"))
                let mermaid = try await carillon(["explain", "branches.swift", "--mermaid"], in: folder)
                for remark in remarks {
                    let escaped = remark.replacingOccurrences(of: ";", with: "#59;")
                    #expect(mermaid.out.contains("Note over p0: \(escaped)\n"), "\(mermaid.out)")
                }
                // Nothing to say where nothing divides.
                let plain = try await carillon(["explain", "basic-call", "--mermaid"])
                #expect(!plain.out.contains("not drawn"))
            }
        }

        @Test("One wrong file does not hide the others, and nothing is saved")
        func severalFiles() async throws {
            try await inFolder { folder in
                func write(_ text: String, _ name: String) throws {
                    try Data(text.utf8).write(to: folder.appendingPathComponent(name))
                }
                try write(
                    "import ScenarioDSL\n\nlet a = Scenario(\"a\") { Party(\"b\") { Sned(.invite) } }\n", "typo.swift")
                try write("{\"format\":99}", "later.json")
                let lint = try await carillon(
                    ["lint", "typo.swift", "later.json", "basic-call", "--emit", "all.json"], in: folder)
                #expect(lint.code == 65)
                #expect(lint.error.contains("typo.swift:3:") && lint.error.contains("later.json: error: format 99"))
                #expect(lint.out.contains("basic-call: alice begins, bob answers; settings: hold (0s)"))
                #expect(!folder.has("all.json"))
            }
        }

        @Test("A file with several scenarios runs the one that is meant")
        func severalScenarios() async throws {
            try await inFolder { folder in
                let text = """
                    import ScenarioDSL

                    let first = Scenario("first") {
                        Party("alice") { Send(.options); Expect(200) }
                        Party("bob") { Expect(.options); Send(200) }
                    }
                    let second = Scenario("second") {
                        Party("anna") { Send(.message) { Body("text/plain", "hello") }; Expect(200) }
                        Party("ben") { Expect(.message); Send(200) }
                    }
                    """
                try Data(text.utf8).write(to: folder.appendingPathComponent("both.swift"))
                let first = try await carillon(["run", "both.swift", "--no-report"], in: folder)
                #expect(first.error.contains("declares first, second; running first"))
                #expect(first.out.contains("1 succeeded, 0 failed"))
                let second = try await carillon(
                    ["run", "both.swift", "--scenario", "second", "--no-report"], in: folder)
                #expect(second.head("parties")?.hasPrefix("anna, ben") == true)
                #expect(second.out.contains("1 succeeded, 0 failed"))
                #expect(second.error.isEmpty)
            }
        }

        @Test("Help lists every command; each command has help")
        func help() async throws {
            let help = try await carillon(["--help"])
            #expect(help.code == 0)
            for command in ["run", "serve", "lint", "explain", "list", "new"] {
                #expect(help.out.contains("\n  \(command) "))
                let own = try await carillon([command, "--help"])
                #expect(own.code == 0 && own.out.contains("USAGE: carillon \(command)"))
            }
            let version = try await carillon(["--version"])
            #expect(version.out.hasPrefix("carillon "))
        }
    }
}
