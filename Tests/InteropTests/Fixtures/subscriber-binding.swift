import ScenarioDSL

let users = Feed(.pattern("user{row:3}", column: "user"), rows: 50, name: "users")

/// A subscriber registers and stays registered.
let binding = Scenario("binding") {
    Party("phone") {
        Credentials(user: users["user"], password: "\(users["user"])-secret")
        Send(.register, from: "sip:\(users["user"])@example.test") { Expires(3600) }
        Expect(200)
    }
}
