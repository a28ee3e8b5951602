import ScenarioDSL

/// What a gateway offers for T.38, version 0: no redundancy in what is sent, error correction by repetition.
private let faxOffer: Value = """
    v=0
    o=called 2890844526 2890844527 IN IP4 \(.localAddress)
    s=-
    c=IN IP4 \(.localAddress)
    t=0 0
    m=image 40000 udptl t38
    a=T38FaxVersion:0
    a=T38MaxBitRate:14400
    a=T38FaxRateManagement:transferredTCF
    a=T38FaxMaxBuffer:1024
    a=T38FaxMaxDatagram:238
    a=T38FaxUdpEC:t38UDPRedundancy

    """

/// A fax over IP: a voice call in which the called gateway has heard the tone and changes to T.38. ITU-T T.38 annex D, RFC 3362,
/// RFC 3264 §8.3.3; it is the callee who sends the re-INVITE.
///
/// Parties: a calling and a called gateway. `--set pages=…` is how long the fax takes (0 s unless said). A sensible rate is 20/s. Fails if the
/// caller refuses the re-INVITE (488 is what a gateway without T.38 says), or answers with anything but `m=image` and a port.
public let fax = Scenario("fax", "a voice call that becomes T.38 by the callee's re-INVITE") {
    let pages = Setting("pages", default: "0s")
    Party("caller") {
        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Expect(.invite) { Require(.body.contains("udptl t38"), "the called gateway offers T.38") }
        Send(200) { Answer() }
        Expect(.ack)
        Pause(pages)
        Send(.bye)
        Expect(200)
    }
    Party("called") {
        Expect(.invite)
        Send(180)
        Send(200) { Answer() }
        Expect(.ack)
        Send(.invite) { Body("application/sdp", faxOffer) }
        Expect(200) {
            Require(
                .body.matches(#"m=image [1-9]\d* udptl t38"#), "RFC 3264 §6: same kind of stream, its port is not 0")
        }
        Send(.ack)
        Expect(.bye, within: .hours(1))
        Send(200)
    }
}
