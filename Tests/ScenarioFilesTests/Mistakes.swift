import Testing

/// A mistake as people make them: what is written instead of what, the line that must be named, words that must be said.
struct Mistake: Sendable, CustomTestStringConvertible {
    let name: String
    let right: String
    let wrong: String
    /// Text of the wrong file whose first occurrence stands on the line to be named.
    let at: String
    let words: [String]

    init(_ name: String, _ right: String, _ wrong: String, at: String? = nil, says words: String...) {
        self.name = name
        self.right = right
        self.wrong = wrong
        self.at = at ?? wrong
        self.words = words
    }

    var testDescription: String { name }

    var file: String { Mistake.base.replacing(right, with: wrong, maxReplacements: 1) }

    var line: Int {
        let text = file
        guard let place = text.firstRange(of: at) else { return -1 }
        return text[..<place.lowerBound].count { $0 == "\n" } + 1
    }

    /// The file that the mistakes are sown in.
    static let base = #"""
        import ScenarioDSL

        /// A call with alternatives.
        let call = Scenario("call", "a call with alternatives") {
            let hold = Setting("hold", default: "1s")
            let tag = Variable("tag")
            let invited = MarkName("invited")
            Party("alice") {
                Send(.invite, from: "sip:alice@\(.domain)") {
                    Offer(.audio(.pcmu, .pcma))
                    Header("Subject", "lunch")
                }
                Mark(invited)
                Expect(180, .optional)
                FirstOf(within: .seconds(8)) {
                    On(200) {
                        Capture(tag, from: .header("To").parameter("tag"))
                        Require(.header("Contact").exists, "RFC 3261 §12.1.1")
                        Send(.ack)
                    }
                    On(400...699) {
                        Fail("refused")
                    }
                }
                Pause(hold)
                If(tag == "1") {
                    Pause(.milliseconds(200))
                }
                Send(.bye) { Header("X-Tag", "\(tag)") }
                Expect(200)
            }
            Party("bob", .answers) {
                Expect(.invite) {
                    Capture(tag, from: .header("From").parameter("tag"))
                }
                Send(180)
                Pause(.exponential(mean: .seconds(1)))
                Send(200) { Answer() }
                Expect(.ack)
                Expect(.bye, within: .minutes(5))
                Send(603)
            }
        }

        let ping = Scenario("ping", "OPTIONS and its 200") {
            Party("carol") {
                Send(.options)
                Expect(.success)
            }
            Party("dave") {
                Expect(.options)
                Send(202)
            }
        }

        """#

    static let all: [Mistake] = [
        // Names.
        Mistake("misspelt variable", #""\(tag)""#, #""\(tga)""#, says: "'tga'", "did you mean 'tag'"),
        Mistake("misspelt setting", "Pause(hold)", "Pause(hodl)", says: "'hodl'", "did you mean 'hold'"),
        Mistake("misspelt method", "Send(.invite,", "Send(.invte,", says: ".invte", "did you mean '.invite'"),
        Mistake("misspelt word", "Pause(.expo", "Puase(.expo", says: "'Puase'", "did you mean 'Pause'"),
        Mistake("lower case word", "Expect(180", "expect(180", says: "'expect'", "did you mean 'Expect'"),
        Mistake("another tool's word", "Expect(.ack)", "Receive(.ack)", says: "'Receive'", "'Expect'"),
        Mistake("method in capitals", "Expect(.bye,", "Expect(.BYE,", says: "'BYE'", "'bye'"),
        Mistake("misspelt codec", ".pcma", ".pmca", says: ".pmca", "did you mean '.pcma'"),
        Mistake("misspelt field", ".domain", ".domian", says: ".domian", "did you mean '.domain'"),
        Mistake("dot forgotten", "Expect(.ack)", "Expect(ack)", says: "with a dot", ".ack"),
        Mistake("misspelt module", "import ScenarioDSL", "import ScenarioDLS", says: "did you mean 'ScenarioDSL'"),
        Mistake(
            "import forgotten", "import ScenarioDSL\n", "\n", at: "\n", says: "`import ScenarioDSL` is missing"),
        Mistake(
            "variable of another scenario", "Send(202)", #"Send(202) { Header("X", tag) }"#, says: "'tag'",
            "another block"),
        Mistake(
            "interpolated variable", #"Variable("tag")"#, #"Variable("tag\(text: "1")")"#, says: "is an interpolation",
            "Variable(String("),
        Mistake(
            "variable numbered by Swift", #"Variable("tag")"#, #"Variable("tag\(1 + 1)")"#, says: "is an interpolation",
            "Variable(String("),
        Mistake(
            "interpolated setting", #"Setting("hold", default: "1s")"#, #"Setting("hold\(text: "1")")"#,
            says: "is an interpolation", "Setting(String("),
        // Times.
        Mistake(
            "a time as default", #"default: "1s""#, "default: .seconds(1)", says: #"default: "3s""#,
            "as on the command line"),
        Mistake(
            "a fraction as default", #"default: "1s""#, "default: 1.5", says: #"default: "1.5""#,
            "as on the command line"),
        Mistake(
            "a value as default", #"default: "1s""#, "default: .domain", says: "text or a whole number",
            "as on the command line"),
        Mistake(
            "a draw by Swift", "Pause(.milliseconds(200))", "Pause(.milliseconds(Int.random(in: 200...800)))",
            says: "read once", "the same for every call", ".uniform("),
        Mistake(
            "a random time by another name", "Pause(.milliseconds(200))", "Pause(.random(200, 800))",
            says: "a random time is .uniform("),
        Mistake(
            "a range without blanks", "Pause(.milliseconds(200))", "Pause(.milliseconds(200)....milliseconds(800))",
            says: "a blank on both sides"),
        Mistake(
            "a range without blanks and dot", "Pause(.milliseconds(200))",
            "Pause(.milliseconds(200)...milliseconds(800))", says: "with a dot", ".milliseconds(200) ... "),
        // Places.
        Mistake(
            "step outside a party", #"    Party("alice") {"#, "    Send(.options)\n    Party(\"alice\") {",
            at: "Send(.options)", says: "inside Party(\"alice\")"),
        Mistake(
            "step at the top level", "let ping", "Send(.message)\n\nlet ping", at: "Send(.message)",
            says: "inside Party(\"alice\")"),
        Mistake(
            "On outside FirstOf", "        Pause(hold)", "        On(486) { Pause(hold) }",
            says: "belong inside 'FirstOf"),
        Mistake(
            "step directly in FirstOf", "            On(400...699)",
            "            Send(.cancel)\n            On(400...699)",
            at: "Send(.cancel)", says: "FirstOf holds alternatives", "On(200) { … }"),
        Mistake(
            "step inside a message", #"Header("Subject", "lunch")"#, "Pause(.seconds(7))",
            says: "a step does not stand inside a message"),
        Mistake(
            "content outside a message", "        Mark(invited)", "        Header(\"A\", \"b\")", says: "inside Send(…)"
        ),
        Mistake(
            "step inside Expect", #"            Capture(tag, from: .header("From").parameter("tag"))"#,
            "            Send(100)", says: "only looked at", "after the '}'"),
        Mistake(
            "party that takes no part", #"    Party("alice") {"#, #"    let alice = Party("alice") {"#,
            says: "takes no part", "let alice"),
        Mistake("word without brackets", "Answer()", "Answer", says: "carries its brackets", "Answer()"),
        // Kinds.
        Mistake(
            "number for a time", ".exponential(mean: .seconds(1))", "2", at: "Pause(2)", says: "unit", ".seconds(2)"),
        Mistake("number for a limit", ".seconds(8)", "8", at: "within: 8", says: "unit", ".seconds(2)"),
        Mistake("text for a time", ".milliseconds(200)", "\"200ms\"", says: "unit", ".milliseconds(200)"),
        Mistake("text for a status", "Expect(180", "Expect(\"180\"", says: "a status is a number", "Expect(200)"),
        Mistake("text for a method", "Send(.bye)", "Send(\"BYE\")", says: "a method is a member", "Send(.invite)"),
        Mistake(
            "text for a variable", "Capture(tag, from: .header(\"To\"", "Capture(\"tag\", from: .header(\"To\"",
            says: "let x = Variable(\"x\")"),
        Mistake(
            "text for a dialog", "        Mark(invited)", "        AcceptTransfer(in: \"transferred\")",
            says: "a dialog is a constant", "AcceptTransfer(in: transferred)"),
        Mistake(
            "a reference among steps", "        Mark(invited)", "        ReferTo(\"sip:carol@example.com\")",
            says: "inside Send(…)"),
        Mistake("value for a condition", "\"Contact\").exists", "\"Contact\")", says: "no condition", ".exists"),
        Mistake("= for ==", "tag == \"1\"", "tag = \"1\"", says: "a comparison is written '=='"),
        Mistake("and for &&", "tag == \"1\"", "tag == \"1\" and tag != \"2\"", says: "'and' is written &&"),
        Mistake("a Swift if", "If(tag == \"1\")", "if tag == \"1\"", says: "If("),
        Mistake(
            "a Swift print", "        Send(180)", "        print(\"x\")\n        Send(180)", at: "print",
            says: "is data"),
        // Arguments.
        Mistake("label of another tool", "within: .seconds(8)", "timeout: .seconds(8)", says: "called 'within'"),
        Mistake(
            "arguments in disorder", "within: .minutes(5))", "within: .minutes(5), .optional)",
            says: "arguments have an order", "Expect("),
        Mistake(
            "a media type as a member", #"Header("Subject", "lunch")"#, #"Body(.text, "lunch")"#,
            says: "a text in quotes stands here, not '.text'", "Body("),
        Mistake(
            "a direction beside the media", "Offer(.audio(.pcmu, .pcma))", "Offer(.audio(.pcmu), direction: .sendonly)",
            says: "'direction:' belongs to a media stream"),
        Mistake(
            "a direction of an answer", "Answer()", "Answer(direction: .inactive)", says: "it is made of the offer"),
        Mistake(
            "a part that an SDP does not have", #"Require(.header("Contact").exists, "RFC 3261 §12.1.1")"#,
            #"Require(.sdp(.direction) == "sendonly")"#, says: "there is no part '.direction' of an SDP"),
        Mistake("comma forgotten", "180, .optional", "180 .optional", says: "',' is missing"),
        Mistake("argument forgotten", #""Subject", "lunch""#, #""Subject""#, says: "Header(\"Subject\", \"lunch\")"),
        Mistake("round bracket forgotten", ".minutes(5))", ".minutes(5)", says: "')' is missing"),
        Mistake("quote forgotten", "\"lunch\")", "\"lunch)", says: "'\"' is missing"),
        Mistake("a reason without its label", "Send(603)", "Send(603, \"No\")", says: "Send("),
        Mistake("brackets forgotten", "Send(180)", "Send 180", says: "brackets of Send are missing"),
        Mistake("unit without a dot", ".milliseconds(200)", "200ms", says: "unit", ".milliseconds(200)"),
        Mistake("name of a response", "180, .optional", ".ringing, .optional", says: "its number: 180"),
        Mistake("curly quotes", "\"bob\"", "“bob”", says: "quotes are straight"),
        Mistake(
            "round bracket over the line", "Send(.ack)\n", "Send(.ack\n", at: "Send(.ack\n", says: "')' is missing"),
        // Braces and comments.
        Mistake(
            "brace not opened", "Party(\"bob\", .answers) {", "Party(\"bob\", .answers)",
            says: "'{' is missing at the end"),
        Mistake(
            "Swift's else", "Pause(.milliseconds(200))\n        }",
            "Pause(.milliseconds(200))\n        } else { Pause(hold) }", at: "} else {", says: "} else: {"),
        Mistake(
            "brace of a party forgotten", "        Expect(200)\n    }\n", "        Expect(200)\n",
            at: "    Party(\"bob\"",
            says: "'}' is missing above", "line 8"),
        Mistake(
            "brace of an alternative forgotten", "Send(.ack)\n            }\n", "Send(.ack)\n",
            at: "            On(400",
            says: "'}' is missing above", "On(200)"),
        Mistake(
            "brace of a message forgotten", "\"lunch\")\n        }\n", "\"lunch\")\n", at: "        Mark(invited)",
            says: "'}' is missing above", "line 9"),
        Mistake(
            "brace too many", "Fail(\"refused\")\n            }\n        }\n",
            "Fail(\"refused\")\n            }\n        }}\n", at: "        }}", says: "'}' too many"),
        Mistake("comment of a shell", "Mark(invited)", "Mark(invited) # start", says: "begins with //"),
        Mistake("declared twice", "let ping", "let call", at: "let call = Scenario(\"ping\"", says: "declared twice"),
    ]
}
