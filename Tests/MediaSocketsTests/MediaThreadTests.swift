import CLinuxSockets
import Glibc
import Measurement
import RTPMedia
import SIPWire
import Testing

@testable import Blaster
@testable import MediaSockets

/// A peer of one stream: a socket of the test's own.
private final class Peer {
    let descriptor: Int32
    let address: TransportAddress

    init() throws {
        var name = clx_address(TransportAddress(ipv4: 0x7F00_0001, port: 0))
        descriptor = clx_udp_open(&name)
        try #require(descriptor >= 0)
        clx_local_address(descriptor, &name)
        address = TransportAddress(name)
    }

    deinit { clx_close(descriptor) }

    func send(_ octets: [UInt8], to port: UInt16) {
        var name = clx_address(TransportAddress(ipv4: 0x7F00_0001, port: port))
        #expect(clx_media_send(descriptor, octets, octets.count, &name, nil) == 0)
    }

    func send(_ packet: RTPPacket, payload: [UInt8] = [1, 2, 3, 4], to port: UInt16) {
        var octets = [UInt8](repeating: 0, count: 12)
        octets.withUnsafeMutableBytes { packet.write(to: $0.baseAddress!) }
        send(octets + payload, to: port)
    }

    /// The next datagram; nil where none comes for so long that none will.
    func receive(within milliseconds: Int32 = 20_000) -> [UInt8]? {
        var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waited, 1, milliseconds) == 1 else { return nil }
        var octets = [UInt8](repeating: 0, count: 2048)
        var source = clx_address()
        var stamp: Int64 = 0
        let length = clx_media_receive(descriptor, &octets, octets.count, &source, &stamp)
        return length < 0 ? nil : Array(octets.prefix(Int(length)))
    }
}

@Suite("The media thread", .timeLimit(.minutes(2)))
struct MediaThreadTests {
    private static let here = TransportAddress(ipv4: 0x7F00_0001, port: 0)

    private static func packet(_ sequence: UInt16, source: UInt32 = 5) -> RTPPacket {
        RTPPacket(
            hasMarker: false, payloadType: 0, sequence: sequence, timestamp: UInt32(sequence) * 160, source: source)
    }

    /// A thread with one stream in use, which sends back what `peer` sends; it has its order when the first packet is back.
    private static func echoing(_ peer: Peer) throws -> (thread: MediaThread, desk: MediaDesk, handle: UInt16) {
        let thread = try MediaThread(ports: .pairs(3), at: here, workers: 1)
        var desk = MediaDesk(thread.boards[0])
        let drawn = desk.draw()
        let handle = try #require(drawn)
        var order = desk.order(handle)
        order.remote = peer.address
        order.maySend = true
        order.sending = .echo
        desk.give(order, to: handle)
        while true {
            peer.send(packet(100), to: desk.port(handle))
            if peer.receive(within: 100) != nil { break }
        }
        // Whatever of them was still on its way.
        while peer.receive(within: 300) != nil {}
        return (thread, desk, handle)
    }

    @Test func `what comes is counted by what it is`() throws {
        let peer = try Peer(), stranger = try Peer()
        let (thread, desk, handle) = try Self.echoing(peer)
        let port = desk.port(handle)
        #expect(port % 2 == 0)
        for sequence in [UInt16(101), 102, 104, 104, 103, 107] { peer.send(Self.packet(sequence), to: port) }
        stranger.send(Self.packet(105), to: port)
        peer.send(Array("OPTIONS sip:x SIP/2.0".utf8), to: port)
        // A sender report at each port of the pair (RFC 5761).
        let report: [UInt8] = [0x80, 200, 0, 6] + [UInt8](repeating: 0, count: 24)
        peer.send(report, to: port)
        peer.send(report, to: port + 1)
        let record = thread.end()
        #expect(record.portPairs == 3 && record.mostPortPairsInUse == 1)
        #expect(record.streamsReceived == 1)
        #expect(record.packetsLost == 2, "105 and 106")
        #expect(record.packetsOutOfOrder == 1, "103")
        // The first may have come more than once, until it was echoed.
        #expect(record.packetsDuplicated >= 1)
        #expect(record.packetsReceived - record.packetsDuplicated == 6)
        #expect(record.octetsReceived == record.packetsReceived * 4 || record.packetsDuplicated > 0)
        #expect(record.packetsFromOthers == 1)
        #expect(record.packetsNotRTP == 1)
        #expect(record.rtcpPackets == 2 && record.rtcpOctets == 56)
        #expect(record.receiveOverflows == 0)
    }

    @Test func `a peer that sends from elsewhere than it says is heard until the described one is`() throws {
        let described = try Peer(), other = try Peer(), third = try Peer()
        let thread = try MediaThread(ports: .pairs(1), at: Self.here, workers: 1)
        var desk = MediaDesk(thread.boards[0])
        let drawn = desk.draw()
        let handle = try #require(drawn)
        var order = desk.order(handle)
        order.remote = described.address
        order.maySend = true
        order.sending = .echo
        desk.give(order, to: handle)
        // The echo goes where the description says, and tells that the thread has its order.
        while true {
            other.send(Self.packet(1), to: desk.port(handle))
            if described.receive(within: 100) != nil { break }
        }
        while described.receive(within: 300) != nil {}
        for (peer, sequence) in [(other, UInt16(2)), (third, 3), (described, 4), (other, 5), (described, 6)] {
            peer.send(Self.packet(sequence), to: desk.port(handle))
        }
        let record = thread.end()
        // 1, 2, 4 and 6 are heard; 3 and 5 are somebody else's.
        #expect(record.packetsReceived - record.packetsDuplicated == 4)
        #expect(record.packetsLost == 2 && record.streamsReceived == 1)
        #expect(record.packetsFromOthers == 4 + record.packetsDuplicated)
    }

    @Test func `an echo is the same sound from a source of our own`() throws {
        let peer = try Peer()
        let (thread, desk, handle) = try Self.echoing(peer)
        for sequence in [UInt16(101), 103] {
            peer.send(Self.packet(sequence), payload: [9, 8, UInt8(sequence)], to: desk.port(handle))
            let back = try #require(peer.receive())
            let packet = try #require(back.withUnsafeBytes { RTPPacket($0) })
            // What was lost on the way here shows there as lost.
            #expect(packet.sequence == sequence && packet.timestamp == UInt32(sequence) * 160)
            #expect(packet.source != 5 && packet.payloadType == 0)
            #expect(Array(back[packet.payload]) == [9, 8, UInt8(sequence)])
        }
        let record = thread.end()
        #expect(record.streamsSent == 1 && record.packetsSent == record.packetsReceived)
    }

    @Test func `a tone leaves every 20 ms of its own clock, marked at its beginning`() throws {
        let peer = try Peer()
        let thread = try MediaThread(ports: .pairs(1), at: Self.here, workers: 1)
        var desk = MediaDesk(thread.boards[0])
        let drawn = desk.draw()
        let handle = try #require(drawn)
        var order = desk.order(handle)
        order.remote = peer.address
        order.maySend = true
        order.sending = .tone
        order.payloadType = 8
        desk.give(order, to: handle)
        let payloads = MediaPayloads()
        var first: RTPPacket?
        for number in 0..<12 {
            let octets = try #require(peer.receive())
            let packet = try #require(octets.withUnsafeBytes { RTPPacket($0) })
            let start = first ?? packet
            first = start
            #expect(packet.hasMarker == (number == 0))
            #expect(packet.payloadType == 8 && packet.source == start.source)
            #expect(packet.sequence == start.sequence &+ UInt16(number))
            // 160 samples, or a multiple where the machine was late.
            #expect((packet.timestamp &- start.timestamp) % 160 == 0)
            var wanted = [UInt8](repeating: 0, count: MediaPayloads.samples)
            payloads.copyTone(number, .aLaw, to: &wanted)
            #expect(Array(octets[packet.payload]) == wanted)
        }
        // Held, nothing is sent; taken up again, a talkspurt begins.
        order.maySend = false
        desk.give(order, to: handle)
        while peer.receive(within: 300) != nil {}
        order.maySend = true
        order.sending = .silence
        desk.give(order, to: handle)
        let octets = try #require(peer.receive())
        let packet = try #require(octets.withUnsafeBytes { RTPPacket($0) })
        #expect(packet.hasMarker && packet.source == first?.source)
        #expect(octets[packet.payload].allSatisfy { $0 == 0xD5 })
        #expect(thread.end().streamsSent == 2)
    }

    @Test func `a port where nobody listens is told by ICMP and counted`() throws {
        var peer: Peer? = try Peer()
        let gone = peer!.address
        peer = nil
        let thread = try MediaThread(ports: .pairs(1), at: Self.here, workers: 1)
        var desk = MediaDesk(thread.boards[0])
        let drawn = desk.draw()
        let handle = try #require(drawn)
        var order = desk.order(handle)
        order.remote = gone
        order.maySend = true
        order.sending = .tone
        order.payloadType = 0
        desk.give(order, to: handle)
        usleep(500_000)
        let record = thread.end()
        #expect(record.packetsSent == 0 || record.icmpErrors > 0)
    }

    @Test func `ports are pairs of an even and the next odd one, and taken ones are passed over`() throws {
        let first = try MediaThread(ports: .pairs(5), at: Self.here, workers: 2)
        var low = MediaDesk(first.boards[0]), high = MediaDesk(first.boards[1])
        let handles = (0..<3).map { _ in low.draw()! }
        let none = low.draw(), one = high.draw()
        #expect(none == nil && one != nil)
        let ports = handles.map { low.port($0) }
        #expect(ports.allSatisfy { $0 % 2 == 0 } && Set(ports).count == 3)
        #expect(throws: MediaPortError.self) {
            _ = try MediaThread(ports: .range(ports[0]...(ports[0] + 1)), at: Self.here, workers: 1)
        }
        let record = first.end()
        #expect(record.portPairs == 5 && record.portsExhausted == 1 && record.mostPortPairsInUse == 4)
        // Given back, they can be had again.
        let second = try MediaThread(ports: .range(ports[0]...(ports[0] + 1)), at: Self.here, workers: 1)
        #expect(second.end().portPairs == 1)
    }
}
