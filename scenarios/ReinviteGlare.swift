import ScenarioDSL

/// Both send a re-INVITE at once, both get 491, and each tries again after a time of its own: RFC 3261 §14.1, RFC 5407 §3.1.5.
///
/// The owner of the Call-ID, alice, waits 2.1 to 4 s, bob up to 2 s, so that they do not meet again. Where a datagram is lost one of the two
/// may be through before the other arrives: each end is ready for that too. Parties: alice and bob. A sensible rate is 50/s. Fails if a
/// re-INVITE is answered anything but 200 or 491, or the second one of an end is refused.
public let reinviteGlare = Scenario("reinvite-glare", "two re-INVITEs cross: 491, and another try after the back-off") {
    let talk = Setting("talk", default: "50ms")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(talk)
        Send(.invite) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
        FirstOf {
            On(.invite) {
                Send(491, answering: .invite)
                FirstOf {
                    On(491, answering: .invite) {}
                    On(200, answering: .invite) {
                        Send(.ack)
                        Expect(.invite)
                        Send(200) { Answer() }
                        Expect(.ack)
                        Send(.bye)
                        Expect(200)
                        Finish("bob alone tried again")
                    }
                }
            }
            On(491, answering: .invite) {}
        }
        Expect(.invite)
        Send(200) { Answer() }
        Expect(.ack)
        Pause(.milliseconds(2100) ... .seconds(4))
        Send(.invite) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
        Expect(200)
        Send(.ack)
        Send(.bye)
        Expect(200)
        Finish("glare resolved")
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Pause(talk)
        Send(.invite) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
        FirstOf {
            On(.invite) {
                Send(491, answering: .invite)
                FirstOf {
                    On(491, answering: .invite) {
                        Pause(.milliseconds(0) ... .seconds(2))
                        Send(.invite) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
                        Expect(200, answering: .invite)
                        Send(.ack)
                    }
                    On(200, answering: .invite) { Send(.ack) }
                }
                FirstOf {
                    On(.invite) {
                        Send(200) { Answer() }
                        Expect(.ack)
                        Expect(.bye)
                        Send(200)
                    }
                    On(.bye) { Send(200) }
                }
            }
            On(491, answering: .invite) {
                Expect(.invite)
                Send(200) { Answer() }
                Expect(.ack)
                Pause(.milliseconds(0) ... .seconds(2))
                Send(.invite) { Offer(.audio(.pcmu, .pcma, direction: .sendonly)) }
                Expect(200, answering: .invite)
                Send(.ack)
                Expect(.bye)
                Send(200)
            }
        }
    }
}
