// Labels of other tools, a dot forgotten, a Bool where the call decides: each with its answer, none ever called.

extension Capture {
    @available(
        *, unavailable,
        message: "declare the variable once, `let x = Variable(\"x\")`, and write Capture(x, from: …)"
    )
    /// Not available.
    public init(_ name: String, from source: Value) { fatalError() }
}

extension Compute {
    @available(
        *, unavailable,
        message: "declare the variable once, `let x = Variable(\"x\")`, and write Compute(x, from: …)"
    )
    /// Not available.
    public init(_ name: String, from source: Value) { fatalError() }
}

extension Call {
    @available(
        *, unavailable,
        message:
            "a party that others name is a constant: `let bob = Party(\"bob\")` at the head of the scenario, then Call(bob)"
    )
    /// Not available.
    public init(_ name: String) { fatalError() }
}

extension In {
    @available(
        *, unavailable,
        message:
            "a dialog is a constant: `let second = DialogName(\"second\")` at the head of the scenario, then In(second) { … }"
    )
    /// Not available.
    public init(_ name: String, @StepsBuilder do steps: () -> Steps) { fatalError() }
}

extension AcceptTransfer {
    @available(
        *, unavailable,
        message:
            "a dialog is a constant: `let transferred = DialogName(\"transferred\")` at the head of the scenario, then AcceptTransfer(in: transferred)"
    )
    /// Not available.
    public init(in name: String) { fatalError() }
}

extension ReferTo {
    @available(
        *, unavailable,
        message:
            "a dialog is a constant: `let consultation = DialogName(\"consultation\")` at the head of the scenario, then ReferTo(carol, replacing: consultation)"
    )
    /// Not available.
    public init(_ party: Party, replacing name: String) { fatalError() }
}

extension Mark {
    @available(
        *, unavailable,
        message:
            "a mark is a constant: `let ringing = MarkName(\"ringing\")` at the head of the scenario, then Mark(ringing)"
    )
    /// Not available.
    public init(_ name: String) { fatalError() }
}

extension Signal {
    @available(
        *, unavailable,
        message:
            "a signal is a constant: `let ready = SignalName(\"ready\")` at the head of the scenario, then Signal(ready)"
    )
    /// Not available.
    public init(_ name: String) { fatalError() }
}

extension AwaitSignal {
    @available(
        *, unavailable,
        message:
            "a signal is a constant: `let ready = SignalName(\"ready\")` at the head of the scenario, then AwaitSignal(ready)"
    )
    /// Not available.
    public init(_ name: String, within: Duration? = nil) { fatalError() }
}

extension Value {
    @available(*, unavailable, message: "a pattern is text: .matching(#\"expires=(\\d+)\"#)")
    /// Not available.
    public final func matching<R>(_ pattern: Regex<R>) -> Value { fatalError() }
    @available(
        *, unavailable,
        message: "a setting is a constant: `let user = Setting(\"user\", default: \"alice\")`, then use user"
    )
    /// Not available.
    public static func setting(_ name: String) -> Value { fatalError() }
    @available(
        *, unavailable,
        message: "a variable is a constant: `let tag = Variable(\"tag\")`, then use tag"
    )
    /// Not available.
    public static func variable(_ name: String) -> Value { fatalError() }
    @available(*, unavailable, message: "this is known only during the call: write If(x == y) { … } or Require(x == y)")
    /// Not available.
    public static func == (left: Value, right: Value) -> Bool { fatalError() }
    @available(*, unavailable, message: "this is known only during the call: write If(x != y) { … } or Require(x != y)")
    /// Not available.
    public static func != (left: Value, right: Value) -> Bool { fatalError() }
    @available(*, unavailable, message: "this is known only during the call: write If(x < y) { … } or Require(x < y)")
    /// Not available.
    public static func < (left: Value, right: Value) -> Bool { fatalError() }
    @available(*, unavailable, message: "this is known only during the call: write If(x > y) { … } or Require(x > y)")
    /// Not available.
    public static func > (left: Value, right: Value) -> Bool { fatalError() }
}

extension Setting {
    @available(
        *, unavailable,
        message: "a default stands as on the command line, a time as text: Setting(\"hold\", default: \"3s\")"
    )
    /// Not available.
    public convenience init(_ name: String, default fallback: Duration) { fatalError() }
    @available(
        *, unavailable,
        message: "a default stands as on the command line, text or a whole number: Setting(\"share\", default: \"1.5\")"
    )
    /// Not available.
    public convenience init(_ name: String, default fallback: Double) { fatalError() }
    @available(
        *, unavailable,
        message:
            "a default stands as on the command line, text or a whole number: Setting(\"user\", default: \"alice\")"
    )
    /// Not available.
    public convenience init(_ name: String, default fallback: Value) { fatalError() }
}

extension Expect {
    @available(*, unavailable, message: "the time limit is called 'within': Expect(200, within: .seconds(8))")
    /// Not available.
    public init(_ what: Message, _ presence: Presence = .required, timeout: Duration) { fatalError() }
    @available(*, unavailable, message: "write Expect(180, .optional)")
    /// Not available.
    public init(_ what: Message, optional: Bool) { fatalError() }
}

extension FirstOf {
    @available(*, unavailable, message: "the time limit is called 'within': FirstOf(within: .seconds(8)) { … }")
    /// Not available.
    public init(timeout: Duration, @AlternativesBuilder of body: () -> Alternatives) { fatalError() }
}

extension Message {
    @available(*, unavailable, renamed: "invite") public static var INVITE: Message { fatalError() }
    @available(*, unavailable, renamed: "ack") public static var ACK: Message { fatalError() }
    @available(*, unavailable, renamed: "bye") public static var BYE: Message { fatalError() }
    @available(*, unavailable, renamed: "cancel") public static var CANCEL: Message { fatalError() }
    @available(*, unavailable, renamed: "register") public static var REGISTER: Message { fatalError() }
    @available(*, unavailable, renamed: "options") public static var OPTIONS: Message { fatalError() }
    @available(*, unavailable, renamed: "message") public static var MESSAGE: Message { fatalError() }
    @available(*, unavailable, renamed: "info") public static var INFO: Message { fatalError() }
    @available(*, unavailable, renamed: "prack") public static var PRACK: Message { fatalError() }
    @available(*, unavailable, renamed: "update") public static var UPDATE: Message { fatalError() }
    @available(*, unavailable, renamed: "refer") public static var REFER: Message { fatalError() }
    @available(*, unavailable, renamed: "subscribe") public static var SUBSCRIBE: Message { fatalError() }
    @available(*, unavailable, renamed: "notify") public static var NOTIFY: Message { fatalError() }
    @available(*, unavailable, renamed: "publish") public static var PUBLISH: Message { fatalError() }
}

// A dot forgotten. A user's own `let register = …` shadows them.
@available(*, unavailable, message: "write it with a dot: .invite") public var invite: Message { fatalError() }
@available(*, unavailable, message: "write it with a dot: .ack") public var ack: Message { fatalError() }
@available(*, unavailable, message: "write it with a dot: .bye") public var bye: Message { fatalError() }
@available(*, unavailable, message: "write it with a dot: .cancel") public var cancel: Message { fatalError() }
@available(*, unavailable, message: "write it with a dot: .register") public var register: Message { fatalError() }
@available(*, unavailable, message: "write it with a dot: .options") public var options: Message { fatalError() }
@available(*, unavailable, message: "write it with a dot: .message") public var message: Message { fatalError() }
@available(*, unavailable, message: "write it with a dot: .info") public var info: Message { fatalError() }
@available(*, unavailable, message: "write it with a dot: .prack") public var prack: Message { fatalError() }
@available(*, unavailable, message: "write it with a dot: .update") public var update: Message { fatalError() }
@available(*, unavailable, message: "write it with a dot: .optional") public var optional: Presence { fatalError() }
@available(
    *, unavailable,
    message: "write it with a dot: .milliseconds(…); in a range, .milliseconds(200) ... .milliseconds(800)"
)
public func milliseconds(_ count: Int) -> Duration { fatalError() }
@available(*, unavailable, message: "write it with a dot: .seconds(…)")
public func seconds(_ count: Double) -> Duration { fatalError() }
@available(*, unavailable, message: "write it with a dot: .minutes(…)")
public func minutes(_ count: Double) -> Duration { fatalError() }
