import Testing

extension CommandTests {
    @Suite("Wrong usage") struct Usage {
        struct Case: CustomTestStringConvertible, Sendable {
            var arguments: [String]
            var word: String
            init(_ arguments: String..., says word: String) {
                self.arguments = arguments
                self.word = word
            }
            var testDescription: String { arguments.joined(separator: " ") }
        }

        static let cases = [
            Case("fly", says: "fly"),
            Case("run", says: "scenario"),
            Case("run", "basic-cal", says: "did you mean basic-call"),
            Case("run", "nonsense", says: "the catalogue has basic-call"),
            Case("run", "notes/call.txt", says: "a scenario file ends in .swift"),
            Case("run", "basic-call", "sips:127.0.0.1", "sips:127.0.0.1:5061", says: "stands twice"),
            Case("run", "basic-call", "127.0.0.1", "127.0.0.1:5061", "--transport", "tls", says: "stands twice"),
            // As SIPp is used.
            Case("run", "uac", "127.0.0.1", says: "`carillon run basic-call`"),
            Case("run", "-sn", "uac", "127.0.0.1", "-r", "10", says: "-sn is here: a scenario's name"),
            Case("run", "basic-call", "127.0.0.1", "-r", "10", "-m", "100", says: "--rate 100/s; -m is here: --calls"),
            // Load.
            Case("run", "basic-call", "--rate", "fast", says: "5000/s"),
            Case("run", "basic-call", "--rate", "0/s", says: "a rate is from"),
            Case("run", "basic-call", "--rate", "nan", says: "5000/s"),
            Case("run", "basic-call", "--rate", "5/fortnight", says: "/fortnight"),
            Case("run", "basic-call", "--rate", "99999999999999999999/s", says: "10000000/s"),
            Case("run", "basic-call", "--for", "30", "--for", "x", says: "30s"),
            Case("run", "basic-call", "--for", "99999h", says: "a year"),
            Case("run", "basic-call", "--for", "0s", says: "longer than nothing"),
            Case("run", "basic-call", "--calls", "0", says: "--calls 0"),
            Case("run", "basic-call", "--calls", "18446744073709551616", says: "--calls"),
            Case("run", "basic-call", "--concurrency", "0", says: "from 1 to 4000000"),
            Case("run", "basic-call", "--concurrency", "9223372036854775807", says: "from 1 to 4000000"),
            Case("run", "basic-call", "--concurrency", "5", "--arrivals", "uniform", says: "--rate"),
            Case("run", "basic-call", "8.8.8.8", "--rate", "101/s", says: "--yes-load"),
            Case("run", "basic-call", "8.8.8.8", "--concurrency", "3", says: "--yes-load"),
            // Media.
            Case("run", "basic-call", "--media", "tone", says: "absorb or off"),
            Case("run", "basic-call", "--media-ports", "0", says: "1 to 11000"),
            Case("run", "basic-call", "--media-ports", "20001-20001", says: "two ports"),
            Case("run", "basic-call", "--media-ports", "80-90", says: "two ports"),
            Case("run", "basic-call", "--media", "off", "--media-ports", "5", says: "contradict"),
            Case("run", "basic-call", "-mp", "6000", says: "--media-ports 20000-29999"),
            // Phases.
            Case("run", "basic-call", "--before", "add-binding:none", says: "is no number of runs"),
            Case("run", "basic-call", "--before", "add-binding:5@fast", says: "5000/s"),
            Case("run", "basic-call", "--before", ":5", says: "names no scenario"),
            Case("run", "basic-call", "--after", "add-bindin", says: "did you mean add-binding"),
            Case("run", "basic-call", "--before-may-fail", says: "neither is given"),
            Case("run", "basic-call", "8.8.8.8", "--before", "add-binding:500@200/s", says: "--yes-load"),
            Case("run", "basic-call", "--before", "add-binding", "--set", "colour=red", says: "it has hold (0s)"),
            // Scenario.
            Case("run", "basic-call", "--set", "colour=red", says: "it has hold (0s)"),
            Case("run", "basic-call", "--set", "hold", says: "name=value"),
            Case("run", "options-ping", "--hold", "3s", says: "it has none"),
            Case("run", "basic-call", "--hold", "long", says: "exponential(30s)"),
            Case("run", "basic-call", "--hold=-3s", says: "backwards"),
            Case("run", "basic-call", "--hold", "uniform(5s, 1s)", says: "reversed"),
            Case("run", "basic-call", "--hold", "exponential(99999h)", says: "30 days"),
            Case("run", "basic-call", "--hold", "3s", "--set", "hold=4s", says: "twice"),
            Case("run", "basic-call", "--play", "mallory", says: "it has alice, bob"),
            Case("run", "basic-call", "--play", "alice", says: "leaves out bob"),
            Case("run", "basic-call", "127.0.0.1:5060", "--play", "bob", says: "leaves out alice"),
            Case("run", "basic-call", "--run-id", "0", says: "eight hexadecimal digits"),
            Case("run", "basic-call", "--scenario", "other", says: "no scenario \"other\""),
            // Addresses.
            Case("run", "basic-call", "[::ffff:127.0.0.1]:5060", says: "write the IPv4 address"),
            Case("run", "basic-call", "[::1", says: "not closed"),
            Case("run", "basic-call", "[::1]x", says: "no port"),
            Case("run", "basic-call", "[::1]:70000", says: "1 to 65535"),
            Case("run", "basic-call", "2001:db8::zz", says: "no IPv6 address"),
            Case("run", "basic-call", "[fe80::1%lo]:5060", says: "zone"),
            Case("run", "basic-call", "fe80::1", says: "link-local"),
            Case("run", "basic-call", "[::1]:5060", "--local", "127.0.0.1", says: "is IPv4, and the target"),
            Case("run", "basic-call", "--advertise", "[::1]:5060", says: "without a port"),
            Case("run", "basic-call", "--advertise", "[::x]", says: "in brackets"),
            Case("run", "basic-call", "sips:bob@127.0.0.1;transport=udp", says: "sips: goes over TLS"),
            Case(
                "run", "basic-call", "sips:bob@example.com", "--proxy", "sip:127.0.0.1;transport=tcp",
                says: "sips:bob@example.com"),
            Case("run", "basic-call", "sip:bob@127.0.0.1;user=phone", says: "transport alone is used"),
            Case("run", "basic-call", "register", says: "register is a scenario"),
            Case("run", "basic-call", "sip:bob@127.0.0.1;transport=sctp", says: "SCTP is not spoken here"),
            Case("run", "basic-call", "tel:+4930123", says: "names no host"),
            Case("run", "basic-call", "127.0.0.1:70000", says: "1 to 65535"),
            Case("run", "basic-call", "300.1.1.1", says: "no IPv4 address"),
            Case("run", "basic-call", "sip:a b@127.0.0.1", says: "no user"),
            Case("run", "basic-call", "", says: "names no host"),
            Case("run", "basic-call", "127.0.0.1=0", says: "no weight"),
            Case("run", "basic-call", "127.0.0.1=much", says: "no weight"),
            Case("run", "basic-call", "127.0.0.1", "127.0.0.1:5060", says: "stands twice"),
            Case("run", "basic-call", "sip:a@127.0.0.1", "sip:b@127.0.0.2", says: "different users"),
            Case(
                "run", "basic-call", "sip:127.0.0.1;transport=udp", "sip:127.0.0.2;transport=tcp", says: "one transport"
            ),
            Case("run", "basic-call", "127.0.0.1", "[::1]:5060", says: "is IPv4, and the target"),
            Case("run", "basic-call", "sips:127.0.0.1", "127.0.0.2", says: "sips:"),
            Case("run", "basic-call", "127.0.0.1", "127.0.0.2", "--proxy", "127.0.0.3", says: "one TARGET"),
            Case("run", "basic-call", "127.0.0.1", "--dns-server", "dns.example.com", says: "address, not a name"),
            Case("run", "basic-call", "127.0.0.1", "--failover", "off", "--avoid", "3s", says: "contradict"),
            Case("run", "basic-call", "--failover", "call", says: "there is none"),
            Case(
                "run", "basic-call", "127.0.0.1", "127.0.0.2", "--transport", "tcp", "--connections", "per-call",
                "--failover", "call", says: "contradict"),
            Case("run", "basic-call", "127.0.0.1", "8.8.8.8", "--rate", "101/s", says: "8.8.8.8"),
            Case("run", "basic-call", "--local", "127.0.0.1:9-5", says: "5060-5067"),
            Case("run", "basic-call", "--local", "127.0.0.1:5060-5061", "--workers", "3", says: "port each"),
            Case("run", "basic-call", "--local", "127.0.0.1", "--interface", "lo", says: "twice"),
            Case("run", "basic-call", "--from", "alice", says: "sip:alice@example.com"),
            Case("run", "basic-call", "--to", "sip:b ob@x", says: "no blanks"),
            Case("run", "basic-call", "--header", "no colon", says: "Name: value"),
            Case("run", "basic-call", "--header", "X: 1\r\nVia: 2", says: "another header"),
            Case("run", "basic-call", "--header", "i: 1", says: "written by Carillon itself"),
            Case("run", "basic-call", "--advertise", "a b", says: "host name"),
            // Sources.
            Case("run", "basic-call", "--sources", "10.0.0.300", says: "no IP address"),
            Case("run", "basic-call", "--sources", "127.0.0.1/24", says: "write 127.0.0.0/24"),
            Case("run", "basic-call", "--sources", "127.0.0.0/33", says: "from 0 to 32"),
            Case("run", "basic-call", "--sources", "127.0.0.0/8", says: "more than 65536 addresses"),
            Case("run", "basic-call", "--sources", "127.0.0.9-127.0.0.3", says: "comes before"),
            Case("run", "basic-call", "--sources", "127.0.0.9", "--sources", "::1", says: "all are IPv4"),
            Case("run", "basic-call", "127.0.0.1:5060", "--sources", "::1", says: "is IPv6, and the target"),
            Case("run", "basic-call", "--sources", "127.0.0.9", "--local", "127.0.0.1", says: "0.0.0.0:5060"),
            Case("run", "basic-call", "--sources", "127.0.0.9", "--interface", "lo", says: "both say"),
            Case("run", "basic-call", "--sources", "127.0.0.9", "--advertise", "a.example", says: "contradict"),
            Case(
                "run", "basic-call", "127.0.0.1:5060", "--sources", "127.0.0.9", "--large", "tcp",
                says: "--large tcp"),
            Case(
                "run", "basic-call", "127.0.0.1:5060", "--sources", "127.0.0.9", "--transport", "tcp",
                says: "--connections per-call"),
            Case("run", "basic-call", "--sources-order", "random", says: "none are given"),
            Case("run", "basic-call", "--sources", "127.0.0.9", "--sources-order", "blocks:0", says: "blocks:64"),
            Case("run", "basic-call", "--source-rate", "5/s", says: "none are given"),
            Case(
                "run", "basic-call", "--sources", "127.0.0.0/30", "--source-rate", "5/s", "--rate", "21/s", says: "20/s"
            ),
            Case(
                "run", "basic-call", "--sources", "127.0.0.9", "--source-rate", "5/s", "--concurrency", "2",
                says: "give a --rate"),
            Case("run", "basic-call", "--dscp", "64", says: "0 to 63"),
            Case("run", "basic-call", "--dscp", "AF14", says: "AF11 to AF43"),
            Case("run", "basic-call", "--path-mtu", "500", says: "576 to 65535"),
            // Engine and report.
            Case("run", "basic-call", "--workers", "0", says: "from 1 to 64"),
            Case("run", "basic-call", "--t1", "100us", says: "1ms"),
            Case("run", "basic-call", "--t1", "10s", says: "--t2"),
            Case("run", "basic-call", "--gso", "perhaps", says: "on"),
            Case("run", "basic-call", "--wait", "asleep", says: "moderated"),
            Case("run", "basic-call", "--trace", "sample=1/0", says: "sample=1/100"),
            Case("run", "basic-call", "--trace-memory", "999999999999G", says: "1024G"),
            Case("run", "basic-call", "--out", "x", "--no-report", says: "contradict"),
            Case("run", "basic-call", "--json", "--quiet", says: "contradict"),
            // Other commands.
            Case("serve", "basic-call", says: "--listen"),
            Case("serve", "basic-call", "--listen", "127.0.0.1", "--play", "alice", says: "answering parties"),
            Case("serve", "basic-call", "basic-call", "--listen", "127.0.0.1", says: "already"),
            Case("serve", "basic-call", "--listen", "127.0.0.1", "--calls", "0", says: "--calls 0"),
            Case("new", "a b", says: "\"a b\""),
            Case("new", "../elsewhere", says: "no name for a scenario"),
            Case("new", "", says: "no name for a scenario"),
            Case("lint", "basic-call", "--emit", "call.swift", says: ".json"),
        ]

        @Test("is exit 64 and says what is right", arguments: cases)
        func usage(_ wrong: Case) async throws {
            try await inFolder { folder in
                let run = try await carillon(wrong.arguments, in: folder)
                #expect(run.code == 64)
                #expect(run.error.contains(": error: "), "\(run.error)")
                #expect(run.error.contains(wrong.word), "\(run.error)")
                // Nothing was begun.
                #expect(run.out.isEmpty)
                #expect(!folder.has("reports"))
            }
        }
    }
}
