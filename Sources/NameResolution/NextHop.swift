import SIPWire

/// Where requests for a name may be sent, in the order in which RFC 3263 §4.2 and RFC 2782 want them tried.
public struct NextHop: Sendable, Hashable {
    public var address: TransportAddress
    /// The SRV record's, lower comes first. Without SRV all are 0.
    public var priority: UInt16
    /// The SRV record's share among hosts of the same priority. Without SRV all are 0.
    public var weight: UInt16
    /// Host that has the address: the target of an SRV record, or the name itself. Addresses of one host stand together.
    public var host: String

    public init(address: TransportAddress, priority: UInt16 = 0, weight: UInt16 = 0, host: String) {
        self.address = address
        self.priority = priority
        self.weight = weight
        self.host = host
    }
}

/// What a name was resolved to.
public struct Resolution: Sendable, Hashable {
    /// How the addresses were found.
    public enum Source: Sendable, Hashable {
        /// The host is an address.
        case numeric
        /// /etc/hosts, which is asked before any server.
        case hosts
        /// A and AAAA records of the name itself.
        case addresses
        /// SRV records of this owner name.
        case services(String)
    }

    public var source: Source
    /// Never empty.
    public var hops: [NextHop]
    /// What was not as it should be, and did not keep addresses from being found. For people.
    public var notes: [String] = []

    public init(source: Source, hops: [NextHop], notes: [String] = []) {
        self.source = source
        self.hops = hops
        self.notes = notes
    }
}

/// A host and a transport, which together say what is asked for (RFC 3263 §4.2).
public struct ServerName: Sendable, Hashable {
    /// Without brackets.
    public var host: String
    /// As written; nil where none is.
    public var port: UInt16?
    public var transport: TransportProtocol

    public init(host: String, port: UInt16?, transport: TransportProtocol) {
        self.host = host
        self.port = port
        self.transport = transport
    }

    /// RFC 3261 §19.1.2.
    public var defaultPort: UInt16 { transport == .tls ? 5061 : 5060 }

    /// Owner name of the SRV records (RFC 3263 §4.2).
    public var serviceName: String {
        let service =
            switch transport {
            case .udp: "_sip._udp"
            case .tcp: "_sip._tcp"
            case .tls: "_sips._tcp"
            }
        return "\(service).\(host)"
    }

    /// The host as an address; nil where it is a name.
    public var numericAddress: TransportAddress? {
        var text = host
        return text.withUTF8 { octets in
            guard let start = octets.baseAddress else { return nil }
            let range = OctetRange(offset: 0, length: UInt32(octets.count))
            return TransportAddress(UnsafeRawPointer(start), host: range, port: port ?? defaultPort)
        }
    }
}
