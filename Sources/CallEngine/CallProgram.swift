import Digest
import ScenarioDSL
import SIPWire

/// A scenario compiled: instructions, waits and message templates of all its parties, frozen and shared by every worker.
///
/// ```
/// tree ──compiler──► CallProgram ──bind (addresses, settings, nonce)──► BoundProgram ──► CallEngine
/// ```
/// A program holds no address and no setting, so that it can be saved, drawn and compared.
public struct CallProgram: Sendable {
    package var scenarios: [ScenarioPlan] = []
    package var parties: [PartyProgram] = []
    package var instructions: [Instruction] = []
    package var waits: [WaitPlan] = []
    package var alternatives: [Alternative] = []
    package var templates: [TemplateSource] = []
    package var delays: [DelayPlan] = []
    package var values = ValuePool()
    /// What each `step` number of instructions, waits and alternatives means to the author.
    package var steps: [StepPlan] = []
    package var settings: [SettingTree] = []
    package var outcomes: [String] = []
    package var credentials: [CredentialsPlan] = []
    package var authentications: [AuthenticationPlan] = []
    /// Names given to `Measure`, after the built-in delays.
    package var measures: [String] = []
    package var signals: [String] = []
    /// Where rows come from, in order of first use, and what is read of them.
    package var feeds: [FeedTree] = []
    package var feedColumns: [FeedColumnPlan] = []
    package var feedUses: [FeedUse] = []

    /// Octets that one call slot takes: the largest party's.
    package var stride: Int {
        // An orphan (a second fork's BYE) needs a head, a dialog and one client record, whatever the parties have.
        let least = (SlotHeader.size + DialogRecord.size + ClientRecord.size + 15) & ~15
        return max(parties.map(\.layout.stride).max() ?? 0, least)
    }

    /// The party that an arrival creates, or nil when every party answers.
    public var initiator: Int? { parties.firstIndex { !$0.answers } }
    /// The party that an arrival creates, of each scenario that has one.
    public var initiators: [Int] {
        scenarios.compactMap { scenario in scenario.parties.first { !parties[$0].answers } }
    }
    /// Which scenario a party is of.
    public func scenarioNumber(ofParty party: Int) -> Int { parties[party].scenario }
    /// Whether a party sends media: a run of it has media ports, unless it is told not to.
    public var sendsMedia: Bool { instructions.contains { $0.operation == .sendMedia } }
    public var hasAnswerers: Bool { parties.contains { $0.answers } }
    public var scenarioNames: [String] { scenarios.map(\.name) }
}

package struct ScenarioPlan: Sendable {
    package var name: String
    package var parties: Range<Int>
}

/// One party of one scenario.
package struct PartyProgram: Sendable {
    package var name: String
    package var scenario: Int
    package var answers: Bool
    package var entry: Int
    /// One past its last instruction.
    package var end = 0
    package var layout = SlotLayout()
    package var dialogs: [DialogPlan] = []
    /// Methods of the first request this party waits for; nil in it means any.
    package var firstMethods: [String] = []
    package var at: Spot
    /// Names of its variables, by number, for listings.
    package var variables: [String] = []
    /// A bit for each feed of the program that it reads.
    package var feeds: UInt64 = 0
    /// Value of the first request by which its run is found where the Call-ID does not tell; -1: by nothing.
    package var correlation = -1
}

/// What the compiler knows of one dialog of one party.
package struct DialogPlan: Sendable {
    package var name: String
    /// True when the dialog begins with a request that this party receives.
    package var isServer: Bool
    /// Templates that end the dialog when the script does not: made for every dialog that an INVITE opens.
    package var acknowledge = -1
    /// The same without anything of the script's.
    package var plainAcknowledge = -1
    package var bye = -1
    /// A later request of this party goes into the early dialog (PRACK, UPDATE): tag and target are learnt from 1xx too.
    package var learnsEarly = false
    /// The remote target may change while the dialog lives (re-INVITE, UPDATE): its templates are frozen when sent.
    package var refreshes = false
    package var hasInvite = false
}

/// Where the records of a call slot stand. The compiler counts what the script needs: a basic call stays small.
package struct SlotLayout: Sendable {
    package var dialogs = 0
    package var clients = 0
    package var servers = 0
    package var marks = 0
    package var variables = 0
    package var loops = 0
    /// The party answers challenges: a `SecurityRecord` and, for each dialog, the credentials of its last INVITE.
    package var hasCredentials = false
    /// The party asks for credentials: a `NonceCountRecord`.
    package var authenticates = false
    /// The party follows redirections: for each dialog, where its INVITE went.
    package var hasRedirects = false
    /// Rows that a run has: none unless the program reads a feed.
    package var feeds = 0

    package var dialogOffset: Int { SlotHeader.size }
    package var clientOffset: Int { dialogOffset + dialogs * DialogRecord.size }
    package var serverOffset: Int { clientOffset + clients * ClientRecord.size }
    package var markOffset: Int { serverOffset + servers * ServerRecord.size }
    package var variableOffset: Int { markOffset + marks * 8 }
    package var loopOffset: Int { variableOffset + variables * 8 }
    package var securityOffset: Int { (loopOffset + loops * 4 + 7) & ~7 }
    package var nonceOffset: Int {
        (securityOffset + (hasCredentials ? SecurityRecord.size + dialogs * 4 : 0) + 7) & ~7
    }
    package var redirectOffset: Int { nonceOffset + (authenticates ? MemoryLayout<NonceCountRecord>.stride : 0) }
    package var feedOffset: Int { redirectOffset + (hasRedirects ? (dialogs * 4 + 7) & ~7 : 0) }
    package var stride: Int { (feedOffset + feeds * FeedDesk.recordOctets + 15) & ~15 }
}

/// Credentials as a step gives them; texts are values of the pool, read when the step is reached.
package struct CredentialsPlan: Sendable {
    package var user: Int
    package var password: Int
    /// -1: of any realm.
    package var realm: Int
    package var choosesStrongest: Bool
    package var protectsBody: Bool
}

package enum Operation: UInt8, Sendable {
    /// a: template, b: client record, c: dialog.
    case sendRequest
    /// a: template, c: dialog. The ACK to a 2xx.
    case acknowledge
    /// a: template, b: server record, c: dialog.
    case sendResponse
    /// a: template, c: dialog, b: client record whose managed retransmission ends, or -1.
    case sendRaw
    /// a: wait.
    case wait
    /// a: delay, c: instruction when the load has ended, or 0: the pause goes on.
    case pause
    /// The run has come to what it repeats until the load ends.
    case beginRepeating
    /// c: instruction when the load has ended.
    case branchAtEnd
    /// a: instruction.
    case jump
    /// a: loop, b: value for the count, c: instruction after the block.
    case loopStart
    /// a: loop, c: first instruction of the block.
    case loopNext
    /// a: condition, c: instruction when it does not hold.
    case branchUnless
    /// a: variable, b: value, c: value instead or -1.
    case capture
    /// a: variable, b: value.
    case set
    /// a: variable. Its octets go back to the arena.
    case forget
    /// a: condition, b: reason text.
    case require
    /// a: mark.
    case mark
    /// a: value by which legs of this run are known.
    case correlate
    /// a: measure, b: from mark, c: to mark or -1.
    case measure
    /// a: signal.
    case signal
    /// a: reason text.
    case fail
    /// a: outcome.
    case finish
    /// a: `credentials` of the program.
    case credentials
    /// a: `authentications` of the program, b: server record of the request, c: the wait that goes on when it is refused.
    case authenticate
    /// a: `MediaSending`, c: dialog.
    case sendMedia
    case end
}

package struct Instruction: Sendable {
    package var operation: Operation
    package var step: UInt16
    package var a: Int32
    package var b: Int32
    package var c: Int32

    package init(_ operation: Operation, step: Int, a: Int = 0, b: Int = 0, c: Int = 0) {
        self.operation = operation
        self.step = UInt16(clamping: step)
        self.a = Int32(a)
        self.b = Int32(b)
        self.c = Int32(c)
    }
}

/// What the author wrote, for messages.
package struct StepPlan: Sendable {
    package var at: Spot
    package var party: Int
    /// `send INVITE`, `expect 200 to INVITE`.
    package var text: String
}

/// One place where a party waits for whichever comes first.
package struct WaitPlan: Sendable {
    package enum Kind: UInt8, Sendable { case message, silence, signal }
    package var kind: Kind = .message
    package var firstAlternative: Int
    package var alternativeCount: Int
    /// Milliseconds.
    package var limit: UInt32
    /// Milliseconds from a provisional response on; 0: unchanged.
    package var limitAfterProvisional: UInt32
    /// Instruction when the limit is reached; -1: the call has failed.
    package var timeout: Int
    package var dialog: Int
    /// Client record whose response is awaited, -1 none: an unlisted final response to it is a failure.
    package var awaited: Int
    package var signal = -1
    /// Pauses of the other parties that come on top of the limit.
    package var peerPauses: [DelayPlan] = []
    package var step: Int
}

/// One message that a wait takes.
package struct Alternative: Sendable {
    package enum Kind: UInt8, Sendable { case response, request, anyRequest }
    package var kind: Kind
    package var method: Method
    /// For a method that is `.other`: index into the text pool; else -1.
    package var methodText: Int
    package var low: UInt16
    package var high: UInt16
    package var dialog: Int
    /// Client record it answers; -1: any.
    package var client: Int
    /// Server record that a request is kept in.
    package var server: Int
    package var target: Int
    package var step: Int
}

/// A pause, in nanoseconds.
package enum DelayPlan: Sendable {
    case fixed(Int64)
    case uniform(low: Int64, high: Int64)
    case exponential(mean: Double)
    case lognormal(median: Double, sigma: Double)
    case weibull(shape: Double, scale: Double)
    case empirical(cumulative: [Double], delays: [Int64])
    /// A value of the pool, read when the pause begins.
    case value(Int)
    case part(low: Double, high: Double, of: Int)

    /// Nil for a delay that is a value: that needs the pool.
    init?(_ tree: DelayTree) {
        switch tree {
        case .fixed(let time): self = .fixed(time.nanoseconds)
        case .uniform(let low, let high): self = .uniform(low: low.nanoseconds, high: high.nanoseconds)
        case .exponential(let mean): self = .exponential(mean: Double(mean.nanoseconds))
        case .lognormal(let median, let sigma): self = .lognormal(median: Double(median.nanoseconds), sigma: sigma)
        case .weibull(let shape, let scale): self = .weibull(shape: shape, scale: Double(scale.nanoseconds))
        case .empirical(let weighted):
            var sum = 0.0
            var cumulative: [Double] = []
            for one in weighted {
                sum += one.weight
                cumulative.append(sum)
            }
            self = .empirical(cumulative: cumulative.map { $0 / sum }, delays: weighted.map(\.delay.nanoseconds))
        case .value, .part: return nil
        }
    }
}

/// A message as the compiler leaves it: what is known, what the worker knows, what only the call knows.
package struct TemplateSource: Sendable {
    package enum Segment: Sendable, Equatable {
        case text([UInt8])
        /// Known when a worker starts; becomes text.
        case bound(BoundField)
        /// Known when the message is sent.
        case live(LiveField, argument: Int)
    }
    package var segments: [Segment] = []
    package var method: Method
    /// Method token for requests.
    package var methodText: String
    /// 0 for a request.
    package var status: UInt16 = 0
    package var dialog: Int
    /// Reads only what cannot change while the transaction lives: a retransmission may be rendered again
    /// (RFC 3261 §17.1.1.2 wants it byte-identical).
    package var isPure = true
    /// Nothing but the headers that every message has: an ACK like that can be made again from its 2xx alone.
    package var isPlain = false
    /// Value that names the Contact which an INVITE follows (RFC 3261 §8.1.3.4); -1: it follows none.
    package var redirect = -1
    /// Value that is the request URI where that is known only during the call; -1: it is known before.
    package var formed = -1
    /// Response to a request that opens a dialog: carries Record-Route and Contact.
    package var opensDialog = false
    /// RSeq of a provisional response that is repeated until its PRACK (RFC 3262 §3); 0: it is none; `unknownRSeq`: it is known
    /// only when it is sent.
    package var rseq: UInt32 = 0
    package static let unknownRSeq = UInt32.max
    package var party: Int
}

/// What a worker fills into a template once.
package enum BoundField: Sendable, Equatable {
    /// Address and port of the worker's socket, as in the Via's sent-by.
    case localHostPort
    /// The same as a Contact has it: the port may be another run's, which takes the calls.
    case contactHostPort
    /// `;rport` where the run asks for it (RFC 3581 §3), before the branch.
    case viaParameters
    case localHost
    /// `UDP` or `TCP`, as a Via names what the message goes over.
    case transport
    /// `;transport=tcp` of a Contact where the message goes over TCP.
    case contactTransport
    /// `sip` or `sips`.
    case contactScheme
    /// The same as SDP names it: `IP4 192.0.2.1`, `IP6 2001:db8::1` (RFC 8866 §5.7).
    case connectionAddress
    case localPort
    /// The run's nonce.
    case nonce
    /// Host (and port, unless 5060 is meant) that identities of this run live at.
    case domain
    case target
    /// User part of a party's address of record.
    case user(String)
    /// Whole URI of a party: overridden by `--from` and `--to`.
    case partyURI(Int)
    /// Request URI of an initial request: the callee's URI at the target.
    case calleeURI(Int)
    case setting(String)
    /// Header lines given by `--header`, for initial requests.
    case extraHeaders
    /// Those of them that are Route lines: a CANCEL has the INVITE's (RFC 3261 §9.1).
    case extraRoutes
    case version
}

/// What is written anew in each message.
package enum LiveField: UInt8, Sendable {
    /// Token of the branch. Argument: 0.
    case branch
    /// Token of our tag in the dialog.
    case localTag
    /// Token of a Call-ID of ours.
    case ownCallID
    /// The peer's Call-ID.
    case learnedCallID
    /// CSeq number.
    case cseq
    /// `;tag=` and the peer's tag, or nothing when there is none yet.
    case remoteTag
    /// Request URI in the dialog.
    case remoteTarget
    /// Route header lines, or nothing.
    case routes
    /// From value in a request of the called side: the To of the request that opened the dialog and our tag.
    case learnedLocalIdentity
    /// To value in a request of the called side.
    case learnedRemoteIdentity
    /// Via, From, To, Call-ID and CSeq (and Record-Route where the response opens a dialog) of the request answered.
    case echo
    /// Argument: value.
    case value
    /// Length of the body that follows, five digits, right-justified.
    case bodyLength
    /// Where the body begins: `bodyLength` counts from here.
    case bodyStart
    /// RSeq / RAck: response number and CSeq of the reliable provisional response (RFC 3262 §7.2).
    case rack
    /// Route lines of the INVITE that is cancelled.
    case inviteRoutes
    /// Request URI of the INVITE that is cancelled.
    case inviteURI
    /// Request URI of a redirected INVITE: the URI of a Contact without its header parts. Argument: value.
    case redirectURI
    /// Request URI without its header part. Argument: value.
    case formedURI
    /// Header lines that the header part of a request URI asks for (RFC 3261 §19.1.5). Argument: value.
    case formedHeaders
    /// A WWW-Authenticate or Proxy-Authenticate value. Argument: number of the authentication and of its algorithm.
    case challenge
    /// Port of a stream in an offer. Argument: place of the stream, and 256 more where the offer lets us send nothing.
    case mediaPort

    /// What stands there in a run without media.
    static func unheardPort(_ argument: Int) -> Int { 40_000 + 2 * (argument & 0xFF) }
}

extension CallProgram {
    public var partyNames: [String] { parties.map(\.name) }

    /// What one run may take at most, in nanoseconds: its pauses and the limits of its waits, as far as they are known.
    public func longestRun(settings given: [String: String]) -> Int64 {
        let most: Int64 = 86_400_000_000_000
        var longest: Int64 = 35_000_000_000
        for party in parties {
            var sum: Int64 = 35_000_000_000
            for instruction in instructions[party.entry..<party.end] where instruction.operation == .pause {
                sum = min(sum + bound(delays[Int(instruction.a)], given), most)
            }
            longest = max(longest, sum)
        }
        return longest
    }

    private func bound(_ plan: DelayPlan, _ given: [String: String]) -> Int64 {
        switch plan {
        case .fixed(let time): return DelayPlan.pause(time)
        case .uniform(_, let high): return DelayPlan.pause(high)
        case .exponential(let mean): return DelayPlan.pause(mean * 10)
        case .lognormal(let median, let sigma): return DelayPlan.pause(median * (1 + sigma * 10))
        case .weibull(_, let scale): return DelayPlan.pause(scale * 10)
        case .empirical(_, let delays): return DelayPlan.pause(delays.max() ?? 0)
        case .value(let node), .part(_, _, let node):
            let tree = values.nodes[node]
            guard tree.kind == .setting else { return 0 }
            let name = String(decoding: values.texts[Int(tree.a)], as: UTF8.self)
            guard let text = given[name] ?? settings.first(where: { $0.name == name })?.fallback,
                let delay = DelayTree(parsing: text), let plan = DelayPlan(delay)
            else { return 0 }
            return bound(plan, given)
        }
    }
}
