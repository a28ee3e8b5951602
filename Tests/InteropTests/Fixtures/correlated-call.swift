import ScenarioDSL

/// A call through a server that changes the Call-ID: bob's leg is joined to its call by a header.
let correlatedCall = Scenario("correlated-call", "a call whose legs have two Call-IDs") {
    let bob = Party("bob", .answers)
    Party("alice") {
        Correlate(as: .runNumber)
        Send(.invite) {
            Header("X-Call", "\(.runNumber)")
            Offer(.audio(.pcmu, .pcma))
        }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        HangUp()
    }
    bob {
        Correlate(by: .header("X-Call"))
        AcceptCall()
        Expect(.bye)
        Send(200)
    }
}
