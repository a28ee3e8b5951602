import ScenarioDSL

/// What the checker or the compiler has to say about a scenario: `call.swift:6: error: …`.
public struct Diagnostic: Sendable, Hashable, CustomStringConvertible {
    public enum Severity: String, Sendable {
        case error, warning
    }

    public var severity: Severity
    package var at: Spot
    /// What is wrong, its consequence, and the fix.
    public var text: String

    package init(_ severity: Severity, at: Spot, _ text: String) {
        self.severity = severity
        self.at = at
        self.text = text
    }

    public var description: String { "\(at.file):\(at.line): \(severity.rawValue): \(text)" }
}
