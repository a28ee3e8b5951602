import ScenarioDSL

/// A callee who does not answer: the caller lets it ring for 2 s, then gives up. RFC 3665 §3.8 with the reason for it.
///
/// Alice waits for whichever comes first, a final response or her time limit. If it is the limit, she sends CANCEL and gets
/// 487; the call counts as "no answer", not as failed. If bob answers she acknowledges, hangs up and the call has failed.
public let noAnswer = Scenario("no-answer", "nobody answers, the caller gives up after 2 s") {
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180)
        FirstOf(within: .seconds(2)) {
            On(.success) {
                Send(.ack)
                HangUp()
                Fail("the callee answered")
            }
            On(.failure) { Fail("the callee refused") }
            OnTimeout {
                Send(.cancel)
                Expect(200, .optional, answering: .cancel)
                Expect(487, answering: .invite)
                Finish("no answer")
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
