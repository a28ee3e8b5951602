import ScenarioDSL

/// A caller who gives up at once, before it has rung: RFC 3261 §9.1.
///
/// A CANCEL must wait for a provisional response: without one, nobody knows where the INVITE is. Alice's CANCEL stands at once after her
/// INVITE; it is held back by itself until a 100 or 180 has come (`carillon explain early-cancel` shows the wait). Parties: alice and
/// bob. A sensible rate is 50/s. Fails if no provisional response comes, or the INVITE is not answered 487.
public let earlyCancel = Scenario("early-cancel", "CANCEL as soon as RFC 3261 §9.1 allows it") {
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Send(.cancel)
        Expect(200, .optional, answering: .cancel)
        Expect(487, answering: .invite)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Expect(.cancel)
        Send(200, answering: .cancel)
        Send(487, answering: .invite)
    }
}
