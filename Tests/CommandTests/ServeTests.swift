import Foundation
import Glibc
import Testing

extension CommandTests {
    @Suite("carillon serve") struct Serving {
        let workshop: Workshop
        init() throws { workshop = try Workshop() }

        @Test("Two processes: calls from one to the other, until so many have ended")
        func twoProcesses() throws {
            let server = try workshop.begin(
                "serve", "basic-call", "--listen", "127.0.0.1:0", "--calls", "40", "--out", "served")
            let port = try server.listeningPort()
            let run = try workshop.run(
                "run", "basic-call", "127.0.0.1:\(port)", "--rate", "200/s", "--calls", "40", "--out", "ran")
            let caller = try workshop.record("ran")
            #expect(run.code == caller.codeWithoutFailures)
            #expect(caller.counters["runsSucceeded"] == 40)
            #expect(server.wait() == 0, "\(server.out)\(server.error)")
            let callee = try workshop.record("served")
            #expect(callee.counters["runsSucceeded"] == 40 && callee.end.kind == "finished")
            #expect(server.head("parties") == "bob")
            #expect(server.head("ends") == "when 40 calls have ended, or with Ctrl-C")
        }

        @Test("A failing call is explained on one screen: exit 1")
        func explained() throws {
            let server = try workshop.begin("serve", "busy", "--listen", "127.0.0.1:0", "--calls", "4", "--no-report")
            let port = try server.listeningPort()
            let run = try workshop.run(
                "run", "basic-call", "127.0.0.1:\(port)", "--calls", "4", "--rate", "50/s", "--out", "report")
            server.wait()
            let record = try workshop.record("report")
            #expect(run.code == (record.verdict.level == "invalid" ? 3 : 1))
            #expect(record.failureGroups.count == 1)
            let group = try #require(record.failureGroups.first)
            #expect(group.count == 4 && group.expected == "180 or 200 to INVITE" && group.got == "486 Busy Here")

            let screen = run.out.components(separatedBy: "Failures: ").last ?? ""
            #expect(screen.contains("4 in 1 group"))
            #expect(screen.contains("4 × BasicCall.swift:12"))
            #expect(screen.contains("expected  180 or 200 to INVITE"))
            #expect(screen.contains("got       486 Busy Here after "))
            #expect(screen.contains("rule      RFC 3261 §13.2.2"))
            #expect(group.examples.contains { screen.contains("Call-ID   \($0.callID)\n") })
            for arrow in ["─ INVITE ─", "─ 486 Busy Here ─", "─ ACK ─", "failed here"] {
                #expect(screen.contains(arrow))
            }
            #expect(screen.split(separator: "\n").count < 24)
            #expect(workshop.exists("report/failed.pcapng"))
        }

        @Test("Several scenarios at one address: each request finds its party, what none takes is answered")
        func dispatch() throws {
            let server = try workshop.begin(
                "serve", "basic-call", "message", "register", "--listen", "127.0.0.1:0", "--out", "served")
            let port = try server.listeningPort()
            for name in ["basic-call", "message", "register", "basic-call"] {
                let run = try workshop.run("run", name, "127.0.0.1:\(port)", "--out", "ran-\(name)")
                #expect(try workshop.record("ran-\(name)").counters["runsSucceeded"] == 1, "\(name): \(run.out)")
            }
            // Nobody plays OPTIONS: 200, as a server that is there answers.
            let ping = try workshop.run("run", "options-ping", "127.0.0.1:\(port)", "--out", "ping")
            #expect(try workshop.record("ping").counters["runsSucceeded"] == 1, "\(ping.out)")
            server.signal(SIGTERM)
            #expect(server.wait() == 143)
            let served = try workshop.record("served")
            #expect(served.counters["runsSucceeded"] == 4 && served.end.kind == "terminated")
            #expect(server.head("scenarios") == "basic-call (catalogue), message (catalogue), register (catalogue)")
        }

        @Test("An idle server ends by itself")
        func untilIdle() throws {
            let server = try workshop.begin(
                "serve", "options-ping", "--listen", "127.0.0.1:0", "--until-idle", "500ms", "--out", "served")
            let port = try server.listeningPort()
            let run = try workshop.run("run", "options-ping", "127.0.0.1:\(port)", "--no-report")
            #expect(run.out.contains("1 succeeded"))
            #expect(server.wait() == 0)
            #expect(server.head("ends") == "when nothing has come for 500 ms, after the first message, or with Ctrl-C")
            #expect(try workshop.record("served").counters["runsSucceeded"] == 1)
        }

        @Test("A server that nobody called has shown nothing: exit 3 or 130, never 0")
        func nobodyCalled() throws {
            let server = try workshop.begin("serve", "basic-call", "--listen", "127.0.0.1:0", "--no-report")
            _ = try server.listeningPort()
            server.signal(SIGINT)
            #expect(server.wait() == 130)
            #expect(server.out.contains("no call ran"))
        }

        @Test("A port that is taken is exit 69")
        func taken() throws {
            let peer = try Peer()
            let server = try workshop.run("serve", "basic-call", "--listen", "127.0.0.1:\(peer.port)", "--no-report")
            #expect(server.code == 69)
            #expect(server.error.contains("cannot bind UDP 127.0.0.1:\(peer.port)"))
        }
    }
}
