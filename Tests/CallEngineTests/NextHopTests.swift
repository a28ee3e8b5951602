import Measurement
import SIPWire
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

/// Next hops that a run cannot take as RFC 3263 §4 has them.
@Suite("A Contact that names a host or another transport")
struct NextHopTests {
    @Test(
        "is counted, and the dialog goes on to where the message came from, or to the address that it names",
        arguments: [
            ("<sip:bob@10.0.0.9:5062>", 0, "10.0.0.9:5062"),
            ("<sip:bob@10.0.0.9:5062;transport=udp>", 0, "10.0.0.9:5062"),
            ("<sip:bob@10.0.0.9:5062;transport=tcp>", 1, "10.0.0.9:5062"),
            ("<sip:bob@phone.example.com>", 1, "10.0.0.2:5060"),
        ])
    func counted(contact: String, count: UInt64, place: String) throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["alice"])
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: \(contact)"))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        #expect(sent.allSatisfy { $0.to.text == place })
        #expect(exchange.count(.pathsNotFollowed) == count)
    }
}
