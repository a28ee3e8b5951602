import Measurement
import ScenarioDSL
import Testing

@testable import CallEngine

/// What is said of a value that is not there.
@Suite("A value that is not there")
struct AbsentValueTests {
    private static let description = """
        v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=ptime:\r\n
        """

    /// What the report says alice got where she captured this, or required it to be 1.
    private func got(_ value: Value, _ lines: String..., body: String = "") throws -> [String] {
        let v = Variable("v")
        let capturing = Scenario("capturing") {
            Party("alice") {
                Send(.options)
                Expect(200) { Capture(v, from: value) }
            }
        }
        let requiring = Scenario("requiring") {
            Party("alice") {
                Send(.options)
                Expect(200) { Require(value == "1", "it is 1") }
            }
        }
        return try [capturing, requiring].map { scenario in
            let exchange = try Exchange(scenario)
            try exchange.start()
            var answer = try exchange.takeOne().response("200 OK", body: body)
            for line in lines { answer = answer.replacing("\r\nContent-Length", with: "\r\n\(line)\r\nContent-Length") }
            exchange.hear(answer)
            return exchange.record().failureGroups.first?.got ?? "what was wanted"
        }
    }

    @Test("A header that is absent, and one that is empty")
    func header() throws {
        #expect(try got(.header("X-Test")) == Array(repeating: "no X-Test header field", count: 2))
        // Captured, an empty value is a value.
        #expect(try got(.header("X-Test"), "X-Test:") == ["what was wanted", "an empty value"])
        #expect(try got(.header("X-Test", nth: 2), "X-Test: a").last == "no X-Test header field number 2")
    }

    @Test("A parameter that is absent, one of a header that is absent, and one that is empty")
    func parameter() throws {
        let of = Value.header("Contact").parameter("expires")
        #expect(try got(of) == Array(repeating: "no Contact header field", count: 2))
        #expect(
            try got(of, "Contact: <sip:bob@10.0.0.2>")
                == Array(repeating: "no expires parameter in “<sip:bob@10.0.0.2>”", count: 2))
        #expect(try got(of, "Contact: <sip:bob@10.0.0.2>;expires").last == "an empty value")
    }

    @Test("A part of a URI, of a description and of a body")
    func parts() throws {
        #expect(
            try got(.header("Contact").user, "Contact: <sip:10.0.0.2>").last == "no user in “<sip:10.0.0.2>”")
        #expect(try got(.sdp(.attribute("ptime"))).last == "no body")
        #expect(try got(.sdp(.attribute("maxptime")), body: Self.description).last == "no a=maxptime line in the body")
        #expect(try got(.sdp(.attribute("ptime")), body: Self.description).last == "an empty value")
        #expect(try got(.sdp(.connectionAddress), body: Self.description).last == "no c= line in the body")
        #expect(try got(.sdp(.mediaPort(2)), body: Self.description).last == "no m= line number 2 in the body")
        #expect(try got(.body).last == "no body")
    }

    @Test("What a value is compared with")
    func other() throws {
        let exchange = try Exchange(
            Scenario("comparing") {
                Party("alice") {
                    Send(.options)
                    Expect(200) { Require(.header("X-A") == .header("X-B"), "they agree") }
                }
            })
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "X-A: 1"))
        #expect(exchange.record().failureGroups.map(\.got) == ["no X-B header field"])
    }

    @Test("A pattern that does not match")
    func pattern() throws {
        #expect(
            try got(.header("X-Test").matching("^([0-9]+)"), "X-Test: seven")
                == Array(repeating: "no match in “seven”", count: 2))
    }

    @Test("An ACK that is made of one fails its call, which is acknowledged without it and hung up")
    func acknowledgement() throws {
        let exchange = try Exchange(
            Scenario("acknowledging") {
                Party("alice") {
                    Send(.invite)
                    Expect(200)
                    Send(.ack) { Header("X-Copy", "\(.header("X-Not-There"))") }
                    Pause(.seconds(1))
                    Send(.bye)
                    Expect(200)
                }
            })
        try exchange.start()
        let answer = try exchange.takeOne().response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>")
        exchange.hear(answer)
        let sent = exchange.take()
        #expect(sent.map(\.start) == ["ACK", "BYE"])
        #expect(sent.first?.header("CSeq") == "1 ACK")
        #expect(sent.first?.text.contains("X-Copy") == false)
        // A repeat gets that ACK again.
        exchange.hear(answer)
        #expect(exchange.take().map(\.text) == sent.prefix(1).map(\.text))
        let record = exchange.record()
        #expect(record[.runsFailed] == 1)
        let group = try #require(record.failureGroups.first)
        #expect(group.expected == "to send ACK")
        #expect(group.got == "no value for a part that it is made of")
    }
}
