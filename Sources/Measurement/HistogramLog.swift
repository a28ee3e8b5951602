/// The `.hlog` text of HdrHistogram: one line for each interval and delay, the delay as its tag.
public enum HistogramLog {
    /// One line: the samples of one delay in one interval.
    public struct Line: Sendable, Hashable {
        /// The delay's name.
        public var tag: String
        /// Since the base time, in seconds.
        public var startSeconds: Double
        public var lengthSeconds: Double
        public var histogram: SparseHistogram

        public init(tag: String, startSeconds: Double, lengthSeconds: Double, histogram: SparseHistogram) {
            self.tag = tag
            self.startSeconds = startSeconds
            self.lengthSeconds = lengthSeconds
            self.histogram = histogram
        }
    }

    /// What stands above the lines.
    /// - Parameters:
    ///   - startedAtUTCNanoseconds: since 1970. Times in the lines count from it.
    ///   - comment: lines for people, each written behind a `#`.
    public static func header(startedAtUTCNanoseconds: Int64, comment: [String]) -> String {
        let start = decimal(Double(startedAtUTCNanoseconds / 1_000_000) / 1_000)
        var text = "#[Histogram log format version 1.3]\n"
        for line in comment { text += "#\(line)\n" }
        text += "#[StartTime: \(start) (seconds since epoch), \(utcText(startedAtUTCNanoseconds))]\n"
        text += "#[BaseTime: \(start) (seconds since epoch)]\n"
        text += "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
        return text
    }

    /// One line with its line break. Values are nanoseconds; the maximum stands in milliseconds, as is the custom.
    public static func text(of line: Line) -> String {
        let maximum = decimal(Double(line.histogram.maximum ?? 0) / 1e6)
        return "Tag=\(tag(for: line.tag)),\(decimal(line.startSeconds)),\(decimal(line.lengthSeconds)),\(maximum),"
            + line.histogram.encodedV2 + "\n"
    }

    /// A tag must not hold commas, spaces or line breaks.
    public static func tag(for name: String) -> String {
        String(name.map { $0 == "," || $0.isWhitespace ? "_" : $0 })
    }

    /// Reads a log of our layout. Untagged lines have the tag "".
    public static func read(_ text: String) throws(HistogramFormatError) -> [Line] {
        var lines: [Line] = []
        var number = 0
        for row in text.split(separator: "\n", omittingEmptySubsequences: false) {
            number += 1
            if row.isEmpty || row.hasPrefix("#") || row.hasPrefix("\"") { continue }
            var fields = row.split(separator: ",", omittingEmptySubsequences: false)
            var tag = ""
            if let first = fields.first, first.hasPrefix("Tag=") {
                tag = String(first.dropFirst(4))
                fields.removeFirst()
            }
            guard fields.count == 4 else {
                throw HistogramFormatError(
                    line: number, problem: "expected start, length, maximum and histogram, got \(fields.count) fields")
            }
            guard let start = Double(fields[0]), let length = Double(fields[1]), start.isFinite, length.isFinite else {
                throw HistogramFormatError(
                    line: number,
                    problem:
                        "expected start and length in seconds, got “\(fields[0].prefix(24)),\(fields[1].prefix(24))”")
            }
            do {
                let histogram = try SparseHistogram(encodedV2: fields[3])
                lines.append(Line(tag: tag, startSeconds: start, lengthSeconds: length, histogram: histogram))
            } catch {
                throw HistogramFormatError(line: number, problem: error.problem)
            }
        }
        return lines
    }

    /// Three decimals, a point, no exponent: what all readers of the format take.
    private static func decimal(_ value: Double) -> String {
        let thousandths = Int64((max(0, min(value, 9e15 / 1_000)) * 1_000).rounded())
        let fraction = String(thousandths % 1_000)
        return "\(thousandths / 1_000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }
}
