import ScenarioDSL

/// A call in which the caller sends a tone, and whoever answers sends it back.
let call = Scenario("tone-call") {
    let talk = Setting("talk", default: "1s")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        SendMedia(.tone)
        Pause(talk)
        SendMedia(.nothing)
        Pause(.milliseconds(300))
        Send(.bye)
        Expect(200)
    }
    Party("bob", .answers) {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        SendMedia(.echo)
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
