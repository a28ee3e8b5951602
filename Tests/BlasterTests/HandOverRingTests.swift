import Glibc
import Measurement
import SIPWire
import Testing

@testable import Blaster

@Suite struct HandOverRingTests {
    @Test func carriesOctetsSourceAndStamp() {
        let ring = HandOverRing(capacity: 1 << 18)
        defer { ring.destroy() }
        var producer = HandOverRing.Producer(ring)
        var consumer = HandOverRing.Consumer(ring)
        let source = TransportAddress(ipv6High: 1, ipv6Low: 2, port: 5061)
        for round in 0..<1000 {
            let message = markedMessage(owner: UInt32(round), sequence: 1, length: 8 + round)
            let from = round % 2 == 0 ? source : TransportAddress(ipv4: loopback, port: 5060)
            var local = from
            local.low &+= UInt64(round)
            local.port = 0
            let pushed = message.withUnsafeBytes {
                producer.push($0, from: from, at: local, stamp: Int64(round))
            }
            #expect(pushed)
            let taken = consumer.take()
            #expect(taken.map { Array($0.octets) } == message)
            #expect(taken?.source == from)
            #expect(taken?.local == local)
            #expect(taken?.stamp == Int64(round))
            let nothing = consumer.take() == nil
            #expect(nothing)
        }
    }

    @Test func aFullRingRefusesAndLosesNothing() {
        let ring = HandOverRing(capacity: 1 << 18)
        defer { ring.destroy() }
        var producer = HandOverRing.Producer(ring)
        var consumer = HandOverRing.Consumer(ring)
        let source = TransportAddress(ipv4: loopback, port: 5060)
        var pushed: UInt32 = 0
        var taken: UInt32 = 0
        // Odd lengths, so that the end of the region falls anywhere.
        for lap in 0..<20 {
            while true {
                let message = markedMessage(owner: pushed, sequence: 0, length: 700 + Int(pushed) % 77 * 13)
                guard message.withUnsafeBytes({ producer.push($0, from: source, stamp: 1) }) else { break }
                pushed += 1
            }
            #expect(pushed - taken > 100)
            for _ in 0..<(50 + lap) {
                guard let message = consumer.take() else {
                    Issue.record("less came out than went in")
                    return
                }
                #expect(ownerAndSequence(Array(message.octets)).owner == taken)
                taken += 1
            }
        }
        while consumer.take() != nil { taken += 1 }
        #expect(taken == pushed)
    }

    @Test func holdsTheLongestDatagram() {
        let ring = HandOverRing(capacity: 1 << 18)
        defer { ring.destroy() }
        var producer = HandOverRing.Producer(ring)
        var consumer = HandOverRing.Consumer(ring)
        let source = TransportAddress(ipv4: loopback, port: 5060)
        for i in 0..<20 as Range<UInt32> {
            let message = markedMessage(owner: i, sequence: 0, length: 65_507 - Int(i))
            let pushed = message.withUnsafeBytes { producer.push($0, from: source, stamp: 1) }
            #expect(pushed)
            #expect(consumer.take().map { Array($0.octets) } == message)
        }
    }

    /// Two threads, one ring; the consumer sleeps whenever it may, so that a lost wake would hang it (and time out).
    @Test func twoThreads() throws {
        let count: UInt32 = 100_000
        let ring = HandOverRing(capacity: 1 << 18)
        defer { ring.destroy() }
        let event = EventDescriptor()
        let thread = try WorkerThread(name: "producer") {
            var producer = HandOverRing.Producer(ring)
            let source = TransportAddress(ipv4: loopback, port: 5060)
            withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { octets in
                octets.initializeMemory(as: UInt8.self, repeating: 7)
                for i in 0..<count {
                    octets.storeBytes(of: i, as: UInt32.self)
                    let message = UnsafeRawBufferPointer(rebasing: octets[0..<(4 + Int(i) % 250)])
                    while !producer.push(message, from: source, stamp: Int64(i)) {
                        if producer.mustWake() { event.signal() }
                        sched_yield()
                    }
                    if i % 7 == 0, producer.mustWake() { event.signal() }
                }
                if producer.mustWake() { event.signal() }
            }
        }
        var consumer = HandOverRing.Consumer(ring)
        var expected: UInt32 = 0
        var sleeps = 0
        var timeouts = 0
        while expected < count && timeouts < 3 {
            while let message = consumer.take() {
                guard message.octets.loadUnaligned(as: UInt32.self) == expected, message.stamp == Int64(expected),
                    message.octets.count == 4 + Int(expected) % 250
                else {
                    Issue.record("message \(expected) is not itself")
                    expected = count
                    break
                }
                expected += 1
            }
            if expected < count && consumer.prepareToSleep() {
                sleeps += 1
                if !event.wait(nanoseconds: 2_000_000_000) { timeouts += 1 }
                consumer.awake()
            }
        }
        thread.join()
        #expect(expected == count)
        #expect(timeouts == 0)
        #expect(sleeps > 0)
    }
}
