import ScenarioDSL

/// A callee who is busy: RFC 3665 §3.9.
///
/// Alice calls, bob answers 486. The ACK to it belongs to the transaction (RFC 3261 §17.1.1.3) and is sent by itself.
/// Fails if bob answers anything but 486, a 200 among it: then alice hangs up first.
public let busy = Scenario("busy", "INVITE answered with 486 Busy Here") {
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        FirstOf {
            On(486) {}
            On(.success) {
                Send(.ack)
                HangUp()
                Fail("the callee answered instead of being busy")
            }
        }
    }
    Party("bob") {
        Expect(.invite)
        Send(486)
    }
}
