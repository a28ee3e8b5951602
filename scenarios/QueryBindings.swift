import ScenarioDSL

/// A phone registers, asks which bindings its address has, and removes its own: RFC 3665 §2.3, RFC 3261 §10.2.3.
///
/// A REGISTER without Contact changes nothing; its 200 lists all current bindings. Parties: a phone and a registrar. A sensible rate is
/// that of registrations, 100/s. Fails if a 200 does not name the phone's own Contact, or if one that has been removed is still there.
public let queryBindings = Scenario(
    "query-bindings", "REGISTER, a REGISTER without Contact that lists the binding, and its removal"
) {
    let expires = Setting("expires", default: "3600")
    Party("phone") {
        Send(.register, to: .localURI, requestURI: "sip:\(.domain)") { Expires(expires) }
        Expect(200)
        Send(.register, to: .localURI, requestURI: "sip:\(.domain)") { Without("Contact") }
        Expect(200) {
            Require(
                .header("Contact").contains("\(.localAddress):\(.localPort)"),
                "RFC 3261 §10.3: the 200 lists every current binding")
            Require(
                .header("Contact").parameter("expires") > 0,
                "RFC 3261 §10.3: each Contact has an expires parameter")
        }
        Send(.register, to: .localURI, requestURI: "sip:\(.domain)") { Expires(0) }
        Expect(200)
    }
    Party("registrar") {
        let binding = Variable("binding")
        Expect(.register) { Capture(binding, from: .header("Contact").uri) }
        Send(200) { Contact("<\(binding)>;expires=\(.header("Expires"))") }
        Expect(.register) { Require(!.header("Contact").exists, "RFC 3261 §10.2.3: a query has no Contact") }
        Send(200) { Contact("<\(binding)>;expires=3600") }
        Expect(.register) { Require(.header("Expires") == 0, "RFC 3261 §10.2.2") }
        Send(200) { Without("Contact") }
    }
}
