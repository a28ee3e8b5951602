import CallTraces
import Measurement
import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

/// What a report says of runs that failed.
@Suite("What is reported of a failed run")
struct FailedRunReportTests {
    static let contact = "Contact: <sip:bob@10.0.0.2:5060>"

    /// Alice calls and waits so long before she hangs up.
    static let calling = Scenario("calling") {
        Party("alice") {
            Send(.invite)
            Expect(180, .optional)
            Expect(200)
            Send(.ack)
            Pause(.seconds(10))
            Send(.bye)
            Expect(200)
        }
    }

    private func established(_ scenario: Scenario) throws -> (exchange: Exchange, invite: SentMessage, to: String) {
        let exchange = try Exchange(scenario, plays: ["alice"])
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("200 OK", Self.contact))
        return (exchange, invite, try #require(exchange.take().first).header("To"))
    }

    private func bye(_ invite: SentMessage, from: String) -> String {
        request(
            "BYE", branch: "b", from: from, to: invite.header("From"), callID: invite.header("Call-ID"), cseq: "1 BYE")
    }

    // MARK: cut off

    @Test("A failed run whose BYE nobody answers is failed, not cut off; the others are cut off")
    func failedAndCutOff() throws {
        let exchange = try Exchange(Scenarios.reinvite, plays: ["alice"])
        try exchange.start(0)
        let invite = try exchange.takeOne()
        exchange.hear(invite.response("200 OK", Self.contact))
        let reinvite = try #require(exchange.take().last)
        exchange.hear(reinvite.response("488 Not Acceptable Here"))
        #expect(exchange.take().last?.start == "BYE")
        try exchange.start(1)
        exchange.pass(.seconds(1))
        let record = exchange.record()
        #expect(record[.runsFailed] == 1)
        #expect(record[.runsCutOff] == 1)
        #expect(record.failureGroups.map(\.count) == [1])
        let transcript = try #require(try exchange.transcript())
        #expect(transcript.run == 0)
        #expect(transcript.messages.filter(\.isWhereItFailed).map(\.arrowLabel) == ["488 Not Acceptable Here"])
        #expect(transcript.messages.contains { $0.arrowLabel == "BYE" })
    }

    // MARK: words

    @Test("A BYE during a pause is told as what it is")
    func byeWhilePausing() throws {
        let (exchange, invite, to) = try established(Self.calling)
        exchange.hear(bye(invite, from: to))
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.step?.text.hasPrefix("pause") == true)
        #expect(group.expected == "nothing: the pause to pass undisturbed")
        #expect(group.got == "BYE")
        #expect(group.rule == "the scenario; a BYE may come at any time: RFC 3261 §15.1.2")
    }

    @Test("A request without an answer while the script pauses is no surprise of the pause")
    func noAckWhilePausing() throws {
        let exchange = try Exchange(
            Scenario("pausing") {
                Party("bob", .answers) {
                    Expect(.invite)
                    Send(200)
                    Pause(.minutes(5))
                    Expect(.ack)
                    Expect(.bye)
                    Send(200)
                }
            })
        exchange.hear(
            request(
                "INVITE", branch: "1", from: "<sip:alice@10.0.0.2>;tag=a", to: "<sip:bob@10.0.0.1>", callID: "c",
                cseq: "1 INVITE", "Contact: <sip:alice@10.0.0.2:5060>"))
        exchange.pass(.seconds(40))
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.expected == "ACK to the final response")
        #expect(group.got == "nothing")
        #expect(group.rule == "RFC 3261 §13.3.1.4, §17.2.1")
    }

    @Test("A message whose value is not there is told as that, and not as want of room")
    func missingValue() throws {
        let exchange = try Exchange(
            Scenario("copying") {
                Party("alice") {
                    Send(.options)
                    Expect(200)
                    Send(.message) { Header("X-Copy", "\(.header("X-Not-There"))") }
                    Expect(200)
                }
            })
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK"))
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.expected == "to send MESSAGE")
        #expect(group.got == "no value for a part that it is made of")
        #expect(group.rule == "the scenario; what the transport may say: RFC 3261 §18.4")
    }

    @Test("A script that goes on and on without a wait is told as that")
    func stepLimit() throws {
        let exchange = try Exchange(
            Scenario("busy") {
                Party("alice") {
                    Repeat(1_000_000) { Pause(.seconds(0)) }
                    Send(.options)
                    Expect(200)
                }
            })
        try exchange.start()
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.expected == "a wait or a pause before so many steps")
        #expect(group.got == "the limit of 100,000 steps without a wait")
        #expect(group.rule == "Carillon's own: a script that never waits would stall all calls of its worker")
    }

    // MARK: messages

    @Test("A repeated request stands in the trace as often as it came, and is marked")
    func repeats() throws {
        let exchange = try Exchange(
            Scenario("answering") {
                Party("bob", .answers) {
                    Expect(.invite)
                    Send(200)
                    Expect(.ack)
                    Expect(.info)
                    Pause(.seconds(10))
                    Send(200)
                    Expect(.bye, within: .seconds(2))
                    Send(200)
                }
            })
        let from = "<sip:alice@10.0.0.2>;tag=a"
        exchange.hear(
            request(
                "INVITE", branch: "1", from: from, to: "<sip:bob@10.0.0.1>", callID: "c", cseq: "1 INVITE",
                "Contact: <sip:alice@10.0.0.2:5060>"))
        let to = try exchange.takeOne().header("To")
        exchange.hear(request("ACK", branch: "2", from: from, to: to, callID: "c", cseq: "1 ACK"))
        for _ in 0..<3 { exchange.hear(request("INFO", branch: "3", from: from, to: to, callID: "c", cseq: "2 INFO")) }
        exchange.pass(.seconds(70))
        #expect(exchange.count(.requestRetransmissionsReceived) == 2)
        let transcript = try #require(try exchange.transcript())
        let infos = transcript.messages.filter { $0.direction == .received && $0.arrowLabel == "INFO" }
        #expect(infos.map(\.isRetransmission) == [false, true, true])
        #expect(!transcript.messages.contains { $0.arrowLabel == "ACK" && $0.isRetransmission })
    }

    // MARK: delays

    @Test("A BYE that nobody answers is no sample of a failed disconnect")
    func byeTimesOut() throws {
        let (exchange, _, _) = try established(Self.calling)
        exchange.pass(.seconds(50))
        let record = exchange.record()
        #expect(record[.runsFailed] == 1)
        #expect(record.delay(.sessionDisconnectDelayFailed) == nil)
        #expect(record.delay(.sessionDuration) != nil)
    }
}
