import ScenarioDSL

/// A call that is let in by credentials: the INVITE is challenged once, the BYE carries them at once. RFC 3665 §3.2, with the
/// callee in the place of the proxy.
///
/// `--set user=…` and `--set password=…` say who calls; `--hold` how long.
public let authenticatedCall = Scenario("authenticated-call", "INVITE, 407, INVITE with credentials, 200, ACK, BYE") {
    let user = Setting("user", default: "alice")
    let password = Setting("password", default: "secret")
    let hold = Setting("hold", default: "0s")
    Party("alice") {
        Credentials(user: user, password: password)
        Send(.invite, from: "sip:\(user)@\(.domain)") { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    Party("bob", .answers) {
        Expect(.invite) { Authenticate(user: user, password: password, asProxy: true) }
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye) { Authenticate(user: user, password: password, asProxy: true) }
        Send(200)
    }
}
