import ScenarioDSL

/// One registration with credentials, as SIPp does it in digest-registration.xml.
let digestRegistration = Scenario("digest-registration") {
    Party("alice") {
        Credentials(user: "alice", password: "secret")
        Send(.register, from: "sip:alice@example.test", requestURI: "sip:example.test") { Expires(3600) }
        Expect(200)
    }
}
