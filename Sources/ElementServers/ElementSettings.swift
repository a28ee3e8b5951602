import SIPTransactions
import SIPWire

/// Where a message comes from or goes to.
public struct Hop: Hashable, Sendable {
    public var address: TransportAddress
    public var isStream: Bool
    /// The connection that it came on; 0: any to that address.
    public var connection: UInt32

    public init(address: TransportAddress, isStream: Bool = false, connection: UInt32 = 0) {
        self.address = address
        self.isStream = isStream
        self.connection = connection
    }
}

/// A message that leaves.
public struct Outgoing: Sendable {
    public var octets: [UInt8]
    public var hop: Hop
    /// Of a request: the branch that hears of it when it cannot be sent.
    public var branch: String?
}

/// Who may register and call.
public enum UserCredentials: Sendable {
    /// Nobody is asked.
    case open
    /// Any user, with this password.
    case password(String)
    /// Passwords by user.
    case users([String: String])
}

/// Which hash functions challenges offer.
public enum ChallengeKind: String, Sendable, CaseIterable {
    case md5
    case sha256 = "sha-256"
    /// Two challenges, SHA-256 first (RFC 8760 §2.3).
    case both
}

/// What an element is, and its limits.
public struct ElementSettings: Sendable {
    public enum Role: Sendable { case registrar, proxy }

    public var role: Role
    /// Where it listens; stands in Via and Record-Route.
    public var address: TransportAddress
    /// Names it is responsible for, in lower case. Empty: every name that is no address.
    public var domains: [String] = []
    public var credentials = UserCredentials.open
    public var realm: String
    /// Of two challenges some phones take the first and give up where they do not know it, so MD5 alone unless said.
    public var challenges = ChallengeKind.md5
    /// How long a nonce holds; a right answer to an older one gets stale=true.
    public var nonceLifetime: UInt32 = 300_000
    /// In seconds (RFC 3261 §10.2.1.1, §10.3).
    public var defaultExpires: UInt32 = 3600
    public var leastExpires: UInt32 = 60
    public var mostExpires: UInt32 = 86_400
    public var timers = TransactionTimers()
    /// Timer C: a call that rings no longer than this (RFC 3261 §16.6 step 11: more than three minutes).
    public var timerC: UInt32 = 181_000
    public var recordsRoute = true

    // Limits. What is beyond them is refused or forgotten, and counted.
    /// Transactions kept. Beyond, the oldest that has its final response is forgotten; where there is none, 503.
    public var mostTransactions = 100_000
    /// Addresses of record.
    public var mostRecords = 1_000_000
    /// Contacts of one address of record, and of one REGISTER.
    public var mostBindings = 32
    /// Nonces whose counts are kept.
    public var mostNonces = 100_000

    public init(role: Role, address: TransportAddress) {
        self.role = role
        self.address = address
        realm = address.hostText
    }
}

/// Why something was not dealt with.
public enum DropReason: String, Sendable, CaseIterable {
    case malformedResponse = "malformed messages that are no requests"
    case malformedRequest = "malformed requests without a readable Via"
    case malformedAcknowledgement = "malformed ACKs"
    case foreignResponse = "responses whose topmost Via is not ours"
    case strayResponse = "responses without a transaction"
    case strayAcknowledgement = "ACKs that lead nowhere"
    case tooManyHops = "ACKs that have made too many hops"
    case brokenStream = "connections closed for what they sent"
    case unsent = "messages that could not be sent"
    case fullConnection = "messages for a connection that does not read"
    case tooManyConnections = "connections beyond the limit"
    case truncated = "datagrams longer than 65,535 octets"
}

/// What an element has done.
public struct ElementCounts: Sendable {
    /// By `Method.rawValue`, retransmissions not counted.
    public var requests = [Int](repeating: 0, count: Method.allCases.count)
    /// By class: 1 to 6.
    public var responsesSent = [Int](repeating: 0, count: 7)
    public var responsesReceived = [Int](repeating: 0, count: 7)
    public var retransmissionsReceived = 0
    public var retransmissionsSent = 0
    public var requestsForwarded = 0
    /// Requests that went to several bindings.
    public var forks = 0
    public var bindingsMade = 0
    public var bindingsRefreshed = 0
    public var bindingsRemoved = 0
    public var challenges = 0
    public var staleNonces = 0
    public var credentialsRefused = 0
    public var malformedRefused = 0
    public var timedOut = 0
    /// Transactions forgotten early, and requests refused, for want of room.
    public var transactionsForgotten = 0
    public var requestsBeyondLimit = 0
    public var bindingsBeyondLimit = 0
    public var drops: [DropReason: Int] = [:]

    public init() {}

    public mutating func drop(_ reason: DropReason) { drops[reason, default: 0] += 1 }
}
