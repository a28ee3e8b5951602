import CallTraces
import RTPMedia
import SIPTransactions
import SIPWire

/// What a run adds to a program: addresses, identities, settings, limits. The same on every worker but for `worker` and
/// `local`.
public struct EngineSettings: Sendable {
    /// 0…255: stands in every identifier of this worker's calls.
    public var worker: UInt8 = 0
    /// Address and port of this worker's socket.
    public var local: TransportAddress
    /// Addresses that runs are sent from, each from one of them; none: all from `local`. `local` is the first of them then.
    public var sources = SourceAddresses()
    public var sourceOrder = SourceOrder.sequential
    /// Runs that one source begins a second, at most, over all workers; an arrival beyond that is dropped. Nil: no limit.
    public var sourceRate: Double?
    /// The sockets are bound to no address: what comes is answered from the address that it came to, and `local` is one of them.
    public var listensEverywhere = false
    /// What this worker speaks. Initial requests go over UDP where that is spoken, over TLS where nothing else is, else over TCP.
    public var transports: Transports = .udp
    /// Where this worker is reached over TLS; nil: at `local`'s port.
    public var securePort: UInt16?
    /// Where calls to this worker's Contacts come, when another run takes them; nil: here.
    public var contactPort: UInt16?
    /// Initial requests are for `sips:` URIs, and name one in Contact (RFC 3261 §8.1.1.8).
    public var usesSIPS = false
    /// A request that is too large for UDP (RFC 3261 §18.1.1) is not sent: its call fails.
    public var refusesLargeRequests = false
    /// It goes over TCP to the same address, where both are spoken.
    public var movesLargeRequests = false
    /// The path's MTU, where it is known: a request within 200 octets of it is too large for UDP (RFC 3261 §18.1.1). Nil: not known.
    public var pathMTU: Int?
    /// Connections for initial requests over a stream.
    public var connections = ConnectionUse.shared(1)
    /// Workers of the run: arrivals are dealt out to them in turn.
    public var workers = 1
    /// Vias ask for the response to come where the request was sent from (`rport`, RFC 3581 §3).
    public var asksForPort = false
    /// Host written into Via, Contact and SDP instead of `local`'s address (`--advertise`).
    public var advertisedHost: String?
    /// Where initial requests go.
    public var target: TransportAddress
    /// The run was given a target: all that begins goes there, as to an outbound proxy. Without one it is this process itself, and an
    /// INVITE to a URI that a message told goes where that URI leads.
    public var hasTarget = true
    /// Where they go when there is more than `target`, which is the first of these then; empty: there alone.
    public var targets = TargetPlan()
    /// Host and port of the target as a URI shows it.
    public var targetText: String
    /// Host part of addresses of record (`--domain`); nil: the target's.
    public var domain: String?
    /// Address of record of the calling and of the called side (`--from`, `--to`), SIP URIs.
    public var callerURI: String?
    public var calleeURI: String?
    /// User part of the called side's where `calleeURI` does not say it; nil: the party's name.
    public var calleeUser: String?
    /// Header lines for initial requests (`--header`), without line end.
    public var extraHeaders: [String] = []
    /// How much of the load each scenario of the program that begins something gets, in their order; empty: all is the first's.
    public var weights: [Double] = []
    /// `--set name=value`.
    public var settings: [String: String] = [:]
    /// Of this program, opened; the rows are shared out among `workers`.
    public var feeds = OpenFeeds()
    /// Where call records go; nil: none are kept.
    public var callRecords: CallRecordOutlet?
    /// Parties that this process plays (`--play`); nil: all.
    public var plays: Set<String>?
    /// This worker's media ports; nil: ports of descriptions are numbers that nobody listens on.
    public var media: MediaBoard?
    public var nonce: RunNonce
    public var seed: UInt64
    public var timers = TransactionTimers()
    /// Call slots at most.
    public var mostSlots: UInt32 = 4_000_000
    /// Octets of the arena for what is learnt from peers.
    public var arenaOctets: Int = 4 << 30
    /// Finished transactions that may linger at once.
    public var mostLingering: Int = 16_000_000
    /// Finished transactions likely to linger at once, as far as the plan tells.
    public var expectedLingering: Int = 1 << 16
    /// Messages that may wait in one call for the script to reach their Expect.
    public var mostInboxMessages = 16
    /// Overflow records (forks) per call.
    public var mostForks = 8

    public init(
        local: TransportAddress, target: TransportAddress, targetText: String, nonce: RunNonce, seed: UInt64
    ) {
        self.local = local
        self.target = target
        self.targetText = targetText
        self.nonce = nonce
        self.seed = seed
    }
}
