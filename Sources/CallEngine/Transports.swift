import SIPWire

/// The transports that a worker speaks (RFC 3261 §18).
public struct Transports: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let udp = Transports(rawValue: 1)
    public static let tcp = Transports(rawValue: 2)
    public static let tls = Transports(rawValue: 4)

    init(_ one: TransportProtocol) {
        self =
            switch one {
            case .udp: .udp
            case .tcp: .tcp
            case .tls: .tls
            }
    }

    /// There are connections at all.
    public var hasStreams: Bool { !isDisjoint(with: [.tcp, .tls]) }

    /// As a Via names them: `UDP and TCP`.
    public var text: String {
        let names = [contains(.udp) ? "UDP" : nil, contains(.tcp) ? "TCP" : nil, contains(.tls) ? "TLS" : nil]
            .compactMap { $0 }
        return names.count < 3 ? names.joined(separator: " and ") : "UDP, TCP and TLS"
    }
}

/// How many connections the initial requests of one worker take.
public enum ConnectionUse: Sendable, Hashable {
    /// So many, one after the other; each carries many calls.
    case shared(Int)
    /// One for each call, closed when the call is over.
    case perCall
}

extension EngineSettings {
    /// Initial requests go over a stream. A worker that speaks both sends them as datagrams (RFC 3263 §4.1 for a numeric
    /// address without a transport).
    var opensStreams: Bool { !transports.contains(.udp) }
    /// Initial requests go over TLS.
    var opensSecure: Bool { transports == .tls }
}
