import Scenarios
import SimulatedNetwork
import Testing

/// A checker that cannot fail proves nothing: each rule is broken once in a wire that was right.
@Suite("The wire checker sees what is wrong")
struct CheckerTests {
    static let wire: [WireEvent] = {
        var events: [WireEvent] = []
        let scenario = catalogue.first { $0.name == "basic-call" }!
        guard let network = try? SimulatedNetwork(scenario, seed: 5, impairment: Impairment(loss: 0.3)) else {
            return []
        }
        network.onWire = { events.append($0) }
        network.run(200, perSecond: 100)
        return events
    }()

    private func violations(_ events: [WireEvent]) -> [String] {
        let checker = WireChecker(caller: Self.wire[0].from)
        for event in events { checker.note(event) }
        checker.finish()
        return checker.violations.map(\.rule)
    }

    private func text(_ event: WireEvent) -> String { String(decoding: event.octets, as: UTF8.self) }

    @Test("Nothing is wrong with what was sent")
    func untouched() { #expect(violations(Self.wire).isEmpty) }

    @Test("An ACK that is missing")
    func missingAck() {
        let events = Self.wire.filter { !text($0).hasPrefix("ACK ") }
        #expect(violations(events).contains { $0.contains("no ACK was sent") })
    }

    @Test("An octet changed in a repeated request", arguments: ["INVITE", "BYE"])
    func changedOctet(method: String) throws {
        var events = Self.wire
        var seen: Set<String> = []
        let index = try #require(
            events.firstIndex { event in
                let key = text(event).split(separator: "\r\n")[1]
                return text(event).hasPrefix(method + " ") && !seen.insert(String(key)).inserted
            })
        events[index].octets[events[index].octets.count - 5] ^= 1
        #expect(violations(events).contains { $0.contains("not the same octets") })
    }

    @Test("A request repeated too early")
    func early() throws {
        var events = Self.wire
        var seen: Set<String> = []
        let index = try #require(
            events.firstIndex { event in
                let key = text(event).split(separator: "\r\n")[1]
                return text(event).hasPrefix("INVITE ") && !seen.insert(String(key)).inserted
            })
        events[index].sent -= 100_000_000
        #expect(violations(events).contains { $0.contains("ms after the first") })
    }

    @Test("A second final response of another kind")
    func otherFinal() throws {
        var events = Self.wire
        var event = try #require(events.first { text($0).hasPrefix("SIP/2.0 200") && text($0).contains("BYE") })
        event.octets = Array(text(event).replacing("200 OK", with: "481 Call/Transaction Does Not Exist").utf8)
        events.append(event)
        #expect(violations(events).contains { $0.contains("final responses") })
    }

    @Test("An answer to what never arrived")
    func answerFromNowhere() {
        var events = Self.wire
        for index in events.indices where text(events[index]).hasPrefix("BYE ") { events[index].deliveries = [] }
        #expect(violations(events).contains { $0.contains("has not arrived") })
    }

    @Test("A call that nobody ends")
    func noBye() {
        let events = Self.wire.filter { !text($0).hasPrefix("BYE ") && !text($0).contains(" BYE\r\n") }
        #expect(violations(events).contains { $0.contains("nobody sends BYE") })
    }

    @Test("A request given up too soon")
    func givenUp() throws {
        // All answers to one INVITE are lost and its later sends removed.
        let callID = try #require(
            text(Self.wire[0]).split(separator: "\r\n").first { $0.hasPrefix("Call-ID") }.map(String.init))
        var kept = 0
        let events = Self.wire.compactMap { event -> WireEvent? in
            guard text(event).contains(callID) else { return event }
            guard text(event).hasPrefix("INVITE ") else { return nil }
            kept += 1
            return kept > 1 ? nil : event
        }
        #expect(violations(events).contains { $0.contains("given up") })
    }
}
