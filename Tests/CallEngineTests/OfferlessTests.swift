import Measurement
import Scenarios
import Testing

@testable import CallEngine

@Suite("An INVITE without an offer")
struct OfferlessTests {
    @Test("gets it in the 200 (RFC 3261 §13.2.1)")
    func offerInAnswer() throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["bob"])
        let (from, to) = ("<sip:alice@10.0.0.2>;tag=a", "<sip:bob@10.0.0.1>")
        exchange.hear(
            request(
                "INVITE", branch: "1", from: from, to: to, callID: "offerless", cseq: "1 INVITE",
                "Contact: <sip:alice@10.0.0.2:5060>"))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["180", "200"])
        let answer = try #require(sent.last)
        let parts = answer.text.split(separator: "\r\n\r\n", maxSplits: 1)
        try #require(parts.count == 2)
        #expect(answer.header("Content-Type") == "application/sdp")
        #expect(answer.header("Content-Length").drop { $0 == " " } == "\(parts[1].utf8.count)")
        #expect(parts[1].hasPrefix("v=0\r\no=bob "))
        #expect(parts[1].contains("\r\nm=audio 41000 RTP/AVP 0 8\r\n"))
        for (method, branch) in [("ACK", "2"), ("BYE", "3")] {
            exchange.hear(
                request(
                    method, branch: branch, from: from, to: answer.header("To"), callID: "offerless",
                    cseq: "\(method == "ACK" ? 1 : 2) \(method)"))
        }
        #expect(exchange.take().map(\.start) == ["200"])
        #expect(exchange.count(.runsSucceeded) == 1)
    }
}
