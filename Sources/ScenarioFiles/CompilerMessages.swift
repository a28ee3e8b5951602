// What swiftc says about a scenario file, read and told again in the words of the language. The language's own sentences
// come out of its unavailable overloads (ScenarioDSL, Traps.swift); here the compiler's wrapping is taken off, consequences of
// one mistake are dropped, and its other messages get their consequence and fix.

struct CompilerMessage {
    var line: Int
    var column: Int
    var text: String
    /// Texts of the notes below it, wherever they point.
    var notes: [String] = []
    /// A sentence of ours.
    var isOurs = false
    /// It says what is wrong with the line whatever else is said about it.
    var isCertain = false
}

struct CompilerMessages {
    let file: String
    let source: SourceText
    private(set) var messages: [CompilerMessage] = []

    private static let shownAtMost = 20

    /// `output` is in the form of `-diagnostic-style=llvm` and calls the file `path`; our lines call it `file`.
    init(_ output: String, of path: String, file: String, source: String) {
        self.file = file
        self.source = SourceText(source)
        for line in output.split(separator: "\n") {
            guard let read = Self.read(line) else { continue }
            if read.kind == "note" {
                guard !messages.isEmpty else { continue }
                messages[messages.count - 1].notes.append(read.text)
                if read.text.hasPrefix("to match this opening '('"), read.path == path[...] {
                    messages[messages.count - 1].line = read.line
                    messages[messages.count - 1].column = read.column
                }
            } else if read.path == path[...], read.kind == "error" || Self.warningCounts(read, self.source) {
                messages.append(CompilerMessage(line: read.line, column: read.column, text: read.text))
            }
        }
    }

    /// A step outside everything and a party that takes no part are unused results to swiftc, which lets them pass. Other
    /// warnings, such as a constant that is not used yet, are the author's business.
    private static func warningCounts(_ warning: Head, _ source: SourceText) -> Bool {
        if warning.text.contains("was never used") { return source.line(warning.line).contains("Party(") }
        return warning.text.hasPrefix("result of ") && warning.text.contains("is unused")
    }

    private struct Head {
        let path: Substring
        let line: Int
        let column: Int
        let kind: Substring
        let text: String
    }

    /// `path:line:column: kind: text`. A path may hold colons.
    private static func read(_ line: Substring) -> Head? {
        for kind in ["error", "warning", "note"] {
            guard let mark = line.firstRange(of: ": \(kind): ") else { continue }
            let place = line[..<mark.lowerBound].split(separator: ":", omittingEmptySubsequences: false)
            guard place.count >= 3, let column = Int(place[place.count - 1]), let row = Int(place[place.count - 2])
            else { continue }
            let length = place[place.count - 1].count + place[place.count - 2].count + 2
            return Head(
                path: line[..<mark.lowerBound].dropLast(length), line: row, column: column, kind: kind[...],
                text: String(line[mark.upperBound...]))
        }
        return nil
    }

    /// Whole lines to print, by place in the file; empty if swiftc said nothing about it.
    func reworded() -> [String] {
        if let wrong = wrongImport() { return [rendered(wrong)] }
        var list = messages
        if let brace = braceMistake() {
            // What stands below is read in the wrong block.
            list = list.filter { $0.line < brace.line && !$0.text.contains("'}'") && !$0.text.contains("[#no-usage]") }
            list.append(brace)
        }
        if let open = list.first(where: { $0.text.contains("unterminated string literal") }) {
            list = list.filter { $0.line <= open.line }  // below, the compiler reads text as code and code as text
        }
        list = list.map(toldAgain).filter { !$0.text.isEmpty }
        list = withoutConsequences(list)
        var lines = list.prefix(Self.shownAtMost).map(rendered)
        if list.count > Self.shownAtMost { lines.append("\(file): \(list.count - Self.shownAtMost) more like these") }
        return lines
    }

    private func rendered(_ message: CompilerMessage) -> String {
        "\(file):\(message.line):\(message.column): error: \(message.text)"
    }

    // MARK: the whole file

    private func wrongImport() -> CompilerMessage? {
        for message in messages {
            guard let module = message.text.match(/no such module '(\w+)'/) else { continue }
            let fix =
                nearest(to: module, among: ["ScenarioDSL"]) != nil
                ? "did you mean 'ScenarioDSL'?" : "a scenario file imports ScenarioDSL and what comes with Swift"
            return CompilerMessage(
                line: message.line, column: message.column, text: "there is no module '\(module)': \(fix)", isOurs: true
            )
        }
        guard !source.importsLanguage, !messages.isEmpty else { return nil }
        return CompilerMessage(
            line: 1, column: 1,
            text:
                "`import ScenarioDSL` is missing: without it no word of the language is known; write it as first line",
            isOurs: true)
    }

    private func braceMistake() -> CompilerMessage? {
        if messages.contains(where: { $0.text.contains("unterminated string literal") }) { return nil }
        let said = messages.first { $0.text.hasPrefix("expected '}'") || $0.text.hasPrefix("extraneous '}'") }
        guard let said, let mistake = source.braceMistake() else { return nil }
        switch mistake {
        case .missing(let line, let opened):
            return CompilerMessage(
                line: line, column: source.indent(of: line) + 1,
                text: "a '}' is missing above this line: the block of line \(opened), `\(source.trimmed(opened))`, is"
                    + " still open, and what follows would belong to it",
                isOurs: true)
        case .extra(let line, let column):
            return CompilerMessage(
                line: line, column: column,
                text: "a '}' too many: it closes an outer block here, and what follows stands outside; remove it",
                isOurs: true)
        case .notOpened(let line):
            return CompilerMessage(
                line: line, column: source.indent(of: line) + 1,
                text: "a '{' is missing at the end of this line: what is indented below would not belong to it",
                isOurs: true)
        case .neverClosed(let line):
            return CompilerMessage(
                line: line, column: source.indent(of: line) + 1,
                text: "the '{' of this line is never closed: add a '}' (\(said.text) on line \(said.line))",
                isOurs: true)
        }
    }

    /// One mistake makes several messages: of a line the best stays, and repeated sentences come once.
    private func withoutConsequences(_ list: [CompilerMessage]) -> [CompilerMessage] {
        let noise = [
            "cannot infer contextual base", "expected expression", "failed to produce diagnostic", "generic parameter",
            "converting non-escaping value", "cannot be resolved without a contextual type",
        ]
        func rank(_ message: CompilerMessage) -> Int {
            if message.isCertain { return -1 }
            if message.isOurs { return 0 }
            return noise.contains { message.text.contains($0) } ? 2 : 1
        }
        var bestOfLine: [Int: CompilerMessage] = [:]
        for message in list {
            if let known = bestOfLine[message.line], rank(known) <= rank(message) { continue }
            bestOfLine[message.line] = message
        }
        let sorted = bestOfLine.values.sorted { $0.line < $1.line }
        let meant = sorted.contains { rank($0) < 2 } ? sorted.filter { rank($0) < 2 } : sorted
        var said: Set<String> = []
        return meant.filter { said.insert($0.text).inserted }
    }
}

extension String {
    /// First group of the first match.
    func match(_ pattern: Regex<(Substring, Substring)>) -> String? {
        (try? pattern.firstMatch(in: self)).flatMap { $0.map { String($0.output.1) } }
    }
}
