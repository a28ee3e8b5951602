import ScenarioDSL

/// RFC 3994 §5: the document that says so.
private let isTyping: Value = """
    <?xml version="1.0" encoding="UTF-8"?>
    <isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>active</state><contenttype>text/plain</contenttype></isComposing>

    """

/// Two people write to each other inside a call, and each sees that the other is typing: RFC 3428 §5, RFC 3994.
///
/// A MESSAGE in a dialog goes where the call goes. What says that somebody is typing is a MESSAGE too, with an `isComposing` document.
/// `--set turns=…` says how often each writes (2 unless said). Parties: alice and bob. A sensible rate is 50/s. Fails if a MESSAGE is not
/// answered 200, or a text comes without the word that it is being typed.
public let conversation = Scenario("conversation", "MESSAGE both ways inside a call, with isComposing") {
    let turns = Setting("turns", default: 2)
    let typing = Setting("typing", default: "10ms")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Repeat(turns) {
            Send(.message) { Body("application/im-iscomposing+xml", isTyping) }
            Expect(200)
            Pause(typing)
            Send(.message) { Body("text/plain", "Can you hear me?") }
            Expect(200)
            Expect(.message) { Require(.body.contains("<state>active</state>"), "RFC 3994 §3.2") }
            Send(200)
            Expect(.message) { Require(.body == "As if you were here.", "the text is the one that was sent") }
            Send(200)
        }
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Repeat(turns) {
            Expect(.message) { Require(.body.contains("<state>active</state>"), "RFC 3994 §3.2") }
            Send(200)
            Expect(.message) { Require(.body == "Can you hear me?", "the text is the one that was sent") }
            Send(200)
            Send(.message) { Body("application/im-iscomposing+xml", isTyping) }
            Expect(200)
            Pause(typing)
            Send(.message) { Body("text/plain", "As if you were here.") }
            Expect(200)
        }
        Expect(.bye)
        Send(200)
    }
}
