/// A program as text: what each instruction does, with the source line it comes from.
package enum ProgramListing {
    package static func text(of program: CallProgram, messages: Bool) -> String {
        var out = ""
        for party in program.parties {
            let layout = party.layout
            out +=
                "\n\(party.name) (\(party.answers ? "answers" : "begins"); \(layout.dialogs) dialogs, \(layout.clients) client and"
                + " \(layout.servers) server transactions, \(layout.stride) octets a call)\n"
            for number in party.entry..<party.end {
                let instruction = program.instructions[number]
                let step = program.steps[Int(instruction.step)]
                let place = "\(step.at.file):\(step.at.line)"
                out += "  \(pad(String(number), 4))  \(pad(place, 24))  \(describe(instruction, program))\n"
            }
        }
        if messages {
            for (number, template) in program.templates.enumerated() {
                let name = template.status == 0 ? template.methodText : "\(template.status) to \(template.methodText)"
                let kind = template.isPure ? "rendered again when repeated" : "kept as sent"
                out += "\ntemplate \(number): \(name), \(program.parties[template.party].name), \(kind)\n"
                for line in readable(template).split(separator: "\r\n", omittingEmptySubsequences: false) {
                    out += "  | \(line)\n"
                }
            }
        }
        return out
    }

    private static func describe(_ instruction: Instruction, _ program: CallProgram) -> String {
        let text = program.steps[Int(instruction.step)].text
        switch instruction.operation {
        case .sendRequest, .sendResponse, .acknowledge, .sendRaw: return "\(text)   template \(instruction.a)"
        case .wait:
            let wait = program.waits[Int(instruction.a)]
            var limit = "\(Double(wait.limit) / 1000) s"
            if wait.limitAfterProvisional > 0 {
                limit += " (\(Double(wait.limitAfterProvisional) / 1000) s after a provisional)"
            }
            if !wait.peerPauses.isEmpty { limit += " and the peer's pauses" }
            let choices = (wait.firstAlternative..<(wait.firstAlternative + wait.alternativeCount)).map { number in
                let choice = program.alternatives[number]
                let what =
                    choice.kind == .response
                    ? (choice.low == choice.high ? "\(choice.low)" : "\(choice.low)…\(choice.high)")
                    : program.steps[choice.step].text.replacing("expect ", with: "")
                return "\(what) → \(choice.target)"
            }
            let timeout = wait.timeout >= 0 ? "time-out → \(wait.timeout)" : "else failed"
            return "wait \((choices + [timeout]).joined(separator: ", "))   within \(limit)"
        case .pause: return text
        case .jump: return "go to \(instruction.a)"
        case .loopStart: return "\(text), when none go to \(instruction.c)"
        case .loopNext: return "again from \(instruction.c)"
        case .branchUnless: return "unless the condition holds go to \(instruction.c)"
        case .forget: return "forget the kept offer"
        case .end: return "end"
        case .capture, .set, .require, .mark, .measure, .signal, .fail, .finish: return text
        }
    }

    private static func readable(_ template: TemplateSource) -> String {
        template.segments.map { segment in
            switch segment {
            case .text(let octets): String(decoding: octets, as: UTF8.self)
            case .bound(let field): "‹\(field)›"
            case .live(let field, _): field == .bodyStart ? "" : "«\(field)»"
            }
        }.joined()
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
