import Foundation
import Testing

@testable import Measurement

/// Python's HdrHistogram reads our `.hlog` and sees what we see. `Tests/Oracles/install.sh` installs it.
enum PythonOracle {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let interpreter: String? = [root.appending(path: ".build/oracles/bin/python3").path, "/usr/bin/env"].first {
        FileManager.default.isExecutableFile(atPath: $0) && run($0, ["-c", "import hdrh"])?.status == 0
    }

    static func run(_ interpreter: String, _ arguments: [String]) -> (status: Int32, output: String)? {
        let process = Process()
        process.executableURL = URL(filePath: interpreter)
        process.arguments = (interpreter.hasSuffix("/env") ? ["python3"] : []) + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}

@Suite struct PythonOracleTests {
    @Test(
        .enabled(
            if: PythonOracle.interpreter != nil,
            "python3 with the package hdrhistogram is missing: run Tests/Oracles/install.sh"))
    func pythonSeesWhatWeSee() throws {
        var random = SplitMix(state: 20_26)
        var recorder = WorkerRecorder(layout: RecorderLayout(marks: ["to ringing"]), epoch: .zero)
        for second in 0..<8 {
            // 10,000 samples in all: then the ranks of all percentiles are whole numbers, which Python rounds as we do.
            for _ in 0..<1_250 {
                recorder.record(.sessionRequestDelay, nanoseconds: random.delay())
                recorder.record(.mark(0), nanoseconds: Int64.random(in: 20_000...300_000, using: &random))
                recorder.record(.startLateness, nanoseconds: Int64.random(in: 0...2_000, using: &random))
            }
            if second == 3 { recorder.record(.sessionDuration, nanoseconds: 0) }
            recorder.closeInterval(
                startedAt: instant(Double(second)), endedAt: instant(Double(second + 1)), liveRuns: 0)
        }
        let record = merge([recorder.finish(at: instant(8), liveRuns: 0)])
        var text = HistogramLog.header(startedAtUTCNanoseconds: record.clock.epochUTCNanoseconds, comment: ["a test"])
        for interval in record.intervals {
            for (name, histogram) in interval.histograms {
                text += HistogramLog.text(
                    of: HistogramLog.Line(
                        tag: name, startSeconds: Double(interval.startNanoseconds) / 1e9, lengthSeconds: 1,
                        histogram: histogram))
            }
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "carillon-\(UUID().uuidString).hlog")
        try text.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let script = PythonOracle.root.appending(path: "Tests/Oracles/read_hlog.py").path
        let result = try #require(PythonOracle.run(PythonOracle.interpreter!, [script, file.path]))
        #expect(result.status == 0)

        let rows = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(rows.count == 4)
        for row in rows {
            let delay = try #require(record.delays.first { HistogramLog.tag(for: $0.name) == row[0] })
            #expect(row[1] == "\(delay.samples)")
            for (i, percentile) in [50, 90, 99, 99.9, 99.99, 100].enumerated() {
                #expect(
                    row[2 + i] == "\(delay.histogram.value(atPercentile: percentile)!)", "p\(percentile) of \(row[0])")
            }
            let buckets = delay.histogram.buckets.map { "\(BucketLayout.highestValue(at: $0.index)):\($0.count)" }
            #expect(Array(row[8...]) == buckets)
        }
    }
}
