import Foundation
import Measurement
import SIPWire
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

/// Which responses belong to a request of ours (RFC 3261 §8.1.3.3, §17.1.3, §18.1.2), and what becomes of those that do not.
@Suite("A response to a branch of ours")
struct ResponseMatchingTests {
    private let contact = "Contact: <sip:bob@10.0.0.2:5060>"

    /// What was discarded, by kind.
    private func discarded(_ exchange: Exchange) -> [String] {
        exchange.record().malformed.filter { $0.count > 0 }.map { "\($0.count) \($0.name)" }
    }

    @Test(
        "with more than one Via is discarded (RFC 3261 §8.1.3.3)",
        arguments: [", SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx", "\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx"])
    func severalVias(more: String) throws {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"])
        try exchange.start()
        let invite = try exchange.takeOne()
        let answer = invite.response("200 OK", contact)
        exchange.hear(answer.replacing(invite.header("Via"), with: invite.header("Via") + more))
        #expect(exchange.take().isEmpty)
        #expect(exchange.count(.responses2xx) == 0)
        exchange.hear(answer)
        #expect(try exchange.takeOne().start == "ACK")
        #expect(discarded(exchange) == ["1 one Via in a response (RFC 3261 §8.1.3.3)"])
    }

    @Test(
        "with another's sent-by is discarded (RFC 3261 §18.1.2)",
        arguments: [
            "10.0.0.9:5070", "10.0.0.1:5060", "10.0.0.1", "example.com:5070", "10.0.0.10:5070", "10.0.0.1:50700",
        ])
    func foreignSentBy(sentBy: String) throws {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"]) {
            $0.local = TransportAddress(ipv4: 0x0A00_0001, port: 5070)
        }
        try exchange.start()
        let answer = try exchange.takeOne().response("200 OK", contact)
        try #require(answer.contains("Via: SIP/2.0/UDP 10.0.0.1:5070;"))
        exchange.hear(answer.replacing("Via: SIP/2.0/UDP 10.0.0.1:5070;", with: "Via: SIP/2.0/UDP \(sentBy);"))
        #expect(exchange.take().isEmpty)
        exchange.hear(answer)
        #expect(try exchange.takeOne().start == "ACK")
        #expect(
            discarded(exchange) == [
                "1 the sent-by that we wrote in the topmost Via of a response (RFC 3261 §18.1.2)"
            ])
    }

    @Test(
        "is ours however its Via is written (RFC 3261 §7.3.1, §18.2.1, RFC 3581 §4)",
        arguments: [
            "SIP/2.0/UDP 10.0.0.1:5060;rport=5060;received=10.0.0.1;branch=", "SIP/2.0/UDP 10.0.0.1;branch=",
            "sip/2.0/udp 10.0.0.1:5060 ;branch=", "SIP / 2.0 / UDP 10.0.0.1 : 5060;branch=",
            "SIP/2.0/UDP\t10.0.0.1:5060;received=192.0.2.1;branch=",
        ])
    func spellings(head: String) throws {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"])
        try exchange.start()
        let answer = try exchange.takeOne().response("200 OK", contact)
        let changed = answer.replacing("SIP/2.0/UDP 10.0.0.1:5060;branch=", with: head)
        try #require(changed != answer)
        exchange.hear(changed)
        #expect(try exchange.takeOne().start == "ACK")
        #expect(exchange.count(.malformedMessages) == 0)
    }

    @Test(
        "is ours by its IPv6 address, however that is written (RFC 4291 §2.2)",
        arguments: [
            ("[2001:DB8:0:0:0:0:0:1]:5060;", true), ("[2001:db8::0001];", true), ("[2001:db8::2]:5060;", false),
            ("[2001:db8::1]:5070;", false),
        ])
    func addresses(sentBy: String, isOurs: Bool) throws {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"]) {
            $0.local = TransportAddress(ipv6High: 0x2001_0DB8 << 32, ipv6Low: 1, port: 5060)
        }
        try exchange.start()
        let answer = try exchange.takeOne().response("200 OK", contact)
        try #require(answer.contains("SIP/2.0/UDP [2001:db8::1]:5060;"))
        exchange.hear(answer.replacing("SIP/2.0/UDP [2001:db8::1]:5060;", with: "SIP/2.0/UDP \(sentBy)"))
        #expect(exchange.take().isEmpty != isOurs)
    }

    @Test("is ours by the host that was advertised, in any case")
    func advertised() throws {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"]) {
            $0.advertisedHost = "Edge.example.com"
        }
        try exchange.start()
        let answer = try exchange.takeOne().response("200 OK", contact)
        try #require(answer.contains("SIP/2.0/UDP Edge.example.com:5060;"))
        exchange.hear(answer.replacing("Edge.example.com:5060;", with: "10.0.0.1:5060;"))
        #expect(exchange.take().isEmpty)
        exchange.hear(answer.replacing("Edge.example.com:5060;", with: "EDGE.example.com:5060;"))
        #expect(try exchange.takeOne().start == "ACK")
    }

    @Test("has as many Vias as the request had, where extra headers gave it more")
    func extraVias() throws {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"]) {
            $0.extraHeaders = ["Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKfirst", "X-Test: 1"]
        }
        try exchange.start()
        let invite = try exchange.takeOne()
        try #require(invite.headers("Via").count == 2)
        let answer = invite.response("200 OK", contact)
        let last = invite.headers("Via")[1]
        exchange.hear(answer.replacing(last, with: last + ", SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKsecond"))
        #expect(exchange.take().isEmpty)
        exchange.hear(answer)
        #expect(try exchange.takeOne().start == "ACK")
        #expect(exchange.count(.malformedMessages) == 1)
    }

    @Test(
        "with another method in its CSeq matches no transaction (RFC 3261 §17.1.3)",
        arguments: ["1 BYE", "1 CANCEL", "1 PING", "1 ACK"])
    func otherMethod(cseq: String) throws {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"])
        try exchange.start()
        let answer = try exchange.takeOne().response("200 OK", contact)
        exchange.hear(answer.replacing("CSeq: 1 INVITE", with: "CSeq: \(cseq)"))
        #expect(exchange.take().isEmpty)
        #expect(exchange.count(.responseRetransmissionsReceived) == 0)
        exchange.hear(answer)
        #expect(try exchange.takeOne().start == "ACK")
        // Nor does it once the INVITE has its answer.
        exchange.hear(answer.replacing("CSeq: 1 INVITE", with: "CSeq: \(cseq)"))
        #expect(exchange.take().isEmpty)
        #expect(exchange.count(.responseRetransmissionsReceived) == 0)
        exchange.hear(answer)
        #expect(try exchange.takeOne().start == "ACK")
        #expect(exchange.count(.responseRetransmissionsReceived) == 1)
        #expect(discarded(exchange) == ["2 the request's method in the CSeq of its response (RFC 3261 §17.1.3)"])
    }

    @Test("with another method is discarded also after the call, and no ACK is sent to it")
    func afterTheCall() throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["alice"])
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("486 Busy Here"))
        #expect(try exchange.takeOne().start == "ACK")
        #expect(exchange.liveSlots == 0)
        exchange.hear(invite.response("486 Busy Here").replacing("1 INVITE", with: "1 BYE"))
        #expect(exchange.take().isEmpty)
        exchange.hear(invite.response("486 Busy Here"))
        #expect(try exchange.takeOne().start == "ACK")
        #expect(discarded(exchange) == ["1 the request's method in the CSeq of its response (RFC 3261 §17.1.3)"])
    }

    @Test("with a method that has no name here matches by its letters")
    func unknownMethod() throws {
        let exchange = try Exchange(
            Scenario("ping") {
                Party("alice") {
                    Send(.method("PING"))
                    Expect(200)
                }
            })
        try exchange.start()
        let answer = try exchange.takeOne().response("200 OK")
        exchange.hear(answer.replacing("1 PING", with: "1 PONG"))
        #expect(exchange.count(.runsSucceeded) == 0)
        exchange.hear(answer)
        #expect(exchange.count(.runsSucceeded) == 1)
        #expect(discarded(exchange) == ["1 the request's method in the CSeq of its response (RFC 3261 §17.1.3)"])
    }

    @Test("with the CANCEL's method is the CANCEL's, whose branch is the INVITE's (RFC 3261 §9.1)")
    func cancelled() throws {
        let exchange = try Exchange(
            Scenario("cancelling") {
                Party("alice") {
                    Send(.invite)
                    Expect(180)
                    Send(.cancel)
                    Expect(200, answering: .cancel)
                    Expect(487)
                }
            })
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("180 Ringing"))
        let cancel = try exchange.takeOne()
        exchange.hear(cancel.response("200 OK"))
        // Repeated while the INVITE is still pending, and after it.
        exchange.hear(cancel.response("200 OK"))
        exchange.hear(invite.response("487 Request Terminated"))
        #expect(try exchange.takeOne().start == "ACK")
        exchange.hear(cancel.response("200 OK"))
        #expect(exchange.count(.runsSucceeded) == 1)
        #expect(exchange.count(.malformedMessages) == 0)
        #expect(exchange.count(.responseRetransmissionsReceived) == 2)
    }

    @Test(
        "that does not fit is told where the call then fails for want of an answer",
        arguments: [
            (
                "branch=z9hG4bK", "branch=z9hG4bKx",
                "a 200 to 1 INVITE with another branch in its topmost Via than any request's"
            ),
            ("10.0.0.1:5060;", "10.0.0.9:5060;", "with another sent-by in its topmost Via than ours"),
            (
                "From: ", "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx\r\nFrom: ",
                "with more than one Via (RFC 3261 §8.1.3.3)"
            ),
            ("Call-ID: ", "Call-ID: x", "with another Call-ID than the request's (RFC 3261 §8.2.6.2)"),
            (";tag=", ";tag=x", "with another From tag than the request's (RFC 3261 §8.2.6.2)"),
            ("CSeq: 1 ", "CSeq: 2 ", "a 200 to 2 INVITE with another CSeq number than the request's"),
            ("CSeq: 1 INVITE", "CSeq: 1 BYE", "a 200 to 1 BYE with another method in CSeq than the request's"),
        ])
    func explained(part: String, wrong: String, words: String) throws {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"])
        try exchange.start()
        let answer = try exchange.takeOne().response("200 OK", contact)
        let place = try #require(answer.range(of: part))
        exchange.hear(answer.replacingCharacters(in: place, with: wrong))
        #expect(exchange.take().isEmpty && exchange.count(.responses2xx) == 0)
        exchange.pass(.seconds(40))
        #expect(exchange.count(.runsFailed) == 1 && exchange.liveSlots == 0)
        #expect(exchange.engine.residue.namedRecords <= 1)
        let got = try #require(exchange.record().failureGroups.first?.got)
        #expect(got.hasPrefix("nothing that fits: a 200 to ") && got.contains(words), "\(got)")
    }

    @Test("that did not fit is no reason for what is missing after others have fitted")
    func forgotten() throws {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"])
        try exchange.start()
        let answer = try exchange.takeOne().response("200 OK", contact)
        exchange.hear(answer.replacing("Call-ID: ", with: "Call-ID: x"))
        exchange.hear(answer)
        #expect(try exchange.takeOne().start == "ACK")
        // The BYE is not answered.
        exchange.pass(.seconds(60))
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.got == "nothing" && group.count == 1, "\(group.got)")
    }

    @Test("that came late is no reason for what the call fails of later")
    func lateIsNoMisfit() throws {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"])
        try exchange.start()
        let answer = try exchange.takeOne().response("200 OK", contact)
        exchange.hear(answer)
        exchange.hear(answer)
        exchange.pass(.seconds(80))
        #expect(exchange.count(.runsFailed) <= 1)
        #expect(exchange.record().failureGroups.allSatisfy { !$0.got.contains("fits") })
    }
}
