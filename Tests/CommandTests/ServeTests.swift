import Foundation
import Testing

extension CommandTests {
    @Suite("carillon serve") struct Serving {
        @Test("Several scenarios at one address: each request finds its party, what none takes is answered")
        func dispatch() async throws {
            try await inFolder { folder in
                let scenarios = ["basic-call", "message", "register"]
                let served = try await serving(scenarios + ["--out", "served"], in: folder) { server, target in
                    for name in scenarios + ["basic-call"] {
                        let run = try await carillon(["run", name, target, "--no-report"], in: folder)
                        #expect(run.out.contains("1 succeeded, 0 failed"), "\(name): \(run.out)")
                    }
                    // Nobody plays OPTIONS: 200, as a server that is there answers.
                    let ping = try await carillon(["run", "options-ping", target, "--no-report"], in: folder)
                    #expect(ping.out.contains("1 succeeded, 0 failed"), "\(ping.out)")
                    server.signal(SIGTERM)
                }
                #expect(served.code == 143)
                let record = try ReadRecord(file: folder.appendingPathComponent("served/run.json"))
                #expect(record.counters["runsSucceeded"] == 4 && record.end.kind == "terminated")
                #expect(
                    served.head("scenarios") == "basic-call (catalogue), message (catalogue), register (catalogue)")
                #expect(served.head("parties") == "bob, bob, registrar")
                #expect(served.head("ends") == "with Ctrl-C")
            }
        }

        @Test("A file says that it listens, and where; an older one is not taken for it")
        func readyFile() async throws {
            try await inFolder { folder in
                let file = folder.appendingPathComponent("ready.txt")
                try "stale".write(to: file, atomically: true, encoding: .utf8)
                let served = try Command(
                    [
                        "serve", "options-ping", "--listen", "127.0.0.1:0", "--calls", "1", "--no-report",
                        "--ready-file",
                        "ready.txt",
                    ], in: folder)
                var text = "stale"
                try await until("the file to be written") {
                    text = (try? String(contentsOf: file, encoding: .utf8)) ?? "stale"
                    return text != "stale" || !served.isRunning
                }
                let parts = text.split(whereSeparator: \.isWhitespace).map(String.init)
                #expect(text.hasSuffix(" UDP and TCP\n") && parts.count == 4, "\(text)\(served.error)")
                let run = try await carillon(["run", "options-ping", parts[0], "--no-report"], in: folder)
                #expect(run.out.contains("1 succeeded, 0 failed"), "\(run.out)")
                #expect(try await served.end().out.contains("1 succeeded, 0 failed"))
                let nowhere = try await carillon(
                    ["serve", "options-ping", "--listen", "127.0.0.1:0", "--ready-file", "no/such/ready.txt"],
                    in: folder)
                #expect(
                    nowhere.code == 69 && nowhere.error.contains("--ready-file: cannot write no/such/ready.txt"),
                    "\(nowhere.error)")
            }
        }

        @Test("An idle server ends by itself")
        func untilIdle() async throws {
            try await inFolder { folder in
                let served = try await serving(
                    ["options-ping", "--until-idle", "500ms", "--no-report"], in: folder
                ) { _, target in
                    let run = try await carillon(["run", "options-ping", target, "--no-report"], in: folder)
                    #expect(run.out.contains("1 succeeded, 0 failed"))
                }
                #expect(served.code == 0 || served.isStarved)
                #expect(served.out.contains("1 succeeded, 0 failed"))
                #expect(
                    served.head("ends") == "when nothing has come for 500 ms, after the first message, or with Ctrl-C")
            }
        }

        @Test("After its last call a server answers what is repeated after T1, and ends")
        func lastAnswerLost() async throws {
            try await inFolder { folder in
                let served = try await serving(
                    ["options-ping", "--calls", "1", "--t1", "4s", "--no-report"], in: folder
                ) { _, target in
                    let peer = try Peer()
                    let request = """
                        OPTIONS sip:bob@\(target) SIP/2.0\r
                        Via: SIP/2.0/UDP 127.0.0.1:\(peer.port);branch=z9hG4bK-once\r
                        From: <sip:alice@127.0.0.1>;tag=a\r
                        To: <sip:bob@\(target)>\r
                        Call-ID: once@127.0.0.1\r
                        CSeq: 1 OPTIONS\r
                        Max-Forwards: 70\r
                        Content-Length: 0\r
                        \r\n
                        """
                    try peer.send(request, to: target)
                    let answer = try peer.receive()
                    #expect(answer.hasPrefix("SIP/2.0 200 "))
                    // Longer than the half second that a T1 of its own takes.
                    try await Task.sleep(for: .seconds(1))
                    try peer.send(request, to: target)
                    #expect(try peer.receive() == answer)
                }
                #expect(served.code == 0 || served.isStarved, "\(served.error)")
                #expect(served.out.contains("1 succeeded, 0 failed"))
            }
        }

        @Test("A server that nobody called has shown nothing")
        func nobodyCalled() async throws {
            try await inFolder { folder in
                let served = try await serving(["basic-call", "--no-report"], in: folder) { server, _ in
                    server.signal(SIGINT)
                }
                #expect(served.code == 130)
                #expect(served.out.contains("INVALID: no call ran"))
            }
        }

        @Test("A server that was stopped for a second does not call itself valid")
        func stopped() async throws {
            try await inFolder { folder in
                let served = try await serving(["basic-call", "--out", "served"], in: folder) { server, target in
                    let run = try Command(
                        ["run", "basic-call", target, "--rate", "100/s", "--for", "3s", "--no-report"], in: folder)
                    try await until("calls") { run.out.contains(" failed, ") || !run.isRunning }
                    server.signal(SIGSTOP)
                    try await Task.sleep(for: .seconds(1))
                    server.signal(SIGCONT)
                    _ = try await run.end()
                    server.signal(SIGINT)
                }
                #expect(served.code == 130, "\(served.error)")
                #expect(served.out.contains("receive lateness p99 is "), "\(served.out)")
                #expect(served.out.contains("  receive lateness (ours) "))
                let record = try ReadRecord(file: folder.appendingPathComponent("served/run.json"))
                #expect(record.verdict.level == "invalid")
            }
        }

        @Test("Only the parties named by --play answer")
        func play() async throws {
            try await inFolder { folder in
                let served = try await serving(
                    ["register", "options-ping", "--play", "registrar", "--no-report"], in: folder
                ) { server, target in
                    let run = try await carillon(["run", "register", target, "--no-report"], in: folder)
                    #expect(run.out.contains("1 succeeded, 0 failed"))
                    server.signal(SIGINT)
                }
                #expect(served.head("parties") == "registrar")
                #expect(served.out.contains("1 succeeded, 0 failed"))
            }
        }
    }
}
