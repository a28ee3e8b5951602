import ScenarioDSL

/// A phone registers, checks what it was granted, and removes its binding: RFC 3665 §2.1 without authentication, RFC 3261 §10.
///
/// It asks for `--set expires=…` seconds (3600 unless said) and stays registered for `--hold`.
/// Fails if the registrar refuses, or does not say for how long the binding holds (RFC 3261 §10.3, step 8).
public let register = Scenario("register", "REGISTER, its 200, and the removal of the binding") {
    let expires = Setting("expires", default: "3600")
    let hold = Setting("hold", default: "0s")
    let granted = Variable("granted")
    Party("phone") {
        Send(.register, to: .localURI, requestURI: "sip:\(.domain)") { Expires(expires) }
        FirstOf {
            On(200) {
                Capture(granted, from: .header("Contact").parameter("expires"), otherwise: .header("Expires"))
                Require(granted > 0, "RFC 3261 §10.3: the registrar states the expiry of each binding")
            }
            On(423) { Fail("the registrar wants a longer expiry") }
            On(.failure) { Fail("registration refused") }
        }
        Pause(hold)
        Send(.register, to: .localURI, requestURI: "sip:\(.domain)") { Expires(0) }
        Expect(200)
    }
    Party("registrar") {
        Expect(.register)
        Send(200) { Contact("<\(.header("Contact").uri)>;expires=\(.header("Expires"))") }
        Expect(.register, within: .hours(1)) {
            Require(.header("Expires") == 0, "the second REGISTER removes the binding")
        }
        Send(200) { Without("Contact") }
    }
}
