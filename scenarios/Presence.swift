import ScenarioDSL

/// RFC 3863: one tuple, away.
private let closedState: Value = """
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:presentity@\(.domain)">
    <tuple id="phone"><status><basic>closed</basic></status></tuple>
    </presence>

    """

/// RFC 3863: one tuple, there.
private let openState: Value = """
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:presentity@\(.domain)">
    <tuple id="phone"><status><basic>open</basic></status></tuple>
    </presence>

    """

/// A watcher subscribes to somebody's presence, is notified of the state and of a change, and unsubscribes: RFC 6665 §4, RFC 3856.
///
/// The first NOTIFY follows at once (RFC 6665 §4.2.1.2), the second after `--set change=…`, the last one ends the subscription. A NOTIFY may
/// overtake the 200 to SUBSCRIBE; it waits for its step. Parties: a watcher and a presence agent. A sensible rate is 50/s. Fails if a NOTIFY
/// does not come, names another event package, or the last one does not say `terminated`.
public let presence = Scenario("presence", "SUBSCRIBE, NOTIFY of the state and of a change, unsubscribed") {
    let change = Setting("change", default: "20ms")
    let expires = Setting("expires", default: "3600")
    Party("watcher") {
        Send(.subscribe) {
            Header("Event", "presence")
            Header("Accept", "application/pidf+xml")
            Expires(expires)
        }
        Expect(.success, answering: .subscribe) {
            Require(.header("Expires") > 0, "RFC 6665 §4.2.1.1: a 200 has an Expires")
        }
        Expect(.notify) {
            Require(.header("Event").hasPrefix("presence"), "RFC 6665 §8.2.1")
            Require(.header("Subscription-State").hasPrefix("active"), "RFC 6665 §4.1.3")
        }
        Send(200)
        Expect(.notify, within: .hours(1)) { Require(.body.contains("<basic>open</basic>"), "RFC 3863 §4.1.4") }
        Send(200)
        Send(.subscribe) {
            Header("Event", "presence")
            Header("Accept", "application/pidf+xml")
            Expires(0)
        }
        Expect(.success, answering: .subscribe)
        Expect(.notify) { Require(.header("Subscription-State").hasPrefix("terminated"), "RFC 6665 §4.2.1.4") }
        Send(200)
    }
    Party("presentity") {
        let granted = Variable("granted")
        Expect(.subscribe) { Capture(granted, from: .header("Expires"), otherwise: 3600) }
        Send(200) { Expires(granted) }
        Send(.notify) {
            Header("Event", "presence")
            Header("Subscription-State", "active;expires=\(granted)")
            Body("application/pidf+xml", closedState)
        }
        Expect(200)
        Pause(change)
        Send(.notify) {
            Header("Event", "presence")
            Header("Subscription-State", "active;expires=\(granted)")
            Body("application/pidf+xml", openState)
        }
        Expect(200)
        Expect(.subscribe, within: .hours(1)) { Require(.header("Expires") == 0, "RFC 6665 §4.1.2.3") }
        Send(200) { Expires(0) }
        Send(.notify) {
            Header("Event", "presence")
            Header("Subscription-State", "terminated;reason=timeout")
            Body("application/pidf+xml", openState)
        }
        Expect(200)
    }
}
