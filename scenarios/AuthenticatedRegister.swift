import ScenarioDSL

/// A phone registers at a registrar that asks for credentials, and removes its binding with the same nonce: RFC 3665 §2.1, §2.4.
///
/// `--set user=…` and `--set password=…` say who registers, `--set expires=…` for how many seconds, `--hold` how long it stays.
public let authenticatedRegister = Scenario(
    "authenticated-register", "REGISTER, 401, REGISTER with credentials, 200, and the removal"
) {
    let user = Setting("user", default: "alice")
    let password = Setting("password", default: "secret")
    let expires = Setting("expires", default: "3600")
    let hold = Setting("hold", default: "0s")
    Party("phone") {
        Credentials(user: user, password: password)
        Send(.register, from: "sip:\(user)@\(.domain)", requestURI: "sip:\(.domain)") { Expires(expires) }
        Expect(200)
        Pause(hold)
        Send(.register, from: "sip:\(user)@\(.domain)", requestURI: "sip:\(.domain)") { Expires(0) }
        Expect(200)
    }
    Party("registrar") {
        Expect(.register) { Authenticate(user: user, password: password) }
        Send(200) { Contact("<\(.header("Contact").uri)>;expires=\(.header("Expires"))") }
        Expect(.register, within: .hours(1)) {
            Authenticate(user: user, password: password)
            Require(.header("Expires") == 0, "the second REGISTER removes the binding")
        }
        Send(200) { Without("Contact") }
    }
}
