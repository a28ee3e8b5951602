import SIPWire

/// The messages of one run, decoded: what ladders and failure screens are drawn from.
public struct CallTranscript: Sendable {
    /// Number of the run in the whole plan.
    public var run: UInt64
    /// Why it failed; nil for a run that ended well.
    public var verdict: TraceVerdict?
    /// CLOCK_MONOTONIC nanoseconds of the first message kept.
    public var startNanoseconds: Int64
    /// The messages kept, in the order they were sent and received.
    public var messages: [TracedMessage]
    /// Messages the run saw, kept or not.
    public var messagesSeen: Int
    /// Of those not kept, how many a full arena refused; the others were cut from the middle of a long run.
    public var messagesCutByFullArena: Int

    public var messagesCut: Int { messagesSeen - messages.count }

    /// - Parameter image: a whole run image of a batch.
    init(image: UnsafeRawPointer) {
        var images = MessageImages(image)
        let head = images.head
        run = head.run
        verdict = head.kind == .failed ? head.verdict : nil
        startNanoseconds = 0
        messages = []
        messagesSeen = Int(head.messages)
        messagesCutByFullArena = Int(head.cutByFullArena)
        messages.reserveCapacity(Int(head.kept))
        var ordinalBefore: UInt32 = 0
        while let (message, octets) = images.next() {
            if messages.isEmpty { startNanoseconds = message.at }
            messages.append(
                TracedMessage(
                    nanoseconds: message.at &- startNanoseconds,
                    direction: message.flags & RecordHead.sent != 0 ? .sent : .received, party: message.party,
                    local: message.local, remote: message.remote, octets: [UInt8](octets),
                    isRetransmission: message.flags & RecordHead.retransmission != 0,
                    isDamaged: message.flags & RecordHead.damaged != 0,
                    isWhereItFailed: message.ordinal != 0 && message.ordinal == head.failedAt,
                    messagesCutBefore: message.ordinal == 0 ? 0 : Int(message.ordinal &- ordinalBefore &- 1)))
            ordinalBefore = message.ordinal
        }
    }
}

/// One message of a transcript.
public struct TracedMessage: Sendable {
    public enum Direction: Sendable { case sent, received }

    /// From the first message kept; receive times are the kernel's where it stamps.
    public var nanoseconds: Int64
    public var direction: Direction
    /// Which party of the scenario sent or received it.
    public var party: UInt8
    public var local: TransportAddress
    public var remote: TransportAddress
    /// The message as it was on the wire.
    public var octets: [UInt8]
    public var isRetransmission: Bool
    /// Cut at `TraceArena.longestMessage`, or, with no octets, sent values that did not fit their template.
    public var isDamaged: Bool
    /// The run failed at this message.
    public var isWhereItFailed: Bool
    /// Messages of the run that were not kept between the one before and this one.
    public var messagesCutBefore: Int

    /// The start line without its line end; what is not UTF-8 is replaced.
    public var firstLine: String {
        String(decoding: octets.prefix { $0 != 0x0D && $0 != 0x0A }, as: UTF8.self)
    }

    /// What stands on an arrow of a ladder: the method of a request, code and reason of a response ("180 Ringing"), or
    /// "N octets" where the message is neither.
    public var arrowLabel: String {
        let line = firstLine
        if line.hasPrefix("SIP/2.0 ") { return String(line.dropFirst(8)) }
        let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count == 3, words[2].hasPrefix("SIP/"), !words[0].isEmpty else { return "\(octets.count) octets" }
        return String(words[0])
    }
}
