import CarillonKit
import Measurement
import ScenarioDSL
import Testing

/// Alice calls bob, who answers at once.
let quickCall = Scenario("quick-call", "a call that is answered and ended") {
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu)) }
        Expect(180, .optional)
        Expect(200)
        Send(.ack)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(200) { Answer() }
        Expect(.ack)
        Expect(.bye)
        Send(200)
    }
}

/// Bob refuses what alice expects him to answer.
let refusedCall = Scenario("refused-call", "a call that must fail") {
    Party("alice") {
        Send(.invite) { Offer(.audio(.pcmu)) }
        Expect(200)
        Send(.bye)
        Expect(200)
    }
    Party("bob") {
        Expect(.invite)
        Send(486)
    }
}

@Suite("A SIP test bench")
struct CallTests {
    @Test("A hundred calls are answered, and soon")
    func answered() throws {
        var run = ScenarioRun(quickCall)
        run.load = .open(rate: 200, process: .poisson, concurrency: nil)
        run.calls = 100
        let record = try run.start().record
        #expect(record[.runsSucceeded] == 100)
        #expect(record[.runsFailed] == 0)
        let delay = try #require(record.delay(.sessionRequestDelay))
        #expect(delay.samples == 100)
        #expect(delay.nanoseconds(atPercentile: 99) > 0)
    }

    @Test("A refusal is told with its place and its reason")
    func refused() throws {
        var run = ScenarioRun(refusedCall)
        run.calls = 5
        run.load = .open(rate: 100, process: .uniform, concurrency: nil)
        let record = try run.start().record
        #expect(record[.runsFailed] == 5)
        let group = try #require(record.failureGroups.first)
        #expect(group.count == 5)
        #expect(group.place.hasPrefix("CallTests.swift:"))
        #expect(group.expected == "200 to INVITE")
        #expect(group.got.hasPrefix("486"))
    }
}
