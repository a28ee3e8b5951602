import ScenarioDSL

/// A call that is put on hold and taken back by UPDATE: RFC 3311 §5, RFC 3264 §8.4, RFC 5359 §2.1.
///
/// An UPDATE is one request and one response where a re-INVITE is three messages. Alice offers `sendonly`, bob answers `recvonly`; after
/// `--hold` she offers `sendrecv` again. Parties: alice and bob. A sensible rate is 100/s. Fails if bob does not allow UPDATE (RFC 3311 §4),
/// refuses one, or answers the hold with media that still flow toward her.
public let holdByUpdate = Scenario("hold-by-update", "two UPDATEs inside a call: hold and resume") {
    let hold = Setting("hold", default: "0s")
    Party("alice") {
        Send(.invite) {
            Header("Allow", "INVITE, ACK, CANCEL, BYE, UPDATE")
            Offer(.audio(.pcmu, .pcma))
        }
        Expect(180, .optional)
        Expect(200) { Require(.header("Allow").exists, "RFC 3311 §4: the 2xx says with Allow that UPDATE may come") }
        Send(.ack)
        Send(.update) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
        Expect(200) {
            Require(
                .sdp(.attribute("recvonly")).exists || .sdp(.attribute("inactive")).exists,
                "RFC 3264 §6.1: sendonly is answered recvonly or inactive")
        }
        Pause(hold)
        Send(.update) { Offer(.audio(.pcmu, .pcma)) }
        Expect(200)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) {
            Header("Allow", "INVITE, ACK, CANCEL, BYE, UPDATE")
            Answer()
        }
        Expect(.ack)
        Repeat(2) {
            Expect(.update, within: .hours(1)) { Require(.header("Contact").exists, "RFC 3311 §5.1: a target refresh") }
            Send(200) { Answer() }
        }
        Expect(.bye)
        Send(200)
    }
}
