import ScenarioDSL

/// A call that is sent elsewhere: the first INVITE is answered 302 with a Contact, the second goes there. RFC 3665 §3.6, RFC
/// 3261 §8.1.3.4; with the redirect server and bob as the called sides.
///
/// Against a server of yours: `carillon run redirected-call HOST --play alice,bob` where its Contact leads back to this machine,
/// `--play alice` where it does not. `--hold` says how long the call lasts.
public let redirectedCall = Scenario("redirected-call", "INVITE, 302 with a Contact, INVITE to that, 200, ACK, BYE") {
    let hold = Setting("hold", default: "0s")
    let redirector = Party("redirector", .answers), bob = Party("bob", .answers)
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(302) { Require(.header("Contact").exists, "RFC 3261 §21.3.3") }
        Send(.invite, redirectedTo: .header("Contact")) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    redirector {
        Expect(.invite)
        Send(302) { Contact("<sip:bob@\(.localAddress):\(.localPort)>") }
    }
    bob {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
