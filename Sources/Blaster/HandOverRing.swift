import Glibc
import Measurement
import SIPWire
import Synchronization

/// Datagrams on their way from the worker that received them to the worker that owns them: one producer, one consumer, a
/// fixed size, no locks. A full ring refuses.
///
/// This is a handle on shared memory; whoever created it destroys it when both threads have ended.
struct HandOverRing: @unchecked Sendable {
    private struct Words: ~Copyable {
        /// Octets ever taken out. Written by the consumer.
        let head = Atomic<UInt64>(0)
        private let apart1: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)
        private let apart2: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
        /// Octets ever put in. Written by the producer.
        let tail = Atomic<UInt64>(0)
        /// 1 while the consumer sleeps and wants to be woken. Set by the consumer, cleared by whoever takes it.
        let sleeping = Atomic<UInt32>(0)
    }

    private struct Header {
        var length: UInt32
        var port: UInt16
        var isIPv6: Bool
        var high: UInt64
        var low: UInt64
        var stamp: Int64
        var localHigh: UInt64
        var localLow: UInt64
    }

    /// Stands in a header's length where the rest of the region is skipped.
    private static let skip = UInt32.max
    private static let alignment = 8

    private let words: UnsafeMutablePointer<Words>
    private let octets: UnsafeMutableRawPointer
    private let capacity: Int

    /// - Parameter capacity: octets, a power of two; a datagram takes its length and 48 to 55 more.
    init(capacity: Int = 4 << 20) {
        precondition(capacity >= 1 << 18 && capacity & (capacity - 1) == 0, "a ring holds the longest datagram twice")
        let region = mmap(nil, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        precondition(region != MAP_FAILED, "no address space for a hand-over ring")
        octets = region!
        words = .allocate(capacity: 1)
        words.initialize(to: Words())
        self.capacity = capacity
    }

    func destroy() {
        munmap(octets, capacity)
        words.deinitialize(count: 1)
        words.deallocate()
    }

    /// The receiving worker's end. Used by one thread.
    struct Producer {
        private let ring: HandOverRing
        private var tail: UInt64
        private var seenHead: UInt64

        init(_ ring: HandOverRing) {
            self.ring = ring
            tail = ring.words.pointee.tail.load(ordering: .relaxed)
            seenHead = ring.words.pointee.head.load(ordering: .acquiring)
        }

        /// - Returns: false when there is no room.
        mutating func push(
            _ message: UnsafeRawBufferPointer, from source: TransportAddress,
            at local: TransportAddress = TransportAddress(ipv4: 0, port: 0),
            stamp: Int64
        ) -> Bool {
            let capacity = ring.capacity
            let size = MemoryLayout<Header>.stride &+ message.count
            let need = (size &+ HandOverRing.alignment &- 1) & ~(HandOverRing.alignment &- 1)
            var place = Int(tail & UInt64(capacity - 1))
            let skipped = capacity &- place < need ? capacity &- place : 0
            if tail &+ UInt64(skipped &+ need) &- seenHead > UInt64(capacity) {
                seenHead = ring.words.pointee.head.load(ordering: .acquiring)
                if tail &+ UInt64(skipped &+ need) &- seenHead > UInt64(capacity) { return false }
            }
            if skipped > 0 {
                (ring.octets + place).storeBytes(of: HandOverRing.skip, as: UInt32.self)
                place = 0
            }
            let header = Header(
                length: UInt32(message.count), port: source.port, isIPv6: source.isIPv6, high: source.high,
                low: source.low, stamp: stamp, localHigh: local.high, localLow: local.low)
            (ring.octets + place).storeBytes(of: header, as: Header.self)
            if let start = message.baseAddress {
                (ring.octets + place + MemoryLayout<Header>.stride).copyMemory(from: start, byteCount: message.count)
            }
            tail &+= UInt64(skipped &+ need)
            // Ordered with `sleeping`: either the consumer sees this before it sleeps, or we see that it sleeps.
            ring.words.pointee.tail.store(tail, ordering: .sequentiallyConsistent)
            return true
        }

        /// Call after pushes. Returns true once for a consumer that sleeps: it must be woken.
        mutating func mustWake() -> Bool {
            ring.words.pointee.sleeping.load(ordering: .sequentiallyConsistent) != 0
                && ring.words.pointee.sleeping.exchange(0, ordering: .sequentiallyConsistent) != 0
        }
    }

    /// The owning worker's end. Used by one thread.
    struct Consumer {
        private let ring: HandOverRing
        private var head: UInt64
        /// Where the message handed out last ends.
        private var next: UInt64

        init(_ ring: HandOverRing) {
            self.ring = ring
            head = ring.words.pointee.head.load(ordering: .relaxed)
            next = head
        }

        /// The next datagram; its octets are valid until the following call, which gives their room back.
        mutating func take() -> UDPSocket.Message? {
            if next != head {
                head = next
                ring.words.pointee.head.store(head, ordering: .releasing)
            }
            let tail = ring.words.pointee.tail.load(ordering: .acquiring)
            guard head != tail else { return nil }
            var place = Int(head & UInt64(ring.capacity - 1))
            if (ring.octets + place).load(as: UInt32.self) == HandOverRing.skip {
                next &+= UInt64(ring.capacity &- place)
                place = 0
            }
            let header = (ring.octets + place).load(as: Header.self)
            let size = MemoryLayout<Header>.stride &+ Int(header.length)
            next &+= UInt64((size &+ HandOverRing.alignment &- 1) & ~(HandOverRing.alignment &- 1))
            var source = TransportAddress(ipv6High: header.high, ipv6Low: header.low, port: header.port)
            source.isIPv6 = header.isIPv6
            var local = TransportAddress(ipv6High: header.localHigh, ipv6Low: header.localLow, port: 0)
            local.isIPv6 = header.isIPv6
            let start = ring.octets + place + MemoryLayout<Header>.stride
            return UDPSocket.Message(
                octets: UnsafeRawBufferPointer(start: start, count: Int(header.length)), source: source,
                stamp: header.stamp, local: local)
        }

        /// Says that this end is going to sleep.
        /// - Returns: false when something has come meanwhile: do not.
        mutating func prepareToSleep() -> Bool {
            ring.words.pointee.sleeping.store(1, ordering: .sequentiallyConsistent)
            if ring.words.pointee.tail.load(ordering: .sequentiallyConsistent) == next { return true }
            ring.words.pointee.sleeping.store(0, ordering: .relaxed)
            return false
        }

        mutating func awake() { ring.words.pointee.sleeping.store(0, ordering: .relaxed) }
    }
}
