import Measurement
import SIPWire
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

/// What a later INVITE of a dialog gets, and what its answers get.
@Suite("Re-INVITE")
struct ReinviteTests {
    private let alice = "<sip:alice@10.0.0.2>;tag=a"

    /// bob of the basic call, answered and acknowledged.
    private func answered() throws -> (exchange: Exchange, ok: SentMessage) {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["bob"])
        exchange.hear(
            request(
                "INVITE", branch: "1", from: alice, to: "<sip:bob@10.0.0.1>", callID: "c", cseq: "1 INVITE",
                "Contact: <sip:alice@10.0.0.2:5060>"))
        let ok = try #require(exchange.take().last)
        exchange.hear(request("ACK", branch: "2", from: alice, to: ok.header("To"), callID: "c", cseq: "1 ACK"))
        return (exchange, ok)
    }

    @Test("a callee whose script has no more INVITE to take refuses one at once (RFC 3261 §14.2)")
    func refused() throws {
        let (exchange, ok) = try answered()
        exchange.hear(request("INVITE", branch: "3", from: alice, to: ok.header("To"), callID: "c", cseq: "2 INVITE"))
        #expect(try exchange.takeOne().start == "488")
        exchange.hear(request("ACK", branch: "3", from: alice, to: ok.header("To"), callID: "c", cseq: "2 ACK"))
        exchange.hear(request("BYE", branch: "4", from: alice, to: ok.header("To"), callID: "c", cseq: "3 BYE"))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    /// alice has sent her re-INVITE, which it returns.
    private func reinvited() throws -> (exchange: Exchange, invite: SentMessage) {
        let scenario = Scenario("again") {
            Party("alice") {
                Send(.invite)
                Expect(200)
                Send(.ack)
                Send(.invite)
                Expect(200) { Require(.header("X") == "1", "X is 1") }
                Send(.ack)
                Send(.bye)
                Expect(200)
            }
        }
        let exchange = try Exchange(scenario)
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        let sent = exchange.take()
        try #require(sent.map(\.start) == ["ACK", "INVITE"])
        return (exchange, sent[1])
    }

    @Test("a 200 that fails a check is acknowledged before the BYE (RFC 3261 §13.2.2.4)")
    func failedCheck() throws {
        let (exchange, invite) = try reinvited()
        exchange.hear(invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        #expect(sent[0].header("CSeq") == "2 ACK")
        // Repeated, it gets the same ACK.
        exchange.hear(invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        #expect(try exchange.takeOne().text == sent[0].text)
    }

    @Test("the first INVITE's 200, repeated while a later INVITE is pending, gets its own ACK")
    func lateRepeat() throws {
        let scenario = Scenario("again") {
            Party("alice") {
                Send(.invite)
                Expect(200)
                Send(.ack)
                Send(.invite)
                Expect(200)
                Send(.ack)
                Send(.bye)
                Expect(200)
            }
        }
        let exchange = try Exchange(scenario)
        try exchange.start()
        let ok = try exchange.takeOne().response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>")
        exchange.hear(ok)
        let sent = exchange.take()
        exchange.hear(ok)
        #expect(try exchange.takeOne().text == sent[0].text)
        exchange.hear(sent[1].response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        #expect(exchange.take().map(\.start) == ["ACK", "BYE"])
        exchange.hear(ok)
        #expect(try exchange.takeOne().text == sent[0].text)
    }

    @Test("a refusal, repeated, gets the same ACK again (RFC 3261 §17.1.1.2)")
    func repeatedRefusal() throws {
        let (exchange, invite) = try reinvited()
        let refusal = invite.response("488 Not Acceptable Here")
        exchange.hear(refusal)
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        #expect(sent[0].requestURI == "sip:bob@10.0.0.2:5060")
        exchange.hear(refusal, from: TransportAddress(ipv4: 0x0A00_0009, port: 7))
        let again = try exchange.takeOne()
        #expect(again.text == sent[0].text)
        #expect(again.to == Exchange.peer)
    }

    @Test("a BYE that came before the ACK ends a wait that only an INVITE could")
    func byeBeforeAck() throws {
        let scenario = Scenario("held") {
            Party("bob", .answers) {
                Expect(.invite)
                Send(200)
                Expect(.ack)
                Expect(.invite)
                Send(200)
                Expect(.ack)
                Expect(.bye)
                Send(200)
            }
        }
        let exchange = try Exchange(scenario)
        exchange.hear(
            request(
                "INVITE", branch: "1", from: alice, to: "<sip:bob@10.0.0.1>", callID: "c", cseq: "1 INVITE",
                "Contact: <sip:alice@10.0.0.2:5060>"))
        let to = try exchange.takeOne().header("To")
        exchange.hear(request("BYE", branch: "2", from: alice, to: to, callID: "c", cseq: "2 BYE"))
        #expect(exchange.take().isEmpty)
        exchange.hear(request("ACK", branch: "3", from: alice, to: to, callID: "c", cseq: "1 ACK"))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.count(.runsFailed) == 1)
        #expect(exchange.liveRuns == 0)
    }
}

@Suite("What a server writes into a response is no part of the request")
struct EchoedHeadersTests {
    @Test("the ACK to a refusal has the INVITE's Via and From (RFC 3261 §17.1.1.3)")
    func refusal() throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["alice"])
        try exchange.start()
        let invite = try exchange.takeOne()
        let answer = invite.response("486 Busy Here")
            .replacing("Via: \(invite.header("Via"))", with: "Via: \(invite.header("Via"));received=10.9.9.9;rport=7")
            .replacing("From: <", with: "From: \"Ann\" <")
        exchange.hear(answer)
        let ack = try exchange.takeOne()
        #expect(ack.start == "ACK")
        for name in ["Via", "From", "Call-ID"] { #expect(ack.headers(name) == invite.headers(name)) }
        #expect(ack.header("To").hasSuffix(";tag=peer"))
        #expect(ack.requestURI == invite.requestURI)
    }

    @Test("a CANCEL has the INVITE's Route lines (RFC 3261 §9.1)")
    func cancelled() throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["alice"]) {
            $0.extraHeaders = ["Route: <sip:10.0.0.7;lr>", "X-Test: 1"]
        }
        try exchange.start()
        let invite = try exchange.takeOne()
        #expect(invite.headers("X-Test") == ["1"])
        exchange.hear(invite.response("180 Ringing"))
        _ = exchange.drain(1)
        let cancel = try exchange.takeOne()
        #expect(cancel.start == "CANCEL")
        #expect(cancel.headers("Route") == invite.headers("Route"))
        #expect(cancel.headers("X-Test").isEmpty)
    }

    @Test(
        "rport is filled in where it is a parameter, and a received of the sender's is not believed",
        arguments: [
            (
                "10.0.0.2:5061;branch=z9hG4bKrport77;rport",
                "10.0.0.2:5061;branch=z9hG4bKrport77;rport=5060;received=10.0.0.2"
            ),
            (
                "rport.example.com;branch=z9hG4bK1;RPORT",
                "rport.example.com;branch=z9hG4bK1;RPORT=5060;received=10.0.0.2"
            ),
            (
                "h.example.com;received=6.6.6.6;branch=z9hG4bK1;rport",
                "h.example.com;received=10.0.0.2;branch=z9hG4bK1;rport=5060"
            ),
            (
                "h.example.com;branch=z9hG4bK1;received=6.6.6.6;x=1",
                "h.example.com;branch=z9hG4bK1;received=10.0.0.2;x=1"
            ),
            ("h.example.com;rport;branch=z9hG4bK1", "h.example.com;rport=5060;received=10.0.0.2;branch=z9hG4bK1"),
        ])
    func via(sent: String, answered: String) throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["bob"])
        let text = request(
            "OPTIONS", branch: "x", from: "<sip:alice@10.0.0.2>;tag=a", to: "<sip:bob@10.0.0.1>", callID: "c",
            cseq: "1 OPTIONS"
        ).replacing("10.0.0.2:5060;branch=z9hG4bKx", with: sent)
        exchange.hear(text)
        #expect(try exchange.takeOne().header("Via") == "SIP/2.0/UDP \(answered)")
    }

    @Test("received has an IPv6 address without brackets, and sent-by with them is the same (RFC 5118 §4.5)")
    func viaOfIPv6() throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["bob"])
        let peer = TransportAddress(ipv6High: 0x2001_0DB8 << 32, ipv6Low: 9, port: 5062)
        for (sent, answered) in [
            ("h.example.com;branch=z9hG4bK1;rport", "h.example.com;branch=z9hG4bK1;rport=5062;received=2001:db8::9"),
            ("[2001:DB8::9]:5062;branch=z9hG4bK2", "[2001:DB8::9]:5062;branch=z9hG4bK2"),
        ] {
            let text = request(
                "OPTIONS", branch: "x", from: "<sip:alice@[2001:db8::9]>;tag=a", to: "<sip:bob@10.0.0.1>",
                callID: sent, cseq: "1 OPTIONS"
            ).replacing("10.0.0.2:5060;branch=z9hG4bKx", with: sent)
            exchange.hear(text, from: peer)
            #expect(try exchange.takeOne().header("Via") == "SIP/2.0/UDP \(answered)")
        }
    }
}
