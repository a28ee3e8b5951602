import ScenarioDSL

/// A call with a session timer: RFC 4028. The first INVITE asks for a shorter interval than bob grants and is answered 422; the second one
/// takes his Min-SE, and alice, the refresher, refreshes the session by UPDATE.
///
/// The interval is stated as RFC 4028 §4 wants it, at least 90 s; `--set refresh=…` is when it is refreshed, 20 ms unless said, as the flow is
/// what counts here (§10 takes half the interval), and `--set refreshes=…` how often. Parties: alice and bob. A sensible rate is 100/s. Fails if bob
/// does not name the refresher, or grants less than he asked for.
public let sessionTimer = Scenario("session-timer", "422 with Min-SE, a longer Session-Expires, refreshed by UPDATE") {
    let refresh = Setting("refresh", default: "20ms")
    let refreshes = Setting("refreshes", default: 2)
    let least = Variable("least")
    let granted = Variable("granted")
    Party("alice") {
        Send(.invite) {
            Header("Supported", "timer")
            Header("Session-Expires", "90;refresher=uac")
            Offer(.audio(.pcmu, .pcma))
        }
        Expect(422) { Capture(least, from: .header("Min-SE")) }
        Send(.invite) {
            Header("Supported", "timer")
            Header("Session-Expires", "\(least);refresher=uac")
            Header("Min-SE", least)
            Offer(.audio(.pcmu, .pcma))
        }
        Expect(180, .optional)
        Expect(200) {
            Capture(granted, from: .header("Session-Expires").matching(#"^(\d+)"#))
            Require(granted >= least, "RFC 4028 §9: the interval is not below Min-SE")
            Require(
                .header("Session-Expires").parameter("refresher") == "uac", "RFC 4028 §9: a 2xx names the refresher")
        }
        Send(.ack)
        Repeat(refreshes) {
            Pause(refresh)
            Send(.update) {
                Header("Supported", "timer")
                Header("Session-Expires", "\(granted);refresher=uac")
                Header("Min-SE", least)
            }
            Expect(200) { Require(.header("Session-Expires").exists, "RFC 4028 §9") }
        }
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite) {
            Require(.header("Session-Expires").matching(#"^(\d+)"#) < 120, "the first interval is too small")
        }
        Send(422) { Header("Min-SE", "120") }
        Expect(.invite) { Require(.header("Session-Expires").matching(#"^(\d+)"#) >= 120, "RFC 4028 §7.4") }
        Send(180)
        Send(200) {
            Header("Require", "timer")
            Header("Session-Expires", "120;refresher=uac")
            Answer()
        }
        Expect(.ack)
        Repeat(refreshes) {
            Expect(.update, within: .hours(1))
            Send(200) {
                Header("Require", "timer")
                Header("Session-Expires", "120;refresher=uac")
            }
        }
        Expect(.bye)
        Send(200)
    }
}
