import ScenarioDSL

/// Lets in whoever knows the password that belongs to the user of the From header field.
let registrar = Scenario("registrar") {
    Party("registrar", .answers) {
        Expect(.register) {
            Authenticate(
                password: "\(.header("From").uri.user)-secret", realm: "example.test",
                algorithms: [.md5])
        }
        Send(200) { Header("Contact", .header("Contact")) }
    }
}
