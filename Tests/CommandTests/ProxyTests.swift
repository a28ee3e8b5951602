import Foundation
import Testing

/// Bob's Contact at this port, at a registrar that asks for nothing.
func register(_ user: String, at port: UInt16, with registrar: String, more: String = "") throws {
    let peer = try Peer()
    try peer.send(
        """
        REGISTER sip:127.0.0.1 SIP/2.0\r
        Via: SIP/2.0/UDP 127.0.0.1:\(peer.port);branch=z9hG4bK\(port)\r
        From: <sip:\(user)@127.0.0.1>;tag=\(port)\r
        To: <sip:\(user)@127.0.0.1>\r
        Call-ID: \(port)\r
        CSeq: 1 REGISTER\r
        Contact: <sip:\(user)@127.0.0.1:\(port)>\(more)\r
        Content-Length: 0\r
        \r

        """, to: registrar)
    let response = try peer.receive()
    try #require(response.hasPrefix("SIP/2.0 200 "), "\(response)")
}

extension CommandTests {
    @Suite("carillon serve proxy") struct Proxy {
        @Test(
            "The catalogue through it, and all ends well",
            arguments: [
                "basic-call", "late-offer", "early-media", "reinvite", "cancel", "no-answer", "busy", "message",
                "options-ping",
            ])
        func catalogue(scenario: String) async throws {
            try await inFolder { folder in
                let port = try freePort()
                let callee = try Command(
                    [
                        "serve", scenario, "--listen", "127.0.0.1:\(port)", "--calls", "20", "--until-idle", "20s",
                        "--no-report",
                    ],
                    in: folder)
                let outcome = try await serving(["proxy"], in: folder) { server, proxy in
                    try await until("the callee to listen") { headValue("listening", in: callee.out) != nil }
                    try register("bob", at: port, with: proxy)
                    let caller = try await carillon(
                        [
                            "run", scenario, "--proxy", proxy, "--to", "sip:bob@example.test", "--domain",
                            "example.test",
                            "--concurrency", "4", "--calls", "20", "--no-report",
                        ], in: folder)
                    #expect(caller.code == 0 || caller.isStarved, "\(caller.out)\(caller.error)")
                    let called = try await callee.end()
                    #expect(called.code == 0 || called.isStarved, "\(called.out)")
                    server.signal(SIGINT)
                }
                #expect(outcome.code == 130)
                #expect(!outcome.out.contains("\ndropped"), "\(outcome.out)")
                let requests = outcome.head("requests") ?? ""
                if scenario == "basic-call" {
                    #expect(requests == "61: INVITE 20, ACK 20, BYE 20, REGISTER 1", "\(outcome.out)")
                    #expect(outcome.head("forwarded") == "60 requests")
                }
            }
        }

        @Test("A redirection goes back through it, and the call that follows goes past it")
        func redirection() async throws {
            try await inFolder { folder in
                let port = try freePort()
                let callees = try Command(
                    [
                        "serve", "redirected-call", "--listen", "127.0.0.1:\(port)", "--calls", "40", "--until-idle",
                        "20s",
                        "--no-report",
                    ], in: folder)
                let outcome = try await serving(["proxy"], in: folder) { server, proxy in
                    try await until("the callees to listen") { headValue("listening", in: callees.out) != nil }
                    try register("redirector", at: port, with: proxy)
                    let caller = try await carillon(
                        [
                            "run", "redirected-call", "--proxy", proxy, "--to", "sip:redirector@example.test",
                            "--domain",
                            "example.test", "--play", "alice", "--concurrency", "4", "--calls", "20", "--no-report",
                        ], in: folder)
                    #expect(caller.code == 0 || caller.isStarved, "\(caller.out)\(caller.error)")
                    let called = try await callees.end()
                    #expect(called.code == 0 || called.isStarved, "\(called.out)")
                    server.signal(SIGINT)
                }
                #expect(outcome.head("received") == "3xx 20", "\(outcome.out)")
                #expect(outcome.head("requests")?.contains("INVITE 20, ACK 20") == true, "\(outcome.out)")
            }
        }

        @Test("Callers on TCP and callees on UDP: each is spoken to in its own way")
        func transports() async throws {
            try await inFolder { folder in
                let port = try freePort()
                let callee = try Command(
                    [
                        "serve", "basic-call", "--listen", "127.0.0.1:\(port)", "--transport", "udp", "--calls", "20",
                        "--until-idle", "20s", "--no-report",
                    ], in: folder)
                _ = try await serving(["proxy"], in: folder) { server, proxy in
                    try await until("the callee to listen") { headValue("listening", in: callee.out) != nil }
                    try register("bob", at: port, with: proxy)
                    let caller = try await carillon(
                        [
                            "run", "basic-call", "--proxy", proxy, "--transport", "tcp", "--to", "sip:bob@example.test",
                            "--domain", "example.test", "--concurrency", "4", "--calls", "20", "--no-report",
                        ], in: folder)
                    #expect(caller.code == 0 || caller.isStarved, "\(caller.out)\(caller.error)")
                    #expect(try await callee.end().code != 1)
                    server.signal(SIGINT)
                }
            }
        }

        @Test("Forked to two phones: the one that is busy is outdone by the one that answers")
        func fork() async throws {
            try await inFolder { folder in
                let ports = [try freePort(), try freePort()]
                let callees = try zip(["busy", "basic-call"], ports).map { scenario, port in
                    try Command(
                        [
                            "serve", scenario, "--listen", "127.0.0.1:\(port)", "--calls", "20", "--until-idle", "20s",
                            "--no-report",
                        ], in: folder)
                }
                let outcome = try await serving(["proxy"], in: folder) { server, proxy in
                    try await until("the callees to listen") {
                        callees.allSatisfy { headValue("listening", in: $0.out) != nil }
                    }
                    for port in ports { try register("bob", at: port, with: proxy) }
                    let caller = try await carillon(
                        [
                            "run", "basic-call", "--proxy", proxy, "--to", "sip:bob@example.test", "--domain",
                            "example.test", "--concurrency", "4", "--calls", "20", "--no-report",
                        ], in: folder)
                    #expect(caller.code == 0 || caller.isStarved, "\(caller.out)\(caller.error)")
                    for callee in callees {
                        let called = try await callee.end()
                        #expect(called.code == 0 || called.isStarved, "\(called.out)")
                    }
                    server.signal(SIGINT)
                }
                #expect(outcome.head("forks") == "20")
            }
        }

        @Test("Unknown, not registered, and registered where nobody listens: 404, 480, 500, each at once")
        func refusals() async throws {
            try await inFolder { folder in
                let nobody = try freePort()
                try "gone;secret\nbob;secret\n".write(
                    to: folder.appendingPathComponent("users.csv"), atomically: true, encoding: .utf8)
                _ = try await serving(["proxy"], in: folder) { server, proxy in
                    try register("bob", at: nobody, with: proxy)
                    for (user, status) in [("nobody", "404"), ("bob", "500")] {
                        let run = try await carillon(
                            ["run", "basic-call", "--proxy", proxy, "--to", "sip:\(user)@example.test", "--no-report"],
                            in: folder)
                        #expect(run.code == 1 && run.out.contains(status), "\(run.out)")
                    }
                    server.signal(SIGINT)
                }
                _ = try await serving(["proxy", "--credentials", "users.csv"], in: folder) { server, proxy in
                    let run = try await carillon(
                        [
                            "run", "authenticated-call", "--proxy", proxy, "--to", "sip:gone@example.test", "--set",
                            "user=bob", "--no-report",
                        ], in: folder)
                    #expect(run.code == 1 && run.out.contains("480") && run.out.contains("407"), "\(run.out)")
                    server.signal(SIGINT)
                }
            }
        }

        @Test("Calls with credentials: it asks for them, and the callee never sees them")
        func credentials() async throws {
            try await inFolder { folder in
                let port = try freePort()
                let callee = try Command(
                    [
                        "serve", "basic-call", "--listen", "127.0.0.1:\(port)", "--calls", "10", "--until-idle", "20s",
                        "--no-report",
                    ], in: folder)
                let outcome = try await serving(["proxy", "--password", "secret"], in: folder) { server, proxy in
                    try await until("the callee to listen") { headValue("listening", in: callee.out) != nil }
                    let caller = try await carillon(
                        [
                            "run", "authenticated-call", "--proxy", proxy, "--to", "sip:bob@127.0.0.1:\(port)",
                            "--concurrency", "2", "--calls", "10", "--no-report",
                        ], in: folder)
                    #expect(caller.code == 0 || caller.isStarved, "\(caller.out)\(caller.error)")
                    #expect(try await callee.end().code != 1)
                    server.signal(SIGINT)
                }
                #expect(outcome.head("challenges") == "10, 0 of them stale; 0 credentials refused", "\(outcome.out)")
            }
        }
    }
}
