import SIPWire
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine
@testable import Measurement

@Suite("Messages that cross")
struct CrossingTests {
    private static let from = "<sip:alice@10.0.0.2>;tag=a"

    private func invite(_ exchange: Exchange, branch: String = "1") {
        exchange.hear(
            request(
                "INVITE", branch: branch, from: Self.from, to: "<sip:bob@10.0.0.1>", callID: "c", cseq: "1 INVITE",
                "Contact: <sip:alice@10.0.0.2:5060>"))
    }

    private func cancel(_ exchange: Exchange) {
        exchange.hear(
            request(
                "CANCEL", branch: "1", from: Self.from, to: "<sip:bob@10.0.0.1>", callID: "c", cseq: "1 CANCEL"))
    }

    // MARK: a CANCEL and a 200

    @StepsBuilder private static func ending(_ answersItself: Bool) -> Steps {
        FirstOf {
            On(.ack) {
                Expect(.bye)
                Send(200)
            }
            On(.cancel) {
                for _ in 0..<(answersItself ? 1 : 0) { Send(200, answering: .cancel) { Header("X-Late", "yes") } }
                Expect(.ack)
                Expect(.bye)
                Send(200)
                Finish("cancelled too late")
            }
        }
    }

    /// The callee waits for the CANCEL that may cross its 200 (RFC 3261 §9.2).
    private static let late = Scenario("late-cancel") {
        Party("bob", .answers) {
            Expect(.invite)
            Send(200)
            ending(false)
        }
    }
    private static let lateAndAnswered = Scenario("late-cancel-answered") {
        Party("bob", .answers) {
            Expect(.invite)
            Send(200)
            ending(true)
        }
    }

    @Test("A CANCEL that comes after the 200 is delivered and gets its 200, once", arguments: [false, true])
    func lateCancel(answersItself: Bool) throws {
        let exchange = try Exchange(answersItself ? Self.lateAndAnswered : Self.late)
        invite(exchange)
        let answer = try exchange.takeOne()
        #expect(answer.start == "200")
        cancel(exchange)
        let late = try exchange.takeOne()
        #expect(late.start == "200" && late.header("CSeq") == "1 CANCEL")
        #expect(late.header("X-Late") == (answersItself ? "yes" : ""))
        // RFC 3261 §9.2: the To tags of both responses should be the same.
        #expect(late.header("To") == answer.header("To"))
        // A repeat is answered again.
        cancel(exchange)
        #expect(try exchange.takeOne().text == late.text)
        let to = answer.header("To")
        exchange.hear(request("ACK", branch: "2", from: Self.from, to: to, callID: "c", cseq: "1 ACK"))
        exchange.hear(request("BYE", branch: "3", from: Self.from, to: to, callID: "c", cseq: "2 BYE"))
        #expect(try exchange.takeOne().header("CSeq") == "2 BYE")
        #expect(exchange.count(.runsSucceeded) == 1)
        // The one outcome that the scenario names.
        #expect(exchange.engine.takeRecord(at: exchange.now).outcomes == [1])
    }

    @Test("Without a CANCEL the ACK goes on as ever")
    func noCancel() throws {
        let exchange = try Exchange(Self.late)
        invite(exchange)
        let to = try exchange.takeOne().header("To")
        exchange.hear(request("ACK", branch: "2", from: Self.from, to: to, callID: "c", cseq: "1 ACK"))
        exchange.hear(request("BYE", branch: "3", from: Self.from, to: to, callID: "c", cseq: "2 BYE"))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("After its ACK, or before there is anything to cancel, nobody can wait for a CANCEL")
    func never() {
        let after = Scenario("after") {
            Party("bob", .answers) {
                Expect(.invite)
                Send(200)
                Expect(.ack)
                Expect(.cancel)
            }
        }
        let refused = Scenario("refused") {
            Party("bob", .answers) {
                Expect(.invite)
                Send(486)
                Expect(.cancel)
            }
        }
        for scenario in [after, refused] {
            let found = ScenarioCompiler.compile([scenario.tree]).diagnostics.map(\.text)
            #expect(found.contains { $0.hasPrefix("a CANCEL can never arrive here") }, "\(found)")
        }
    }

    // MARK: a BYE and a 200 that is lost

    @Test("A BYE that comes while the caller waits for its 200 is answered at once, and the call has failed")
    func byeBeforeAnswer() throws {
        let scenario = Scenario("callee-hangs-up") {
            Party("alice") {
                Send(.invite) { Offer(.audio(.pcmu)) }
                Expect(180, .optional)
                Expect(200)
                Send(.ack)
                Expect(.bye, within: .seconds(100))
                Send(200)
            }
        }
        let exchange = try Exchange(scenario)
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("180 Ringing", "Contact: <sip:bob@10.0.0.2:5060>"))
        let bye = request(
            "BYE", uri: "sip:alice@10.0.0.1:5060", branch: "9", from: invite.header("To") + ";tag=peer",
            to: invite.header("From"), callID: invite.header("Call-ID"), cseq: "1 BYE")
        exchange.hear(bye)
        let answer = try exchange.takeOne()
        #expect(answer.start == "200" && answer.header("CSeq") == "1 BYE")
        // The call is over on both sides: nothing is left to be cancelled.
        #expect(exchange.count(.runsFailed) == 1 && exchange.liveSlots == 0)
        exchange.hear(bye)
        #expect(try exchange.takeOne().text == answer.text)
        // A 200 that was only slow still gets its ACK, each time (RFC 3261 §13.2.2.4), and no second BYE.
        for _ in 0..<2 {
            exchange.hear(invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
            #expect(try exchange.takeOne().start == "ACK")
        }
        exchange.pass(.seconds(70))
        #expect(exchange.take().isEmpty)
    }

    @Test("Where no response has made a dialog, a BYE finds none: 481, and the caller goes on waiting")
    func byeWithoutDialog() throws {
        let exchange = try Exchange(
            Scenario("no-dialog") {
                Party("alice") {
                    Send(.invite) { Offer(.audio(.pcmu)) }
                    Expect(200)
                    Send(.ack)
                    Expect(.bye)
                    Send(200)
                }
            })
        try exchange.start()
        let invite = try exchange.takeOne()
        let bye = request(
            "BYE", uri: "sip:alice@10.0.0.1:5060", branch: "9", from: invite.header("To") + ";tag=peer",
            to: invite.header("From"), callID: invite.header("Call-ID"), cseq: "1 BYE")
        exchange.hear(bye)
        #expect(try exchange.takeOne().start == "481")
        exchange.hear(invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        #expect(try exchange.takeOne().start == "ACK")
        exchange.hear(
            request(
                "BYE", uri: "sip:alice@10.0.0.1:5060", branch: "10", from: invite.header("To") + ";tag=peer",
                to: invite.header("From"), callID: invite.header("Call-ID"), cseq: "2 BYE"))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    // MARK: a re-INVITE that is given up

    /// A call whose re-INVITE is told a request URI, a target and a route set other than the first INVITE's.
    private static let reinvite = Scenario("reinvite") {
        Party("alice") {
            Send(.invite) { Offer(.audio(.pcmu)) }
            Expect(200)
            Send(.ack)
            Send(.invite) { Offer(.audio(.pcma)) }
            Expect(200)
            Send(.ack)
            Send(.bye)
            Expect(200)
        }
    }
    private static let contact = TransportAddress(ipv4: 0x0A00_0009, port: 5099)

    private func isCancel(_ cancel: SentMessage, of invite: SentMessage) {
        #expect(cancel.requestURI == invite.requestURI)
        #expect(cancel.headers("Via") == invite.headers("Via"))
        for name in ["Call-ID", "From", "To"] { #expect(cancel.header(name) == invite.header(name)) }
        #expect(cancel.headers("Route") == invite.headers("Route"))
        #expect(
            cancel.header("CSeq").split(separator: " ").first == invite.header("CSeq").split(separator: " ").first)
        #expect(cancel.header("CSeq").hasSuffix(" CANCEL"))
        #expect(cancel.header("Content-Length") == "0")
        #expect(cancel.to == invite.to)
    }

    @Test("The CANCEL of a re-INVITE is made from it and goes where it went, also when it is sent again")
    func cancelOfReinvite() throws {
        let exchange = try Exchange(Self.reinvite)
        try exchange.start()
        let first = try exchange.takeOne()
        exchange.hear(
            first.response(
                "200 OK", "Contact: <sip:desk@10.0.0.9:5099>", "Record-Route: <sip:proxy@10.0.0.8:5088;lr>"))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "INVITE"])
        let second = sent[1]
        #expect(second.requestURI == "sip:desk@10.0.0.9:5099")
        #expect(second.to == TransportAddress(ipv4: 0x0A00_0008, port: 5088))
        exchange.hear(second.response("180 Ringing", "Contact: <sip:desk@10.0.0.9:5099>"))
        #expect(exchange.drain(1) == 0)
        let cancel = try exchange.takeOne()
        isCancel(cancel, of: second)
        exchange.pass(.milliseconds(600))
        let again = try exchange.takeOne()
        #expect(again.text == cancel.text && again.to == cancel.to)
        exchange.hear(cancel.response("200 OK"))
        exchange.hear(second.response("487 Request Terminated"))
        // Its ACK, and the BYE to the session that still stands.
        let end = exchange.take()
        #expect(end.map(\.start) == ["ACK", "BYE"])
        exchange.hear(end[1].response("200 OK"))
        #expect(exchange.liveRuns == 0)
    }

    @Test("So is that of a re-INVITE which the called side sent")
    func cancelByCallee() throws {
        let exchange = try Exchange(
            Scenario("callee-reinvites") {
                Party("bob", .answers) {
                    Expect(.invite)
                    Send(200)
                    Expect(.ack)
                    Send(.invite) { Offer(.audio(.pcma)) }
                    Expect(200)
                    Send(.ack)
                    Expect(.bye)
                    Send(200)
                }
            })
        invite(exchange)
        let to = try exchange.takeOne().header("To")
        exchange.hear(request("ACK", branch: "2", from: Self.from, to: to, callID: "c", cseq: "1 ACK"))
        let second = try exchange.takeOne()
        #expect(second.start == "INVITE")
        exchange.hear(second.response("180 Ringing", "Contact: <sip:alice@10.0.0.2:5060>"))
        #expect(exchange.drain(1) == 0)
        isCancel(try exchange.takeOne(), of: second)
    }

    @Test("A scripted CANCEL of a re-INVITE is sent again to where it went first")
    func scriptedCancel() throws {
        let exchange = try Exchange(
            Scenario("cancels-reinvite") {
                Party("alice") {
                    Send(.invite) { Offer(.audio(.pcmu)) }
                    Expect(200)
                    Send(.ack)
                    Send(.invite) { Offer(.audio(.pcma)) }
                    Expect(180)
                    Send(.cancel)
                    Expect(200, .optional, answering: .cancel)
                    Expect(487, answering: .invite)
                    Send(.bye)
                    Expect(200)
                }
            })
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:desk@10.0.0.9:5099>"))
        let second = exchange.take()[1]
        exchange.hear(second.response("180 Ringing", "Contact: <sip:desk@10.0.0.9:5099>"))
        let cancel = try exchange.takeOne()
        isCancel(cancel, of: second)
        exchange.pass(.milliseconds(600))
        #expect(try exchange.takeOne().to == Self.contact)
    }
}
