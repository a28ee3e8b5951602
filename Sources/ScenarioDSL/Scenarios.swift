// Scenarios, their parties, and the names that parties share.

/// What stands for a name that a script reads above its own line, where its memory is still zero.
enum Unborn {
    /// No name that a user can sensibly write.
    static let name = "\u{0}"
    /// Held by every name that is born.
    static let mark: UInt64 = 0x5C3A_120B_0A0D_5EED
}

/// What stands before the name of a variable that Swift has made a text of.
enum PutTogether {
    static let mark = "\u{0}="
}

/// A name with the mark of its birth. The text is not touched where the mark is missing.
struct BornName: Sendable {
    private let mark: UInt64
    private let text: String

    init(_ text: String) {
        mark = Unborn.mark
        self.text = text
    }

    var isBorn: Bool { mark == Unborn.mark }
    var key: String { isBorn ? text : Unborn.name }
}

/// A further dialog of a party: `let consultation = DialogName("consultation")`, then `In(consultation) { … }`.
public struct DialogName: Sendable {
    let name: BornName

    /// `name` is how reports call it.
    public init(_ name: String) { self.name = BornName(name) }
}

/// A moment to remember, see `Mark` and `Measure`.
public struct MarkName: Sendable {
    let name: BornName

    /// `name` is how reports call it.
    public init(_ name: String) { self.name = BornName(name) }
}

/// What one party tells another, see `Signal` and `AwaitSignal`.
public struct SignalName: Sendable {
    let name: BornName

    /// `name` is how reports call it.
    public init(_ name: String) { self.name = BornName(name) }
}

/// One side of a scenario: `Party("alice") { … }`. A party that others name is a constant, described further down:
///
///     let bob = Party("bob", .answers)
///     bob { AcceptCall() }
public struct Party: Sendable {
    private let name: BornName
    let answers: Bool
    private let written: [Step]

    /// How a party comes to life.
    public enum Role: Sendable {
        /// What its first step makes plain: one that starts by sending calls, one that starts by expecting answers.
        case asItsFirstStepSays
        /// By a request from outside, whatever its first step is.
        case answers
    }

    /// See `Party`.
    public init(
        _ name: String, _ role: Role = .asItsFirstStepSays, @StepsBuilder does steps: () -> Steps = { Steps() }
    ) {
        self.name = BornName(name)
        answers = role == .answers
        written = steps().list
    }

    private init(_ name: BornName, _ answers: Bool, _ steps: [Step]) {
        self.name = name
        self.answers = answers
        written = steps
    }

    /// What this party does.
    public func callAsFunction(@StepsBuilder does steps: () -> Steps) -> Party { Party(name, answers, steps().list) }

    var key: String { name.key }
    var steps: [Step] { name.isBorn ? written : [] }
}

/// A flow of messages between parties: what one call, or one attempt of another kind, is.
///
///     let ping = Scenario("ping", "OPTIONS and its 200") {
///         Party("alice") {
///             Send(.options)
///             Expect(200)
///         }
///         Party("bob") {
///             Expect(.options)
///             Send(200)
///         }
///     }
///
/// In a script (a file that `carillon run` compiles) it also enters the program that the script leaves behind.
public struct Scenario: Sendable, FileWord {
    /// What it is: data only.
    package let tree: ScenarioTree

    /// Its name, as `carillon run` takes it.
    public var name: String { tree.name }
    /// One line on what it is.
    public var summary: String { tree.summary }

    /// See `Scenario`.
    @discardableResult
    public init(
        _ name: String, _ summary: String = "", file: StaticString = #fileID, line: Int = #line,
        @PartiesBuilder of parties: () -> Parties
    ) {
        var tree = ScenarioTree(name: name, summary: summary, at: Spot(file, line), parties: parties().list)
        tree.gatherSettingsAndProblems()
        self.tree = tree
        Script.add(tree)
    }
}
