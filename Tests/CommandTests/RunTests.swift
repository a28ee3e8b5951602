import Foundation
import Glibc
import Testing

extension CommandTests {
    @Suite("carillon run") struct Running {
        let workshop: Workshop
        init() throws { workshop = try Workshop() }

        @Test("Fifty calls between two parties of one process, and what they leave")
        func embedded() throws {
            let run = try workshop.begin(
                "run", "basic-call", "--rate", "500/s", "--calls", "50", "--seed", "7", "--out", "report")
            let code = run.wait()
            let record = try workshop.record("report")
            #expect(code == record.codeWithoutFailures)
            #expect(record.counters["runsSucceeded"] == 50 && record.counters["runsFailed"] == 0)
            #expect(record.end.kind == "finished")
            #expect(record.identity.seed == 7)
            #expect(record.identity.command.contains("basic-call"))
            for file in ["summary.txt", "intervals.hlog"] { #expect(workshop.exists("report/\(file)")) }
            // No call failed, so there are no messages to keep.
            #expect(!workshop.exists("report/failed.pcapng"))

            #expect(run.head("scenario") == "basic-call (catalogue)")
            #expect(run.head("parties") == "alice, bob, both sides in this process")
            #expect(run.head("local")?.hasPrefix("127.0.0.1:") == true)
            #expect(run.head("load") == "500/s, Poisson arrivals, 50 calls")
            #expect(run.head("seed") == "7, run \(record.identity.runID)")
            #expect(run.head("traces")?.contains("live calls") == true)
            #expect(run.out.contains("50 succeeded, 0 failed"))
            #expect(run.out.contains("Report: report"))
            #expect(workshop.text("report/summary.txt").contains("50 succeeded, 0 failed"))
            #expect(run.error.isEmpty)
        }

        @Test(
            "Every scenario of the catalogue passes between its own parties",
            arguments: [
                "basic-call", "late-offer", "early-media", "reinvite", "cancel", "no-answer", "busy", "options-ping",
                "message", "register",
            ])
        func catalogue(name: String) throws {
            let run = try workshop.run("run", name, "--out", "report")
            let record = try workshop.record("report")
            #expect(record.counters["runsSucceeded"] == 1, "\(run.out)")
            #expect(run.code == record.codeWithoutFailures)
        }

        @Test("Nothing said is one call, into a folder of its own below the current one")
        func oneCall() throws {
            let run = try workshop.run("run", "basic-call")
            #expect(run.out.contains("1 succeeded, 0 failed"))
            let runs = try FileManager.default.contentsOfDirectory(atPath: workshop.path("reports/runs"))
            #expect(runs.count == 1 && runs[0].hasSuffix("Z-basic-call"))
            #expect(run.out.contains("Report: reports/runs/\(runs[0])"))
        }

        @Test("Progress is a line a second where nobody watches, without codes of a terminal")
        func progress() throws {
            let run = try workshop.run(
                "run", "basic-call", "--rate", "100/s", "--for", "2200ms", "--hold", "100ms", "--no-report")
            let lines = run.out.split(separator: "\n").filter { $0.contains(" started, ") && $0.contains(" live, ") }
            #expect(lines.count >= 2, "\(run.out)")
            #expect(lines.first?.contains(" calls/s, ") == true)
            #expect(lines.last?.contains("0 failed") == true && lines.last?.contains("p99") == true)
            #expect(!run.out.contains("\u{1B}") && !run.out.contains("\r"))
        }

        @Test("Nothing reachable is exit 3, never a pass")
        func nothingReachable() throws {
            let run = try workshop.run("run", "basic-call", "127.0.0.1:\(Peer.nobody())", "--no-report")
            #expect(run.code == 3)
            #expect(run.out.contains("INVALID") && run.out.contains("refused"))
        }

        @Test("What a call sends is what the options say")
        func identity() throws {
            let peer = try Peer()
            let run = try workshop.begin(
                "run", "basic-call", "sip:5551234@127.0.0.1:\(peer.port)", "--from", "sip:anna@example.com",
                "--domain", "example.org", "--advertise", "192.0.2.9", "--header", "X-Test: seven of nine",
                "--header", "Subject: bells", "--run-id", "0badcafe", "--no-report")
            let invite = try peer.receive { Peer.response("603 Decline", to: $0) }
            #expect(run.wait() == 1)
            let lines = invite.components(separatedBy: "\r\n")
            #expect(lines[0] == "INVITE sip:5551234@example.org SIP/2.0")
            #expect(lines.contains { $0.hasPrefix("From: <sip:anna@example.com>;tag=") })
            #expect(lines.contains("To: <sip:5551234@example.org>"))
            #expect(lines.contains { $0.hasPrefix("Via: SIP/2.0/UDP 192.0.2.9:") })
            #expect(lines.contains { $0.hasPrefix("Contact: <sip:alice@192.0.2.9:") })
            #expect(lines.contains("X-Test: seven of nine") && lines.contains("Subject: bells"))
            #expect(lines.contains { $0.hasPrefix("Call-ID: 0badcafe-") })
            #expect(run.head("seed")?.hasSuffix("run 0badcafe") == true)
            #expect(run.head("target") == "127.0.0.1:\(peer.port) over UDP")
        }

        @Test("A proxy gets the bytes, the target the address")
        func proxy() throws {
            let peer = try Peer()
            let run = try workshop.begin(
                "run", "basic-call", "10.9.8.7", "--proxy", "127.0.0.1:\(peer.port)", "--to", "sip:bob@example.net",
                "--no-report")
            let invite = try peer.receive { Peer.response("486 Busy Here", to: $0) }
            #expect(run.wait() == 1)
            #expect(invite.hasPrefix("INVITE sip:bob@example.net SIP/2.0\r\n"))
            #expect(invite.contains("From: <sip:alice@10.9.8.7"))
        }

        @Test("--json is the record, and nothing else")
        func json() throws {
            let run = try workshop.run("run", "basic-call", "--calls", "3", "--rate", "50/s", "--json", "--no-report")
            try workshop.write(run.out, to: "record.json")
            #expect(try workshop.record("record.json").counters["runsSucceeded"] == 3)
            let quiet = try workshop.run("run", "basic-call", "--quiet", "--no-report")
            #expect(quiet.out.isEmpty && quiet.error.isEmpty)
        }

        @Test("--trace all keeps the messages of calls that went well")
        func traces() throws {
            _ = try workshop.run(
                "run", "basic-call", "--calls", "2", "--rate", "50/s", "--trace", "all", "--out", "report")
            #expect(workshop.exists("report/failed.pcapng"))
        }

        // MARK: interrupts

        @Test("An interrupt hangs up what is in progress and reports", arguments: [SIGINT, SIGTERM])
        func interrupted(signal: Int32) throws {
            let run = try workshop.begin("run", "basic-call", "--rate", "100/s", "--hold", "60s", "--out", "report")
            #expect(run.wait(until: { run.out.contains(" live") }))
            run.signal(signal)
            #expect(run.wait() == 128 + signal)
            let record = try workshop.record("report")
            #expect(record.end.kind == (signal == SIGINT ? "interrupted" : "terminated"))
            #expect((record.counters["runsDrained"] ?? 0) > 0)
            #expect(record.counters["runsCutOff"] == 0 && record.counters["runsFailed"] == 0)
            #expect(run.out.contains("drained at the end"))
            #expect(run.error.contains("once more leaves at once"))
        }

        @Test("A second interrupt leaves at once, and the report says what was cut off")
        func interruptedTwice() throws {
            let run = try workshop.begin(
                "run", "basic-call", "--rate", "100/s", "--hold", "60s", "--drain", "1/s", "--out", "report")
            #expect(run.wait(until: { run.out.contains(" live") }))
            run.signal(SIGINT)
            #expect(run.wait(until: { run.error.contains("once more") }))
            run.signal(SIGINT)
            #expect(run.wait() == 130)
            let record = try workshop.record("report")
            #expect((record.counters["runsCutOff"] ?? 0) > 0)
            #expect(run.out.contains("cut off"))
        }

        // MARK: full disks

        /// Every file of the report but one stands on a full disk.
        @Test("A full disk costs the files, not the truth")
        func fullDisk() throws {
            let peer = try Peer()
            try FileManager.default.createDirectory(
                atPath: workshop.path("report"), withIntermediateDirectories: true)
            for file in ["summary.txt", "run.json", "failed.pcapng"] {
                try FileManager.default.createSymbolicLink(
                    atPath: workshop.path("report/\(file).partial"), withDestinationPath: "/dev/full")
            }
            let run = try workshop.begin("run", "basic-call", "127.0.0.1:\(peer.port)", "--out", "report")
            _ = try peer.receive { Peer.response("486 Busy Here", to: $0) }
            // A report that is not there goes before a call that failed (69 before 1).
            #expect(run.wait() == 69)
            for file in ["summary.txt", "run.json", "failed.pcapng"] {
                #expect(run.error.contains("cannot write report/\(file)"), "\(run.error)")
                #expect(!workshop.exists("report/\(file)"))
            }
            #expect(run.error.contains("No space left"))
            // What has room is there; the summary on the terminal is whole.
            #expect(workshop.exists("report/intervals.hlog"))
            #expect(run.out.contains("0 succeeded, 1 failed") && run.out.contains("486 Busy Here"))
        }

        @Test("Text that nobody could take is not taken for told")
        func fullOutput() throws {
            let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
            let run = try workshop.run(["run", "basic-call", "--no-report"], output: full)
            #expect(run.code == 69)
            #expect(run.error.contains("standard output"))
        }

        @Test("A reader that leaves early does not end the run")
        func closedPipe() throws {
            let pipe = Pipe()
            let run = try Command(
                ["run", "basic-call", "--calls", "30", "--rate", "100/s", "--out", "report"], in: workshop,
                output: pipe.fileHandleForWriting)
            try pipe.fileHandleForWriting.close()
            try pipe.fileHandleForReading.close()
            let code = run.wait()
            let record = try workshop.record("report")
            #expect(code == record.codeWithoutFailures)
            #expect(record.counters["runsSucceeded"] == 30)
        }

        @Test("An address that is not ours cannot be bound: exit 69, and no empty folder")
        func cannotBind() throws {
            let run = try workshop.run("run", "basic-call", "127.0.0.1:5060", "--local", "192.0.2.77")
            #expect(run.code == 69)
            #expect(run.error.contains("cannot bind UDP 192.0.2.77"))
            #expect(run.out.isEmpty)
            let runs = try FileManager.default.contentsOfDirectory(atPath: workshop.path("reports/runs"))
            #expect(runs.isEmpty)
            let folder = try workshop.run("run", "basic-call", "--out", "/dev/null/report")
            #expect(folder.code == 69)
            #expect(folder.error.contains("/dev/null") && folder.error.contains("--no-report"))
        }
    }
}
