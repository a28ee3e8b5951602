import Glibc

/// Why rows cannot be had: `users.csv:17: expected 3 fields (user;password;domain), got 2`.
public struct FeedError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file as it was named, or the feed's name where there is no file.
    public var source: String
    /// The line of the file, from 1; nil where no line is to blame.
    public var line: Int?
    /// What is wrong and what was expected.
    public var text: String

    public init(_ source: String, line: Int? = nil, _ text: String) {
        self.source = source
        self.line = line
        self.text = text
    }

    public var description: String { line.map { "\(source):\($0): \(text)" } ?? "\(source): \(text)" }
}

/// The system's words for an error number.
func reason(_ errno: Int32) -> String { String(cString: strerror(errno)) }

/// `1 row`, `2 rows`.
func counted(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
