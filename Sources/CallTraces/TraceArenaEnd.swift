import Measurement
import SIPWire

/// The end of a run: forget its chain, or copy it out for the writer.
extension TraceArena {
    /// The run ended well: its chain is forgotten, or written where the policy writes runs that ended well.
    public mutating func endWell(_ chain: inout TraceChain) {
        if policy.writesRunsThatEndedWell, isRecorded(chain), outlet != nil { handOver(chain, nil, []) }
        release(&chain)
    }

    /// The run failed: its chain is copied out for the writer, within the limits, and then forgotten. Call it when the
    /// run's last dialog has its final answer, so that the trace shows how the failed call was ended; see
    /// `markFailure`.
    /// - Parameter detail: what the verdict's numbers do not say: a value, a reason phrase.
    public mutating func endFailed(_ chain: inout TraceChain, verdict: TraceVerdict, detail: [UInt8] = []) {
        counts.failedRuns &+= 1
        if isRecorded(chain), let outlet {
            let run = state(chain.head).pointee.run
            if policy.writesRunsThatEndedWell
                || outlet.admits(verdict, isKnownKind: isKnown(verdict.kind), run: run, octets: longestImage(of: chain))
            {
                handOver(chain, verdict, detail)
            } else {
                counts.failedRunsBeyondLimits &+= 1
            }
        }
        release(&chain)
    }

    /// Copies the run's messages out, whatever the policy and the limits, and forgets the chain. Allocates: for a run
    /// at a time, not for a load.
    ///
    /// - Returns: nil when nothing of the run was recorded.
    public mutating func take(_ chain: inout TraceChain, verdict: TraceVerdict? = nil) -> CallTranscript? {
        guard isRecorded(chain) else {
            chain = .none
            return nil
        }
        let batch = TraceBatch(octets: longestImage(of: chain))
        copyOut(chain, verdict, [], into: batch)
        release(&chain)
        return withExtendedLifetime(batch) { CallTranscript(image: UnsafeRawPointer(batch.base)) }
    }

    /// Keeps a message that belongs to no run, in a ring of its own that goes to the writer in `close`.
    public mutating func appendStray(
        _ reason: StrayReason, octets: UnsafeRawBufferPointer, from remote: TransportAddress,
        to local: TransportAddress,
        at: MonotonicInstant, isStream: Bool = false
    ) {
        if isOff { return }
        counts.strayMessages &+= 1
        let message = MessageImage(
            at: at.nanoseconds, length: octets.count, ordinal: 0, local: local, remote: remote, party: 0,
            flags: isStream ? RecordHead.stream : 0, reason: reason.rawValue)
        counts.strayMessagesForgotten &+= strays.append(message, octets: octets.baseAddress)
    }

    /// Hands over what is still held for the writer. A worker may call it now and then, so that a run that fails early
    /// is in the file early; it need not.
    public mutating func flush() {
        guard let full = batch, full.used > 0, let outlet else { return }
        batch = nil
        let runs = UInt64(full.runs)
        if outlet.hand(full) {
            counts.runsHandedOver &+= runs
        } else {
            counts.runsLost &+= runs
        }
    }

    /// The worker has ended: hands over the stray messages and all else. Chains of runs still live are not written.
    public mutating func close() {
        if outlet != nil, strays.messages > 0 {
            let head = RunImage(
                octets: RunImage.headOctets + strays.octets, run: 0,
                verdict: TraceVerdict(step: 0, expected: 0, got: 0, afterNanoseconds: 0), kind: .strays,
                messages: strays.messages, kept: strays.messages, cutByFullArena: 0, failedAt: 0,
                detailLength: 0)
            if let batch = room(for: head.octets) {
                let place = batch.base + batch.used
                place.storeBytes(of: head, as: RunImage.self)
                strays.empty(into: place + RunImage.headOctets)
                batch.used += head.octets
            }
        }
        flush()
    }

    /// Whether this worker told the outlet of the kind before, so that a flood of equal failures takes no lock.
    private func isKnown(_ kind: UInt64) -> Bool {
        let place = kindsTold + Int(truncatingIfNeeded: kind % UInt64(Self.kindsTold))
        if place.pointee == kind { return true }
        place.pointee = kind
        return false
    }

    /// A batch with so much room, or nil where there is no outlet.
    private mutating func room(for octets: Int) -> TraceBatch? {
        guard let outlet else { return nil }
        if let batch, batch.capacity - batch.used >= octets { return batch }
        flush()
        let fresh = outlet.emptyBatch(octets: octets)
        batch = fresh
        return fresh
    }

    private mutating func handOver(_ chain: TraceChain, _ verdict: TraceVerdict?, _ detail: [UInt8]) {
        let octets = longestImage(of: chain) + RunImage.octets(detail: detail.count) - RunImage.headOctets
        guard let batch = room(for: octets) else { return }
        copyOut(chain, verdict, detail, into: batch)
    }

    /// An upper bound of the chain's image.
    private func longestImage(of chain: TraceChain) -> Int {
        var octets = RunImage.headOctets
        var reader = ChainReader(arena: self, chain: chain)
        while let head = reader.nextHead(blocks) {
            octets += MessageImage.octets(length: longestMessage(head))
            reader.skipOctets(blocks)
        }
        return octets
    }

    private func longestMessage(_ head: RecordHead) -> Int {
        template(head)?.longestMessage(values: Int(head.length)) ?? Int(head.length)
    }

    private func template(_ head: RecordHead) -> TraceTemplate? {
        Int(head.template) < templates.count ? templates[Int(head.template)] : nil
    }

    /// Appends the chain's image to a batch that has room for it.
    private func copyOut(
        _ chain: TraceChain, _ verdict: TraceVerdict?, _ detail: [UInt8], into batch: TraceBatch
    ) {
        let state = self.state(chain.head).pointee
        // The two later sections may hold up to twice the last messages that are wanted.
        let skip = ChainReader.recordsAfterFirstSection(arena: self, chain: chain) - Int(limits.lastMessages)
        let start = batch.base + batch.used
        detail.withUnsafeBytes { octets in
            if let base = octets.baseAddress {
                (start + RunImage.headOctets).copyMemory(from: base, byteCount: octets.count)
            }
        }
        var place = start + RunImage.octets(detail: detail.count)
        var kept: UInt32 = 0
        var index = 0
        var reader = ChainReader(arena: self, chain: chain)
        while let head = reader.nextHead(blocks) {
            if reader.section > 0 {
                index += 1
                if index <= skip {
                    reader.skipOctets(blocks)
                    continue
                }
            }
            var message = MessageImage(
                at: head.at, length: Int(head.length), ordinal: head.ordinal, local: reader.addresses.local,
                remote: reader.addresses.remote, party: head.party, flags: head.flags, reason: 0)
            let destination = place + MessageImage.headOctets
            if head.template == RecordHead.noTemplate {
                reader.readOctets(blocks, into: destination)
            } else {
                reader.readOctets(blocks, into: scratch)
                let values = UnsafeRawBufferPointer(start: scratch, count: Int(head.length))
                if let length = template(head)?.rebuild(values: values, into: destination) {
                    message.length = length
                } else {
                    message.length = 0
                    message.flags |= RecordHead.damaged
                }
            }
            place.storeBytes(of: message, as: MessageImage.self)
            place += MessageImage.octets(length: message.length)
            kept += 1
        }
        let image = RunImage(
            octets: place - start, run: state.run,
            verdict: verdict ?? TraceVerdict(step: 0, expected: 0, got: 0, afterNanoseconds: 0),
            kind: verdict == nil ? .endedWell : .failed, messages: state.messages, kept: kept,
            cutByFullArena: state.cutByFullArena, failedAt: state.failedAt,
            detailLength: UInt32(detail.count))
        start.storeBytes(of: image, as: RunImage.self)
        batch.used += image.octets
        batch.runs += 1
    }
}
