import ScenarioDSL

let users = Feed(.pattern("user{row:6}", column: "user"), rows: 100_000, name: "users")
let expires = Setting("expires", default: "300")

/// A subscriber who is registered with digest credentials while the load lasts.
let livingUser = Scenario("living-user") {
    let granted = Variable("granted")
    Party("phone") {
        Credentials(user: users["user"], password: "\(users["user"])-secret")
        Send(.register, from: "sip:\(users["user"])@example.test") { Expires(expires) }
        Expect(200) { Capture(granted, from: .ownBinding.parameter("expires")) }
        RepeatUntilEnd {
            Pause(.part(0.5...0.9, of: granted))
            Send(.register, from: "sip:\(users["user"])@example.test") { Expires(expires) }
            Expect(200) { Capture(granted, from: .ownBinding.parameter("expires")) }
        }
        Send(.register, from: "sip:\(users["user"])@example.test") { Expires(0) }
        Expect(200)
    }
}

/// A subscriber calls himself where he is registered.
let callBetween = Scenario("call-between-users") {
    Party("alice") {
        Credentials(user: users["user"], password: "\(users["user"])-secret")
        Send(.invite, from: "sip:\(users["user"])@example.test", to: "sip:\(users["user"])@example.test") {
            Offer(.audio(.pcmu))
        }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(.seconds(1))
        Send(.bye)
        Expect(200)
    }
    Party("bob", .answers) {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
