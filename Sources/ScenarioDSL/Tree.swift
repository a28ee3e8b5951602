// What a scenario file leaves behind: data only, every node with its place in the file. The words of the language build
// these nodes and never appear in them. Readable inside the package (`package` access); users see the words alone.
//
// JSON form: TreeCoding.swift. Values and conditions: ValueTree.swift.

/// Where something stands in a scenario file. In JSON `"call.swift:6"`.
public struct Spot: Sendable, Hashable {
    /// File name without its folder.
    package var file: String
    /// From 1.
    package var line: Int

    package init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    /// `fileID` as `#fileID` gives it, `module/call.swift`: no path of a machine gets into a program.
    init(_ fileID: StaticString, _ line: Int) {
        let full = fileID.description
        file = full.lastIndex(of: "/").map { String(full[full.index(after: $0)...]) } ?? full
        self.line = line
    }
}

/// All that one file declares. `format` is raised when older readers would misread the document.
package struct ProgramDocument: Sendable, Hashable, Codable {
    package static let currentFormat = 1
    package var format: Int
    package var scenarios: [ScenarioTree]

    package init(format: Int = ProgramDocument.currentFormat, scenarios: [ScenarioTree]) {
        self.format = format
        self.scenarios = scenarios
    }
}

package struct ScenarioTree: Sendable, Hashable, Codable {
    package var name: String
    /// One line for `carillon list`; empty if the scenario has none.
    package var summary: String
    package var at: Spot
    /// In written order. Exactly one is created by an arrival: the first that does not answer.
    package var parties: [PartyTree]
    /// Every setting that a value of this scenario names, in order of first use; names are unique.
    package var settings: [SettingTree]
    /// What the language itself noticed while the file ran (a constant read above its line, a setting with two
    /// defaults). A scenario with problems must not run.
    package var problems: [ProblemTree]

    package init(
        name: String, summary: String = "", at: Spot, parties: [PartyTree], settings: [SettingTree] = [],
        problems: [ProblemTree] = []
    ) {
        self.name = name
        self.summary = summary
        self.at = at
        self.parties = parties
        self.settings = settings
        self.problems = problems
    }
}

/// A value that the command line may give: `--set name=value`, `--hold 3s` for the setting `hold`.
package struct SettingTree: Sendable, Hashable, Codable {
    package var name: String
    /// As it would be written on the command line. Nil: the run must give a value.
    package var fallback: String?
}

package struct ProblemTree: Sendable, Hashable, Codable {
    package var at: Spot
    /// A whole sentence: what, its consequence, the fix.
    package var text: String
}

package struct PartyTree: Sendable, Hashable, Codable {
    package var name: String
    /// The script says `.answers`. Without it the first step decides, see `startsByWaiting`.
    package var answers: Bool
    package var at: Spot
    package var steps: [Step]

    package init(name: String, answers: Bool, at: Spot, steps: [Step]) {
        self.name = name
        self.answers = answers
        self.at = at
        self.steps = steps
    }

    /// True where the party comes to life by a request from outside.
    package var startsByWaiting: Bool { answers || Self.waits(steps) }

    private static func waits(_ steps: [Step]) -> Bool {
        for step in steps {
            switch step.action {
            case .expect, .firstOf: return true
            case .inDialog(let block): return waits(block.steps)
            case .repeated(let block): return waits(block.steps)
            case .set, .mark, .credentials, .correlate: continue
            default: return false
            }
        }
        return false
    }
}

package struct Step: Sendable, Hashable, Codable {
    package var at: Spot
    package var action: Action

    package init(_ action: Action, at: Spot) {
        self.at = at
        self.action = action
    }

    enum CodingKeys: String, CodingKey {
        case at
        case action = "do"
    }
}

/// One step. Composed words (`Call`, `AcceptCall`, `HangUp`) are already taken apart.
package indirect enum Action: Sendable, Hashable {
    case send(SendTree)
    case sendRaw(SendRawTree)
    case expect(ExpectTree)
    case expectNothing(SilenceTree)
    case firstOf(FirstOfTree)
    case pause(DelayTree)
    case repeated(RepeatTree)
    case choose(ChooseTree)
    case inDialog(InDialogTree)
    case capture(CaptureTree)
    case set(SetTree)
    case require(RequireTree)
    case mark(MarkTree)
    case measure(MeasureTree)
    /// The 2xx just received is not acknowledged automatically.
    case noAck
    case signal(SignalTree)
    case awaitSignal(AwaitSignalTree)
    /// The call ends here and has failed.
    case fail(FailTree)
    /// The call ends here and has not failed; it is counted under this outcome.
    case finish(FinishTree)
    /// Challenges are answered with these from here on.
    case credentials(CredentialsTree)
    /// The request just received must have credentials.
    case authenticate(AuthenticateTree)
    /// What the party sends on the media streams of the dialog from here on.
    case sendMedia(SendMediaTree)
    /// NOTIFYs of a REFER's subscription, up to the one that says how it ended.
    case notified(NotifiedTree)
    /// What joins a leg to its run where the Call-ID does not.
    case correlate(CorrelateTree)
}

/// A method, or a status or range of statuses. In JSON `"INVITE"`, `200`, `[400, 699]`.
package enum MessageTree: Sendable, Hashable {
    /// As written; case matters (RFC 3261 §7.1). `*` stands for any request and occurs in expectations only.
    case method(String)
    /// Inclusive. Not checked: a hostile or mistaken document may hold any numbers, also `low > high`.
    case statuses(low: Int, high: Int)
}

package struct SendTree: Sendable, Hashable, Codable {
    /// A request by its method or a response by one status.
    package var what: MessageTree
    /// Method of the request that a response answers. Nil: the last request received in this dialog.
    package var answering: String?
    /// URI or name-addr of the From, To and of the request URI. Nil: the run's identity, the target, the dialog's.
    package var from: ValueTree?
    package var to: ValueTree?
    package var requestURI: ValueTree?
    /// The request URI is a Contact of a 3xx, and the request goes there (RFC 3261 §8.1.3.4). Nil: it is not.
    package var isRedirected: Bool?
    /// Reason phrase of a response. Nil: RFC 3261's.
    package var reason: ValueTree?
    package var content: [Content]

    package init(
        what: MessageTree, answering: String? = nil, from: ValueTree? = nil, to: ValueTree? = nil,
        requestURI: ValueTree? = nil, isRedirected: Bool? = nil, reason: ValueTree? = nil, content: [Content] = []
    ) {
        self.what = what
        self.answering = answering
        self.from = from
        self.to = to
        self.requestURI = requestURI
        self.isRedirected = isRedirected
        self.reason = reason
        self.content = content
    }
}

package struct SendRawTree: Sendable, Hashable, Codable {
    /// Makes the start line. Nil: the content has a `startLine`, or is bytes alone.
    package var what: MessageTree?
    package var owning: OwnershipTree
    package var content: [Content]
}

/// What a raw step writes itself; all the rest is still made for it. In JSON a list of names.
package struct OwnershipTree: OptionSet, Sendable, Hashable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The branch of the topmost Via.
    package static let branch = OwnershipTree(rawValue: 1)
    package static let cseq = OwnershipTree(rawValue: 2)
    /// Tags of From and To.
    package static let tags = OwnershipTree(rawValue: 4)
    /// Nothing at all is made: start line (where `what` is nil), headers, Content-Length, body are the content's.
    package static let everything = OwnershipTree(rawValue: 8)
}

package struct Content: Sendable, Hashable, Codable {
    package var at: Spot
    package var part: Part

    package init(_ part: Part, at: Spot) {
        self.at = at
        self.part = part
    }
}

package enum Part: Sendable, Hashable {
    /// In a managed message a name that Carillon would write itself (also in compact form) replaces that header at its
    /// place; any other is added below, in written order. In a raw one with `.everything` all are written as they stand.
    case header(HeaderTree)
    /// Suppresses an automatic header.
    case without(WithoutTree)
    case body(BodyTree)
    /// A session description that offers these media.
    case offer(OfferTree)
    /// The answer to the offer received (RFC 3264 §6).
    case answer
    /// The start line as it stands, without CRLF. Raw only.
    case startLine(StartLineTree)
    /// Octets as they stand, with nothing added. Raw only.
    case bytes(BytesTree)
}

package struct HeaderTree: Sendable, Hashable, Codable {
    package var name: String
    package var value: ValueTree
}

package struct WithoutTree: Sendable, Hashable, Codable {
    package var name: String
}

package struct BodyTree: Sendable, Hashable, Codable {
    /// Value of Content-Type.
    package var type: String
    package var text: ValueTree
}

package struct StartLineTree: Sendable, Hashable, Codable {
    package var text: ValueTree
}

package struct BytesTree: Sendable, Hashable, Codable {
    package var octets: [UInt8]
}

package enum PresenceTree: String, Sendable, Hashable, Codable {
    case required
    /// May arrive until the next required message does.
    case optional
}

package struct ExpectTree: Sendable, Hashable, Codable {
    /// One of these. Never empty when the language wrote it.
    package var what: [MessageTree]
    /// Method of the request that an expected response answers. Nil: the last request sent in this dialog.
    package var answering: String?
    package var presence: PresenceTree
    /// Nil: the limit of docs/scenario-language.md, "How long a wait lasts".
    package var within: Seconds?
    /// Captures and requirements on the message just received: `.capture`, `.set`, `.require`, `.mark`, `.measure`,
    /// `.authenticate` only.
    package var inspections: [Step]

    package init(
        what: [MessageTree], answering: String? = nil, presence: PresenceTree, within: Seconds? = nil,
        inspections: [Step]
    ) {
        self.what = what
        self.answering = answering
        self.presence = presence
        self.within = within
        self.inspections = inspections
    }
}

package struct SilenceTree: Sendable, Hashable, Codable {
    package var time: Seconds
}

package struct FirstOfTree: Sendable, Hashable, Codable {
    package var within: Seconds?
    package var alternatives: [AlternativeTree]
}

package struct AlternativeTree: Sendable, Hashable, Codable {
    package var at: Spot
    /// Empty: the alternative for the time limit (`OnTimeout`).
    package var what: [MessageTree]
    package var answering: String?
    package var steps: [Step]

    package var isTimeout: Bool { what.isEmpty }
}

package struct RepeatTree: Sendable, Hashable, Codable {
    /// How many times: a number, or a value read when the step is reached. 0 skips the block. Nil: until the load ends.
    package var count: ValueTree?
    package var steps: [Step]
}

package struct ChooseTree: Sendable, Hashable, Codable {
    package var condition: ConditionTree
    package var then: [Step]
    package var otherwise: [Step]
}

package struct InDialogTree: Sendable, Hashable, Codable {
    /// A dialog of this party, made by its first request. Steps outside any `In` have the party's main dialog.
    package var dialog: String
    package var steps: [Step]
}

package struct CaptureTree: Sendable, Hashable, Codable {
    package var variable: String
    package var from: ValueTree
    /// Taken where `from` is not there. Nil: then the call fails.
    package var otherwise: ValueTree?
}

package struct SetTree: Sendable, Hashable, Codable {
    package var variable: String
    package var to: ValueTree
}

package struct RequireTree: Sendable, Hashable, Codable {
    package var condition: ConditionTree
    /// Why, for the failure; empty if the script gives none.
    package var reason: String

    package init(condition: ConditionTree, reason: String) {
        self.condition = condition
        self.reason = reason
    }
}

package struct MarkTree: Sendable, Hashable, Codable {
    package var name: String
}

/// Records the time between two marks, or from a mark to this step, under a name of its own.
package struct MeasureTree: Sendable, Hashable, Codable {
    package var name: String
    package var from: String
    /// Nil: now.
    package var to: String?
}

package struct SignalTree: Sendable, Hashable, Codable {
    package var name: String
}

package struct AwaitSignalTree: Sendable, Hashable, Codable {
    package var name: String
    /// Nil: 32 s.
    package var within: Seconds?
}

package struct FailTree: Sendable, Hashable, Codable {
    package var reason: String
}

package struct FinishTree: Sendable, Hashable, Codable {
    package var outcome: String
}

package struct CorrelateTree: Sendable, Hashable, Codable {
    package var value: ValueTree
    /// The value is this run's from here on. False: it is read in the request that begins an answering party.
    package var names: Bool
}

package struct NotifiedTree: Sendable, Hashable, Codable {
    /// Status of the sipfrag that it ends with. 200…699: the subscription ends, and its last status must be a 2xx.
    package var until: MessageTree
    /// For each NOTIFY. Nil: 180 s.
    package var within: Seconds?
}

package struct CredentialsTree: Sendable, Hashable, Codable {
    package var user: ValueTree
    package var password: ValueTree
    /// Nil: for every realm that no other credentials of the party name.
    package var realm: ValueTree?
    package var preference: ChallengePreferenceTree
    /// auth-int where the server offers auth too.
    package var protectsBody: Bool
}

package struct AuthenticateTree: Sendable, Hashable, Codable {
    /// Nil: any user who knows the password.
    package var user: ValueTree?
    package var password: ValueTree
    package var realm: ValueTree
    /// A challenge for each, in this order.
    package var algorithms: [DigestHashTree]
    package var asProxy: Bool
    package var nonceLives: Seconds
    /// The `uri` of credentials may differ from the Request-URI.
    package var anyURI: Bool
}

package enum DigestHashTree: String, Sendable, Hashable, Codable {
    case md5 = "MD5"
    case sha256 = "SHA-256"
    case sha512_256 = "SHA-512-256"
}

package enum ChallengePreferenceTree: String, Sendable, Hashable, Codable {
    case topmost, strongest
}

/// How long to pause. Parameters are not checked here (a negative time, a zero weight): that is the checker's.
package enum DelayTree: Sendable, Hashable {
    case fixed(Seconds)
    case uniform(low: Seconds, high: Seconds)
    case exponential(mean: Seconds)
    /// The logarithm is normal with this σ; half of the pauses are shorter than the median.
    case lognormal(median: Seconds, sigma: Double)
    case weibull(shape: Double, scale: Seconds)
    /// Drawn by weight.
    case empirical([WeightedDelay])
    /// A setting or variable: a number counts seconds, a text is read as `DelayTree(parsing:)` reads it.
    case value(ValueTree)
    /// A part of such a time, every one between the two equally likely.
    case part(low: Double, high: Double, of: ValueTree)

    /// What it is read from when the pause begins.
    package var source: ValueTree? {
        switch self {
        case .value(let value), .part(_, _, let value): value
        default: nil
        }
    }
}

package struct WeightedDelay: Sendable, Hashable, Codable {
    package var weight: Double
    package var delay: Seconds
}

/// A time to the nanosecond. In JSON a number of seconds.
package struct Seconds: Sendable, Hashable {
    /// May be negative: the checker says so, at its line.
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Beyond ± 292 years the limit is taken.
    package init(_ duration: Duration) {
        let (whole, attoseconds) = duration.components
        let (product, overflow) = whole.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carried) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        nanoseconds = overflow || carried ? (whole < 0 ? .min : .max) : sum
    }

    package var duration: Duration { .nanoseconds(nanoseconds) }
}
