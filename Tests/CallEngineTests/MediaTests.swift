import Measurement
import RTPMedia
import SIPWire
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

/// What a call asks of its media ports, by its descriptions and those of its peer.
@Suite("Media ports of calls")
final class MediaTests {
    private let board = MediaBoard(ports: [20_000, 20_002])
    private var orders: [Int: MediaOrder] = [:]

    deinit { board.destroy() }

    /// The newest order of a pair of ports.
    private func order(_ pair: Int = 0) -> MediaOrder {
        while let (pair, order) = board.take() { orders[pair] = order }
        return orders[pair] ?? MediaOrder()
    }

    private func sdp(_ port: Int, host: String = "10.0.0.2", formats: String = "0", _ more: String = "") -> String {
        "v=0\r\no=p 1 1 IN IP4 \(host)\r\ns=-\r\nc=IN IP4 \(host)\r\nt=0 0\r\nm=audio \(port) RTP/AVP \(formats)\r\n\(more)"
    }

    private func address(_ host: UInt32, _ port: UInt16) -> TransportAddress {
        TransportAddress(ipv4: host, port: port)
    }

    private static let talker = Scenario("talker") {
        Party("alice") {
            Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
            Expect(180, .optional)
            Expect(200)
            Send(.ack)
            SendMedia(.tone)
            Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
            Expect(200)
            Send(.ack)
            SendMedia(.silence)
            Expect(.bye)
            Send(200)
        }
    }

    @Test func `an offer names a bound port, and the answer says where to send`() throws {
        let exchange = try Exchange(Self.talker) { $0.media = board }
        try exchange.start()
        let invite = try exchange.takeOne()
        #expect(invite.text.contains("m=audio 20000 RTP/AVP 0 8\r\n"))
        #expect(order().isOpen && order().remote == nil && !order().isSource)
        let contact = "Contact: <sip:bob@10.0.0.2:5060>"
        exchange.hear(
            invite.response("200 OK", contact, "Content-Type: application/sdp", body: sdp(4000, formats: "8")))
        let sent = exchange.take()
        try #require(sent.map(\.start) == ["ACK", "INVITE"])
        #expect(order().isSource && order().sending == .tone && order().payloadType == 8)
        #expect(order().remote == address(0x0A00_0002, 4000))
        // The same port again, and the peer is somewhere else now.
        #expect(sent[1].text.contains("m=audio 20000 "))
        let again = sdp(4002, host: "10.0.0.3", formats: "0 8", "a=sendrecv\r\n")
        exchange.hear(sent[1].response("200 OK", contact, "Content-Type: application/sdp", body: again))
        #expect(exchange.take().map(\.start) == ["ACK"])
        #expect(order().remote == address(0x0A00_0003, 4002) && order().payloadType == 0)
        #expect(order().isSource && order().sending == .silence)
        let generation = order().generation
        exchange.hear(
            request(
                "BYE", branch: "9", from: sent[1].header("To"), to: sent[1].header("From"),
                callID: sent[1].header("Call-ID"),
                cseq: "1 BYE"))
        #expect(try exchange.takeOne().start == "200")
        #expect(!order().isSource && !order().isOpen && order().generation == generation)
        #expect(exchange.count(.runsSucceeded) == 1)
    }

    /// RFC 3264 §5.1, §6 and §8.4, and RFC 2543's way to hold.
    @Test(arguments: [
        ("a=sendrecv", 4000, "10.0.0.2", true), ("a=recvonly", 4000, "10.0.0.2", true),
        ("a=sendonly", 4000, "10.0.0.2", false), ("a=inactive", 4000, "10.0.0.2", false),
        ("a=sendrecv", 0, "10.0.0.2", false), ("a=sendrecv", 4000, "0.0.0.0", false),
    ])
    func `what the peer takes is sent, and nothing else`(
        _ attribute: String, _ port: Int, _ host: String, _ sends: Bool
    ) throws {
        let exchange = try Exchange(Self.talker) { $0.media = board }
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(
            invite.response(
                "200 OK", "Contact: <sip:bob@10.0.0.2:5060>", "Content-Type: application/sdp",
                body: sdp(port, host: host, "\(attribute)\r\n")))
        #expect(order().isSource == sends)
        #expect(order().sending == .tone)
    }

    private static let listener = Scenario("listener") {
        Party("bob") {
            Expect(.invite)
            Send(200) { Answer() }
            SendMedia(.tone)
            Expect(.ack)
            Expect(.bye)
            Send(200)
        }
    }

    private func answer(_ offer: String, media: MediaBoard) throws -> (exchange: Exchange, ok: SentMessage?) {
        let exchange = try Exchange(Self.listener, plays: ["bob"]) { $0.media = media }
        exchange.hear(
            request(
                "INVITE", branch: "1", from: "<sip:alice@10.0.0.2>;tag=a", to: "<sip:bob@10.0.0.1>", callID: "c",
                cseq: "1 INVITE", "Contact: <sip:alice@10.0.0.2:5060>", "Content-Type: application/sdp"
            ).carrying(offer))
        return (exchange, exchange.take().last)
    }

    @Test(arguments: [
        // What is offered, what the answer names, and what is sent.
        ("0 8", "a=sendrecv", "m=audio 20000 RTP/AVP 0\r\n", UInt8(0), true),
        ("96 8 0", "a=rtpmap:96 opus/48000/2", "m=audio 20000 RTP/AVP 8\r\n", 8, true),
        ("96", "a=rtpmap:96 opus/48000/2", "m=audio 20000 RTP/AVP 96\r\n", MediaOrder.noPayload, false),
        ("0", "a=sendonly", "m=audio 20000 RTP/AVP 0\r\na=recvonly\r\n", 0, false),
        ("0", "a=recvonly", "m=audio 20000 RTP/AVP 0\r\na=sendonly\r\n", 0, true),
        ("0", "a=inactive", "m=audio 20000 RTP/AVP 0\r\na=inactive\r\n", 0, false),
    ])
    func `an answer names a bound port and a codec that we can send`(
        _ formats: String, _ attribute: String, _ line: String, _ payload: UInt8, _ sends: Bool
    ) throws {
        let (_, ok) = try answer(sdp(4000, formats: formats, "\(attribute)\r\n"), media: board)
        let text = try #require(ok).text
        #expect(text.contains(line), "\(text)")
        #expect(order().remote == address(0x0A00_0002, 4000))
        #expect(order().payloadType == payload && order().isSource == sends)
        #expect(board.counts.withoutCodec == (payload == MediaOrder.noPayload ? 1 : 0))
        if formats == "96" { #expect(order().clockRate == 48_000) }
    }

    @Test func `a stream that is not offered gets no port`() throws {
        let offer = sdp(0) + "m=audio 4002 RTP/AVP 8\r\n"
        let (_, ok) = try answer(offer, media: board)
        let text = try #require(ok).text
        #expect(text.contains("m=audio 0 RTP/AVP 0\r\n") && text.contains("m=audio 20000 RTP/AVP 8\r\n"))
        #expect(order().remote == address(0x0A00_0002, 4002))
    }

    @Test func `a call that finds no port fails and says so`() throws {
        let offer = sdp(4000) + "m=audio 4002 RTP/AVP 8\r\nm=audio 4004 RTP/AVP 8\r\n"
        let (exchange, ok) = try answer(offer, media: board)
        #expect(ok?.start == "500")
        #expect(board.counts.exhausted == 1)
        #expect(exchange.count(.runsFailed) == 0)
        exchange.hear(
            request(
                "ACK", branch: "1", from: "<sip:alice@10.0.0.2>;tag=a", to: ok?.header("To") ?? "", callID: "c",
                cseq: "1 ACK"))
        #expect(exchange.count(.runsFailed) == 1)
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.got == "no media port free in the generator (--media-ports)", "\(group.got)")
        // What it had drawn is free again.
        #expect(!order(0).isOpen && !order(1).isOpen)
    }

    @Test func `without media the ports are numbers and nothing is drawn`() throws {
        let exchange = try Exchange(Self.talker)
        try exchange.start()
        let invite = try exchange.takeOne()
        #expect(invite.text.contains("m=audio 40000 RTP/AVP 0 8\r\n"))
        exchange.hear(
            invite.response(
                "200 OK", "Contact: <sip:bob@10.0.0.2:5060>", "Content-Type: application/sdp", body: sdp(4000)))
        #expect(exchange.take().map(\.start) == ["ACK", "INVITE"])
    }

    @Test func `a second call of the same party keeps its port and forgets where the first peer was`() throws {
        let twice = Scenario("twice") {
            Party("alice") {
                Repeat(2) {
                    Send(.invite) { Offer(.audio(.pcmu)) }
                    Expect(200)
                    Send(.ack)
                    SendMedia(.tone)
                    Send(.bye)
                    Expect(200)
                }
            }
        }
        let exchange = try Exchange(twice) { $0.media = board }
        try exchange.start()
        let first = try exchange.takeOne()
        exchange.hear(
            first.response(
                "200 OK", "Contact: <sip:bob@10.0.0.2:5060>", "Content-Type: application/sdp", body: sdp(4000)))
        let bye = try #require(exchange.take().last)
        #expect(order().remote == address(0x0A00_0002, 4000) && order().sending == .nothing)
        let generation = order().generation
        exchange.hear(bye.response("200 OK"))
        let second = try exchange.takeOne()
        #expect(second.start == "INVITE" && second.text.contains("m=audio 20000 "))
        #expect(order().isOpen && order().remote == nil && order().generation != generation)
    }

    /// A re-INVITE that is refused leaves the session as it was (RFC 3261 §14.2).
    @Test func `a refused re-INVITE moves no media`() throws {
        let (exchange, ok) = try answer(sdp(4000), media: board)
        let to = try #require(ok).header("To")
        let alice = "<sip:alice@10.0.0.2>;tag=a"
        exchange.hear(request("ACK", branch: "2", from: alice, to: to, callID: "c", cseq: "1 ACK"))
        exchange.hear(
            request(
                "INVITE", branch: "3", from: alice, to: to, callID: "c", cseq: "2 INVITE",
                "Contact: <sip:alice@10.0.0.2:5060>", "Content-Type: application/sdp"
            ).carrying(sdp(5000)))
        #expect(exchange.take().last?.start == "488")
        #expect(order().remote == address(0x0A00_0002, 4000) && order().isSource)
    }
}

extension String {
    fileprivate func carrying(_ body: String) -> String {
        replacing("Content-Length: 0\r\n\r\n", with: "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }
}
