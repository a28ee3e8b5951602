import ScenarioDSL

/// Both hang up at once: two BYEs cross. RFC 3261 §15.1, RFC 5407 §3.1.3.
///
/// Both wait for `--hold` after the answer and send BYE. Each answers the other's, 200 or, if the dialog is gone for it, 481: both mean that the
/// call is over. Parties: alice and bob. A sensible rate is 100/s. Fails if a BYE is not answered.
public let byeGlare = Scenario("bye-glare", "both sides hang up at once") {
    let hold = Setting("hold", default: "50ms")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(hold)
        Send(.bye)
        FirstOf {
            On(.bye) {
                Send(200, answering: .bye)
                Expect(200, answering: .bye)
            }
            On(200, answering: .bye) {}
        }
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Pause(hold)
        Send(.bye)
        FirstOf {
            On(.bye) {
                Send(200, answering: .bye)
                Expect(200, answering: .bye)
            }
            On(200, answering: .bye) {}
        }
    }
}
