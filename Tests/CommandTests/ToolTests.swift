import Foundation
import Testing

extension CommandTests {
    @Suite("list, new, lint, explain") struct Tools {
        let workshop: Workshop
        init() throws { workshop = try Workshop() }

        @Test("list names each scenario with its parties on a line")
        func list() throws {
            let list = try workshop.run("list")
            #expect(list.code == 0)
            let line = list.out.split(separator: "\n").first { $0.hasPrefix("register ") }
            #expect(line?.contains("phone → registrar") == true)
            #expect(try workshop.run("--version").out.hasPrefix("carillon 0."))
        }

        @Test("new writes a file that is right, runs, and is never overwritten")
        func new() throws {
            let new = try workshop.run("new", "my-call")
            #expect(new.code == 0 && new.out.contains("carillon run my-call.swift"))
            let lint = try workshop.run("lint", "my-call.swift")
            #expect(lint.code == 0, "\(lint.error)")
            #expect(lint.out.contains("my-call: alice begins, bob answers; settings: hold (1s)"))
            #expect(!lint.error.contains("warning"))
            let run = try workshop.run("run", "my-call.swift", "--hold", "10ms", "--out", "report")
            #expect(try workshop.record("report").counters["runsSucceeded"] == 1)
            #expect(run.out.contains("my-call (loaded from cache)"))

            try workshop.write("mine", to: "my-call.swift")
            let again = try workshop.run("new", "my-call")
            #expect(again.code == 64 && again.error.contains("nothing is overwritten"))
            #expect(workshop.text("my-call.swift") == "mine")
        }

        @Test("A mistake in a scenario is exit 65, with its line, from every command")
        func mistakes() throws {
            try workshop.write(
                """
                import ScenarioDSL

                let wrong = Scenario("wrong") {
                    Party("alice") {
                        Send(.ack)
                        Send(.invite) { Offer() }
                        Expect(200)
                        HangUp()
                    }
                }
                """, to: "wrong.swift")
            try workshop.write(
                "import ScenarioDSL\n\nlet typo = Scenario(\"t\") { Party(\"a\") { Sned(.invite) } }\n",
                to: "typo.swift")
            for command in ["lint", "run", "explain"] {
                let meaning = try workshop.run(command, "wrong.swift")
                #expect(meaning.code == 65)
                #expect(meaning.error.hasPrefix("wrong.swift:5: error: ACK before"), "\(meaning.error)")
                let name = try workshop.run(command, "typo.swift")
                #expect(name.code == 65)
                #expect(name.error.hasPrefix("typo.swift:3:"), "\(name.error)")
            }
            // One wrong file does not hide the others, and nothing is emitted.
            let lint = try workshop.run("lint", "wrong.swift", "typo.swift", "basic-call", "--emit", "all.json")
            #expect(lint.code == 65)
            #expect(lint.error.contains("wrong.swift:5:") && lint.error.contains("typo.swift:3:"))
            #expect(lint.out.contains("basic-call: alice begins"))
            #expect(!workshop.exists("all.json"))
        }

        @Test(
            "Files that are no scenarios are exit 65",
            arguments: ["", "{", "{\"format\":1,\"scenarios\":[]}", "{\"format\":99}"])
        func unusable(text: String) throws {
            try workshop.write(text, to: "saved.json")
            let run = try workshop.run("run", "saved.json")
            #expect(run.code == 65)
            #expect(run.error.hasPrefix("saved.json: error: "), "\(run.error)")
            let missing = try workshop.run("run", "none.json")
            #expect(missing.code == 65 && missing.error.contains("none.json"))
        }

        @Test("A saved program runs without its source")
        func emit() throws {
            let lint = try workshop.run("lint", "basic-call", "--waits", "--emit", "call.json")
            #expect(lint.code == 0)
            #expect(lint.out.contains("BasicCall.swift:12") && lint.out.contains("180 s after a provisional"))
            #expect(lint.out.contains("6 waits, the longest at BasicCall.swift:12"))
            let run = try workshop.run("run", "call.json", "--out", "report")
            #expect(run.out.contains("basic-call (loaded from a saved program)"))
            #expect(try workshop.record("report").counters["runsSucceeded"] == 1)
            let full = try workshop.run("lint", "basic-call", "--emit", "/dev/null/call.json")
            #expect(full.code == 69 && full.error.contains("cannot write /dev/null/call.json"))
        }

        @Test("explain shows the flow as the parties play it, and the program behind it")
        func explain() throws {
            let call = try workshop.run("explain", "basic-call", "--messages")
            #expect(call.code == 0)
            let arrows = ["INVITE (SDP)", "180 Ringing", "200 OK (SDP)", "─ ACK ─", "─ BYE ─", "200 OK ─"]
            var rest = Substring(call.out)
            for arrow in arrows {
                let found = try #require(rest.range(of: arrow), "\(arrow) is missing or out of order:\n\(call.out)")
                rest = rest[found.upperBound...]
            }
            #expect(call.out.contains("BasicCall.swift:12  wait for 180 → "))
            #expect(call.out.contains("CSeq: «number» INVITE") && call.out.contains("‹address of bob at the target›"))

            // The alternative is taken whose message comes, not the first: here nobody answers.
            let unanswered = try workshop.run("explain", "no-answer")
            #expect(unanswered.out.contains("─ CANCEL ─") && unanswered.out.contains("487 Request Terminated"))
            #expect(!unanswered.out.contains("─ BYE ─"))
        }

        @Test("explain --mermaid is a diagram and nothing else")
        func mermaid() throws {
            let diagram = try workshop.run("explain", "options-ping", "--mermaid")
            #expect(
                diagram.out == """
                    sequenceDiagram
                        participant p0 as alice
                        participant p1 as bob
                        p0->>p1: OPTIONS
                        p1->>p0: 200 OK

                    """)
        }

        @Test("A file with several scenarios runs the one that is meant")
        func several() throws {
            try workshop.write(
                """
                import ScenarioDSL

                let first = Scenario("first") {
                    Party("alice") { Send(.options); Expect(200) }
                    Party("bob") { Expect(.options); Send(200) }
                }
                let second = Scenario("second") {
                    Party("anna") { Send(.message) { Body("text/plain", "hello") }; Expect(200) }
                    Party("ben") { Expect(.message); Send(200) }
                }
                """, to: "both.swift")
            let first = try workshop.run("run", "both.swift", "--no-report")
            #expect(first.error.contains("declares first, second; running first"))
            #expect(first.out.contains("1 succeeded, 0 failed"))
            let second = try workshop.run("run", "both.swift", "--scenario", "second", "--no-report")
            #expect(second.out.contains("anna, ben") && second.out.contains("1 succeeded, 0 failed"))
            #expect(second.error.isEmpty)
        }
    }
}
