import Measurement
import ScenarioDSL
import Testing

@testable import CallEngine

@Suite("The response to a raw request")
struct RawRequestTests {
    @Test(
        "reaches its wait though the script wrote the CSeq", arguments: ["7 OPTIONS", "4294967296 OPTIONS", "7 PING"])
    func ownCSeq(cseq: String) throws {
        let exchange = try Exchange(
            Scenario("own-cseq") {
                Party("alice") {
                    SendRaw(.options, owning: .cseq) { Header("CSeq", "\(text: cseq)") }
                    Expect(200)
                }
            })
        try exchange.start()
        let ping = try exchange.takeOne()
        #expect(ping.header("CSeq") == cseq)
        // A number that is none is repeated as it is by a peer that answers at all; ours cannot read that.
        let readable = cseq.hasPrefix("4") ? ping.response("200 OK").replacing(cseq, with: "7 OPTIONS") : nil
        exchange.hear(readable ?? ping.response("200 OK"))
        #expect(exchange.count(.runsSucceeded) == 1)
        #expect(exchange.count(.strayResponses) == 0)
    }

    @Test("reaches its wait though the script wrote all of it, by the Call-ID where nothing else is ours")
    func everything() throws {
        let exchange = try Exchange(
            Scenario("all-own") {
                Party("alice") {
                    SendRaw(.options, owning: .everything) {
                        Header("Via", "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1")
                        Header("From", "<sip:mallory@example.com>;tag=1")
                        Header("To", "<sip:bob@10.0.0.2>")
                        Header("Call-ID", .callID)
                        Header("CSeq", "9 OPTIONS")
                        Header("Content-Length", "0")
                    }
                    Expect(400)
                }
            })
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("400 Bad Request"))
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("in a call does not disturb the dialog, whose own CSeq goes on")
    func inCall() throws {
        let exchange = try Exchange(
            Scenario("in-call") {
                Party("alice") {
                    Send(.invite) { Offer(.audio(.pcmu)) }
                    Expect(200)
                    Send(.ack)
                    SendRaw(.info, owning: .cseq) { Header("CSeq", "1 INFO") }
                    Expect(500)
                    Send(.bye)
                    Expect(200)
                }
            })
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        let info = exchange.take()[1]
        exchange.hear(info.response("500 Server Internal Error"))
        let bye = try exchange.takeOne()
        #expect(bye.start == "BYE" && bye.header("CSeq") == "2 BYE")
        exchange.hear(bye.response("200 OK"))
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("that refuses a raw INVITE is acknowledged (RFC 3261 §17.1.1.3)")
    func refusedInvite() throws {
        let exchange = try Exchange(
            Scenario("raw-invite") {
                Party("alice") {
                    SendRaw(.invite, owning: .cseq) {
                        Header("CSeq", "70 INVITE")
                        Offer(.audio(.pcmu))
                    }
                    Expect(486)
                }
            })
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("486 Busy Here"))
        let ack = try exchange.takeOne()
        #expect(ack.start == "ACK" && ack.header("CSeq") == "70 ACK")
        #expect(ack.header("Via") == invite.header("Via") && ack.requestURI == invite.requestURI)
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    @Test("that accepts a raw INVITE opens the call, whose ACK has the number the script wrote")
    func acceptedInvite() throws {
        let exchange = try Exchange(
            Scenario("raw-invite") {
                Party("alice") {
                    SendRaw(.invite, owning: .cseq) {
                        Header("CSeq", "70 INVITE")
                        Offer(.audio(.pcmu))
                    }
                    Expect(200)
                    Send(.ack)
                }
            })
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        let ack = try #require(exchange.take().first)
        #expect(ack.start == "ACK" && ack.header("CSeq") == "70 ACK")
    }
}
