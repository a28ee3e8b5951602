import Measurement
import ScenarioDSL
import Testing

@testable import CallEngine

/// Legs that come from a server between the parties, with another Call-ID and other tags.
@Suite("Correlation")
struct CorrelationTests {
    /// By what a leg is joined, and the line of the leg's INVITE that tells it.
    enum Rule: String, CaseIterable {
        case header, user, identity
    }

    private static func scenario(_ rule: Rule) -> Scenario {
        let value: Value =
            switch rule {
            case .header: .header("X-Call")
            case .user: .requestURI.user
            case .identity: .header("P-Asserted-Identity").user
            }
        return Scenario("through-a-b2bua") {
            let bob = Party("bob", .answers)
            Party("alice") {
                Correlate(as: "9\(.runNumber)")
                Send(.invite) { Header("X-Call", "9\(.runNumber)") }
                Expect(180, .optional)
                Expect(200)
                Send(.ack)
                HangUp()
            }
            bob {
                Correlate(by: value)
                AcceptCall()
                Expect(.bye)
                Send(200)
            }
        }
    }

    /// The leg of call `number` as the server makes it.
    private func leg(_ rule: Rule, _ number: Int, branch: String = "leg") -> String {
        request(
            "INVITE", uri: "sip:\(rule == .user ? "9\(number)" : "service")@10.0.0.1", branch: branch,
            from: "<sip:gateway@10.0.0.2>;tag=g", to: "<sip:somebody@10.0.0.1>", callID: "b2b-\(number)",
            cseq: "77 INVITE", "Contact: <sip:gateway@10.0.0.2:5060>",
            rule == .header ? "X-Call: 9\(number)" : "X-Other: 1",
            rule == .identity ? "P-Asserted-Identity: \"A\" <sip:9\(number)@x>" : "X-More: 2")
    }

    @Test("A leg belongs to the run whose value it carries, and the run ends with both", arguments: Rule.allCases)
    func joined(_ rule: Rule) throws {
        let exchange = try Exchange(Self.scenario(rule))
        try exchange.start(0)
        try exchange.start(1)
        let invites = exchange.take()
        #expect(invites.map { $0.header("X-Call") } == ["91", "92"])
        exchange.hear(leg(rule, 2))
        let ok = try #require(exchange.take().last)
        #expect(exchange.count(.legsJoined) == 1 && exchange.count(.legsUnjoined) == 0)
        #expect(exchange.liveRuns == 2 && exchange.liveSlots == 3)
        exchange.hear(invites[1].response("200 OK", "Contact: <sip:gateway@10.0.0.2:5060>"))
        let bye = try #require(exchange.take().last)
        exchange.hear(
            request(
                "ACK", branch: "a", from: "<sip:gateway@10.0.0.2>;tag=g", to: ok.header("To"), callID: "b2b-2",
                cseq: "77 ACK"))
        exchange.hear(bye.response("200 OK"))
        // alice is done; her run goes on until bob is.
        #expect(exchange.liveRuns == 2)
        exchange.hear(
            request(
                "BYE", branch: "b", from: "<sip:gateway@10.0.0.2>;tag=g", to: ok.header("To"), callID: "b2b-2",
                cseq: "78 BYE"))
        #expect(exchange.take().map(\.start) == ["200"])
        #expect(exchange.liveRuns == 1 && exchange.count(.runsSucceeded) == 1)
        // What a run was known by goes with it.
        exchange.hear(leg(rule, 2, branch: "again"))
        #expect(exchange.count(.legsUnjoined) == 1)
    }

    @Test("A leg with a value of no run, or without one, is counted as not joined")
    func unjoined() throws {
        let exchange = try Exchange(Self.scenario(.header))
        try exchange.start()
        exchange.hear(leg(.header, 5, branch: "1"))
        exchange.hear(leg(.user, 1, branch: "2"))
        #expect(exchange.count(.legsUnjoined) == 2 && exchange.count(.legsJoined) == 0)
    }

    @Test("A failed call's messages are those of all its parties")
    func transcript() throws {
        let exchange = try Exchange(Self.scenario(.header))
        try exchange.start()
        let invite = try exchange.takeOne()
        exchange.hear(leg(.header, 1))
        #expect(exchange.take().map(\.start) == ["180", "200"])
        exchange.hear(invite.response("486 Busy Here"))
        exchange.pass(.seconds(120))
        #expect(exchange.liveSlots == 0)
        let transcript = try #require(try exchange.transcript())
        #expect(Set(transcript.messages.map(\.party)) == [0, 1])
    }

    private func complaints(_ scenario: Scenario) -> [String] {
        ScenarioCompiler.compile([scenario.tree]).diagnostics.map(\.description)
    }

    private func called(@StepsBuilder _ steps: () -> Steps) -> [String] {
        complaints(
            Scenario("s") {
                Party("alice") {
                    Correlate(as: .runNumber)
                    Send(.options)
                    Expect(200)
                }
                Party("bob", .answers, does: steps)
            })
    }

    @Test("What cannot join is an error at its line")
    func mistakes() {
        let late = called {
            Expect(.options)
            Correlate(by: .header("X-Call"))
            Send(200)
        }
        #expect(late.count == 1 && late[0].contains("is the first step of a party that answers"), "\(late)")
        let ofCall = called {
            Correlate(by: .runNumber)
            Expect(.options)
            Send(200)
        }
        #expect(ofCall.count == 1 && ofCall[0].contains("only parts of the request can be"), "\(ofCall)")
        let unnamed = complaints(
            Scenario("s") {
                Party("alice") {
                    Send(.options)
                    Expect(200)
                }
                Party("bob", .answers) {
                    Correlate(by: .header("X-Call"))
                    Expect(.options)
                    Send(200)
                }
            })
        #expect(unnamed.count == 1 && unnamed[0].contains("no party says Correlate(as: …)"), "\(unnamed)")
        let useless = called {
            Expect(.options)
            Send(200)
        }
        #expect(useless.count == 1 && useless[0].contains("this line has no effect"), "\(useless)")
    }
}
