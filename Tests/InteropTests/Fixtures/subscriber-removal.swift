import ScenarioDSL

let users = Feed(.pattern("user{row:3}", column: "user"), rows: 50, name: "users")

/// The same subscriber removes the binding.
let removal = Scenario("removal") {
    Party("phone") {
        Credentials(user: users["user"], password: "\(users["user"])-secret")
        Send(.register, from: "sip:\(users["user"])@example.test") { Expires(0) }
        Expect(200)
    }
}
