import ScenarioDSL

/// Attended transfer (RFC 5359 §2.5, RFC 5589 §7): bob talks to alice, holds her, asks carol, holds carol too, and connects the two.
/// The REFER names the consultation in a Replaces (RFC 3891), and alice's INVITE takes its place at carol.
///
/// Parties: bob transfers, alice is transferred, carol is the target. Two calls at a time in each of them. Messages of one group: 29.
/// Sensible rate: some 4,000 groups/s a worker in one process; what a target does it shows by its delay of the REFER.
///
/// Fails: with 481 where a Replaces finds no call (a B2BUA that does not rewrite it); at bob's `Notified`, with the status from the sipfrag,
/// where carol does not take the call; at alice's wait for BYE where bob's REFER was lost on the way.
public let attendedTransfer = Scenario("attended-transfer", "hold, a consultation, REFER with Replaces, RFC 5359 §2.5")
{
    let talk = Setting("hold", default: "0s")
    let alice = Party("alice", .answers), bob = Party("bob"), carol = Party("carol", .answers)
    let consultation = DialogName("consultation"), transferred = DialogName("transferred")
    bob {
        Call(alice)
        Hold()
        In(consultation) {
            Call(carol)
            Hold()
        }
        Send(.refer) { ReferTo(carol, replacing: consultation) }
        Expect(.success)
        Notified(until: .finalResponse)
        In(consultation) {
            Expect(.bye)
            Send(200)
        }
        HangUp()
    }
    alice {
        AcceptCall()
        AcceptReinvite()
        AcceptTransfer(in: transferred)
        Expect(.bye)
        Send(200)
        In(transferred) {
            Pause(talk)
            HangUp()
        }
    }
    carol {
        AcceptCall()
        AcceptReinvite()
        In(transferred) { AcceptReplacement() }
        HangUp()
        In(transferred) {
            Expect(.bye)
            Send(200)
        }
    }
}
