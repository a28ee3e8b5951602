import ScenarioDSL

/// A caller who gives up while it rings: RFC 3665 §3.8, RFC 3261 §9.
///
/// Alice calls, hears it ring for `--set ringing=…` (200 ms unless said), sends CANCEL and gets 487 to her INVITE. The 200 to
/// the CANCEL says only that it arrived and may come before or after the 487.
/// A callee that answers in the same moment wins: the call is then acknowledged, ended and counted as "answered first".
public let cancel = Scenario("cancel", "INVITE, 180, CANCEL, 487 Request Terminated") {
    let ringing = Setting("ringing", default: "200ms")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180)
        Pause(ringing)
        Send(.cancel)
        Expect(200, .optional, answering: .cancel)
        FirstOf {
            On(487, answering: .invite) {}
            On(.success, answering: .invite) {
                Send(.ack)
                HangUp()
                Finish("answered first")
            }
        }
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Expect(.cancel)
        Send(200, answering: .cancel)
        Send(487, answering: .invite)
    }
}
