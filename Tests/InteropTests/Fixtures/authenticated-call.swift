import ScenarioDSL

let registration = DialogName("registration")

/// Alice registers, calls herself through the proxy and hangs up; all three are challenged by a registrar that does so.
let authenticatedCall = Scenario("authenticated-call") {
    Party("alice") {
        Credentials(user: "alice", password: "\(Setting("password", default: "alice-secret"))")
        In(registration) {
            Send(.register, from: "sip:alice@example.test") { Expires(3600) }
            Expect(200)
        }
        Pause(Setting("between", default: "0s"))
        Send(.invite, from: "sip:alice@example.test", to: "sip:alice@example.test") { Offer(.audio(.pcmu)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(Setting("talk", default: "20ms"))
        Send(.bye)
        Expect(200)
    }
    Party("bob", .answers) {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
