/// A transport of RFC 3261 §18 as it stands in a Via.
public enum TransportProtocol: UInt8, Sendable {
    case udp, tcp, tls
}

/// An IP address and a port: where octets go to or come from. Trivial, 20 octets, comparable by value.
///
/// IPv4 is kept in the last four octets of `high`/`low` as an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2), so that one
/// form serves both families.
public struct TransportAddress: Sendable, Hashable {
    public var high: UInt64
    public var low: UInt64
    public var port: UInt16
    public var isIPv6: Bool

    /// - Parameters:
    ///   - ipv4: the address in host byte order, 127.0.0.1 is 0x7F000001.
    ///   - port: in host byte order.
    public init(ipv4: UInt32, port: UInt16) {
        high = 0
        low = 0x0000_FFFF_0000_0000 | UInt64(ipv4)
        self.port = port
        isIPv6 = false
    }

    public init(ipv6High: UInt64, ipv6Low: UInt64, port: UInt16) {
        high = ipv6High
        low = ipv6Low
        self.port = port
        isIPv6 = true
    }

    /// The IPv4 address in host byte order; meaningful only where `isIPv6` is false.
    public var ipv4: UInt32 { UInt32(truncatingIfNeeded: low) }
}

/// Names a flow: one remote address over one of our sockets (UDP), or one connection (TCP, TLS).
///
/// A flow is an index into its worker's flow table. It is what the engine sends on and what flow events name, so that the
/// engine is the same for datagrams and streams.
public struct Flow: Sendable, Hashable {
    public var index: UInt32
    public init(index: UInt32) { self.index = index }
}
