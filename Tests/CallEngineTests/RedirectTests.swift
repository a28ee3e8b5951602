import Measurement
import SIPWire
import ScenarioDSL
import Testing

@testable import CallEngine

/// An INVITE that follows the Contact of a 3xx (RFC 3261 §8.1.3.4).
@Suite("A redirected INVITE")
struct RedirectTests {
    private static let elsewhere = TransportAddress(ipv4: 0x0A00_0009, port: 5099)
    private static let contact =
        "Contact: Bob <sip:bob@10.0.0.9:5099;user=phone?Subject=x>;q=0.5, <sip:bob@10.0.0.8>;q=0.25"

    private static let following = Scenario("following") {
        Party("alice") {
            Send(.invite, from: "sip:alice@example.com", to: "sip:bob@example.com") { Offer(.audio(.pcmu)) }
            Expect(302)
            Send(.invite, redirectedTo: .header("Contact")) { Offer(.audio(.pcmu)) }
            Expect(180, .optional)
            Expect(200)
            Send(.ack)
            Send(.bye)
            Expect(200)
        }
    }

    /// Up to the redirected INVITE.
    private func redirected(
        _ scenario: Scenario = following, contact: String = contact,
        settings change: (inout EngineSettings) -> Void = { _ in }
    ) throws -> (Exchange, first: SentMessage, second: SentMessage) {
        let exchange = try Exchange(scenario, settings: change)
        try exchange.start()
        let first = try exchange.takeOne()
        exchange.hear(first.response("302 Moved Temporarily", contact))
        let sent = exchange.take()
        try #require(sent.map(\.start) == ["ACK", "INVITE"])
        #expect(sent[0].to == Exchange.peer && sent[0].requestURI == first.requestURI)
        return (exchange, first, sent[1])
    }

    @Test(
        "goes to the Contact with the highest q, the first of those that have it (RFC 3261 §8.1.3.4)",
        arguments: [
            ("<sip:a@10.0.0.7>;q=0.1, <sip:b@10.0.0.8:5070>;q=0.9", "sip:b@10.0.0.8:5070"),
            (
                "<sip:a@10.0.0.7>;q=0.9;expires=60, <sip:b@10.0.0.8>;q=0.95;x=\"a,b\", <sip:c@10.0.0.6>;q=0.949",
                "sip:b@10.0.0.8"
            ),
            ("<sip:a@10.0.0.7>;q=0.9, <sip:b@10.0.0.8>", "sip:b@10.0.0.8"),
            ("<sip:a@10.0.0.7>, <sip:b@10.0.0.8>;q=1.0", "sip:a@10.0.0.7"),
            ("<sip:a@10.0.0.7>;q=0, <sip:b@10.0.0.8>;q=0.001, sip:c@10.0.0.9;q=0.000", "sip:b@10.0.0.8"),
            ("<sip:a@10.0.0.7>;q=none, <sip:b@10.0.0.8>;q=0.9", "sip:a@10.0.0.7"),
        ])
    func preference(contacts: String, uri: String) throws {
        let (_, _, second) = try redirected(contact: "Contact: " + contacts)
        #expect(second.requestURI == uri)
        #expect(second.to.hostText == uri.split(whereSeparator: { "@:".contains($0) })[2])
    }

    @Test("has the first one's Call-ID, From and To, the next CSeq, and goes to the Contact's address")
    func identity() throws {
        let (exchange, first, second) = try redirected()
        for name in ["Call-ID", "From", "To", "Contact"] { #expect(second.header(name) == first.header(name)) }
        #expect(first.header("CSeq") == "1 INVITE" && second.header("CSeq") == "2 INVITE")
        #expect(first.header("Via") != second.header("Via"))
        #expect(second.requestURI == "sip:bob@10.0.0.9:5099;user=phone")
        #expect(second.to == Self.elsewhere)
        exchange.hear(second.response("180 Ringing"), from: Self.elsewhere)
        exchange.hear(second.response("200 OK", "Contact: <sip:bob@10.0.0.9:5099>"), from: Self.elsewhere)
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"] && sent.allSatisfy { $0.to == Self.elsewhere })
        #expect(sent.map { $0.header("CSeq") } == ["2 ACK", "3 BYE"])
        exchange.hear(sent[1].response("200 OK"), from: Self.elsewhere)
        #expect(exchange.count(.runsSucceeded) == 1)
        #expect(exchange.count(.sessionAnswers3xx) == 1 && exchange.count(.sessionAnswers2xx) == 1)
        let delays = exchange.record().delays
        #expect(delays.first { $0.name == "sessionRequestDelay" }?.samples == 1)
        #expect(delays.first { $0.name == "sessionRequestDelayFailed" }?.samples ?? 0 == 0)
    }

    @Test("is repeated there, octet for octet; a repeated 302 gets its ACK at the first address")
    func repeats() throws {
        let (exchange, first, second) = try redirected()
        exchange.pass(.milliseconds(600))
        let again = exchange.take()
        #expect(again.map(\.text) == [second.text] && again[0].to == Self.elsewhere)
        exchange.hear(first.response("302 Moved Temporarily", Self.contact))
        let ack = try exchange.takeOne()
        #expect(ack.start == "ACK" && ack.to == Exchange.peer && ack.header("CSeq") == "1 ACK")
    }

    @Test("is acknowledged there when it is refused, and may be redirected again")
    func secondRedirection() throws {
        let (exchange, _, second) = try redirected(
            Scenario("twice") {
                Party("alice") {
                    Send(.invite)
                    Repeat(2) {
                        Expect(300...399)
                        Send(.invite, redirectedTo: .header("Contact").uri)
                    }
                    Expect(486)
                }
            })
        exchange.hear(second.response("301 Moved", "Contact: <sip:bob@10.0.0.8>"), from: Self.elsewhere)
        let sent = exchange.take()
        try #require(sent.map(\.start) == ["ACK", "INVITE"])
        #expect(sent[0].to == Self.elsewhere && sent[0].requestURI == second.requestURI)
        #expect(sent[1].requestURI == "sip:bob@10.0.0.8" && sent[1].header("CSeq") == "3 INVITE")
        #expect(sent[1].header("Call-ID") == second.header("Call-ID"))
        let last = TransportAddress(ipv4: 0x0A00_0008, port: 5060)
        #expect(sent[1].to == last)
        for _ in 0..<2 {
            exchange.hear(sent[1].response("486 Busy Here"), from: last)
            let ack = try exchange.takeOne()
            #expect(ack.to == last && ack.requestURI == "sip:bob@10.0.0.8")
        }
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("is cancelled there, with its own request URI", arguments: [true, false])
    func cancelled(byScript: Bool) throws {
        let (exchange, _, second) = try redirected(
            byScript
                ? Scenario("cancelling") {
                    Party("alice") {
                        Send(.invite)
                        Expect(302)
                        Send(.invite, redirectedTo: .header("Contact"))
                        Expect(180)
                        Send(.cancel)
                        Expect(200, answering: .cancel)
                        Expect(487)
                    }
                }
                : Scenario("failing") {
                    Party("alice") {
                        Send(.invite)
                        Expect(302)
                        Send(.invite, redirectedTo: .header("Contact"))
                        Expect(180) { Require(.header("X") == "1", "X is 1") }
                        Expect(200)
                        Send(.ack)
                        HangUp()
                    }
                })
        exchange.hear(second.response("180 Ringing"), from: Self.elsewhere)
        let cancel = try exchange.takeOne()
        #expect(cancel.start == "CANCEL" && cancel.to == Self.elsewhere && cancel.requestURI == second.requestURI)
        for name in ["Via", "From", "To", "Call-ID"] { #expect(cancel.header(name) == second.header(name)) }
        #expect(cancel.header("CSeq") == "2 CANCEL")
    }

    @Test("goes to the target where the Contact has a name, which is not looked up")
    func name() throws {
        let (_, _, second) = try redirected(contact: "Contact: <sip:bob@chicago.example.com>")
        #expect(second.requestURI == "sip:bob@chicago.example.com" && second.to == Exchange.peer)
    }

    @Test(
        "fails its call where there is no Contact, or one that is no URI", arguments: ["Expires: 1", "Contact: <bob>"])
    func nowhere(header: String) throws {
        let exchange = try Exchange(Self.following)
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("302 Moved Temporarily", header))
        #expect(exchange.take().map(\.start) == ["ACK"])
        #expect(exchange.count(.runsFailed) == 1 && exchange.liveRuns == 0)
    }

    @Test("is acknowledged where it went, when its 200 has no Contact")
    func withoutContact() throws {
        let (exchange, _, second) = try redirected()
        exchange.hear(second.response("200 OK"), from: Self.elsewhere)
        #expect(exchange.take().allSatisfy { $0.to == Self.elsewhere })
    }

    @Test("goes over a lane of its own where streams are spoken")
    func streams() throws {
        let (exchange, first, second) = try redirected(contact: "Contact: <sip:bob@10.0.0.9:5099>") {
            $0.transports = .tcp
        }
        #expect(first.flow.isStream && second.flow.isStream && first.flow != second.flow)
        #expect(second.to == Self.elsewhere && second.header("Via").hasPrefix("SIP/2.0/TCP "))
        // The end of the first lane is none of its business; that of its own is its call's.
        exchange.tell(first.flow, .closed(errno: 0))
        #expect(exchange.liveRuns == 1)
        exchange.tell(second.flow, .closed(errno: 104))
        #expect(exchange.count(.transactionsLost) == 1 && exchange.count(.runsFailed) == 1)
    }

    @Test("goes by the transport that the Contact names, where both are spoken", arguments: ["udp", "tcp"])
    func transport(name: String) throws {
        let (_, first, second) = try redirected(contact: "Contact: <sip:bob@10.0.0.9:5099;transport=\(name)>") {
            $0.transports = [.udp, .tcp]
        }
        #expect(!first.flow.isStream && second.flow.isStream == (name == "tcp"))
        #expect(second.header("Via").hasPrefix("SIP/2.0/\(name.uppercased()) ") && second.to == Self.elsewhere)
    }

    @Test("is refused by the checker where nothing was redirected")
    func misplaced() {
        func errors(_ scenario: Scenario) -> [String] {
            ScenarioCompiler.compile([scenario.tree]).diagnostics.filter { $0.severity == .error }.map(\.description)
        }
        let first = errors(
            Scenario("first") {
                Party("alice") {
                    Send(.invite, redirectedTo: "sip:bob@10.0.0.9"); Expect(486)
                }
            })
        #expect(first.count == 1 && first[0].contains("no INVITE was redirected before"))
        let inCall = errors(
            Scenario("in-call") {
                Party("alice") {
                    Send(.invite)
                    Expect(200) {}
                    Send(.ack)
                    Send(.invite, redirectedTo: "sip:bob@10.0.0.9")
                    Expect(200)
                    HangUp()
                }
            })
        #expect(inCall.count == 1 && inCall[0].contains("the call is set up here"))
        let other = errors(
            Scenario("other") {
                Party("alice") {
                    Send(.options, redirectedTo: "sip:bob@10.0.0.9"); Expect(200)
                }
            })
        #expect(other.count == 1 && other[0].contains("only an INVITE follows a redirection"))
    }
}
