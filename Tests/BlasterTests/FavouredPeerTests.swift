import CLinuxSockets
import CallEngine
import Glibc
import SIPWire
import Testing

@testable import Blaster

/// A peer that nearly everything comes from has a socket of its own at the same address: nobody may notice.
@Suite("The favoured peer's socket") struct FavouredPeerTests {
    private func log(_ range: Range<UInt32>, flows: UInt32 = 1, length: Int = 400) -> OutboundLog {
        var log = OutboundLog()
        for i in range {
            log.add(markedMessage(owner: i, sequence: 0, length: length), flow: i % flows, owner: i)
        }
        return log
    }

    @Test(arguments: [true, false])
    func `what comes is the same from the peer and from others, before and after`(segmentation: Bool) throws {
        let wanted = options(segmentation: segmentation)
        var socket = try UDPSocket(binding: anyLoopback, options: wanted)
        var peer = try UDPSocket(binding: anyLoopback, options: wanted)
        var other = try UDPSocket(binding: anyLoopback, options: wanted)
        let table = AddressTable(addresses: [socket.localAddress])
        var first = log(0..<20)
        var between = log(20..<40)
        var later = log(40..<60)
        sendAll(&peer, &first, to: table)
        socket.favour(peer.localAddress)
        #expect(socket.favoured == peer.localAddress)
        sendAll(&peer, &later, to: table)
        sendAll(&other, &between, to: table)
        let received = drain(&socket, count: 60)
        let fromPeer = received.filter { $0.source == peer.localAddress }.map { ownerAndSequence($0.octets).owner }
        let fromOther = received.filter { $0.source == other.localAddress }.map { ownerAndSequence($0.octets).owner }
        #expect(fromPeer == Array(0..<20) + Array(40..<60))
        #expect(fromOther == Array(20..<40))
        #expect(received.allSatisfy { $0.stamp != 0 })
        // Its names are no longer asked for once its socket was found empty.
        _ = socket.receiveBatch()
        for turn in 0..<2 as Range<UInt32> {
            var more = log(turn * 10..<turn * 10 + 10)
            sendAll(&peer, &more, to: table)
            var others = log(100..<110)
            sendAll(&other, &others, to: table)
            let again = drain(&socket, count: 20)
            #expect(again.filter { $0.source == peer.localAddress }.count == 10)
            #expect(again.filter { $0.source == other.localAddress }.count == 10)
        }
    }

    @Test(arguments: [true, false])
    func `what is sent comes from one address, to the peer and to others`(segmentation: Bool) throws {
        let wanted = options(segmentation: segmentation)
        var socket = try UDPSocket(binding: anyLoopback, options: wanted)
        var peer = try UDPSocket(binding: anyLoopback, options: wanted)
        var other = try UDPSocket(binding: anyLoopback, options: wanted)
        socket.favour(peer.localAddress)
        let table = AddressTable(addresses: [peer.localAddress, other.localAddress])
        var mixed = log(0..<301, flows: 2)
        sendAll(&socket, &mixed, to: table)
        let (toPeer, toOther) = (drain(&peer, count: 151), drain(&other, count: 150))
        #expect(toPeer.map { ownerAndSequence($0.octets).owner } == stride(from: 0, to: 301, by: 2).map { $0 })
        #expect(toOther.map { ownerAndSequence($0.octets).owner } == stride(from: 1, to: 301, by: 2).map { $0 })
        #expect((toPeer + toOther).allSatisfy { $0.source == socket.localAddress })
        #expect(socket.counters.datagramsSent == 301)
        #expect(socket.counters.sendsFailed == 0)
    }

    @Test func `nobody else gets the port`() throws {
        var socket = try UDPSocket(binding: anyLoopback)
        let peer = try UDPSocket(binding: anyLoopback)
        socket.favour(peer.localAddress)
        #expect(socket.favoured != nil)
        #expect(throws: SocketError(operation: .open, address: socket.localAddress, errno: EADDRINUSE)) {
            _ = try UDPSocket(binding: socket.localAddress)
        }
        // Not even one that would share.
        let sharing = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(sharing) }
        var one: Int32 = 1
        setsockopt(sharing, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = socket.localAddress.port.bigEndian
        name.sin_addr.s_addr = loopback.bigEndian
        let bound = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(sharing, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(bound == -1)
        #expect(errno == EADDRINUSE)
    }

    @Test func `a peer that has gone is told by its address`() throws {
        var socket = try UDPSocket(binding: anyLoopback)
        let gone: TransportAddress
        do {
            let peer = try UDPSocket(binding: anyLoopback)
            gone = peer.localAddress
            socket.favour(gone)
        }
        var other = try UDPSocket(binding: anyLoopback)
        let table = AddressTable(addresses: [gone, other.localAddress])
        var mixed = log(0..<20, flows: 2)
        sendAll(&socket, &mixed, to: table)
        #expect(drain(&other, count: 10).count == 10)
        _ = socket.wait(watch: -1, event: -1, atMost: 1_000_000_000)
        _ = socket.receiveBatch()
        var error = clx_error()
        var refused = 0
        while socket.readError(into: &error) {
            #expect(TransportAddress(error.destination) == gone)
            #expect(error.error == ECONNREFUSED)
            refused += 1
        }
        #expect(refused >= 1)
        #expect(socket.hasErrors == false)
    }

    @Test func `drops of both sockets are counted`() throws {
        var small = options(segmentation: false)
        small.receiveBuffer = 4096
        var socket = try UDPSocket(binding: anyLoopback, options: small)
        var peer = try UDPSocket(binding: anyLoopback, options: options(segmentation: false))
        var other = try UDPSocket(binding: anyLoopback, options: options(segmentation: false))
        socket.favour(peer.localAddress)
        let table = AddressTable(addresses: [socket.localAddress])
        var one = log(0..<100)
        var two = log(100..<200)
        sendAll(&peer, &one, to: table)
        sendAll(&other, &two, to: table)
        socket.readOverflow()
        var got = 0
        while socket.receiveBatch() > 0 { while socket.nextMessage() != nil { got += 1 } }
        #expect(got < 200)
        #expect(socket.counters.receiveOverflow == UInt64(200 - got))
    }
}
