import RTPMedia
import Testing

@Suite struct ReceptionStatisticsTests {
    /// Sequence numbers in the order in which they come, 20 ms apart.
    static func receive(_ sequences: [Int]) -> ReceptionStatistics {
        var statistics = ReceptionStatistics(source: 1)
        for (place, sequence) in sequences.enumerated() {
            let packet = RTPPacket(
                hasMarker: false, payloadType: 0, sequence: UInt16(truncatingIfNeeded: sequence),
                timestamp: UInt32(truncatingIfNeeded: sequence &* 160), source: 1)
            statistics.take(packet, arrival: Int64(place) * 20_000_000, clockRate: 8000)
        }
        return statistics
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var sequences: [Int]
        var received: UInt64
        var lost: UInt64
        var late: UInt64 = 0
        var duplicates: UInt64 = 0
        var strays: UInt64 = 0
    }

    /// By hand, by RFC 3550 §A.1 and §A.3: lost = expected − received, where repeated packets make up for none.
    static let cases = [
        Case(testDescription: "one packet", sequences: [7], received: 1, lost: 0),
        Case(testDescription: "all in order", sequences: Array(10...19), received: 10, lost: 0),
        Case(testDescription: "two gaps", sequences: [1, 2, 4, 5, 9], received: 5, lost: 4),
        Case(testDescription: "over the wrap", sequences: [65_534, 65_535, 65_536, 65_537], received: 4, lost: 0),
        Case(testDescription: "a gap over the wrap", sequences: [65_534, 65_537], received: 2, lost: 2),
        Case(testDescription: "two exchanged", sequences: [1, 3, 2, 4], received: 4, lost: 0, late: 1),
        Case(testDescription: "repeated at once", sequences: [1, 2, 2, 3], received: 4, lost: 0, duplicates: 1),
        Case(testDescription: "repeated later", sequences: [1, 2, 3, 4, 2], received: 5, lost: 0, duplicates: 1),
        Case(
            testDescription: "repeated and lost: one does not hide the other", sequences: [1, 2, 2, 4], received: 4,
            lost: 1,
            duplicates: 1),
        Case(testDescription: "one before the first", sequences: [5, 4, 6], received: 3, lost: 0, late: 1),
        Case(
            testDescription: "one before the first over the wrap", sequences: [65_536, 65_535, 65_537], received: 3,
            lost: 0,
            late: 1),
        Case(testDescription: "one far off", sequences: [1, 2, 30_000, 3], received: 3, lost: 0, strays: 1),
        Case(testDescription: "a new beginning", sequences: [1, 2, 30_000, 30_001, 30_003], received: 5, lost: 1),
        Case(testDescription: "the largest gap", sequences: [1, 3000], received: 2, lost: 2998),
    ]

    @Test(arguments: cases)
    func `loss and order are those of RFC 3550`(_ one: Case) {
        let statistics = Self.receive(one.sequences)
        #expect(statistics.received == one.received)
        #expect(statistics.lost == one.lost)
        #expect(statistics.outOfOrder == one.late)
        #expect(statistics.duplicates == one.duplicates)
        #expect(statistics.strays == one.strays)
    }

    @Test func `several cycles of the sequence are one sequence`() {
        let statistics = Self.receive(Array(65_000..<(65_000 + 200_000)))
        #expect(statistics.received == 200_000)
        #expect(statistics.expected == 200_000)
        #expect(statistics.lost == 0)
    }

    /// §A.8 by hand: packets 20 ms apart come at 0, 20, 56, 60, 80 ms. |D| is 0, 16, 16, 0 ms, so J is 0, 1, 1.9375, 1.81640625 ms.
    @Test func `jitter is that of RFC 3550`() {
        var statistics = ReceptionStatistics(source: 1)
        var seen: [Double] = []
        for (place, milliseconds) in [0, 20, 56, 60, 80].enumerated() {
            let packet = RTPPacket(
                hasMarker: false, payloadType: 0, sequence: UInt16(place), timestamp: UInt32(place * 160) &- 200,
                source: 1)
            statistics.take(packet, arrival: Int64(milliseconds) * 1_000_000, clockRate: 8000)
            seen.append(statistics.jitter / 1e6)
        }
        #expect(seen == [0, 0, 1, 1.9375, 1.81640625])
        #expect(statistics.largestJitter == 1_937_500)
        #expect(statistics.jitterSamples == 4)
        #expect(abs(statistics.jitterSum - 4_753_906.25) < 0.01)
    }

    @Test func `hostile sequences and times break nothing`() {
        var generator = SplitMix(state: 7)
        var statistics = ReceptionStatistics(source: 1)
        for _ in 0..<200_000 {
            let bits = generator.next()
            let packet = RTPPacket(
                hasMarker: false, payloadType: 0, sequence: UInt16(truncatingIfNeeded: bits),
                timestamp: UInt32(truncatingIfNeeded: bits >> 16), source: 1)
            statistics.take(packet, arrival: Int64(bitPattern: generator.next()) >> 2, clockRate: UInt32(bits >> 60))
        }
        #expect(statistics.received + statistics.strays <= 200_000)
        #expect(statistics.lost <= statistics.expected)
    }
}
