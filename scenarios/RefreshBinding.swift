import ScenarioDSL

/// A phone that keeps its binding alive: it registers again before the time is up. RFC 3665 §2.2, RFC 3261 §10.2.4.
///
/// `--set refreshes=…` says how often (2 unless said), `--set interval=…` after what time each (20 ms unless said, as the flow is what
/// counts here; a phone takes half of what it was granted). Call-ID is the same and CSeq goes up by one, by itself. Parties: a phone and
/// a registrar. A sensible rate is 100/s. Fails if the registrar refuses a refresh or does not say for how long it holds.
public let refreshBinding = Scenario("refresh-binding", "REGISTER, refreshed a number of times, and removed") {
    let expires = Setting("expires", default: "3600")
    let refreshes = Setting("refreshes", default: 2)
    let interval = Setting("interval", default: "20ms")
    let granted = Variable("granted")
    Party("phone") {
        Send(.register, to: .localURI, requestURI: "sip:\(.domain)") { Expires(expires) }
        Expect(200)
        Repeat(refreshes) {
            Pause(interval)
            Send(.register, to: .localURI, requestURI: "sip:\(.domain)") { Expires(expires) }
            Expect(200) {
                Capture(granted, from: .header("Contact").parameter("expires"), otherwise: .header("Expires"))
                Require(granted > 0, "RFC 3261 §10.3: the registrar states the expiry of each binding")
            }
        }
        Send(.register, to: .localURI, requestURI: "sip:\(.domain)") { Expires(0) }
        Expect(200)
    }
    Party("registrar") {
        Expect(.register)
        Send(200) { Contact("<\(.header("Contact").uri)>;expires=\(.header("Expires"))") }
        Repeat(refreshes) {
            Expect(.register, within: .hours(1)) { Require(.header("Expires") > 0, "a refresh, not a removal") }
            Send(200) { Contact("<\(.header("Contact").uri)>;expires=\(.header("Expires"))") }
        }
        Expect(.register) { Require(.header("Expires") == 0, "RFC 3261 §10.2.2") }
        Send(200) { Without("Contact") }
    }
}
