import ScenarioDSL

let users = Feed(.pattern("user{row:3}", column: "user"), rows: 50, name: "users")

/// A subscriber calls himself where he is registered.
let call = Scenario("call") {
    Party("alice") {
        Credentials(user: users["user"], password: "\(users["user"])-secret")
        Send(.invite, from: "sip:\(users["user"])@example.test", to: "sip:\(users["user"])@example.test") {
            Offer(.audio(.pcmu))
        }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(.milliseconds(20))
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
