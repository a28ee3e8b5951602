import ScenarioDSL

/// A call whose provisional responses are acknowledged: RFC 3262, RFC 3960.
///
/// Alice supports `100rel`; bob's 183 has `Require: 100rel` and an RSeq, and she answers it with PRACK before anything else. The 200 to her INVITE may overtake the one to her PRACK. What stands in
/// RAck comes by itself. Parties: alice and bob. A sensible rate is 100/s. Fails if the 183 does not ask for a PRACK, or the PRACK is refused.
public let reliableRinging = Scenario("reliable-ringing", "INVITE, 183 with 100rel, PRACK, 200, ACK, BYE") {
    let hold = Setting("hold", default: "0s")
    let ringing = Setting("ringing", default: "20ms")
    Party("alice") {
        Send(.invite) {
            Header("Supported", "100rel")
            Offer(.audio(.pcmu, .pcma))
        }
        Expect(183) {
            Require(
                .header("Require").contains("100rel"), "RFC 3262 §3: a reliable provisional response requires 100rel")
            Require(.header("RSeq") > 0, "RFC 3262 §7.1: RSeq is 1 to 2^31 - 1")
        }
        Send(.prack)
        Expect(200, .optional, answering: .prack)
        Expect(200, answering: .invite)
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite) { Require(.header("Supported").contains("100rel"), "RFC 3262 §4") }
        Send(183) {
            Header("Require", "100rel")
            Header("RSeq", "1")
            Answer()
        }
        Expect(.prack) {
            Require(.header("RAck").hasPrefix("1 "), "RFC 3262 §7.2: RAck names RSeq and CSeq of the response")
        }
        Send(200, answering: .prack)
        Pause(ringing)
        Send(200, answering: .invite)
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
