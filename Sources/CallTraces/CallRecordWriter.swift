import Glibc
import Measurement
import SIPWire
import Synchronization

/// What became of the call records.
public struct CallRecordReport: Sendable {
    public var path: String
    /// Lines of runs in the file.
    public var lines: UInt64 = 0
    /// Records that came after writing had failed.
    public var linesLost: UInt64 = 0
    /// What went wrong, in words; nil: nothing.
    public var problem: String?
}

/// Writes what workers hand to a `CallRecordOutlet` into one CSV file (RFC 4180, lines end with LF), on a thread of its own.
public final class CallRecordWriter: Sendable {
    private let outlet: CallRecordOutlet
    private let thread: pthread_t
    private let job: CallRecordJob

    /// Creates the file, in place of one that is there, and starts the thread.
    /// - Parameters:
    ///   - feeds: names of the feeds, for a column each.
    ///   - outcomes: names of the outcomes that the scenario gives.
    ///   - wallClockOffset: nanoseconds since 1970-01-01 UTC minus CLOCK_MONOTONIC.
    public init(
        outlet: CallRecordOutlet, path: String, feeds: [String], outcomes: [String], wallClockOffset: Int64
    ) throws(CaptureFileError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw CaptureFileError(step: .create, file: path, errno: errno) }
        self.outlet = outlet
        let job = CallRecordJob(
            outlet: outlet,
            file: CallRecordFile(
                descriptor: descriptor, path: path, feeds: feeds, outcomes: outcomes, wallClockOffset: wallClockOffset))
        self.job = job
        var thread = pthread_t()
        // Signals are the main thread's; a broken pipe or a file limit comes back as errno.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        let failure = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<CallRecordJob>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(job).toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        self.thread = thread
        if failure != 0 {
            Unmanaged.passUnretained(job).release()
            close(descriptor)
            throw CaptureFileError(step: .startWriter, file: path, errno: failure)
        }
    }

    /// Waits until all that was handed over is in the file. Call it once, after every worker's last `CallRecordLog.flush`.
    public func finish() -> CallRecordReport {
        outlet.close()
        pthread_join(thread, nil)
        return job.report.withLock { $0 }
    }
}

/// What the thread needs, and where it leaves its report.
private final class CallRecordJob: Sendable {
    let report: Mutex<CallRecordReport>
    private let outlet: CallRecordOutlet
    private let file: Mutex<CallRecordFile>

    init(outlet: CallRecordOutlet, file: CallRecordFile) {
        self.outlet = outlet
        report = Mutex(CallRecordReport(path: file.path))
        self.file = Mutex(file)
    }

    func run() {
        file.withLock { file in
            while let batch = outlet.next() {
                file.write(batch)
                outlet.recycle(batch)
            }
            let ended = file.finish()
            report.withLock { $0 = ended }
        }
    }
}

/// The file: a line for each record.
struct CallRecordFile: Sendable {
    let path: String
    private let descriptor: Int32
    private let feeds: Int
    private let outcomes: [[UInt8]]
    private let wallClockOffset: Int64
    private var buffer: [UInt8] = []
    private var linesInBuffer: UInt64 = 0
    /// The line of names is in the file.
    private var hasHead = false
    private var report: CallRecordReport
    /// The last second's text, which most times share.
    private var second = Int64.min
    private var secondText: [UInt8] = []

    private static let bufferOctets = 1 << 18
    private static let methods = (UInt8(0)..<16).map { number -> [UInt8] in
        guard let method = Method(rawValue: number), method != .other else { return [] }
        return Array(method.token.description.utf8)
    }
    private static let results = (UInt8(0)..<4).map { Array(CallRecordResult(rawValue: $0)!.word.utf8) }

    init(descriptor: Int32, path: String, feeds: [String], outcomes: [String], wallClockOffset: Int64) {
        self.descriptor = descriptor
        self.path = path
        self.feeds = feeds.count
        self.outcomes = outcomes.map { Array($0.utf8) }
        self.wallClockOffset = wallClockOffset
        report = CallRecordReport(path: path)
        buffer.reserveCapacity(Self.bufferOctets + 4096)
        put("run,start,answer,end,result,outcome,method,code,call_id,from_tag")
        for feed in feeds {
            put(",")
            field(Array("row_\(feed)".utf8))
        }
        put("\n")
    }

    mutating func write(_ batch: TraceBatch) {
        var place = UnsafeRawPointer(batch.base)
        let end = place + batch.used
        while place < end {
            let image = place.load(as: CallRecordImage.self)
            line(image, place + CallRecordImage.headOctets)
            place += Int(image.octets)
            if buffer.count >= Self.bufferOctets { flush() }
        }
        // Whoever follows the file sees what has ended.
        flush()
    }

    mutating func finish() -> CallRecordReport {
        flush()
        if close(descriptor) != 0, report.problem == nil {
            report.problem = CaptureFileError(step: .write, file: path, errno: errno).description
        }
        return report
    }

    private mutating func line(_ image: CallRecordImage, _ texts: UnsafeRawPointer) {
        let record = image.record
        number(record.run)
        comma()
        time(record.start)
        comma()
        time(record.answer)
        comma()
        time(record.end)
        comma()
        buffer.append(contentsOf: Self.results[Int(record.result.rawValue)])
        comma()
        if record.outcome > 0, Int(record.outcome) <= outcomes.count {
            field(outcomes[Int(record.outcome) - 1])
        }
        comma()
        if record.status != 0 { buffer.append(contentsOf: Self.methods[Int(min(record.method, 15))]) }
        comma()
        if record.status != 0 { number(UInt64(record.status)) }
        comma()
        let octets = texts + Int(image.rows) * 4
        field(UnsafeRawBufferPointer(start: octets, count: Int(image.callIDLength)))
        comma()
        field(UnsafeRawBufferPointer(start: octets + Int(image.callIDLength), count: Int(image.tagLength)))
        for feed in 0..<feeds {
            comma()
            guard feed < Int(image.rows) else { continue }
            let row = texts.load(fromByteOffset: feed * 4, as: UInt32.self)
            if row != .max { number(UInt64(row) + 1) }
        }
        buffer.append(UInt8(ascii: "\n"))
        linesInBuffer += 1
    }

    @inline(__always)
    private mutating func comma() { buffer.append(UInt8(ascii: ",")) }

    private mutating func number(_ value: UInt64) {
        var power: UInt64 = 1
        while value / power >= 10 { power *= 10 }
        while power > 0 {
            buffer.append(UInt8(ascii: "0") + UInt8(value / power % 10))
            power /= 10
        }
    }

    private mutating func put(_ text: String) { buffer.append(contentsOf: text.utf8) }

    /// In quotes where RFC 4180 wants them: a Call-ID of a peer's may hold anything.
    private mutating func field(_ octets: some Collection<UInt8>) {
        let isPlain = octets.allSatisfy { $0 >= 0x20 && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "\"") }
        if isPlain {
            buffer.append(contentsOf: octets)
            return
        }
        buffer.append(UInt8(ascii: "\""))
        for octet in octets {
            if octet == UInt8(ascii: "\"") { buffer.append(octet) }
            buffer.append(octet)
        }
        buffer.append(UInt8(ascii: "\""))
    }

    /// RFC 3339, UTC, in microseconds; nothing for 0.
    private mutating func time(_ monotonic: Int64) {
        guard monotonic != 0 else { return }
        let wall = monotonic &+ wallClockOffset
        let whole = wall / 1_000_000_000
        if whole != second {
            second = whole
            secondText = Array(utcText(whole * 1_000_000_000).prefix(19).utf8)
        }
        buffer.append(contentsOf: secondText)
        buffer.append(UInt8(ascii: "."))
        var rest = Int(wall % 1_000_000_000) / 1000
        var power = 100_000
        while power > 0 {
            buffer.append(UInt8(ascii: "0") + UInt8(rest / power))
            rest %= power
            power /= 10
        }
        buffer.append(UInt8(ascii: "Z"))
    }

    private mutating func flush() {
        defer {
            buffer.removeAll(keepingCapacity: true)
            linesInBuffer = 0
        }
        guard report.problem == nil else {
            report.linesLost += linesInBuffer
            return
        }
        var done = 0
        while done < buffer.count {
            let count = buffer.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done) }
            if count >= 0 {
                done += count
            } else if errno != EINTR {
                report.problem = CaptureFileError(step: .write, file: path, errno: errno).description
                let kept = keepWholeLines(done)
                report.lines += kept
                report.linesLost += linesInBuffer - kept
                return
            }
        }
        report.lines += linesInBuffer
        hasHead = true
    }

    /// Of what was written before writing failed whole lines stay.
    /// - Returns: how many records they are.
    private func keepWholeLines(_ written: Int) -> UInt64 {
        let whole = buffer[..<written].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let end = lseek(descriptor, 0, SEEK_CUR)
        // What is no file of the disk cannot be cut.
        if whole < written, end >= written { _ = ftruncate(descriptor, end - off_t(written - whole)) }
        let lines = UInt64(buffer[..<whole].count { $0 == UInt8(ascii: "\n") })
        return hasHead || lines == 0 ? lines : lines - 1
    }
}
