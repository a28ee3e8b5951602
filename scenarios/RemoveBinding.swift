import ScenarioDSL

/// A subscriber removes the binding that `add-binding` made, of the same row: RFC 3261 §10.2.2.
private let registrants = Feed(.numbers(from: "+4930100000", count: 10_000, column: "user"), name: "registrants")

public let removeBinding = Scenario("remove-binding", "REGISTER with an expiry of 0, and its 200") {
    let user = registrants["user"]
    let password = Setting("password", default: "secret")
    Party("phone") {
        Credentials(user: user, password: password)
        Send(.register, from: "sip:\(user)@\(.domain)", requestURI: "sip:\(.domain)") { Expires(0) }
        Expect(200)
    }
    Party("registrar") {
        Expect(.register) { Require(.header("Expires") == 0, "RFC 3261 §10.2.2: an expiry of 0 removes the binding") }
        Send(200) { Without("Contact") }
    }
}
