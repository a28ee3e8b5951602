/// Why a scenario file or saved program cannot be run.
public struct ScenarioFileError: Error, Sendable, CustomStringConvertible {
    /// What the command line makes an exit code of.
    public enum Kind: Sendable {
        /// The file cannot be named so: exit 64.
        case usage
        /// The file is there and is wrong: exit 65.
        case unusable
        /// Something outside the file is missing, a compiler or a place to write: exit 69.
        case environment
    }

    public let kind: Kind
    /// Whole lines, most important first; those that speak of a place begin `file:line:column: error:`.
    public let lines: [String]

    init(_ kind: Kind, _ lines: [String]) {
        self.kind = kind
        self.lines = lines
    }

    init(_ kind: Kind, _ line: String) { self.init(kind, [line]) }

    public var description: String { lines.joined(separator: "\n") }
}
