import ScenarioDSL

/// A call that begins with sound and gets a picture: a re-INVITE that adds a stream. RFC 3264 §8.1, RFC 3261 §14.
///
/// A new stream stands behind the old ones, and the answer has as many as the offer, in its order (RFC 3264 §6). Parties: alice and bob. A
/// sensible rate is 100/s. Fails if bob refuses the re-INVITE, or answers without a port for the picture.
public let addVideo = Scenario("add-video", "audio, then audio and video by re-INVITE") {
    let hold = Setting("hold", default: "0s")
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Send(.invite) { Offer(.audio(.pcmu, .pcma), .video(.h264)) }
        Expect(200) {
            Require(.sdp(.mediaPort(1)) > 0, "RFC 3264 §8.1: the first stream goes on")
            Require(.sdp(.mediaPort(2)) > 0, "RFC 3264 §6: the second one is accepted, its port is not 0")
        }
        Send(.ack)
        Pause(hold)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite) { Require(!.sdp(.mediaPort(2)).exists, "the call begins with sound alone") }
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.invite) { Require(.sdp(.mediaPort(2)).exists, "RFC 3264 §8.1: a stream is added at the end") }
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}
