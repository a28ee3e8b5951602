import CallTraces
import SIPTransactions
import SIPWire

/// The head of every call slot. The generation comes first (the slab's rule), the wheel's links next.
///
/// A slot is one party of one run. The slot of the party that the arrival created *owns* the run; the others point to it.
struct SlotHeader {
    var generation: UInt32
    /// End of the pause or limit of the wait. (While the slot is free, the slab's link.)
    var stepDeadline: Tick
    var wheelNext: UInt32
    var wheelPrevious: UInt32
    var wheelTick: UInt32
    /// Next instruction, or the one that waits.
    var programCounter: UInt16
    var party: UInt8
    var phase: Phase
    /// Number of the arrival in the plan.
    var run: UInt64
    /// When the plan wanted the run; other times of the slot count from here.
    var due: Int64
    var trace: TraceChain
    /// Slot of the party that owns the run; its own number where it is the owner.
    var owner: UInt32
    /// Owner only: parties of this run that still have a slot, itself included.
    var legs: UInt16
    var flags: Flags
    /// Messages that came before the script waits for them: first of a list in the arena; 0 none.
    var inbox: UInt32
    /// Draws of this call so far: pauses and choices depend on seed, run and count alone.
    var draws: UInt16
    /// Named outcome of the run, from 1; 0: none. Owner only.
    var outcome: UInt8
    /// Signals sent in this run, a bit each. Owner only.
    var signals: UInt8
    /// When the wait or pause began.
    var stepStarted: Tick
    /// When the session was set up (RFC 6076 §4.5).
    var answered: Tick

    static let size = 72
    static let linkOffset = 8

    enum Phase: UInt8 {
        case free
        /// At a `wait` or `pause`.
        case waiting
        /// The script has ended; what it left open is being ended towards the peer.
        case closing
        /// Only the owner: done, other parties of the run are not.
        case settled
        /// A second fork's BYE (RFC 3261 §13.2.2.4): one frozen request, no script.
        case orphan
    }

    struct Flags: OptionSet {
        let rawValue: UInt16
        static let failed = Flags(rawValue: 1)
        static let drained = Flags(rawValue: 2)
        static let provisionalSeen = Flags(rawValue: 4)
        static let pausing = Flags(rawValue: 8)
        static let delayCounted = Flags(rawValue: 32)
        static let running = Flags(rawValue: 64)
        static let unjoined = Flags(rawValue: 128)
        static let countedLive = Flags(rawValue: 256)
        static let cancelled = Flags(rawValue: 512)
        /// `inbox` holds a further client record.
        static let overflow = Flags(rawValue: 1024)
        /// To be hung up, and not yet.
        static let undrained = Flags(rawValue: 2048)
        /// A transaction of the run has been measured from its due time: later ones are not.
        static let dueCounted = Flags(rawValue: 4096)
    }
}

/// One dialog of a party (RFC 3261 §12).
struct DialogRecord {
    /// What was learnt from the peer (`LearnedDialog`); 0 nothing yet.
    var learned: UInt32
    var localCSeq: UInt32
    var remoteCSeq: UInt32
    /// CSeq number of the INVITE that its ACK repeats.
    var inviteCSeq: UInt32
    /// Where requests in the dialog go.
    var flow: UInt32
    var state: State
    private var marks: UInt8
    /// Branch serial of the last request sent.
    var serial: UInt16
    /// Branch serial of the ACK to the last 2xx: the same ACK answers every repeat.
    var ackSerial: UInt16
    /// Instruction template of that ACK; 0xFFFF none was sent.
    var ackTemplate: UInt16
    /// How many dialogs this record has seen: a second call of the same party has another Call-ID and tag.
    var incarnation: UInt16
    /// Branch serial of the last INVITE: its repeated 2xx is known by it after the call.
    var inviteSerial: UInt16
    /// Hash of the peer's tag, to tell a fork from a repeat.
    var remoteTagHash: UInt32
    /// RSeq of the last reliable provisional response received (RFC 3262 §4).
    var rseq: UInt32

    static let size = 40

    /// An INVITE that asks for the session is in flight: the attempt has not had its last word.
    var isOpening: Bool {
        get { marks & 1 != 0 }
        set { marks = newValue ? marks | 1 : marks & ~1 }
    }
    /// Its INVITE has followed a Contact, and went elsewhere than to the target.
    var isRedirected: Bool {
        get { marks & 2 != 0 }
        set { marks = newValue ? marks | 2 : marks & ~2 }
    }

    /// A REGISTER has had its 2xx: those that follow refresh the binding, or remove it.
    var isRegistered: Bool {
        get { marks & 4 != 0 }
        set { marks = newValue ? marks | 4 : marks & ~4 }
    }

    enum State: UInt8 {
        case none
        case early
        case confirmed
        case terminated
    }
}

/// A client transaction in flight.
struct ClientRecord {
    /// `ClientInviteTransaction` or `ClientNonInviteTransaction`, by `method`.
    var machine: (UInt64, UInt64)
    /// First sent, nanoseconds after the run's due time.
    var sent: Int64
    var cseq: UInt32
    /// Octets sent, kept because the template would render differently now; 0: render again.
    var frozen: UInt32
    var serial: UInt16
    var template: UInt16
    var method: Method
    var dialog: UInt8
    var isActive: Bool
    private var marks: UInt8

    /// A provisional response has come.
    var provisionalSeen: Bool {
        get { marks & 1 != 0 }
        set { marks = newValue ? marks | 1 : marks & ~1 }
    }
    /// The request was sent more than once: a server may have seen it before what it answered.
    var wasRepeated: Bool {
        get { marks & 2 != 0 }
        set { marks = newValue ? marks | 2 : marks & ~2 }
    }

    /// It was too large for UDP and went over TCP (RFC 3261 §18.1.1).
    var isMoved: Bool {
        get { marks & 4 != 0 }
        set { marks = newValue ? marks | 4 : marks & ~4 }
    }

    static let size = 40
    /// In place of a template: a raw request, which no machine accompanies. Of an INVITE the octets are kept, for its ACK.
    static let raw: UInt16 = 0xFFFF
    /// In place of a template: a CANCEL made from a re-INVITE, or from one that opens a dialog, whose octets are kept.
    static let cancelsReinvite: UInt16 = 0xFFFE
    static let cancelsInvite: UInt16 = 0xFFFD
}

/// A server transaction that is not yet finished.
struct ServerRecord {
    var machine: (UInt64, UInt32)
    /// When its entry in the linger table must be made again.
    var keptUntil: Tick
    /// Branch, sent-by and method of the request (RFC 3261 §17.2.3).
    var key: UInt64
    var cseq: UInt32
    /// What responses repeat of the request (`RequestEcho`); 0: it is still the message at hand.
    var echo: UInt32
    /// Octets of the last response, kept because its template would render differently now; 0: render again.
    var frozen: UInt32
    var flow: UInt32
    /// Last response sent; 0xFFFF none.
    var template: UInt16
    var method: Method
    var dialog: UInt8
    var isActive: Bool
    private var marks: UInt8
    var status: UInt16

    /// A 2xx to an INVITE was sent and awaits its ACK: `machine` is a `SuccessRetransmission`.
    var awaitsAck: Bool {
        get { marks & 1 != 0 }
        set { marks = newValue ? marks | 1 : marks & ~1 }
    }
    /// A reliable provisional response was sent and awaits its PRACK (RFC 3262 §3): `machine` is a `ReliableProvisional`.
    var awaitsPrack: Bool {
        get { marks & 2 != 0 }
        set { marks = newValue ? marks | 2 : marks & ~2 }
    }

    static let size = 48
}
