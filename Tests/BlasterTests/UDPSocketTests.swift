import CLinuxSockets
import CallEngine
import Glibc
import Measurement
import SIPWire
import Testing

@testable import Blaster

struct Received: Equatable {
    var octets: [UInt8]
    var source: TransportAddress
    var stamp: Int64
}

/// Everything a socket gets until `count` messages are there or two seconds have passed.
func drain(_ socket: inout UDPSocket, count: Int) -> [Received] {
    var all: [Received] = []
    let limit = MonotonicInstant.now().advanced(byNanoseconds: 2_000_000_000)
    while all.count < count && MonotonicInstant.now() < limit {
        if socket.receiveBatch() == 0 { _ = clx_wait(socket.descriptor, socket.favouredDescriptor, -1, -1, 10_000_000) }
        while let message = socket.nextMessage() {
            all.append(Received(octets: Array(message.octets), source: message.source, stamp: message.stamp))
        }
    }
    return all
}

func options(segmentation: Bool = true, burst: Int = 1 << 20) -> UDPSocket.Options {
    var options = UDPSocket.Options()
    options.segmentation = segmentation
    options.burst = burst
    return options
}

/// Sends a whole log, and fails the test when the kernel will not have it.
func sendAll(_ socket: inout UDPSocket, _ log: inout OutboundLog, to table: borrowing AddressTable) {
    for _ in 0..<10_000 {
        if case .sent = socket.send(log, to: table) {
            log.removeAll()
            return
        }
    }
    Issue.record("the log does not leave")
}

@Suite struct UDPSocketTests {
    /// (sender segments, receiver segments): every pair must carry the same octets.
    static let segmentations = [(true, true), (true, false), (false, true), (false, false)]

    @Test(arguments: segmentations)
    func equalMessagesArriveWholeAndInOrder(sending: Bool, receiving: Bool) throws {
        var a = try UDPSocket(binding: anyLoopback, options: options(segmentation: sending))
        var b = try UDPSocket(binding: anyLoopback, options: options(segmentation: receiving))
        #expect(a.localAddress.port != 0)
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        var expected: [[UInt8]] = []
        for i in 0..<300 as Range<UInt32> {
            let message = markedMessage(owner: i, sequence: 0, length: 400)
            expected.append(message)
            log.add(message, owner: i)
        }
        sendAll(&a, &log, to: table)
        let received = drain(&b, count: 300)
        #expect(received.map(\.octets) == expected)
        #expect(received.allSatisfy { $0.source == a.localAddress })
        #expect(a.counters.datagramsSent == 300)
        #expect(a.counters.octetsSent == 120_000)
        #expect(b.counters.datagramsReceived == 300)
        #expect(b.counters.octetsReceived == 120_000)
        #expect((a.counters.segmentedSends > 0) == sending)
        #expect(b.counters.receiveOverflow == 0)
        if sending {
            // 64 a send.
            #expect(a.counters.segmentedSends == 5)
            #expect((b.counters.coalescedBuffers > 0) == receiving)
        }
    }

    @Test(arguments: segmentations, [1, 2, 3] as [UInt64])
    func randomLogsKeepEachOwnersOrder(pair: (Bool, Bool), seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        func below(_ n: UInt64) -> Int { Int(random.next() % n) }
        var a = try UDPSocket(binding: anyLoopback, options: options(segmentation: pair.0))
        var b = try UDPSocket(binding: anyLoopback, options: options(segmentation: pair.1))
        var c = try UDPSocket(binding: anyLoopback, options: options(segmentation: pair.1))
        let table = AddressTable(addresses: [b.localAddress, c.localAddress])
        let lengths = [60, 60, 60, 399, 400, 1200, 3000, 9000]
        for _ in 0..<4 {
            var log = OutboundLog()
            var sent: [[[UInt8]]] = [[], []]
            var sequences = [UInt32: UInt32]()
            for _ in 0..<(1 + below(2500)) {
                // Owners 8192 apart share a place in the order table.
                let owner = UInt32(below(40)) &* (below(2) == 0 ? 1 : 8192)
                let flow = below(2)
                let message = markedMessage(
                    owner: owner, sequence: sequences[owner, default: 0], length: lengths[below(UInt64(lengths.count))])
                sequences[owner, default: 0] += 1
                log.add(message, flow: UInt32(flow), owner: owner)
                sent[flow].append(message)
            }
            sendAll(&a, &log, to: table)
            for (flow, got) in [(0, drain(&b, count: sent[0].count)), (1, drain(&c, count: sent[1].count))] {
                let messages = got.map(\.octets)
                // Nothing lost, changed or doubled.
                #expect(Set(messages) == Set(sent[flow]))
                #expect(messages.count == sent[flow].count)
                // Each owner's in order on its way.
                var last = [UInt32: Int64]()
                for message in messages {
                    let (owner, sequence) = ownerAndSequence(message)
                    #expect(Int64(sequence) > last[owner, default: -1])
                    last[owner] = Int64(sequence)
                }
                if !pair.0 { #expect(messages == sent[flow]) }
            }
        }
    }

    @Test func ownersKeepTheirOrderOverAllFlows() throws {
        // What one flow's receiver cannot see: the order in which sends leave, over all flows.
        var random = SeededGenerator(seed: 5)
        var grouping = SegmentGrouping()
        let order = UnsafeMutablePointer<UInt32>.allocate(capacity: SegmentGrouping.window)
        defer { order.deallocate() }
        for _ in 0..<200 {
            var log = OutboundLog()
            let count = 1 + Int(random.next() % UInt64(SegmentGrouping.window))
            for i in 0..<count {
                let length = 8 + Int(random.next() % 4)
                log.add(
                    markedMessage(owner: 0, sequence: UInt32(i), length: length), flow: UInt32(random.next() % 3),
                    owner: UInt32(random.next() % 50))
            }
            grouping.arrange(log, first: 0, count: count, order: order)
            let arranged = (0..<count).map { Int(order[$0]) }
            #expect(Set(arranged).count == count)
            var last = [UInt32: Int]()
            var runs = 1
            for (i, index) in arranged.enumerated() {
                #expect(index > last[log[index].owner, default: -1])
                last[log[index].owner] = index
                if i > 0,
                    log[index].length != log[arranged[i - 1]].length || log[index].flow != log[arranged[i - 1]].flow
                {
                    runs += 1
                }
            }
            // The point of it all: fewer sends than messages.
            if count > 200 { #expect(runs < count / 2, "\(runs) sends for \(count) messages") }
        }
    }

    @Test func callsOfTwoMessagesShareTwoSends() throws {
        var a = try UDPSocket(binding: anyLoopback, options: options())
        var b = try UDPSocket(binding: anyLoopback, options: options())
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        for call in 0..<60 as Range<UInt32> {
            log.add(markedMessage(owner: call, sequence: 0, length: 400), owner: call)
            log.add(markedMessage(owner: call, sequence: 1, length: 410), owner: call)
        }
        sendAll(&a, &log, to: table)
        #expect(a.counters.segmentedSends == 2)
        #expect(a.counters.sendCalls == 1)
        #expect(drain(&b, count: 120).count == 120)
    }

    @Test func theBurstEndsASend() throws {
        var a = try UDPSocket(binding: anyLoopback, options: options(burst: 100))
        var b = try UDPSocket(binding: anyLoopback, options: options())
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        for i in 0..<250 as Range<UInt32> { log.add(markedMessage(owner: i, sequence: 0, length: 100), owner: i) }
        guard case .burstSpent = a.send(log, to: table) else {
            Issue.record("more than the burst left")
            return
        }
        #expect(a.counters.datagramsSent == 100)
        // The log may grow meanwhile.
        for i in 250..<300 as Range<UInt32> { log.add(markedMessage(owner: i, sequence: 0, length: 100), owner: i) }
        sendAll(&a, &log, to: table)
        #expect(
            drain(&b, count: 300).map(\.octets) == (0..<300).map { markedMessage(owner: $0, sequence: 0, length: 100) })
    }

    @Test func longAndEmptyMessages() throws {
        var a = try UDPSocket(binding: anyLoopback, options: options())
        var b = try UDPSocket(binding: anyLoopback, options: options())
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        let lengths = [65_507, 40_000, 40_000, 0, 0, 1]
        for (i, length) in lengths.enumerated() {
            log.add([UInt8](repeating: UInt8(i), count: length), owner: UInt32(i))
        }
        // Longer than a UDP datagram: fails alone.
        log.add([UInt8](repeating: 9, count: 70_000), flow: 0, owner: 9)
        sendAll(&a, &log, to: table)
        #expect(drain(&b, count: lengths.count).map(\.octets.count) == lengths)
        #expect(a.counters.sendsFailed == 1)
        guard let failure = a.takeFailure(), case .refused(let error) = failure.event else {
            Issue.record("the failure is not told")
            return
        }
        #expect(error == EMSGSIZE)
    }

    @Test func stampsAreMappedToTheMonotonicClock() throws {
        var a = try UDPSocket(binding: anyLoopback)
        var b = try UDPSocket(binding: anyLoopback)
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        log.add([1, 2, 3], owner: 0)
        let clock = StampClock()
        let before = MonotonicInstant.now()
        sendAll(&a, &log, to: table)
        let received = try #require(drain(&b, count: 1).first)
        let after = MonotonicInstant.now()
        #expect(received.stamp != 0)
        let instant = clock.instant(of: received.stamp, now: after)
        let slack = clock.uncertainty + 1000
        #expect(instant.nanoseconds >= before.nanoseconds - slack)
        #expect(instant <= after)
        #expect(clock.instant(of: 0, now: after) == after)
        #expect(clock.instant(of: received.stamp + 3_600_000_000_000, now: after) == after)
    }

    @Test func aFullReceiveBufferIsCounted() throws {
        var small = options(segmentation: false)
        small.receiveBuffer = 4096
        var a = try UDPSocket(binding: anyLoopback, options: options(segmentation: false))
        var b = try UDPSocket(binding: anyLoopback, options: small)
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        for i in 0..<200 as Range<UInt32> { log.add(markedMessage(owner: i, sequence: 0, length: 500), owner: i) }
        sendAll(&a, &log, to: table)
        // Drops after the last message that came are known only to the kernel.
        b.readOverflow()
        var got = 0
        while b.receiveBatch() > 0 { while b.nextMessage() != nil { got += 1 } }
        #expect(got < 200)
        #expect(b.counters.receiveOverflow == UInt64(200 - got))
    }

    @Test(arguments: [true, false])
    func aClosedPortIsToldByItsAddress(segmentation: Bool) throws {
        var a = try UDPSocket(binding: anyLoopback, options: options(segmentation: segmentation))
        var open = try UDPSocket(binding: anyLoopback)
        let closed: TransportAddress
        do {
            let gone = try UDPSocket(binding: anyLoopback)
            closed = gone.localAddress
        }
        let table = AddressTable(addresses: [closed, open.localAddress])
        var log = OutboundLog()
        for i in 0..<20 as Range<UInt32> {
            log.add(markedMessage(owner: i, sequence: 0, length: 300), flow: i % 2, owner: i)
        }
        sendAll(&a, &log, to: table)
        // The errors of one flow cost the other nothing.
        #expect(drain(&open, count: 10).count == 10)
        #expect(a.counters.sendsFailed == 0)
        #expect(a.counters.datagramsSent == 20)
        _ = clx_wait(a.descriptor, -1, -1, -1, 1_000_000_000)
        _ = a.receiveBatch()
        var error = clx_error()
        var refused = 0
        while a.readError(into: &error) {
            #expect(TransportAddress(error.destination) == closed)
            #expect(error.error == ECONNREFUSED)
            #expect(error.origin == 2)
            // Enough of it came back to name the transaction.
            let quoted = withUnsafeBytes(of: &error.octets) { Array($0.prefix(Int(error.length))) }
            #expect(quoted.count >= 8)
            let (owner, _) = ownerAndSequence(quoted)
            #expect(owner % 2 == 0)
            refused += 1
        }
        #expect(refused >= 1)
        #expect(a.counters.refusals == UInt64(refused))
        #expect(a.hasErrors == false)
    }

    @Test func aTakenPortIsAnError() throws {
        let a = try UDPSocket(binding: anyLoopback)
        let address = a.localAddress
        do {
            _ = try UDPSocket(binding: address)
            Issue.record("two sockets on one port")
        } catch {
            #expect(error == SocketError(operation: .open, address: address, errno: EADDRINUSE))
            #expect(error.description == "cannot bind UDP 127.0.0.1:\(address.port): Address already in use")
        }
    }

    @Test func version6() throws {
        let any = TransportAddress(ipv6High: 0, ipv6Low: 1, port: 0)
        guard var a = try? UDPSocket(binding: any, options: options()) else { return }  // a machine without IPv6
        var b = try UDPSocket(binding: any, options: options())
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        for i in 0..<100 as Range<UInt32> { log.add(markedMessage(owner: i, sequence: 0, length: 450), owner: i) }
        sendAll(&a, &log, to: table)
        let received = drain(&b, count: 100)
        #expect(received.map(\.octets) == (0..<100).map { markedMessage(owner: $0, sequence: 0, length: 450) })
        #expect(received.allSatisfy { $0.source == a.localAddress })
        #expect(a.localAddress.text == "[::1]:\(a.localAddress.port)")
    }
}
