/// How each word of the language is used, for messages about its brackets.
enum WordUse {
    static let examples: [String: String] = [
        "Scenario": #"Scenario("call", "one line on it") { Party("alice") { … } }"#,
        "Party": #"Party("alice") { … } or Party("bob", .answers) { … }"#,
        "Send": #"Send(486, reason: "Out to lunch"), Send(.invite, to: "sip:bob@example.com") { Offer() }"#,
        "SendRaw": #"SendRaw(.options, owning: .everything) { Header("CSeq", "1 OPTIONS") }"#,
        "Expect": "Expect(200), Expect(180, .optional), Expect(.bye, within: .minutes(5))",
        "ExpectNothing": "ExpectNothing(for: .seconds(1))",
        "FirstOf": "FirstOf(within: .seconds(8)) { On(200) { … } OnTimeout { … } }",
        "On": "On(200) { … }, On(401, 407) { … }, On(400...699) { … }",
        "OnTimeout": "OnTimeout { … }",
        "Pause": "Pause(.seconds(2)) or Pause(.exponential(mean: .seconds(30)))",
        "Repeat": "Repeat(3) { … }",
        "If": "If(expires > 60) { … } else: { … }",
        "In": "In(consultation) { … }",
        "Capture": #"Capture(tag, from: .header("To").parameter("tag"))"#,
        "Compute": "Compute(half, from: expires - 30)",
        "Require": #"Require(.header("Contact").exists, "RFC 3261 §12.1.1")"#,
        "Mark": "Mark(ringing)",
        "Measure": #"Measure("ring time", from: ringing)"#,
        "NoAck": "NoAck()",
        "SendMedia": "SendMedia(.tone), SendMedia(.echo), SendMedia(.nothing)",
        "Signal": "Signal(ready)",
        "AwaitSignal": "AwaitSignal(ready, within: .seconds(5))",
        "Fail": #"Fail("registration refused")"#,
        "Finish": #"Finish("busy")"#,
        "Authenticate": #"Expect(.register) { Authenticate(user: "alice", password: "secret") }"#,
        "Credentials": #"Credentials(user: "alice", password: "secret")"#,
        "Call": "Call(bob)",
        "AcceptCall": "AcceptCall()",
        "HangUp": "HangUp()",
        "Header": #"Header("Subject", "lunch")"#,
        "Without": #"Without("User-Agent")"#,
        "Body": #"Body("text/plain", "hello")"#,
        "Offer": "Offer(.audio(.pcmu, .pcma))",
        "Answer": "Answer()",
        "Expires": "Expires(3600)",
        "MaxForwards": "MaxForwards(70)",
        "Contact": #"Contact("<sip:alice@10.0.0.1>")"#,
        "StartLine": #"StartLine("OPTIONS sip:x SIP/2.0")"#,
        "Bytes": #"Bytes(0x0D, 0x0A) or Bytes(text: "…")"#,
        "Variable": #"let tag = Variable("tag")"#,
        "Setting": #"let hold = Setting("hold", default: "3s")"#,
        "MarkName": #"let ringing = MarkName("ringing")"#,
        "SignalName": #"let ready = SignalName("ready")"#,
        "DialogName": #"let consultation = DialogName("consultation")"#,
        "uniform": ".uniform(.seconds(1), .seconds(2))",
        "exponential": ".exponential(mean: .seconds(30))",
        "lognormal": ".lognormal(median: .seconds(30), sigma: 0.5)",
        "weibull": ".weibull(shape: 1.5, scale: .seconds(30))",
        "empirical": ".empirical((7, .seconds(1)), (3, .seconds(60)))",
        "header": #".header("Via", nth: 2)"#,
        "parameter": #".parameter("tag")"#,
        "matching": ##".matching(#"expires=(\d+)"#)"##,
    ]

    /// Members that stand behind a dot.
    static let members = [
        "header", "parameter", "matching", "length", "exists", "contains", "hasPrefix", "body", "status", "method",
        "sdp",
        "uri", "user", "host", "port", "domain", "target", "seconds", "milliseconds", "minutes", "hours", "exponential",
        "uniform", "lognormal", "weibull", "empirical", "audio", "video", "optional", "everything",
    ]

    /// Words of other tools.
    static let foreign = [
        "Receive": "Expect", "Recv": "Expect", "Wait": "Pause", "Sleep": "Pause", "Loop": "Repeat", "For": "Repeat",
        "Timeout": "OnTimeout", "Log": "Mark", "Check": "Require", "Assert": "Require", "Else": "If",
        "Switch": "FirstOf", "Case": "On", "Stop": "Finish", "Ack": "Send", "Bye": "HangUp", "Invite": "Send",
    ]

    static let labels: Set<String> = [
        "within", "from", "to", "answering", "reason", "requestURI", "redirectedTo", "owning", "otherwise", "mean",
        "median", "sigma", "shape", "scale", "direction", "port", "payload", "default", "digits", "nth",
    ]

    /// Names that other tools give to responses.
    static let statuses: [String: Int] = [
        "trying": 100, "ringing": 180, "progress": 183, "sessionprogress": 183, "ok": 200, "accepted": 202,
        "unauthorized": 401, "forbidden": 403, "notfound": 404, "proxyauthenticationrequired": 407, "timeout": 408,
        "busy": 486, "busyhere": 486, "requestterminated": 487, "cancelled": 487, "notacceptable": 488, "decline": 603,
    ]

    static let names: [String] = examples.keys.filter { $0.first?.isUppercase == true }.sorted()
}
