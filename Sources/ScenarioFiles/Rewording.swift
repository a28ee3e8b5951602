// Single messages of swiftc, each told again with its consequence and its fix. What is not known here stays as it is.

extension CompilerMessages {
    func toldAgain(_ message: CompilerMessage) -> CompilerMessage {
        var told = message
        func ours(_ text: String, certain: Bool = false) -> CompilerMessage {
            told.text = text
            told.isOurs = true
            told.isCertain = certain
            return told
        }
        let text = message.text
        if let sentence = text.match(/^'.*?' is unavailable: (.*)$/) { return ours(sentence) }
        if let names = twoGroups(text, /'(\w+)' has been renamed to '(\w+)'/) {
            return ours("'\(names.0)' is called '\(names.1)' here")
        }
        if text.contains("'....'") {
            return ours("'...' between two times has a blank on both sides: .milliseconds(200) ... .milliseconds(800)")
        }
        if let column = source.hashColumn(message.line), !source.line(message.line).contains("#\"") {
            told.column = column
            return ours("a comment begins with //, not with #")
        }
        if let sentence = aboutLetters(message) { return ours(sentence, certain: true) }
        if let name = text.match(/cannot find (?:type )?'(\w+)' in scope/) { return ours(unknownName(name, message)) }
        if let names = twoGroups(text, /type '([\w.]+)\??' has no member '(\w+)'/) {
            return ours(unknownMember(names.1, of: names.0, message))
        }
        if let sentence = aboutArguments(message) ?? aboutValues(message) ?? aboutDeclarations(message) {
            return ours(sentence)
        }
        if let tag = text.range(of: " [#", options: .backwards) { told.text = String(text[..<tag.lowerBound]) }
        return told
    }

    private func unknownName(_ name: String, _ message: CompilerMessage) -> String {
        switch name {
        case "and": return "'and' is written &&"
        case "or": return "'or' is written ||"
        case "not": return "'not' is written !"
        case "nil", "null":
            return "there is no 'nothing' here: ask whether a value is there, Require(.header(\"X\").exists)"
        default: break
        }
        if let ours = WordUse.foreign[name] {
            return "'\(name)' is called '\(ours)' here: \(WordUse.examples[ours] ?? ours)"
        }
        if WordUse.labels.contains(name) { return "a ':' is missing behind '\(name)': an argument's label ends in one" }
        let declared = source.declarations(of: name).filter { $0 != message.line }
        if let line = declared.first {
            return line > message.line
                ? "'\(name)' is declared further down, on line \(line): a file is read from top to bottom, move it up"
                : "'\(name)' is declared on line \(line) inside another block: declare it in this scenario, or at the top"
                    + " of the file for all"
        }
        if let meant = nearest(to: name, among: source.declaredNames + WordUse.names) {
            return "there is no '\(name)' here: did you mean '\(meant)'?"
        }
        return "there is no '\(name)' here: a text stands in quotes, \"\(name)\"; a name is declared by a `let`"
    }

    private func unknownMember(_ name: String, of type: String, _ message: CompilerMessage) -> String {
        let near = message.text.match(/did you mean '(\w+)'\?/) ?? nearest(to: name, among: WordUse.members)
        let meant = near.map { "; did you mean '.\($0)'?" } ?? ""
        switch type {
        case "Message":
            if let status = WordUse.statuses[name.lowercased()] {
                return "a response is its number: \(status), not .\(name)"
            }
            return "there is no message '.\(name)'\(meant.isEmpty ? ":" : meant) a method without a word of its own is"
                + " .method(\"\(name.uppercased())\")"
        case "Value", "Condition":
            return
                "there is no value '.\(name)'\(meant.isEmpty ? ": parts of a message are .header(\"X\"), .body, .status" : meant)"
        case "Codec":
            return "there is no codec '.\(name)'\(meant.isEmpty ? ":" : meant) any other is"
                + " .codec(\"\(name)\", payload: 100)"
        case "Delay", "Duration":
            if ["random", "between", "range", "rand", "any"].contains(name) {
                return "a random time is .uniform(.milliseconds(200), .milliseconds(800))"
            }
            return
                "there is no time '.\(name)'\(meant.isEmpty ? ": write .milliseconds(200), .seconds(2), .minutes(1)" : meant)"
        case "Party.Role": return "a party that is called says .answers, not .\(name)"
        case "Presence": return "a message is .required or .optional, not '.\(name)'"
        case "Ownership":
            return "a raw message owns .branch, .cseq, .tags or .everything, not '.\(name)'"
        case "Int", "Double", "String":
            if source.startsArgument(line: message.line, column: message.column) {
                let callee = source.callee(line: message.line, column: message.column)
                let use = callee.flatMap { WordUse.examples[$0] }.map { ": write \($0)" } ?? ""
                return "\(type == "String" ? "a text in quotes" : "a number") stands here, not '.\(name)'\(use)"
            }
            return "a ',' is missing before '.\(name)': arguments are separated by commas"
        default: return "there is no '.\(name)' here\(meant)"
        }
    }

    // MARK: arguments

    private func aboutArguments(_ message: CompilerMessage) -> String? {
        let text = message.text
        let callee = source.callee(line: message.line, column: message.column)
        let use = callee.flatMap { WordUse.examples[$0] }.map { ": write \($0)" } ?? ""
        let word = callee ?? "this word"
        if text.hasPrefix("expected ',' separator") {
            if source.lacksRoundBracket(message.line) { return "a ')' is missing on this line" }
            return "a ',' is missing here: arguments are separated by commas\(use)"
        }
        if let label = text.match(/unnamed argument #\d+ must precede argument '(\w+)'/) {
            return "arguments have an order: what has no label stands before '\(label):'\(use)"
        }
        if let labels = twoGroups(text, /argument '(\w+)' must precede (?:unnamed )?argument '?#?(\w+)/) {
            return "arguments have an order: '\(labels.0):' stands before '\(labels.1):'\(use)"
        }
        if let label = text.match(/missing argument label '(\w+:)'/) {
            return "an argument is without its label, '\(label)' or another\(use)"
        }
        if text.hasPrefix("extra argument 'direction'"), callee == "Offer" {
            return "'direction:' belongs to a media stream: Offer(.audio(.pcmu, direction: .sendonly))"
        }
        if callee == "Answer", text.contains("takes no arguments") || text.hasPrefix("extra argument") {
            return "Answer() has nothing in its brackets: it is made of the offer (RFC 3264 §6). Any other body is"
                + " Body(\"application/sdp\", …)"
        }
        if let part = String(source.line(message.line)).match(/\.sdp\(\.(\w+)/),
            !["connectionAddress", "mediaPort", "attribute"].contains(part)
        {
            return "there is no part '.\(part)' of an SDP: .connectionAddress, .mediaPort, .attribute(\"sendonly\") are"
        }
        if text.hasPrefix("missing argument") || text.hasPrefix("extra argument") {
            let problem =
                text.hasPrefix("missing") ? "something is missing in the brackets of" : "too much in the brackets of"
            return use.isEmpty ? nil : "\(problem) \(word)\(use)"
        }
        if text.hasPrefix("expected ')'") { return "a ')' is missing: the '(' of this line is never closed" }
        if text.contains("static member"), text.contains("cannot be used on instance") {
            return "a ',' is missing before this '.': arguments are separated by commas\(use)"
        }
        if let labels = twoGroups(text, /incorrect argument labels? in call \(have '(.*)', expected '(.*)'\)/) {
            if use.isEmpty { return "the arguments are called '\(labels.1)', not '\(labels.0)'" }
            return "\(word) has other arguments\(use)"
        }
        if let label = text.match(/extraneous argument label '(\w+:)'/) { return "leave out '\(label)'\(use)" }
        if text.contains("trailing closure passed to parameter of type") || text.contains("extra trailing closure") {
            if use.contains("{") { return "too much in the brackets of \(word)\(use)" }
            return "no block { … } belongs to this word\(use)"
        }
        if text.hasPrefix("consecutive statements on a line") {
            if source.line(message.line).contains("} else {") { return "the second block of If is written `} else: {`" }
            if let word = source.firstWord(message.line), let example = WordUse.examples[word],
                !source.line(message.line).contains("\(word)(")
            {
                return "the brackets of \(word) are missing: write \(example)"
            }
            return "one step per line; or something is missing between the two: a comma, a bracket"
        }
        return nil
    }

    /// What the letters of the line alone show.
    private func aboutLetters(_ message: CompilerMessage) -> String? {
        let text = message.text
        if text.contains("curly quote") { return "quotes are straight: \"…\"" }
        if text.contains("single-quoted string") { return "a text stands in double quotes: \"…\"" }
        if text.contains("unterminated string literal") {
            return "the text is not closed: a '\"' is missing on this line"
        }
        if text.contains("is not a valid digit") {
            return "a time carries its unit: .milliseconds(200), .seconds(2), .minutes(1)"
        }
        if text.contains("cannot find operator '..'") { return "a range is written with three dots: 400...699" }
        let word = source.word(line: message.line, column: message.column)
        if let sign = ["and": "&&", "or": "||", "not": "!"][word], text.hasPrefix("expected ','") {
            return "'\(word)' is written \(sign)"
        }
        if text.contains("control flow statement cannot be used") {
            return "nothing of Swift runs during a call: repeat with Repeat(3) { … }, decide with If(…) { … }"
        }
        if text.contains("cannot use explicit 'return'") {
            return "a call ends with its last step, or before with Finish(\"outcome\") or Fail(\"reason\")"
        }
        if text.contains("cannot use optional chaining") { return "a message that may come is Expect(180, .optional)" }
        return nil
    }

    // MARK: values

    private func aboutValues(_ message: CompilerMessage) -> String? {
        let text = message.text
        if text.contains("produces result of type 'Value', but context expects 'Condition'")
            || text.contains("cannot convert value of type 'Value' to expected argument type 'Condition'")
            || text.contains("cannot convert value of type 'Variable' to expected argument type 'Condition'")
        {
            return "a value alone is no condition: compare it, == \"…\", or ask whether it is there, .exists"
        }
        if text.contains("type '()' to expected argument type 'Condition'") || text.contains("cannot assign to value") {
            return "'=' gives a value; a comparison is written '=='"
        }
        if text.contains("type 'String' to expected argument type 'Value'") {
            return "a Swift text becomes a value by its type, `let name: Value = \"…\"`, or in an interpolation,"
                + " \"\\(text: name)\""
        }
        if text.contains("cannot convert value of type") {
            let due: [(String, String)] = [
                ("'Duration'", "a time, .milliseconds(200), .seconds(2), .minutes(1)"),
                ("'Delay'", "a time, .seconds(2), or a distribution, .exponential(mean: .seconds(30))"),
                ("'Message'", "a method, .invite, or a status, 200"),
                ("'Party'", "a party, `let bob = Party(\"bob\")`"),
                ("'Value'", "a value: a text in quotes, a number, a variable, .header(\"X\")"),
                ("'MarkName'", "a mark, `let ringing = MarkName(\"ringing\")`"),
                ("'SignalName'", "a signal, `let ready = SignalName(\"ready\")`"),
                ("'DialogName'", "a dialog, `let second = DialogName(\"second\")`"),
                ("'Media'", "a media stream, .audio(.pcmu, .pcma)"), ("'Codec'", "a codec, .pcmu"),
                (
                    "'Presence'",
                    "nothing or .optional; several messages are a range, 200...299, or On(200, 202) in FirstOf"
                ),
                ("'Condition'", "a condition: compare a value, == \"…\", or ask whether it is there, .exists"),
            ]
            for (type, what) in due where text.contains("argument type \(type)") { return "here belongs \(what)" }
        }
        if text.contains("initializer 'init(_:from:otherwise:)' requires that") || text.contains("conform to 'Place'") {
            return "a value is kept in a variable: `let tag = Variable(\"tag\")`, then Capture(tag, from: …)"
        }
        return nil
    }

    // MARK: declarations

    private func aboutDeclarations(_ message: CompilerMessage) -> String? {
        let text = message.text
        if text.match(/result of '(\w+)' initializer is unused/) != nil {
            return "a step at the top level is done by nobody: put it inside Party(\"alice\") { … } of a Scenario"
        }
        if let name = text.match(/value '(\w+)' was never used/) {
            if source.line(message.line).contains("Party(") {
                return
                    "'\(name)' is described but takes no part: leave out `let \(name) =`, or write \(name) { … } below"
            }
            return "'\(name)' is declared and never used: use it or remove the line"
        }
        if let name = text.match(/variable '(\w+)' was never mutated/) {
            return "write `let \(name)`: it never changes"
        }
        if let name = text.match(/invalid redeclaration of '(\w+)'/) {
            let lines = source.declarations(of: name).filter { $0 != message.line }
            let other = lines.first.map { " (first on line \($0))" } ?? ""
            return "'\(name)' is declared twice\(other): give one of them another name"
        }
        if text.contains("main actor-isolated") {
            return "what functions share at the top of a file is a `let`, not a `var`: it is fixed before any call runs"
        }
        if text.contains("unable to type-check this expression in reasonable time") {
            return "too much for the compiler in one declaration: move steps into functions,"
                + " `@StepsBuilder func hangUp() -> Steps { … }`"
        }
        if text.contains("failed to produce diagnostic") {
            return nil
        }
        return nil
    }

    private func twoGroups(_ text: String, _ pattern: Regex<(Substring, Substring, Substring)>) -> (String, String)? {
        guard let found = try? pattern.firstMatch(in: text) else { return nil }
        return (String(found.output.1), String(found.output.2))
    }
}

/// The candidate that differs least, if it differs by a slip of the finger only.
func nearest(to name: String, among candidates: [String]) -> String? {
    if name.count >= 3, let longer = candidates.first(where: { $0 != name && $0.hasPrefix(name) }) { return longer }
    var best: (name: String, distance: Int)?
    for candidate in candidates where candidate != name {
        let distance = editDistance(Array(name.lowercased()), Array(candidate.lowercased()))
        if distance < (best?.distance ?? .max) { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(1, name.count / 3) else { return nil }
    return best.name
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
    var rows = [[Int]](repeating: [Int](repeating: 0, count: b.count + 1), count: a.count + 1)
    for i in 0...a.count { rows[i][0] = i }
    for j in 0...b.count { rows[0][j] = j }
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    for i in 1...a.count {
        for j in 1...b.count {
            let cost = a[i - 1] == b[j - 1] ? 0 : 1
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + cost)
            if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
            }
        }
    }
    return rows[a.count][b.count]
}
