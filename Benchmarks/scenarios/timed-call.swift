import ScenarioDSL

/// A call with marks of its own, for comparing them with what a capture of the same run shows. Bob takes his time, so that the
/// delays are long and different beside what loopback needs.
let timed = Scenario("timed-call") {
    let invited = MarkName("invited"), ringing = MarkName("ringing")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Mark(invited)
        Expect(180) { Mark(ringing) }
        Expect(200) {
            Measure("INVITE to 180", from: invited, to: ringing)
            Measure("INVITE to 200", from: invited)
        }
        Send(.ack)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Pause(.uniform(.milliseconds(1), .milliseconds(20)))
        Send(180)
        Pause(.uniform(.milliseconds(1), .milliseconds(20)))
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
