import Measurement
import SIPWire
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

/// What a 2xx to an INVITE must tell of the dialog that it makes (RFC 3261 §12.1.2).
@Suite("A 2xx to an INVITE")
struct DialogMakingTests {
    private func started(_ change: (inout EngineSettings) -> Void = { _ in }) throws -> (Exchange, SentMessage) {
        let exchange = try Exchange(FailedRunReportTests.calling, plays: ["alice"], settings: change)
        try exchange.start()
        return (exchange, try exchange.takeOne())
    }

    @Test(
        "whose Contact is no SIP URI fails its step, and is acknowledged and hung up where the INVITE went",
        arguments: [
            "*", "<<<", "<>", "bob", "<bob>", "<tel:+15551234>", "<http://10.0.0.2/>", "<sip:>", "<sip:bob@>",
            "<sip:bob@10.0.0.2:0>",
        ])
    func notSIP(contact: String) throws {
        let (exchange, invite) = try started()
        exchange.hear(
            invite.response("200 OK", "Contact: \(contact)"), from: TransportAddress(ipv4: 0x0A00_0007, port: 5060))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        #expect(sent.allSatisfy { $0.requestURI == invite.requestURI && $0.to == Exchange.peer })
        if let bye = sent.last { exchange.hear(bye.response("200 OK")) }
        #expect(exchange.liveRuns == 0)
        let record = exchange.record()
        #expect(record[.runsFailed] == 1)
        let group = try #require(record.failureGroups.first)
        #expect(group.step?.text.hasPrefix("expect") == true)
        #expect(group.expected == "a SIP or SIPS URI in the Contact of a response to INVITE")
        #expect(group.got == "a 200 whose Contact is not a SIP URI")
        #expect(group.rule == "RFC 3261 §8.1.3.4, §12.1.2")
    }

    @Test(
        "is taken with every Contact that is a SIP URI",
        arguments: [
            "sip:bob@10.0.0.2:5060", "<sip:10.0.0.2>", "\"Bob, B\" <sip:bob@10.0.0.2>;q=0.5",
            "Bob Büchner <sip:bob@10.0.0.2>", "<sip:bob:pw@10.0.0.2;transport=udp?a=b>",
            "<sip:bob@10.0.0.2>, <tel:+15551234>",
        ])
    func isSIP(contact: String) throws {
        let (exchange, invite) = try started()
        exchange.hear(invite.response("200 OK", "Contact: \(contact)"))
        #expect(try exchange.takeOne().start == "ACK")
        #expect(exchange.count(.malformedMessages) == 0)
    }

    /// RFC 3261 §26.2.2.
    @Test(
        "fails its step where the Contact leads to TLS, which is not spoken",
        arguments: ["<sips:bob@10.0.0.2>", "<sip:bob@10.0.0.2;transport=tls>"])
    func leadsToTLS(contact: String) throws {
        let (exchange, invite) = try started()
        exchange.hear(invite.response("200 OK", "Contact: \(contact)"))
        let sent = exchange.take()
        // Nothing goes in clear to where TLS was wanted.
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        #expect(sent.allSatisfy { $0.requestURI == invite.requestURI && $0.to == Exchange.peer })
        if let bye = sent.last { exchange.hear(bye.response("200 OK")) }
        let record = exchange.record()
        #expect(record[.runsFailed] == 1)
        let group = try #require(record.failureGroups.first)
        #expect(
            group.got
                == "a 200 that leads to TLS (sips: or transport=tls), which this run does not speak: --transport tls")
        #expect(group.rule == "RFC 3261 §26.2.2")
    }

    @Test("without a Contact is acknowledged where the INVITE went, and counted")
    func noContact() throws {
        let (exchange, invite) = try started {
            $0.domain = "10.0.0.9:5080"
            $0.mostLingering = 100
        }
        try #require(invite.requestURI == "sip:alice@10.0.0.9:5080")
        let elsewhere = TransportAddress(ipv4: 0x0A00_0007, port: 5060)
        exchange.hear(invite.response("200 OK"), from: elsewhere)
        let ack = try exchange.takeOne()
        #expect(ack.start == "ACK" && ack.requestURI == invite.requestURI && ack.to == Exchange.peer)
        // A repeat gets the same ACK, to the same address.
        exchange.hear(invite.response("200 OK"), from: elsewhere)
        let again = try exchange.takeOne()
        #expect(again.text == ack.text && again.to == ack.to)
        let counted = exchange.record().malformed.filter { $0.count > 0 }
        #expect(counted.map(\.name) == ["a Contact with a SIP URI in a 2xx to INVITE (RFC 3261 §12.1.1)"])
        #expect(counted.map(\.count) == [1])
    }

    @Test("of a re-INVITE whose Contact is no SIP URI fails, and leaves the target as it was")
    func reinvite() throws {
        let exchange = try Exchange(Scenarios.reinvite, plays: ["alice"])
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:bob@10.0.0.3:5070>"))
        let again = try #require(exchange.take().last)
        try #require(again.start == "INVITE")
        exchange.hear(again.response("200 OK", "Contact: *"))
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        #expect(sent.allSatisfy { $0.requestURI == "sip:bob@10.0.0.3:5070" })
        #expect(exchange.record().failureGroups.map(\.got) == ["a 200 whose Contact is not a SIP URI"])
    }

    @Test("with more Record-Route entries than are kept fails its step", arguments: [64, 65])
    func manyRoutes(count: Int) throws {
        let (exchange, invite) = try started()
        let routes = (0..<count).map { "<sip:10.0.1.\($0);lr>" }.joined(separator: ", ")
        exchange.hear(
            invite.response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>", "Record-Route: \(routes)"))
        if count == 64 {
            let ack = try exchange.takeOne()
            #expect(ack.headers("Route").count == 64)
            return
        }
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.expected == "a route set that can be kept: no more than 64 entries and 60,000 octets")
        #expect(group.got == "a 200 with a longer Record-Route")
        #expect(group.rule == "Carillon's own: a route set that is cut leads elsewhere")
    }

    @Test("An INVITE with more Record-Route entries than are kept is counted")
    func manyRoutesOfAnInvite() throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["bob"])
        let routes = (0..<65).map { "<sip:10.0.1.\($0);lr>" }.joined(separator: ", ")
        exchange.hear(
            request(
                "INVITE", branch: "1", from: "<sip:alice@10.0.0.2>;tag=a", to: "<sip:bob@10.0.0.1>", callID: "c",
                cseq: "1 INVITE", "Contact: <sip:alice@10.0.0.2:5060>", "Record-Route: \(routes)"))
        #expect(exchange.take().last?.start == "200")
        let counted = exchange.record().malformed.filter { $0.count > 0 }
        #expect(counted.map(\.name) == ["no more Record-Route entries than this reader's limit"])
    }
}
