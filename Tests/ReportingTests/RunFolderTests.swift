import Foundation
import Measurement
import Testing

@testable import Reporting

@Suite struct RunFolderTests {
    static func withTemporaryFolder<T>(_ body: (String) throws -> T) throws -> T {
        let path = FileManager.default.temporaryDirectory.appending(path: "carillon-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }

    static func read(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test func writesWhatTheRunLeft() throws {
        try Self.withTemporaryFolder { parent in
            let record = SampleRun().record()
            let folder = try RunFolder.create(
                in: parent, scenario: "basic-call", startedAtUTCNanoseconds: record.clock.epochUTCNanoseconds)
            #expect(folder.path == "\(parent)/20260921T141320Z-basic-call")
            let second = try RunFolder.create(
                in: parent, scenario: "basic-call", startedAtUTCNanoseconds: record.clock.epochUTCNanoseconds)
            #expect(second.path == folder.path + "-2")
            #expect(folder.write(record, summary: "words\n").isEmpty)
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
                    == ["intervals.hlog", "run.json", "summary.txt"])
            #expect(try Self.read(folder.path + "/summary.txt") == "words\n")

            // The log holds every sample of every delay.
            let lines = try HistogramLog.read(try Self.read(folder.path + "/intervals.hlog"))
            for delay in record.delays {
                let sum = lines.filter { $0.tag == delay.name }.reduce(into: SparseHistogram()) { $0.add($1.histogram) }
                #expect(sum == delay.histogram)
            }

            // The record comes back from run.json.
            let back = try RunFolder.record(fromJSON: try Self.read(folder.path + "/run.json"))
            #expect(back.counters == record.counters)
            #expect(back.figures == record.figures)
            #expect(back.delays == record.delays)
            #expect(back.steps == record.steps)
            #expect(back.failureGroups == record.failureGroups)
            #expect(back.verdict == record.verdict)
            #expect(back.identity == record.identity)
            #expect(back.plan == record.plan)
            #expect(back.workers == record.workers)
            #expect(back.intervals.map(\.figures) == record.intervals.map(\.figures))
            #expect(Summary(back).text == Summary(record).text)
            // What was read and is written again is the same.
            #expect(try RunFolder.json(back) == RunFolder.json(record))
        }
    }

    @Test func leavesNothingOfAnEarlierReport() throws {
        try Self.withTemporaryFolder { path in
            var folder = try RunFolder(path: path)
            let record = SampleRun().record()
            for name in ["failed.pcapng", "mine.txt"] { try Data().write(to: URL(filePath: "\(path)/\(name)")) }
            #expect(folder.write(record, summary: "first\n", hasTrace: true).isEmpty)
            #expect(FileManager.default.fileExists(atPath: "\(path)/failed.pcapng"))
            // Not even where the disk is full: a missing file is told of, an old one would be believed.
            folder.open = { _ in
                errno = ENOSPC
                return -1
            }
            #expect(folder.write(record, summary: "second\n").count == 3)
            #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["mine.txt"])
        }
    }

    @Test(arguments: [
        RunEnd.finished, .interrupted, .terminated, .aborted(reason: "all refused"),
    ])
    func everyEndComesBack(end: RunEnd) throws {
        #expect(try RunFolder.record(fromJSON: RunFolder.json(SampleRun(end: end).record())).end == end)
    }

    @Test func longRunsHaveAReadableNumberOfRows() throws {
        var record = SampleRun().record()
        record.intervals = (0..<1_300).flatMap { _ in record.intervals }
        let back = try RunFolder.record(fromJSON: RunFolder.json(record))
        #expect(back.intervals.count <= RunFolder.mostIntervalRows)
        let started = back.intervals.reduce(0) { $0 + $1.figures.counters[.runsStarted] }
        #expect(started == record.intervals.reduce(0) { $0 + $1.figures.counters[.runsStarted] })
    }

    /// A disk that is full from the second file on: the first is whole, nothing of the others is left, and each is named.
    @Test func aFullDiskLeavesNoHalfReport() throws {
        try Self.withTemporaryFolder { path in
            var folder = try RunFolder(path: path)
            folder.open = { file in
                guard !file.contains("summary") else { return open(file, O_WRONLY | O_CREAT, 0o644) }
                _ = close(open(file, O_WRONLY | O_CREAT, 0o644))
                return open("/dev/full", O_WRONLY)
            }
            let problems = folder.write(SampleRun().record(), summary: "words\n")
            #expect(problems.map(\.path) == ["\(path)/run.json", "\(path)/intervals.hlog"])
            #expect(problems.allSatisfy { $0.description.hasSuffix("No space left on device") })
            #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["summary.txt"])
        }
    }

    @Test func aFolderThatCannotBeIsAClearError() throws {
        try Self.withTemporaryFolder { path in
            try "a file".write(toFile: path, atomically: true, encoding: .utf8)
            #expect {
                try RunFolder.create(in: path, scenario: "x", startedAtUTCNanoseconds: 0)
            } throws: { error in
                "\(error)" == "cannot write \(path): it is there and no folder"
            }
            #expect(throws: ReportWriteError.self) { try RunFolder(path: path + "/below") }
        }
    }

    @Test(arguments: ["../../etc/passwd", "a b/c", "naïve", String(repeating: "x", count: 500), ""])
    func namesOfScenariosStayNames(scenario: String) throws {
        try Self.withTemporaryFolder { parent in
            let folder = try RunFolder.create(in: parent, scenario: scenario, startedAtUTCNanoseconds: 0)
            #expect(try FileManager.default.contentsOfDirectory(atPath: parent).count == 1)
            #expect(folder.path.hasPrefix("\(parent)/19700101T000000Z-"))
        }
    }

    @Test func damagedJSONIsAnError() {
        #expect(throws: (any Error).self) { try RunFolder.record(fromJSON: "{}") }
        let text = try! RunFolder.json(SampleRun().record()).replacingOccurrences(of: "HISTFA", with: "HISTFB")
        #expect(throws: (any Error).self) { try RunFolder.record(fromJSON: text) }
    }
}
