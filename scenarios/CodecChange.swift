import ScenarioDSL

/// Another codec in the middle of a call, by re-INVITE: RFC 3264 §8.3.2, RFC 3261 §14.
///
/// The call begins with G.711 µ-law; after `--set talk=…` alice offers G.722 alone, in the same stream. Parties: alice and bob. A sensible
/// rate is 100/s. Fails if bob refuses the re-INVITE or answers with another codec.
public let codecChange = Scenario("codec-change", "a re-INVITE that changes the codec of a call") {
    let talk = Setting("talk", default: "0s")
    let hold = Setting("hold", default: "0s")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu)) }
        Expect(180, .optional)
        Expect(200) { Require(.body.contains("RTP/AVP 0"), "RFC 3264 §6.1: an answer has a format of the offer") }
        Send(.ack)
        Pause(talk)
        Send(.invite) { Offer(.audio(.g722)) }
        Expect(200) {
            Require(.body.contains("RTP/AVP 9"), "RFC 3264 §6.1: the stream has the format that was offered")
        }
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.invite, within: .hours(1))
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
