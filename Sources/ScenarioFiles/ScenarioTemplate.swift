/// What `carillon new NAME` writes: a commented file that runs as it is.
package enum ScenarioTemplate {
    /// `name` is the scenario's: letters, digits, `-` and `_`.
    package static func text(name: String) -> String {
        """
        import ScenarioDSL

        // Run it, both sides in one process:     carillon run \(name).swift
        // Call a server with it:                 carillon run \(name).swift 192.0.2.1:5060 --rate 10/s --for 30s
        // Is it right, and how long it may take: carillon lint \(name).swift
        // See it as a ladder:                    carillon explain \(name).swift
        // All words: docs/scenario-language.md

        let \(identifier(name)) = Scenario("\(name)", "a call that is answered, held and ended") {
            // The command line may change it: --hold 3s, or --set hold='exponential(30s)'.
            let hold = Setting("hold", default: "1s")
            // What a call remembers.
            let peerTag = Variable("peerTag")

            // A party that starts by sending calls. Tags, CSeq, routes and Content-Length are made for you.
            Party("alice") {
                Send(.invite) {
                    Offer(.audio(.pcmu, .pcma))
                    Header("Subject", "call \\(.runNumber)")
                }
                Expect(180, .optional)
                FirstOf(within: .seconds(32)) {
                    On(200) {
                        Capture(peerTag, from: .header("To").parameter("tag"))
                        Send(.ack)
                    }
                    On(486) { Finish("busy") }
                    On(300...699) { Fail("refused") }
                }
                Pause(hold)
                Send(.bye)
                Expect(200)
            }

            // A party that starts by expecting answers.
            Party("bob") {
                Expect(.invite)
                Send(180)
                Pause(.uniform(.milliseconds(10), .milliseconds(50)))
                Send(200) { Answer() }
                Expect(.ack)
                Expect(.bye)
                Send(200)
            }
        }

        """
    }

    /// A Swift name: `my-call` → `myCall`.
    private static func identifier(_ name: String) -> String {
        let words = name.split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
        guard let first = words.first else { return "call" }
        let joined = first.lowercased() + words.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        let reserved: Set<String> = [
            "in", "if", "for", "let", "var", "func", "repeat", "switch", "case", "default", "is",
        ]
        return joined.first!.isNumber || reserved.contains(joined)
            ? "call" + joined.prefix(1).uppercased() + joined.dropFirst() : joined
    }
}
