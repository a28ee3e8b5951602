import ScenarioDSL

/// A call with an announcement before the answer: 183 Session Progress with a session description, RFC 3960 §3.
///
/// Bob sends media before he answers: his 183 carries the answer to alice's offer, his 200 repeats it (RFC 3261 §13.2.1).
/// Fails if the 183 does not come or carries no session description. The time from INVITE to 183 is reported as
/// "early media delay".
public let earlyMedia = Scenario("early-media", "183 with SDP before the 200") {
    let hold = Setting("hold", default: "0s")
    let invited = MarkName("invited")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Mark(invited)
        Expect(183) {
            Measure("early media delay", from: invited)
            Require(.sdp(.mediaPort).exists, "RFC 3960 §3: early media need a session description")
        }
        Expect(200)
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(183) { Answer() }
        Pause(.milliseconds(20))
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
