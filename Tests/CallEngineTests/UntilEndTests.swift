import Measurement
import SIPWire
import ScenarioDSL
import Testing

@testable import CallEngine

/// Parties that go on until the load ends, and what a registrar grants them (RFC 3261 §10.2.4, §10.3).
@Suite("Until the load ends")
struct UntilEndTests {
    private func phone(_ change: (inout EngineSettings) -> Void = { _ in }) throws -> Exchange {
        let granted = Variable("granted")
        return try Exchange(
            Scenario("registered") {
                Party("phone") {
                    Send(.register) { Expires(3600) }
                    Expect(200) {
                        Capture(granted, from: .ownBinding.parameter("expires"), otherwise: .header("Expires"))
                    }
                    RepeatUntilEnd {
                        Pause(.part(0.5...0.9, of: granted))
                        Send(.register) { Expires(3600) }
                        Expect(200) { Capture(granted, from: .ownBinding.parameter("expires")) }
                    }
                    Send(.register) { Expires(0) }
                    Expect(200)
                }
            }, settings: change)
    }

    /// The 200 of a registrar that knows two other bindings of the same address of record, of a first REGISTER's Contact.
    private func granted(_ register: SentMessage, _ seconds: Int) -> String {
        let own = register.header("Contact")
        return register.response(
            "200 OK",
            "Contact: <sip:desk@10.0.0.7:5060>;expires=7, \(own);q=0.5;expires=\(seconds)\r\nContact: <sip:x@10.0.0.1:5099>;expires=9"
        )
    }

    /// Milliseconds until the next message.
    private func silence(_ exchange: Exchange, atMost seconds: Int) -> Int? {
        for step in 1...seconds * 10 {
            exchange.pass(.milliseconds(100))
            if exchange.engine.outbound.count > 0 { return step * 100 }
        }
        return nil
    }

    @Test(
        "a phone refreshes between a half and nine tenths of what its own binding was granted, and removes it at the end"
    )
    func refreshes() throws {
        let exchange = try phone { $0.mostSlots = 10 }
        var waits: [Int] = []
        try exchange.start()
        var register = try exchange.takeOne()
        #expect(register.start == "REGISTER" && register.header("Expires") == "3600")
        for round in 1...20 {
            exchange.hear(granted(register, 60))
            waits.append(try #require(silence(exchange, atMost: 70)))
            register = try exchange.takeOne()
            #expect(register.header("CSeq") == "\(round + 1) REGISTER" && register.header("Expires") == "3600")
        }
        #expect(waits.allSatisfy { $0 >= 30_000 && $0 <= 54_100 }, "\(waits)")
        // All alike would be no jitter.
        #expect(Set(waits).count > 10)
        exchange.hear(granted(register, 60))
        let hasBeenTold = exchange.engine.endRepeating(10, now: exchange.now)
        #expect(hasBeenTold)
        let removal = try exchange.takeOne()
        #expect(removal.header("Expires") == "0")
        exchange.hear(removal.response("200 OK"))
        #expect(exchange.count(.runsSucceeded) == 1 && exchange.liveSlots == 0)
        #expect(exchange.count(.registrationAttempts) == 22 && exchange.count(.reregistrationAttempts) == 21)
        #expect(exchange.count(.reregistrationAnswers2xx) == 21)
    }

    @Test("what is under way when the load ends comes to its end first")
    func underWay() throws {
        let exchange = try phone()
        try exchange.start()
        let register = try exchange.takeOne()
        let hasBeenTold = exchange.engine.endRepeating(10, now: exchange.now)
        #expect(hasBeenTold && exchange.take().isEmpty)
        exchange.hear(granted(register, 60))
        #expect(try exchange.takeOne().header("Expires") == "0")
    }

    @Test("they are told in portions")
    func portions() throws {
        let exchange = try phone()
        for number in 0..<10 as Range<UInt64> {
            try exchange.start(number)
            exchange.hear(granted(try exchange.takeOne(), 60))
        }
        #expect(exchange.take().isEmpty)
        var told: [Int] = []
        var isDone = false
        while !isDone {
            isDone = exchange.engine.endRepeating(4, now: exchange.now)
            told.append(exchange.take().count)
        }
        #expect(told == [4, 4, 2])
    }

    @Test("a registrar that grants nothing that leads here, and says no Expires, fails the call")
    func notGranted() throws {
        let exchange = try phone()
        try exchange.start()
        exchange.hear(try exchange.takeOne().response("200 OK", "Contact: <sip:desk@10.0.0.7:5060>;expires=7"))
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.got.contains("Expires") || group.got.contains("no Contact that leads here"), "\(group.got)")
    }

    @Test("what was granted and is no time fails the call: no pause would be a flood of refreshes")
    func grantsNoTime() throws {
        let exchange = try phone()
        try exchange.start()
        let register = try exchange.takeOne()
        exchange.hear(granted(register, 60).replacing("expires=60", with: "expires=soon"))
        #expect(exchange.take().isEmpty && exchange.count(.runsFailed) == 1 && exchange.liveSlots == 0)
        let group = try #require(exchange.record().failureGroups.first)
        #expect(group.expected == "a time that the pause is a part of" && group.got == "“soon”", "\(group)")
    }

    @Test("the own binding is one element of the list, without the comma that follows")
    func element() throws {
        let exchange = try Exchange(
            Scenario("own") {
                Party("phone") {
                    Send(.register)
                    Expect(200)
                    Send(.options) { Header("X-Binding", .ownBinding) }
                    Expect(200)
                }
            })
        try exchange.start()
        let register = try exchange.takeOne()
        let own = register.header("Contact")
        exchange.hear(register.response("200 OK", "Contact: \(own);expires=60 , <sip:desk@10.0.0.7:5060>;expires=7"))
        #expect(try exchange.takeOne().header("X-Binding") == "\(own);expires=60")
    }

    @Test("a setting that a pause is a part of has a time as its default", arguments: ["exponential(3s)", "soon"])
    func partOfSetting(fallback: String) throws {
        let scenario = Scenario("part") {
            Party("alice") {
                Send(.options)
                Expect(200)
                Pause(.part(0.5...0.9, of: Setting("wait", default: fallback)))
            }
        }
        let errors = ScenarioCompiler.compile([scenario.tree]).1.filter { $0.severity == .error }.map(\.description)
        #expect(errors.contains { $0.contains("\"\(fallback)\" is no time") }, "\(errors)")
    }

    @Test("a block that waits for nothing is refused, at its line")
    func endless() throws {
        let scenario = Scenario("endless") {
            Party("alice") {
                Send(.options)
                Expect(200)
                RepeatUntilEnd { Send(.options) }
            }
        }
        let errors = ScenarioCompiler.compile([scenario.tree]).1.filter { $0.severity == .error }.map(\.description)
        #expect(errors.contains { $0.contains("RepeatUntilEnd waits for nothing") }, "\(errors)")
    }

    @Test("a part of a pause is checked", arguments: [-1.0, 1001])
    func parts(high: Double) throws {
        let scenario = Scenario("part") {
            Party("alice") {
                Send(.options)
                Expect(200)
                Pause(.part(min(high, 0.5)...max(high, 0.5), of: 10))
            }
        }
        let errors = ScenarioCompiler.compile([scenario.tree]).1.filter { $0.severity == .error }.map(\.description)
        #expect(errors.contains { $0.contains("a part is 0 or more") }, "\(errors)")
    }
}
