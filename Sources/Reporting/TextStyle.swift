import Foundation

/// Colour for people at a terminal, and nothing for everybody else.
public struct TextStyle: Sendable {
    public enum Ink: Sendable {
        case plain, bold, dim, green, yellow, red

        fileprivate var code: String {
            switch self {
            case .plain: "0"
            case .bold: "1"
            case .dim: "2"
            case .green: "1;32"
            case .yellow: "1;33"
            case .red: "1;31"
            }
        }
    }

    public var coloured: Bool

    public init(coloured: Bool) { self.coloured = coloured }

    public static let plain = TextStyle(coloured: false)

    /// Colour when the descriptor is a terminal that can show it and `NO_COLOR` is not set (https://no-color.org).
    public static func forOutput(
        _ descriptor: Int32, environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> TextStyle {
        let refused = !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
        return TextStyle(coloured: !refused && isatty(descriptor) == 1)
    }

    public func paint(_ text: String, _ ink: Ink) -> String {
        coloured && ink != .plain ? "\u{1B}[\(ink.code)m\(text)\u{1B}[0m" : text
    }
}

/// Text that came from the network or from a file, fit for a terminal: control characters, which could move the cursor or
/// change colours, are shown as their code.
public func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    return text.unicodeScalars.reduce(into: "") { result, scalar in
        if isControl(scalar) {
            result += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            result.unicodeScalars.append(scalar)
        }
    }
}

private func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
    func leftPadded(to width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }

    /// At most so many characters; what is cut is shown by an ellipsis.
    func shortened(to width: Int) -> String { count <= width ? self : width < 1 ? "" : prefix(width - 1) + "…" }

    /// Its end, at most so many characters.
    func shortenedAtFront(to width: Int) -> String { count <= width ? self : width < 1 ? "" : "…" + suffix(width - 1) }
}
