import ScenarioDSL

/// OPTIONS inside a call: is the other end still there, and what can it do. RFC 3261 §11, §12.2.
///
/// What session border controllers send to find calls whose other end is gone. `--set pings=…` says how often (2 unless said), `--set
/// interval=…` how far apart. Parties: alice and bob. A sensible rate is 100/s. Fails if an OPTIONS is not answered 200: 481 says that
/// bob no longer knows the call.
public let optionsInCall = Scenario("options-in-call", "a call with OPTIONS in its dialog") {
    let pings = Setting("pings", default: 2)
    let interval = Setting("interval", default: "10ms")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Repeat(pings) {
            Pause(interval)
            Send(.options)
            Expect(200) { Require(.header("Allow").exists, "RFC 3261 §11.2: a 200 to OPTIONS should have Allow") }
        }
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Repeat(pings) {
            Expect(.options, within: .hours(1))
            Send(200) { Header("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS") }
        }
        Expect(.bye)
        Send(200)
    }
}
