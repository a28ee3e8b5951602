import ScenarioDSL

/// A busy lamp: a console subscribes to the dialogs of a phone and sees it called, answered and free again. RFC 4235, RFC 6665.
///
/// Each NOTIFY has a `dialog-info` document whose version is one higher. After the third the console unsubscribes. Parties: a console and
/// the server that watches the phone. A sensible rate is 50/s. Fails if a state does not come, or comes in another order.
public let dialogInfo = Scenario("dialog-info", "SUBSCRIBE to dialogs, NOTIFY of early, confirmed, terminated") {
    let change = Setting("change", default: "10ms")
    let version = Variable("version")
    Party("console") {
        Send(.subscribe) {
            Header("Event", "dialog")
            Header("Accept", "application/dialog-info+xml")
            Expires(600)
        }
        Expect(.success, answering: .subscribe)
        for state in ["early", "confirmed", "terminated"] {
            Expect(.notify, within: .hours(1)) {
                Require(.header("Event").hasPrefix("dialog"), "RFC 4235 §3.1")
                Require(
                    .body.contains("<state>\(text: state)</state>"), "RFC 4235 §4.1.2: the states come in their order")
            }
            Send(200)
        }
        Send(.subscribe) {
            Header("Event", "dialog")
            Expires(0)
        }
        Expect(.success, answering: .subscribe)
        Expect(.notify) { Require(.header("Subscription-State").hasPrefix("terminated"), "RFC 6665 §4.2.1.4") }
        Send(200)
    }
    Party("phone") {
        Expect(.subscribe)
        Send(200) { Expires(600) }
        Compute(version, from: 0)
        for state in ["early", "confirmed", "terminated"] {
            Send(.notify) {
                Header("Event", "dialog")
                Header("Subscription-State", "active;expires=600")
                Body(
                    "application/dialog-info+xml",
                    """
                    <?xml version="1.0"?>
                    <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="\(version)" state="full" entity="sip:phone@\(.domain)">
                    <dialog id="1" direction="recipient"><state>\(text: state)</state></dialog>
                    </dialog-info>

                    """)
            }
            Expect(200)
            Compute(version, from: version + 1)
            Pause(change)
        }
        Expect(.subscribe, within: .hours(1)) { Require(.header("Expires") == 0, "RFC 6665 §4.1.2.3") }
        Send(200) { Expires(0) }
        Send(.notify) {
            Header("Event", "dialog")
            Header("Subscription-State", "terminated;reason=timeout")
        }
        Expect(200)
    }
}
