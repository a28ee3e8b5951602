import CallTraces
import Measurement
import SIPWire

/// What a slot keeps for its run's call record (`--cdr`): behind all that the program needs, and only where records are kept.
struct CallRecordNote {
    /// When the first 2xx came or went, from the run's due time; `.min`: none yet.
    var answered: Int64
    /// How long after its due time the run began, in nanoseconds.
    var begun: UInt32
    /// The final response to the run's first request, the last one where it was repeated with credentials or another target.
    var status: UInt16
    var method: Method

    static let size = 16
}

extension CallEngine {
    @inline(__always)
    private func note(_ header: UnsafeMutablePointer<SlotHeader>) -> UnsafeMutablePointer<CallRecordNote> {
        (UnsafeMutableRawPointer(header) + bound.recordOffset).assumingMemoryBound(to: CallRecordNote.self)
    }

    /// A run begins.
    mutating func beginRecord(_ header: UnsafeMutablePointer<SlotHeader>) {
        note(header).pointee = CallRecordNote(
            answered: .min, begun: UInt32(clamping: now.nanoseconds &- header.pointee.due), status: 0, method: .other)
    }

    /// A request of a party has its final response, which came or went at `instant`.
    mutating func noteAnswer(
        _ status: UInt16, to method: Method, _ header: UnsafeMutablePointer<SlotHeader>, at instant: MonotonicInstant
    ) {
        guard status >= 200 else { return }
        switch method {
        // They belong to another request.
        case .cancel, .ack, .prack: return
        default: break
        }
        let note = note(header)
        guard note.pointee.status == 0 || (note.pointee.method == method && note.pointee.status >= 300) else { return }
        note.pointee.status = status
        note.pointee.method = method
        if status < 300 { note.pointee.answered = instant.nanoseconds &- header.pointee.due }
    }

    /// The run has ended: its record is kept for the writer.
    mutating func keepRecord(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ result: CallRecordResult
    ) {
        let due = header.pointee.due
        let note = note(header).pointee
        var record = CallRecord(
            run: header.pointee.run, start: due &+ Int64(note.begun),
            end: result == .cutOff ? 0 : now.nanoseconds, result: result)
        record.answer = note.answered == .min ? 0 : due &+ note.answered
        record.status = note.status
        record.method = note.method.rawValue
        record.outcome = header.pointee.outcome
        let rows = rowsOfRun(header)
        withIdentity(slot, header, 0) { engine, callID, tag in
            engine.callRecords.append(record, rows: rows, rowStride: FeedDesk.recordOctets, callID: callID, tag: tag)
        }
    }

    /// Runs that are still live when the worker leaves.
    mutating func keepRecordsOfLiveRuns() {
        var cursor: UInt32 = 0
        while let slot = slots.nextLive(from: cursor) {
            cursor = slot &+ 1
            let run = header(slot)
            guard run.pointee.phase != .orphan, run.pointee.owner == slot, run.pointee.flags.contains(.countedLive)
            else {
                continue
            }
            keepRecord(slot, run, run.pointee.flags.contains(.failed) ? .failed : .cutOff)
        }
    }

    /// Hands over the records there are, and counts those that could not be.
    mutating func flushRecords() {
        let before = callRecords.dropped
        callRecords.flush()
        if callRecords.dropped > before { recorder.count(.callRecordsDropped, by: Int(callRecords.dropped - before)) }
    }

    /// The Call-ID and the From tag of a party's dialog, as they are in its messages; at most 250 octets of each.
    mutating func withIdentity(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int,
        _ body: (inout CallEngine, _ callID: UnsafeRawBufferPointer, _ tag: UnsafeRawBufferPointer) -> Void
    ) {
        let dialog = self.dialog(header, min(dialogNumber, max(Int(party(header).pointee.dialogs) - 1, 0)))
        withUnsafeTemporaryAllocation(byteCount: 512, alignment: 8) { room in
            let base = room.baseAddress!
            var callID = OctetWriter(base)
            var tag = OctetWriter(base + 256)
            if templates(header, dialog: dialogNumber).isServer {
                if dialog.pointee.learned != 0 {
                    let block = arena.pointer(.init(raw: dialog.pointee.learned))
                    let learned = block.load(as: LearnedDialog.self)
                    callID.write(block + LearnedDialog.size, min(Int(learned.callIDLength), 250))
                    tag.write(block + Int(learned.tagOffset), min(Int(learned.tagLength), 250))
                }
            } else {
                let token = CallToken(
                    call: callWord(slot, header),
                    part: UInt16(truncatingIfNeeded: dialogNumber) &<< 12 | (dialog.pointee.incarnation & 0xFFF))
                callID.write(bound.literals, bound.nonceDigits)
                callID.write("-")
                callID.write(token)
                tag.write(CallToken(call: token.call ^ tagMask, part: token.part))
            }
            body(
                &self, UnsafeRawBufferPointer(start: base, count: callID.count),
                UnsafeRawBufferPointer(start: base + 256, count: tag.count))
        }
    }
}
