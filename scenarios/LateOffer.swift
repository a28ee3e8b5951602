import ScenarioDSL

/// A call whose INVITE has no session description: RFC 3261 §13.2.1, RFC 3665 §3.6. The offer is in the
/// 200, the answer in the ACK.
///
/// So do many softswitches and third-party call controllers (RFC 3725). Bob must offer in his 200.
/// Fails if the 200 carries no session description.
public let lateOffer = Scenario("late-offer", "INVITE without SDP: offer in the 200, answer in the ACK") {
    let hold = Setting("hold", default: "0s")
    Party("alice") {
        Send(.invite)
        Expect(180, .optional)
        Expect(200) {
            Require(.sdp(.mediaPort).exists, "RFC 3261 §13.2.1: without an offer in the INVITE the 2xx makes it")
        }
        Send(.ack) { Answer() }
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Offer(.audio(.pcmu, .pcma)) }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
