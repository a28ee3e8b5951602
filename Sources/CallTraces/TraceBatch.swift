import SIPWire

/// Runs copied out of an arena on their way to the writer: self-contained, sent messages rebuilt, addresses in full.
///
/// Filled by one worker, then read by the writer thread; handing it over is the only moment both know it, and that goes
/// through the lock of `TraceOutlet`.
final class TraceBatch: @unchecked Sendable {
    static let usualOctets = 1 << 20

    let base: UnsafeMutableRawPointer
    let capacity: Int
    var used = 0
    var runs = 0

    init(octets: Int) {
        capacity = octets
        base = .allocate(byteCount: octets, alignment: 16)
    }

    deinit { base.deallocate() }

    func removeAll() {
        used = 0
        runs = 0
    }
}

/// Head of one run in a batch, followed by its messages. Everything in a batch starts at a multiple of 8 octets.
struct RunImage {
    enum Kind: UInt8 { case endedWell, failed, strays }

    /// Octets of the whole image, this head included.
    var octets: Int
    var run: UInt64
    var verdict: TraceVerdict
    var kind: Kind
    /// Messages the run saw; how many of them follow; how many of the others a full arena refused; where it failed.
    var messages: UInt32
    var kept: UInt32
    var cutByFullArena: UInt32
    var failedAt: UInt32
    /// Octets of the verdict's detail, which stand behind this head.
    var detailLength: UInt32

    static var headOctets: Int { MemoryLayout<RunImage>.stride }
    static func octets(detail: Int) -> Int { headOctets + (detail + 7) & ~7 }
}

/// Head of one message in a batch, followed by its octets.
struct MessageImage {
    var at: Int64
    var length: Int
    var ordinal: UInt32
    var local: TransportAddress
    var remote: TransportAddress
    var party: UInt8
    /// `RecordHead`'s flags.
    var flags: UInt8
    /// `StrayReason` of a message that belongs to no run.
    var reason: UInt8

    static var headOctets: Int { MemoryLayout<MessageImage>.stride }
    static func octets(length: Int) -> Int { headOctets + (length + 7) & ~7 }
}

/// Reads the messages of one run image, in order.
struct MessageImages {
    let head: RunImage
    /// What the verdict's numbers do not say, as text; lives as long as the batch.
    let detail: UnsafeRawBufferPointer
    private var place: UnsafeRawPointer
    private var left: UInt32
    /// Hashes of what each party received so far: the same octets again are a repeat.
    private var received: Set<Int> = []

    init(_ image: UnsafeRawPointer) {
        head = image.load(as: RunImage.self)
        let length = Int(head.detailLength)
        detail = UnsafeRawBufferPointer(start: image + RunImage.headOctets, count: length)
        place = image + RunImage.octets(detail: length)
        left = head.kept
    }

    /// The next message's head and octets; the octets live as long as the batch.
    mutating func next() -> (head: MessageImage, octets: UnsafeRawBufferPointer)? {
        if left == 0 { return nil }
        left -= 1
        var message = place.load(as: MessageImage.self)
        let octets = UnsafeRawBufferPointer(start: place + MessageImage.headOctets, count: message.length)
        if head.kind != .strays, message.flags & RecordHead.sent == 0 {
            var hasher = Hasher()
            hasher.combine(message.party)
            hasher.combine(message.remote)
            hasher.combine(bytes: octets)
            if !received.insert(hasher.finalize()).inserted { message.flags |= RecordHead.retransmission }
        }
        place += MessageImage.octets(length: message.length)
        return (message, octets)
    }
}
