import Measurement
import SIPWire

/// One worker's memory of the messages of its live runs: a chain of records per run, kept until the run has ended.
///
/// Recording a message copies its octets (a received message) or its values (a sent one) and nothing else; a run that
/// ends well costs two words to forget. No lock, no allocation, no text. When the arena is full, further messages are
/// not kept: the run goes on, its chain is marked cut, and the cut is counted. (Taking blocks from the oldest live run
/// instead would need a list of live chains in order of age, and so a write into two other chains for every run that
/// starts and ends. Size the arena for the plan with `octets(forRuns:)` instead.)
///
/// One thread owns an arena. Only `TraceOutlet` is shared, and touched only when a run is written.
public struct TraceArena: ~Copyable {
    /// No message is longer: what a UDP datagram or the longest body on a stream may be. Longer ones are cut here.
    public static let longestMessage = 131_072
    /// A section of a chain ends when it has this many blocks, however few its messages: 256 KiB.
    static let longestSection: UInt32 = 128

    public let policy: TracePolicy
    public let limits: TraceLimits
    /// No run is recorded: the caller skips every call but this one.
    public let isOff: Bool
    /// What was kept, cut and handed over. Messages and runs.
    public internal(set) var counts = TraceCounts()

    var blocks: TraceBlocks
    var paths = TracePaths()
    var templates: [TraceTemplate?] = []
    var strays: TraceStrays
    let outlet: TraceOutlet?
    var batch: TraceBatch?
    /// Room for one message's octets or values while a chain is read.
    let scratch: UnsafeMutableRawPointer
    /// Kinds of failure told to the outlet, each at its place by remainder.
    let kindsTold: UnsafeMutablePointer<UInt64>
    static let kindsTold = 256

    /// - Parameters:
    ///   - octets: size of the arena; resident only as far as it is used. See `octets(forRuns:)`.
    ///   - outlet: where runs to be written go; nil keeps and counts them only.
    public init(
        octets: Int = 64 << 20, policy: TracePolicy, limits: TraceLimits = TraceLimits(), outlet: TraceOutlet? = nil
    ) {
        self.policy = policy
        self.limits = limits
        isOff = policy == .off
        blocks = TraceBlocks(octets: isOff ? 0 : octets)
        strays = TraceStrays(octets: isOff ? 0 : TraceStrays.defaultOctets)
        self.outlet = outlet
        scratch = .allocate(byteCount: Self.longestMessage, alignment: 16)
        kindsTold = .allocate(capacity: Self.kindsTold)
        kindsTold.initialize(repeating: 0, count: Self.kindsTold)
    }

    deinit {
        scratch.deallocate()
        kindsTold.deallocate()
    }

    /// Octets of arena that keep so many live runs whole.
    ///
    /// - Parameter octetsPerRun: records of one run, heads included; 3,300 for both sides of a basic call of six
    ///   messages, half of it for one side.
    public static func octets(forRuns runs: Int, octetsPerRun: Int = 3300) -> Int {
        (runs * blocks(octetsPerRun) + 1) * TraceBlocks.octetsPerBlock
    }

    /// How many live runs an arena keeps whole.
    public static func wholeRuns(inOctets octets: Int, octetsPerRun: Int = 3300) -> Int {
        max(0, octets / TraceBlocks.octetsPerBlock - 1) / blocks(octetsPerRun)
    }

    private static func blocks(_ octetsPerRun: Int) -> Int {
        let payload = TraceBlocks.payloadPerBlock
        return max(1, (octetsPerRun + ChainState.octets - TraceBlocks.linkOctets + payload - 1) / payload)
    }

    /// Octets of the arena that live chains hold now.
    public var octetsInUse: Int { blocks.inUse * TraceBlocks.octetsPerBlock }
    /// Octets of the arena that were ever used at once: its resident size.
    public var octetsTouched: Int { blocks.touched * TraceBlocks.octetsPerBlock }

    /// Makes a template known, before the first message of it is appended.
    ///
    /// - Parameter id: below 65,535; small numbers, for the table is as long as the largest.
    public mutating func registerTemplate(id: UInt16, segments: [TraceTemplateSegment]) {
        precondition(id != RecordHead.noTemplate, "template number 65535 means no template")
        while templates.count <= Int(id) { templates.append(nil) }
        templates[Int(id)] = TraceTemplate(segments)
    }

    // MARK: Recording

    /// Keeps a message that the run received.
    ///
    /// - Parameters:
    ///   - run: the run's number in the whole plan, from 0.
    ///   - party: which party of the scenario received it.
    ///   - at: when it came, by the kernel's stamp where there is one.
    /// - Returns: which message of its run it is, from 1; 0 where the run is not recorded.
    @discardableResult
    public mutating func appendReceived(
        _ chain: inout TraceChain, run: UInt64, party: UInt8, octets: UnsafeRawBufferPointer,
        from remote: TransportAddress,
        to local: TransportAddress, at: MonotonicInstant, isStream: Bool = false
    ) -> UInt32 {
        append(
            &chain, run, party, RecordHead.noTemplate, isStream ? RecordHead.stream : 0, octets.baseAddress,
            octets.count, local, remote,
            at.nanoseconds)
        return isRecorded(chain) ? state(chain.head).pointee.messages : 0
    }

    /// Keeps a message that the run sent, as the values of its template.
    ///
    /// - Parameter values: the template's fixed and variable segments back to back, see `TraceTemplateSegment`.
    public mutating func appendSent(
        _ chain: inout TraceChain, run: UInt64, party: UInt8, template: UInt16, values: UnsafeRawBufferPointer,
        from local: TransportAddress, to remote: TransportAddress, at: MonotonicInstant, isRetransmission: Bool,
        isStream: Bool = false
    ) {
        append(
            &chain, run, party, template,
            Self.flags(isRetransmission, isStream),
            values.baseAddress, values.count, local, remote, at.nanoseconds)
    }

    /// Keeps a message that the run sent and that no template made.
    public mutating func appendSentOctets(
        _ chain: inout TraceChain, run: UInt64, party: UInt8, octets: UnsafeRawBufferPointer,
        from local: TransportAddress,
        to remote: TransportAddress, at: MonotonicInstant, isRetransmission: Bool, isStream: Bool = false
    ) {
        append(
            &chain, run, party, RecordHead.noTemplate,
            Self.flags(isRetransmission, isStream),
            octets.baseAddress, octets.count, local, remote, at.nanoseconds)
    }

    @inline(__always)
    private static func flags(_ isRetransmission: Bool, _ isStream: Bool) -> UInt8 {
        RecordHead.sent | (isRetransmission ? RecordHead.retransmission : 0) | (isStream ? RecordHead.stream : 0)
    }

    /// Marks the message at which the run failed: one received, since when others may have been sent (the ACK to a
    /// refusal), or the one appended last. Later messages may follow (the clean end of a failed call); the first mark stays.
    ///
    /// - Parameter message: from `appendReceived`; 0: the last.
    public mutating func markFailure(_ chain: borrowing TraceChain, at message: UInt32 = 0) {
        guard isRecorded(chain) else { return }
        let state = self.state(chain.head)
        if state.pointee.failedAt == 0 { state.pointee.failedAt = message == 0 ? state.pointee.messages : message }
    }

    /// Forgets the chain: its blocks are the next to be used again.
    public mutating func release(_ chain: inout TraceChain) {
        if isRecorded(chain) {
            blocks.free(head: chain.head, tail: chain.tail, count: Int(state(chain.head).pointee.blocks))
        }
        chain = .none
    }

    @inline(__always)
    func isRecorded(_ chain: borrowing TraceChain) -> Bool { chain.head &- 1 < TraceChain.notChosen &- 1 }

    @inline(__always)
    func state(_ head: UInt32) -> UnsafeMutablePointer<ChainState> {
        blocks.address(head).assumingMemoryBound(to: ChainState.self)
    }

    @inline(__always)
    private mutating func append(
        _ chain: inout TraceChain, _ run: UInt64, _ party: UInt8, _ template: UInt16, _ flags: UInt8,
        _ octets: UnsafeRawPointer?, _ count: Int, _ local: TransportAddress, _ remote: TransportAddress, _ at: Int64
    ) {
        if !isRecorded(chain) {
            guard !isOff, open(&chain, run) else { return }
        }
        let state = self.state(chain.head)
        state.pointee.messages &+= 1
        if state.pointee.sectionLeft == 0 || state.pointee.sectionBlocks >= Self.longestSection { rotate(chain, state) }

        let path = paths.index(local: local, remote: remote)
        let head = RecordHead(
            at: at, length: UInt32(truncatingIfNeeded: count), ordinal: state.pointee.messages, template: template,
            path: path, party: party, flags: flags, spare: 0)
        let used = Int(state.pointee.used)
        let end = used &+ RecordHead.octets &+ count
        if path != TracePaths.inRecord, count <= TraceBlocks.octetsPerBlock, end <= TraceBlocks.octetsPerBlock {
            let place = blocks.address(chain.tail) + used
            place.storeBytes(of: head, as: RecordHead.self)
            if let octets { (place + RecordHead.octets).copyMemory(from: octets, byteCount: count) }
            state.pointee.used = UInt32(truncatingIfNeeded: end)
            state.pointee.sectionLeft &-= 1
        } else {
            appendAcrossBlocks(&chain, state, head, octets, count, local, remote)
        }
    }

    /// Starts a chain, or settles that this run has none.
    @inline(never)
    private mutating func open(_ chain: inout TraceChain, _ run: UInt64) -> Bool {
        if chain.head != 0 {
            if chain.head == TraceChain.lost { counts.messagesCutByFullArena &+= 1 }
            return false
        }
        if !policy.records(run: run) {
            chain = TraceChain(head: TraceChain.notChosen, tail: 0)
            return false
        }
        if blocks.available == 0 {
            chain = TraceChain(head: TraceChain.lost, tail: 0)
            counts.runsCutByFullArena &+= 1
            counts.messagesCutByFullArena &+= 1
            return false
        }
        let block = blocks.allocate()
        state(block).pointee = ChainState(
            next: 0, used: UInt32(ChainState.octets), run: run, messages: 0, failedAt: 0, blocks: 1, cutByFullArena: 0,
            sectionLeft: max(1, limits.firstMessages), sectionsClosed: 0, sectionBlocks: 1, firstTail: 0, firstUsed: 0,
            middleTail: 0, middleUsed: 0, middleBlocks: 0, spare: 0)
        chain = TraceChain(head: block, tail: block)
        return true
    }

    /// Closes the growing section and starts the next with a new block. See `ChainState`.
    @inline(never)
    private mutating func rotate(_ chain: TraceChain, _ state: UnsafeMutablePointer<ChainState>) {
        switch state.pointee.sectionsClosed {
        case 0:
            state.pointee.firstTail = chain.tail
            state.pointee.firstUsed = state.pointee.used
            state.pointee.sectionsClosed = 1
        case 1:
            state.pointee.middleTail = chain.tail
            state.pointee.middleUsed = state.pointee.used
            state.pointee.middleBlocks = state.pointee.sectionBlocks
            state.pointee.sectionsClosed = 2
        default:
            let middleHead = blocks.next(state.pointee.firstTail)
            let growingHead = blocks.next(state.pointee.middleTail)
            blocks.link(state.pointee.firstTail, to: growingHead)
            blocks.free(head: middleHead, tail: state.pointee.middleTail, count: Int(state.pointee.middleBlocks))
            state.pointee.blocks &-= state.pointee.middleBlocks
            state.pointee.middleTail = chain.tail
            state.pointee.middleUsed = state.pointee.used
            state.pointee.middleBlocks = state.pointee.sectionBlocks
        }
        state.pointee.used = UInt32(TraceBlocks.octetsPerBlock)
        state.pointee.sectionLeft = max(1, limits.lastMessages)
        state.pointee.sectionBlocks = 0
    }

    /// A record that does not fit the rest of the last block, or that carries its addresses.
    @inline(never)
    private mutating func appendAcrossBlocks(
        _ chain: inout TraceChain, _ state: UnsafeMutablePointer<ChainState>, _ whole: RecordHead,
        _ octets: UnsafeRawPointer?, _ wholeCount: Int, _ local: TransportAddress, _ remote: TransportAddress
    ) {
        var head = whole
        let count = min(wholeCount, Self.longestMessage)
        if count < wholeCount {
            head.length = UInt32(count)
            head.flags |= RecordHead.damaged
        }
        let addresses = head.path == TracePaths.inRecord ? RecordAddresses.octets : 0
        let room = TraceBlocks.octetsPerBlock &- Int(state.pointee.used)
        let beyond = max(0, RecordHead.octets &+ addresses &+ count &- room)
        let wanted = (beyond &+ TraceBlocks.payloadPerBlock &- 1) / TraceBlocks.payloadPerBlock
        guard wanted <= blocks.available else {
            if state.pointee.cutByFullArena == 0 { counts.runsCutByFullArena &+= 1 }
            state.pointee.cutByFullArena &+= 1
            counts.messagesCutByFullArena &+= 1
            return
        }
        withUnsafeBytes(of: head) { write(&chain, state, $0.baseAddress!, $0.count) }
        if addresses > 0 {
            withUnsafeBytes(of: RecordAddresses(local: local, remote: remote)) {
                write(&chain, state, $0.baseAddress!, RecordAddresses.octets)
            }
        }
        if let octets { write(&chain, state, octets, count) }
        state.pointee.sectionLeft &-= 1
    }

    @inline(__always)
    private mutating func write(
        _ chain: inout TraceChain, _ state: UnsafeMutablePointer<ChainState>, _ octets: UnsafeRawPointer, _ count: Int
    ) {
        var written = 0
        while written < count {
            var used = Int(state.pointee.used)
            if used == TraceBlocks.octetsPerBlock {
                let block = blocks.allocate()
                blocks.link(chain.tail, to: block)
                chain.tail = block
                state.pointee.blocks &+= 1
                state.pointee.sectionBlocks &+= 1
                used = TraceBlocks.linkOctets
            }
            let part = min(count &- written, TraceBlocks.octetsPerBlock &- used)
            (blocks.address(chain.tail) + used).copyMemory(from: octets + written, byteCount: part)
            state.pointee.used = UInt32(truncatingIfNeeded: used &+ part)
            written &+= part
        }
    }
}

/// Both addresses of a record whose pair has no place in `TracePaths`.
struct RecordAddresses {
    var local: TransportAddress
    var remote: TransportAddress

    static var octets: Int { MemoryLayout<RecordAddresses>.size }
}

/// What one arena kept and cut. Written by its worker, read at join.
public struct TraceCounts: Sendable, Hashable {
    /// Runs of which at least one message was not kept because the arena was full.
    public var runsCutByFullArena: UInt64 = 0
    public var messagesCutByFullArena: UInt64 = 0
    /// Failed runs told to the arena.
    public var failedRuns: UInt64 = 0
    /// Failed runs not written because the limits were reached.
    public var failedRunsBeyondLimits: UInt64 = 0
    /// Runs handed to the writer, failed or not.
    public var runsHandedOver: UInt64 = 0
    /// Runs that found the writer's queue full.
    public var runsLost: UInt64 = 0
    /// Messages of no run, kept or not.
    public var strayMessages: UInt64 = 0
    public var strayMessagesForgotten: UInt64 = 0

    public init() {}

    public mutating func add(_ other: TraceCounts) {
        runsCutByFullArena &+= other.runsCutByFullArena
        messagesCutByFullArena &+= other.messagesCutByFullArena
        failedRuns &+= other.failedRuns
        failedRunsBeyondLimits &+= other.failedRunsBeyondLimits
        runsHandedOver &+= other.runsHandedOver
        runsLost &+= other.runsLost
        strayMessages &+= other.strayMessages
        strayMessagesForgotten &+= other.strayMessagesForgotten
    }
}
