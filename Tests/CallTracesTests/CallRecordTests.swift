import Foundation
import Testing

@testable import CallTraces

@Suite("Call records on their way to the file")
struct CallRecordTests {
    private func append(
        _ record: CallRecord, to log: inout CallRecordLog, callID: String, tag: String = "t", rows: [UInt32] = []
    ) {
        // The engine's records of rows are wider than a row.
        let wide: [UInt32] = rows.flatMap { row -> [UInt32] in [row, 7] }
        let (id, own) = (Array(callID.utf8), Array(tag.utf8))
        wide.withUnsafeBytes { rows in
            id.withUnsafeBytes { id in
                own.withUnsafeBytes { log.append(record, rows: rows, rowStride: 8, callID: id, tag: $0) }
            }
        }
    }

    private func inFile(_ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("records-\(UUID().uuidString).csv")
            .path
        defer { unlink(path) }
        try body(path)
    }

    @Test("A line says when, how, which; what a peer puts into a Call-ID is quoted")
    func lines() throws {
        try inFile { path in
            let outlet = CallRecordOutlet()
            let writer = try CallRecordWriter(
                outlet: outlet, path: path, feeds: ["users", "a,b"], outcomes: ["voicemail"],
                wallClockOffset: 1_700_000_000_000_000_000)
            var log = CallRecordLog(outlet)
            var first = CallRecord(run: 0, start: 1_000, end: 2_000_456_000, result: .succeeded)
            first.answer = 999_999_999
            first.status = 200
            first.method = 1
            first.outcome = 1
            append(first, to: &log, callID: "a\"b,c", tag: "x", rows: [16, .max])
            append(
                CallRecord(run: 18_446_744_073_709_551_615, start: 5_000, end: 0, result: .cutOff), to: &log, callID: ""
            )
            log.flush()
            let report = writer.finish()
            #expect(report.problem == nil && report.lines == 2 && report.linesLost == 0 && log.dropped == 0)
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(
                text == """
                    run,start,answer,end,result,outcome,method,code,call_id,from_tag,row_users,"row_a,b"
                    0,2023-11-14T22:13:20.000001Z,2023-11-14T22:13:20.999999Z,2023-11-14T22:13:22.000456Z,succeeded,voicemail,ACK,200,"a""b,c",x,17,
                    18446744073709551615,2023-11-14T22:13:20.000005Z,,,cut off,,,,,t,,

                    """)
        }
    }

    @Test("Many records of several workers are all there, each worker's in order")
    func many() throws {
        try inFile { path in
            let outlet = CallRecordOutlet()
            let writer = try CallRecordWriter(
                outlet: outlet, path: path, feeds: [], outcomes: [], wallClockOffset: 0)
            var one = CallRecordLog(outlet)
            var two = CallRecordLog(outlet)
            for number in 0..<30_000 {
                let record = CallRecord(run: UInt64(number), start: 1, end: 1, result: .failed)
                if number % 2 == 0 {
                    append(record, to: &one, callID: "call-\(number)")
                } else {
                    append(record, to: &two, callID: "call-\(number)")
                }
            }
            one.flush()
            two.flush()
            #expect(writer.finish().lines == 30_000)
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").dropFirst()
            let runs = lines.compactMap { $0.split(separator: ",").first.flatMap { Int($0) } }
            #expect(runs.sorted() == Array(0..<30_000))
            #expect(runs.filter { $0 % 2 == 0 } == Array(stride(from: 0, to: 30_000, by: 2)))
            #expect(lines.allSatisfy { $0.contains(",call-\($0.split(separator: ",")[0]),") })
        }
    }

    @Test("What the writer cannot take is dropped and counted, and nothing waits for it")
    func dropped() throws {
        // Nobody takes: the first batch fills the queue, what comes after is refused.
        let outlet = CallRecordOutlet(queued: 1)
        var log = CallRecordLog(outlet)
        for number in 0..<50 {
            append(CallRecord(run: UInt64(number), start: 1, end: 1, result: .succeeded), to: &log, callID: "c")
            if number % 10 == 9 { log.flush() }
        }
        #expect(log.dropped == 40)
    }

    @Test("A full disk is told with the lines that are lost")
    func full() throws {
        let outlet = CallRecordOutlet()
        let writer = try CallRecordWriter(
            outlet: outlet, path: "/dev/full", feeds: [], outcomes: [], wallClockOffset: 0)
        var log = CallRecordLog(outlet)
        for number in 0..<3 {
            append(CallRecord(run: UInt64(number), start: 1, end: 1, result: .succeeded), to: &log, callID: "c")
        }
        log.flush()
        let report = writer.finish()
        #expect(report.lines == 0 && report.linesLost == 3)
        #expect(report.problem == "cannot write /dev/full: No space left on device")
        #expect(throws: CaptureFileError.self) {
            try CallRecordWriter(
                outlet: CallRecordOutlet(), path: "/nowhere/x.csv", feeds: [], outcomes: [], wallClockOffset: 0)
        }
    }

    @Test("Off: nothing is kept")
    func off() {
        var log = CallRecordLog(nil)
        append(CallRecord(run: 1, start: 1, end: 1, result: .succeeded), to: &log, callID: "c")
        log.flush()
        #expect(!log.isOn && log.dropped == 0)
    }
}
