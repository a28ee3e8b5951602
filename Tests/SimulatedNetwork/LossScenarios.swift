import ScenarioDSL
import Scenarios

/// What is sent through the bad network: the catalogue, and flows in which the two ends cross.
public let lossScenarios: [Scenario] = catalogue + [calleeHangsUp, bothHangUp, answerCrossesCancel, longRing]

/// The callee ends the call.
public let calleeHangsUp = Scenario("callee-hangs-up", "the callee sends BYE") {
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Expect(.bye, within: .seconds(100))
        Send(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Pause(.milliseconds(20) ... .seconds(2))
        Send(.bye)
        Expect(200)
    }
}

/// Both hang up at nearly the same time: two BYEs cross.
public let bothHangUp = Scenario("both-hang-up", "two BYEs cross") {
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Pause(.milliseconds(900) ... .milliseconds(1100))
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Pause(.milliseconds(900) ... .milliseconds(1100))
        Send(.bye)
        Expect(200)
    }
}

/// The callee answers in the moment in which the caller gives up.
public let answerCrossesCancel = Scenario("answer-crosses-cancel", "a 200 and a CANCEL cross") {
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu)) }
        Expect(180)
        Pause(.milliseconds(300))
        Send(.cancel)
        Expect(200, .optional, answering: .cancel)
        FirstOf {
            On(487, answering: .invite) {}
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
        Pause(.milliseconds(250) ... .milliseconds(450))
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}

/// The caller gives up after it has rung longer than any transaction timer runs.
public let longRing = Scenario("long-ring", "CANCEL after 50 s") {
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu)) }
        Expect(180)
        Pause(.seconds(50))
        Send(.cancel)
        Expect(200, .optional, answering: .cancel)
        Expect(487, answering: .invite)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Expect(.cancel, within: .seconds(120))
        Send(200, answering: .cancel)
        Send(487, answering: .invite)
    }
}
