import Glibc
import SIPWire

// Offer and answer (RFC 3264): what a party says of its streams where the scenario leaves it to us.
extension CallEngine {
    /// The answer to an offer: every stream accepted with its first format, at the place and in the order of the offer
    /// (RFC 3264 §6). Equal offers are answered from the worker's memory of the last one.
    mutating func answer(
        _ node: ValuePool.Node, _ header: UnsafeMutablePointer<SlotHeader>, _ slot: UInt32
    ) -> UnsafeRawBufferPointer? {
        var offer: UnsafeRawBufferPointer?
        if node.a >= 0 { offer = evaluate(Int(node.a), header, slot) }
        if offer == nil || offer!.count == 0, let base = hand, scanner.index.body.length > 0 {
            offer = slice(base, scanner.index.body)
        }
        guard let offer, let start = offer.baseAddress, offer.count > 0 else {
            return ownOffer(header, slot, dialog: Int(node.b))
        }
        let local = localNumber(ofCall: slot, header)
        // With media each answer has ports of its own.
        let isAlike = !bound.hasMedia
        if isAlike, answerCache.matches(offer, party: header.pointee.party, local: local) { return answerCache.answer }
        let range = OctetRange(offset: 0, length: UInt32(truncatingIfNeeded: offer.count))
        let view = SDPView(start, range)
        guard offer.count < 16_384 else { return nil }
        let connection = connectionAddress(slot, header)
        let name = literal(bound.partyNames[Int(header.pointee.party)])
        let hasMedia = bound.hasMedia
        var ports = MediaPorts()
        if hasMedia {
            guard let drawn = answeredMediaPorts(view, slot, header, Int(node.b)) else { return nil }
            ports = drawn
        }
        let made = compute { out in
            Self.writeSession(&out, name: name, connection: connection)
            var list = view.media
            var port: UInt64 = 41_000
            var stream = 0
            while let media = list.next() {
                out.write("m=")
                out.write(start + Int(media.kind.offset), Int(media.kind.length))
                out.write(" ")
                if hasMedia {
                    out.writeNumber(stream < MediaPorts.mostStreams ? UInt64(ports[stream]) : 0)
                } else {
                    out.writeNumber(media.port == 0 ? 0 : port)
                }
                out.write(" ")
                out.write(start + Int(media.proto.offset), Int(media.proto.length))
                out.write(" ")
                port += 2
                stream += 1
                var format = media.formats
                if let space = memchr(start + Int(format.offset), 0x20, Int(format.length)) {
                    format.length = UInt32(UnsafeRawPointer(space) - (start + Int(format.offset)))
                }
                if hasMedia, let sound = Self.soundFormat(media)?.place { format = sound }
                out.write(start + Int(format.offset), Int(format.length))
                out.write("\r\n")
                // What the offer says of that format holds for the answer too.
                var lines = SDPLines(start, media.section)
                while let line = lines.next() {
                    guard line.type == UInt8(ascii: "a") else { continue }
                    let text = start + Int(line.value.offset)
                    let length = Int(line.value.length)
                    for prefix: StaticString in ["rtpmap:", "fmtp:"] {
                        let head = prefix.utf8CodeUnitCount
                        guard length > head + Int(format.length), memcmp(text, prefix.utf8Start, head) == 0,
                            memcmp(text + head, start + Int(format.offset), Int(format.length)) == 0,
                            text.load(fromByteOffset: head + Int(format.length), as: UInt8.self) == 0x20
                        else { continue }
                        out.write("a=")
                        out.write(text, length)
                        out.write("\r\n")
                    }
                }
                switch media.direction {
                case .sendrecv: break
                case .sendonly: out.write("a=recvonly\r\n")
                case .recvonly: out.write("a=sendonly\r\n")
                case .inactive: out.write("a=inactive\r\n")
                }
            }
        }
        if isAlike, let made { answerCache.keep(offer, made, party: header.pointee.party, local: local) }
        return made
    }

    /// Where there was no offer, the first reliable response that may have one carries the offer (RFC 3261 §13.2.1): a voice
    /// stream that everybody takes.
    private mutating func ownOffer(
        _ header: UnsafeMutablePointer<SlotHeader>, _ slot: UInt32, dialog: Int
    ) -> UnsafeRawBufferPointer? {
        let connection = connectionAddress(slot, header)
        let name = literal(bound.partyNames[Int(header.pointee.party)])
        var port: UInt16 = 41_000
        if bound.hasMedia {
            guard let drawn = mediaPort(ofStream: 0, slot, header, dialog) else { return nil }
            port = drawn
        }
        return compute { out in
            Self.writeSession(&out, name: name, connection: connection)
            out.write("m=audio ")
            out.writeNumber(UInt64(port))
            out.write(" RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n")
        }
    }

    /// The lines before the first stream.
    private static func writeSession(
        _ out: inout OctetWriter, name: UnsafeRawBufferPointer, connection: UnsafeRawBufferPointer
    ) {
        out.write("v=0\r\no=")
        out.write(name.baseAddress, name.count)
        out.write(" 2890844730 2890844730 IN ")
        out.write(connection.baseAddress, connection.count)
        out.write("\r\ns=-\r\nc=IN ")
        out.write(connection.baseAddress, connection.count)
        out.write("\r\nt=0 0\r\n")
    }
}

/// The last offer and its answer: a load of calls offers the same again and again.
struct AnswerCache {
    private struct Head {
        var offerLength = 0
        var answerLength = 0
        var party: UInt8 = 0
        var local: UInt32 = 0
    }

    private static let room = 16_384
    private let head: UnsafeMutablePointer<Head>
    private let octets: UnsafeMutableRawPointer

    init() {
        head = .allocate(capacity: 1)
        head.initialize(to: Head())
        octets = .allocate(byteCount: 2 * Self.room, alignment: 16)
    }

    func deallocate() {
        head.deallocate()
        octets.deallocate()
    }

    func matches(_ offer: UnsafeRawBufferPointer, party: UInt8, local: UInt32) -> Bool {
        offer.count == head.pointee.offerLength && party == head.pointee.party && local == head.pointee.local
            && memcmp(offer.baseAddress!, octets, offer.count) == 0
    }

    var answer: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: octets + Self.room, count: head.pointee.answerLength)
    }

    func keep(_ offer: UnsafeRawBufferPointer, _ answer: UnsafeRawBufferPointer, party: UInt8, local: UInt32) {
        guard offer.count <= Self.room, answer.count <= Self.room, offer.count > 0, answer.count > 0 else { return }
        memcpy(octets, offer.baseAddress!, offer.count)
        memcpy(octets + Self.room, answer.baseAddress!, answer.count)
        head.pointee.offerLength = offer.count
        head.pointee.answerLength = answer.count
        head.pointee.party = party
        head.pointee.local = local
    }
}
