import CLinuxSockets
import CallEngine
import Glibc
import SIPWire
import Testing

@testable import Blaster

/// Flow n leads to one address, from the n-th of some sources.
private struct SourceTable: ~Copyable, FlowAddresses {
    var destination: TransportAddress
    var sources: [TransportAddress]
    func address(of flow: Flow) -> TransportAddress { destination }
    func localAddress(of flow: Flow) -> TransportAddress { sources[Int(flow.index)] }
}

@Suite("A socket with many sources")
struct SourceSocketTests {
    static let hasIPv6 = {
        var address = clx_address(.loopback(isIPv6: true))
        return clx_probe_local(&address) == 0
    }()

    private static func naming(segmentation: Bool) -> UDPSocket.Options {
        var chosen = options(segmentation: segmentation)
        chosen.namesSources = true
        return chosen
    }

    private static func sendAll(_ socket: inout UDPSocket, _ log: inout OutboundLog, _ table: borrowing SourceTable) {
        for _ in 0..<10_000 {
            if case .sent = socket.send(log, to: table) {
                log.removeAll()
                return
            }
        }
        Issue.record("the log does not leave")
    }

    @Test("sends each message from its own, equal ones of one source together", arguments: [true, false])
    func sources(segmentation: Bool) throws {
        let sources = (0..<8).map { TransportAddress(ipv4: 0x7F4D_0001 + $0, port: 0) }
        var a = try UDPSocket(
            binding: .unspecified(isIPv6: false, port: 0), options: Self.naming(segmentation: segmentation))
        var b = try UDPSocket(binding: anyLoopback, options: options(segmentation: segmentation))
        let table = SourceTable(destination: b.localAddress, sources: sources)
        var log = OutboundLog()
        var expected: [[UInt8]: UInt32] = [:]
        for owner in 0..<800 as Range<UInt32> {
            let message = markedMessage(owner: owner, sequence: 0, length: 300)
            expected[message] = sources[Int(owner % 8)].ipv4
            log.add(message, flow: owner % 8, owner: owner)
        }
        Self.sendAll(&a, &log, table)
        let received = drain(&b, count: 800)
        #expect(received.count == 800)
        #expect(received.allSatisfy { expected[$0.octets] == $0.source.ipv4 && $0.source.port == a.localAddress.port })
        #expect((a.counters.segmentedSends > 0) == segmentation)
        // Full sends of 64 and the rest, of each source in a window of 1024.
        if segmentation { #expect(a.counters.segmentedSends == 16) }
    }

    @Test("tells which address a message came to, and answers from it", arguments: [true, false])
    func told(isIPv6: Bool) throws {
        guard !isIPv6 || Self.hasIPv6 else { return }
        var server = try UDPSocket(
            binding: .unspecified(isIPv6: isIPv6, port: 0), options: Self.naming(segmentation: true))
        var client = try UDPSocket(
            binding: isIPv6 ? .loopback(isIPv6: true) : TransportAddress(ipv4: loopback, port: 0), options: options())
        var called = isIPv6 ? TransportAddress.loopback(isIPv6: true) : TransportAddress(ipv4: 0x7F01_0203, port: 0)
        called.port = server.localAddress.port
        var log = OutboundLog()
        log.add(markedMessage(owner: 1, sequence: 1, length: 100), owner: 1)
        BlasterTests.sendAll(&client, &log, to: AddressTable(addresses: [called]))
        var seen: (local: TransportAddress, source: TransportAddress)?
        while seen == nil {
            _ = clx_wait(server.descriptor, -1, -1, -1, 1_000_000_000)
            let buffers = server.receiveBatch()
            try #require(buffers > 0)
            while let message = server.nextMessage() { seen = (message.local, message.source) }
        }
        let (local, source) = try #require(seen)
        #expect(local.high == called.high && local.low == called.low && local.isIPv6 == isIPv6)
        log.add(markedMessage(owner: 2, sequence: 1, length: 100), owner: 2)
        Self.sendAll(&server, &log, SourceTable(destination: source, sources: [local]))
        #expect(drain(&client, count: 1).first?.source == called)
    }

    @Test("tells a source that the machine does not have as just that, and the others' messages leave")
    func foreign() throws {
        // RFC 5737: nobody's.
        let sources = [TransportAddress(ipv4: 0xC000_0209, port: 0), TransportAddress(ipv4: 0x7F4D_0001, port: 0)]
        var foreign = clx_address(sources[0])
        try #require(clx_probe_local(&foreign) == -EADDRNOTAVAIL)
        var a = try UDPSocket(binding: .unspecified(isIPv6: false, port: 0), options: Self.naming(segmentation: true))
        var b = try UDPSocket(binding: anyLoopback, options: options())
        let table = SourceTable(destination: b.localAddress, sources: sources)
        var log = OutboundLog()
        for owner in 0..<8 as Range<UInt32> {
            log.add(markedMessage(owner: owner, sequence: 0, length: 300), flow: owner / 4, owner: owner)
        }
        Self.sendAll(&a, &log, table)
        let taken = a.takeFailure()
        let failure = try #require(taken)
        #expect(failure.flow.index == 0)
        guard case .refused(EADDRNOTAVAIL) = failure.event else {
            Issue.record("\(failure.event)")
            return
        }
        #expect(a.counters.sendsFailed == 4)
        #expect(drain(&b, count: 4).count == 4)
        #expect(a.largestSegment == Int(UInt16.max))
    }

    @Test("A run whose sources are not all this machine's does not begin, and names the first that is not")
    func refusedAtStart() throws {
        var plan = RunPlan(load: .none, local: .unspecified(isIPv6: false, port: 0))
        try plan.sources.add("127.0.0.5")
        try plan.sources.add("192.0.2.9")
        #expect {
            try Blaster.carryOut(
                plan, control: RunControl(),
                makeEngine: { EchoEngine(worker: $0, target: $1.local, behaviour: EchoBehaviour()) },
                finishEngine: { _, _ in },
                progressInterval: 1_000_000_000, onProgress: { _ in })
        } throws: {
            "\($0)".contains("cannot send from 192.0.2.9: Cannot assign requested address")
        }
    }
}

@Suite("What packets carry besides octets")
struct PacketMarkTests {
    private func value(_ descriptor: Int32, _ level: Int32, _ option: Int32) -> Int32 {
        var value: Int32 = -1
        var length = socklen_t(4)
        getsockopt(descriptor, level, option, &value, &length)
        return value
    }

    @Test("is set on the socket, and on the one of a favoured peer")
    func marks() throws {
        var chosen = options()
        chosen.trafficClass = 46 << 2
        chosen.pathMTU = .discover
        var socket = try UDPSocket(binding: anyLoopback, options: chosen)
        let peer = try UDPSocket(binding: anyLoopback, options: options())
        socket.favour(peer.localAddress)
        for descriptor in [socket.descriptor, socket.favouredDescriptor] {
            #expect(value(descriptor, Int32(IPPROTO_IP), IP_TOS) == 184)
            #expect(value(descriptor, Int32(IPPROTO_IP), IP_MTU_DISCOVER) == IP_PMTUDISC_DO)
        }
        chosen.pathMTU = .ignore
        let ignoring = try UDPSocket(binding: anyLoopback, options: chosen)
        #expect(value(ignoring.descriptor, Int32(IPPROTO_IP), IP_MTU_DISCOVER) == IP_PMTUDISC_DONT)
        guard SourceSocketTests.hasIPv6 else { return }
        let six = try UDPSocket(binding: .loopback(isIPv6: true), options: chosen)
        #expect(value(six.descriptor, Int32(IPPROTO_IPV6), IPV6_TCLASS) == 184)
    }

    @Test("A datagram longer than the path takes is told with its owner, and costs nobody else anything")
    func tooLong() throws {
        var a = try UDPSocket(binding: anyLoopback, options: options())
        var b = try UDPSocket(binding: anyLoopback, options: options())
        clx_sender_set_transmitter(a.sender, takesWhatIsShort)
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        for owner in 0..<6 as Range<UInt32> {
            log.add(markedMessage(owner: owner, sequence: 0, length: owner == 4 ? 900 : 200), owner: owner)
        }
        sendAll(&a, &log, to: table)
        #expect(drain(&b, count: 5).count == 5)
        let taken = a.takeFailure()
        let failure = try #require(taken)
        #expect(failure.owner == 4)
        guard case .refused(EMSGSIZE) = failure.event else {
            Issue.record("\(failure.event)")
            return
        }
        #expect(a.failureCount == 0)
    }
}
