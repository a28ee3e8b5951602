import ScenarioDSL

/// A subscriber registers and stays registered: RFC 3261 §10.2.1. With `remove-binding`, the phase before and after a load:
/// `--before 'add-binding:1000@200/s' --after 'remove-binding:1000@200/s'`.
///
/// The numbers are made by rule; `--feed subscribers.csv` takes those of a file with a column `user`. `--set password=…` answers a
/// challenge, `--set expires=…` says for how many seconds.
private let registrants = Feed(.numbers(from: "+4930100000", count: 10_000, column: "user"), name: "registrants")

public let addBinding = Scenario("add-binding", "REGISTER and its 200: the binding stays") {
    let user = registrants["user"]
    let password = Setting("password", default: "secret")
    let expires = Setting("expires", default: "3600")
    Party("phone") {
        Credentials(user: user, password: password)
        Send(.register, from: "sip:\(user)@\(.domain)", requestURI: "sip:\(.domain)") { Expires(expires) }
        Expect(200)
    }
    Party("registrar") {
        Expect(.register)
        Send(200) { Contact("<\(.header("Contact").uri)>;expires=\(.header("Expires"))") }
    }
}
