import ScenarioDSL

/// One instant message outside a dialog: RFC 3428 §4, §7.
///
/// Alice sends `--set text=…` ("Watson, come here." unless said), bob answers 200.
/// Fails on any other final response, also 202: with it nobody knows whether the message was read.
public let instantMessage = Scenario("message", "MESSAGE and its 200") {
    let text = Setting("text", default: "Watson, come here.")
    Party("alice") {
        Send(.message) { Body("text/plain", text) }
        Expect(200)
    }
    Party("bob") {
        Expect(.message) { Require(.body.length > 0, "the message has no text") }
        Send(200)
    }
}
