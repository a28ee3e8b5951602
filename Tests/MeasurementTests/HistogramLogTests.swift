import Foundation
import Testing

@testable import Measurement

/// Samples of a histogram with so many values of all magnitudes.
func randomHistogram(_ samples: Int, seed: UInt64) -> SparseHistogram {
    var random = SplitMix(state: seed)
    var recorder = WorkerRecorder(layout: RecorderLayout(), epoch: .zero)
    for _ in 0..<samples { recorder.record(.transactionDelay, nanoseconds: random.delay()) }
    return recorder.finish(at: instant(1), liveRuns: 0).histogram(of: .transactionDelay)
}

@Suite struct HistogramLogTests {
    @Test(arguments: [0, 1, 2, 50, 10_000])
    func histogramsComeBack(samples: Int) throws {
        let histogram = randomHistogram(samples, seed: UInt64(samples) + 9)
        #expect(histogram.encodedV2.hasPrefix("HISTFA"))
        #expect(try SparseHistogram(encodedV2: histogram.encodedV2[...]) == histogram)
    }

    @Test func bigCountsComeBack() throws {
        let counts: [UInt64] = [1, 63, 64, 8_191, 8_192, 1 << 31, 1 << 55, (1 << 56) + 1, 1 << 61]
        let histogram = SparseHistogram(
            buckets: counts.enumerated().map { SparseHistogram.Bucket(index: $0 * 7, count: $1) })
        #expect(try SparseHistogram(encodedV2: histogram.encodedV2[...]) == histogram)
    }

    @Test func logsComeBack() throws {
        let lines = (0..<20).map { second in
            HistogramLog.Line(
                tag: second % 2 == 0 ? "sessionRequestDelay" : "toRinging", startSeconds: Double(second) / 4,
                lengthSeconds: 0.25, histogram: randomHistogram(100, seed: UInt64(second)))
        }
        let header = HistogramLog.header(startedAtUTCNanoseconds: 1_790_000_000_123_000_000, comment: ["one", "two"])
        #expect(header.contains("#[StartTime: 1790000000.123 (seconds since epoch), 2026-09-21T14:13:20.123Z]"))
        #expect(try HistogramLog.read(header + lines.map(HistogramLog.text).joined()) == lines)
        #expect(HistogramLog.tag(for: "a b,c\nd") == "a_b_c_d")
    }

    @Test(arguments: [
        ("Tag=a,0.0,1.0", "line 1: expected start, length, maximum and histogram, got 2 fields"),
        ("#c\nTag=a,x,1.0,0.0,HISTFAAA", "line 2: expected start and length in seconds"),
        ("Tag=a,nan,1.0,0.0,HISTFAAA", "line 1: expected start and length in seconds"),
        ("0.0,1.0,2.0,HISTFA", "line 1: the histogram is not base64"),
        ("0.0,1.0,2.0,HISTFAAAAAA=", "line 1: the histogram is cut off after 8 octets"),
        ("0.0,1.0,2.0,AAAAAAAAAAAAAAAA", "line 1: expected a V2 compressed histogram"),
    ])
    func mistakesAreNamed(text: String, problem: String) {
        #expect {
            try HistogramLog.read(text)
        } throws: { error in
            "\(error)".hasPrefix(problem)
        }
    }

    @Test func cutOffAnywhereIsAnError() {
        let whole = randomHistogram(120, seed: 5).encodedV2
        for length in 0..<whole.count {
            #expect(throws: HistogramFormatError.self) { try SparseHistogram(encodedV2: whole.prefix(length)) }
        }
    }

    /// Damage is found or harmless, and never a trap. Also inside the compressed part, where a checksum no longer helps.
    @Test func damageIsNoTrap() {
        var random = SplitMix(state: 77)
        let text = Array(randomHistogram(300, seed: 6).encodedV2.utf8)
        let outer = Base64.decode(String(decoding: text, as: UTF8.self)[...].utf8)!
        let plain = Deflate.decompress(outer[8...], limit: 1 << 20)!
        var read = 0
        var refused = 0
        func attempt(_ text: String) {
            do {
                _ = try SparseHistogram(encodedV2: text[...])
                read += 1
            } catch {
                refused += 1
            }
        }
        for _ in 0..<1_000 {
            var damaged = text
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            attempt(String(decoding: damaged, as: UTF8.self))

            var inside = plain
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                inside[Int.random(in: 0..<inside.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let stream = Deflate.compress(inside)
            let length = withUnsafeBytes(of: UInt32(stream.count).bigEndian) { Array($0) }
            attempt(Base64.encode(Array(outer[..<4]) + length + stream))
        }
        #expect(read > 100)
        #expect(refused > 1_000)
    }

    /// Counts and run lengths that lie.
    @Test func hostileCountsAreRefused() {
        func encoded(_ counts: [UInt8], saying length: Int? = nil) -> String {
            let empty = Base64.decode(SparseHistogram().encodedV2[...].utf8)!
            var plain = Deflate.decompress(empty[8...], limit: 64)!
            withUnsafeBytes(of: UInt32(length ?? counts.count).bigEndian) { plain.replaceSubrange(4..<8, with: $0) }
            let stream = Deflate.compress(plain + counts)
            return Base64.encode(
                Array(empty[..<4]) + withUnsafeBytes(of: UInt32(stream.count).bigEndian) { Array($0) } + stream)
        }
        let most = [UInt8](repeating: 0xFF, count: 9)
        #expect(throws: Never.self) { try SparseHistogram(encodedV2: encoded([2, 4])[...]) }
        for (counts, length) in [
            (most, nil), (most + most, nil), ([0xFF], nil), ([2, 4], 3), ([2, 4], 1),
            ([UInt8](repeating: 2, count: BucketLayout.count + 1), nil),
            // Int64.max twice: the sum does not fit.
            (
                [0xFE] + [UInt8](repeating: 0xFF, count: 8) + [0xFE] + [UInt8](repeating: 0xFF, count: 8) + [0xFE]
                    + [UInt8](repeating: 0xFF, count: 8), nil
            ),
        ] as [([UInt8], Int?)] {
            #expect(throws: HistogramFormatError.self) {
                try SparseHistogram(encodedV2: encoded(counts, saying: length)[...])
            }
        }
        // A stream that unpacks to very much more than any histogram.
        #expect(throws: HistogramFormatError.self) {
            try SparseHistogram(encodedV2: encoded([UInt8](repeating: 0, count: 2_000_000))[...])
        }
    }
}
