import ScenarioDSL

/// A call that a proxy forks to two phones, and both answer at once: RFC 3261 §13.2.2.4.
///
/// The caller acknowledges both answers, keeps the first and hangs up the second at once, by itself: no step says so. Like `forked-call`
/// it takes a forking proxy; without one bob alone answers. Parties: alice, and the phones bob and carol. A sensible rate is 50/s. Fails
/// if one that answered gets no ACK or no BYE.
public let forkedAnswers = Scenario("forked-answers", "two phones answer at once: one is kept, the other hung up") {
    let hold = Setting("hold", default: "100ms")
    let bob = Party("bob", .answers), carol = Party("carol", .answers)
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    bob {
        Expect(.invite)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
    carol {
        Expect(.invite)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
