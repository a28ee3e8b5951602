import ScenarioDSL

/// Is anybody there: OPTIONS outside a dialog, RFC 3261 §11.
///
/// The ping that trunks and monitors send. Any 2xx will do. Fails on any other final response or on none.
public let optionsPing = Scenario("options-ping", "OPTIONS and its 200") {
    Party("alice") {
        Send(.options)
        Expect(.success)
    }
    Party("bob") {
        Expect(.options)
        Send(200)
    }
}
