import Measurement
import ScenarioDSL
import Testing

@testable import CallEngine

/// REFER with its subscription, Replaces, and requests from a URI with a header part.
@Suite("Transfers")
struct TransferTests {
    private let bob = "<sip:bob@10.0.0.2>;tag=b"
    private let alice = "<sip:alice@10.0.0.2>;tag=a"

    /// carol of an attended transfer, in her consultation with bob.
    private static let consulted = Scenario("consulted") {
        let transferred = DialogName("transferred")
        Party("carol", .answers) {
            AcceptCall()
            In(transferred) { AcceptReplacement() }
            HangUp()
            In(transferred) {
                Expect(.bye)
                Send(200)
            }
        }
    }

    /// carol, called by bob, and the tag that she gave him.
    private func carol() throws -> (exchange: Exchange, tag: String) {
        let exchange = try Exchange(Self.consulted)
        exchange.hear(
            request(
                "INVITE", uri: "sip:carol@10.0.0.1", branch: "1", from: bob, to: "<sip:carol@10.0.0.1>", callID: "c@x",
                cseq: "1 INVITE", "Contact: <sip:bob@10.0.0.2:5060>"))
        let ok = try #require(exchange.take().last)
        exchange.hear(request("ACK", branch: "2", from: bob, to: ok.header("To"), callID: "c@x", cseq: "1 ACK"))
        return (exchange, String(ok.header("To").split(separator: "=").last ?? ""))
    }

    private func invite(_ replaces: String..., branch: String = "3", callID: String = "d") -> String {
        let lines = (["Contact: <sip:alice@10.0.0.2:5070>"] + replaces.map { "Replaces: \($0)" }).joined(
            separator: "\r\n")
        return request(
            "INVITE", uri: "sip:carol@10.0.0.1:5060", branch: branch, from: alice, to: "<sip:carol@10.0.0.1>",
            callID: callID, cseq: "7 INVITE", lines)
    }

    @Test("an INVITE whose Replaces names a dialog of a party goes on in that party (RFC 3891 §3)")
    func joined() throws {
        let (exchange, tag) = try carol()
        exchange.hear(invite("c@x ; From-Tag=b;to-tag=\(tag)"))
        let ok = try exchange.takeOne()
        #expect(ok.start == "200" && ok.header("Call-ID") == "d" && ok.header("To") != "<sip:carol@10.0.0.1>")
        #expect(!ok.header("To").contains(tag))
        exchange.hear(request("ACK", branch: "4", from: alice, to: ok.header("To"), callID: "d", cseq: "7 ACK"))
        // She ends what was replaced.
        let bye = try exchange.takeOne()
        #expect(bye.start == "BYE" && bye.header("Call-ID") == "c@x" && bye.requestURI == "sip:bob@10.0.0.2:5060")
        exchange.hear(bye.response("200 OK"))
        exchange.hear(request("BYE", branch: "5", from: alice, to: ok.header("To"), callID: "d", cseq: "8 BYE"))
        #expect(try exchange.takeOne().start == "200")
        #expect(exchange.count(.runsSucceeded) == 1 && exchange.count(.runsStarted) == 1)
        #expect(exchange.count(.legsJoined) == 1)
        exchange.pass(.seconds(40))
        #expect(exchange.liveSlots == 0)
    }

    @Test("one that comes before its step is kept for it, and its repeats are absorbed")
    func early() throws {
        let exchange = try Exchange(Self.consulted)
        exchange.hear(
            request(
                "INVITE", uri: "sip:carol@10.0.0.1", branch: "1", from: bob, to: "<sip:carol@10.0.0.1>", callID: "c@x",
                cseq: "1 INVITE", "Contact: <sip:bob@10.0.0.2:5060>"))
        let ok = try #require(exchange.take().last)
        let tag = String(ok.header("To").split(separator: "=").last ?? "")
        // bob's ACK is late.
        exchange.hear(invite("c@x;to-tag=\(tag);from-tag=b"))
        exchange.hear(invite("c@x;to-tag=\(tag);from-tag=b"))
        #expect(exchange.take().isEmpty)
        exchange.hear(request("ACK", branch: "2", from: bob, to: ok.header("To"), callID: "c@x", cseq: "1 ACK"))
        let second = try exchange.takeOne()
        #expect(second.start == "200" && second.header("Call-ID") == "d")
    }

    @Test(
        "a Replaces that names no dialog is refused and begins no run",
        arguments: [
            ("c@x;to-tag=TAG;from-tag=other", "481"), ("c@y;to-tag=TAG;from-tag=b", "481"),
            ("c@x;to-tag=0123;from-tag=b", "481"), ("c@x;to-tag=00000000000000000000;from-tag=b", "481"),
            ("c@x;to-tag=TAG;from-tag=b;early-only", "486"), ("c@x;from-tag=b", "400"), ("c@x;to-tag=TAG", "400"),
            (";to-tag=TAG;from-tag=b", "400"),
        ])
    func refused(_ replaces: String, _ status: String) throws {
        let (exchange, tag) = try carol()
        exchange.hear(invite(replaces.replacing("TAG", with: tag)))
        let refusal = try exchange.takeOne()
        #expect(refusal.start == status)
        exchange.hear(
            request("ACK", branch: "3", from: alice, to: refusal.header("To"), callID: "d", cseq: "7 ACK"))
        #expect(exchange.take().isEmpty)
        #expect(exchange.count(.runsStarted) == 1 && exchange.liveRuns == 1)
        // The call goes on and can still be replaced.
        exchange.hear(invite("c@x;to-tag=\(tag);from-tag=b", branch: "9", callID: "e"))
        #expect(try exchange.takeOne().start == "200")
    }

    @Test("two Replaces are one too many (RFC 3891 §3)")
    func several() throws {
        let (exchange, tag) = try carol()
        exchange.hear(invite("c@x;to-tag=\(tag);from-tag=b", "c@x;to-tag=\(tag);from-tag=b"))
        #expect(try exchange.takeOne().start == "400")
    }

    @Test("a dialog that is over is declined, and a second INVITE has nobody to take it")
    func tooLate() throws {
        let (exchange, tag) = try carol()
        exchange.hear(invite("c@x;to-tag=\(tag);from-tag=b"))
        let ok = try exchange.takeOne()
        exchange.hear(invite("c@x;to-tag=\(tag);from-tag=b", branch: "6", callID: "e"))
        #expect(try exchange.takeOne().start == "488")
        exchange.hear(request("ACK", branch: "4", from: alice, to: ok.header("To"), callID: "d", cseq: "7 ACK"))
        exchange.hear(try exchange.takeOne().response("200 OK"))
        exchange.hear(invite("c@x;to-tag=\(tag);from-tag=b", branch: "8", callID: "f"))
        #expect(try exchange.takeOne().start == "603")
    }

    // MARK: the side that refers

    private static let referring = Scenario("referring") {
        let carol = Party("carol", .answers), consultation = DialogName("consultation")
        Party("bob") {
            Call(carol)
            In(consultation) { Call(carol) }
            Send(.refer) { ReferTo(carol, replacing: consultation) }
            Expect(.success)
            Notified()
            HangUp()
            In(consultation) { HangUp() }
        }
        carol {
            AcceptCall()
            Expect(.bye)
            Send(200)
        }
    }

    /// bob, who has sent his REFER.
    private func referred() throws -> (exchange: Exchange, refer: SentMessage, consultation: SentMessage) {
        let exchange = try Exchange(Self.referring, plays: ["bob"])
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:alice@10.0.0.2:5062>", tag: "one"))
        let second = try #require(exchange.take().last)
        exchange.hear(
            second.response("200 OK", "Contact: <sip:carol@10.0.0.3;transport=udp?X=1>", tag: "t@g;wo"))
        let refer = try #require(exchange.take().last)
        return (exchange, refer, second)
    }

    @Test(
        "Refer-To names the dialog that is replaced, its tags as the target has them, escaped (RFC 3515 §2.1, RFC 3891 §3)"
    )
    func referTo() throws {
        let (_, refer, consultation) = try referred()
        #expect(refer.start == "REFER" && refer.requestURI == "sip:alice@10.0.0.2:5062")
        let own = consultation.header("From").split(separator: "=").last ?? ""
        let callID = consultation.header("Call-ID")
        #expect(callID != refer.header("Call-ID"))
        #expect(
            refer.header("Refer-To")
                == "<sip:carol@10.0.0.3;transport=udp?Replaces=\(callID)%3Bto-tag%3Dt%40g%3Bfrom-tag%3D\(own)>")
    }

    private func notify(
        _ refer: SentMessage, _ cseq: Int, _ state: String, _ sipfrag: String, event: String = "refer"
    ) -> String {
        let head = [
            "NOTIFY sip:bob@10.0.0.1:5060 SIP/2.0", "Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKn\(cseq)",
            "From: \(refer.header("To"))", "To: \(refer.header("From"))", "Call-ID: \(refer.header("Call-ID"))",
            "CSeq: \(cseq) NOTIFY", "Event: \(event)", "Subscription-State: \(state)",
            "Contact: <sip:alice@10.0.0.2:5062>", "Content-Type: message/sipfrag",
            "Content-Length: \(sipfrag.utf8.count)",
        ]
        return (head + ["", sipfrag]).joined(separator: "\r\n")
    }

    @Test("NOTIFYs are answered until the subscription is over, also one that overtakes the 202")
    func notified() throws {
        let (exchange, refer, _) = try referred()
        exchange.hear(notify(refer, 1, "active;expires=60", "SIP/2.0 100 Trying\r\n"))
        #expect(exchange.take().isEmpty)
        exchange.hear(refer.response("202 Accepted"))
        #expect(exchange.take().map(\.start) == ["200"])
        exchange.hear(notify(refer, 2, "active;expires=59", "SIP/2.0 180 Ringing\r\n"))
        #expect(exchange.take().map(\.start) == ["200"])
        exchange.hear(notify(refer, 3, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n"))
        #expect(exchange.take().map(\.start) == ["200", "BYE"])
        #expect(exchange.count(.runsFailed) == 0)
    }

    @Test(
        "a transfer that failed fails the call, with what its sipfrag tells",
        arguments: [
            ("terminated;reason=noresource", "SIP/2.0 486 Busy Here\r\n", "486 Busy Here"),
            ("terminated;reason=timeout", "SIP/2.0 100 Trying\r\n", "100 Trying"),
        ])
    func failed(_ state: String, _ sipfrag: String, _ words: String) throws {
        let (exchange, refer, _) = try referred()
        exchange.hear(refer.response("202 Accepted"))
        exchange.hear(notify(refer, 1, state, sipfrag))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["200", "BYE", "BYE"])
        for bye in sent.dropFirst() { exchange.hear(bye.response("200 OK")) }
        #expect(exchange.count(.runsFailed) == 1)
        let group = try #require(exchange.record().failureGroups.first)
        let text = "\(group)"
        #expect(text.contains(words) && text.contains("the reference to succeed"), "\(text)")
    }

    @Test(
        "Notified(until: .provisional) goes on with the first NOTIFY that tells of one; until: 486 wants that refusal")
    func untilStatus() throws {
        let scenario = Scenario("blind") {
            let carol = Party("carol", .answers)
            Party("bob") {
                Call(carol)
                Send(.refer) { ReferTo(carol) }
                Expect(202)
                Notified(until: 100)
                Notified(until: 486)
                HangUp()
            }
            carol {
                AcceptCall()
                Expect(.bye)
                Send(200)
            }
        }
        let exchange = try Exchange(scenario, plays: ["bob"])
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:alice@10.0.0.2:5062>", tag: "one"))
        let refer = try #require(exchange.take().last)
        #expect(refer.header("Refer-To") == "<sip:carol@10.0.0.2:5060>")
        exchange.hear(refer.response("202 Accepted"))
        exchange.hear(notify(refer, 1, "active", "SIP/2.0 100 Trying\r\n"))
        exchange.hear(notify(refer, 2, "active", "SIP/2.0 180 Ringing\r\n"))
        exchange.hear(notify(refer, 3, "terminated", "SIP/2.0 486 Busy Here\r\n"))
        #expect(exchange.take().map(\.start) == ["200", "200", "200", "BYE"])
    }

    // MARK: the side that is referred

    private static let transferee = Scenario("transferee") {
        let carol = Party("carol", .answers), transferred = DialogName("transferred")
        Party("alice") {
            Call(carol)
            AcceptTransfer(in: transferred)
            Expect(.bye)
            Send(200)
            In(transferred) { HangUp() }
        }
        carol {
            AcceptCall()
            Expect(.bye)
            Send(200)
        }
    }

    /// alice, who has been sent on to this URI, and what she has sent since: 202, NOTIFY, and when that is answered the INVITE.
    private func transferred(_ referTo: String) throws -> (exchange: Exchange, ack: SentMessage, invite: SentMessage) {
        let exchange = try Exchange(Self.transferee, plays: ["alice"])
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:bob@10.0.0.2:5062>", tag: "one"))
        let ack = try exchange.takeOne()
        exchange.hear(
            request(
                "REFER", uri: "sip:alice@10.0.0.1:5060", branch: "r", from: ack.header("To"), to: ack.header("From"),
                callID: ack.header("Call-ID"), cseq: "1 REFER", "Contact: <sip:bob@10.0.0.2:5062>",
                "Refer-To: \(referTo)"))
        let sent = exchange.take()
        try #require(sent.map(\.start) == ["202", "NOTIFY"])
        #expect(sent[1].header("Subscription-State") == "active;expires=60" && sent[1].header("Event") == "refer;id=1")
        #expect(sent[1].text.hasSuffix("\r\n\r\nSIP/2.0 100 Trying\r\n"))
        exchange.hear(sent[1].response("200 OK"))
        return (exchange, ack, try exchange.takeOne())
    }

    @Test("the INVITE to a Refer-To has its URI without headers, and the headers without escapes (RFC 3261 §19.1.5)")
    func unescaped() throws {
        let (exchange, _, invite) = try transferred(
            "Carol <sip:carol@10.0.0.3:5070;transport=udp?Replaces=a%40b%3Bto-tag%3D1%3bfrom-tag%3D2&Subject=x%20y"
                + "&From=%3Csip:mallory@x%3E&Route=%3Csip:evil%3E&X-A=1%0D%0AX-B%3A%202&body=no>")
        #expect(invite.requestURI == "sip:carol@10.0.0.3:5070;transport=udp")
        #expect(invite.header("To") == "<sip:carol@10.0.0.3:5070;transport=udp>")
        #expect(invite.headers("Replaces") == ["a@b;to-tag=1;from-tag=2"])
        #expect(invite.headers("Subject") == ["x y"])
        #expect(invite.headers("From").count == 1 && !invite.text.contains("mallory"))
        #expect(!invite.text.contains("evil") && !invite.text.contains("X-B") && !invite.text.contains("X-A"))
        #expect(!invite.text.contains("body"))
        // The run has a target: it is the way out, whatever the URI.
        #expect(invite.to == Exchange.peer)
        exchange.hear(invite.response("200 OK", "Contact: <sip:carol@10.0.0.3:5070>", tag: "c"))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "NOTIFY"])
        #expect(sent[1].header("Subscription-State") == "terminated;reason=noresource")
        #expect(sent[1].text.hasSuffix("\r\n\r\nSIP/2.0 200 OK\r\n"))
    }

    @Test("a refusal is told in the last NOTIFY, and the call has failed")
    func refusedTransfer() throws {
        let (exchange, _, invite) = try transferred("<sip:carol@10.0.0.3>")
        exchange.hear(invite.response("486 Busy Here", tag: "c"))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "NOTIFY"])
        #expect(sent[1].text.hasSuffix("\r\n\r\nSIP/2.0 486 Busy Here\r\n"))
        exchange.hear(sent[1].response("200 OK"))
        exchange.hear(try exchange.takeOne().response("200 OK"))
        #expect(exchange.count(.runsFailed) == 1)
    }

    @Test("a run without a target sends the INVITE where the Refer-To leads")
    func withoutTarget() throws {
        let exchange = try Exchange(Self.referredParty) {
            $0.target = Exchange.local; $0.hasTarget = false
        }
        exchange.hear(
            request(
                "INVITE", uri: "sip:alice@10.0.0.1", branch: "1", from: bob, to: "<sip:alice@10.0.0.1>", callID: "c",
                cseq: "1 INVITE", "Contact: <sip:bob@10.0.0.2:5060>"))
        let ok = try #require(exchange.take().last)
        exchange.hear(request("ACK", branch: "2", from: bob, to: ok.header("To"), callID: "c", cseq: "1 ACK"))
        exchange.hear(
            request(
                "REFER", branch: "3", from: bob, to: ok.header("To"), callID: "c", cseq: "2 REFER",
                "Contact: <sip:bob@10.0.0.2:5060>", "Refer-To: <sip:carol@10.0.0.9:5099?Subject=x>"))
        exchange.hear(try #require(exchange.take().last).response("200 OK"))
        let invite = try exchange.takeOne()
        #expect(invite.start == "INVITE" && invite.to.text == "10.0.0.9:5099")
        exchange.hear(invite.response("200 OK", "Contact: <sip:carol@10.0.0.9:5099>", tag: "c"))
        #expect(exchange.take().map(\.to.text) == ["10.0.0.9:5099", "10.0.0.2:5060"])
    }

    private static let referredParty = Scenario("referred") {
        let transferred = DialogName("transferred")
        Party("alice", .answers) {
            AcceptCall()
            AcceptTransfer(in: transferred)
            Expect(.bye)
            Send(200)
            In(transferred) { HangUp() }
        }
    }

    // MARK: what the checker says

    private func complaints(_ scenario: Scenario) -> [String] {
        ScenarioCompiler.compile([scenario.tree]).diagnostics.filter { $0.severity == .error }.map(\.description)
    }

    @Test(
        "a Replaces of a dialog that does not stand, and a wait for NOTIFYs without a REFER, are errors at their lines")
    func mistakes() {
        let consultation = DialogName("consultation")
        let carol = Party("carol", .answers)
        let line = #line
        let unborn = complaints(
            Scenario("a") {
                Party("bob") {
                    Call(carol)
                    Send(.refer) { ReferTo(carol, replacing: consultation) }
                    Expect(202)
                    HangUp()
                }
                carol { AcceptCall() }
            })
        #expect(unborn.count == 1 && unborn[0].contains(":\(line + 5):"), "\(unborn)")
        #expect(unborn.first?.contains("\"consultation\" does not stand here") == true)
        #expect(unborn.first?.contains("RFC 3891 §3") == true)
        let unasked = complaints(
            Scenario("b") {
                Party("bob") {
                    Call(carol)
                    Notified()
                    HangUp()
                }
                carol { AcceptCall() }
            })
        #expect(unasked.count == 1 && unasked[0].contains("Send(.refer)"), "\(unasked)")
        let untold = ScenarioCompiler.compile([
            Scenario("d") {
                Party("bob") {
                    Call(carol)
                    Send(.refer)
                    Expect(202)
                    HangUp()
                }
                carol { AcceptCall() }
            }.tree
        ]).diagnostics.filter { $0.description.contains("a REFER has one Refer-To, this one has 0") }
        #expect(untold.count == 1 && untold.first?.severity == .warning)
        let method = complaints(
            Scenario("c") {
                Party("bob") {
                    Call(carol)
                    Send(.refer) { ReferTo(Party("dave")) }
                    Expect(202)
                    Notified(until: .bye)
                    HangUp()
                }
                carol { AcceptCall() }
            })
        #expect(method.count == 2, "\(method)")
        #expect(method.contains { $0.contains("BYE is a method") })
        #expect(method.contains { $0.contains("\"dave\" is no party of this scenario") })
    }
}
