import ScenarioDSL

/// A call that is put on hold and taken back: two INVITEs inside the dialog, RFC 3261 §14, RFC 3264 §8.4,
/// RFC 3665 §3.7.
///
/// Alice offers `sendonly`, bob answers `recvonly`; after `--hold` she offers `sendrecv` again and hangs up.
/// Fails if bob refuses a re-INVITE or answers the hold with media that still flow toward her.
public let reinvite = Scenario("reinvite", "two re-INVITEs inside a call: hold and resume") {
    let hold = Setting("hold", default: "0s")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)

        Send(.invite) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
        Expect(200) {
            Require(
                .sdp(.attribute("recvonly")).exists || .sdp(.attribute("inactive")).exists,
                "RFC 3264 §6.1: sendonly is answered recvonly or inactive")
        }
        Send(.ack)
        Pause(hold)

        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(200)
        Send(.ack)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Repeat(2) {
            Expect(.invite, within: .hours(1)) { Require(.header("To").parameter("tag").exists, "RFC 3261 §12.2.1.1") }
            Send(200) { Answer() }
            Expect(.ack)
        }
        Expect(.bye)
        Send(200)
    }
}
