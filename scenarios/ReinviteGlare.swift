import ScenarioDSL

/// Both send a re-INVITE at once, both get 491, and each tries again after a time of its own: RFC 3261 §14.1, RFC 5407 §3.1.5.
///
/// The owner of the Call-ID, alice, waits 2.1 to 4 s, bob at most 2 s, so that they do not meet again. Parties: alice and bob. A sensible
/// rate is 50/s. Fails if an end answers anything but 491 while its own re-INVITE is open, or refuses the second one.
/// One who comes late, and finds the other's re-INVITE answered already, is answered 200.
public let reinviteGlare = Scenario("reinvite-glare", "two re-INVITEs cross: 491, and another try after the back-off") {
    let talk = Setting("talk", default: "50ms")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(talk)
        Send(.invite) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
        Expect(.invite)
        Send(491, answering: .invite)
        Expect(491, answering: .invite)
        Expect(.invite, within: .seconds(10))
        Send(200) { Answer() }
        Expect(.ack)
        Pause(.milliseconds(2100) ... .seconds(4))
        Send(.invite) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
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
        Pause(talk)
        Send(.invite) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
        Expect(.invite)
        Send(491, answering: .invite)
        Expect(491, answering: .invite)
        Pause(.milliseconds(0) ... .seconds(2))
        Send(.invite) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
        Expect(200)
        Send(.ack)
        Expect(.invite, within: .seconds(10))
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
