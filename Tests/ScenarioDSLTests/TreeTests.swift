import Scenarios
import Testing

@testable import ScenarioDSL

struct TreeTests {
    @Test func wordsStandAtTheirLines() throws {
        let line = #line
        let scenario = Scenario("call", "one call") {
            Party("alice") {
                Send(.invite) {
                    Offer(.audio(.pcmu))
                }
                FirstOf(within: .seconds(8)) {
                    On(200) { Send(.ack) }
                    OnTimeout {
                        Fail("late")
                    }
                }
            }
        }
        let tree = scenario.tree
        #expect(tree.at == Spot(file: "TreeTests.swift", line: line + 1))
        let alice = try #require(tree.parties.first)
        #expect(alice.at.line == line + 2)
        #expect(alice.steps.map(\.at.line) == [line + 3, line + 6])
        guard case .send(let send) = alice.steps[0].action, case .firstOf(let first) = alice.steps[1].action else {
            Issue.record("other steps")
            return
        }
        #expect(send.what == .method("INVITE"))
        #expect(send.content.map(\.at.line) == [line + 4])
        #expect(first.within == Seconds(.seconds(8)))
        #expect(first.alternatives.map(\.at.line) == [line + 7, line + 8])
        #expect(first.alternatives.map(\.isTimeout) == [false, true])
        #expect(first.alternatives[1].steps.map(\.at.line) == [line + 9])
    }

    @Test func composedWordsAreTakenApartAtTheirLine() throws {
        let line = #line
        let scenario = Scenario("call") {
            let bob = Party("bob", .answers)
            Party("alice") {
                Call(bob)
                HangUp()
            }
            bob { AcceptCall() }
        }
        let alice = try #require(scenario.tree.parties.first)
        #expect(alice.steps.map(\.at.line) == [line + 4, line + 4, line + 4, line + 5, line + 5])
        #expect(
            alice.steps.map(\.action)[0]
                == .send(
                    SendTree(
                        what: .method("INVITE"), to: .partyURI("bob"), requestURI: .partyURI("bob"),
                        content: [
                            Content(
                                .offer(OfferTree(media: [Media.audio(.pcmu, .pcma).tree])),
                                at: Spot(file: "TreeTests.swift", line: line + 4))
                        ])))
        #expect(alice.steps.map(\.action)[2] == .send(SendTree(what: .method("ACK"), content: [])))
        let bob = scenario.tree.parties[1]
        #expect(bob.name == "bob" && bob.answers && bob.startsByWaiting)
        #expect(bob.steps.count == 4)
        #expect(!alice.startsByWaiting)
    }

    @StepsBuilder static func shared(_ time: Duration) -> Steps {
        Pause(time)
        HangUp()
    }

    @Test func functionsAndLoopsGiveSteps() {
        let scenario = Scenario("call") {
            Party("alice") {
                for method: Message in [.options, .info] {
                    Send(method)
                    Expect(200)
                }
                Self.shared(.seconds(3))
            }
        }
        let actions = scenario.tree.parties[0].steps.map(\.action)
        #expect(actions.count == 7)
        #expect(actions[2] == .send(SendTree(what: .method("INFO"), content: [])))
        #expect(actions[4] == .pause(.fixed(Seconds(.seconds(3)))))
    }

    @Test func valuesBuildTrees() {
        let tag = Variable("tag")
        let user = Setting("user", default: "alice")
        func tree(_ value: Value) -> ValueTree { value.tree }
        #expect(tree("x") == .text("x"))
        #expect(tree(7) == .number(7))
        #expect(tree(tag) == .variable("tag"))
        #expect(
            tree("sip:\(user)@\(.domain)")
                == .joined([.text("sip:"), .setting(name: "user", fallback: "alice"), .text("@"), .field(.domain)]))
        #expect(tree("\(tag)") == .variable("tag"))
        #expect(tree("a\(text: "b")") == .joined([.text("a"), .text("b")]))
        #expect(tree(.header("Via")) == .header(name: "Via", nth: 0))
        #expect(tree(.header("Via", nth: 2)) == .header(name: "Via", nth: 1))
        #expect(tree(.header("Via", nth: -1)) == .header(name: "Via", nth: -1))
        #expect(tree(.header("To").parameter("tag")) == .parameter(name: "tag", of: .header(name: "To", nth: 0)))
        #expect(tree(.sdp(.mediaPort(2))) == .sdp(.mediaPort(index: 1)))
        #expect(tree(.body.matching("a(b)").length) == .length(of: .matching(pattern: "a(b)", of: .body)))
        #expect(
            tree(tag * 2 - 1) == .arithmetic(.minus, .arithmetic(.times, .variable("tag"), .number(2)), .number(1)))
        #expect(Setting("must").tree == .setting(name: "must", fallback: nil))
    }

    @Test func namesArePutTogetherAsStrings() throws {
        let variables = (1...2).map { Variable(String("tag\($0)")) }
        #expect(variables.map(\.key) == ["tag1", "tag2"])
        #expect(Setting(String("user\(1)")).tree == .setting(name: "user1", fallback: nil))
        #expect(Setting("user\(1)", default: "x").tree == .setting(name: "user1", fallback: "x"))
        // An interpolation is no name, and that is said at its line.
        let line = #line + 5
        let scenario = Scenario("call") {
            Party("alice") {
                Send(.options)
                Expect(200) {
                    Capture(Variable("tag\(text: "1")"), from: .header("To"))
                }
            }
        }
        let problem = try #require(scenario.tree.problems.first)
        #expect(scenario.tree.problems.count == 1)
        #expect(problem.at.line == line && problem.text.contains("\"tag1\" is an interpolation"))
    }

    @Test func conditionsBuildTrees() {
        let expires = Variable("expires")
        func tree(_ condition: Condition) -> ConditionTree { condition.tree }
        #expect(tree(expires > 0) == .compare(.greater, .variable("expires"), .number(0)))
        #expect(
            tree(expires >= 90 && !(.header("Min-SE") == "0") && .body.contains("x"))
                == .all([
                    .compare(.greaterOrEqual, .variable("expires"), .number(90)),
                    .not(.compare(.equal, .header(name: "Min-SE", nth: 0), .text("0"))),
                    .contains(.body, part: .text("x")),
                ]))
        #expect(
            tree(.header("Replaces").exists || .status == 200)
                == .any([
                    .exists(.header(name: "Replaces", nth: 0)), .compare(.equal, .status, .number(200)),
                ]))
    }

    @Test func settingsAreGatheredOnce() {
        let hold = Setting("hold", default: "0s")
        let user = Setting("user")
        let scenario = Scenario("call") {
            Party("alice") {
                Send(.invite, from: "sip:\(user)@x") { Header("X", hold) }
                If(.header("Y") == user) { Pause(hold) }
            }
        }
        #expect(
            scenario.tree.settings == [
                SettingTree(name: "user", fallback: nil), SettingTree(name: "hold", fallback: "0s"),
            ])
        #expect(scenario.tree.problems.isEmpty)
    }

    @Test func twoDefaultsOfOneSettingAreAProblem() throws {
        let first = Setting("hold", default: "0s")
        let second = Setting("hold", default: "3s")
        let line = #line + 5
        let scenario = Scenario("call") {
            Party("alice") {
                Pause(first)

                Pause(second)
            }
        }
        let problem = try #require(scenario.tree.problems.first)
        #expect(problem.at.line == line)
        #expect(problem.text.contains("\"3s\"") && problem.text.contains("\"0s\""))
    }

    @Test func bodiesHaveInternetLineEnds() {
        let tree = Body("text/plain", "a\nb\r\nc\(.domain)\n").writtenPart.part
        #expect(
            tree
                == .body(
                    BodyTree(type: "text/plain", text: .joined([.text("a\r\nb\r\nc"), .field(.domain), .text("\r\n")])))
        )
    }

    @Test(
        arguments: [
            ("3s", 3_000_000_000), ("250ms", 250_000_000), ("1.5m", 90_000_000_000), ("2h", 7_200_000_000_000),
            ("10us", 10_000), ("7", 7_000_000_000), ("-1s", -1_000_000_000),
            ("", nil), ("s", nil), ("3 s", nil), ("3d", nil), ("0x10s", nil), ("1e400", nil), ("nan", nil),
            ("99999999999h", nil),
        ] as [(String, Int64?)])
    func timesAsText(_ text: String, _ nanoseconds: Int64?) {
        #expect(Seconds(parsing: text)?.nanoseconds == nanoseconds)
    }

    @Test func distributionsAsText() {
        let second = Seconds(.seconds(1))
        #expect(DelayTree(parsing: "1s") == .fixed(second))
        #expect(DelayTree(parsing: "uniform(1s, 1000ms)") == .uniform(low: second, high: second))
        #expect(DelayTree(parsing: "exponential( 1s )") == .exponential(mean: second))
        #expect(DelayTree(parsing: "lognormal(1s,0.5)") == .lognormal(median: second, sigma: 0.5))
        #expect(DelayTree(parsing: "weibull(1.5,1s)") == .weibull(shape: 1.5, scale: second))
        for wrong in ["", "(", "uniform", "uniform(1s)", "normal(1s,2)", "exponential(x)", "exponential(1s", "f()"] {
            #expect(DelayTree(parsing: wrong) == nil, "\(wrong)")
        }
    }

    @Test func durationsBeyondTheRangeAreCut() {
        #expect(Seconds(.seconds(Int64.max)).nanoseconds == .max)
        #expect(Seconds(.seconds(Int64.min)).nanoseconds == .min)
    }

    @Test func catalogueIsSound() {
        let trees = catalogue.map(\.tree)
        #expect(Set(trees.map(\.name)).count == trees.count)
        for tree in trees {
            #expect(!tree.summary.isEmpty && tree.problems.isEmpty)
            #expect(tree.parties.count >= 2)
            #expect(tree.parties.map(\.startsByWaiting) == [false] + tree.parties.dropFirst().map { _ in true })
        }
    }

    @Test func numbersWithoutFormAreRefused() {
        let scenario = Scenario("x") { Party("a") { Pause(.lognormal(median: .seconds(1), sigma: .infinity)) } }
        #expect(throws: (any Error).self) { try JSONWriter.write(scenario.tree) }
    }

    @Test func textIsQuoted() throws {
        let octets = try JSONWriter.write(["a": "\"\\\u{1}\n\u{7f}é\u{2028}"])
        #expect(String(decoding: octets, as: UTF8.self) == "{\"a\":\"\\\"\\\\\\u0001\\u000a\u{7f}é\u{2028}\"}\n")
    }
}
