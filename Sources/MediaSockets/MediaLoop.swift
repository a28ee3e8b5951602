import Blaster
import CLinuxSockets
import Glibc
import Measurement
import RTPMedia
import SIPWire

/// The media thread's loop. It sleeps between ticks of a millisecond and looks then for orders, for packets that are due, and for what
/// has come: kernel stamps say when that was.
struct MediaLoop: ~Copyable {
    /// Packets leave every 20 ms (RFC 3551 §4.5), each stream's in a tick of its own.
    private static let ticksPerPacket = 20
    private static let tick: Int64 = 1_000_000
    /// Without streams of our own it is looked less often.
    private static let idle: Int64 = 5_000_000
    /// So late packets are left out, and counted.
    private static let mostTicksLate: Int64 = 200
    /// As clx_watch_look takes them.
    private static let batch = 256
    private static let longestPacket = 2048

    struct Pair {
        var media: Int32
        var control: Int32
        var order = MediaOrder()
        /// Whence the peer's packets come: where its description says, or until those come from the first other address.
        var heard: TransportAddress?
        var hasReception = false
        var reception = ReceptionStatistics(source: 0)
        /// Drops of both sockets that are counted already.
        var drops: UInt32 = 0
        // Of what we send.
        var source: UInt32 = 0
        var sequence: UInt16 = 0
        var timestampOffset: UInt32 = 0
        var payloads = 0
        var isMarked = false
        /// Place among the senders of its tick; -1: none.
        var lane = -1
        var next = -1
        var previous = -1
    }

    private let pairs: UnsafeMutablePointer<Pair>
    private let count: Int
    private let boards: [MediaBoard]
    private let watch: Int32
    private let ready: UnsafeMutablePointer<clx_readiness>
    private let incoming: UnsafeMutableRawPointer
    private let outgoing: UnsafeMutableRawPointer
    private let payloads = MediaPayloads()
    private var lanes = [Int](repeating: -1, count: MediaLoop.ticksPerPacket)
    private var laneSizes = [Int](repeating: 0, count: MediaLoop.ticksPerPacket)
    private var senders = 0
    private let start: Int64
    private var ticks: Int64 = 0
    private var record = MediaRecord()
    private var jitterSum = 0.0
    private var jitterSamples: UInt64 = 0
    private var error = clx_error()
    private var generator = SystemRandomNumberGenerator()

    init(_ ports: [MediaPorts.Pair], _ boards: [MediaBoard]) {
        self.boards = boards
        count = ports.count
        pairs = .allocate(capacity: max(count, 1))
        watch = clx_watch_create()
        ready = .allocate(capacity: Self.batch)
        incoming = .allocate(byteCount: Self.longestPacket, alignment: 16)
        outgoing = .allocate(byteCount: Self.longestPacket, alignment: 16)
        start = clx_monotonic()
        record.portPairs = count
        for (number, port) in ports.enumerated() {
            (pairs + number).initialize(to: Pair(media: port.media, control: port.control))
            clx_watch_add(watch, port.media, UInt32(number * 2), UInt32(CLX_READABLE), 0)
            clx_watch_add(watch, port.control, UInt32(number * 2 + 1), UInt32(CLX_READABLE), 0)
        }
    }

    deinit {
        pairs.deallocate()
        ready.deallocate()
        incoming.deallocate()
        outgoing.deallocate()
    }

    mutating func run(until isEnding: () -> Bool) {
        _ = clx_set_timer_slack(50_000)
        while !isEnding() {
            takeOrders()
            sendDue()
            receive()
            let now = clx_monotonic()
            clx_sleep_until(senders > 0 ? start + (ticks + 1) * Self.tick : now + Self.idle)
        }
        takeOrders()
        receive()
    }

    /// Closes everything; what streams had is counted.
    mutating func finish() -> MediaRecord {
        for number in 0..<count {
            drain(number)
            fold(number)
            countDrops(number)
            clx_close(pairs[number].media)
            clx_close(pairs[number].control)
        }
        clx_close(watch)
        record.meanJitterNanoseconds = jitterSamples > 0 ? Int64((jitterSum / Double(jitterSamples)).rounded()) : 0
        record.cpuNanoseconds = clx_thread_cpu()
        return record
    }

    // MARK: orders

    private mutating func takeOrders() {
        for worker in boards.indices {
            while let (pair, order) = boards[worker].take() { obey(order, pair * boards.count + worker) }
        }
    }

    private mutating func obey(_ order: MediaOrder, _ number: Int) {
        let before = pairs[number].order
        if before.isOpen, !order.isOpen || order.generation != before.generation {
            // What has come until now was the old stream's.
            drain(number)
            fold(number)
            countDrops(number)
        }
        // What lay at the port belongs to nobody who has it now.
        if order.isOpen, !before.isOpen || order.generation != before.generation { empty(number) }
        if order.generation != before.generation {
            pairs[number].source = UInt32.random(in: 1 ... .max, using: &generator)
            pairs[number].sequence = UInt16.random(in: 0...0x7FFF, using: &generator)
            pairs[number].timestampOffset = UInt32.random(in: 0 ... .max, using: &generator)
        }
        if order.generation != before.generation || order.remote != before.remote { pairs[number].heard = nil }
        pairs[number].order = order
        if order.isSource, pairs[number].lane < 0 {
            join(number)
        } else if !order.isSource, pairs[number].lane >= 0 {
            leave(number)
        } else if order.isSource, order.generation != before.generation || order.sending != before.sending {
            pairs[number].isMarked = true
        }
        if order.echoes, !before.echoes { record.streamsSent &+= 1 }
    }

    // MARK: sending

    private mutating func join(_ number: Int) {
        if senders == 0 { ticks = max(ticks, (clx_monotonic() - start) / Self.tick) }
        let lane = emptiestLane()
        pairs[number].lane = lane
        pairs[number].previous = -1
        pairs[number].next = lanes[lane]
        if lanes[lane] >= 0 { pairs[lanes[lane]].previous = number }
        lanes[lane] = number
        laneSizes[lane] += 1
        senders += 1
        // A talkspurt begins (RFC 3551 §4.1).
        pairs[number].isMarked = true
        pairs[number].payloads = 0
        record.streamsSent &+= 1
    }

    /// Calls that begin at once do not send at once: a burst would wait for itself, and the peer would see jitter of our making. Of equal ones
    /// the next that is due.
    private func emptiestLane() -> Int {
        var best = Int((ticks + 1) % Int64(Self.ticksPerPacket))
        var lane = best
        for _ in 1..<Self.ticksPerPacket {
            lane = lane + 1 == Self.ticksPerPacket ? 0 : lane + 1
            if laneSizes[lane] < laneSizes[best] { best = lane }
        }
        return best
    }

    private mutating func leave(_ number: Int) {
        let pair = pairs[number]
        if pair.previous >= 0 { pairs[pair.previous].next = pair.next } else { lanes[pair.lane] = pair.next }
        if pair.next >= 0 { pairs[pair.next].previous = pair.previous }
        laneSizes[pair.lane] -= 1
        pairs[number].lane = -1
        senders -= 1
    }

    private mutating func sendDue() {
        guard senders > 0 else { return }
        let due = (clx_monotonic() - start) / Self.tick
        while ticks < due {
            ticks += 1
            let lane = Int(ticks % Int64(Self.ticksPerPacket))
            guard laneSizes[lane] > 0 else { continue }
            let now = clx_monotonic()
            let late = now - start - ticks * Self.tick
            record.largestSendLatenessNanoseconds = max(record.largestSendLatenessNanoseconds, late)
            if late > Self.mostTicksLate * Self.tick {
                record.packetsUnsent &+= UInt64(laneSizes[lane])
                continue
            }
            var number = lanes[lane]
            while number >= 0 {
                sendOne(number)
                number = pairs[number].next
            }
        }
    }

    private mutating func sendOne(_ number: Int) {
        let order = pairs[number].order
        guard let remote = order.remote, let law = G711(rawValue: order.payloadType) else { return }
        // The timestamp goes with the time, so that a pause shows as one.
        let timestamp = pairs[number].timestampOffset &+ UInt32(truncatingIfNeeded: ticks &* 8)
        RTPPacket(
            hasMarker: pairs[number].isMarked, payloadType: order.payloadType, sequence: pairs[number].sequence,
            timestamp: timestamp, source: pairs[number].source
        ).write(to: outgoing)
        if order.sending == .tone {
            payloads.copyTone(pairs[number].payloads, law, to: outgoing + RTPPacket.headerSize)
        } else {
            payloads.copySilence(law, to: outgoing + RTPPacket.headerSize)
        }
        // The tone goes on where it was; past its last payload it is at the first again.
        pairs[number].payloads =
            pairs[number].payloads + 1 == MediaPayloads.tonePayloads ? 0 : pairs[number].payloads + 1
        pairs[number].sequence &+= 1
        send(number, octets: RTPPacket.headerSize + MediaPayloads.samples, payload: MediaPayloads.samples, to: remote)
        pairs[number].isMarked = false
    }

    private mutating func send(_ number: Int, octets: Int, payload: Int, to remote: TransportAddress) {
        var name = clx_address(remote)
        let descriptor = pairs[number].media
        let failed: Int32
        if let local = pairs[number].order.local {
            var source = clx_address(local)
            failed = clx_media_send(descriptor, outgoing, octets, &name, &source)
        } else {
            failed = clx_media_send(descriptor, outgoing, octets, &name, nil)
        }
        if failed == 0 {
            record.packetsSent &+= 1
            record.octetsSent &+= UInt64(payload)
        } else {
            record.packetsUnsent &+= 1
        }
    }

    // MARK: receiving

    /// Takes what has come, a packet of each socket in turn, so that none waits for another's flood.
    private mutating func receive() {
        // A flood must not keep orders and sending waiting for ever.
        for _ in 0..<32 {
            let found = Int(clx_watch_look(watch, ready, UInt32(Self.batch)))
            guard found > 0 else { return }
            for place in 0..<found {
                let number = Int(ready[place].mark >> 1)
                let isControl = ready[place].mark & 1 != 0
                if ready[place].ready & UInt32(CLX_BROKEN) != 0 { takeErrors(number, isControl) }
                if ready[place].ready & UInt32(CLX_READABLE) != 0 { _ = takePacket(number, isControl) }
            }
        }
    }

    private mutating func takeErrors(_ number: Int, _ isControl: Bool) {
        for _ in 0..<64 {
            guard clx_udp_read_error(isControl ? pairs[number].control : pairs[number].media, &error) == 1 else {
                return
            }
            if error.origin == 2 || error.origin == 3 { record.icmpErrors &+= 1 }
        }
    }

    /// - Returns: false where there was nothing.
    private mutating func takePacket(_ number: Int, _ isControl: Bool) -> Bool {
        var source = clx_address()
        var stamp: Int64 = 0
        let length = clx_media_receive(
            isControl ? pairs[number].control : pairs[number].media, incoming, Self.longestPacket, &source, &stamp)
        guard length >= 0 else { return false }
        let octets = UnsafeRawBufferPointer(start: incoming, count: min(Int(length), Self.longestPacket))
        if isControl || RTPPacket.isRTCP(octets) {
            record.rtcpPackets &+= 1
            record.rtcpOctets &+= UInt64(length)
            return true
        }
        guard pairs[number].order.isOpen else {
            record.packetsAfterEnd &+= 1
            return true
        }
        guard let packet = RTPPacket(octets) else {
            record.packetsNotRTP &+= 1
            return true
        }
        // Before the peer has described itself its media may come already (RFC 3264 §5.1).
        if let remote = pairs[number].order.remote {
            let source = TransportAddress(source)
            if source == remote {
                pairs[number].heard = remote
            } else {
                record.packetsFromOthers &+= 1
                // A peer with several addresses, or behind a NAT, sends from where it does not listen.
                if pairs[number].heard == nil { pairs[number].heard = source }
                guard pairs[number].heard == source else { return true }
            }
        }
        if !pairs[number].hasReception || pairs[number].reception.source != packet.source {
            fold(number)
            pairs[number].hasReception = true
            pairs[number].reception = ReceptionStatistics(source: packet.source)
        }
        let place = pairs[number].reception.take(
            packet, arrival: stamp != 0 ? stamp : clx_realtime(), clockRate: pairs[number].order.clockRate)
        if place != .stray {
            record.octetsReceived &+= UInt64(packet.payload.count)
            if pairs[number].order.echoes { echo(number, packet) }
        }
        return true
    }

    /// Sends a packet back as our own: our source, its number and time, so that what was lost on the way here shows there.
    private mutating func echo(_ number: Int, _ packet: RTPPacket) {
        guard let remote = pairs[number].order.remote,
            packet.payload.count <= Self.longestPacket - RTPPacket.headerSize
        else { return }
        var answer = packet
        answer.source = pairs[number].source
        answer.write(to: outgoing)
        memcpy(outgoing + RTPPacket.headerSize, incoming + packet.payload.lowerBound, packet.payload.count)
        send(
            number, octets: RTPPacket.headerSize + packet.payload.count, payload: packet.payload.count, to: remote)
    }

    /// Takes out what came before the ports had a call.
    private mutating func empty(_ number: Int) {
        let order = pairs[number].order
        pairs[number].order.isOpen = false
        drain(number)
        pairs[number].order = order
    }

    private mutating func drain(_ number: Int) {
        // No more than a socket's buffer holds.
        var left = 1024
        while left > 0, takePacket(number, false) { left -= 1 }
    }

    // MARK: counting

    /// Counts what was received of a source, which is over.
    private mutating func fold(_ number: Int) {
        guard pairs[number].hasReception else { return }
        pairs[number].hasReception = false
        let reception = pairs[number].reception
        record.streamsReceived &+= 1
        record.packetsReceived &+= reception.received
        record.packetsLost &+= reception.lost
        record.packetsOutOfOrder &+= reception.outOfOrder
        record.packetsDuplicated &+= reception.duplicates
        record.packetsStray &+= reception.strays
        jitterSum += reception.jitterSum
        jitterSamples &+= reception.jitterSamples
        record.largestJitterNanoseconds = max(
            record.largestJitterNanoseconds, Int64(min(reception.largestJitter, 9e18).rounded()))
    }

    /// What the kernel dropped at a pair's ports since it was asked last.
    private mutating func countDrops(_ number: Int) {
        var sum: UInt32 = 0
        for socket in [pairs[number].media, pairs[number].control] {
            var drops: UInt32 = 0
            if clx_udp_drops(socket, &drops) == 0 { sum &+= drops }
        }
        record.receiveOverflows &+= UInt64(sum &- pairs[number].drops)
        pairs[number].drops = sum
    }
}
