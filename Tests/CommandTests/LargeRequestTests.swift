import Foundation
import Testing

extension CommandTests {
    /// RFC 3261 §18.1.1 against a server that answers both transports at one port, and against one that has no TCP.
    @Suite("--large tcp")
    struct LargeRequests {
        private static let subject = "Subject: " + String(repeating: "x", count: 2_000)

        @Test(
            "A large INVITE goes over TCP, the rest of its call where the dialog leads; a small one needs no connection"
        )
        func both() async throws {
            try await inFolder { folder in
                _ = try await serving(["basic-call", "--no-report"], in: folder) { server, target in
                    let large = try await carillon(
                        [
                            "run", "basic-call", target, "--calls", "5", "--large", "tcp", "--header", Self.subject,
                            "--json", "--no-report",
                        ], in: folder)
                    let record = try ReadRecord(large.out)
                    #expect(record.counters["runsSucceeded"] == 5, "\(large.error)")
                    #expect(record.counters["requestsMovedToTCP"] == 5)
                    #expect(record.counters["connectionsOpened"] == 1)
                    #expect(record.counters["requestsTooLargeForUDP"] == 0)
                    #expect(record.counters["inviteRetransmissionsSent"] == 0)
                    let small = try await carillon(
                        ["run", "basic-call", target, "--calls", "5", "--large", "tcp", "--json", "--no-report"],
                        in: folder)
                    let other = try ReadRecord(small.out)
                    #expect(other.counters["runsSucceeded"] == 5)
                    #expect(other.counters["requestsMovedToTCP"] == 0 && other.counters["connectionsOpened"] == 0)
                    server.signal(SIGTERM)
                }
            }
        }

        @Test("Where TCP is refused the calls go over UDP and succeed")
        func refused() async throws {
            try await inFolder { folder in
                _ = try await serving(["basic-call", "--transport", "udp", "--no-report"], in: folder) {
                    server, target in
                    let run = try await carillon(
                        [
                            "run", "basic-call", target, "--calls", "3", "--large", "tcp", "--header", Self.subject,
                            "--no-report", "--gso", "off",
                        ], in: folder)
                    #expect(run.head("target")?.contains("UDP, large requests over TCP") == true, "\(run.out)")
                    #expect(run.out.contains("3 succeeded, 0 failed"), "\(run.out)")
                    #expect(run.out.contains("1 large request sent over TCP"), "\(run.out)")
                    #expect(run.out.contains("1 back over UDP as TCP was refused"), "\(run.out)")
                    server.signal(SIGTERM)
                }
            }
        }

        @Test("Both sides in one process, with several workers")
        func alone() async throws {
            let run = try await carillon([
                "run", "basic-call", "--calls", "6", "--rate", "50/s", "--workers", "2", "--large", "tcp", "--header",
                Self.subject, "--json", "--no-report",
            ])
            let record = try ReadRecord(run.out)
            #expect(record.counters["runsFailed"] == 0)
            // A called party whose connection the other worker has taken is a run of its own.
            let started = try #require(record.counters["runsStarted"])
            #expect(record.counters["requestsMovedToTCP"] == started - (record.counters["legsUnjoined"] ?? 0))
        }
    }
}
