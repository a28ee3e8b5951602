import ScenarioDSL

/// The caller gives up in the moment in which the callee answers: RFC 3261 §9.1, §15, RFC 5407 §3.1.2. CANCEL and 200 cross.
///
/// Alice sends CANCEL when it has rung for 200 ms, bob answers after 190 ms and `--set jitter=…`. Whoever is first wins, and both ends come to
/// rest: either the INVITE gets 487, or alice acknowledges the 200 and hangs up; the call is then counted as "answered first" or, where the
/// two crossed, "answered in spite of the CANCEL". The 200 to the CANCEL says nothing of that. Parties: alice and bob. A sensible rate is 50/s. Fails
/// if alice gets no final response to her INVITE, or bob no ACK.
public let cancelRace = Scenario("cancel-race", "CANCEL and 200 cross: whoever is first wins") {
    let jitter = Setting("jitter", default: "uniform(0ms, 20ms)")
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
        FirstOf(within: .milliseconds(200)) {
            On(.success) {
                Send(.ack)
                HangUp()
                Finish("answered first")
            }
            OnTimeout {
                Send(.cancel)
                Expect(.finalResponse, .optional, answering: .cancel)
                FirstOf {
                    On(487, answering: .invite) { Finish("cancelled") }
                    On(.success, answering: .invite) {
                        Send(.ack)
                        Send(.bye)
                        Expect(200, answering: .bye)
                        Finish("answered in spite of the CANCEL")
                    }
                }
            }
        }
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Pause(jitter)
        FirstOf(within: .milliseconds(190)) {
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
