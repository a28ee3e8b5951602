import SIPWire
import Testing

/// A stream and what is to come of it.
struct StreamCase: Sendable, CustomTestStringConvertible {
    enum Outcome: Sendable, Equatable {
        /// A message of so many octets.
        case message(Int)
        case ping
        case pong
        case goesOn(StreamRule)
        case closes(StreamRule)
        /// The stream ended within a message.
        case endsWithin
    }

    let name: String
    let octets: [UInt8]
    let outcome: [Outcome]
    let pongs: Int

    init(_ name: String, _ text: String, _ outcome: [Outcome], pongs: Int = 0) {
        self.name = name
        octets = Array(text.utf8)
        self.outcome = outcome
        self.pongs = pongs
    }

    var testDescription: String { name }
}

/// A head of 120 octets or so that ends before the field given.
private let start = crlf(
    """
    MESSAGE sip:callee@127.0.0.1 SIP/2.0
    Via: SIP/2.0/TCP 127.0.0.1:5061;branch=z9hG4bK-1
    From: <sip:caller@127.0.0.1>;tag=a1
    To: <sip:callee@127.0.0.1>
    Call-ID: one@127.0.0.1
    CSeq: 1 MESSAGE

    """)
private let minimal = "A b SIP/2.0\r\n"

/// One message with those fields (each with its line end), and this body.
private func message(_ fields: String, _ body: String = "") -> String { start + fields + "\r\n" + body }
private func whole(_ fields: String, _ body: String = "") -> StreamCase.Outcome {
    .message(message(fields, body).utf8.count)
}
/// The body "hello" under these fields is found.
private func fits(_ name: String, _ fields: String) -> StreamCase {
    StreamCase(name, message(fields, "hello") + message("l: 0\r\n"), [whole(fields, "hello"), whole("l: 0\r\n")])
}
private func closes(_ name: String, _ fields: String, _ rule: StreamRule) -> StreamCase {
    StreamCase(name, message("l: 0\r\n") + message(fields, "hello"), [whole("l: 0\r\n"), .closes(rule)])
}

let streamCases: [StreamCase] = [
    // Content-Length, RFC 3261 §20.14, §7.3.
    fits("Content-Length", "Content-Length: 5\r\n"),
    fits("no blank after the colon", "Content-Length:5\r\n"),
    fits("blanks before the colon (§7.3.1)", "Content-Length \t : 5\r\n"),
    fits("any case", "cONTENT-lENGTH: 5\r\n"),
    fits("compact form (§7.3.3)", "l: 5\r\n"),
    fits("compact form in upper case, blank before the colon", "L :5\r\n"),
    fits("folded (§7.3.1)", "Content-Length:\r\n \t 5\r\n"),
    fits("folded twice, with a blank line end", "Content-Length: \r\n \r\n\t5 \r\n  \r\n"),
    fits("zeros before it", "Content-Length: 00000000000000000000000005\r\n"),
    fits("blanks after it", "Content-Length: 5 \t \r\n"),
    fits("LF alone", "Content-Length: 5\n"),
    fits("not the last field", "Content-Length: 5\r\nContent-Type: text/plain\r\nSubject: l: 9\r\n"),
    fits("twice the same", "Content-Length: 5\r\nX: y\r\nContent-Length: 5\r\n"),
    fits("the same in all forms", "l: 5\r\nContent-Length: 05\r\nL:\r\n 5\r\ncontent-length\t:5\r\n"),
    fits("names that look alike", "Content-Language: 9\r\nLocation: 8\r\nContent-Length-X: 7\r\nll: 6\r\nl: 5\r\n"),
    fits("a value that looks like the field", "Subject: x\r\n Content-Length: 9\r\n l: 9\r\nl: 5\r\n"),
    closes("no number (RFC 4475 §3.1.2.3)", "Content-Length: -999\r\n", .lengthNotNumber),
    closes("empty", "Content-Length:\r\n", .lengthNotNumber),
    closes("a sign", "Content-Length: +5\r\n", .lengthNotNumber),
    closes("hexadecimal", "Content-Length: 0x5\r\n", .lengthNotNumber),
    closes("a list", "Content-Length: 5, 5\r\n", .lengthNotNumber),
    closes("a parameter", "Content-Length: 5;a\r\n", .lengthNotNumber),
    closes("two folded numbers", "Content-Length: 5\r\n 5\r\n", .lengthNotNumber),
    closes("a NUL", "Content-Length: 5\0\r\n", .lengthNotNumber),
    closes("a second one that is no number", "Content-Length: 5\r\nl: x\r\n", .lengthNotNumber),
    closes("two that differ (RFC 4475 §3.3.9)", "Content-Length: 13\r\nContent-Length: 5\r\n", .lengthsDiffer),
    closes("three, of which the last differs", "l: 5\r\nl: 5\r\nContent-Length: 6\r\n", .lengthsDiffer),
    closes("1 GB", "Content-Length: 1073741824\r\n", .bodyFarTooLong),
    closes("2^32 + 5", "Content-Length: 4294967301\r\n", .bodyFarTooLong),
    closes("2^64 + 5", "Content-Length: 18446744073709551621\r\n", .bodyFarTooLong),
    closes("30 digits", "l: 999999999999999999999999999999\r\n", .bodyFarTooLong),
    StreamCase(
        "none: counted, taken as 0", message("X: y\r\n") + message("l: 0\r\n"),
        [.goesOn(.lengthMissing), whole("X: y\r\n"), whole("l: 0\r\n")]),
    StreamCase(
        "none, and a body", message("X: y\r\n", "v=0\r\n") + message("l: 0\r\n"),
        [.goesOn(.lengthMissing), whole("X: y\r\n"), .closes(.startLine)]),
    StreamCase(
        "a body of more than the limit",
        message("l: 601\r\n", String(repeating: "l", count: 601)) + message("l: 0\r\n"),
        [.goesOn(.bodyTooLong), whole("l: 0\r\n")]),
    StreamCase(
        "a body of the limit", message("l: 600\r\n", String(repeating: "\n", count: 600)) + message("l: 0\r\n"),
        [whole("l: 600\r\n", String(repeating: "\n", count: 600)), whole("l: 0\r\n")]),
    StreamCase(
        "ends in the body (RFC 4475 §3.1.2.2)", message("Content-Length: 599\r\n", "hello"), [.endsWithin]),
    StreamCase("ends in a body passed over", message("l: 601\r\n", "hello"), [.goesOn(.bodyTooLong), .endsWithin]),
    StreamCase("ends in the head", start, [.endsWithin]),
    StreamCase("ends in the empty line", start + "l: 0\r\n\r", [.endsWithin]),

    // Where a message ends and begins, RFC 3261 §18.3, §7.5.
    StreamCase("nothing", "", []),
    StreamCase("the shortest", minimal + "l:0\r\n\r\n", [.message(20)]),
    StreamCase("the shortest, LF alone", "A b SIP/2.0\nl:0\n\n", [.message(17)]),
    StreamCase(
        "c lines shorter than the look ahead", "A b SIP/2.0\nc:\nl:1\n\nx" + "A b SIP/2.0\nc:\nl:0\n\n",
        [
            .message(21), .message(20),
        ]),
    StreamCase(
        "no header field at all", minimal + "\r\n" + message("l: 0\r\n"),
        [.goesOn(.lengthMissing), .message(15), whole("l: 0\r\n")]),
    StreamCase(
        "an empty line of CR alone is none", minimal + "l: 0\r\n\rX: y\r\n\r\n", [.message(28)]),
    StreamCase(
        "a line of blanks is a folded one", minimal + "l: 0\r\n \r\nX: y\r\n\r\n", [.message(30)]),
    StreamCase(
        "many in one read", String(repeating: message("l: 5\r\n", "hello"), count: 30),
        Array(repeating: whole("l: 5\r\n", "hello"), count: 30)),
    StreamCase(
        "a message as the body", message("l: \(minimal.utf8.count + 9)\r\n", minimal + "l: 90\r\n\r\n"),
        [whole("l: \(minimal.utf8.count + 9)\r\n", minimal + "l: 90\r\n\r\n")]),
    StreamCase(
        "NULs in the body (RFC 4475 §3.1.1.11)", message("l: 4\r\n", "\0\0\r\n") + message("l: 0\r\n"),
        [whole("l: 4\r\n", "\0\0\r\n"), whole("l: 0\r\n")]),
    StreamCase(
        "NULs in a value are for the scanner", message("X: \0\r\nl: 0\r\n"), [whole("X: \0\r\nl: 0\r\n")]),

    // The start line, RFC 3261 §7.1, §7.2: only what is none of SIP ends the stream.
    StreamCase("another version (RFC 4475 §3.1.2.16)", "OPTIONS sip:a SIP/7.0\r\nl:0\r\n\r\n", [.message(30)]),
    StreamCase("status too big (RFC 4475 §3.1.2.19)", "SIP/2.0 4294967301 x\r\nl:0\r\n\r\n", [.message(29)]),
    StreamCase("two blanks (RFC 4475 §3.1.2.9)", "INVITE  sip:a  SIP/2.0\r\nl:0\r\n\r\n", [.message(31)]),
    StreamCase("blanks after it (RFC 4475 §3.1.2.10)", "INVITE sip:a SIP/2.0  \r\nl:0\r\n\r\n", [.message(31)]),
    StreamCase("blank in the URI (RFC 4475 §3.1.2.8)", "INVITE sip:a; b SIP/2.0\r\nl:0\r\n\r\n", [.message(32)]),
    StreamCase("lower case", "invite sip:a sip/2.0\r\nl:0\r\n\r\n", [.message(29)]),
    StreamCase("IPv6 reference (RFC 5118 §4.1)", "OPTIONS sip:[2001:db8::10] SIP/2.0\r\nl:0\r\n\r\n", [.message(43)]),
    StreamCase("HTTP", "GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", [.closes(.startLine)]),
    StreamCase("a header field where a message starts", "Via: x\r\nl: 0\r\n\r\n", [.closes(.startLine)]),
    StreamCase("one word", "SIP\r\n\r\n", [.closes(.startLine)]),
    StreamCase("TLS", "\u{16}\u{3}\u{1}\u{2}\0", [.closes(.startOctet)]),
    StreamCase("NULs", String(repeating: "\0", count: 3000), [.closes(.startOctet)]),
    StreamCase("a blank", " INVITE sip:a SIP/2.0\r\n", [.closes(.startOctet)]),
    StreamCase("a head above the limit", message("X: " + String(repeating: "y", count: 1024)), [.closes(.headTooLong)]),
    StreamCase("never a line end", String(repeating: "A", count: 5000), [.closes(.headTooLong)]),
    StreamCase("no end of fields", start + String(repeating: "C: d\r\n", count: 500), [.closes(.headTooLong)]),
    StreamCase("no SIP and too long", "A b c\r\n" + String(repeating: "A", count: 5000), [.closes(.startLine)]),

    // Keep-alives, RFC 5626 §3.5.1, §4.4.1.
    StreamCase("ping", "\r\n\r\n", [.ping]),
    StreamCase("three pings", "\r\n\r\n\r\n\r\n\r\n\r\n", [.ping, .ping, .ping]),
    StreamCase("one line end is nothing", "\r\n", []),
    StreamCase("pong", "\r\n", [.pong], pongs: 1),
    StreamCase("pong, then ping", "\r\n\r\n\r\n", [.pong, .ping], pongs: 1),
    StreamCase("two pongs", "\r\n\r\n", [.pong, .pong], pongs: 2),
    StreamCase(
        "ping between messages", message("l: 0\r\n") + "\r\n\r\n" + message("l: 0\r\n"),
        [whole("l: 0\r\n"), .ping, whole("l: 0\r\n")]),
    StreamCase(
        "line ends before a message (RFC 3261 §7.5)", "\r\n" + message("l: 0\r\n") + "\r\n" + message("l: 0\r\n"),
        [whole("l: 0\r\n"), whole("l: 0\r\n")]),
    StreamCase(
        "odd line ends are skipped, and are no pings", "\n\n\r\r\n\n\r\r\n\r" + message("l: 0\r\n"), [whole("l: 0\r\n")]
    ),
    StreamCase("ping within a body is body", message("l: 4\r\n", "\r\n\r\n"), [whole("l: 4\r\n", "\r\n\r\n")]),
]

@Suite("StreamFramer")
struct StreamFramerTests {
    /// Small, so that both sides of each limit are cheap to reach.
    static let limits = StreamLimits(head: 1024, body: 600, passedOver: 4000)

    private func pool(
        _ limits: StreamLimits = Self.limits, capacity: Int = 1 << 20, reserve: Int = 0
    ) throws -> StreamBufferPool {
        try StreamBufferPool(capacity: capacity, reserve: reserve, limits: limits)
    }

    private func outcome(_ events: [FramedEvent]) -> [StreamCase.Outcome] {
        events.compactMap { event in
            switch event {
            case .message(let octets): return .message(octets.count)
            case .ping: return .ping
            case .pong: return .pong
            case .fault(let fault): return fault.goesOn ? .goesOn(fault.rule) : .closes(fault.rule)
            case .end(let fault): return fault == nil ? nil : .endsWithin
            }
        }
    }

    @Test(arguments: streamCases)
    func cuts(_ stream: StreamCase) throws {
        var pool = try pool()
        let events = framed([stream.octets[...]], &pool, pongs: stream.pongs)
        #expect(outcome(events) == stream.outcome)
        var scanner = MessageScanner()
        var random = SeededRandom(seed: 183)
        let wrong = exerciseStream(stream.octets, &pool, &scanner, pongs: stream.pongs) { random.next() }
        #expect(wrong == nil)
        for rule in StreamRule.allCases {
            let told = stream.outcome.contains { $0 == .goesOn(rule) || $0 == .closes(rule) }
            let ended = rule == .endedWithinMessage && stream.outcome.contains(.endsWithin)
            #expect((pool.count(rule) > 0) == (told || ended), "\(rule)")
        }
    }

    @Test func givesTheOctetsOfEachMessage() throws {
        var pool = try pool()
        let first = message("Content-Length: 5\r\n", "hello")
        let second = message("l: 3\r\n", "bye")
        let octets = Array((first + "\r\n\r\n" + second).utf8)
        let expected: [FramedEvent] = [.message(Array(first.utf8)), .ping, .message(Array(second.utf8)), .end(nil)]
        #expect(framed([octets[...]], &pool) == expected)
        #expect(pool.copiedMessages == 0)
        for place in octets.indices {
            #expect(framed([octets[..<place], octets[place...]], &pool) == expected, "cut at \(place)")
        }
    }

    @Test func wholeMessagesLieWhereTheyCame() throws {
        var pool = try pool()
        let octets = Octets(String(repeating: message("l: 5\r\n", "hello"), count: 3) + "\r\n\r\nINV")
        var framer = StreamFramer()
        var input = StreamInput(octets.raw)
        var next = octets.base
        for _ in 0..<3 {
            guard case .message(let message) = framer.next(&input, &pool) else {
                Issue.record("no message")
                return
            }
            #expect(message.baseAddress == next)
            next += message.count
        }
        guard case .ping = framer.next(&input, &pool) else {
            Issue.record("no ping")
            return
        }
        #expect(pool.used == 0)
        if case .some = framer.next(&input, &pool) { Issue.record("an event too many") }
        #expect(framer.waiting == 3)
        #expect(pool.used == StreamBufferPool.smallestBlock)
        framer.close(&pool)
        #expect(framer.waiting == 0)
        #expect(pool.used == 0)
        #expect(MemoryLayout<StreamFramer>.size <= 32)
    }

    @Test func withoutContentLengthClosesWhereThatIsWanted() throws {
        var limits = Self.limits
        limits.mayLackLength = false
        var pool = try pool(limits)
        let events = framed([Array(message("X: y\r\n").utf8)[...]], &pool)
        #expect(outcome(events) == [.closes(.lengthMissing)])
    }

    @Test func saysWhatItExpectedAndWhatCame() throws {
        var pool = try pool()
        func text(_ stream: String) -> String {
            for event in framed([Array(stream.utf8)[...]], &pool) {
                if case .fault(let fault) = event { return fault.description }
                if case .end(let fault?) = event { return fault.description }
            }
            return ""
        }
        #expect(
            text(message("l: 1073741824\r\n")) == """
                stream: expected a Content-Length that this reader takes, at most 600 octets, got "1073741824" \
                (RFC 3261 §18.3 and the limit of this reader); the connection must be closed
                """)
        #expect(
            text(message("l: 601\r\n")) == """
                stream: expected a Content-Length that this reader takes, at most 600 octets, got "601" \
                (RFC 3261 §18.3 and the limit of this reader); the message is passed over
                """)
        #expect(
            text(message("l: 5\r\nl: 6\r\n")) == """
                stream: expected one Content-Length, or several that agree, got "6" (RFC 3261 §7.3.1, §20.14); \
                the connection must be closed
                """)
        #expect(
            text("GET /a\"b HTTP/1.1\r\n\r\n") == """
                stream: expected a request line or a status line of SIP, got "GET /a\\"b HTTP/1.1" \
                (RFC 3261 §7.1, §7.2); the connection must be closed
                """)
        #expect(text("\u{16}\u{3}\u{1}").contains("got \"\\x16\", which is TLS"))
        #expect(text(message("")).contains("got none (RFC 3261 §18.3, §20.14); taken as 0"))
        #expect(text("INVITE sip:a").contains("the rest of a message, got \"INVITE sip:a\""))
    }
}
