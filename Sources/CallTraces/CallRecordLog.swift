import Glibc
import SIPWire
import Synchronization

/// How a run ended, for its call record.
@frozen public enum CallRecordResult: UInt8, Sendable {
    case succeeded, failed, drained
    /// Still live when the worker left.
    case cutOff

    var word: String {
        switch self {
        case .succeeded: "succeeded"
        case .failed: "failed"
        case .drained: "drained"
        case .cutOff: "cut off"
        }
    }
}

/// What one run leaves in the file of call records, as its worker hands it over. Times are CLOCK_MONOTONIC in nanoseconds, 0
/// where there is none.
@frozen public struct CallRecord: Sendable {
    /// The arrival's place in the whole plan.
    public var run: UInt64
    public var start: Int64
    /// The first 2xx to the run's first request.
    public var answer: Int64 = 0
    public var end: Int64
    /// Final response to the run's first request; 0: there was none.
    public var status: UInt16 = 0
    public var method: UInt8 = 0
    public var result: CallRecordResult
    /// Named outcome of the run, from 1; 0: none.
    public var outcome: UInt8 = 0

    public init(run: UInt64, start: Int64, end: Int64, result: CallRecordResult) {
        self.run = run
        self.start = start
        self.end = end
        self.result = result
    }
}

/// Head of one record in a batch, followed by its rows, its Call-ID and its tag. Each begins at a multiple of 8 octets.
struct CallRecordImage {
    var record: CallRecord
    var octets: UInt32
    var rows: UInt16
    var callIDLength: UInt16
    var tagLength: UInt16

    static var headOctets: Int { MemoryLayout<CallRecordImage>.stride }
}

/// The way of call records from all workers to the one writer: a bounded queue. Handing over never waits for the file.
public final class CallRecordOutlet: Sendable {
    private let queue = BatchQueue()
    private let mostQueued: Int

    /// - Parameter queued: octets that may wait for the writer; what comes beyond is dropped, and counted by who hands over.
    public init(queued: Int = 64 << 20) { mostQueued = queued }

    func emptyBatch() -> TraceBatch { queue.takeEmpty() ?? TraceBatch(octets: TraceBatch.usualOctets) }
    func hand(_ batch: TraceBatch) -> Bool { queue.put(batch, mostOctets: mostQueued) }
    func next() -> TraceBatch? { queue.take() }
    func recycle(_ batch: TraceBatch) { queue.recycle(batch) }
    func close() { queue.close() }
}

/// One worker's call records: filled at the end of each run, handed over when a batch is full or an interval ends.
public struct CallRecordLog: ~Copyable {
    public static let longestText = 256

    private let outlet: CallRecordOutlet?
    private var batch: TraceBatch?
    private var base: UnsafeMutableRawPointer?
    private var used = 0
    private var records = 0
    /// Records that nobody will read: the queue was full.
    public private(set) var dropped: UInt64 = 0

    /// - Parameter outlet: nil: no records are kept.
    public init(_ outlet: CallRecordOutlet?) { self.outlet = outlet }

    public var isOn: Bool { outlet != nil }

    /// - Parameters:
    ///   - rows: a 32-bit row in every `rowStride` octets, all set where the run had none of that feed.
    ///   - callID, tag: at most `longestText` octets of each are kept.
    public mutating func append(
        _ record: CallRecord, rows: UnsafeRawBufferPointer, rowStride: Int, callID: UnsafeRawBufferPointer,
        tag: UnsafeRawBufferPointer
    ) {
        guard outlet != nil else { return }
        let rowCount = rows.count / rowStride
        let idLength = min(callID.count, Self.longestText)
        let tagLength = min(tag.count, Self.longestText)
        let octets = (CallRecordImage.headOctets + rowCount * 4 + idLength + tagLength + 7) & ~7
        if used + octets > TraceBatch.usualOctets { flush() }
        if base == nil {
            batch = outlet!.emptyBatch()
            base = batch!.base
        }
        var place = base! + used
        place.storeBytes(
            of: CallRecordImage(
                record: record, octets: UInt32(octets), rows: UInt16(rowCount), callIDLength: UInt16(idLength),
                tagLength: UInt16(tagLength)), as: CallRecordImage.self)
        place += CallRecordImage.headOctets
        for row in 0..<rowCount {
            place.storeBytes(
                of: rows.loadUnaligned(fromByteOffset: row * rowStride, as: UInt32.self), toByteOffset: row * 4,
                as: UInt32.self)
        }
        place += rowCount * 4
        if let from = callID.baseAddress { memcpy(place, from, idLength) }
        if let from = tag.baseAddress { memcpy(place + idLength, from, tagLength) }
        used += octets
        records += 1
    }

    /// Hands over what there is.
    public mutating func flush() {
        guard let batch, let outlet, records > 0 else { return }
        batch.used = used
        batch.runs = records
        if !outlet.hand(batch) {
            dropped += UInt64(records)
            outlet.recycle(batch)
        }
        self.batch = nil
        base = nil
        used = 0
        records = 0
    }
}
