import ScenarioDSL
import SIPWire

/// Finds what is wrong in a scenario without following its flow: names, numbers, texts, signals. What needs the flow (an ACK
/// before its INVITE, a value never set, a step never reached) is found by the compiler.
enum ScenarioChecker {
    static func check(_ scenario: ScenarioTree) -> [Diagnostic] {
        var walk = Walk(scenario)
        walk.run()
        return walk.found
    }

    private struct Walk {
        let scenario: ScenarioTree
        var found: [Diagnostic] = []
        var signalled: [String: Spot] = [:]
        var awaited: [(name: String, at: Spot)] = []
        /// Where runs are given a value, and where legs are joined by one.
        var correlated: (named: Spot?, joined: Spot?)

        init(_ scenario: ScenarioTree) { self.scenario = scenario }

        mutating func error(_ at: Spot, _ text: String) { found.append(Diagnostic(.error, at: at, text)) }
        mutating func warn(_ at: Spot, _ text: String) { found.append(Diagnostic(.warning, at: at, text)) }

        mutating func run() {
            for problem in scenario.problems { error(problem.at, problem.text) }
            if scenario.parties.isEmpty {
                error(
                    scenario.at,
                    "scenario \"\(scenario.name)\" has no party, so nobody calls. Add Party(\"alice\") { … }")
            }
            if scenario.parties.count > 250 { error(scenario.at, "a scenario can have 250 parties") }
            var names: [String: Spot] = [:]
            var callers: [PartyTree] = []
            for party in scenario.parties {
                if let earlier = names[party.name] {
                    error(
                        party.at,
                        "a second party named \"\(party.name)\" (the first is in line \(earlier.line)): messages could not be"
                            + " told apart. Give it another name")
                }
                names[party.name] = party.at
                if !Self.isUser(party.name) {
                    error(
                        party.at,
                        "\"\(party.name)\" cannot be the user part of a SIP URI, and the party's name is its address:"
                            + " use letters, digits and -_.!~*'() (RFC 3261 §25.1)")
                }
                if party.steps.isEmpty {
                    error(party.at, "\(party.name) does nothing: give the party steps, or remove it")
                }
                if !party.startsByWaiting { callers.append(party) }
            }
            if callers.count > 1 {
                error(
                    callers[1].at,
                    "\(callers[0].name) and \(callers[1].name) both begin by themselves, but an arrival creates one party:"
                        + " begin \(callers[1].name) with an Expect, or write Party(\"\(callers[1].name)\", .answers)")
            }
            for party in scenario.parties {
                check(party.steps)
                if let at = Self.unheard(party.steps) {
                    warn(
                        at,
                        "\(party.name) sends media and has neither an Offer() nor an Answer(): there is no stream to send on, and this line"
                            + " has no effect")
                }
            }
            if signalled.count > 8, let last = signalled.values.max(by: { $0.line < $1.line }) {
                error(last, "a scenario can have 8 signals, this one has \(signalled.count)")
            }
            for (name, at) in awaited where signalled[name] == nil {
                error(
                    at,
                    "nobody sends the signal \"\(name)\": this wait can only reach its limit. Add Signal(\"\(name)\")")
            }
            if let at = correlated.joined, correlated.named == nil {
                error(
                    at,
                    "no party says Correlate(as: …), so no leg would be joined by this value. Put Correlate(as: …) with the same value"
                        + " before the Send that begins the call")
            }
            if let at = correlated.named, correlated.joined == nil {
                warn(
                    at,
                    "no party joins legs by this value: this line has no effect. Begin the called party with Correlate(by: …)"
                )
            }
            for (name, at) in signalled where !awaited.contains(where: { $0.name == name }) {
                warn(
                    at, "nobody waits for the signal \"\(name)\": this line has no effect. Add AwaitSignal(\"\(name)\")"
                )
            }
        }

        mutating func check(_ steps: [Step]) {
            for step in steps { check(step) }
        }

        mutating func check(_ step: Step) {
            let at = step.at
            switch step.action {
            case .send(let tree):
                check(tree.what, at: at, sending: true)
                for value in [tree.from, tree.to, tree.requestURI, tree.reason].compactMap({ $0 }) {
                    check(value, at: at, inHeader: true)
                }
                for content in tree.content { check(content, raw: false) }
                checkReference(tree, at: at)
            case .sendRaw(let tree):
                if let what = tree.what { check(what, at: at, sending: true) }
                for content in tree.content { check(content, raw: true) }
            case .expect(let tree):
                if tree.what.isEmpty { error(at, "Expect without a message: write Expect(200) or Expect(.invite)") }
                for message in tree.what { check(message, at: at, sending: false) }
                check(limit: tree.within, at: at)
                check(tree.inspections)
            case .expectNothing(let tree): check(limit: tree.time, at: at)
            case .firstOf(let tree):
                let messages = tree.alternatives.filter { !$0.isTimeout }
                let timeouts = tree.alternatives.filter(\.isTimeout)
                if messages.isEmpty {
                    error(at, "FirstOf has no On(…), so it waits for nothing. Add On(200) { … } or use Pause")
                }
                if timeouts.count > 1 {
                    error(timeouts[1].at, "a second OnTimeout is never reached: one time limit has one end")
                }
                check(limit: tree.within, at: at)
                var seen: [(low: Int, high: Int, answering: String?, line: Int)] = []
                for alternative in tree.alternatives {
                    for message in alternative.what {
                        check(message, at: alternative.at, sending: false)
                        if case .statuses(let low, let high) = message {
                            if let first = seen.first(where: {
                                $0.low <= low && high <= $0.high && $0.answering == alternative.answering
                            }) {
                                error(
                                    alternative.at,
                                    "this On is never reached: line \(first.line) takes \(first.low)…\(first.high) before"
                                        + " it. Put the narrower one first")
                            }
                            seen.append((low, high, alternative.answering, alternative.at.line))
                        }
                    }
                    check(alternative.steps)
                }
            case .pause(let tree): check(tree, at: at)
            case .repeated(let tree):
                if let count = tree.count { check(count: count, at: at) } else { checkEndless(tree.steps, at: at) }
                check(tree.steps)
            case .choose(let tree):
                check(tree.condition, at: at)
                check(tree.then)
                check(tree.otherwise)
            case .inDialog(let tree): check(tree.steps)
            case .capture(let tree):
                check(tree.from, at: at, inHeader: false)
                if let otherwise = tree.otherwise { check(otherwise, at: at, inHeader: false) }
            case .set(let tree): check(tree.to, at: at, inHeader: false)
            case .require(let tree): check(tree.condition, at: at)
            case .signal(let tree): signalled[tree.name] = at
            case .awaitSignal(let tree):
                awaited.append((tree.name, at))
                check(limit: tree.within, at: at)
            case .authenticate(let tree):
                for value in [tree.password, tree.realm] + (tree.user.map { [$0] } ?? []) {
                    check(value, at: at, inHeader: false)
                }
                if tree.algorithms.isEmpty { error(at, "Authenticate without an algorithm challenges nobody") }
                if Set(tree.algorithms).count < tree.algorithms.count {
                    error(at, "one challenge for each algorithm (RFC 8760 §2.3): one of them is named twice")
                }
                if tree.nonceLives.nanoseconds <= 0 { error(at, "a nonce that never lives lets nobody in") }
            case .credentials(let tree):
                for value in [tree.user, tree.password] + (tree.realm.map { [$0] } ?? []) {
                    check(value, at: at, inHeader: false)
                }
                if tree.user == .text("") {
                    error(at, "credentials without a user name: no server knows whose they are")
                }
            case .correlate(let tree):
                check(tree.value, at: at, inHeader: false)
                if tree.names { correlated.named = at } else { correlated.joined = at }
            case .notified(let tree):
                check(tree.until, at: at, sending: false)
                if case .method(let name) = tree.until {
                    error(
                        at,
                        "Notified(until: …) names the status that a sipfrag tells, and \(name) is a method. Write .finalResponse,"
                            + " .provisional or a status (RFC 3515 §2.4.5)")
                }
                check(limit: tree.within, at: at)
            case .mark, .measure, .noAck, .fail, .finish, .sendMedia: break
            }
        }

        /// A REFER says whom to call.
        private mutating func checkReference(_ tree: SendTree, at: Spot) {
            guard tree.what == .method("REFER") else { return }
            let targets = tree.content.filter {
                if case .header(let header) = $0.part { HeaderName(token: header.name) == .referTo } else { false }
            }
            if targets.count != 1 {
                warn(
                    at,
                    "a REFER has one Refer-To, this one has \(targets.count): the peer would answer 400. Write Send(.refer) {"
                        + " ReferTo(…) } (RFC 3515 §2.4.2)")
            }
        }

        mutating func check(_ message: MessageTree, at: Spot, sending: Bool) {
            switch message {
            case .method(let name):
                if name == "*" {
                    if sending { error(at, "\"*\" stands for any request and can only be expected") }
                } else if name.isEmpty || !name.utf8.allSatisfy(Self.isTokenOctet) {
                    error(at, "\"\(name)\" is no method: a method is a token (RFC 3261 §25.1)")
                } else if name != name.uppercased(), Method(token: name.uppercased()) != .other {
                    warn(at, "methods are case-sensitive: \"\(name)\" is not \(name.uppercased()) (RFC 3261 §7.1)")
                }
            case .statuses(let low, let high):
                if low > high { error(at, "\(low)...\(high) holds no status: the lower one comes first") }
                for status in [low, high] where !(100...699).contains(status) {
                    error(at, "\(status) is no SIP status: 100 to 699 are (RFC 3261 §7.2)")
                }
                if sending && low != high { error(at, "one status is sent, not \(low)...\(high)") }
            }
        }

        mutating func check(limit: Seconds?, at: Spot) {
            guard let limit else { return }
            if limit.nanoseconds <= 0 {
                error(at, "a limit of \(limit.duration) is over before it begins: write a positive one")
            }
            if limit.nanoseconds > 4_000_000 * 1_000_000_000 { error(at, "a wait can last 46 days at most") }
        }

        mutating func check(_ delay: DelayTree, at: Spot) {
            if let problem = delay.problem { error(at, problem) }
            guard let value = delay.source else { return }
            check(value, at: at, inHeader: false)
            if case .part = delay {
                if let problem = value.partProblem { error(at, problem) }
                return
            }
            switch value {
            case .setting(let name, let fallback?):
                if let problem = DelayTree.problem(ofText: fallback) {
                    error(at, "the default of the setting \"\(name)\" cannot be paused: \(problem)")
                }
            case .text(let text): if let problem = DelayTree.problem(ofText: text) { error(at, problem) }
            default: break
            }
        }

        /// A block that is done until the load ends waits for something.
        mutating func checkEndless(_ steps: [Step], at: Spot) {
            guard !Self.waits(steps) else { return }
            error(
                at,
                "RepeatUntilEnd waits for nothing: its rounds would follow one another without end. Put a Pause into it, or an"
                    + " Expect")
        }

        private static func waits(_ steps: [Step]) -> Bool {
            steps.contains { step in
                switch step.action {
                case .pause, .expect, .firstOf, .expectNothing, .awaitSignal: true
                case .inDialog(let tree): waits(tree.steps)
                case .choose(let tree): waits(tree.then) && waits(tree.otherwise)
                case .repeated(let tree): waits(tree.steps)
                default: false
                }
            }
        }

        /// How often a block is done, as far as that is known.
        mutating func check(count: ValueTree, at: Spot) {
            check(count, at: at, inHeader: false)
            switch count {
            case .number(let number):
                if number < 0 { error(at, "Repeat(\(number)): a count is 0 or more") }
                if number > Int(UInt32.max) { error(at, "Repeat(\(number)): \(UInt32.max) rounds are the most") }
            case .setting(let name, let fallback?):
                if UInt32(fallback) == nil {
                    error(
                        at,
                        "the default of the setting \"\(name)\", \"\(fallback)\", is no number of times: write 0 to"
                            + " \(UInt32.max)")
                }
            case .text(let text):
                if UInt32(text) == nil {
                    error(at, "Repeat(\"\(text)\"): \"\(text)\" is no number of times: write 0 to \(UInt32.max)")
                }
            default: break
            }
        }

        mutating func check(_ content: Content, raw: Bool) {
            switch content.part {
            case .header(let tree):
                if tree.name.isEmpty || !tree.name.utf8.allSatisfy(Self.isTokenOctet) {
                    error(content.at, "\"\(tree.name)\" is no header name: a token is (RFC 3261 §25.1)")
                }
                check(tree.value, at: content.at, inHeader: !raw)
                if !raw, HeaderName(token: tree.name) == .contentLength {
                    warn(
                        content.at,
                        "Content-Length is written by itself; this one overrides it and may lie. Use SendRaw to misbehave"
                            + " on purpose")
                }
            case .without: break
            case .body(let tree): check(tree.text, at: content.at, inHeader: false)
            case .offer(let tree):
                if tree.media.isEmpty {
                    error(content.at, "Offer() without media offers nothing: Offer(.audio(.pcmu))")
                }
                for media in tree.media {
                    if let port = media.port, !(0...65_535).contains(port) {
                        error(content.at, "port \(port) does not exist: 0 to 65535")
                    }
                    if media.codecs.isEmpty {
                        error(content.at, "\(media.kind) without a codec: an m= line needs a format (RFC 4566 §5.14)")
                    }
                    for codec in media.codecs where !(0...127).contains(codec.payload) {
                        error(content.at, "payload type \(codec.payload) does not exist: 0 to 127 (RFC 3551)")
                    }
                }
            case .answer: break
            case .startLine(let tree): check(tree.text, at: content.at, inHeader: !raw)
            case .bytes: break
            }
        }

        mutating func check(_ value: ValueTree, at: Spot, inHeader: Bool) {
            switch value {
            case .text(let text):
                if inHeader && text.utf8.contains(where: { $0 == 10 || $0 == 13 }) {
                    error(
                        at,
                        "a line end inside a header value would start another header. Write two Headers, or SendRaw to"
                            + " misbehave on purpose")
                }
                if let placeholder = Self.foreignPlaceholder(text) {
                    error(
                        at,
                        "\"\(placeholder)\" is sent as it stands: placeholders of other tools are not filled in. Write"
                            + " \\(…) around a Swift value")
                }
            case .joined(let parts): for part in parts { check(part, at: at, inHeader: inHeader) }
            case .random(let digits):
                if !(1...18).contains(digits) { error(at, "\(digits) random digits: 1 to 18") }
            case .matching(let pattern, let of):
                check(pattern: pattern, at: at)
                check(of, at: at, inHeader: false)
            case .parameter(_, let of), .uriPart(_, let of), .length(let of), .uriHeader(_, let of), .escaped(let of):
                check(of, at: at, inHeader: false)
            case .partyURI(let name):
                if !scenario.parties.contains(where: { $0.name == name }) {
                    error(
                        at,
                        "\"\(name)\" is no party of this scenario, so it has no address here. List it among the parties"
                    )
                }
            case .arithmetic(_, let left, let right):
                check(left, at: at, inHeader: false)
                check(right, at: at, inHeader: false)
            case .unborn:
                error(at, "a constant is read above the line that declares it, and holds nothing there: move it up")
            default: break
            }
        }

        mutating func check(_ condition: ConditionTree, at: Spot) {
            switch condition {
            case .compare(_, let left, let right):
                check(left, at: at, inHeader: false)
                check(right, at: at, inHeader: false)
                if left.isConstant, right.isConstant, left.isPlainText, right.isPlainText {
                    error(
                        at,
                        "\(left.reading) and \(right.reading) are both constants, so the answer never changes: a variable is"
                            + " written without quotes")
                }
            case .exists(let value): check(value, at: at, inHeader: false)
            case .contains(let value, let part), .hasPrefix(let value, let part):
                check(value, at: at, inHeader: false)
                check(part, at: at, inHeader: false)
            case .matches(let value, let pattern):
                check(value, at: at, inHeader: false)
                check(pattern: pattern, at: at)
            case .all(let members), .any(let members): for member in members { check(member, at: at) }
            case .not(let member): check(member, at: at)
            }
        }

        mutating func check(pattern: String, at: Spot) {
            do {
                _ = try Regex(pattern)
            } catch {
                self.error(at, "\"\(pattern)\" is no regular expression: \(error)")
            }
        }

        /// The first `SendMedia` of a party that never describes a stream.
        static func unheard(_ steps: [Step]) -> Spot? {
            var first: Spot?
            var describes = false
            func look(_ steps: [Step]) {
                for step in steps {
                    switch step.action {
                    case .sendMedia: first = first ?? step.at
                    case .send(let tree): look(tree.content)
                    case .sendRaw(let tree): look(tree.content)
                    case .firstOf(let tree): for alternative in tree.alternatives { look(alternative.steps) }
                    case .repeated(let tree): look(tree.steps)
                    case .choose(let tree): look(tree.then + tree.otherwise)
                    case .inDialog(let tree): look(tree.steps)
                    default: continue
                    }
                }
            }
            func look(_ content: [Content]) {
                for item in content {
                    switch item.part {
                    case .offer, .answer: describes = true
                    default: continue
                    }
                }
            }
            look(steps)
            return describes ? nil : first
        }

        static func isUser(_ name: String) -> Bool {
            !name.isEmpty
                && name.utf8.allSatisfy {
                    ($0 | 0x20 >= UInt8(ascii: "a") && $0 | 0x20 <= UInt8(ascii: "z"))
                        || ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) || "-_.!~*'()&=+$,;?/".utf8.contains($0)
                }
        }

        static func isTokenOctet(_ octet: UInt8) -> Bool {
            (octet | 0x20 >= UInt8(ascii: "a") && octet | 0x20 <= UInt8(ascii: "z"))
                || (octet >= UInt8(ascii: "0") && octet <= UInt8(ascii: "9")) || "-.!%*_+`'~".utf8.contains(octet)
        }

        /// `${users.user}`, `[call_id]`, `(users.user)`: how other tools and languages write what we write `\(…)`.
        static func foreignPlaceholder(_ text: String) -> String? {
            for (open, close) in [("${", "}"), ("{{", "}}")] {
                if let start = text.ranges(of: open).first,
                    let end = text[start.upperBound...].ranges(of: close).first
                {
                    return String(text[start.lowerBound..<end.upperBound])
                }
            }
            for word in [
                "call_id", "branch", "local_ip", "local_port", "remote_ip", "remote_port", "service", "cseq",
                "call_number", "len", "media_ip", "media_port", "transport", "peer_tag_param", "pid", "routes",
            ]
            where text.contains("[\(word)]") {
                return "[\(word)]"
            }
            return nil
        }
    }
}

extension ValueTree {
    var isPlainText: Bool {
        switch self {
        case .text, .number: true
        default: false
        }
    }
}
