import ScenarioDSL
import Scenarios
import Testing

@testable import CallEngine

@Suite("What the checker says")
struct CheckerTests {
    private func errors(_ steps: Steps) -> [Diagnostic] {
        let scenario = Scenario("checked") {
            Party("alice") {
                Send(.options)
                Expect(200)
                steps
            }
        }
        return ScenarioCompiler.compile([scenario.tree]).diagnostics.filter { $0.severity == .error }
    }

    @StepsBuilder private func only(_ word: some StepWord) -> Steps { word }

    private static let delays: [Delay] = [
        .exponential(mean: .hours(24 * 365 * 15)), .exponential(mean: .hours(24 * 31)), .hours(24 * 365 * 200),
        .hours(24 * 31), .uniform(.seconds(1), .hours(24 * 31)), .lognormal(median: .hours(24 * 31), sigma: 1),
        .weibull(shape: 1, scale: .hours(24 * 365 * 100)), .empirical((1, .seconds(1)), (1, .hours(24 * 31))),
    ]

    @Test("A pause, mean, median, bound or scale beyond 30 days is an error at its line", arguments: delays.indices)
    func tooLong(number: Int) throws {
        let line = #line + 1
        let found = errors(only(Pause(Self.delays[number])))
        #expect(found.count == 1)
        let error = try #require(found.first)
        #expect(error.at.file == "CheckerTests.swift" && error.at.line > 0 && error.at.line != line)
        #expect(error.text.contains("30 days"), "\(error.text)")
    }

    @Test("Thirty days are none")
    func longest() {
        #expect(errors(only(Pause(.exponential(mean: .hours(24 * 30))))).isEmpty)
        #expect(errors(only(Pause(.hours(24 * 30)))).isEmpty)
    }

    @Test("Parameters of a distribution that make no pause are errors")
    func parameters() {
        for sigma in [-0.1, 20, .infinity, .nan] {
            #expect(errors(only(Pause(.lognormal(median: .seconds(1), sigma: sigma)))).count == 1)
        }
        for shape in [0, 0.05, -1, 1000, .infinity, .nan] {
            #expect(errors(only(Pause(.weibull(shape: shape, scale: .seconds(1))))).count == 1)
        }
        #expect(errors(only(Pause(.empirical((.infinity, .seconds(1)))))).count == 1)
        #expect(errors(only(Pause(.empirical((1e308, .seconds(1)), (1e308, .seconds(2)))))).count == 1)
    }

    @Test("The default of a setting is a pause like any other")
    func settings() {
        func found(_ fallback: String) -> [String] {
            errors(only(Pause(Setting("hold", default: fallback)))).map(\.text)
        }
        #expect(found("exponential(999999h)").first?.contains("30 days") == true)
        #expect(found("uniform(5s, 1s)").first?.contains("reversed") == true)
        #expect(found("often").first?.contains("is no pause") == true)
        #expect(found("exponential(720h)").isEmpty)
    }

    @Test("A count or a limit that no call can have is an error")
    func counts() {
        #expect(
            errors(only(Repeat(4_294_967_296) { Pause(.milliseconds(1)) })).first?.text.contains("4294967295") == true)
        #expect(errors(only(Repeat(4_294_967_295) { Pause(.milliseconds(1)) })).isEmpty)
        #expect(errors(only(Repeat(Setting("n", default: "many")) { Pause(.milliseconds(1)) })).count == 1)
        #expect(errors(only(ExpectNothing(for: .hours(24 * 47)))).first?.text.contains("46 days") == true)
    }

    @Test("Pauses of others that add up beyond all measure leave a wait that still waits")
    func peerPauses() throws {
        let scenario = Scenario("patient") {
            Party("alice") {
                Send(.invite) { Offer(.audio(.pcmu)) }
                Expect(200)
                Send(.ack)
                Expect(.bye)
                Send(200)
            }
            Party("bob", .answers) {
                Expect(.invite)
                Send(200) { Answer() }
                Expect(.ack)
                for _ in 0..<10 { Pause(.exponential(mean: .hours(24 * 30))) }
                Send(.bye)
                Expect(200)
            }
        }
        let exchange = try Exchange(scenario, plays: ["alice"])
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
        exchange.pass(.seconds(86_400))
        #expect(exchange.liveRuns == 1 && exchange.count(.runsFailed) == 0)
        let (program, _) = ScenarioCompiler.compile([scenario.tree])
        #expect(try #require(program).longestRun(settings: [:]) == 86_400_000_000_000)
    }

    @Test("A pause given to a run from outside is never beyond all measure")
    func fromOutside() throws {
        for hold in ["exponential(999999h)", "2000000h", "weibull(0.0001, 999999h)", "lognormal(999999h, 99)", "x"] {
            // The callee's wait for the BYE is as long as the caller's pause may be.
            let exchange = try Exchange(Scenarios.basicCall, plays: ["alice"]) { $0.settings = ["hold": hold] }
            try exchange.start()
            exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:bob@10.0.0.2:5060>"))
            exchange.pass(.milliseconds(1))
            #expect(exchange.liveRuns == 1)
        }
    }

    @Test("A missing value names the words that give one")
    func missingValue() {
        let tag = Variable("tag")
        let found = errors(only(Send(.options) { Header("X", tag) }))
        #expect(found.first?.text.contains("Capture or Compute it") == true, "\(found)")
    }

    @Test("Media without a stream to send them on are a warning; with an offer in any branch they are none")
    func unheard() {
        func warnings(_ steps: Steps) -> [String] {
            let scenario = Scenario("checked") {
                Party("alice") {
                    steps
                    Expect(200)
                    Send(.ack)
                    SendMedia(.tone)
                    Send(.bye)
                    Expect(200)
                }
            }
            let texts = ScenarioCompiler.compile([scenario.tree]).diagnostics.map(\.text)
            return texts.filter { $0.contains("sends media") }
        }
        #expect(warnings(only(Send(.invite))).count == 1)
        #expect(warnings(only(Send(.invite) { Offer(.audio(.pcmu)) })).isEmpty)
    }
}
