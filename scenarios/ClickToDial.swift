import ScenarioDSL

/// Click to dial by third-party call control, flow I (RFC 3725 §4.1): a web server calls alice without an offer, takes what she offers to bob,
/// and hands bob's answer to her in the ACK. Media flow between the two; signalling stays with the server.
///
/// Parties: server calls both, alice and bob are called. Two calls, whose session descriptions cross: 12 messages a group.
/// Sensible rate: some 8,000 groups/s a worker in one process. Flow I wants bob to answer fast: until then alice has no ACK and repeats her 200.
///
/// Fails: where the server's offer to bob is not alice's, or her answer not his; where a phone refuses an INVITE without an offer (RFC 3261 §13.2.1
/// lets nobody).
public let clickToDial = Scenario("click-to-dial", "a server connects two phones, RFC 3725 §4.1 flow I") {
    let talk = Setting("hold", default: "0s")
    let alice = Party("alice", .answers), bob = Party("bob", .answers)
    let toBob = DialogName("to bob")
    let offer = Variable("offer"), answer = Variable("answer")
    Party("server") {
        Send(.invite, to: .uri(of: alice), requestURI: .uri(of: alice))
        Expect(180, .optional)
        Expect(200) { Capture(offer, from: .body) }
        In(toBob) {
            Send(.invite, to: .uri(of: bob), requestURI: .uri(of: bob)) { Body("application/sdp", offer) }
            Expect(180, .optional)
            Expect(200) { Capture(answer, from: .body) }
            Send(.ack)
        }
        Send(.ack) { Body("application/sdp", answer) }
        Expect(.bye)
        Send(200)
        In(toBob) { HangUp() }
    }
    alice {
        Expect(.invite) { Require(!.body.exists, "RFC 3725 §4.1: the first INVITE has no offer") }
        Send(180)
        Send(200) { Offer(.audio(.pcma, port: 40_100)) }
        Expect(.ack) {
            Require(
                .sdp(.mediaPort) == 40_200 && .body.contains("PCMA"),
                "RFC 3725 §4.1: the ACK has the answer of the other phone")
        }
        Pause(talk)
        HangUp()
    }
    bob {
        Expect(.invite) { Require(.sdp(.mediaPort) == 40_100, "RFC 3725 §4.1: the offer is the other phone's") }
        Send(180)
        Send(200) { Offer(.audio(.pcma, port: 40_200)) }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
