import ScenarioDSL

/// A call that is forwarded on its way: 181 Call Is Being Forwarded, then it rings elsewhere. RFC 3261 §21.1.3, RFC 5359 §2.7, RFC 7044
/// for the History-Info that says from whom to whom.
///
/// The called side is the network that forwards and the phone it forwards to, as the caller sees them: one dialog. `redirected-call` is
/// the other way, where the caller follows a 302. Parties: alice and bob. A sensible rate is 100/s. Fails if the 181 does not come, or the
/// call is not answered.
public let forwardedCall = Scenario("forwarded-call", "INVITE, 181, 180, 200, ACK, BYE") {
    let hold = Setting("hold", default: "0s")
    Party("alice") {
        Send(.invite) {
            Header("Supported", "histinfo")
            Offer(.audio(.pcmu, .pcma))
        }
        Expect(181)
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        let asked = Variable("asked")
        Expect(.invite) { Capture(asked, from: .requestURI) }
        Send(181) { Header("History-Info", "<\(asked)>;index=1, <sip:mailbox@\(.domain)>;index=1.1;mp=1") }
        Pause(.milliseconds(20))
        Send(180)
        Send(200, answering: .invite) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
