import Foundation
import Measurement

/// What stands between a report and the disk, in words.
public struct ReportWriteError: Error, CustomStringConvertible {
    public var path: String
    public var problem: String
    public var description: String { "cannot write \(path): \(problem)" }
}

/// The folder of one run: `summary.txt`, `run.json`, `intervals.hlog`; traces are written beside them by their owner.
///
/// Each file is written under another name and renamed when it is whole, so a full disk or a kill leaves either the file or
/// nothing, never a part that looks like a report.
public struct RunFolder {
    public let path: String
    /// Written by the traces' owner.
    public static let traceName = "failed.pcapng"
    /// Ends the name of a file that is not whole yet.
    public static let partial = ".partial"
    /// Rows of intervals in `run.json`; longer runs are shown on a coarser grid. `intervals.hlog` has them all.
    public static let mostIntervalRows = 3_600
    /// Opens a file for writing, for tests of what a full disk does.
    var open: (String) -> Int32 = { Glibc.open($0, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644) }

    /// An existing folder, or one to be made at this path.
    public init(path: String) throws(ReportWriteError) {
        self.path = path
        try Self.makeFolder(path)
    }

    /// Makes `<parent>/<utc>-<scenario>`, with a number behind where two runs begin in the same second.
    public static func create(
        in parent: String, scenario: String, startedAtUTCNanoseconds: Int64
    ) throws(ReportWriteError) -> RunFolder {
        let stamp = utcText(startedAtUTCNanoseconds).prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
        let name = scenario.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") ? $0 : "-" }
        try makeFolder(parent)
        for number in 1...1_000 {
            let path = "\(parent)/\(stamp)-\(String(name.prefix(64)))" + (number == 1 ? "" : "-\(number)")
            // Exclusive: two commands started together must not share a folder.
            if mkdir(path, 0o755) == 0 { return try RunFolder(path: path) }
            guard errno == EEXIST else { throw ReportWriteError(path: path, problem: String(cString: strerror(errno))) }
        }
        throw ReportWriteError(path: parent, problem: "1,000 runs began in this second")
    }

    /// Writes all files of the record. What cannot be written does not keep the others from being written.
    ///
    /// Files of an earlier report in the same folder go first, so that none is taken for one of this run; what no report
    /// writes is left alone.
    /// - Parameters:
    ///   - summary: without colours.
    ///   - hasTrace: `failed.pcapng` is of this run.
    /// - Returns: what went wrong, a line for each file; empty where all is there.
    public func write(_ record: RunRecord, summary: String, hasTrace: Bool = false) -> [ReportWriteError] {
        // The smallest and most useful first: on a disk that is nearly full it still fits.
        let files: [(String, (FileSink) throws(ReportWriteError) -> Void)] = [
            ("summary.txt", { file throws(ReportWriteError) in try file.write(summary) }),
            ("run.json", { file throws(ReportWriteError) in try file.write(Self.json(record)) }),
            ("intervals.hlog", { file throws(ReportWriteError) in try Self.writeLog(record, to: file) }),
        ]
        var problems: [ReportWriteError] = []
        let earlier =
            files.map(\.0) + (hasTrace ? [] : [Self.traceName, Self.traceName + Self.partial])
        for name in earlier where unlink("\(path)/\(name)") != 0 && errno != ENOENT {
            let problem = "what an earlier report left there cannot be removed: \(String(cString: strerror(errno)))"
            problems.append(ReportWriteError(path: "\(path)/\(name)", problem: problem))
        }
        for (name, body) in files {
            do {
                try write(name, body)
            } catch {
                problems.append(error)
            }
        }
        return problems
    }

    /// The record as `run.json` holds it.
    public static func json(_ record: RunRecord) throws(ReportWriteError) -> String {
        var shown = record
        shown.intervals = IntervalRecord.coarsened(record.intervals, toAtMost: mostIntervalRows)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(shown), as: UTF8.self) + "\n"
        } catch {
            throw ReportWriteError(path: "run.json", problem: "\(error)")
        }
    }

    /// Reads what `json` writes.
    public static func record(fromJSON text: String) throws -> RunRecord {
        try JSONDecoder().decode(RunRecord.self, from: Data(text.utf8))
    }

    private static func writeLog(_ record: RunRecord, to file: FileSink) throws(ReportWriteError) {
        let comment = [
            "Carillon \(record.identity.version), \(printable(record.identity.scenario)). Values are nanoseconds.",
            "Tags are delays; docs/measurement.md says what each means.",
        ]
        try file.write(
            HistogramLog.header(startedAtUTCNanoseconds: record.clock.epochUTCNanoseconds, comment: comment))
        for interval in record.intervals {
            for (name, histogram) in interval.histograms {
                let line = HistogramLog.Line(
                    tag: name, startSeconds: Double(interval.startNanoseconds) / 1e9,
                    lengthSeconds: Double(interval.lengthNanoseconds) / 1e9, histogram: histogram)
                try file.write(HistogramLog.text(of: line))
            }
        }
    }

    private func write(
        _ name: String, _ body: (FileSink) throws(ReportWriteError) -> Void
    ) throws(ReportWriteError) {
        let final = "\(path)/\(name)"
        let partial = final + Self.partial
        let descriptor = open(partial)
        guard descriptor >= 0 else { throw ReportWriteError(path: final, problem: String(cString: strerror(errno))) }
        let file = FileSink(descriptor: descriptor, path: final)
        do {
            try body(file)
            try file.close()
        } catch {
            file.abandon()
            unlink(partial)
            throw error
        }
        guard rename(partial, final) == 0 else {
            let problem = String(cString: strerror(errno))
            unlink(partial)
            throw ReportWriteError(path: final, problem: problem)
        }
    }

    /// With all folders above it; one that exists is fine.
    private static func makeFolder(_ path: String) throws(ReportWriteError) {
        if isDirectory(path) { return }
        // Not Foundation's, which ends the program for a path of one letter.
        let trimmed = path.last == "/" ? path.dropLast() : path[...]
        if let slash = trimmed.lastIndex(of: "/"), slash > trimmed.startIndex {
            try makeFolder(String(trimmed[..<slash]))
        }
        guard mkdir(path, 0o755) != 0 else { return }
        let problem = errno == EEXIST ? "it is there and no folder" : String(cString: strerror(errno))
        // Another command may have made it in between.
        if !isDirectory(path) { throw ReportWriteError(path: path, problem: problem) }
    }

    private static func isDirectory(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }
}

/// Writes text to a descriptor through a buffer and reports the first error, also the one that only closing shows.
final class FileSink {
    private var descriptor: Int32
    private let path: String
    private var buffer: [UInt8] = []
    private static let bufferSize = 256 << 10

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
        buffer.reserveCapacity(Self.bufferSize + 4_096)
    }

    func write(_ text: String) throws(ReportWriteError) {
        buffer.append(contentsOf: text.utf8)
        if buffer.count >= Self.bufferSize { try flush() }
    }

    /// Flushes, waits for the disk and closes.
    func close() throws(ReportWriteError) {
        try flush()
        // Some file systems find room only now. What cannot be synchronised (a pipe) is no error.
        if fsync(descriptor) != 0, errno != EINVAL, errno != EROFS { throw failure() }
        let result = Glibc.close(descriptor)
        descriptor = -1
        if result != 0 { throw failure() }
    }

    func abandon() {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        descriptor = -1
    }

    private func flush() throws(ReportWriteError) {
        var start = 0
        while start < buffer.count {
            let written = buffer.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + start, $0.count - start) }
            if written < 0 {
                if errno == EINTR { continue }
                throw failure()
            }
            start += written
        }
        buffer.removeAll(keepingCapacity: true)
    }

    private func failure() -> ReportWriteError {
        ReportWriteError(path: path, problem: String(cString: strerror(errno)))
    }
}
