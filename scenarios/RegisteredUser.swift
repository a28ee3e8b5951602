import ScenarioDSL

/// A phone that stays registered until the load ends: it refreshes its binding when a half to nine tenths of what was granted have passed
/// (RFC 3261 §10.2.4), and removes it at the end (§10.2.2). As many as are to live at once:
/// `carillon run registered-user 10.0.0.5 --rate 500/s --calls 100000 --for 1h`.
///
/// The numbers are made by rule; `--feed phones.csv` takes those of a file with a column `user`. `--set password=…` answers a
/// challenge, `--set expires=…` says for how many seconds to ask. It fails when a registration is refused or grants nothing.
private let phones = Feed(.numbers(from: "+4930200000", count: 100_000, column: "user"), name: "phones")

public let registeredUser = Scenario("registered-user", "REGISTER, its refreshes while the load lasts, its removal") {
    let user = phones["user"]
    let password = Setting("password", default: "secret")
    let expires = Setting("expires", default: "3600")
    let granted = Variable("granted")
    Party("phone") {
        Credentials(user: user, password: password)
        Send(.register, from: "sip:\(user)@\(.domain)", requestURI: "sip:\(.domain)") { Expires(expires) }
        Expect(200) {
            Capture(granted, from: .ownBinding.parameter("expires"), otherwise: .header("Expires"))
            Require(granted > 0, "RFC 3261 §10.3: a registrar says for how long a binding is good")
        }
        RepeatUntilEnd {
            Pause(.part(0.5...0.9, of: granted))
            Send(.register, from: "sip:\(user)@\(.domain)", requestURI: "sip:\(.domain)") { Expires(expires) }
            Expect(200) {
                Capture(granted, from: .ownBinding.parameter("expires"), otherwise: .header("Expires"))
                Require(granted > 0, "RFC 3261 §10.3: a registrar says for how long a binding is good")
            }
        }
        Send(.register, from: "sip:\(user)@\(.domain)", requestURI: "sip:\(.domain)") { Expires(0) }
        Expect(200)
    }
    Party("registrar") {
        Repeat(1_000_000) {
            Expect(.register, within: .hours(24))
            If(.header("Expires") == 0) {
                Send(200)
                Finish("removed")
            }
            Send(200) { Contact("<\(.header("Contact").uri)>;expires=\(.header("Expires"))") }
        }
    }
}
