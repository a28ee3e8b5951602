import Measurement
import SIPWire

extension CallEngine {
    /// Ends a measuring interval here and starts the next.
    public mutating func closeInterval(now: MonotonicInstant) {
        // Whoever follows the file is at most an interval behind.
        if callRecords.isOn { flushRecords() }
        lastGlance = recorder.closeInterval(startedAt: intervalStart, endedAt: now, liveRuns: liveRuns)
        intervalStart = now
        glances?.post(lastGlance, worker: Int(settings.worker))
    }

    /// Takes the transport's figures into the record, once, when the run ends.
    public mutating func countTransport(_ counters: TransportCounters) {
        func add(_ counter: Counter, _ value: UInt64) { recorder.count(counter, by: Int(clamping: value)) }
        add(.peersForgotten, flows.forgotten)
        add(.sendsRefused, counters.sendsFailed)
        add(.sendsDropped, counters.sendsDropped)
        add(.sendsWouldBlock, counters.sendsBlocked)
        add(.receiveOverflows, counters.receiveOverflow)
        add(.portsExhausted, counters.portsExhausted)
        add(.descriptorsExhausted, counters.descriptorsExhausted)
        add(.connectionsOpened, counters.connectionsOpened)
        add(.connectionsAccepted, counters.connectionsAccepted)
        add(.connectionsRefused, counters.connectionsRefused)
        add(.connectionsUnfinished, counters.connectionsUnfinished)
        add(.messagesUnsent, counters.messagesUnsent)
        add(.connectionsClosed, counters.connectionsClosed)
        add(.connectionsReset, counters.connectionsReset)
        add(.tlsHandshakes, counters.tlsHandshakes)
        add(.tlsResumptions, counters.tlsResumptions)
        add(.tlsHandshakesFailed, counters.tlsHandshakesFailed)
        add(.streamWrites, counters.streamWrites)
        add(.streamWritesShort, counters.streamWritesShort)
        add(.pingsReceived, counters.pingsReceived)
        add(.pongsReceived, counters.pongsReceived)
        add(.handOvers, counters.handedOver)
        add(.handOversRefused, counters.handOverOverflow)
        add(.busyNanoseconds, counters.busyNanoseconds)
        add(.wallNanoseconds, counters.elapsedNanoseconds)
        add(.cpuNanoseconds, counters.cpuNanoseconds)
        add(.lingerEvictions, linger.evicted)
        add(.traceCuts, traces.counts.messagesCutByFullArena)
    }

    /// Which of `workers` owns the run that an initial request on a published port creates, by hash of Call-ID and From
    /// tag; nil for anything else, which stays with whom it came to.
    ///
    /// Reads no state of the engine: a quick look, not a scan.
    public func owner(ofInitialRequest message: UnsafeRawBufferPointer, workers: Int) -> Int? {
        guard workers > 1, let base = message.baseAddress, message.count > 16 else { return nil }
        // "SIP/" begins a response.
        if base.loadUnaligned(as: UInt32.self) == 0x2F50_4953 { return nil }
        var scanner = MessageScanner(mostHeaders: 128)
        guard scanner.scan(message) == .message, scanner.index.isRequest else { return nil }
        let index = scanner.index
        if tagParameter(base, index.to).length > 0 { return nil }
        var hash = Self.hash(base + Int(index.callID.offset), Int(index.callID.length), seed: 0)
        let tag = tagParameter(base, index.from)
        hash = Self.hash(base + Int(tag.offset), Int(tag.length), seed: hash)
        // A run of ours knows its worker: all parties of one run live there.
        if let token = settings.nonce.token(ofCallID: base + Int(index.callID.offset), length: Int(index.callID.length))
        {
            return Int(token.worker) % workers
        }
        return Int(hash % UInt64(workers))
    }

    /// Takes out what was recorded. The engine records nothing after this.
    public mutating func takeRecord(at now: MonotonicInstant) -> WorkerRecord {
        var other = WorkerRecorder(layout: RecorderLayout(), epoch: now)
        swap(&other, &recorder)
        traces.close()
        return other.finish(at: now, liveRuns: liveRuns)
    }
}

/// What an engine still holds: all zero some time after its last run.
public struct EngineResidue: Sendable, Equatable {
    public var slots = 0
    public var arenaBlocks = 0
    public var lingering = 0
    /// Timers in the wheel.
    public var timers = 0
    /// Octets of messages kept for traces.
    public var traceOctets = 0
    /// Entries of what is looked up by slot or by Call-ID: verdicts, legs, waits for signals.
    public var namedRecords = 0

    public init() {}

    public static func + (a: EngineResidue, b: EngineResidue) -> EngineResidue {
        var sum = a
        sum.slots += b.slots
        sum.arenaBlocks += b.arenaBlocks
        sum.lingering += b.lingering
        sum.timers += b.timers
        sum.traceOctets += b.traceOctets
        sum.namedRecords += b.namedRecords
        return sum
    }
}

extension CallEngine {
    public var residue: EngineResidue {
        var residue = EngineResidue()
        residue.slots = Int(slots.live)
        residue.arenaBlocks = arena.blocks
        residue.lingering = linger.count
        residue.timers = wheel.count
        residue.traceOctets = traces.octetsInUse
        residue.namedRecords =
            verdicts.count + misfits.count + legs.count + signalWaiters.count
            + correlations.count
        return residue
    }
}
