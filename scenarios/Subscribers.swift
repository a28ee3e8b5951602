import ScenarioDSL

/// Subscribers call each other by telephone number (RFC 3966 in SIP URIs, RFC 3261 §19.1.6), the caller's asserted by the network
/// (RFC 3325 §9.1). Nobody who is in a call is called or calls again before it has ended.
///
/// The numbers are made by rule; `--feed subscribers.csv` takes pairs of a file in their place, with the columns `caller` and `callee`.
let subscribers = Feed(
    [
        .numbers(from: "+4930100000", count: 10_000, column: "caller"),
        .numbers(from: "+4930200000", count: 10_000, column: "callee"),
    ], .exclusive, name: "subscribers")

public let subscriberCall = Scenario(
    "subscribers", "calls between telephone numbers of a feed, each in one call at a time"
) {
    let hold = Setting("hold", default: "0s")
    let caller = subscribers["caller"]
    let callee = subscribers["callee"]
    Party("caller") {
        Send(
            .invite, from: "<sip:\(caller)@\(.domain);user=phone>", to: "<sip:\(callee)@\(.domain);user=phone>"
        ) {
            Header("P-Asserted-Identity", "<tel:\(caller)>")
            Offer(.audio(.pcmu, .pcma))
        }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    Party("callee") {
        Expect(.invite) {
            Require(.header("P-Asserted-Identity").exists, "RFC 3325 §5: the network asserts who calls")
        }
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
