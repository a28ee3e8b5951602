import ScenarioDSL

/// The caller gives up in the moment in which the callee answers: RFC 3261 §9.1, §15, RFC 5407 §3.1.2. CANCEL and 200 cross.
///
/// Alice sends CANCEL when it has rung for `--set patience=…`, bob answers after 200 ms. Whoever is first wins, and both ends come to rest: either the
/// INVITE gets 487, or alice acknowledges the 200 and hangs up; the call is then counted as "answered first". The 200 to the CANCEL says
/// nothing of that. Parties: alice and bob. A sensible rate is 50/s. Fails if alice gets no final response to her INVITE, or bob no ACK.
public let cancelRace = Scenario("cancel-race", "CANCEL and 200 cross: whoever is first wins") {
    let patience = Setting("patience", default: "uniform(190ms, 210ms)")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        FirstOf {
            On(180) {}
            On(.success) {
                Send(.ack)
                HangUp()
                Finish("answered first")
            }
        }
        Pause(patience)
        Send(.cancel)
        Expect(.finalResponse, .optional, answering: .cancel)
        FirstOf {
            On(487, answering: .invite) { Finish("cancelled") }
            On(.success, answering: .invite) {
                Send(.ack)
                Send(.bye)
                Expect(200, answering: .bye)
                Finish("answered first")
            }
        }
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        FirstOf(within: .milliseconds(200)) {
            On(.cancel) {
                Send(200, answering: .cancel)
                Send(487, answering: .invite)
            }
            OnTimeout {
                Send(200, answering: .invite) { Offer(.audio(.pcmu)) }
                Expect(.cancel, .optional)
                Expect(.ack)
                Expect(.bye)
                Send(200, answering: .bye)
            }
        }
    }
}
