import COctetSearch

/// Octets that one `read` of a connection brought, and how far they have been taken. The octets are the caller's and must stay
/// as they are while events of `StreamFramer.next` are looked at.
public struct StreamInput {
    /// The first octet not taken yet.
    public internal(set) var next: UnsafeRawPointer
    private let end: UnsafeRawPointer

    public init(_ octets: UnsafeRawBufferPointer) {
        // Of no octets an address that nobody reads.
        next = octets.baseAddress ?? UnsafeRawPointer(bitPattern: 64).unsafelyUnwrapped
        end = next + octets.count
    }

    /// Octets not taken yet.
    public var count: Int {
        @inline(__always) get { end - next }
    }
}

/// What `StreamFramer.next` found.
public enum StreamEvent {
    /// One message, from the first octet of its start line to the last of its body. In the caller's octets where it came in one
    /// piece, else in the pool: there until the next call of the same framer.
    case message(UnsafeRawBufferPointer)
    /// A double CRLF between messages: to be answered with a single CRLF (RFC 5626 §3.5.1, §4.4.1).
    case ping
    /// A single CRLF after `awaitPong` (RFC 5626 §4.4.1).
    case pong
    /// A rule broken. Where `goesOn` is false, the connection must be closed.
    case fault(StreamFault)
}

/// Cuts the octets of one TCP or TLS connection into SIP messages (RFC 3261 §18.3): the length of each is its head (start
/// line, header fields, empty line) and what its Content-Length says.
///
///     var input = StreamInput(octetsRead)
///     while let event = framer.next(&input, &pool) { … }   // nil: all taken, what is left of a message is kept
///
/// A message that came in one piece is given out where it lies; nothing is copied or allocated. The part of one is kept in a block
/// of the pool until the rest has come, so an idle connection holds these 32 octets and nothing else. Each octet is
/// searched once however the stream is cut, and the events do not depend on how it is cut. Memory is bounded by the pool and
/// its `StreamLimits`; a message for which there is none is a fault, counted by the pool.
///
/// Line ends may be CRLF or LF, the same as for `MessageScanner`, which reads the messages next: what is delivered here has
/// the length that it finds. Line ends before a start line are skipped (RFC 3261 §7.5) and told as keep-alives (RFC 5626).
///
/// One framer for each direction received. Before it is dropped, `close` gives back what it holds.
public struct StreamFramer: ~Copyable {
    /// Of the block that holds the part of a message, its number.
    private var block: UInt32 = 0
    /// Octets of it that hold something.
    private var kept: UInt32 = 0
    /// The length of the message in the block, once its head has ended; else 0. While octets are passed over, how many are left.
    private var total: UInt32 = 0
    /// How far the head of the message at hand has been searched; says nothing while `flags` is empty.
    private var head = cos_head()
    private var flags = Flags()
    private var pongsAwaited: UInt8 = 0
    private var blockOrder: UInt8 = 0

    private struct Flags: OptionSet {
        let rawValue: UInt8
        /// Between messages: the last octet was a CR.
        static let afterCR = Flags(rawValue: 1)
        /// Between messages: a CRLF has come, another one makes a ping.
        static let halfPing = Flags(rawValue: 2)
        /// There is a block.
        static let keeps = Flags(rawValue: 4)
        /// The message in the block was given out; the block goes back at the next call.
        static let delivered = Flags(rawValue: 8)
        static let passesOver = Flags(rawValue: 16)
        static let closed = Flags(rawValue: 32)
        /// Of the message at hand: it has a start line.
        static let startLineRight = Flags(rawValue: 64)
        /// Of the message at hand: that it lacks Content-Length has been told.
        static let lackTold = Flags(rawValue: 128)
    }

    /// The most octets that are copied before the end of the head is known: what lies behind the message is copied in vain.
    static let step = 2048

    public init() {}

    /// Octets of a message that wait in the pool for the rest.
    public var waiting: Int { flags.contains(.keeps) && !flags.contains(.delivered) ? Int(kept) : 0 }

    /// Whether no octet will be taken any more.
    public var isClosed: Bool { flags.contains(.closed) }

    /// Says that a ping (double CRLF) was sent: the next single CRLF is a pong. Without this, line ends between messages
    /// are pings by twos, and one alone is nothing.
    public mutating func awaitPong() {
        if pongsAwaited < .max { pongsAwaited &+= 1 }
    }

    /// The next event; nil once all octets are taken. Octets after a fault that does not go on are taken unread.
    ///
    /// - Parameter pool: the same for all calls of one framer.
    public mutating func next(_ input: inout StreamInput, _ pool: inout StreamBufferPool) -> StreamEvent? {
        // Nothing unusual, one whole message. All else goes the long way, which looks at everything again.
        let count = input.count
        if flags.rawValue == 0, count >= 16 {
            let base = input.next
            head = cos_head()
            let end = cos_head_end(base, min(count, pool.limits.head), &head)
            if end > 0, head.length_lines == 1, hasUsualStartLine(base, to: end) {
                let body = usualLength(base, Int(head.length_line), to: end)
                if body >= 0, body <= pool.limits.body, body <= count &- end {
                    let length = end &+ body
                    input.next = base + length
                    return .message(UnsafeRawBufferPointer(start: base, count: length))
                }
            }
        }
        return nextOfAll(&input, &pool)
    }

    /// The stream has ended, or is given up: gives back what is held.
    /// - Returns: a fault where that is within a message (RFC 3261 §18.3 wants all of it); nil between messages, and where the
    ///   framer was closed before.
    public mutating func end(_ pool: inout StreamBufferPool) -> StreamFault? {
        var fault: StreamFault?
        if waiting > 0 {
            fault = StreamFault(.endedWithinMessage, keptOctets(pool))
        } else if flags.contains(.passesOver) {
            fault = StreamFault(.endedWithinMessage)
        }
        if let fault { pool.note(fault.rule) }
        close(&pool)
        flags = .closed
        return fault
    }

    /// Gives back what is held and forgets everything: ready for another connection.
    public mutating func close(_ pool: inout StreamBufferPool) {
        if flags.contains(.keeps) { pool.give(Int(block)) }
        self = StreamFramer()
    }

    // MARK: The long way

    @inline(never)
    private mutating func nextOfAll(_ input: inout StreamInput, _ pool: inout StreamBufferPool) -> StreamEvent? {
        if flags.contains(.delivered) {
            pool.give(Int(block))
            forget()
        }
        if flags.contains(.closed) { input.next += input.count }
        if flags.contains(.passesOver) {
            let passed = min(Int(total), input.count)
            input.next += passed
            total &-= UInt32(passed)
            pool.passedOverOctets &+= UInt64(passed)
            guard total == 0 else { return nil }
            forget()
        }
        if flags.contains(.keeps) { return nextInBlock(&input, &pool) }
        if let event = readLineEnds(&input) { return event }
        guard input.count > 0 else { return nil }
        return nextInPlace(&input, &pool)
    }

    /// The message at hand is done with, and so is its block.
    private mutating func forget() {
        flags = []
        kept = 0
        total = 0
        head = cos_head()
    }

    /// Takes the line ends between messages.
    private mutating func readLineEnds(_ input: inout StreamInput) -> StreamEvent? {
        while input.count > 0 {
            let octet = input.next.octet(0)
            if octet == Octet.lineFeed {
                let isWhole = flags.contains(.afterCR)
                input.next += 1
                flags.remove(.afterCR)
                if !isWhole {
                    flags.remove(.halfPing)
                } else if pongsAwaited > 0 {
                    pongsAwaited &-= 1
                    return .pong
                } else if flags.contains(.halfPing) {
                    flags.remove(.halfPing)
                    return .ping
                } else {
                    flags.insert(.halfPing)
                }
            } else {
                if flags.contains(.afterCR) { flags.subtract([.afterCR, .halfPing]) }
                guard octet == Octet.carriageReturn else {
                    flags.remove(.halfPing)
                    return nil
                }
                input.next += 1
                flags.insert(.afterCR)
            }
        }
        return nil
    }

    /// A message begins at the next octet, and nothing of it is kept.
    private mutating func nextInPlace(_ input: inout StreamInput, _ pool: inout StreamBufferPool) -> StreamEvent? {
        let base = input.next
        let count = input.count
        head = cos_head()
        total = 0
        switch judge(UnsafeRawBufferPointer(start: base, count: count), pool.limits) {
        case .fault(let fault): return refuse(fault, &input, &pool)
        case .whole:
            let length = Int(total)
            forget()
            input.next += length
            return .message(UnsafeRawBufferPointer(start: base, count: length))
        case .part:
            guard hold(count, &pool) else { return refuse(lackOfMemory, &input, &pool) }
            keep(count, &input, pool)
            return nil
        }
    }

    /// The beginning of a message stands in the block.
    private mutating func nextInBlock(_ input: inout StreamInput, _ pool: inout StreamBufferPool) -> StreamEvent? {
        while true {
            let missing = total > 0 ? Int(total) &- Int(kept) : Self.step
            if missing > 0 {
                let count = min(missing, input.count)
                guard count > 0 else { return nil }
                guard hold(Int(kept) &+ count, &pool) else { return refuse(lackOfMemory, &input, &pool) }
                keep(count, &input, pool)
            }
            if total == 0 {
                let verdict = judge(keptOctets(pool), pool.limits)
                if total > 0, kept > total {
                    // What lies behind the message is still in the input.
                    input.next -= Int(kept &- total)
                    kept = total
                }
                if case .fault(let fault) = verdict { return refuse(fault, &input, &pool) }
            }
            if total > 0, kept == total {
                flags.insert(.delivered)
                pool.copiedMessages &+= 1
                return .message(keptOctets(pool))
            }
        }
    }

    private func keptOctets(_ pool: borrowing StreamBufferPool) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: pool.address(of: Int(block)), count: Int(kept))
    }

    /// Copies so many octets of the input behind what is kept.
    private mutating func keep(_ count: Int, _ input: inout StreamInput, _ pool: borrowing StreamBufferPool) {
        (pool.address(of: Int(block)) + Int(kept)).copyMemory(from: input.next, byteCount: count)
        kept &+= UInt32(count)
        input.next += count
    }

    /// Makes sure that there is a block for so many octets; false where there is none.
    private mutating func hold(_ count: Int, _ pool: inout StreamBufferPool) -> Bool {
        if flags.contains(.keeps), count <= StreamBufferPool.smallestBlock << Int(blockOrder) { return true }
        let order = StreamBufferPool.order(of: count)
        guard let taken = pool.take(order: order) else { return false }
        if flags.contains(.keeps) {
            pool.address(of: taken).copyMemory(from: pool.address(of: Int(block)), byteCount: Int(kept))
            pool.give(Int(block))
        }
        block = UInt32(taken)
        blockOrder = UInt8(order)
        flags.insert(.keeps)
        return true
    }

    private var lackOfMemory: StreamFault {
        total > 0 ? StreamFault(.messageNotKept, goesOn: true) : StreamFault(.headNotKept)
    }

    /// Counts the fault and leaves the message at hand as it says: closed, passed over, or (without Content-Length) still to
    /// be delivered.
    private mutating func refuse(
        _ fault: StreamFault, _ input: inout StreamInput, _ pool: inout StreamBufferPool
    ) -> StreamEvent {
        pool.note(fault.rule)
        if fault.goesOn, fault.rule == .lengthMissing { return .fault(fault) }
        let left = total &- kept
        if fault.goesOn { pool.passedOverOctets &+= UInt64(kept) }
        if flags.contains(.keeps) { pool.give(Int(block)) }
        forget()
        if !fault.goesOn {
            flags = .closed
        } else if left > 0 {
            total = left
            flags = .passesOver
        }
        return .fault(fault)
    }

    private enum Verdict {
        /// More octets are needed. `total` says of how many in all, if the head has ended.
        case part
        /// The message is `total` octets long, and they are all there.
        case whole
        case fault(StreamFault)
    }

    /// Reads on where the last judgement of the same message stopped. Sets `total` once the head has ended.
    ///
    /// What it says of a stream may depend on the octets only, not on how many of them have come: the start line is judged
    /// first, then the length of the head, then Content-Length.
    private mutating func judge(_ octets: UnsafeRawBufferPointer, _ limits: StreamLimits) -> Verdict {
        guard let base = octets.baseAddress else { return .part }
        let window = min(octets.count, limits.head)
        let searchedBefore = Int(head.searched)
        let end = cos_head_end(base, window, &head)
        if !flags.contains(.startLineRight) {
            switch judgeStartLine(base, from: searchedBefore, to: end > 0 ? end : window) {
            case .right: flags.insert(.startLineRight)
            case .wrong(let fault): return .fault(fault)
            case .undecided: break
            }
        }
        guard end > 0 else {
            return window == limits.head ? .fault(StreamFault(.headTooLong, limit: limits.head)) : .part
        }
        var body = 0
        switch announcedLength(base, head, to: end) {
        case .octets(let length, let text):
            guard length <= Int64(limits.passedOver) else {
                let got = UnsafeRawBufferPointer(start: base + text.first, count: text.count)
                return .fault(StreamFault(.bodyFarTooLong, limit: limits.body, got))
            }
            body = Int(length)
            guard body <= limits.body else {
                total = UInt32(end &+ body)
                let got = UnsafeRawBufferPointer(start: base + text.first, count: text.count)
                return .fault(StreamFault(.bodyTooLong, goesOn: true, limit: limits.body, got))
            }
        case .missing:
            guard limits.mayLackLength else { return .fault(StreamFault(.lengthMissing)) }
            total = UInt32(end)
            if flags.contains(.lackTold) { break }
            flags.insert(.lackTold)
            return .fault(StreamFault(.lengthMissing, goesOn: true))
        case .wrong(let rule, let text):
            return .fault(StreamFault(rule, UnsafeRawBufferPointer(start: base + text.first, count: text.count)))
        }
        total = UInt32(end &+ body)
        return Int(total) <= octets.count ? .whole : .part
    }
}
