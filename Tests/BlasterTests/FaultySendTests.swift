import CLinuxSockets
import CallEngine
import Glibc
import SIPWire
import Testing

@testable import Blaster

@Suite struct FaultySendTests {
    private static func exchange(
        _ transmitter: clx_transmitter, lengths: [Int], check: (inout UDPSocket, [[UInt8]], [[UInt8]]) -> Void
    ) throws {
        var a = try UDPSocket(binding: anyLoopback, options: options())
        var b = try UDPSocket(binding: anyLoopback, options: options())
        clx_sender_set_transmitter(a.sender, transmitter)
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        var sent: [[UInt8]] = []
        for i in 0..<200 as Range<UInt32> {
            let message = markedMessage(owner: i / 4, sequence: i % 4, length: lengths[Int(i) % lengths.count])
            sent.append(message)
            log.add(message, owner: i / 4)
        }
        sendAll(&a, &log, to: table)
        let received = drain(&b, count: 200).map(\.octets)
        #expect(Set(received) == Set(sent))
        #expect(received.count == sent.count)
        var last = [UInt32: Int64]()
        for message in received {
            let (owner, sequence) = ownerAndSequence(message)
            #expect(Int64(sequence) > last[owner, default: -1])
            last[owner] = Int64(sequence)
        }
        check(&a, sent, received)
    }

    @Test func shortCountsGoOn() throws {
        try Self.exchange(takesOneAtATime, lengths: [100, 200, 300, 400]) { socket, _, _ in
            #expect(socket.counters.shortSends > 0)
            #expect(socket.counters.datagramsSent == 200)
        }
    }

    @Test func aFullBufferIsTriedAgain() throws {
        try Self.exchange(fullEveryOtherTimeInSocketTest, lengths: [100, 200, 300, 400]) { socket, _, _ in
            #expect(socket.counters.sendsBlocked > 0)
            #expect(socket.counters.sendsDropped == 0)
            #expect(socket.counters.datagramsSent == 200)
        }
    }

    @Test func aDeviceWithoutChecksumsSwitchesSegmentsOff() throws {
        try Self.exchange(cannotSegment, lengths: [100]) { socket, sent, received in
            #expect(socket.segments == false)
            #expect(received == sent)
            #expect(socket.counters.segmentedSends == 0)
        }
    }

    @Test func aShortPathEndsSegmentsOfThatLengthOnly() throws {
        try Self.exchange(shortPath, lengths: [600, 400, 400, 400]) { socket, _, _ in
            #expect(socket.segments == true)
            #expect(socket.largestSegment == 599)
            #expect(socket.counters.segmentedSends > 0)
            #expect(socket.counters.sendsFailed == 0)
        }
    }

    @Test func whatNeverLeavesIsDiscardedAndTold() throws {
        var a = try UDPSocket(binding: anyLoopback, options: options())
        var b = try UDPSocket(binding: anyLoopback, options: options())
        clx_sender_set_transmitter(a.sender, alwaysFull)
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        for i in 0..<10 as Range<UInt32> { log.add(markedMessage(owner: i, sequence: 0, length: 100), owner: i) }
        guard case .blocked = a.send(log, to: table) else {
            Issue.record("a full buffer took something")
            return
        }
        // One more after the window was arranged.
        log.add(markedMessage(owner: 10, sequence: 0, length: 100), owner: 10)
        a.discard(log)
        log.removeAll()
        #expect(a.counters.sendsDropped == 11)
        guard let failure = a.takeFailure(), case .queueFull = failure.event else {
            Issue.record("the flow is not told")
            return
        }
        // Afterwards the socket is as new.
        clx_sender_set_transmitter(a.sender, clx_transmit)
        log.add(markedMessage(owner: 1, sequence: 1, length: 100), owner: 1)
        sendAll(&a, &log, to: table)
        #expect(drain(&b, count: 1).map(\.octets) == [markedMessage(owner: 1, sequence: 1, length: 100)])
    }

    @Test func whatIsForbiddenFailsItsFlow() throws {
        var a = try UDPSocket(binding: anyLoopback, options: options())
        let b = try UDPSocket(binding: anyLoopback, options: options())
        clx_sender_set_transmitter(a.sender, forbids)
        let table = AddressTable(addresses: [b.localAddress])
        var log = OutboundLog()
        for i in 0..<10 as Range<UInt32> { log.add(markedMessage(owner: i, sequence: 0, length: 100), owner: i) }
        sendAll(&a, &log, to: table)
        #expect(a.counters.sendsFailed == 10)
        guard let failure = a.takeFailure(), case .refused(let error) = failure.event else {
            Issue.record("the flow is not told")
            return
        }
        #expect(error == EPERM)
    }
}
