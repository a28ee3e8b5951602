import ScenarioDSL

/// A call that a proxy forks to two phones: both ring, one answers, the other is cancelled. RFC 3261 §16.7, §13.2.2.
///
/// Each phone's 180 has a To tag of its own, so the caller has two early dialogs and one session. It takes a forking proxy between the
/// parties: `carillon run forked-call PROXY --play alice,bob,carol`; without one bob alone is called. Parties: alice, and the phones bob and carol. A sensible
/// rate is 50/s. Fails if nobody answers, or carol is not cancelled.
public let forkedCall = Scenario("forked-call", "two phones ring, one answers, the other is cancelled") {
    let hold = Setting("hold", default: "0s")
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
        Send(180)
        Pause(.milliseconds(300))
        Send(200) { Offer(.audio(.pcmu)) }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
    carol {
        Expect(.invite)
        Send(180)
        Expect(.cancel)
        Send(200, answering: .cancel)
        Send(487, answering: .invite)
    }
}
