/// What went over the media ports of a run: RTP that was sent and received, by RFC 3550. Nil in a run without media.
///
/// What came at the ports is one of packetsReceived, packetsStray, packetsAfterEnd, packetsNotRTP and rtcpPackets, or it is among packetsFromOthers and was
/// ignored.
public struct MediaRecord: Sendable, Hashable, Codable {
    /// Pairs of ports, RTP and RTCP, that were bound, and that were in use at once at most.
    public var portPairs = 0
    public var mostPortPairsInUse = 0
    /// Streams that found no pair free: their calls failed.
    public var portsExhausted: UInt64 = 0
    /// Streams that were to carry a tone or silence and whose negotiated codecs are neither PCMU nor PCMA: nothing was sent.
    public var streamsWithoutCodec: UInt64 = 0

    /// Times that sending began: a call's stream, or the same again after a hold.
    public var streamsSent: UInt64 = 0
    public var packetsSent: UInt64 = 0
    /// Octets of payload, without RTP headers.
    public var octetsSent: UInt64 = 0
    /// Packets that were due and not sent: the system refused, or the thread was more than 200 ms late.
    public var packetsUnsent: UInt64 = 0
    /// How late a round of packets was at most.
    public var largestSendLatenessNanoseconds: Int64 = 0

    /// Synchronization sources that packets came from.
    public var streamsReceived: UInt64 = 0
    public var packetsReceived: UInt64 = 0
    /// Octets of payload, without RTP headers.
    public var octetsReceived: UInt64 = 0
    /// Expected by the sequence numbers and not come (RFC 3550 §A.3), over all streams.
    public var packetsLost: UInt64 = 0
    public var packetsOutOfOrder: UInt64 = 0
    public var packetsDuplicated: UInt64 = 0
    /// Packets far off the sequence, that no other followed.
    public var packetsStray: UInt64 = 0
    /// Interarrival jitter (RFC 3550 §A.8): over all packets, and the largest that one stream reached.
    public var meanJitterNanoseconds: Int64 = 0
    public var largestJitterNanoseconds: Int64 = 0

    /// From another address or port than the peer's description names. The first such source is taken for the peer until the described one is heard, and is in the
    /// other figures too; further ones are ignored.
    public var packetsFromOthers: UInt64 = 0
    /// At a port whose call had ended, or had not begun.
    public var packetsAfterEnd: UInt64 = 0
    public var packetsNotRTP: UInt64 = 0
    /// RTCP, at either port of a pair (RFC 5761); absorbed.
    public var rtcpPackets: UInt64 = 0
    public var rtcpOctets: UInt64 = 0
    /// ICMP errors to packets sent: nobody listens there.
    public var icmpErrors: UInt64 = 0
    /// Dropped by the kernel since we did not read in time: losses of our own, which are among packetsLost too.
    public var receiveOverflows: UInt64 = 0
    /// What the media thread used.
    public var cpuNanoseconds: Int64 = 0

    public init() {}
}
