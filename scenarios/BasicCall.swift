import ScenarioDSL

/// A call that is answered, held and ended by the caller: RFC 3665 §3.1.
///
/// Alice calls, bob rings and answers, the two talk for `--hold` (a time or a distribution, 0 s unless said), alice hangs up.
/// Fails if bob refuses, does not answer in time, or leaves the BYE without its 200.
public let basicCall = Scenario("basic-call", "INVITE, 180, 200, ACK, a hold time, BYE") {
    let hold = Setting("hold", default: "0s")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
