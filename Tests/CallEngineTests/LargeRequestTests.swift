import Measurement
import ScenarioDSL
import SIPWire
import Testing

@testable import CallEngine

/// RFC 3261 §18.1.1: what is too large for a datagram.
@Suite("A request above 1,300 octets")
struct LargeRequestTests {
    private static func message(_ octets: Int) -> Scenario {
        Scenario("message") {
            Party("alice") {
                Send(.message) { Body("text/plain", Value(stringLiteral: String(repeating: "x", count: octets))) }
                Expect(200)
            }
        }
    }

    @Test(
        "is sent over UDP and counted, once for all its repeats", arguments: [(200, 0), (1_300, 1)] as [(Int, UInt64)])
    func counted(octets: Int, count: UInt64) throws {
        let exchange = try Exchange(Self.message(octets))
        try exchange.start()
        let sent = try exchange.takeOne()
        #expect((sent.text.utf8.count > 1_300) == (count > 0))
        exchange.pass(.milliseconds(600))
        #expect(try exchange.takeOne().text == sent.text)
        #expect(exchange.count(.requestsTooLargeForUDP) == count)
    }

    @Test("is not sent where the run refuses it, and the failure says its length")
    func refused() throws {
        let exchange = try Exchange(Self.message(1_300)) { $0.refusesLargeRequests = true }
        try exchange.start()
        #expect(exchange.take().isEmpty)
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.expected == "to send MESSAGE")
        #expect(group.got.hasPrefix("a request of 1,6"), "\(group.got)")
        let rule = "octets: above 1,300, or 200 below the path's MTU, it goes over TCP (RFC 3261 §18.1.1)"
        #expect(group.got.hasSuffix(rule))
    }

    @Test("is no matter over a stream")
    func stream() throws {
        let exchange = try Exchange(Self.message(1_300)) {
            $0.refusesLargeRequests = true
            $0.transports = .tcp
        }
        try exchange.start()
        #expect(try exchange.takeOne().text.contains("Via: SIP/2.0/TCP"))
        #expect(exchange.count(.requestsTooLargeForUDP) == 0)
    }

    @Test("is warned of where its fixed text alone is that long")
    func warned() throws {
        let diagnostics = ScenarioCompiler.compile([Self.message(1_300).tree]).diagnostics
        #expect(diagnostics.map(\.severity) == [.warning])
        #expect(diagnostics.first?.text.contains("RFC 3261 §18.1.1") == true)
        #expect(ScenarioCompiler.compile([Self.message(200).tree]).diagnostics.isEmpty)
    }

    @Test("is told apart by its length in a trace")
    func code() {
        for evidence in [FailureEvidence.tooLarge(octets: 1_301), .tooLarge(octets: 65_000), .routes(status: 200)] {
            #expect(FailureEvidence(code: evidence.code) == evidence)
        }
    }
}
