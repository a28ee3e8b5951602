import ScenarioDSL

private let isFocus: Value = "<sip:focus@\(.localAddress):\(.localPort)>;isfocus"

/// A conference of three at a focus (RFC 4579): alice makes it by calling the focus (§5.4), follows its roster (conference package, RFC 4575),
/// and has the focus add bob and carol by two REFERs (§5.5). All of the focus's Contacts say `isfocus` (RFC 3840).
///
/// Parties: alice makes the conference, focus mixes (no media are sent), bob and carol are called in. Three calls, a subscription and two
/// REFERs: 40 messages a group. Sensible rate: some 3,000 conferences/s a worker in one process.
///
/// Fails: where the focus is not marked as one or its roster does not tell of who has come (at alice's `Require`s); at alice's `Notified` where a
/// participant does not take the call.
public let conference = Scenario("conference", "three at a focus, its roster by NOTIFY, RFC 4579 §5") {
    let talk = Setting("hold", default: "0s")
    let alice = Party("alice"), focus = Party("focus", .answers)
    let bob = Party("bob", .answers), carol = Party("carol", .answers)
    let toBob = DialogName("to-bob"), toCarol = DialogName("to-carol")
    alice {
        Send(.invite, to: .uri(of: focus), requestURI: .uri(of: focus)) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200) {
            Require(.header("Contact").parameter("isfocus").exists, "RFC 4579 §4.1: the Contact of a focus has isfocus")
        }
        Send(.ack)
        Send(.subscribe) {
            Header("Event", "conference")
            Header("Accept", "application/conference-info+xml")
            Expires(3600)
        }
        Expect(.success)
        roster(1)
        for one in [bob, carol] {
            Send(.refer) { ReferTo(one) }
            Expect(202)
            Notified()
        }
        roster(3)
        Pause(talk)
        Send(.subscribe) {
            Header("Event", "conference")
            Expires(0)
        }
        Expect(.success)
        roster(3)
        HangUp()
    }
    focus {
        Expect(.invite)
        Send(180)
        Send(200) {
            Contact(isFocus)
            Answer()
        }
        Expect(.ack)
        Expect(.subscribe) { Require(.header("Event") == "conference", "RFC 4575 §3.2") }
        Send(200) {
            Contact(isFocus)
            Expires(3600)
        }
        tellRoster(1)
        add(in: toBob)
        add(in: toCarol)
        tellRoster(3)
        Expect(.subscribe, within: .hours(1))
        Send(200) { Expires(0) }
        tellRoster(3, state: "terminated;reason=timeout")
        Expect(.bye)
        Send(200)
        In(toBob) { HangUp() }
        In(toCarol) { HangUp() }
    }
    bob { takePart() }
    carol { takePart() }
}

/// The roster as it comes, with so many who take part.
@StepsBuilder private func roster(_ count: Value) -> Steps {
    Expect(.notify) {
        Require(.header("Event").hasPrefix("conference"), "RFC 4575 §3.1")
        Require(.body.matching(#"<user-count>(\d+)"#) == count, "RFC 4575 §5.3.3: all who take part are counted")
    }
    Send(200)
}

@StepsBuilder private func tellRoster(_ count: Value, state: Value = "active;expires=3600") -> Steps {
    Send(.notify) {
        Contact(isFocus)
        Header("Event", "conference")
        Header("Subscription-State", state)
        Body(
            "application/conference-info+xml",
            """
            <?xml version="1.0"?>
            <conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="\(.localURI)" state="full" version="\(count)">
            <conference-state><user-count>\(count)</user-count></conference-state>
            </conference-info>
            """)
    }
    Expect(200)
}

/// What a REFER asks the focus for.
@StepsBuilder private func add(in dialog: DialogName) -> Steps {
    let participant = Variable("participant")
    Expect(.refer) { Capture(participant, from: .header("Refer-To").uri) }
    Send(202)
    ReportTransfer(100)
    In(dialog) {
        Send(.invite, to: participant.withoutHeaders, requestURI: participant) {
            Contact(isFocus)
            Offer(.audio(.pcmu, .pcma))
        }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
    }
    ReportTransfer(200)
}

@StepsBuilder private func takePart() -> Steps {
    Expect(.invite) {
        Require(.header("Contact").parameter("isfocus").exists, "RFC 4579 §4.1: the Contact of a focus has isfocus")
    }
    Send(180)
    Send(200) { Answer() }
    Expect(.ack)
    Expect(.bye)
    Send(200)
}
