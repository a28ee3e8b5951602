import ScenarioDSL

/// A phone publishes its presence, refreshes what it published, changes it and takes it back: RFC 3903 §4, §6.
///
/// Each 200 names the state with a SIP-ETag; the next PUBLISH gives it back in SIP-If-Match and gets a new one. A refresh has no body, a
/// removal has `Expires: 0`. Parties: a phone and a presence server. A sensible rate is 100/s. Fails if a 200 has no entity-tag, or a
/// PUBLISH with the last one is refused (412).
public let publish = Scenario("publish", "PUBLISH: made, refreshed, changed, removed") {
    let tag = Variable("tag")
    let expires = Setting("expires", default: "3600")
    Party("phone") {
        Send(.publish, to: .localURI, requestURI: .localURI) {
            Header("Event", "presence")
            Expires(expires)
            Body(
                "application/pidf+xml",
                "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:phone@\(.domain)\"/>\n")
        }
        Expect(200) { Capture(tag, from: .header("SIP-ETag")) }
        Send(.publish, to: .localURI, requestURI: .localURI) {
            Header("Event", "presence")
            Header("SIP-If-Match", tag)
            Expires(expires)
        }
        Expect(200) { Capture(tag, from: .header("SIP-ETag")) }
        Send(.publish, to: .localURI, requestURI: .localURI) {
            Header("Event", "presence")
            Header("SIP-If-Match", tag)
            Expires(expires)
            Body(
                "application/pidf+xml",
                "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:phone@\(.domain)\"/>\n")
        }
        Expect(200) { Capture(tag, from: .header("SIP-ETag")) }
        Send(.publish, to: .localURI, requestURI: .localURI) {
            Header("Event", "presence")
            Header("SIP-If-Match", tag)
            Expires(0)
        }
        Expect(200)
    }
    Party("server") {
        let given = Variable("given")
        Expect(.publish) { Require(!.header("SIP-If-Match").exists, "RFC 3903 §4.1: the first one has no entity-tag") }
        Compute(given, from: .random(digits: 8))
        Send(200) {
            Header("SIP-ETag", given)
            Expires(.header("Expires"))
        }
        Repeat(2) {
            Expect(.publish) { Require(.header("SIP-If-Match") == given, "RFC 3903 §6: step 4") }
            Compute(given, from: .random(digits: 8))
            Send(200) {
                Header("SIP-ETag", given)
                Expires(.header("Expires"))
            }
        }
        Expect(.publish) {
            Require(.header("SIP-If-Match") == given, "RFC 3903 §6: step 4")
            Require(.header("Expires") == 0, "RFC 3903 §4.5")
        }
        Send(200) {
            Header("SIP-ETag", given)
            Expires(0)
        }
    }
}
