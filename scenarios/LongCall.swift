import ScenarioDSL

/// A call as long as people talk: `--hold 3m`, or a distribution, `--hold 'lognormal(3m, 0.9)'`. RFC 3665 §3.1.
///
/// How many calls are up at once is rate times hold: 100/s of three minutes are 18,000. The called side waits a day for the BYE. Half a second
/// unless said. Parties: alice and bob. Fails as `basic-call` does, and if the call is hung up from the other side.
public let longCall = Scenario("long-call", "a call whose length is a distribution") {
    let hold = Setting("hold", default: "lognormal(400ms, 0.3)")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye, within: .hours(24))
        Send(200)
    }
}
