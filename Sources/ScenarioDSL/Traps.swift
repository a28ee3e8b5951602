// Words in the wrong place, each with its answer. Nothing here is ever called: where such an overload fits, the compiler
// succeeds, then reports our sentence at the line, for every mistake of a block and not only the first.

extension StepsBuilder {
    @available(*, unavailable, message: "'On' and 'OnTimeout' belong inside 'FirstOf { … }'")
    public static func buildExpression<W: AlternativeWord>(_ word: W) -> Steps { Steps() }
    @available(*, unavailable, message: "a Party does not stand among steps: is a '}' missing above this line?")
    public static func buildExpression(_ word: Party) -> Steps { Steps() }
    @available(*, unavailable, message: "a Scenario does not stand among steps: is a '}' missing above this line?")
    public static func buildExpression<W: FileWord>(_ word: W) -> Steps { Steps() }
    @available(*, unavailable, message: "this is part of a message: put it inside Send(…) { … }")
    public static func buildExpression<W: ContentWord>(_ word: W) -> Steps { Steps() }
    @available(*, unavailable, message: "this is part of a raw message: put it inside SendRaw(…) { … }")
    public static func buildExpression<W: RawWord>(_ word: W) -> Steps { Steps() }
    @available(*, unavailable, message: "a condition alone does nothing: write Require(…) or If(…) { … }")
    public static func buildExpression(_ word: Condition) -> Steps { Steps() }
    @available(*, unavailable, message: "a value alone does nothing: write Capture(variable, from: …) or Require(…)")
    public static func buildExpression(_ word: Value) -> Steps { Steps() }
    @available(*, unavailable, message: "a time alone does nothing: write Pause(…)")
    public static func buildExpression(_ word: Delay) -> Steps { Steps() }
    @available(
        *, unavailable,
        message: "a scenario is data: nothing is printed or computed while a call runs; use Mark, Measure or Require"
    )
    public static func buildExpression(_ nothing: Void) -> Steps { Steps() }
    @available(*, unavailable, message: "a word carries its brackets: HangUp(), not HangUp")
    public static func buildExpression<W: StepWord>(_ word: W.Type) -> Steps { Steps() }
    @available(
        *, unavailable,
        message:
            "a Swift 'if' is decided while the file is read; what is known only during the call is tested with If(…) { … }"
    )
    public static func buildOptional(_ part: Steps?) -> Steps { Steps() }
    @available(
        *, unavailable,
        message:
            "a Swift 'if' is decided while the file is read; what is known only during the call is tested with If(…) { … }"
    )
    public static func buildEither(first: Steps) -> Steps { Steps() }
    @available(
        *, unavailable,
        message:
            "a Swift 'if' is decided while the file is read; what is known only during the call is tested with If(…) { … }"
    )
    public static func buildEither(second: Steps) -> Steps { Steps() }
}

extension InspectionsBuilder {
    @available(
        *, unavailable,
        message:
            "inside Expect { … } a message is only looked at (Capture, Compute, Require, Mark, Measure): put this step after the '}'"
    )
    public static func buildExpression<W: StepWord>(_ word: W) -> Steps { Steps() }
    @available(*, unavailable, message: "'On' and 'OnTimeout' belong inside 'FirstOf { … }'")
    public static func buildExpression<W: AlternativeWord>(_ word: W) -> Steps { Steps() }
    @available(*, unavailable, message: "a Party does not stand inside Expect: is a '}' missing above this line?")
    public static func buildExpression(_ word: Party) -> Steps { Steps() }
    @available(*, unavailable, message: "a Scenario does not stand inside Expect: is a '}' missing above this line?")
    public static func buildExpression<W: FileWord>(_ word: W) -> Steps { Steps() }
    @available(
        *, unavailable,
        message: "Expect { … } looks at what arrives; this makes part of a message: it belongs into Send(…) { … }"
    )
    public static func buildExpression<W: ContentWord>(_ word: W) -> Steps { Steps() }
    @available(*, unavailable, message: "a condition alone does nothing: write Require(…)")
    public static func buildExpression(_ word: Condition) -> Steps { Steps() }
}

extension MessageBuilder {
    @available(*, unavailable, message: "a word carries its brackets: Answer(), not Answer")
    public static func buildExpression<W: ContentWord>(_ word: W.Type) -> MessageContent { MessageContent() }
    @available(*, unavailable, message: "a step does not stand inside a message: close the Send with '}' first")
    public static func buildExpression<W: StepWord>(_ word: W) -> MessageContent { MessageContent() }
    @available(*, unavailable, message: "this belongs into SendRaw(…, owning: .everything) { … }")
    public static func buildExpression<W: RawWord>(_ word: W) -> MessageContent { MessageContent() }
    @available(*, unavailable, message: "'On' does not stand inside a message: close the Send with '}' first")
    public static func buildExpression<W: AlternativeWord>(_ word: W) -> MessageContent { MessageContent() }
    @available(*, unavailable, message: "a Party does not stand inside a message: is a '}' missing above this line?")
    public static func buildExpression(_ word: Party) -> MessageContent { MessageContent() }
    @available(*, unavailable, message: "a Scenario does not stand inside a message: is a '}' missing above this line?")
    public static func buildExpression<W: FileWord>(_ word: W) -> MessageContent { MessageContent() }
    @available(
        *, unavailable, message: "text alone is no part of a message: write Body(\"text/plain\", \"…\") or Header(…)"
    )
    public static func buildExpression(_ word: Value) -> MessageContent { MessageContent() }
}

extension RawBuilder {
    @available(*, unavailable, message: "a step does not stand inside a message: close the SendRaw with '}' first")
    public static func buildExpression<W: StepWord>(_ word: W) -> MessageContent { MessageContent() }
    @available(*, unavailable, message: "a Party does not stand inside a message: is a '}' missing above this line?")
    public static func buildExpression(_ word: Party) -> MessageContent { MessageContent() }
}

extension AlternativesBuilder {
    @available(*, unavailable, message: "FirstOf holds alternatives: write On(200) { … } around this step")
    public static func buildExpression<W: StepWord>(_ word: W) -> Alternatives { Alternatives(list: []) }
    @available(*, unavailable, message: "a Party does not stand inside FirstOf: is a '}' missing above this line?")
    public static func buildExpression(_ word: Party) -> Alternatives { Alternatives(list: []) }
    @available(*, unavailable, message: "a Scenario does not stand inside FirstOf: is a '}' missing above this line?")
    public static func buildExpression<W: FileWord>(_ word: W) -> Alternatives { Alternatives(list: []) }
}

extension PartiesBuilder {
    @available(*, unavailable, message: "a step is done by somebody: put it inside Party(\"alice\") { … }")
    public static func buildExpression<W: StepWord>(_ word: W) -> Parties { Parties(list: []) }
    @available(
        *, unavailable,
        message: "'On' and 'OnTimeout' belong inside 'FirstOf { … }', and that inside Party(\"alice\") { … }"
    )
    public static func buildExpression<W: AlternativeWord>(_ word: W) -> Parties { Parties(list: []) }
    @available(
        *, unavailable,
        message: "this is part of a message: put it inside Send(…) { … }, and that inside Party(\"alice\") { … }"
    )
    public static func buildExpression<W: ContentWord>(_ word: W) -> Parties { Parties(list: []) }
    @available(*, unavailable, message: "a Scenario does not stand inside another: is a '}' missing above this line?")
    public static func buildExpression<W: FileWord>(_ word: W) -> Parties { Parties(list: []) }
}

// Literals where a thing of another kind is due. Only where no `T("x")` is written: by SE-0213 that would be the conversion.

@available(
    *, unavailable,
    message: "a status is a number, Expect(200); a method is a member, Send(.invite), or .method(\"NEW\")"
)
extension Message: ExpressibleByStringLiteral {
    /// Not available.
    public init(stringLiteral value: String) { fatalError() }
}

@available(*, unavailable, message: "a time carries its unit: .milliseconds(200), .seconds(2), .minutes(1)")
extension Delay: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral {
    /// Not available.
    public init(integerLiteral value: Int) { fatalError() }
    /// Not available.
    public init(floatLiteral value: Double) { fatalError() }
    /// Not available.
    public init(stringLiteral value: String) { fatalError() }
}

@available(*, unavailable, message: "a time carries its unit: .milliseconds(200), .seconds(2), .minutes(1)")
extension Duration:
    @retroactive ExpressibleByIntegerLiteral, @retroactive ExpressibleByFloatLiteral,
    @retroactive ExpressibleByUnicodeScalarLiteral, @retroactive ExpressibleByExtendedGraphemeClusterLiteral,
    @retroactive ExpressibleByStringLiteral
{
    /// Not available.
    public init(integerLiteral value: Int) { fatalError() }
    /// Not available.
    public init(floatLiteral value: Double) { fatalError() }
    /// Not available.
    public init(stringLiteral value: String) { fatalError() }
}
