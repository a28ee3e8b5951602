import ScenarioDSL

/// Call pickup (RFC 5359 §2.13): alice calls bob, whose phone rings; bill, who watches bob's calls, takes the call by an INVITE to alice with a
/// Replaces for her early dialog (RFC 3891), and alice cancels what rings.
///
/// The watching is provisioned, as in a PBX: bob's phone tells bill of the ringing call in a NOTIFY with dialog information (RFC 4235), for which
/// bill has no SUBSCRIBE in this call.
///
/// Parties: alice calls, bob rings, bill picks up. 13 messages a group. Sensible rate: some 6,000 groups/s a worker in one process.
///
/// Fails: with 481 at bill where a server changes alice's Call-ID or tags and does not rewrite the dialog information; where the CANCEL
/// does not reach bob.
public let callPickup = Scenario("call-pickup", "a third party takes a ringing call by Replaces, RFC 5359 §2.13") {
    let talk = Setting("hold", default: "0s")
    let alice = Party("alice"), bob = Party("bob", .answers), bill = Party("bill", .answers)
    let pickedUp = DialogName("picked-up"), watch = DialogName("watch")
    let target = Variable("target"), call = Variable("call"), local = Variable("local"), remote = Variable("remote")
    alice {
        Send(.invite, to: .uri(of: bob), requestURI: .uri(of: bob)) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180)
        In(pickedUp) { AcceptReplacement() }
        Send(.cancel)
        Expect(200, .optional, answering: .cancel)
        Expect(487, answering: .invite)
        In(pickedUp) {
            Pause(talk)
            HangUp()
        }
    }
    bob {
        Expect(.invite) {
            Capture(target, from: .header("Contact").uri)
            Capture(remote, from: .header("From").parameter("tag"))
        }
        Send(180)
        Compute(call, from: .callID)
        Compute(local, from: .localTag)
        In(watch) {
            Send(.notify, to: .uri(of: bill), requestURI: .uri(of: bill)) {
                Header("Event", "dialog")
                Header("Subscription-State", "active")
                Body(
                    "application/dialog-info+xml",
                    """
                    <?xml version="1.0"?>
                    <dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="\(.localURI)">
                    <dialog id="1" call-id="\(call)" local-tag="\(local)" remote-tag="\(remote)" direction="recipient">
                    <state>early</state><remote><target uri="\(target)"/></remote>
                    </dialog></dialog-info>
                    """)
            }
            Expect(200)
        }
        Expect(.cancel)
        Send(200, answering: .cancel)
        Send(487, answering: .invite)
    }
    bill {
        Expect(.notify) {
            Capture(call, from: .body.matching(#"call-id="([^"]*)""#))
            Capture(local, from: .body.matching(#"local-tag="([^"]*)""#))
            Capture(remote, from: .body.matching(#"remote-tag="([^"]*)""#))
            Capture(target, from: .body.matching(#"target uri="([^"]*)""#))
        }
        Send(200)
        In(pickedUp) {
            Send(.invite, to: .uri(of: alice), requestURI: target) {
                // As alice has them: her own tag is the to-tag (RFC 3891 §3).
                Header("Replaces", "\(call);to-tag=\(remote);from-tag=\(local)")
                Header("Require", "replaces")
                Offer(.audio(.pcmu, .pcma))
            }
            Expect(200)
            Send(.ack)
            Expect(.bye)
            Send(200)
        }
    }
}
