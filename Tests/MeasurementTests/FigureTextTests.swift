import Foundation
import Testing

@testable import Measurement

@Suite struct FigureTextTests {
    @Test(
        arguments: [
            (0, "0 ns", "0 ns"), (999, "999 ns", "999 ns"), (1_000, "1 µs", "1.00 µs"), (48_149, "48.1 µs", "48.1 µs"),
            (999_499, "999 µs", "999 µs"), (999_500, "1 ms", "1.00 ms"), (9_994_999, "9.99 ms", "9.99 ms"),
            (9_996_000, "10 ms", "10.0 ms"), (812_000_000, "812 ms", "812 ms"), (999_960_000, "1 s", "1.00 s"),
            (32_000_000_000, "32 s", "32.0 s"), (119_000_000_000, "119 s", "119 s"),
            (120_000_000_000, "2 min", "2.00 min"), (7_200_000_000_000, "2 h", "2.00 h"),
            (-1_500_000, "-1.5 ms", "-1.50 ms"),
        ] as [(Int64, String, String)])
    func durations(nanoseconds: Int64, short: String, padded: String) {
        #expect(durationText(nanoseconds) == short)
        #expect(durationText(nanoseconds, keepingZeros: true) == padded)
    }

    @Test(
        arguments: [
            (0, 10, "0 %"), (10, 10, "100 %"), (995, 1_000, "99.50 %"), (1, 3, "33.33 %"),
            (99_999, 100_000, "99.999 %"),
            (9_999_999, 10_000_000, "99.99999 %"), (1, 1_000_000, "0.0001 %"), (0, 0, "n/a"),
            (1, 1_000_000_000_000, "< 0.000001 %"), (999_999_999_999, 1_000_000_000_000, "> 99.999999 %"),
        ] as [(UInt64, UInt64, String)])
    func shares(numerator: UInt64, denominator: UInt64, text: String) {
        #expect(percentText(Ratio(numerator, of: denominator)) == text)
    }

    @Test func thousands() {
        #expect(
            [0, 12, 999, 1_000, 12_345, 1_234_567].map { grouped($0) } == [
                "0", "12", "999", "1,000", "12,345", "1,234,567",
            ])
        #expect(decimalText(-0.001, decimals: 2) == "0.00")
        #expect(decimalText(2.345, decimals: 1) == "2.3")
        #expect(decimalText(1e300, decimals: 0).count < 20)
    }

    @Test func utcAgreesWithFoundation() {
        var random = SplitMix(state: 8)
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime]
        for _ in 0..<500 {
            let seconds = Int64.random(in: -2_000_000_000...4_000_000_000, using: &random)
            let theirs = formatter.string(from: Date(timeIntervalSince1970: Double(seconds)))
            #expect(utcText(seconds * 1_000_000_000 + 7_000_000) == theirs.dropLast() + ".007Z")
        }
    }
}
