import Foundation
import Testing

extension CommandTests {
    /// What a failed call looks like on the terminal, and what a server leaves.
    @Suite("A failed call is explained on one screen")
    struct FailureScreenTests {
        @Test("Line, expected, got, rule, Call-ID, From tag, ladder")
        func explained() async throws {
            try await inFolder { folder in
                _ = try await serving("busy", calls: 1) { target in
                    let run = try await carillon(["run", "basic-call", target, "--out", "report"], in: folder)
                    #expect(run.code == 1 || run.isStarved, "\(run.out)")
                    // One call has no rate.
                    #expect(run.out.contains("1 call started\n"))
                    let lines = run.out.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
                    let headline = try #require(lines.firstIndex { $0.hasPrefix("1 × ") })
                    let screen = lines[headline...]
                    #expect(screen.count < 24)
                    #expect(lines[headline] == "1 × BasicCall.swift:12  alice: expect 180 or 200 to INVITE")
                    func row(_ name: String) -> String? {
                        screen.first { $0.hasPrefix(name + " ") }?.dropFirst(name.count).trimmingCharacters(
                            in: .whitespaces)
                    }
                    #expect(row("expected") == "180 or 200 to INVITE")
                    #expect(row("got")?.hasPrefix("486 Busy Here ") == true)
                    #expect(row("rule") == "the scenario; what may come: RFC 3261 §13.2.2, within a call §14.1")
                    #expect(row("example")?.contains("to \(target)") == true)
                    let callID = try #require(row("Call-ID"))
                    #expect(callID.count > 20)
                    #expect(row("From tag")?.isEmpty == false)
                    // The ladder: what went out and what came, in this order.
                    let arrows = screen.filter { $0.contains("►") || $0.contains("◄") }
                    #expect(arrows.count >= 3)
                    #expect(arrows.first?.contains(" INVITE ─") == true)
                    #expect(arrows.contains { $0.contains("◄─") && $0.contains(" 486 Busy Here ") })
                    let failing = arrows.filter { $0.contains("failed here") }
                    #expect(failing.count == 1 && failing.first?.contains(" 486 Busy Here ") == true)
                    #expect(arrows.last?.contains(" ACK ─") == true)
                    // The trace holds this call.
                    let trace = try Data(contentsOf: folder.appendingPathComponent("report/failed.pcapng"))
                    #expect(trace.range(of: Data("Call-ID: \(callID)".utf8)) != nil)
                    #expect(trace.range(of: Data("SIP/2.0 486 Busy Here".utf8)) != nil)
                    // Its comments say what the screen says.
                    let got = try #require(row("got"))
                    let comment = "BasicCall.swift:12: expected 180 or 200 to INVITE, got \(got)"
                    #expect(trace.range(of: Data(comment.utf8)) != nil)
                }
            }
        }

        @Test("In one process too the ladder says where it failed, and draws what the engine sent by itself")
        func oneProcess() async throws {
            try await inFolder { folder in
                let late = """
                    import ScenarioDSL

                    let late = Scenario("late") {
                        Party("alice") {
                            Send(.invite)
                            Expect(180)
                            Expect(200, within: .milliseconds(200))
                            Send(.ack)
                        }
                        Party("bob") {
                            Expect(.invite)
                            Send(180)
                            Pause(.milliseconds(2000))
                            Send(200)
                            Expect(.ack)
                        }
                    }
                    """
                let refused = """
                    import ScenarioDSL

                    let refused = Scenario("refused") {
                        Party("alice") {
                            Send(.invite)
                            Expect(200)
                            Send(.ack)
                        }
                        Party("bob") {
                            Expect(.invite)
                            Send(486)
                        }
                    }
                    """
                func arrows(_ name: String, _ text: String) async throws -> [String] {
                    try Data(text.utf8).write(to: folder.appendingPathComponent("\(name).swift"))
                    let run = try await Command(["run", "\(name).swift", "--out", name], in: folder).end()
                    #expect(run.code == 1, "\(run.error)")
                    return run.out.split(separator: "\n").filter { $0.contains("►") || $0.contains("◄") }.map {
                        String($0)
                    }
                }
                let ofRefused = try await arrows("refused", refused)
                #expect(
                    ofRefused.filter { $0.contains("failed here") }.map { $0.contains(" 486 Busy Here ") } == [true])
                // INVITE, 180, CANCEL and its 200, 487, ACK.
                let ofLate = try await arrows("late", late)
                #expect(ofLate.count == 6, "\(ofLate)")
                #expect(ofLate.contains { $0.contains("◄─") && $0.contains(" 200 OK ") })
            }
        }

        @Test("The comments in the trace name the value that came, as the screen does", arguments: ["", "seven"])
        func valueInTrace(value: String) async throws {
            try await inFolder { folder in
                let text = """
                    import ScenarioDSL

                    let asking = Scenario("asking") {
                        Party("alice") {
                            Send(.options)
                            Expect(200) { Require(.header("X-Test") == "1", "X-Test is 1") }
                        }
                        Party("bob") {
                            Expect(.options)
                            Send(200) { \(value.isEmpty ? "" : "Header(\"X-Test\", \"\(value)\")") }
                        }
                    }
                    """
                try Data(text.utf8).write(to: folder.appendingPathComponent("asking.swift"))
                let run = try await carillon(["run", "asking.swift", "--out", "report"], in: folder)
                let got = (value.isEmpty ? "no X-Test header field" : "“\(value)”") + " in less than 1 ms"
                #expect(run.out.contains(" \(got)\n"), "\(run.out)\(run.error)")
                let trace = try Data(contentsOf: folder.appendingPathComponent("report/failed.pcapng"))
                #expect(trace.range(of: Data(", got \(got)".utf8)) != nil)
            }
        }

        @Test("A message that no datagram holds fails its call, and is not drawn as lost")
        func tooLong() async throws {
            try await inFolder { folder in
                let text = """
                    import ScenarioDSL

                    let long = Scenario("long") {
                        Party("alice") {
                            Send(.options)
                            Expect(200)
                            Send(.message) { Body("text/plain", "\\(text: String(repeating: "x", count: 65_500))") }
                            Expect(200)
                        }
                        Party("bob") {
                            Expect(.options)
                            Send(200)
                        }
                    }
                    """
                try Data(text.utf8).write(to: folder.appendingPathComponent("long.swift"))
                let run = try await carillon(["run", "long.swift", "--no-report"], in: folder)
                #expect(run.code == 1 || run.isStarved, "\(run.out)\(run.error)")
                #expect(run.out.contains("1 × long.swift:7  alice: send MESSAGE"), "\(run.out)")
                #expect(run.out.contains("a message too long to be sent: a datagram holds 65,507 octets"))
                #expect(!run.out.contains("(lost)") && !run.out.contains("ICMP"))
                let arrows = run.out.split(separator: "\n").filter { $0.contains("►") || $0.contains("◄") }
                #expect(arrows.count == 2 && arrows.last?.contains(" 200 OK ") == true)
            }
        }

        @Test("A run without failures writes no trace, and --quiet says nothing")
        func quiet() async throws {
            try await inFolder { folder in
                let run = try await carillon(["run", "message", "--quiet", "--out", "report"], in: folder)
                #expect(run.code == 0 || run.code == 3)
                #expect(run.out.isEmpty)
                #expect(run.error.isEmpty || run.code == 3, "\(run.error)")
                #expect(folder.has("report/summary.txt"))
                #expect(!folder.has("report/failed.pcapng"))
            }
        }

        @Test("--quiet says why a run failed, on standard error, and nothing else")
        func quietFailure() async throws {
            try await inFolder { folder in
                let text = """
                    import ScenarioDSL

                    let refused = Scenario("refused") {
                        Party("alice") { Send(.options); Expect(200) }
                        Party("bob") { Expect(.options); Send(486) }
                    }
                    """
                try Data(text.utf8).write(to: folder.appendingPathComponent("refused.swift"))
                // The scenario's compiling says a line of its own, once.
                _ = try await carillon(["lint", "refused.swift"], in: folder)
                let run = try await carillon(["run", "refused.swift", "--quiet", "--out", "report"], in: folder)
                #expect(run.code == 1 || run.code == 3, "\(run.error)")
                #expect(run.out.isEmpty)
                #expect(run.error.contains("0 succeeded, 1 failed"), "\(run.error)")
                #expect(run.error.contains("1 × refused.swift:4  alice: expect 200"), "\(run.error)")
                #expect(run.error.contains("got       486 Busy Here") && run.error.contains("─ OPTIONS ─"))
                #expect(run.error.hasSuffix("\nReport: report\n"))
                #expect(!run.error.contains("Delays") && !run.error.contains("Generator"))
            }
        }

        @Test("Two processes agree on what happened")
        func twoProcesses() async throws {
            let served = try await serving("basic-call", calls: 40) { target in
                let run = try await carillon(
                    ["run", "basic-call", target, "--concurrency", "8", "--calls", "40", "--no-report"])
                #expect(run.out.contains("40 succeeded, 0 failed"))
            }
            #expect(served.out.contains("40 calls came in"))
            #expect(served.out.contains("40 succeeded, 0 failed"))
        }
    }
}
