// The words that stand among the steps of a party. Each holds what it stands for and nothing else. Not Codable: a public
// `init(from:)` would join every word's overload set and spoil the compiler's messages. Every parameter that takes a block
// has a label, which a trailing block never shows: without one a misplaced argument is taken for the block.

/// Sends a request or a response: `Send(.invite) { Offer(.audio(.pcmu)) }`, `Send(180)`.
///
/// Tags, CSeq, Via, routes, Contact, Content-Length are made for you. A response answers the last request received in the
/// dialog, or the last one of the method `answering`. `from`, `to` and `requestURI` are URIs or name-addrs.
public struct Send: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `Send`.
    public init(
        _ what: Message, answering request: Message? = nil, from: Value = .omitted, to: Value = .omitted,
        requestURI: Value = .omitted, reason: Value = .omitted,
        @MessageBuilder with content: () -> MessageContent = { MessageContent() }
    ) {
        written = Written(
            .send(
                SendTree(
                    what: what.tree, answering: request?.methodName, from: from.treeIfGiven, to: to.treeIfGiven,
                    requestURI: requestURI.treeIfGiven, reason: reason.treeIfGiven, content: content().list)))
    }

    /// The INVITE that was refused with a 3xx once more, to where the caller is sent: `Send(.invite, redirectedTo:
    /// .header("Contact"))`. From, To and Call-ID are the first INVITE's, the CSeq is one higher (RFC 3261 §8.1.3.4).
    public init(
        _ what: Message, redirectedTo target: Value,
        @MessageBuilder with content: () -> MessageContent = { MessageContent() }
    ) {
        written = Written(
            .send(
                SendTree(
                    what: what.tree, requestURI: target.treeIfGiven, isRedirected: true, content: content().list)))
    }
}

/// Sends a message of which you write a part yourself, `owning: .cseq`, or all, `owning: .everything`. It is sent once, is not
/// retransmitted, and the rest of the dialog goes on as usual.
public struct SendRaw: StepWord {
    /// What it stands for.
    public let written: Written

    /// Without `what` the content begins with `StartLine` or is `Bytes`.
    public init(
        _ what: Message? = nil, owning: Ownership,
        @RawBuilder with content: () -> MessageContent
    ) {
        written = Written(
            .sendRaw(
                SendRawTree(
                    what: what?.tree, owning: OwnershipTree(rawValue: owning.rawValue), content: content().list)))
    }
}

/// Waits for a message: `Expect(200)`, `Expect(180, .optional)`, `Expect(.bye, within: .minutes(5))`. In its block the message
/// is looked at: `Capture`, `Compute`, `Require`, `Mark`, `Measure`.
public struct Expect: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `Expect`. `answering` tells which request a response belongs to; without it, the last one sent.
    public init(
        _ what: Message, _ presence: Presence = .required, answering request: Message? = nil,
        within: Duration? = nil, @InspectionsBuilder inspecting body: () -> Steps = { Steps() }
    ) {
        written = Written(
            .expect(
                ExpectTree(
                    what: [what.tree], answering: request?.methodName, presence: presence.tree,
                    within: within.map(Seconds.init), inspections: body().list)))
    }
}

/// The call fails if anything but a retransmission arrives within this time.
public struct ExpectNothing: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `ExpectNothing`.
    public init(for time: Duration) { written = Written(.expectNothing(SilenceTree(time: Seconds(time)))) }
}

/// Goes on with the alternative whose message comes first: `FirstOf(within: .seconds(8)) { On(200) { … } OnTimeout { … } }`.
public struct FirstOf: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `FirstOf`.
    public init(within: Duration? = nil, @AlternativesBuilder of alternatives: () -> Alternatives) {
        written = Written(
            .firstOf(FirstOfTree(within: within.map(Seconds.init), alternatives: alternatives().list)))
    }
}

/// An alternative of `FirstOf`: what to do if one of these messages comes first.
public struct On: AlternativeWord {
    /// What it stands for.
    public let writtenAlternative: WrittenAlternative

    /// `On(200) { … }`, `On(401, 407) { … }`, `On(400...699) { … }`.
    public init(
        _ what: Message, _ others: Message..., answering request: Message? = nil, @StepsBuilder do steps: () -> Steps
    ) {
        writtenAlternative = WrittenAlternative(
            what: [what.tree] + others.map(\.tree), answering: request?.methodName, steps: steps().list)
    }
}

/// The alternative of `FirstOf` if its time is up. Without it the call fails then.
public struct OnTimeout: AlternativeWord {
    /// What it stands for.
    public let writtenAlternative: WrittenAlternative

    /// See `OnTimeout`.
    public init(@StepsBuilder do steps: () -> Steps) {
        writtenAlternative = WrittenAlternative(what: [], answering: nil, steps: steps().list)
    }
}

/// Does nothing for a while: `Pause(.seconds(2))`, `Pause(.exponential(mean: .seconds(30)))`, `Pause(hold)`.
public struct Pause: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `Delay`.
    public init(_ delay: Delay) { written = Written(.pause(delay.tree)) }
    /// A `Duration` or a `Setting` under its own name.
    public init(_ time: some PauseTime) { written = Written(.pause(time.delay.tree)) }
}

/// Does its steps so many times, one after the other.
public struct Repeat: StepWord {
    /// What it stands for.
    public let written: Written

    /// `count` is a number, a setting or a variable. 0 skips the block.
    public init(_ count: Value, @StepsBuilder do steps: () -> Steps) {
        written = Written(.repeated(RepeatTree(count: count.tree, steps: steps().list)))
    }
}

/// Does its steps over and over until the load ends: the time is up, or Ctrl-C. A pause in it ends then at once, and the party
/// goes on below: there it removes what it has made, a binding or a subscription.
public struct RepeatUntilEnd: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `RepeatUntilEnd`.
    public init(@StepsBuilder do steps: () -> Steps) {
        written = Written(.repeated(RepeatTree(count: nil, steps: steps().list)))
    }
}

/// Decides while the call runs: `If(expires > 60) { … } else: { … }`.
public struct If: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `If`.
    public init(
        _ condition: Condition, @StepsBuilder do steps: () -> Steps,
        @StepsBuilder else others: () -> Steps = { Steps() }
    ) {
        written = Written(
            .choose(ChooseTree(condition: condition.tree, then: steps().list, otherwise: others().list)))
    }
}

/// Its steps belong to a second dialog of this party.
public struct In: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `In`.
    public init(_ dialog: DialogName, @StepsBuilder do steps: () -> Steps) {
        written = Written(.inDialog(InDialogTree(dialog: dialog.name.key, steps: steps().list)))
    }
}

/// Keeps a value in a variable: `Capture(tag, from: .header("To").parameter("tag"))`. If it is not there, `otherwise` is kept;
/// without `otherwise` the call fails.
public struct Capture: InspectionWord {
    /// What it stands for.
    public let written: Written

    /// See `Capture`.
    public init(_ place: some Place, from source: Value, otherwise: Value = .omitted) {
        written = Written(
            .capture(CaptureTree(variable: place.key, from: source.tree, otherwise: otherwise.treeIfGiven)))
    }
}

/// Keeps a computed value in a variable: `Compute(early, from: expires - 30)`.
public struct Compute: InspectionWord {
    /// What it stands for.
    public let written: Written

    /// See `Compute`.
    public init(_ place: some Place, from value: Value) {
        written = Written(.set(SetTree(variable: place.key, to: value.tree)))
    }
}

/// The call fails if this does not hold: `Require(expires > 0, "RFC 3261 §10.3")`.
public struct Require: InspectionWord {
    /// What it stands for.
    public let written: Written

    /// `reason` is shown with the failure; best is the rule that is broken.
    public init(_ condition: Condition, _ reason: String = "") {
        written = Written(.require(RequireTree(condition: condition.tree, reason: reason)))
    }
}

/// Remembers this moment: `let ringing = MarkName("ringing")`, then `Mark(ringing)`.
public struct Mark: InspectionWord {
    /// What it stands for.
    public let written: Written

    /// See `Mark`.
    public init(_ name: MarkName) { written = Written(.mark(MarkTree(name: name.name.key))) }
}

/// Records a time of your own: `Measure("ring time", from: ringing)` up to now, or up to another mark. Reports show it with
/// percentiles like all delays.
public struct Measure: InspectionWord {
    /// What it stands for.
    public let written: Written

    /// See `Measure`.
    public init(_ name: String, from start: MarkName, to end: MarkName? = nil) {
        written = Written(
            .measure(MeasureTree(name: name, from: start.name.key, to: end?.name.key)))
    }
}

/// The 2xx just received gets no ACK.
public struct NoAck: StepWord {
    /// What it stands for.
    public let written = Written(.noAck)

    /// See `NoAck`.
    public init() {}
}

/// What the party sends on its media streams from here on, every 20 ms to where the peer's description says: `SendMedia(.tone)`. It ends with
/// `SendMedia(.nothing)` or with the dialog. What the peer sends is absorbed and counted in any case.
public struct SendMedia: StepWord {
    /// What it stands for.
    public let written: Written

    /// What a party lets its peer hear.
    public enum Sound: String, Sendable {
        /// No packet.
        case nothing
        /// Packets in which nothing is heard.
        case silence
        /// 440 Hz.
        case tone
        /// Whatever the peer sends, as soon as it comes.
        case echo
    }

    /// See `SendMedia`.
    public init(_ sound: Sound) {
        written = Written(.sendMedia(SendMediaTree(what: SoundTree(rawValue: sound.rawValue) ?? .nothing)))
    }
}

/// Tells the other parties of this call, in the same process: `Signal(ready)`.
public struct Signal: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `Signal`.
    public init(_ name: SignalName) { written = Written(.signal(SignalTree(name: name.name.key))) }
}

/// Waits until another party of this call says `Signal(ready)`; a signal given before counts.
public struct AwaitSignal: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `AwaitSignal`.
    public init(_ name: SignalName, within: Duration? = nil) {
        written = Written(
            .awaitSignal(AwaitSignalTree(name: name.name.key, within: within.map(Seconds.init))))
    }
}

/// The call ends here and has failed, for this reason.
public struct Fail: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `Fail`.
    public init(_ reason: String) { written = Written(.fail(FailTree(reason: reason))) }
}

/// The call ends here, has not failed, and is counted under this outcome.
public struct Finish: StepWord {
    /// What it stands for.
    public let written: Written

    /// See `Finish`.
    public init(_ outcome: String) { written = Written(.finish(FinishTree(outcome: outcome))) }
}
