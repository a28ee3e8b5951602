import Measurement
import SIPWire
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

/// What the engine does differently where messages go over connections (RFC 3261 §17, §18).
@Suite("Calls over streams")
struct StreamTests {
    private static let accepted = Flow.accepted(connection: 7, generation: 3)
    private static let peersEnd = TransportAddress(ipv4: 0x0A00_0002, port: 43_210)

    private func caller(
        _ scenario: Scenario = Scenarios.basicCall, _ change: (inout EngineSettings) -> Void = { _ in }
    ) throws -> Exchange {
        try Exchange(scenario, plays: ["alice"]) {
            $0.transports = .tcp
            change(&$0)
        }
    }

    /// bob, to whom a peer has opened a connection.
    private func callee(_ scenario: Scenario = Scenarios.basicCall, _ transports: Transports = .tcp) throws -> Exchange
    {
        let exchange = try Exchange(scenario, plays: ["bob"]) { $0.transports = transports }
        exchange.tell(Self.accepted, .accepted(from: Self.peersEnd))
        return exchange
    }

    private func invite(
        branch: String = "i1", call: String = "c1", sentBy: String = "10.0.0.2:5060",
        contact: String = "<sip:peer@10.0.0.2:5060;transport=tcp>", transport: String = "TCP"
    ) -> String {
        [
            "INVITE sip:bob@10.0.0.1:5060 SIP/2.0", "Via: SIP/2.0/\(transport) \(sentBy);branch=z9hG4bK\(branch)",
            "Max-Forwards: 70", "From: <sip:peer@10.0.0.2>;tag=p1", "To: <sip:bob@10.0.0.1>", "Call-ID: \(call)",
            "CSeq: 1 INVITE", "Contact: \(contact)", "Content-Length: 0", "", "",
        ].joined(separator: "\r\n")
    }

    @Test("Via and Contact name TCP, and nothing is sent again: Timer A does not run, Timer B does")
    func noRetransmission() throws {
        let exchange = try caller()
        try exchange.start()
        let invite = try exchange.takeOne()
        #expect(invite.header("Via").hasPrefix("SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK"))
        #expect(invite.header("Contact") == "<sip:alice@10.0.0.1:5060;transport=tcp>")
        #expect(invite.flow.isLane && invite.to == Exchange.peer)
        exchange.pass(.seconds(31))
        #expect(exchange.take().isEmpty)
        #expect(exchange.liveRuns == 1)
        exchange.pass(.seconds(2))
        #expect(exchange.count(.runsFailed) == 1)
        #expect(exchange.count(.inviteRetransmissionsSent) == 0)
    }

    @Test("Timer E does not run for a BYE, Timer F does")
    func byeOnce() throws {
        let exchange = try caller()
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060;transport=tcp>"), on: invite.flow)
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        #expect(sent.allSatisfy { $0.flow == invite.flow && $0.header("Via").hasPrefix("SIP/2.0/TCP ") })
        exchange.pass(.seconds(31))
        #expect(exchange.take().isEmpty)
        exchange.pass(.seconds(2))
        #expect(exchange.count(.runsFailed) == 1)
    }

    @Test("a response answers on the connection its request came on, and a 2xx is repeated until its ACK (§13.3.1.4)")
    func answersOnTheConnection() throws {
        let exchange = try callee()
        exchange.hear(invite(), on: Self.accepted)
        let first = exchange.take()
        #expect(first.map(\.start) == ["180", "200"])
        #expect(first.allSatisfy { $0.flow == Self.accepted })
        #expect(first[1].header("Contact") == "<sip:bob@10.0.0.1:5060;transport=tcp>")
        exchange.pass(.milliseconds(1600))
        #expect(exchange.take().map(\.start) == ["200", "200"])
        let ack = first[1].header("To")
        exchange.hear(
            request(
                "ACK", branch: "a1", from: "<sip:peer@10.0.0.2>;tag=p1", to: ack, callID: "c1", cseq: "1 ACK"),
            on: Self.accepted)
        exchange.pass(.seconds(5))
        #expect(exchange.take().isEmpty)
    }

    @Test("a refusal is sent once: Timer G does not run, Timer H does")
    func refusesOnce() throws {
        let exchange = try callee(Scenarios.busy)
        exchange.hear(invite(), on: Self.accepted)
        #expect(exchange.take().map(\.start) == ["486"])
        exchange.pass(.seconds(31))
        #expect(exchange.take().isEmpty)
        exchange.pass(.seconds(2))
        #expect(exchange.liveSlots == 0)
    }

    @Test("what has ended is not remembered for 32 s: Timers D and J are 0")
    func shortMemory() throws {
        let exchange = try caller(Scenarios.busy)
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("486 Busy Here"), on: invite.flow)
        let ack = try exchange.takeOne()
        #expect(ack.start == "ACK" && ack.flow == invite.flow)
        #expect(exchange.count(.runsSucceeded) == 1)
        #expect(exchange.engine.residue == EngineResidue())

        let answering = try callee(Scenarios.optionsPing)
        answering.hear(
            request(
                "OPTIONS", branch: "o1", from: "<sip:peer@10.0.0.2>;tag=p1", to: "<sip:bob@10.0.0.1>", callID: "c1",
                cseq: "1 OPTIONS"), on: Self.accepted)
        #expect(answering.take().map(\.start) == ["200"])
        answering.pass(.seconds(3))
        #expect(answering.engine.residue == EngineResidue())
    }

    @Test("calls take the connections in turn, and each of its messages the same one")
    func lanesInTurn() throws {
        let exchange = try caller { $0.connections = .shared(3) }
        for number in 0..<6 as Range<UInt64> { try exchange.start(number) }
        let invites = exchange.take()
        #expect(Set(invites.map(\.flow)).count == 3)
        #expect(invites[0].flow == invites[3].flow && invites[2].flow == invites[5].flow)
        exchange.hear(
            invites[4].response("200 OK", "Contact: <sip:bob@10.0.0.2:5060;transport=tcp>"), on: invites[4].flow)
        #expect(exchange.take().allSatisfy { $0.flow == invites[4].flow })
    }

    @Test("a call's own connection is its own, and is closed when the call is over")
    func ownConnection() throws {
        let exchange = try caller { $0.connections = .perCall }
        try exchange.start(0)
        try exchange.start(1)
        let invites = exchange.take()
        #expect(invites[0].flow != invites[1].flow && invites.allSatisfy { $0.flow.isOfCall })
        exchange.hear(
            invites[0].response("200 OK", "Contact: <sip:bob@10.0.0.2:5060;transport=tcp>"), on: invites[0].flow)
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        exchange.hear(sent[1].response("200 OK"), on: invites[0].flow)
        let entry = exchange.engine.outbound[0]
        #expect(exchange.engine.outbound.count == 1 && entry.length == 0 && entry.flow == invites[0].flow)
    }

    @Test(
        "the callee hangs up on the connection it was called on where that leads to the Contact, else on another",
        arguments: [
            ("10.0.0.2:5060", "<sip:peer@10.0.0.2:5060;transport=tcp>", true),
            ("10.0.0.2:5060", "<sip:peer@10.0.0.2:5060>", true),
            ("10.0.0.2:5060", "<sip:peer@10.0.0.9:5062;transport=tcp>", false),
            // A sent-by on another host proves nothing: its connection could be anybody's.
            ("10.0.0.9:5062", "<sip:peer@10.0.0.9:5062;transport=tcp>", false),
        ])
    func hangsUpWhereItLeads(sentBy: String, contact: String, isSame: Bool) throws {
        let exchange = try callee(
            Scenario("hangs-up", "the callee hangs up") {
                Party("alice") {
                    Send(.invite)
                    Expect(200)
                    Send(.ack)
                    Expect(.bye)
                    Send(200)
                }
                Party("bob") {
                    Expect(.invite)
                    Send(200)
                    Expect(.ack)
                    Send(.bye)
                    Expect(200)
                }
            })
        exchange.hear(invite(sentBy: sentBy, contact: contact), on: Self.accepted)
        let answer = try exchange.takeOne()
        exchange.hear(
            request(
                "ACK", branch: "a1", from: "<sip:peer@10.0.0.2>;tag=p1", to: answer.header("To"), callID: "c1",
                cseq: "1 ACK"), on: Self.accepted)
        let bye = try exchange.takeOne()
        #expect(bye.start == "BYE")
        #expect((bye.flow == Self.accepted) == isSame)
        if !isSame { #expect(bye.flow.isLane && bye.to == TransportAddress(ipv4: 0x0A00_0009, port: 5062)) }
    }

    @Test("a connection that ends takes its transactions with it, names why, and leaves other calls alone")
    func lostConnection() throws {
        let exchange = try caller { $0.connections = .shared(2) }
        try exchange.start(0)
        try exchange.start(1)
        let invites = exchange.take()
        exchange.hear(invites[0].response("180 Ringing"), on: invites[0].flow)
        exchange.tell(invites[0].flow, .closed(errno: 104))
        #expect(exchange.count(.runsFailed) == 1)
        #expect(exchange.count(.transactionsLost) == 1)
        #expect(exchange.liveRuns == 1)
        #expect(exchange.take().isEmpty)
        exchange.hear(
            invites[1].response("200 OK", "Contact: <sip:bob@10.0.0.2:5060;transport=tcp>"), on: invites[1].flow)
        let bye = try #require(exchange.take().last)
        exchange.hear(bye.response("200 OK"), on: invites[1].flow)
        #expect(exchange.count(.runsSucceeded) == 1)
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.got.contains("Connection reset by peer"), "\(group.got)")
    }

    @Test("a dialog outlives its connection: the next request takes another, to the Contact")
    func dialogGoesOn() throws {
        let exchange = try callee(
            Scenario("late-bye", "the callee hangs up later") {
                Party("alice") {
                    Send(.invite)
                    Expect(200)
                    Send(.ack)
                    Expect(.bye)
                    Send(200)
                }
                Party("bob") {
                    Expect(.invite)
                    Send(200)
                    Expect(.ack)
                    Pause(.seconds(3))
                    Send(.bye)
                    Expect(200)
                }
            })
        exchange.hear(invite(), on: Self.accepted)
        let answer = try exchange.takeOne()
        exchange.hear(
            request(
                "ACK", branch: "a1", from: "<sip:peer@10.0.0.2>;tag=p1", to: answer.header("To"), callID: "c1",
                cseq: "1 ACK"), on: Self.accepted)
        exchange.tell(Self.accepted, .closed(errno: 0))
        exchange.pass(.seconds(4))
        let bye = try exchange.takeOne()
        #expect(bye.start == "BYE" && bye.flow.isLane && bye.to == Exchange.peer)
        exchange.hear(bye.response("200 OK"), on: bye.flow)
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test(
        "an unanswered INVITE ends with the connection it came on; after a 2xx the ACK may come on another",
        arguments: [true, false])
    func lostByTheCallee(isAnswered: Bool) throws {
        let scenario = Scenario("slow", "answers late") {
            Party("alice") {
                Send(.invite)
                Expect(200)
                Send(.ack)
            }
            Party("bob") {
                Expect(.invite)
                Send(180)
                Pause(.seconds(isAnswered ? 0.01 : 10))
                Send(200)
                Expect(.ack)
            }
        }
        let exchange = try callee(scenario)
        exchange.hear(invite(), on: Self.accepted)
        exchange.pass(.milliseconds(100))
        #expect(exchange.take().map(\.start) == (isAnswered ? ["180", "200"] : ["180"]))
        exchange.tell(Self.accepted, .closed(errno: 0))
        exchange.pass(.milliseconds(10))
        #expect(exchange.take().isEmpty)
        guard isAnswered else {
            #expect(exchange.count(.runsFailed) == 1 && exchange.liveRuns == 0)
            return
        }
        #expect(exchange.count(.runsFailed) == 0 && exchange.liveRuns == 1)
        // Nobody acknowledges it in time (RFC 3261 §13.3.1.4): it is hung up, on a connection to its Contact.
        exchange.pass(.seconds(33))
        let sent = exchange.take().filter { $0.start == "BYE" }
        #expect(sent.count == 1)
        for bye in sent { exchange.hear(bye.response("200 OK"), on: bye.flow) }
        #expect(exchange.count(.runsFailed) == 1 && exchange.liveRuns == 0)
    }

    @Test("no call begins on a connection whose queue is half full; others go on")
    func fullQueue() throws {
        let exchange = try caller { $0.connections = .shared(2) }
        try exchange.start(0)
        let lane = try exchange.takeOne().flow
        exchange.tell(lane, .queueFull)
        #expect(exchange.mayStart(1) && !exchange.mayStart(2))
        let now = exchange.now
        let hasStarted = exchange.engine.startRun(number: 2, due: now, now: now)
        #expect(!hasStarted)
        #expect(exchange.count(.runsWithoutConnection) == 1)
        try exchange.start(3)
        exchange.tell(lane, .writable)
        try exchange.start(4)
        #expect(exchange.count(.arrivalsDue) == 4 && exchange.count(.runsStarted) == 3)
    }

    @Test(
        "what waits on our side since the peer does not read is told so, and not as the peer's silence",
        arguments: [true, false])
    func unread(flowsAgain: Bool) throws {
        let exchange = try caller()
        try exchange.start(0)
        let lane = try exchange.takeOne().flow
        exchange.tell(lane, .stalled)
        exchange.pass(.seconds(20))
        if flowsAgain { exchange.tell(lane, .flowing) }
        exchange.pass(.seconds(20))
        #expect(exchange.count(.runsFailed) == 1 && exchange.liveRuns == 0)
        let got = try #require(exchange.record().failureGroups.first?.got)
        #expect(got.contains("the peer does not read") != flowsAgain, "\(got)")
    }

    @Test("a message that found no room ends its call and no other")
    func droppedMessage() throws {
        let exchange = try caller()
        try exchange.start(0)
        try exchange.start(1)
        let flow = exchange.take()[0].flow
        let owner: UInt32 = 0
        exchange.engine.sendDropped(on: flow, owner: owner, errno: 105, now: exchange.now)
        #expect(exchange.count(.runsFailed) == 1 && exchange.liveRuns == 1)
        exchange.engine.sendDropped(
            on: .accepted(connection: 1, generation: 1), owner: 1, errno: 105, now: exchange.now)
        exchange.engine.sendDropped(on: flow, owner: .max, errno: 105, now: exchange.now)
        #expect(exchange.count(.runsFailed) == 1 && exchange.liveRuns == 1)
    }

    @Test(
        "who speaks both answers each as it was asked, and goes where a Contact says",
        arguments: [
            ("UDP", "<sip:peer@10.0.0.2:5060>", false), ("UDP", "<sip:peer@10.0.0.2:5060;transport=TCP>", true),
        ])
    func bothTransports(transport: String, contact: String, byStream: Bool) throws {
        let exchange = try callee(
            Scenario("hangs-up", "the callee hangs up") {
                Party("alice") {
                    Send(.invite)
                    Expect(200)
                }
                Party("bob") {
                    Expect(.invite)
                    Send(200)
                    Expect(.ack)
                    Send(.bye)
                    Expect(200)
                }
            }, [.udp, .tcp])
        exchange.hear(invite(contact: contact, transport: transport))
        let answer = try exchange.takeOne()
        #expect(!answer.flow.isStream && answer.header("Contact") == "<sip:bob@10.0.0.1:5060>")
        exchange.hear(
            request(
                "ACK", branch: "a1", from: "<sip:peer@10.0.0.2>;tag=p1", to: answer.header("To"), callID: "c1",
                cseq: "1 ACK"))
        let bye = try exchange.takeOne()
        #expect(bye.flow.isStream == byStream)
        #expect(bye.header("Via").hasPrefix(byStream ? "SIP/2.0/TCP " : "SIP/2.0/UDP "))
    }
}
