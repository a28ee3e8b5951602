// The builders: one per context, each taking the words of its context by protocol and nothing else (Traps.swift answers the
// rest). Their default arguments are where the line of a word comes from, so that the words themselves stay clean.
//
// Rules that keep type-checking linear: one generic `buildExpression` per context, a variadic `buildBlock`, nothing generic
// in what flows through, one initialiser per word that takes a block (overloads are exponential in the depth of nesting).

/// Steps in order. What a block of a party holds, and what a function of shared steps returns:
///
///     @StepsBuilder func hangUpAfter(_ time: Duration) -> Steps {
///         Pause(time)
///         HangUp()
///     }
public struct Steps: Sendable {
    package var list: [Step]

    /// No step.
    public init() { list = [] }
    package init(_ list: [Step]) { self.list = list }
}

/// What a word stands for, before its place in the file is known.
public struct Written: Sendable {
    let placed: @Sendable (Spot) -> [Step]

    init(_ action: Action) { placed = { [Step(action, at: $0)] } }
    init(_ placed: @escaping @Sendable (Spot) -> [Step]) { self.placed = placed }
}

/// What a word inside a message stands for.
public struct WrittenPart: Sendable {
    let part: Part
}

/// A word that stands among the steps of a party.
public protocol StepWord: Sendable {
    /// What it stands for.
    var written: Written { get }
}

/// A step that may also look at a message: inside `Expect(200) { … }`.
public protocol InspectionWord: StepWord {}

/// A word inside `Send(…) { … }` and `SendRaw(…) { … }`.
public protocol ContentWord: Sendable {
    /// What it stands for.
    var writtenPart: WrittenPart { get }
}

/// A word inside `SendRaw(…) { … }` only.
public protocol RawWord: Sendable {
    /// What it stands for.
    var writtenPart: WrittenPart { get }
}

/// A word inside `FirstOf { … }`.
public protocol AlternativeWord: Sendable {
    /// What it stands for.
    var writtenAlternative: WrittenAlternative { get }
}

/// A word that stands at the top of a file.
public protocol FileWord: Sendable {}

/// An alternative before its place is known.
public struct WrittenAlternative: Sendable {
    let what: [MessageTree]
    let answering: String?
    let steps: [Step]
}

/// Content of a message, in order.
public struct MessageContent: Sendable {
    var list: [Content]

    /// Nothing.
    public init() { list = [] }
    init(list: [Content]) { self.list = list }
}

/// Alternatives, in order.
public struct Alternatives: Sendable {
    var list: [AlternativeTree]
}

/// Parties, in order.
public struct Parties: Sendable {
    var list: [PartyTree]
}

/// Reads the steps of a party.
@resultBuilder public enum StepsBuilder {
    /// A word, placed at its line.
    public static func buildExpression<W: StepWord>(_ word: W, file: StaticString = #fileID, line: Int = #line)
        -> Steps
    {
        Steps(word.written.placed(Spot(file, line)))
    }
    /// Steps of a function; their lines stay their own.
    public static func buildExpression(_ steps: Steps) -> Steps { steps }
    /// In written order.
    public static func buildBlock(_ parts: Steps...) -> Steps { Steps(Array(parts.map(\.list).joined())) }
    /// A Swift `for`, unrolled while the file is read.
    public static func buildArray(_ parts: [Steps]) -> Steps { Steps(Array(parts.map(\.list).joined())) }
}

/// Reads what is looked at in a message.
@resultBuilder public enum InspectionsBuilder {
    /// A word, placed at its line.
    public static func buildExpression<W: InspectionWord>(
        _ word: W, file: StaticString = #fileID, line: Int = #line
    ) -> Steps {
        Steps(word.written.placed(Spot(file, line)))
    }
    /// In written order.
    public static func buildBlock(_ parts: Steps...) -> Steps { Steps(Array(parts.map(\.list).joined())) }
    /// A Swift `for`, unrolled while the file is read.
    public static func buildArray(_ parts: [Steps]) -> Steps { Steps(Array(parts.map(\.list).joined())) }
}

/// Reads the content of a message.
@resultBuilder public enum MessageBuilder {
    /// A word, placed at its line.
    public static func buildExpression<W: ContentWord>(
        _ word: W, file: StaticString = #fileID, line: Int = #line
    ) -> MessageContent {
        MessageContent(list: [Content(word.writtenPart.part, at: Spot(file, line))])
    }
    /// In written order.
    public static func buildBlock(_ parts: MessageContent...) -> MessageContent {
        MessageContent(list: Array(parts.map(\.list).joined()))
    }
    /// A Swift `for`, unrolled while the file is read.
    public static func buildArray(_ parts: [MessageContent]) -> MessageContent {
        MessageContent(list: Array(parts.map(\.list).joined()))
    }
}

/// Reads the content of a raw message.
@resultBuilder public enum RawBuilder {
    /// A word, placed at its line.
    public static func buildExpression<W: ContentWord>(
        _ word: W, file: StaticString = #fileID, line: Int = #line
    ) -> MessageContent {
        MessageContent(list: [Content(word.writtenPart.part, at: Spot(file, line))])
    }
    /// A word, placed at its line.
    public static func buildExpression<W: RawWord>(
        _ word: W, file: StaticString = #fileID, line: Int = #line
    ) -> MessageContent {
        MessageContent(list: [Content(word.writtenPart.part, at: Spot(file, line))])
    }
    /// In written order.
    public static func buildBlock(_ parts: MessageContent...) -> MessageContent {
        MessageContent(list: Array(parts.map(\.list).joined()))
    }
    /// A Swift `for`, unrolled while the file is read.
    public static func buildArray(_ parts: [MessageContent]) -> MessageContent {
        MessageContent(list: Array(parts.map(\.list).joined()))
    }
}

/// Reads the alternatives of `FirstOf`.
@resultBuilder public enum AlternativesBuilder {
    /// A word, placed at its line.
    public static func buildExpression<W: AlternativeWord>(
        _ word: W, file: StaticString = #fileID, line: Int = #line
    ) -> Alternatives {
        let written = word.writtenAlternative
        return Alternatives(list: [
            AlternativeTree(
                at: Spot(file, line), what: written.what, answering: written.answering, steps: written.steps)
        ])
    }
    /// In written order.
    public static func buildBlock(_ parts: Alternatives...) -> Alternatives {
        Alternatives(list: Array(parts.map(\.list).joined()))
    }
}

/// Reads the parties of a scenario.
@resultBuilder public enum PartiesBuilder {
    /// A party, placed at its line.
    public static func buildExpression(_ party: Party, file: StaticString = #fileID, line: Int = #line) -> Parties {
        Parties(list: [
            PartyTree(name: party.key, answers: party.answers, at: Spot(file, line), steps: party.steps)
        ])
    }
    /// In written order.
    public static func buildBlock(_ parts: Parties...) -> Parties {
        Parties(list: Array(parts.map(\.list).joined()))
    }
}
