import ScenarioDSL

/// The lamp of a voice box: a phone subscribes to its message summary and is told of a new message. RFC 3842, RFC 6665.
///
/// The body is `application/simple-message-summary` (RFC 3842 §5). Parties: a phone and a voice box. A sensible rate is 50/s. Fails if a NOTIFY
/// does not come, or does not say whether messages wait.
public let messageWaiting = Scenario("message-waiting", "SUBSCRIBE to a voice box, NOTIFY of no and of one message") {
    let change = Setting("change", default: "20ms")
    Party("phone") {
        Send(.subscribe) {
            Header("Event", "message-summary")
            Header("Accept", "application/simple-message-summary")
            Expires(3600)
        }
        Expect(.success, answering: .subscribe)
        Expect(.notify) {
            Require(.body.contains("Messages-Waiting: no"), "RFC 3842 §5.2: the first NOTIFY has the state")
        }
        Send(200)
        Expect(.notify, within: .hours(1)) {
            Require(.body.contains("Messages-Waiting: yes"), "RFC 3842 §5.2")
            Require(.body.matches(#"Voice-Message: 1/0"#), "RFC 3842 §5.2: new and old messages")
        }
        Send(200)
        Send(.subscribe) {
            Header("Event", "message-summary")
            Expires(0)
        }
        Expect(.success, answering: .subscribe)
        Expect(.notify) { Require(.header("Subscription-State").hasPrefix("terminated"), "RFC 6665 §4.2.1.4") }
        Send(200)
    }
    Party("mailbox") {
        Expect(.subscribe) { Require(.header("Event").hasPrefix("message-summary"), "RFC 3842 §3.1") }
        Send(200) { Expires(3600) }
        Send(.notify) {
            Header("Event", "message-summary")
            Header("Subscription-State", "active;expires=3600")
            Body("application/simple-message-summary", "Messages-Waiting: no\nMessage-Account: sip:phone@\(.domain)\n")
        }
        Expect(200)
        Pause(change)
        Send(.notify) {
            Header("Event", "message-summary")
            Header("Subscription-State", "active;expires=3590")
            Body(
                "application/simple-message-summary",
                "Messages-Waiting: yes\nMessage-Account: sip:phone@\(.domain)\nVoice-Message: 1/0 (0/0)\n")
        }
        Expect(200)
        Expect(.subscribe, within: .hours(1)) { Require(.header("Expires") == 0, "RFC 6665 §4.1.2.3") }
        Send(200) { Expires(0) }
        Send(.notify) {
            Header("Event", "message-summary")
            Header("Subscription-State", "terminated;reason=timeout")
        }
        Expect(200)
    }
}
