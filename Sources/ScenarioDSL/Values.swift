// What is known only while a call runs, as Swift values: literals, interpolations, variables, settings, parts of messages.

/// A text or number that is read when its step is reached: a literal, an interpolation, a variable, a setting, a part of the
/// last message received.
///
/// A class, because the step from subclass to superclass is the one implicit conversion that lets a `Variable` stand wherever
/// a value may. Immutable, hence safe to share.
public class Value: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, @unchecked Sendable {
    private let stored: ValueTree

    init(_ tree: ValueTree) { stored = tree }

    /// A constant of a script that is read above its own line is a null reference, about which the compiler is silent.
    final var isBorn: Bool { @inline(never) get { unsafeBitCast(self, to: UInt.self) != 0 } }
    final var tree: ValueTree { isBorn ? stored : .unborn }

    /// Default of the parameters that may be left out. Not nil: that is what a constant read too early looks like.
    @usableFromInline static let omitted = Value(ValueTree.unborn)
    final var treeIfGiven: ValueTree? { isBorn && self === Value.omitted ? nil : tree }

    /// `"sip:alice@example.com"`.
    public required init(stringLiteral value: String) { stored = .text(value) }
    /// `3600`.
    public required init(integerLiteral value: Int) { stored = .number(value) }
    /// `"sip:\(user)@\(.domain)"`.
    public required init(stringInterpolation: Interpolation) { stored = stringInterpolation.tree }

    /// Collects the parts of an interpolation.
    public struct Interpolation: StringInterpolationProtocol {
        private var parts: [ValueTree] = []

        /// Nothing yet.
        public init(literalCapacity: Int, interpolationCount: Int) { parts.reserveCapacity(interpolationCount * 2 + 1) }
        /// Text between the brackets.
        public mutating func appendLiteral(_ literal: String) {
            if !literal.isEmpty { parts.append(.text(literal)) }
        }
        /// A value in brackets. The only overload without a label: more of them make a misspelt name a riddle.
        public mutating func appendInterpolation(_ value: Value) { parts.append(value.tree) }
        /// A Swift string in brackets: `\(text: name)`.
        public mutating func appendInterpolation(text: String) { parts.append(.text(text)) }

        var tree: ValueTree { parts.count == 1 ? parts[0] : .joined(parts) }
    }

    // MARK: parts of the last message received

    /// A header, whatever its case or compact form. `nth` counts from 1 where there are several, `-1` is the last; a list on
    /// one line counts as several.
    public static func header(_ name: String, nth: Int = 1) -> Value {
        Value(.header(name: name, nth: nth > 0 ? nth - 1 : nth))
    }
    /// Part of its session description.
    public static func sdp(_ field: SDPField) -> Value { Value(.sdp(field.tree)) }
    /// The Contact, of all that a registrar lists, that leads to this party, whatever their order (RFC 3261 §10.3):
    /// `.ownBinding.parameter("expires")`.
    public static var ownBinding: Value { Value(.ownBinding) }
    /// Its body.
    public static var body: Value { Value(.body) }
    /// Status of a response.
    public static var status: Value { Value(.status) }
    /// Reason phrase of a response.
    public static var reasonPhrase: Value { Value(.reasonPhrase) }
    /// Method of a request.
    public static var method: Value { Value(.method) }
    /// Request URI of a request.
    public static var requestURI: Value { Value(.requestURI) }

    // MARK: what Carillon knows

    /// `--domain`, else the target's host.
    public static var domain: Value { Value(.field(.domain)) }
    /// Where bytes go, `host:port`.
    public static var target: Value { Value(.field(.target)) }
    /// Address in this party's Contact and Via.
    public static var localAddress: Value { Value(.field(.localAddress)) }
    /// Port in this party's Contact and Via.
    public static var localPort: Value { Value(.field(.localPort)) }
    /// This party's own address, `sip:user@host`.
    public static var localURI: Value { Value(.field(.localURI)) }
    /// Its peer's address.
    public static var remoteURI: Value { Value(.field(.remoteURI)) }
    /// Call-ID of the dialog at hand.
    public static var callID: Value { Value(.field(.callID)) }
    /// This party's tag in the dialog at hand.
    public static var localTag: Value { Value(.field(.localTag)) }
    /// Its peer's tag.
    public static var remoteTag: Value { Value(.field(.remoteTag)) }
    /// Call-ID of a further dialog of this party.
    public static func callID(of dialog: DialogName) -> Value { Value(.dialogField(.callID, dialog: dialog.name.key)) }
    /// This party's tag in a further dialog.
    public static func localTag(of dialog: DialogName) -> Value {
        Value(.dialogField(.localTag, dialog: dialog.name.key))
    }
    /// Its peer's tag in a further dialog.
    public static func remoteTag(of dialog: DialogName) -> Value {
        Value(.dialogField(.remoteTag, dialog: dialog.name.key))
    }
    /// The peer's Contact in the dialog at hand: where requests in it go.
    public static var remoteTarget: Value { Value(.field(.remoteTarget)) }
    /// The peer's Contact in a further dialog.
    public static func remoteTarget(of dialog: DialogName) -> Value {
        Value(.dialogField(.remoteTarget, dialog: dialog.name.key))
    }
    /// CSeq number of the last request sent.
    public static var cseq: Value { Value(.field(.cseq)) }
    /// Number of this call in the run, from 1.
    public static var runNumber: Value { Value(.field(.runNumber)) }
    /// Name of the party that speaks.
    public static var party: Value { Value(.field(.party)) }
    /// Seconds since 1970.
    public static var unixTime: Value { Value(.field(.unixTime)) }
    /// Random decimal digits, drawn anew at each use from the run's seed; 1 to 18 of them.
    public static func random(digits: Int) -> Value { Value(.random(digits: digits)) }
    /// Address of record of a party of this scenario.
    public static func uri(of party: Party) -> Value { Value(.partyURI(party.key)) }

    // MARK: what is made of a value

    /// A parameter of a header value or URI: `.header("To").parameter("tag")`.
    public final func parameter(_ name: String) -> Value { Value(.parameter(name: name, of: tree)) }
    /// The URI in a header value, without display name, brackets and header parameters.
    public final var uri: Value { Value(.uriPart(.uri, of: tree)) }
    /// User part of the URI in it.
    public final var user: Value { Value(.uriPart(.user, of: tree)) }
    /// Host of the URI in it.
    public final var host: Value { Value(.uriPart(.host, of: tree)) }
    /// Port of the URI in it.
    public final var port: Value { Value(.uriPart(.port, of: tree)) }
    /// The URI in it without its header part, `?Replaces=…`.
    public final var withoutHeaders: Value { Value(.uriPart(.withoutHeaders, of: tree)) }
    /// A header of the URI's header part, without its escapes: `.header("Refer-To").uriHeader("Replaces")`.
    public final func uriHeader(_ name: String) -> Value { Value(.uriHeader(name: name, of: tree)) }
    /// As it may stand in the header part of a URI: `%3B` for `;` and so on (RFC 3261 §25.1).
    public final var escaped: Value { Value(.escaped(of: tree)) }
    /// First group of a regular expression, or its whole match: `.body.matching(#"m=audio (\d+)"#)`.
    public final func matching(_ pattern: String) -> Value { Value(.matching(pattern: pattern, of: tree)) }
    /// Length in octets.
    public final var length: Value { Value(.length(of: tree)) }

    /// Sum of two numbers.
    public static func + (left: Value, right: Value) -> Value { Value(.arithmetic(.plus, left.tree, right.tree)) }
    /// Difference of two numbers.
    public static func - (left: Value, right: Value) -> Value { Value(.arithmetic(.minus, left.tree, right.tree)) }
    /// Product of two numbers.
    public static func * (left: Value, right: Value) -> Value { Value(.arithmetic(.times, left.tree, right.tree)) }
}

/// Part of a session description.
public struct SDPField: Sendable {
    let tree: SDPFieldTree
    /// Address of the `c=` line of the first media stream.
    public static let connectionAddress = SDPField(tree: .connectionAddress)
    /// Port of the first media stream.
    public static let mediaPort = SDPField(tree: .mediaPort(index: 0))
    /// Port of the nth media stream, from 1.
    public static func mediaPort(_ nth: Int) -> SDPField { SDPField(tree: .mediaPort(index: nth - 1)) }
    /// Text after `a=name:`.
    public static func attribute(_ name: String) -> SDPField { SDPField(tree: .attribute(name)) }
}

/// What a value can be put into. Not `Variable` itself, which a literal would satisfy.
public protocol Place: Sendable {
    /// Its name.
    var key: String { get }
}

/// What a call remembers: `let tag = Variable("tag")`, then `Capture(tag, from: …)`, then `"\(tag)"`. Every call has its own.
///
/// It keeps nothing beside its tree: of an interpolated name, `Variable("tag\(n)")`, Swift 6.3 makes a plain `Value` and calls it
/// a `Variable`, so that a further property would be read from memory that is not there.
public final class Variable: Value, Place, @unchecked Sendable {
    /// `name` is how reports and `carillon explain` call it. One that is put together is written `Variable(String("tag\(n)"))`.
    public init(_ name: String) { super.init(.variable(name)) }
    /// `Variable("tag")` comes here: by SE-0213 that is the literal, converted.
    public required init(stringLiteral value: String) { super.init(.variable(value)) }
    /// Not a name; the checker says so.
    public required init(integerLiteral value: Int) { super.init(.variable(String(value))) }
    /// Where `Variable("tag\(n)")` should come, and does not.
    public required init(stringInterpolation: Interpolation) {
        super.init(.variable(stringInterpolation.tree.constantText))
    }

    /// Its name.
    public var key: String {
        switch tree {
        case .variable(let name): name
        case .unborn: Unborn.name
        case let text: PutTogether.mark + text.constantText
        }
    }
}

/// What the command line may change: `let hold = Setting("hold", default: "0s")`, and `--set hold=3s`. Stands wherever a
/// value may, and in `Pause(hold)`, where it may also be a distribution (`exponential(30s)`).
public final class Setting: Value, PauseTime, @unchecked Sendable {
    /// Without a default every run must give it a value.
    public init(_ name: String, default fallback: String? = nil) {
        super.init(.setting(name: name, fallback: fallback))
    }
    /// With a number: `Setting("count", default: 7)`.
    public init(_ name: String, default fallback: Int) {
        super.init(.setting(name: name, fallback: String(fallback)))
    }
    /// `Setting("user")` comes here: by SE-0213 that is the literal, converted.
    public required init(stringLiteral value: String) { super.init(.setting(name: value, fallback: nil)) }
    /// Not a name; the checker says so.
    public required init(integerLiteral value: Int) {
        super.init(.setting(name: String(value), fallback: nil))
    }
    /// Where `Setting("user\(n)")` should come, and does not: see `Variable`.
    public required init(stringInterpolation: Interpolation) {
        super.init(.setting(name: stringInterpolation.tree.constantText, fallback: nil))
    }

    /// The pause it stands for.
    public var delay: Delay { Delay(.value(tree)) }
}

extension ValueTree {
    /// The text of a value that is constant, `?` for all that is not.
    var constantText: String {
        switch self {
        case .text(let text): text
        case .number(let number): String(number)
        case .joined(let parts): parts.map(\.constantText).joined()
        default: "?"
        }
    }
}
