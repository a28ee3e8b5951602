/// What was received of one synchronization source: RFC 3550 §A.1 (sequence numbers), §A.3 (loss) and §A.8 (jitter).
///
/// Two things are left out. There is no probation (§A.1): a packet comes from where the session description says. And the jitter is
/// kept in nanoseconds of the kernel's stamps, not in the units of the RTP clock, which at 8,000 Hz are 125 µs each.
public struct ReceptionStatistics: Sendable {
    /// A greater gap in the sequence is a sender that began anew.
    static let mostDropped: UInt16 = 3000
    /// So far behind the highest number a packet is late or repeated, and no new beginning.
    static let mostMisordered: UInt16 = 100

    public private(set) var source: UInt32
    /// Packets taken, repeated ones among them.
    public private(set) var received: UInt64 = 0
    public private(set) var duplicates: UInt64 = 0
    /// Packets that came after one with a higher number.
    public private(set) var outOfOrder: UInt64 = 0
    /// Packets far from the sequence, which another did not follow.
    public private(set) var strays: UInt64 = 0
    /// The estimate of §A.8 after the last packet, its sum and its largest value. Nanoseconds.
    public private(set) var jitter = 0.0
    public private(set) var jitterSum = 0.0
    public private(set) var largestJitter = 0.0
    /// Packets that the estimate was made anew for.
    public private(set) var jitterSamples: UInt64 = 0

    /// Sequence numbers with the count of their cycles above.
    private var base: UInt32 = 0
    private var highest: UInt32 = 0
    /// Bit n: the packet n behind the highest has come.
    private var window: UInt64 = 0
    /// The number after one that was far off: where it comes next, the sender has begun anew.
    private var afterStray: UInt32 = .max
    /// Of sequences before the last new beginning.
    private var expectedBefore: UInt64 = 0
    private var lastArrival: Int64 = 0
    private var lastTimestamp: UInt32 = 0
    private var hasLast = false

    public init(source: UInt32) { self.source = source }

    /// How a packet stands to those before it.
    public enum Place: Sendable { case next, late, duplicate, stray }

    /// Packets between the first and the highest number, both included (§A.3).
    public var expected: UInt64 {
        received == 0 ? 0 : expectedBefore &+ UInt64(highest &- base) &+ 1
    }

    /// Packets that have not come (§A.3); repeated ones make up for none.
    public var lost: UInt64 {
        let came = received &- duplicates
        return expected > came ? expected &- came : 0
    }

    /// - Parameters:
    ///   - arrival: when it came, in nanoseconds of any clock.
    ///   - clockRate: of its timestamps, in Hz.
    @discardableResult
    public mutating func take(_ packet: RTPPacket, arrival: Int64, clockRate: UInt32) -> Place {
        let place = placeOf(packet.sequence)
        guard place != .stray, place != .duplicate else { return place }
        if hasLast, clockRate > 0 {
            // Differences alone, so that neither clock's wrap or origin matters.
            let came = Double(arrival &- lastArrival)
            let sent = Double(Int32(bitPattern: packet.timestamp &- lastTimestamp)) * 1e9 / Double(clockRate)
            jitter += (abs(came - sent) - jitter) / 16
            jitterSum += jitter
            jitterSamples &+= 1
            largestJitter = max(largestJitter, jitter)
        }
        lastArrival = arrival
        lastTimestamp = packet.timestamp
        hasLast = true
        return place
    }

    private mutating func placeOf(_ sequence: UInt16) -> Place {
        guard received > 0 else {
            begin(sequence)
            return .next
        }
        let ahead = sequence &- UInt16(truncatingIfNeeded: highest)
        if ahead == 0 {
            received &+= 1
            duplicates &+= 1
            return .duplicate
        }
        if ahead < Self.mostDropped {
            highest &+= UInt32(ahead)
            window = ahead < 64 ? window << UInt64(ahead) | 1 : 1
            received &+= 1
            afterStray = .max
            return .next
        }
        let behind = UInt16(truncatingIfNeeded: highest) &- sequence
        if behind > Self.mostMisordered {
            // Two in a row far off: the other side has begun anew (§A.1).
            if UInt32(sequence) == afterStray {
                strays &-= 1
                expectedBefore = expected
                begin(sequence &- 1)
                received &+= 1
                highest &+= 1
                window = 0b11
                hasLast = false
                return .next
            }
            afterStray = UInt32(sequence &+ 1)
            strays &+= 1
            return .stray
        }
        received &+= 1
        if behind < 64 {
            let bit = UInt64(1) << UInt64(behind)
            if window & bit != 0 {
                duplicates &+= 1
                return .duplicate
            }
            window |= bit
        }
        outOfOrder &+= 1
        // Sent before the first that came: it was expected too.
        if UInt32(behind) > highest &- base { base = highest &- UInt32(behind) }
        return .late
    }

    private mutating func begin(_ sequence: UInt16) {
        // Above one cycle, so that a packet before the first has room.
        base = 0x1_0000 | UInt32(sequence)
        highest = base
        window = 1
        received &+= 1
        afterStray = .max
    }
}
