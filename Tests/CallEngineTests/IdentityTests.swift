import Measurement
import ScenarioDSL
import Testing

@testable import CallEngine

/// From and To of a dialog stay what its INVITE said (RFC 3261 §12.2.1.1).
@Suite("Identities")
struct IdentityTests {
    @Test("They stay when what they were made of changes")
    func changingVariable() throws {
        let who = Variable("who")
        let exchange = try Exchange(
            Scenario("changing") {
                Party("alice") {
                    Compute(who, from: "sip:bob@example.test")
                    Send(.invite, from: "Alice <sip:\(.random(digits: 8))@example.test>", to: who)
                    Expect(200) { Compute(who, from: "sip:carol@example.test") }
                    Send(.bye)
                    Expect(200)
                }
            })
        try exchange.start()
        let invite = try exchange.takeOne()
        #expect(invite.header("To") == "<sip:bob@example.test>")
        let ok = invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>")
        exchange.hear(ok)
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        for request in sent {
            #expect(request.header("From") == invite.header("From"))
            #expect(request.header("To") == "<sip:bob@example.test>;tag=peer")
        }
        // The repeated 200 gets the same ACK.
        exchange.hear(ok)
        #expect(try exchange.takeOne().text == sent[0].text)
    }

    @Test("A second call of a party is to whom it says, in its ACK and BYE too")
    func secondCall() throws {
        let bob = Party("bob", .answers), carol = Party("carol", .answers)
        let exchange = try Exchange(
            Scenario("twice") {
                Party("alice") {
                    for called in [bob, carol] {
                        Send(.invite, to: .uri(of: called), requestURI: .uri(of: called))
                        Expect(200)
                        HangUp()
                    }
                }
                bob { AcceptCall() }
                carol { AcceptCall() }
            }, plays: ["alice"])
        try exchange.start()
        for user in ["bob", "carol"] {
            let invite = try exchange.takeOne()
            #expect(invite.header("To") == "<sip:\(user)@10.0.0.2:5060>")
            exchange.hear(invite.response("200 OK", "Contact: <sip:\(user)@10.0.0.2:5060>"))
            let sent = exchange.take()
            #expect(sent.map(\.start) == ["ACK", "BYE"])
            #expect(sent.map { $0.header("To") } == Array(repeating: "<sip:\(user)@10.0.0.2:5060>;tag=peer", count: 2))
            exchange.hear(try #require(sent.last).response("200 OK"))
        }
        #expect(exchange.count(.runsSucceeded) == 1)
    }
}
