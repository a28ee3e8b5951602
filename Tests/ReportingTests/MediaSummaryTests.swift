import Foundation
import Measurement
import Testing

@testable import Reporting

@Suite("Media in the summary")
struct MediaSummaryTests {
    private func text(_ change: (inout MediaRecord) -> Void) -> (lines: String, record: RunRecord) {
        var media = MediaRecord()
        media.portPairs = 2000
        change(&media)
        var record = SampleRun().record()
        record.note(media: media)
        return (Summary(record, columns: 110).text, record)
    }

    @Test func `a run without media says nothing of them`() throws {
        let record = SampleRun().record()
        #expect(!Summary(record).text.contains("Media"))
        let json = String(decoding: try JSONEncoder().encode(record), as: UTF8.self)
        #expect(!json.contains("packetsLost"))
    }

    @Test func `what was sent, what came, and what else came`() throws {
        let (lines, record) = text {
            $0.streamsSent = 600
            $0.packetsSent = 30_000
            $0.streamsReceived = 598
            $0.packetsReceived = 29_990
            $0.packetsLost = 10
            $0.packetsOutOfOrder = 3
            $0.packetsDuplicated = 1
            $0.meanJitterNanoseconds = 36_100
            $0.largestJitterNanoseconds = 412_000
            $0.rtcpPackets = 4
            $0.icmpErrors = 2
        }
        #expect(lines.contains("Media       30,000 packets sent on 600 streams\n"))
        #expect(
            lines.contains("29,990 packets received of 598 streams · 10 lost (0.03 %) · 3 out of order · 1 duplicate"))
        #expect(lines.contains("jitter 36.1 µs, at most 412 µs"))
        #expect(lines.contains("4 RTCP · 2 refused by ICMP"))
        #expect(record.verdict.level == .valid)
        let read = try JSONDecoder().decode(RunRecord.self, from: JSONEncoder().encode(record))
        #expect(read.media == record.media)
    }

    @Test func `what we could not do makes the run no measure of the peer`() {
        let late = text {
            $0.packetsSent = 10_000
            $0.packetsUnsent = 11
        }
        #expect(late.lines.hasPrefix("SUSPECT: 11 media packets could not be sent in time (0.11 %, limit 0.1 %)"))
        #expect(late.lines.contains("10,000 packets sent on 0 streams · 11 not sent"))
        let dropped = text { $0.receiveOverflows = 1 }
        #expect(dropped.lines.hasPrefix("SUSPECT: the kernel dropped 1 media packet before we read it"))
        let short = text { $0.portsExhausted = 5 }
        #expect(short.lines.hasPrefix("INVALID: media ports ran out 5 times (2,000 pairs)"))
        #expect(
            text {
                $0.packetsSent = 10_000; $0.packetsUnsent = 10
            }.record.verdict.level == .valid)
    }

    /// Who reads run.json finds each key explained.
    @Test func `each figure stands in the documents`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let document = try String(contentsOf: root.appendingPathComponent("docs/media.md"), encoding: .utf8)
        let schema = try String(contentsOf: root.appendingPathComponent("reports/README.md"), encoding: .utf8)
        let keys = Mirror(reflecting: MediaRecord()).children.compactMap(\.label)
        #expect(keys.count > 20)
        for key in keys { #expect(document.contains("`\(key)`") && schema.contains("`\(key)`"), "\(key)") }
    }
}
