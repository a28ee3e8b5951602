import ScenarioDSL

let users = Feed(.pattern("user{row:3}", column: "user"), rows: 50, name: "users")

/// A subscriber stays registered while the load lasts.
let population = Scenario("population") {
    let granted = Variable("granted")
    Party("phone") {
        Credentials(user: users["user"], password: "\(users["user"])-secret")
        Send(.register, from: "sip:\(users["user"])@example.test") { Expires(4) }
        Expect(200) { Capture(granted, from: .ownBinding.parameter("expires")) }
        RepeatUntilEnd {
            Pause(.part(0.5...0.9, of: granted))
            Send(.register, from: "sip:\(users["user"])@example.test") { Expires(4) }
            Expect(200) { Capture(granted, from: .ownBinding.parameter("expires")) }
        }
        Send(.register, from: "sip:\(users["user"])@example.test") { Expires(0) }
        Expect(200)
    }
}
