import Glibc
import SIPWire

// Legs that a server between the parties has given another Call-ID: joined to their run by a value that both sides know.
extension CallEngine {
    private func correlationKey(_ value: UnsafeRawBufferPointer) -> UInt64 {
        Self.hash(value.baseAddress ?? UnsafeRawPointer(textScratch), value.count, seed: keySeed)
    }

    /// The run of this party is known by that value from here on.
    mutating func correlate(_ value: UnsafeRawBufferPointer, _ header: UnsafeMutablePointer<SlotHeader>) {
        let key = correlationKey(value)
        guard correlations.updateValue(header.pointee.owner, forKey: key) != header.pointee.owner else { return }
        correlationsOfRun[header.pointee.owner, default: []].append(key)
    }

    mutating func forgetCorrelations(_ run: UInt32) {
        guard let keys = correlationsOfRun.removeValue(forKey: run) else { return }
        for key in keys where correlations[key] == run { correlations.removeValue(forKey: key) }
    }

    /// Owner of the run that the request at hand belongs to, by the value that this party is joined by; `UInt32.max` where there is none.
    mutating func correlatedRun(_ number: Int?) -> UInt32 {
        guard let number, bound.parties[number].correlation >= 0 else { return .max }
        let node = Int(bound.parties[number].correlation)
        // The compiler has seen to it that nothing of a call is read.
        return withUnsafeTemporaryAllocation(byteCount: SlotHeader.size, alignment: 16) { nobody in
            memset(nobody.baseAddress!, 0, SlotHeader.size)
            let header = nobody.baseAddress!.assumingMemoryBound(to: SlotHeader.self)
            textUsed = 0
            guard let value = evaluate(node, header, .max), value.count > 0,
                let owner = correlations[correlationKey(value)], slots.isLive(owner)
            else { return .max }
            let head = self.header(owner)
            return head.pointee.phase == .settled && head.pointee.legs == 0 ? .max : owner
        }
    }
}
