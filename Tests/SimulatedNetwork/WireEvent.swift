import SIPWire

/// One datagram as it was put on the simulated wire, and what became of it.
public struct WireEvent: Sendable {
    /// Nanoseconds of virtual time.
    public var sent: Int64
    public var from: TransportAddress
    public var to: TransportAddress
    public var octets: [UInt8]
    /// When its copies arrive; empty when it is lost.
    public var deliveries: [Int64]

    public init(sent: Int64, from: TransportAddress, to: TransportAddress, octets: [UInt8], deliveries: [Int64]) {
        self.sent = sent
        self.from = from
        self.to = to
        self.octets = octets
        self.deliveries = deliveries
    }
}
