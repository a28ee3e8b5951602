// What `Require` and `If` ask: `expires > 0 && .header("Replaces").exists`. A tree, not a Bool.

/// A question that is answered while the call runs.
public struct Condition: Sendable {
    let tree: ConditionTree

    init(_ tree: ConditionTree) { self.tree = tree }

    /// Both hold.
    public static func && (left: Condition, right: Condition) -> Condition {
        if case .all(let list) = left.tree { return Condition(.all(list + [right.tree])) }
        return Condition(.all([left.tree, right.tree]))
    }
    /// At least one holds.
    public static func || (left: Condition, right: Condition) -> Condition {
        if case .any(let list) = left.tree { return Condition(.any(list + [right.tree])) }
        return Condition(.any([left.tree, right.tree]))
    }
    /// It does not hold.
    public static prefix func ! (condition: Condition) -> Condition { Condition(.not(condition.tree)) }

    // A leading dot looks a name up in the type it stands for: `Require(.header("Replaces").exists)` starts here.

    /// See `Value.header`.
    public static func header(_ name: String, nth: Int = 1) -> Value { Value.header(name, nth: nth) }
    /// See `Value.sdp`.
    public static func sdp(_ field: SDPField) -> Value { Value.sdp(field) }
    /// See `Value.body`.
    public static var body: Value { Value.body }
    /// See `Value.reasonPhrase`.
    public static var reasonPhrase: Value { Value.reasonPhrase }
    /// See `Value.method`.
    public static var method: Value { Value.method }
    /// See `Value.requestURI`.
    public static var requestURI: Value { Value.requestURI }
}

extension Value {
    /// It is there, be it empty.
    public final var exists: Condition { Condition(.exists(tree)) }
    /// It contains this text, octet by octet.
    public final func contains(_ part: Value) -> Condition { Condition(.contains(tree, part: part.tree)) }
    /// It begins with this text, octet by octet.
    public final func hasPrefix(_ prefix: Value) -> Condition { Condition(.hasPrefix(tree, prefix: prefix.tree)) }
    /// A regular expression matches somewhere in it.
    public final func matches(_ pattern: String) -> Condition { Condition(.matches(tree, pattern: pattern)) }

    /// Two texts that both read as numbers compare as numbers, others octet by octet. False where either is not there.
    public static func == (left: Value, right: Value) -> Condition { compare(.equal, left, right) }
    /// See `==`. Also false where either is not there.
    public static func != (left: Value, right: Value) -> Condition { compare(.notEqual, left, right) }
    /// See `==`.
    public static func < (left: Value, right: Value) -> Condition { compare(.less, left, right) }
    /// See `==`.
    public static func <= (left: Value, right: Value) -> Condition { compare(.lessOrEqual, left, right) }
    /// See `==`.
    public static func > (left: Value, right: Value) -> Condition { compare(.greater, left, right) }
    /// See `==`.
    public static func >= (left: Value, right: Value) -> Condition { compare(.greaterOrEqual, left, right) }

    private static func compare(_ sign: ComparisonTree, _ left: Value, _ right: Value) -> Condition {
        Condition(.compare(sign, left.tree, right.tree))
    }
}
