import Measurement
import SIPWire

/// Why a message belongs to no run.
public enum StrayReason: UInt8, Sendable, CaseIterable {
    /// Not readable as SIP.
    case malformed
    /// Readable, and no call, dialog or transaction of ours knows it.
    case noCall
    /// Came after its run had ended.
    case afterEnd
    /// A request that no scenario here serves.
    case notServed
    /// A response that does not repeat its request as it must.
    case discarded

    var words: String {
        switch self {
        case .malformed: "not readable as SIP"
        case .noCall: "belongs to no call of ours"
        case .afterEnd: "came after its run had ended"
        case .notServed: "no scenario here serves it"
        case .discarded: "does not repeat its request as a response must"
        }
    }
}

/// The last messages that belong to no run, in two halves: when the newer is full, the older is forgotten and refilled.
struct TraceStrays: ~Copyable {
    static let defaultOctets = 256 << 10

    private let base: UnsafeMutableRawPointer
    private let half: Int
    private var newer = 0
    private var used: (Int, Int) = (0, 0)
    private var kept: (UInt32, UInt32) = (0, 0)

    init(octets: Int) {
        half = octets / 2 & ~7
        base = .allocate(byteCount: max(16, 2 * half), alignment: 16)
    }

    deinit { base.deallocate() }

    var octets: Int { used.0 + used.1 }
    var messages: UInt32 { kept.0 + kept.1 }

    /// - Returns: how many older messages were forgotten for it.
    mutating func append(_ message: MessageImage, octets: UnsafeRawPointer?) -> UInt64 {
        var message = message
        let most = half - MessageImage.headOctets
        if most <= 0 { return 0 }
        if message.length > most {
            message.length = most
            message.flags |= RecordHead.damaged
        }
        let wanted = MessageImage.octets(length: message.length)
        var forgotten: UInt64 = 0
        if (newer == 0 ? used.0 : used.1) + wanted > half {
            newer ^= 1
            forgotten = UInt64(newer == 0 ? kept.0 : kept.1)
            if newer == 0 { (used.0, kept.0) = (0, 0) } else { (used.1, kept.1) = (0, 0) }
        }
        let place = base + newer * half + (newer == 0 ? used.0 : used.1)
        place.storeBytes(of: message, as: MessageImage.self)
        if let octets { (place + MessageImage.headOctets).copyMemory(from: octets, byteCount: message.length) }
        if newer == 0 {
            used.0 += wanted
            kept.0 += 1
        } else {
            used.1 += wanted
            kept.1 += 1
        }
        return forgotten
    }

    /// Copies all messages, oldest first, and forgets them.
    mutating func empty(into destination: UnsafeMutableRawPointer) {
        let older = newer ^ 1
        let olderUsed = older == 0 ? used.0 : used.1
        destination.copyMemory(from: base + older * half, byteCount: olderUsed)
        (destination + olderUsed).copyMemory(from: base + newer * half, byteCount: newer == 0 ? used.0 : used.1)
        used = (0, 0)
        kept = (0, 0)
    }
}
