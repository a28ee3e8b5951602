import ScenarioDSL

/// The call of Tests/InteropTests/Fixtures/sipp-uac-routed.xml and sipp-uas-routed.xml, message by message: no 180, 100 ms of talk.
let routed = Scenario("routed-call") {
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(.milliseconds(100))
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
