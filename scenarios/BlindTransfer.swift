import ScenarioDSL

/// Blind transfer (RFC 5359 §2.4, RFC 5589 §6): alice talks to bob, bob sends her on to carol without asking carol first.
///
/// Parties: alice calls and is transferred, bob transfers, carol is the target. Two calls, a REFER and its two NOTIFYs: 18 messages a group.
/// Sensible rate: some 6,000 groups/s a worker in one process.
///
/// Fails: at bob's `Notified`, with the status from the sipfrag, where carol does not take the call; at alice's wait for a REFER where bob's
/// server does not let it through (many answer 405 or 501 themselves).
public let blindTransfer = Scenario("blind-transfer", "a call, REFER to a third party, its NOTIFYs, RFC 5359 §2.4") {
    let talk = Setting("hold", default: "0s")
    let alice = Party("alice"), bob = Party("bob", .answers), carol = Party("carol", .answers)
    let transferred = DialogName("transferred")
    alice {
        Call(bob)
        AcceptTransfer(in: transferred)
        Expect(.bye)
        Send(200)
        In(transferred) {
            Pause(talk)
            HangUp()
        }
    }
    bob {
        AcceptCall()
        Send(.refer) { ReferTo(carol) }
        Expect(.success)
        Notified(until: .finalResponse)
        HangUp()
    }
    carol {
        AcceptCall()
        Expect(.bye)
        Send(200)
    }
}
