import SIPWire

extension OutboundLog {
    /// Appends a message rendered elsewhere.
    /// - Returns: false when the log is full (counted) or the message longer than `longestMessage`.
    public mutating func append(_ message: UnsafeRawBufferPointer, flow: Flow, owner: UInt32) -> Bool {
        guard message.count <= Self.longestMessage, let tail = reserve() else { return false }
        if let start = message.baseAddress { tail.copyMemory(from: start, byteCount: message.count) }
        commit(length: message.count, flow: flow, owner: owner)
        return true
    }
}
