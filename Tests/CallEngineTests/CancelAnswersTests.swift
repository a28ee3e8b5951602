import ScenarioDSL
import Testing

@testable import CallEngine

/// A CANCEL is answered 200 or 481; what else comes after it is its INVITE's (RFC 3261 §9.2).
@Suite("After a CANCEL") struct CancelAnswersTests {
    private static func giving(_ first: Int, _ second: Int) -> Scenario {
        Scenario("giving-up") {
            Party("alice") {
                Send(.invite, from: "sip:alice@example.com", to: "sip:bob@example.com") { Offer(.audio(.pcmu)) }
                Expect(180)
                Send(.cancel)
                Expect(Message(integerLiteral: first))
                Expect(Message(integerLiteral: second))
            }
        }
    }

    @Test(
        "487 and 200 belong where they can; with the 200 expected first they may come in either order",
        arguments: [(true, true), (false, true), (false, false)])
    func order(expectsFinalFirst: Bool, finalComesFirst: Bool) throws {
        let exchange = try Exchange(expectsFinalFirst ? Self.giving(487, 200) : Self.giving(200, 487))
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("180 Ringing"))
        let cancel = try exchange.takeOne()
        #expect(cancel.start == "CANCEL")
        let answers = [invite.response("487 Request Terminated"), cancel.response("200 OK")]
        for answer in finalComesFirst ? answers : answers.reversed() { exchange.hear(answer) }
        #expect(exchange.take().map(\.start) == ["ACK"])
        #expect(exchange.count(.runsSucceeded) == 1 && exchange.count(.runsFailed) == 0)
    }

    @Test("a callee's 487 answers the INVITE though the CANCEL came last")
    func callee() throws {
        let scenario =
            Scenario("called-off") {
                Party("alice") {
                    Send(.invite)
                    Expect(180)
                    Send(.cancel)
                    Expect(200)
                    Expect(487)
                }
                Party("bob", .answers) {
                    Expect(.invite)
                    Send(180)
                    Expect(.cancel)
                    Send(487)
                    Send(200)
                }
            }
        let program = try #require(ScenarioCompiler.compile([scenario.tree]).program)
        let steps = program.steps.map(\.text)
        #expect(steps.contains("send 487 to INVITE") && steps.contains("send 200 to CANCEL"), "\(steps)")
    }
}
