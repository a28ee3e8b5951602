import ScenarioDSL

/// A program as text: what each instruction does, with the source line it comes from, and the messages with what is filled
/// in. ‹…› is known when a worker starts, «…» when the message is sent.
package enum ProgramListing {
    package static func text(of program: CallProgram, messages: Bool) -> String {
        var out = ""
        for party in program.parties {
            let layout = party.layout
            out +=
                "\n\(party.name) \(party.answers ? "answers" : "begins"): \(count(layout.dialogs, "dialog")),"
                + " \(layout.clients) client and \(count(layout.servers, "server transaction")),"
                + " \(layout.stride) octets a call\n"
            let lines = (party.entry..<party.end).map { line($0, program) }
            let places = lines.map(\.place.count).max() ?? 0
            let texts = min(lines.filter { !$0.remark.isEmpty }.map(\.text.count).max() ?? 0, 60)
            for (number, line) in zip(party.entry..<party.end, lines) {
                var row = "\(pad(String(number), 6, atFront: true))  \(pad(line.place, places))  "
                row += line.remark.isEmpty ? line.text : "\(pad(line.text, texts))  \(line.remark)"
                out += row + "\n"
            }
        }
        guard messages else { return out }
        for (number, template) in program.templates.enumerated() {
            let name = template.status == 0 ? template.methodText : "\(template.status) to \(template.methodText)"
            let kind = template.isPure ? "rendered again when repeated" : "kept as sent until it is over"
            out += "\nmessage \(number): \(name) of \(program.parties[template.party].name), \(kind)\n"
            var lines = readable(template, program).split(separator: "\r\n", omittingEmptySubsequences: false)
            // The end of the last line, and the empty line that ends a head without a body.
            while lines.last?.isEmpty == true { lines.removeLast() }
            for line in lines { out += "    \(line)\n" }
        }
        out += "\n‹…› is known when the run begins, «…» when the message is sent\n"
        return out
    }

    private static func line(_ number: Int, _ program: CallProgram) -> (place: String, text: String, remark: String) {
        let instruction = program.instructions[number]
        let step = program.steps[Int(instruction.step)]
        let (text, remark) = describe(instruction, program)
        return ("\(step.at.file):\(step.at.line)", text, remark)
    }

    private static func describe(_ instruction: Instruction, _ program: CallProgram) -> (String, remark: String) {
        let text = program.steps[Int(instruction.step)].text
        switch instruction.operation {
        case .sendRequest, .sendResponse, .acknowledge, .sendRaw: return (text, "message \(instruction.a)")
        case .wait: return describe(program.waits[Int(instruction.a)], program)
        case .pause:
            return (
                "pause \(describe(program.delays[Int(instruction.a)], program))",
                instruction.c > 0 ? "at the end of the load: go to \(instruction.c)" : ""
            )
        case .beginRepeating: return (text, "counted")
        case .branchAtEnd: return (text, "at the end of the load: go to \(instruction.c)")
        case .jump: return ("go to \(instruction.a)", "")
        case .loopStart: return (text, "no more: go to \(instruction.c)")
        case .loopNext: return ("again from \(instruction.c)", "")
        case .branchUnless: return (text, "else go to \(instruction.c)")
        case .authenticate:
            return (
                text,
                "refused: message \(program.authentications[Int(instruction.a)].challenge), go to \(instruction.c)"
            )
        case .forget: return ("forget the offer", "")
        case .end: return ("end", "")
        case .capture, .set, .require, .correlate, .mark, .measure, .signal, .fail, .finish, .credentials,
            .sendMedia:
            return (text, "")
        }
    }

    private static func describe(_ wait: WaitPlan, _ program: CallProgram) -> (String, remark: String) {
        var limit = milliseconds(wait.limit)
        if wait.limitAfterProvisional > 0 {
            limit += ", \(milliseconds(wait.limitAfterProvisional)) after a provisional"
        }
        if !wait.peerPauses.isEmpty { limit += " and the peer's pauses" }
        let end = wait.timeout >= 0 ? "then go to \(wait.timeout)" : "then the call has failed"
        switch wait.kind {
        case .silence: return (program.steps[wait.step].text, "\(limit)")
        case .signal: return (program.steps[wait.step].text, "\(limit), \(end)")
        case .message: break
        }
        let choices = (wait.firstAlternative..<(wait.firstAlternative + wait.alternativeCount)).map { number in
            let choice = program.alternatives[number]
            return "\(describe(choice, program)) → \(choice.target)"
        }
        return ("wait for \(choices.joined(separator: ", "))", "\(limit), \(end)")
    }

    private static func describe(_ choice: Alternative, _ program: CallProgram) -> String {
        switch choice.kind {
        case .response: return choice.low == choice.high ? "\(choice.low)" : "\(choice.low)…\(choice.high)"
        case .anyRequest: return "any request"
        case .request:
            if choice.methodText >= 0 {
                return String(decoding: program.values.texts[choice.methodText], as: UTF8.self)
            }
            return choice.method.token.description
        }
    }

    private static func describe(_ delay: DelayPlan, _ program: CallProgram) -> String {
        func time(_ nanoseconds: Double) -> String {
            milliseconds(UInt32(clamping: Int64(min(nanoseconds / 1e6, 4e9))))
        }
        switch delay {
        case .fixed(let length): return time(Double(length))
        case .uniform(let low, let high): return "from \(time(Double(low))) to \(time(Double(high)))"
        case .exponential(let mean): return "exponential, mean \(time(mean))"
        case .lognormal(let median, let sigma): return "lognormal, median \(time(median)), σ \(sigma)"
        case .weibull(let shape, let scale): return "Weibull, shape \(shape), scale \(time(scale))"
        case .empirical(_, let delays): return "one of \(delays.map { time(Double($0)) }.joined(separator: ", "))"
        case .value(let node): return ValueWords(program: program, party: nil).text(node, depth: 0)
        case .part(let low, let high, let node):
            return "\(low) to \(high) of \(ValueWords(program: program, party: nil).text(node, depth: 0))"
        }
    }

    // MARK: messages

    private static func readable(_ template: TemplateSource, _ program: CallProgram) -> String {
        let values = ValueWords(program: program, party: program.parties[template.party])
        return template.segments.map { segment in
            switch segment {
            case .text(let octets): String(decoding: octets, as: UTF8.self)
            case .bound(let field): words(field, program)
            case .live(let field, let argument): words(field, argument, values)
            }
        }.joined()
    }

    private static func words(_ field: BoundField, _ program: CallProgram) -> String {
        switch field {
        case .viaParameters: ""
        case .localHostPort, .contactHostPort: "‹local address:port›"
        case .localHost: "‹local address›"
        case .transport: "‹UDP, TCP or TLS›"
        case .contactScheme: "‹sip or sips›"
        case .contactTransport: "‹;transport= unless UDP›"
        case .connectionAddress: "‹IP4 or IP6 and local address›"
        case .localPort: "‹local port›"
        case .nonce: "‹run›"
        case .domain: "‹domain›"
        case .target: "‹target›"
        case .user(let name): name
        case .partyURI(let party): "‹address of \(program.parties[party].name)›"
        case .calleeURI(let party): "‹address of \(program.parties[party].name) at the target›"
        case .setting(let name): "‹setting \(name)›"
        case .extraHeaders, .extraRoutes: ""
        case .version: "Carillon"
        }
    }

    private static func words(_ field: LiveField, _ argument: Int, _ values: ValueWords) -> String {
        switch field {
        case .branch: "«branch»"
        case .localTag: "«own tag»"
        case .ownCallID: "«call»"
        case .learnedCallID: "«Call-ID of the dialog»"
        case .cseq: "«number»"
        case .remoteTag: "«;tag= of the peer»"
        case .remoteTarget: "«remote target»"
        case .routes: "«Route lines, where there is a route set»\r\n"
        case .learnedLocalIdentity: "«To of the INVITE, own tag»"
        case .learnedRemoteIdentity: "«From of the INVITE»"
        case .echo: "«Via, From, To, Call-ID, CSeq of the request»\r\n"
        case .value: "«\(values.text(argument, depth: 0))»"
        case .bodyLength: "«length»"
        case .bodyStart: ""
        case .rack: "«number of the provisional response and its CSeq»"
        case .inviteRoutes: "«Route lines of the INVITE»\r\n"
        case .challenge: "«challenge»"
        case .inviteURI: "«request URI of the INVITE»"
        case .mediaPort: "«port of stream \((argument & 0xFF) + 1)»"
        case .formedURI: "«URI of \(values.text(argument, depth: 0)) without headers»"
        case .formedHeaders: "«headers in the URI of \(values.text(argument, depth: 0))»"
        case .redirectURI: "«URI of \(values.text(argument, depth: 0))»"
        }
    }

    // MARK: small tools

    private static func milliseconds(_ value: UInt32) -> String {
        if value < 1000 { return "\(value) ms" }
        return value % 1000 == 0 ? "\(value / 1000) s" : "\(Double(value) / 1000) s"
    }

    private static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    private static func pad(_ text: String, _ width: Int, atFront: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(0, width - text.count))
        return atFront ? blanks + text : text + blanks
    }
}

/// Values of the pool in words.
private struct ValueWords {
    let program: CallProgram
    let party: PartyProgram?

    private func string(_ index: Int32) -> String {
        program.values.texts.indices.contains(Int(index))
            ? String(decoding: program.values.texts[Int(index)], as: UTF8.self) : "?"
    }

    func text(_ node: Int, depth: Int) -> String {
        guard program.values.nodes.indices.contains(node), depth < 8 else { return "…" }
        let tree = program.values.nodes[node]
        func child(_ index: Int32) -> String { text(Int(index), depth: depth + 1) }
        switch tree.kind {
        case .text: return string(tree.a)
        case .joined:
            return program.values.children[Int(tree.a)..<Int(tree.a + tree.b)].map(child).joined()
        case .variable:
            let names = party?.variables ?? []
            return names.indices.contains(Int(tree.a))
                ? String(names[Int(tree.a)].drop { $0 == "\u{1}" || $0 == "<" }) : "a variable"
        case .setting:
            let name = string(tree.a)
            if name.hasPrefix("\u{1}party:"), let number = Int(name.dropFirst(7)) {
                return "address of \(program.parties[number].name)"
            }
            return "setting \(name)"
        case .feed:
            let column = program.feedColumns[Int(tree.a)]
            return "\(column.name) of \(program.feeds[column.feed].name)"
        case .field: return ValuePool.Field(rawValue: tree.a).map { Self.words($0) } ?? "?"
        case .random: return "\(tree.a) random digits"
        case .header: return string(tree.b) + (tree.c == 0 ? "" : " \(tree.c < 0 ? "last" : "number \(tree.c + 1)")")
        case .parameter: return "\(string(tree.a)) of \(child(tree.b))"
        case .uriPart:
            return
                "\(["URI", "user", "host", "port", "URI without headers"][Int(min(max(tree.a, 0), 4))]) of \(child(tree.b))"
        case .uriHeader: return "\(string(tree.a)) in the URI of \(child(tree.b))"
        case .escaped: return "\(child(tree.a)), escaped"
        case .sdpConnection: return "SDP connection address"
        case .sdpPort: return "SDP port \(tree.a + 1)"
        case .sdpAttribute: return "SDP attribute \(string(tree.a))"
        case .ownBinding: return "own binding received"
        case .body: return "body received"
        case .status: return "status received"
        case .reasonPhrase: return "reason phrase received"
        case .method: return "method received"
        case .requestURI: return "request URI received"
        case .matching: return "match in \(child(tree.b))"
        case .length: return "length of \(child(tree.a))"
        case .plus: return "\(child(tree.a)) + \(child(tree.b))"
        case .minus: return "\(child(tree.a)) - \(child(tree.b))"
        case .times: return "\(child(tree.a)) * \(child(tree.b))"
        case .answer: return "the answer to the offer received (RFC 3264 §6)"
        default: return "a condition"
        }
    }

    private static func words(_ field: ValuePool.Field) -> String {
        switch field {
        case .domain: "domain"
        case .target: "target"
        case .localAddress: "local address"
        case .localPort: "local port"
        case .localURI: "own address of record"
        case .remoteURI: "the peer's address of record"
        case .callID: "Call-ID"
        case .localTag: "own tag"
        case .remoteTag: "the peer's tag"
        case .cseq: "CSeq number"
        case .runNumber: "number of the call"
        case .party: "name of the party"
        case .unixTime: "seconds since 1970"
        case .remoteTarget: "the peer's Contact"
        }
    }
}
