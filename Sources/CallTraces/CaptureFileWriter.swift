import Glibc
import SIPWire
import Synchronization

/// What a capture file says about itself and how it tells a verdict.
public struct CaptureFileOptions: Sendable {
    public enum Destination: Sendable {
        /// Written as `path.partial` and renamed when complete; no file is left when no run was written.
        case file(path: String)
        /// An open descriptor, for example a pipe into `tshark -r -`; the writer closes it.
        case descriptor(Int32)
    }

    public var destination: Destination
    /// Name of the scenario, for the comments.
    public var scenario: String
    public var commandLine: String
    public var seed: UInt64
    /// Wall clock (nanoseconds since 1970-01-01 UTC) minus CLOCK_MONOTONIC, read once at start.
    public var wallClockOffsetNanoseconds: Int64
    /// Words for a verdict, "basic-call.swift:24: expected 180, got 486 after 12 ms". Called on the writer's thread,
    /// once per failed run that is written.
    public var describe: @Sendable (TraceVerdict, _ detail: String) -> String

    public init(
        destination: Destination, scenario: String, commandLine: String, seed: UInt64,
        wallClockOffsetNanoseconds: Int64,
        describe: @escaping @Sendable (TraceVerdict, _ detail: String) -> String
    ) {
        self.destination = destination
        self.scenario = scenario
        self.commandLine = commandLine
        self.seed = seed
        self.wallClockOffsetNanoseconds = wallClockOffsetNanoseconds
        self.describe = describe
    }
}

/// A capture file could not be created or written. The load goes on without it.
public struct CaptureFileError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Step: String, Sendable { case create, write, rename, startWriter = "start the writer of" }

    public var step: Step
    /// Path, or "descriptor N".
    public var file: String
    public var errno: Int32

    public var description: String { "cannot \(step.rawValue) \(file): \(String(cString: strerror(errno)))" }
}

/// What became of the runs that the workers handed over.
public struct CaptureFileReport: Sendable {
    /// The finished file; nil when nothing was written, or to a descriptor.
    public var path: String?
    public var packets: UInt64 = 0
    public var octets: UInt64 = 0
    /// Runs in the file.
    public var runsWritten: UInt64 = 0
    /// Runs not written because writing had failed, see `error`.
    public var runsAfterError: UInt64 = 0
    /// Runs not written because the file had reached `TraceLimits.fileOctets`.
    public var runsBeyondFileLimit: UInt64 = 0
    /// Runs handed over of which no message was kept, the arena being full.
    public var runsWithoutMessages: UInt64 = 0
    /// Messages of no run in the file.
    public var strayMessages: UInt64 = 0
    /// Messages longer than a UDP datagram, cut in the file; a comment says so at each.
    public var messagesCut: UInt64 = 0
    public var error: CaptureFileError?
    /// The first written run of each kind of failure, by `TraceVerdict.kind`; at most 64 kinds, none above 256 KiB.
    public var examples: [UInt64: CallTranscript] = [:]
}

/// Writes what workers hand to a `TraceOutlet` into one pcapng file, on a thread of its own.
///
/// The IP and UDP headers are made up (and the file says so): no root, no tap, no loss. Messages of one run stay
/// together; the order of runs is the order in which they ended. With both sides of a call in one process each message
/// stands there twice, once as sent and once as received; `frame.packet_flags_direction` tells them apart.
public final class CaptureFileWriter: Sendable {
    private let outlet: TraceOutlet
    private let thread: pthread_t
    private let result: ReportBox

    /// Creates the file and starts the thread.
    public init(outlet: TraceOutlet, options: CaptureFileOptions) throws(CaptureFileError) {
        let descriptor: Int32
        let name: String
        switch options.destination {
        case .file(let path):
            name = path
            descriptor = open(path + CaptureFile.partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            if descriptor < 0 { throw CaptureFileError(step: .create, file: path + CaptureFile.partial, errno: errno) }
        case .descriptor(let open):
            name = "descriptor \(open)"
            descriptor = open
        }
        self.outlet = outlet
        let result = ReportBox()
        self.result = result
        let job = Unmanaged.passRetained(
            WriterJob(outlet: outlet, options: options, descriptor: descriptor, name: name, result: result))
        var thread = pthread_t()
        // Signals are the main thread's; a broken pipe or a file limit comes back as errno.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        let failure = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<WriterJob>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, job.toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        self.thread = thread
        if failure != 0 {
            job.release()
            Glibc.close(descriptor)
            throw CaptureFileError(step: .startWriter, file: name, errno: failure)
        }
    }

    /// Closes the outlet, waits until all that was handed over is in the file, and finishes it. Call it once, after
    /// every worker's `TraceArena.close`.
    public func finish() -> CaptureFileReport {
        outlet.close()
        pthread_join(thread, nil)
        return result.report.withLock { $0 }
    }
}

/// Where the writer's thread leaves its report.
private final class ReportBox: Sendable {
    let report = Mutex(CaptureFileReport())
}

/// What the thread needs; it owns the job and the file.
private final class WriterJob: Sendable {
    private let outlet: TraceOutlet
    private let options: CaptureFileOptions
    private let descriptor: Int32
    private let name: String
    private let result: ReportBox

    init(outlet: TraceOutlet, options: CaptureFileOptions, descriptor: Int32, name: String, result: ReportBox) {
        self.outlet = outlet
        self.options = options
        self.descriptor = descriptor
        self.name = name
        self.result = result
    }

    func run() {
        var file = CaptureFile(options: options, limits: outlet.limits, descriptor: descriptor, name: name)
        while let batch = outlet.next() {
            file.write(batch)
            outlet.recycle(batch)
        }
        let report = file.finish()
        result.report.withLock { $0 = report }
    }
}
