import Measurement
import SIPWire
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

/// Calls from many addresses over one socket: which address a message leaves from and which one it names.
@Suite("A call's own source address")
struct SourceTests {
    private static let contact = "Contact: <sip:bob@10.0.0.2:5060>"
    private static let peersCall = "a84b4c76e66710"

    private static func address(_ last: UInt32) -> TransportAddress {
        TransportAddress(ipv4: 0x0A00_0900 + last, port: 5060)
    }

    private static func exchange(
        _ scenario: Scenario = basicCall, plays: Set<String> = ["alice"], order: SourceOrder = .sequential,
        change: (inout EngineSettings) -> Void = { _ in }
    ) throws -> Exchange {
        var sources = SourceAddresses()
        try sources.add("10.0.9.1-10.0.9.3")
        return try Exchange(scenario, plays: plays) {
            $0.sources = sources
            $0.sourceOrder = order
            $0.local = address(1)
            change(&$0)
        }
    }

    @Test("stands in Via, Contact and SDP, and all of its messages leave from it")
    func wholeCall() throws {
        let exchange = try Self.exchange()
        for number in 0..<4 as Range<UInt64> {
            let host = "10.0.9.\(number % 3 + 1)"
            let local = Self.address(UInt32(number % 3 + 1))
            try exchange.start(number)
            let invite = try exchange.takeOne()
            #expect(invite.to == Exchange.peer)
            #expect(invite.from == local)
            #expect(invite.header("Via").hasPrefix("SIP/2.0/UDP \(host):5060;branch="))
            #expect(invite.header("Contact").contains("@\(host):5060>"))
            #expect(invite.text.contains("\r\nc=IN IP4 \(host)\r\n"))
            #expect(invite.text.contains("IN IP4 \(host)\r\ns="))
            exchange.hear(invite.response("200 OK", Self.contact), at: local)
            let after = exchange.take()
            #expect(after.map(\.start) == ["ACK", "BYE"])
            for message in after {
                #expect(message.from == local)
                #expect(message.header("Via").hasPrefix("SIP/2.0/UDP \(host):5060;branch="))
            }
            exchange.hear(after[1].response("200 OK"), at: local)
            // RFC 6026 Timer M: the ACK that is made from the repeated 2xx leaves from the same.
            exchange.hear(invite.response("200 OK", Self.contact), at: local)
            let again = try exchange.takeOne()
            #expect(again.start == "ACK" && again.from == local)
            #expect(again.header("Via").hasPrefix("SIP/2.0/UDP \(host):5060;branch="))
        }
        #expect(exchange.liveRuns == 0)
        #expect(exchange.count(.runsSucceeded) == 4)
    }

    @Test("is the same in a retransmission, octet for octet")
    func retransmission() throws {
        let exchange = try Self.exchange()
        try exchange.start(1)
        let invite = try exchange.takeOne()
        exchange.pass(.milliseconds(600))
        let again = try exchange.takeOne()
        #expect(again.text == invite.text && again.flow == invite.flow)
    }

    @Test("is that of a refusal's ACK, also when the refusal comes again")
    func refusal() throws {
        let exchange = try Self.exchange()
        try exchange.start(2)
        let invite = try exchange.takeOne()
        for _ in 0..<2 {
            exchange.hear(invite.response("486 Busy Here"), at: Self.address(3))
            let ack = try exchange.takeOne()
            #expect(ack.start == "ACK" && ack.to == Exchange.peer)
            #expect(ack.header("Via") == invite.header("Via"))
            #expect(ack.from == Self.address(3))
        }
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.examples.first?.localAddress == "10.0.9.3:5060")
    }

    @Test("is the only sent-by that a response may have (RFC 3261 §18.1.2)")
    func foreignSentBy() throws {
        let exchange = try Self.exchange()
        try exchange.start(1)
        let invite = try exchange.takeOne()
        let answer = invite.response("200 OK", Self.contact)
        exchange.hear(answer.replacing("UDP 10.0.9.2:5060", with: "UDP 10.0.9.1:5060"), at: Self.address(2))
        #expect(exchange.take().isEmpty)
        exchange.hear(
            answer.replacing("UDP 10.0.9.2:5060;", with: "UDP 10.0.9.2;received=10.0.9.2;"), at: Self.address(2))
        #expect(exchange.take().map(\.start) == ["ACK", "BYE"])
    }

    @Test("is kept where a redirection is followed")
    func redirected() throws {
        let following = Scenario("following") {
            Party("alice") {
                Send(.invite)
                Expect(302)
                Send(.invite, redirectedTo: .header("Contact"))
                Expect(200)
                Send(.ack)
            }
        }
        let exchange = try Self.exchange(following)
        try exchange.start(1)
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("302 Moved", "Contact: <sip:bob@10.0.0.7:5099>"), at: Self.address(2))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "INVITE"])
        #expect(sent.map(\.to.text) == ["10.0.0.2:5060", "10.0.0.7:5099"])
        for message in sent {
            #expect(message.from == Self.address(2))
            #expect(message.header("Via").hasPrefix("SIP/2.0/UDP 10.0.9.2:5060;"))
        }
    }

    @Test("begins no more runs than --source-rate lets it; others begin theirs")
    func rate() throws {
        let exchange = try Self.exchange { $0.sourceRate = 10 }
        for number in 0..<3 as Range<UInt64> { try exchange.start(number) }
        let hasStarted = exchange.engine.startRun(number: 3, due: exchange.now, now: exchange.now)
        #expect(!hasStarted)
        #expect(exchange.count(.runsBeyondSourceRate) == 1 && exchange.count(.arrivalsDue) == 4)
        exchange.pass(.milliseconds(100))
        try exchange.start(6)
        #expect(exchange.count(.runsStarted) == 4)
    }

    // MARK: a listener at all addresses

    private static func invite(to host: String, from: String = "10.0.0.2:5060") -> String {
        request(
            "INVITE", uri: "sip:bob@\(host)", branch: "one\(host)", from: "<sip:alice@10.0.0.2>;tag=a",
            to: "<sip:bob@\(host)>",
            callID: peersCall + host, cseq: "1 INVITE", "Contact: <sip:alice@10.0.0.2:5060>")
    }

    @Test("of what is called at any address is the address it is called at")
    func everywhere() throws {
        let exchange = try Exchange(basicCall, plays: ["bob"]) { $0.listensEverywhere = true }
        for last in [7, 8, 7] as [UInt32] {
            let host = "10.0.9.\(last)"
            let local = Self.address(last)
            let callID = "\(exchange.count(.runsSucceeded))"
            let invite = Self.invite(to: host).replacing(Self.peersCall, with: callID).replacing(
                "z9hG4bKone", with: "z9hG4bK\(callID)")
            exchange.hear(invite, at: local)
            let answers = exchange.take()
            #expect(answers.map(\.start) == ["180", "200"])
            for answer in answers {
                #expect(answer.from == local && answer.to == Exchange.peer)
                #expect(answer.header("Contact").contains("@\(host):5060>"))
            }
            let tag = answers[1].header("To").split(separator: "=").last.map(String.init) ?? ""
            func inDialog(_ method: String, _ number: Int) -> String {
                request(
                    method, uri: "sip:bob@\(host)", branch: "\(method)\(callID)", from: "<sip:alice@10.0.0.2>;tag=a",
                    to: "<sip:bob@\(host)>;tag=\(tag)", callID: callID + host, cseq: "\(number) \(method)")
            }
            exchange.hear(inDialog("ACK", 1), at: local)
            exchange.hear(inDialog("BYE", 2), at: local)
            let bye = try exchange.takeOne()
            #expect(bye.start == "200" && bye.from == local)
        }
        #expect(exchange.count(.runsSucceeded) == 3)
    }

    @Test("is where a connection of ours comes from that is opened for its dialog")
    func connection() throws {
        let calling = Scenario("calling") {
            Party("bob") {
                Expect(.invite)
                Send(200) { Answer() }
                Expect(.ack)
                Send(.bye)
                Expect(200)
            }
        }
        let exchange = try Exchange(calling) {
            $0.listensEverywhere = true
            $0.transports = [.udp, .tcp]
        }
        let invite = Self.invite(to: "10.0.9.7").replacing(
            "<sip:alice@10.0.0.2:5060>", with: "<sip:alice@10.0.0.6:5070;transport=tcp>")
        exchange.hear(invite, at: Self.address(7))
        let tag = try exchange.takeOne().header("To").split(separator: "=").last.map(String.init) ?? ""
        exchange.hear(
            request(
                "ACK", uri: "sip:bob@10.0.9.7", branch: "ack", from: "<sip:alice@10.0.0.2>;tag=a",
                to: "<sip:bob@10.0.9.7>;tag=\(tag)", callID: Self.peersCall + "10.0.9.7", cseq: "1 ACK"),
            at: Self.address(7))
        let bye = try exchange.takeOne()
        #expect(bye.start == "BYE" && bye.flow.isLane && bye.to.text == "10.0.0.6:5070")
        #expect(bye.from == Self.address(7))
        #expect(bye.header("Via").hasPrefix("SIP/2.0/TCP 10.0.9.7:5060;"))
    }

    @Test("advertised host or not, the address that an answer leaves from is the one it was called at")
    func advertised() throws {
        let exchange = try Exchange(basicCall, plays: ["bob"]) {
            $0.listensEverywhere = true
            $0.advertisedHost = "bob.example.com"
        }
        exchange.hear(Self.invite(to: "10.0.9.7"), at: Self.address(7))
        for answer in exchange.take() {
            #expect(answer.from == Self.address(7))
            #expect(answer.header("Contact").contains("@bob.example.com:5060>"))
        }
    }
}

/// RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4: what is written into a Via, and where a response goes.
@Suite("A response's way")
struct ResponseWayTests {
    @Test(
        "is that which the topmost Via asks for",
        arguments: [
            // Via without branch, what the answer's says, host and port that the answer goes to.
            ("10.0.0.2:5070", "10.0.0.2:5070", "10.0.0.2:5070"), ("10.0.0.2", "10.0.0.2", "10.0.0.2:5060"),
            ("10.0.0.9:5070", "10.0.0.9:5070;received=10.0.0.2", "10.0.0.2:5070"),
            ("pc.example.com", "pc.example.com;received=10.0.0.2", "10.0.0.2:5060"),
            ("10.0.0.9:5070;received=10.9.9.9", "10.0.0.9:5070;received=10.0.0.2", "10.0.0.2:5070"),
            ("10.0.0.9:5070;rport", "10.0.0.9:5070;rport=6000;received=10.0.0.2", "10.0.0.2:6000"),
            ("10.0.0.2:6000;rport", "10.0.0.2:6000;rport=6000;received=10.0.0.2", "10.0.0.2:6000"),
            ("10.0.0.2:5070;maddr=10.0.0.7", "10.0.0.2:5070;maddr=10.0.0.7", "10.0.0.7:5070"),
            ("10.0.0.9;maddr=10.0.0.7", "10.0.0.9;maddr=10.0.0.7;received=10.0.0.2", "10.0.0.7:5060"),
            ("10.0.0.2:5070;maddr=224.0.1.75", "10.0.0.2:5070;maddr=224.0.1.75", "10.0.0.2:5070"),
            ("10.0.0.2:5070;maddr=sip.example.com", "10.0.0.2:5070;maddr=sip.example.com", "10.0.0.2:5070"),
        ])
    func way(via: String, answered: String, to: String) throws {
        let exchange = try Exchange(optionsPing, plays: [])
        let source = TransportAddress(ipv4: 0x0A00_0002, port: 6000)
        let request = request(
            "OPTIONS", branch: "w", from: "<sip:alice@10.0.0.2>;tag=a", to: "<sip:bob@10.0.0.1>", callID: "way",
            cseq: "1 OPTIONS")
        exchange.hear(request.replacing("SIP/2.0/UDP 10.0.0.2:5060;", with: "SIP/2.0/UDP \(via);"), from: source)
        let answer = try exchange.takeOne()
        let parts = Set(answer.header("Via").dropFirst("SIP/2.0/UDP ".count).split(separator: ";").map(String.init))
        #expect(parts == Set(answered.split(separator: ";").map(String.init) + ["branch=z9hG4bKw"]))
        #expect(answer.to.text == to)
    }

    @Test("comes back to the port that a request was sent from, where the run asks for it (RFC 3581 §3)")
    func asked() throws {
        let exchange = try Exchange(basicCall, plays: ["alice"]) { $0.asksForPort = true }
        try exchange.start()
        let invite = try exchange.takeOne()
        #expect(invite.header("Via").hasPrefix("SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK"))
        let answer = invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>")
        exchange.hear(answer.replacing(";rport;", with: ";rport=1024;received=192.0.2.1;"))
        let after = exchange.take()
        #expect(after.map(\.start) == ["ACK", "BYE"])
        for message in after { #expect(message.header("Via").contains(":5060;rport;branch=")) }
    }
}
