import Measurement
import ScenarioDSL
import Testing

@testable import CallEngine

/// What is said of a value that is not there.
@Suite("A value that is not there")
struct AbsentValueTests {
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
