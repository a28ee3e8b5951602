import Glibc
import Measurement
import SIPWire
import ScenarioDSL
import Testing

@testable import CallEngine

/// RFC 3261 §18.1.1: what is too large for UDP goes over TCP, and comes back where TCP is refused.
@Suite("--large tcp: a request above 1,300 octets goes over TCP")
struct MovedRequestTests {
    private static let filler = String(repeating: "x", count: 1_500)

    private func exchange(_ scenario: Scenario, _ change: (inout EngineSettings) -> Void = { _ in }) throws -> Exchange
    {
        try Exchange(scenario, plays: ["alice"]) {
            $0.transports = [.udp, .tcp]
            $0.movesLargeRequests = true
            change(&$0)
        }
    }

    private static func message(_ octets: Int) -> Scenario {
        Scenario("message") {
            Party("alice") {
                Send(.message) { Body("text/plain", Value(stringLiteral: String(repeating: "x", count: octets))) }
                Expect(200)
            }
        }
    }

    /// A call whose INVITE is long for a header of its own.
    private static let call = Scenario("call") {
        Party("alice") {
            Send(.invite) { Header("Subject", Value(stringLiteral: filler)) }
            Expect(180, .optional)
            Expect(200)
            Send(.ack)
            Pause(.seconds(1))
            Send(.bye)
            Expect(200)
        }
    }

    private static let callWithLargeAck = Scenario("call with a large ACK") {
        Party("alice") {
            Send(.invite) { Header("Subject", Value(stringLiteral: filler)) }
            Expect(200)
            Send(.ack) { Body("text/plain", Value(stringLiteral: filler)) }
            Pause(.seconds(1))
            Send(.bye)
            Expect(200)
        }
    }

    private static let given = Scenario("given up") {
        Party("alice") {
            Send(.invite) { Header("Subject", Value(stringLiteral: filler)) }
            Expect(180)
            Send(.cancel)
            Expect(200, .optional, answering: .cancel)
            Expect(487, answering: .invite)
        }
    }

    private func transport(_ message: SentMessage) -> Substring {
        message.header("Via").dropFirst("SIP/2.0/".count).prefix(3)
    }

    @Test("A large one says TCP, is not repeated, and its answer comes on that connection; a small one stays on UDP")
    func moved() throws {
        let large = try exchange(Self.message(1_300))
        try large.start()
        let sent = try large.takeOne()
        #expect(transport(sent) == "TCP" && sent.flow.isLane && sent.to == Exchange.peer)
        large.pass(.seconds(3))
        #expect(large.take().isEmpty)
        large.hear(sent.response("200 OK"), on: sent.flow)
        #expect(large.count(.runsSucceeded) == 1)
        #expect(large.count(.requestsMovedToTCP) == 1 && large.count(.requestsTooLargeForUDP) == 0)

        let small = try exchange(Self.message(200))
        try small.start()
        let other = try small.takeOne()
        #expect(transport(other) == "UDP" && !other.flow.isStream)
        #expect(small.count(.requestsMovedToTCP) == 0)
    }

    @Test("Each request of a dialog is judged on its own: ACK and BYE of a large INVITE go over UDP")
    func dialog() throws {
        let exchange = try exchange(Self.call)
        try exchange.start()
        let invite = try exchange.takeOne()
        #expect(transport(invite) == "TCP" && invite.flow.isLane)
        #expect(invite.header("Contact") == "<sip:alice@10.0.0.1:5060;transport=tcp>")
        #expect(invite.header("Subject") == Self.filler)
        let lines = invite.text.components(separatedBy: "\r\n")
        #expect(lines.count { $0.hasPrefix("Content-Length") } == 1)
        exchange.hear(invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"), on: invite.flow)
        let ack = try exchange.takeOne()
        #expect(ack.start == "ACK" && transport(ack) == "UDP" && !ack.flow.isStream && ack.to == Exchange.peer)
        exchange.pass(.milliseconds(1_100))
        let bye = try exchange.takeOne()
        #expect(bye.start == "BYE" && transport(bye) == "UDP" && !bye.flow.isStream)
        exchange.hear(bye.response("200 OK"))
        #expect(exchange.count(.runsSucceeded) == 1 && exchange.count(.requestsMovedToTCP) == 1)
    }

    @Test("A remote target that asks for TCP gets it")
    func askedFor() throws {
        let exchange = try exchange(Self.call)
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(
            invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060;transport=tcp>"), on: invite.flow)
        let ack = try exchange.takeOne()
        #expect(transport(ack) == "TCP" && ack.flow == invite.flow)
    }

    @Test("CANCEL and the ACK to the refusal go where the INVITE went, with its branch")
    func companions() throws {
        let exchange = try exchange(Self.given)
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("180 Ringing"), on: invite.flow)
        let cancel = try exchange.takeOne()
        #expect(cancel.start == "CANCEL" && cancel.flow == invite.flow)
        #expect(cancel.header("Via") == invite.header("Via"))
        exchange.hear(cancel.response("200 OK"), on: invite.flow)
        exchange.hear(invite.response("487 Request Terminated"), on: invite.flow)
        let ack = try exchange.takeOne()
        #expect(ack.start == "ACK" && ack.flow == invite.flow && ack.header("Via") == invite.header("Via"))
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("What is hung up at the end is cancelled where it went")
    func drained() throws {
        let exchange = try exchange(Self.call)
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("180 Ringing"), on: invite.flow)
        _ = exchange.drain(10)
        let cancel = try exchange.takeOne()
        #expect(cancel.start == "CANCEL" && cancel.flow == invite.flow)
        #expect(cancel.header("Via") == invite.header("Via"))
    }

    @Test(
        "Where TCP is refused the same transaction goes over UDP, once, with its timers; the next ones go there at once"
    )
    func refused() throws {
        let exchange = try exchange(Self.call)
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.tell(invite.flow, .refused(errno: ECONNREFUSED))
        let again = try exchange.takeOne()
        #expect(transport(again) == "UDP" && !again.flow.isStream && again.to == Exchange.peer)
        #expect(again.header("Via").dropFirst(11) == invite.header("Via").dropFirst(11))
        #expect(again.header("Contact") == "<sip:alice@10.0.0.1:5060>")
        #expect(again.header("CSeq") == invite.header("CSeq") && again.header("Subject") == Self.filler)
        exchange.pass(.milliseconds(600))
        #expect(try exchange.takeOne().text == again.text)
        exchange.hear(again.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        #expect(try exchange.takeOne().start == "ACK")
        #expect(exchange.count(.requestsMovedToTCP) == 1 && exchange.count(.requestsReturnedToUDP) == 1)
        #expect(exchange.count(.requestsTooLargeForUDP) == 1 && exchange.count(.transactionsLost) == 0)

        try exchange.start(1)
        #expect(transport(try exchange.takeOne()) == "UDP")
        #expect(exchange.count(.requestsMovedToTCP) == 1 && exchange.count(.requestsTooLargeForUDP) == 2)
        exchange.pass(.seconds(32))
        _ = exchange.take()
        try exchange.start(2)
        #expect(transport(try #require(exchange.take().last)) == "TCP")
    }

    @Test("A connection that stood and was lost takes its transactions with it: they were on their way")
    func lost() throws {
        let exchange = try exchange(Self.message(1_300))
        try exchange.start()
        let sent = try exchange.takeOne()
        exchange.tell(sent.flow, .opened(nanoseconds: 1_000))
        exchange.tell(sent.flow, .closed(errno: ECONNRESET))
        #expect(exchange.take().isEmpty)
        #expect(exchange.count(.runsFailed) == 1 && exchange.count(.requestsReturnedToUDP) == 0)
    }

    @Test("A host that cannot be reached is no refusal of TCP")
    func unreachable() throws {
        let exchange = try exchange(Self.message(1_300))
        try exchange.start()
        exchange.tell(try exchange.takeOne().flow, .refused(errno: EHOSTUNREACH))
        #expect(exchange.take().isEmpty && exchange.count(.runsFailed) == 1)
    }

    @Test("With credentials a request may have become too large")
    func credentials() throws {
        let scenario = Scenario("message") {
            Party("alice") {
                Credentials(user: "alice", password: "secret")
                Send(.message) { Body("text/plain", Value(stringLiteral: String(repeating: "x", count: 850))) }
                Expect(200)
            }
        }
        let exchange = try exchange(scenario)
        try exchange.start()
        let sent = try exchange.takeOne()
        #expect(transport(sent) == "UDP")
        exchange.hear(
            sent.response(
                "401 Unauthorized",
                "WWW-Authenticate: Digest realm=\"r\", nonce=\"\(String(repeating: "n", count: 200))\", algorithm=MD5"))
        let again = try exchange.takeOne()
        #expect(again.text.utf8.count > 1_300 && transport(again) == "TCP" && again.flow.isLane)
        #expect(again.header("Authorization").hasPrefix("Digest "))
        exchange.hear(again.response("200 OK"), on: again.flow)
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("A large ACK goes over TCP, and again when its 2xx comes again")
    func largeAck() throws {
        let exchange = try exchange(Self.callWithLargeAck)
        try exchange.start()
        let invite = try exchange.takeOne()
        let answer = invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>")
        exchange.hear(answer, on: invite.flow)
        let ack = try exchange.takeOne()
        #expect(ack.start == "ACK" && transport(ack) == "TCP" && ack.flow == invite.flow)
        exchange.hear(answer, on: invite.flow)
        let again = try exchange.takeOne()
        #expect(again.text == ack.text && again.flow == ack.flow)
        #expect(exchange.count(.requestsMovedToTCP) == 2)
    }

    @Test("Above what UDP carries at all, TCP is the only way")
    func aboveAllDatagrams() throws {
        let exchange = try exchange(Self.message(70_000))
        try exchange.start()
        let sent = try exchange.takeOne()
        #expect(sent.text.utf8.count > 70_000 && sent.flow.isLane)
        exchange.tell(sent.flow, .refused(errno: ECONNREFUSED))
        #expect(exchange.take().isEmpty && exchange.count(.runsFailed) == 1)
    }

    @Test("A raw request is its author's: it stays where it is")
    func raw() throws {
        let scenario = Scenario("raw") {
            Party("alice") {
                SendRaw(.options, owning: .branch) { Header("Subject", Value(stringLiteral: Self.filler)) }
                Expect(200)
            }
        }
        let exchange = try exchange(scenario)
        try exchange.start()
        let sent = try exchange.takeOne()
        #expect(!sent.flow.isStream && transport(sent) == "UDP")
        #expect(exchange.count(.requestsTooLargeForUDP) == 1 && exchange.count(.requestsMovedToTCP) == 0)
    }
}
