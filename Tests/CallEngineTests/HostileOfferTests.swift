import SIPWire
import Scenarios
import Testing

@testable import CallEngine

/// Offers that nobody should send: each is answered stream by stream (RFC 3264 §6), in a message whose length is what it says.
@Suite("Hostile offers")
struct HostileOfferTests {
    private static let accepted = Flow.accepted(connection: 7, generation: 3)
    private static let offer = """
        v=0\r\no=ada 7 42 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=sendonly\r
        m=audio 6000/2 RTP/AVP 0 8  101\r\na=rtpmap:0 PCMU/8000\r\na=fmtp:0 x\r\nm=video 0 RTP/AVP 31\r\na=inactive\r
        m=audio 7000 RTP/SAVP 8\r\na=rtpmap:8 PCMA/8000\r\na=recvonly\r\n
        """

    private func invite(_ call: Int, _ body: [UInt8], over transport: String) -> [UInt8] {
        let head = [
            "INVITE sip:bob@10.0.0.1:5060 SIP/2.0", "Via: SIP/2.0/\(transport) 10.0.0.2:5060;branch=z9hG4bKh\(call)",
            "Max-Forwards: 70", "From: <sip:ada@10.0.0.2>;tag=\(call)", "To: <sip:bob@10.0.0.1>", "Call-ID: h\(call)",
            "CSeq: 1 INVITE", "Contact: <sip:ada@10.0.0.2:5060>", "Content-Type: application/sdp",
            "Content-Length: \(body.count)", "", "",
        ]
        return Array(head.joined(separator: "\r\n").utf8) + body
    }

    /// The bodies of what the engine has sent with a body, once their lengths are found right.
    private func bodies(_ exchange: Exchange) -> [[UInt8]] {
        var bodies: [[UInt8]] = []
        var scanner = MessageScanner()
        for index in 0..<exchange.engine.outbound.count {
            let entry = exchange.engine.outbound[index]
            let octets = UnsafeRawBufferPointer(
                start: exchange.engine.outbound.octets + entry.offset, count: entry.length)
            #expect(scanner.scan(octets) == .message)
            #expect(Int(scanner.index.messageEnd) == octets.count, "Content-Length")
            let body = scanner.index.body
            if body.length > 0 { bodies.append(Array(octets[Int(body.offset)..<Int(body.end)])) }
        }
        exchange.engine.outbound.removeAll()
        return bodies
    }

    private struct Stream: Equatable {
        var kind, proto: [UInt8]
        var isRefused, isWellFormed: Bool
    }

    private func streams(_ description: [UInt8]) -> [Stream] {
        description.withUnsafeBytes { octets in
            guard let base = octets.baseAddress else { return [] }
            func text(_ range: OctetRange) -> [UInt8] { Array(octets[Int(range.offset)..<Int(range.end)]) }
            var streams: [Stream] = []
            var list = SDPView(base, OctetRange(offset: 0, length: UInt32(octets.count))).media
            while let one = list.next() {
                streams.append(
                    Stream(
                        kind: text(one.kind), proto: text(one.proto), isRefused: one.port == 0,
                        isWellFormed: one.isWellFormed))
            }
            return streams
        }
    }

    @Test("are answered stream by stream", arguments: 1...8 as ClosedRange<UInt64>)
    func streamByStream(seed: UInt64) throws {
        let exchange = try Exchange(Scenarios.basicCall, plays: ["bob"])
        var state = seed
        func next(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state &>> 33) % UInt64(count))
        }
        let telling = Array("\r\n \t=m=a0:/\0".utf8)
        var compared = 0
        for call in 0..<100 {
            var offer = Array(Self.offer.utf8)
            for _ in 0...next(5) {
                let place = next(offer.count), end = min(offer.count, place + next(60))
                switch next(5) {
                case 0: offer[place] ^= 1 << UInt8(next(8))
                case 1: offer[place] = telling[next(telling.count)]
                case 2: offer.insert(telling[next(telling.count)], at: place)
                case 3: offer.insert(contentsOf: offer[place..<end], at: place)
                default: if end - place < offer.count { offer.removeSubrange(place..<end) }
                }
            }
            invite(call, offer, over: "UDP").withUnsafeBytes {
                exchange.engine.receive($0, from: Exchange.peer, received: exchange.now, now: exchange.now)
            }
            let answers = bodies(exchange)
            let offered = streams(offer)
            try #require(answers.count == 1, "\(String(decoding: offer, as: UTF8.self).debugDescription)")
            let answered = streams(answers[0])
            #expect(answered.count == offered.count, "\(String(decoding: offer, as: UTF8.self).debugDescription)")
            for (ours, theirs) in zip(answered, offered) where theirs.isWellFormed {
                compared += 1
                #expect(ours == theirs, "\(String(decoding: offer, as: UTF8.self).debugDescription)")
            }
        }
        #expect(compared > 100)
    }

    /// Three octets a stream ask for twenty in the answer: more than the five digits of its Content-Length can say.
    @Test("with thousands of streams are not answered with a message of another length than it says")
    func thousandsOfStreams() throws {
        for streams in [100, 1000, 3000, 5400] {
            let exchange = try Exchange(Scenarios.basicCall, plays: ["bob"]) { $0.transports = .tcp }
            exchange.tell(Self.accepted, .accepted(from: Exchange.peer))
            let offer = Array(("v=0\na=sendonly\n" + String(repeating: "m=\n", count: streams)).utf8)
            invite(1, offer, over: "TCP").withUnsafeBytes {
                exchange.engine.receive($0, on: Self.accepted, received: exchange.now, now: exchange.now)
            }
            let answers = bodies(exchange)
            #expect(answers.count == (streams <= 3000 ? 1 : 0), "\(streams)")
            guard answers.isEmpty else { continue }
            // Refused, and nobody acknowledges that.
            exchange.pass(.seconds(40))
            #expect(exchange.count(.runsFailed) == 1)
        }
    }
}
