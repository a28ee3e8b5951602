import Foundation
import Testing

extension CommandTests {
    @Suite("carillon serve registrar") struct Registrar {
        @Test("Our own phones register with it by digest", arguments: ["md5", "sha-256", "both"], ["udp", "tcp"])
        func digest(challenge: String, transport: String) async throws {
            try await inFolder { folder in
                let outcome = try await serving(
                    ["registrar", "--password", "secret", "--challenge", challenge], in: folder
                ) { server, target in
                    let run = try await carillon(
                        [
                            "run", "authenticated-register", target, "--transport", transport, "--concurrency", "5",
                            "--calls", "100", "--no-report",
                        ], in: folder)
                    #expect(run.code == 0 || run.isStarved, "\(run.out)")
                    server.signal(SIGINT)
                }
                #expect(outcome.code == 130)
                // Each asked once: the removal goes with the nonce of the first (RFC 7616 §3.4).
                #expect(outcome.head("challenges") == "100, 0 of them stale; 0 credentials refused")
                #expect(outcome.head("responses") == "2xx 200, 4xx 100")
                #expect(outcome.head("bindings")?.hasSuffix("0 held, of 0 addresses of record") == true)
            }
        }

        @Test("A nonce past its life is answered with stale, and the phone goes on with the next")
        func stale() async throws {
            try await inFolder { folder in
                let outcome = try await serving(
                    ["registrar", "--password", "secret", "--nonce-lifetime", "200ms"], in: folder
                ) { server, target in
                    let run = try await carillon(
                        [
                            "run", "authenticated-register", target, "--hold", "600ms", "--concurrency", "5", "--calls",
                            "5", "--no-report",
                        ], in: folder)
                    #expect(run.code == 0 || run.isStarved, "\(run.out)")
                    server.signal(SIGTERM)
                }
                #expect(outcome.code == 143)
                #expect(outcome.head("challenges") == "10, 5 of them stale; 0 credentials refused")
            }
        }

        @Test("Credentials from a file: a wrong password is refused, and so is another user's address of record")
        func credentials() async throws {
            try await inFolder { folder in
                try "user;password\nalice;secret\r\nbob;bob;s\n".write(
                    to: folder.appendingPathComponent("users.csv"), atomically: true, encoding: .utf8)
                let outcome = try await serving(
                    ["registrar", "--credentials", "users.csv", "--realm", "a \"b\""], in: folder
                ) { server, target in
                    func register(_ settings: String...) async throws -> Command.Outcome {
                        try await carillon(
                            ["run", "authenticated-register", target, "--no-report"]
                                + settings.flatMap { ["--set", $0] }, in: folder)
                    }
                    let right = [try await register(), try await register("user=bob", "password=bob;s")]
                    #expect(right.map(\.code) == [0, 0])
                    let wrong = [try await register("password=guess"), try await register("user=mallory")]
                    #expect(wrong.map(\.code) == [1, 1])
                    server.signal(SIGINT)
                }
                #expect(outcome.head("challenges")?.hasSuffix("2 credentials refused") == true, "\(outcome.out)")
            }
        }

        @Test(
            "It says when it listens, ends when nothing comes any more, and passes what has an expiry it does not grant"
        )
        func expiry() async throws {
            try await inFolder { folder in
                let port = try freePort()
                let server = try Command(
                    [
                        "serve", "registrar", "--listen", "127.0.0.1:\(port)", "--until-idle", "2s", "--ready-file",
                        "ready",
                        "--min-expires", "120",
                    ], in: folder)
                try await until("the ready file") { folder.has("ready") || !server.isRunning }
                let ready = try String(contentsOf: folder.appendingPathComponent("ready"), encoding: .utf8)
                #expect(ready == "127.0.0.1:\(port) UDP and TCP\n")
                let brief = try await carillon(
                    ["run", "register", "127.0.0.1:\(port)", "--set", "expires=119", "--no-report"], in: folder)
                #expect(brief.code == 1 && brief.out.contains("423"))
                let right = try await carillon(
                    ["run", "register", "127.0.0.1:\(port)", "--set", "expires=120", "--no-report"], in: folder)
                #expect(right.code == 0)
                let outcome = try await server.end()
                #expect(outcome.code == 0)
                #expect(outcome.head("requests") == "3: REGISTER 3")
                #expect(outcome.head("bindings")?.hasPrefix("1 made, 0 refreshed, 1 removed") == true)
            }
        }

        @Test("Garbage on both transports: it is counted, and who is no garbage is served")
        func garbage() async throws {
            try await inFolder { folder in
                let outcome = try await serving(["registrar"], in: folder) { server, target in
                    let peer = try Peer()
                    for text in [
                        "x", "\r\n\r\n", "REGISTER", "REGISTER sip:a SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n",
                        String(repeating: "\u{0}", count: 60_000), "SIP/2.0 999 X\r\nVia: x\r\n\r\n",
                    ] {
                        try peer.send(text, to: target)
                    }
                    for transport in ["tcp", "udp"] {
                        let run = try await carillon(
                            ["run", "register", target, "--transport", transport, "--no-report"], in: folder)
                        #expect(run.code == 0)
                    }
                    server.signal(SIGINT)
                }
                #expect(outcome.out.contains("2 malformed requests without a readable Via"), "\(outcome.out)")
                #expect(outcome.out.contains("4 malformed messages that are no requests"), "\(outcome.out)")
                #expect(outcome.head("requests") == "4: REGISTER 4")
            }
        }

        struct Misuse: CustomTestStringConvertible, Sendable {
            var arguments: [String]
            var code: Int32
            var word: String
            init(_ arguments: String..., code: Int32 = 64, says word: String) {
                self.arguments = arguments
                self.code = code
                self.word = word
            }
            var testDescription: String { arguments.joined(separator: " ") }
        }

        @Test(
            "Wrong usage",
            arguments: [
                Misuse("registrar", says: "--listen"),
                Misuse("registrar", "basic-call", "--listen", "127.0.0.1:0", says: "basic-call"),
                Misuse("registrar", "--listen", "0.0.0.0", says: "stands in Via"),
                Misuse("registrar", "--listen", "127.0.0.1:5060-5070", says: "one port"),
                Misuse(
                    "registrar", "--listen", "127.0.0.1:0", "--password", "a", "--credentials", "b", says: "not both"),
                Misuse("registrar", "--listen", "127.0.0.1:0", "--min-expires", "3601", says: "RFC 3261 §10.3"),
                Misuse("registrar", "--listen", "127.0.0.1:0", "--max-expires", "59", says: "is more than"),
                Misuse("registrar", "--listen", "127.0.0.1:0", "--challenge", "sha1", says: "md5, sha-256 or both"),
                Misuse("registrar", "--listen", "127.0.0.1:0", "--no-record-route", says: "--no-record-route"),
                Misuse("proxy", "--listen", "127.0.0.1:0", "--timer-c", "0s", says: "longer than nothing"),
                Misuse("proxy", "--listen", "127.0.0.1:0", "--most-transactions", "0", says: "from 1 to"),
                Misuse(
                    "registrar", "--listen", "127.0.0.1:0", "--credentials", "none.csv", code: 65, says: "cannot read"),
                Misuse("registrar", "--listen", "127.0.0.1:0", "--credentials", "bad.csv", code: 65, says: "bad.csv:2"),
                Misuse("registrar", "--listen", "127.0.0.1:0", "--credentials", "twice.csv", code: 65, says: "already"),
                Misuse("registrar", "--listen", "192.0.2.1:0", code: 69, says: "cannot bind UDP 192.0.2.1"),
            ])
        func misuse(_ rule: Misuse) async throws {
            try await inFolder { folder in
                for (name, text) in [("bad.csv", "alice;secret\nbob\n"), ("twice.csv", "a;b\na;c\n")] {
                    try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
                }
                let outcome = try await carillon(["serve"] + rule.arguments, in: folder)
                #expect(outcome.code == rule.code, "\(outcome.error)")
                #expect(outcome.error.contains(rule.word), "\(outcome.error)")
            }
        }

        @Test("Both have a --help of their own, the help of serve names them, and no scenario has their names")
        func help() async throws {
            for name in ["registrar", "proxy"] {
                let help = try await carillon(["serve", name, "--help"])
                #expect(help.code == 0 && help.out.contains("USAGE: carillon serve \(name)"))
                #expect(try await carillon(["serve", "--help"]).out.contains("carillon serve \(name)"))
                let names = try await carillon(["list"]).out.split(separator: "\n").map { $0.split(separator: " ")[0] }
                #expect(!names.contains(Substring(name)))
            }
        }
    }
}
