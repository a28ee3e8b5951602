// The text of a scenario file as far as a mistake needs it: lines, indentation, brackets, declared names.

struct SourceText {
    let lines: [Substring]
    private let code: [[Character]]

    enum BraceMistake: Equatable {
        /// Noticed at `line`: it is indented no deeper than the still open block of line `opened`.
        case missing(line: Int, opened: Int)
        case extra(line: Int, column: Int)
        case neverClosed(line: Int)
        /// The next line is indented deeper, as if this one opened a block.
        case notOpened(line: Int)
    }

    init(_ text: String) {
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        code = Self.codeOnly(text)
    }

    /// Line numbers from 1; an empty text for lines that are not there.
    func line(_ number: Int) -> Substring { number >= 1 && number <= lines.count ? lines[number - 1] : "" }

    func trimmed(_ number: Int) -> String {
        let text = line(number).drop { $0 == " " || $0 == "\t" }
        return text.count > 60 ? text.prefix(57) + "…" : String(text)
    }

    func indent(of number: Int) -> Int { line(number).prefix { $0 == " " || $0 == "\t" }.count }

    var importsLanguage: Bool { lines.contains { $0.contains("import ScenarioDSL") } }

    /// Lines that declare this name with `let`, `var` or `func`.
    func declarations(of name: String) -> [Int] {
        lines.indices.filter { index in
            let words = lines[index].split { !($0.isLetter || $0.isNumber || $0 == "_") }
            return zip(words, words.dropFirst()).contains { ["let", "var", "func"].contains($0) && $1 == name[...] }
        }.map { $0 + 1 }
    }

    /// All names that a `let`, `var` or `func` declares.
    var declaredNames: [String] {
        lines.flatMap { line in
            let words = line.split { !($0.isLetter || $0.isNumber || $0 == "_") }
            return zip(words, words.dropFirst()).filter { ["let", "var", "func"].contains($0.0) }.map { String($0.1) }
        }
    }

    /// The word whose brackets enclose this place, `Header` in `Header("X"`.
    func callee(line number: Int, column: Int) -> String? {
        guard number >= 1, number <= code.count else { return nil }
        let row = code[number - 1]
        var depth = 0
        let pointsAtBracket = column >= 1 && column <= row.count && row[column - 1] == "("
        var index = min(pointsAtBracket ? column - 1 : column - 2, row.count - 1)
        while index >= 0 {
            if row[index] == ")" { depth += 1 }
            if row[index] == "(" {
                if depth == 0 { break }
                depth -= 1
            }
            index -= 1
        }
        guard index > 0 else { return nearestWord(row, column) }
        let name = row[..<index].reversed().prefix { $0.isLetter || $0.isNumber }.reversed()
        return name.isEmpty ? nearestWord(row, column) : String(name)
    }

    /// The last word of the language left of this column.
    private func nearestWord(_ row: [Character], _ column: Int) -> String? {
        let before = row.prefix(max(0, column - 1))
        let words = before.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map { String($0) }
        return words.last { WordUse.examples[$0] != nil }
    }

    /// The first letters of the line.
    func firstWord(_ number: Int) -> String? {
        let word = line(number).drop { $0 == " " || $0 == "\t" }.prefix { $0.isLetter }
        return word.isEmpty ? nil : String(word)
    }

    /// The letters that begin at this place.
    func word(line number: Int, column: Int) -> String {
        String(line(number).dropFirst(column - 1).prefix { $0.isLetter })
    }

    /// Whether a member with a leading dot, whose name or dot this is, begins an argument.
    func startsArgument(line number: Int, column: Int) -> Bool {
        guard number >= 1, number <= code.count, column >= 1, column <= code[number - 1].count else { return false }
        let before = code[number - 1].prefix(column - 1).reversed().drop { $0 == "." || $0 == " " }
        return before.first.map { "(,:".contains($0) } ?? false
    }

    /// More `(` than `)` on this line, strings and comments not counted.
    func lacksRoundBracket(_ number: Int) -> Bool {
        guard number >= 1, number <= code.count else { return false }
        let row = code[number - 1]
        return row.count { $0 == "(" } > row.count { $0 == ")" }
    }

    /// Column of a `#` outside strings that is no raw string's.
    func hashColumn(_ number: Int) -> Int? {
        guard number >= 1, number <= code.count else { return nil }
        return code[number - 1].firstIndex(of: "#").map { $0 + 1 }
    }

    /// Where a variable or a setting gets an interpolation for its name: `Variable("tag\(n)")`, of which Swift makes a text.
    var interpolatedNames: [(line: Int, column: Int, word: String)] {
        var found: [(line: Int, column: Int, word: String)] = []
        for (index, row) in code.enumerated() {
            let raw = Array(lines[index])
            for word in ["Variable", "Setting"] {
                let opening = Array(word + "(")
                var start = 0
                while let at = row[start...].firstRange(of: opening) {
                    start = at.upperBound
                    if at.lowerBound > 0, row[at.lowerBound - 1].isLetter || row[at.lowerBound - 1].isNumber {
                        continue
                    }
                    // Strings are blanks in the code: what stands between the bracket and the next code is the argument.
                    let next = row[start...].firstIndex { $0 != " " } ?? row.count
                    guard next < row.count, row[next] == ")", next <= raw.count else { continue }
                    let argument = String(raw[start..<next])
                    if argument.contains("\"") && argument.contains("\\(") {
                        found.append((index + 1, at.lowerBound + 1, word))
                    }
                }
            }
        }
        return found
    }

    /// Where Swift would draw a random number or read a clock, while the file is read.
    var chances: [(line: Int, column: Int, text: String)] {
        let words = [".random(", ".randomElement(", ".shuffled(", "Date()", "Date.now", "arc4random", "drand48("]
        var found: [(line: Int, column: Int, text: String)] = []
        for (index, row) in code.enumerated() {
            for word in words {
                guard let at = row.firstRange(of: Array(word)) else { continue }
                var start = at.lowerBound
                while start > 0, isName(row[start - 1]) { start -= 1 }
                // A member belongs to something: `.random(…)` alone is no Swift, and told in the language's own words. All else
                // is a whole word.
                guard word.hasPrefix(".") == (start < at.lowerBound) else { continue }
                let text = String(row[start..<at.upperBound])
                found.append((index + 1, start + 1, text.hasSuffix("(") ? String(text.dropLast()) : text))
            }
        }
        return found
    }

    private func isName(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_" || character == ")" || character == "]"
    }

    /// The first place where braces and indentation disagree.
    func braceMistake() -> BraceMistake? {
        var open: [(line: Int, indent: Int)] = []
        var above: (line: Int, indent: Int, last: Character)?
        var roundBrackets = 0
        for (index, row) in code.enumerated() {
            let number = index + 1
            guard let first = row.first(where: { $0 != " " && $0 != "\t" }) else { continue }
            let indent = indent(of: number)
            if let above, above.last == ")", roundBrackets == 0, indent > above.indent, first != ".", first != "{" {
                return .notOpened(line: above.line)
            }
            above = (number, indent, row.last { $0 != " " && $0 != "\t" } ?? first)
            roundBrackets += row.count { $0 == "(" } - row.count { $0 == ")" }
            if let top = open.last, first == "}" ? indent < top.indent : indent <= top.indent {
                return .missing(line: number, opened: top.line)
            }
            for (column, character) in row.enumerated() {
                if character == "{" { open.append((number, indent)) }
                if character == "}" {
                    guard let top = open.popLast() else { return .extra(line: number, column: column + 1) }
                    if top.line != number, top.indent != indent { return .extra(line: number, column: column + 1) }
                }
            }
        }
        return open.last.map { .neverClosed(line: $0.line) }
    }

    /// Every line with the inside of its strings and its comments blanked.
    private static func codeOnly(_ text: String) -> [[Character]] {
        var rows: [[Character]] = [[]]
        var scanner = CodeScanner(Array(text))
        while let (character, isCode) = scanner.next() {
            if character == "\n" {
                rows.append([])
            } else {
                rows[rows.count - 1].append(isCode ? character : " ")
            }
        }
        return rows
    }
}

/// Walks through Swift text and tells code from strings and comments. Interpolations count as string.
private struct CodeScanner {
    private let text: [Character]
    private var at = 0
    /// Everything before this index is no code.
    private var blankUntil = 0

    init(_ text: [Character]) { self.text = text }

    mutating func next() -> (Character, Bool)? {
        guard at < text.count else { return nil }
        if at >= blankUntil { blankUntil = endOfNonCode(at) }
        defer { at += 1 }
        return (text[at], at >= blankUntil)
    }

    /// Index after the comment or string that begins at `start`; `start` itself if none does.
    private func endOfNonCode(_ start: Int) -> Int {
        if has("//", start) { return text[start...].firstIndex(of: "\n") ?? text.count }
        if has("/*", start) {
            var index = start + 2
            while index < text.count, !has("*/", index) { index += 1 }
            return min(index + 2, text.count)
        }
        var hashes = 0
        while start + hashes < text.count, text[start + hashes] == "#" { hashes += 1 }
        guard start + hashes < text.count, text[start + hashes] == "\"" else { return start }
        return endOfString(start + hashes, hashes: hashes)
    }

    private func endOfString(_ quote: Int, hashes: Int) -> Int {
        let multiline = has("\"\"\"", quote)
        let closing = (multiline ? "\"\"\"" : "\"") + String(repeating: "#", count: hashes)
        let escape = "\\" + String(repeating: "#", count: hashes)
        var index = quote + (multiline ? 3 : 1)
        while index < text.count {
            if has(closing, index) { return index + closing.count }
            if !multiline, text[index] == "\n" { return index }
            if has(escape + "(", index) {
                index = endOfInterpolation(index + escape.count + 1)
            } else if has(escape, index) {
                index += escape.count + 1
            } else {
                index += 1
            }
        }
        return text.count
    }

    private func endOfInterpolation(_ start: Int) -> Int {
        var depth = 1
        var index = start
        while index < text.count, depth > 0, text[index] != "\n" {
            let end = endOfNonCode(index)
            if end > index {
                index = end
                continue
            }
            if text[index] == "(" { depth += 1 }
            if text[index] == ")" { depth -= 1 }
            index += 1
        }
        return index
    }

    private func has(_ part: String, _ index: Int) -> Bool { text[index...].starts(with: part) }
}
