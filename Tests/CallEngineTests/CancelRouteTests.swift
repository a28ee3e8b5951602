import ScenarioDSL
import Testing

@testable import CallEngine

/// A CANCEL has the Route lines of the request that it cancels (RFC 3261 §9.1).
@Suite("The Route of a CANCEL")
struct CancelRouteTests {
    private static let first = "<sip:10.0.0.2;lr>"
    private static let second = "<sip:10.0.0.8;lr>"

    static let cancelling = Scenario("cancelling") {
        Party("alice") {
            Send(.invite) {
                Header("Route", "\(text: first)")
                Header("X-Test", "1")
                Header("Route", "\(text: second)")
                Offer(.audio(.pcmu))
            }
            Expect(180)
            Send(.cancel)
            Expect(200, answering: .cancel)
            Expect(487)
        }
    }

    static let failing = Scenario("failing") {
        Party("alice") {
            Send(.invite) {
                Header("Route", "\(text: first)")
                Header("X-Test", "1")
                Header("Route", "\(text: second)")
                Offer(.audio(.pcmu))
            }
            Expect(180) { Require(.header("X") == "1", "X is 1") }
            Expect(200)
            Send(.ack)
            HangUp()
        }
    }

    @Test("is that of the INVITE's own step, and of --header", arguments: [cancelling, failing])
    func own(scenario: Scenario) throws {
        let exchange = try Exchange(scenario) { $0.extraHeaders = ["Route: <sip:10.0.0.7;lr>"] }
        try exchange.start()
        let invite = try exchange.takeOne()
        try #require(invite.headers("Route").count == 3)
        exchange.hear(invite.response("180 Ringing"))
        let cancel = try exchange.takeOne()
        #expect(cancel.start == "CANCEL" && cancel.requestURI == invite.requestURI)
        for name in ["Via", "From", "To", "Call-ID", "Route"] {
            #expect(cancel.headers(name) == invite.headers(name), "\(name)")
        }
        #expect(cancel.header("CSeq") == "1 CANCEL")
        // Nothing else of the INVITE's.
        #expect(cancel.header("X-Test").isEmpty && cancel.text.hasSuffix("Content-Length: 0\r\n\r\n"))
        // Sent again as it was.
        exchange.pass(.milliseconds(600))
        #expect(exchange.take().first?.text == cancel.text)
    }

    @Test("is what was sent, though what it was made of has gone")
    func made() throws {
        let exchange = try Exchange(
            Scenario("service-route") {
                Party("alice") {
                    Send(.options)
                    Expect(200)
                    Send(.invite) { Header("Route", .header("Service-Route")) }
                    Expect(180)
                    Send(.cancel) { Header("Reason", "SIP;cause=200") }
                    Expect(200, answering: .cancel)
                    Expect(487)
                }
            })
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Service-Route: \(Self.first)"))
        let invite = try exchange.takeOne()
        try #require(invite.header("Route") == Self.first)
        exchange.hear(invite.response("180 Ringing"))
        let cancel = try exchange.takeOne()
        #expect(cancel.headers("Route") == [Self.first] && cancel.header("Reason") == "SIP;cause=200")
        exchange.hear(cancel.response("200 OK"))
        exchange.hear(invite.response("487 Request Terminated"))
        #expect(try exchange.takeOne().headers("Route") == [Self.first])
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("is the author's where the CANCEL's own step has one")
    func written() throws {
        let exchange = try Exchange(
            Scenario("written") {
                Party("alice") {
                    Send(.invite) { Header("Route", "\(text: Self.first)") }
                    Expect(180)
                    Send(.cancel) { Header("Route", "\(text: Self.second)") }
                    Expect(200, answering: .cancel)
                    Expect(487)
                }
            })
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("180 Ringing"))
        #expect(try exchange.takeOne().headers("Route") == [Self.second])
    }
}
