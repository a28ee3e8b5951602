import SimulatedNetwork
import Testing

/// A checker that cannot fail proves nothing: each rule is broken in a wire that keeps them all, and must be named.
@Suite("The wire checker sees what is wrong")
struct TamperedWireTests {
    static let basic = wire("basic-call", seed: 5)
    static let cancelled = wire("cancel", seed: 6)

    private static func wire(_ name: String, seed: UInt64) -> [WireEvent] {
        guard let scenario = lossScenarios.first(where: { $0.name == name }),
            let network = try? SimulatedNetwork(scenario, seed: seed, impairment: Impairment(loss: 0.3))
        else { return [] }
        var events: [WireEvent] = []
        network.onWire = { events.append($0) }
        network.run(60, perSecond: 100)
        return events
    }

    private func rules(_ events: [WireEvent]) -> [String] {
        let checker = WireChecker()
        for event in events { checker.note(event) }
        checker.finish(at: (events.map(\.sent).max() ?? 0) + 400_000_000_000)
        return checker.violations.map(\.rule)
    }

    @Test("Nothing is wrong with what was sent")
    func untouched() {
        #expect(Self.basic.count > 500 && Self.cancelled.count > 500)
        #expect(rules(Self.basic).isEmpty)
        #expect(rules(Self.cancelled).isEmpty)
    }

    /// One way to falsify a wire, and words of the rule that must be named.
    struct Tampering: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var rule: String
        var wire: @Sendable () -> [WireEvent]

        init(_ what: String, _ rule: String, _ wire: @escaping @Sendable () -> [WireEvent]) {
            testDescription = what
            self.rule = rule
            self.wire = wire
        }
    }

    @Test("Each falsification is named by its rule", arguments: tamperings)
    func tampered(_ tampering: Tampering) {
        let found = rules(tampering.wire())
        #expect(found.contains { $0.contains(tampering.rule) }, "\(Set(found).sorted().prefix(5))")
    }

    // MARK: telling messages apart

    private static func text(_ event: WireEvent) -> String { String(decoding: event.octets, as: UTF8.self) }
    private static func starts(_ event: WireEvent, _ start: String) -> Bool { text(event).hasPrefix(start) }
    private static func answers(_ event: WireEvent, _ status: Int, _ method: String) -> Bool {
        text(event).hasPrefix("SIP/2.0 \(status)") && text(event).contains(" \(method)\r\n")
    }

    /// Places of those events that repeat an earlier one octet for octet.
    private static func repeats(_ events: [WireEvent], _ fits: (WireEvent) -> Bool) -> [Int] {
        var seen: Set<[UInt8]> = []
        return events.indices.filter { !seen.insert(events[$0].octets).inserted && fits(events[$0]) }
    }

    /// Changes the first event that fits; nothing when none does, so that the test fails.
    private static func changing(
        _ events: [WireEvent], where fits: (WireEvent) -> Bool, _ change: (inout WireEvent) -> Void
    ) -> [WireEvent] {
        var events = events
        if let place = events.firstIndex(where: fits) { change(&events[place]) }
        return events
    }

    private static func changingRepeat(
        _ events: [WireEvent], where fits: (WireEvent) -> Bool, _ change: (inout WireEvent) -> Void
    ) -> [WireEvent] {
        var events = events
        if let place = repeats(events, fits).first { change(&events[place]) }
        return events
    }

    private static func adding(_ event: WireEvent?, to events: [WireEvent]) -> [WireEvent] {
        guard let event else { return events }
        return (events + [event]).sorted { $0.sent < $1.sent }
    }

    private static func replace(_ old: String, _ new: String, in event: inout WireEvent) {
        event.octets = Array(text(event).replacing(old, with: new).utf8)
    }

    /// The same message once more, later, arriving nowhere.
    private static func again(_ event: WireEvent?, after nanoseconds: Int64) -> WireEvent? {
        guard var event else { return nil }
        event.sent += nanoseconds
        event.deliveries = []
        return event
    }

    private static func delivered(_ event: WireEvent) -> Bool { !event.deliveries.isEmpty }

    // MARK: what is falsified

    static let tamperings: [Tampering] = requests + responses + acknowledgements + dialogs + form

    private static let requests: [Tampering] = [
        Tampering("an octet of a repeated INVITE", "a repeated INVITE is not the same octets") {
            changingRepeat(basic, where: { starts($0, "INVITE ") }) { $0.octets[$0.octets.count - 5] ^= 1 }
        },
        Tampering("an octet of a repeated BYE", "a repeated BYE is not the same octets") {
            changingRepeat(basic, where: { starts($0, "BYE ") }) { $0.octets[4] ^= 0x20 }
        },
        Tampering("an INVITE repeated 2 ms too early", "INVITE is repeated after") {
            changingRepeat(basic, where: { starts($0, "INVITE ") }) { $0.sent -= 2_000_000 }
        },
        Tampering("an INVITE repeated 10 ms too late", "INVITE is repeated late") {
            changingRepeat(basic, where: { starts($0, "INVITE ") }) { $0.sent += 10_000_000 }
        },
        Tampering("a BYE repeated 2 ms too early", "BYE is repeated after") {
            changingRepeat(basic, where: { starts($0, "BYE ") }) { $0.sent -= 2_000_000 }
        },
        Tampering("an INVITE that is not repeated", "INVITE is not repeated after") {
            var kept: Set<[UInt8]> = []
            return basic.filter { event in
                !starts(event, "INVITE ") || kept.insert(event.octets).inserted
            }
        },
        Tampering("a BYE that is not repeated", "BYE is not repeated after") {
            var kept: Set<[UInt8]> = []
            return basic.filter { event in !starts(event, "BYE ") || kept.insert(event.octets).inserted }
        },
        Tampering("a BYE repeated after its answer", "BYE is repeated although") {
            let answer = basic.first { answers($0, 200, "BYE") && delivered($0) }
            let branch = answer.map { text($0).split(separator: "branch=")[1].prefix(35) } ?? ""
            let bye = basic.last { starts($0, "BYE ") && text($0).contains(branch) }
            return adding(again(bye, after: 500_000_000), to: basic)
        },
        Tampering("a CANCEL that goes elsewhere than its INVITE", "CANCEL differs from its INVITE") {
            changing(cancelled, where: { starts($0, "CANCEL ") }) {
                replace("CANCEL sip:bob", "CANCEL sip:rob", in: &$0)
            }
        },
        Tampering("a CANCEL before any response", "CANCEL before a provisional response") {
            cancelled.map { event in
                var event = event
                if answers(event, 180, "INVITE") { event.deliveries = [] }
                return event
            }
        },
    ]

    private static let responses: [Tampering] = [
        Tampering("a second final response", "has the final responses") {
            var other = basic.first { answers($0, 200, "BYE") }
            if other != nil { replace("200 OK", "481 Call/Transaction Does Not Exist", in: &other!) }
            return adding(other, to: basic)
        },
        Tampering("a 2xx repeated too early", "SIP/2.0 200 OK is repeated after") {
            changingRepeat(basic, where: { answers($0, 200, "INVITE") }) { $0.sent -= 2_000_000 }
        },
        Tampering("a 2xx that is not repeated", "SIP/2.0 200 OK is not repeated") {
            var kept: Set<[UInt8]> = []
            return basic.filter { event in !answers(event, 200, "INVITE") || kept.insert(event.octets).inserted }
        },
        Tampering("a 2xx repeated after its ACK", "SIP/2.0 200 OK is repeated although") {
            var events = basic
            // Every ACK arrives at once, so the repeats come after it.
            for place in events.indices where starts(events[place], "ACK ") {
                events[place].deliveries = [events[place].sent]
            }
            return events
        },
        Tampering("a 487 repeated too late", "SIP/2.0 487 Request Terminated is repeated late") {
            changingRepeat(cancelled, where: { answers($0, 487, "INVITE") }) { $0.sent += 10_000_000 }
        },
        Tampering("an octet of a repeated 200", "a repeated SIP/2.0 200 OK is not the same octets") {
            changingRepeat(basic, where: { answers($0, 200, "INVITE") }) { $0.octets[$0.octets.count - 5] ^= 1 }
        },
        Tampering("an answer to what has not arrived", "answers a BYE that has not arrived") {
            basic.map { event in
                var event = event
                if starts(event, "BYE ") { event.deliveries = [] }
                return event
            }
        },
        Tampering("a repeated BYE without its answer again", "and it was not sent again") {
            let unwanted = Set(repeats(basic) { answers($0, 200, "BYE") })
            return basic.indices.filter { !unwanted.contains($0) }.map { basic[$0] }
        },
        Tampering("a 200 to BYE sent twice for one BYE", "is sent again unasked") {
            adding(again(basic.first { answers($0, 200, "BYE") }, after: 40_000_000), to: basic)
        },
        Tampering("a BYE that nobody answers", "BYE arrived and was never answered") {
            basic.filter { !answers($0, 200, "BYE") }
        },
        Tampering("a 180 after the 200", "is sent after the final response") {
            adding(again(basic.first { answers($0, 180, "INVITE") }, after: 10_000_000), to: basic)
        },
        Tampering("an answer to nobody", "answers no request") {
            changing(basic, where: { answers($0, 200, "BYE") }) {
                replace("branch=z9hG4bK", "branch=z9hG4bKx", in: &$0)
            }
        },
        Tampering("another To tag in one response", "have the To tags") {
            changing(basic, where: { answers($0, 180, "INVITE") }) {
                replace("To: <sip:bob@10.0.0.2:5060>;tag=", "To: <sip:bob@10.0.0.2:5060>;tag=x", in: &$0)
            }
        },
    ]

    private static let acknowledgements: [Tampering] = [
        Tampering("no ACK at all", "no ACK was sent") { basic.filter { !starts($0, "ACK ") } },
        Tampering("one ACK of several missing", "no ACK was sent") {
            let place = repeats(basic) { starts($0, "ACK ") }.first
            return basic.indices.filter { $0 != place }.map { basic[$0] }
        },
        Tampering("an ACK too many", "more ACKs than final responses") {
            adding(again(basic.first { starts($0, "ACK ") }, after: 7_000_000), to: basic)
        },
        Tampering("an ACK with another CSeq number", "which no INVITE has") {
            changing(basic, where: { starts($0, "ACK ") }) { replace("CSeq: 1 ACK", "CSeq: 9 ACK", in: &$0) }
        },
        Tampering("an ACK to somewhere else", "the ACK goes to") {
            changing(basic, where: { starts($0, "ACK ") }) { replace("ACK sip:bob@", "ACK sip:rob@", in: &$0) }
        },
        Tampering("an ACK with another To tag", "the ACK has To tag") {
            changing(basic, where: { starts($0, "ACK ") }) {
                replace("To: <sip:bob@10.0.0.2:5060>;tag=", "To: <sip:bob@10.0.0.2:5060>;tag=x", in: &$0)
            }
        },
        Tampering("an ACK to a refusal with its own branch", "the ACK to a refusal has another Via") {
            changing(cancelled, where: { starts($0, "ACK ") }) { replace("branch=z9hG4bK", "branch=z9hG4bKx", in: &$0) }
        },
        Tampering("an octet of a repeated ACK", "an ACK sent again is not the same octets") {
            changingRepeat(basic, where: { starts($0, "ACK ") }) {
                replace("Max-Forwards: 70", "Max-Forwards: 69", in: &$0)
            }
        },
    ]

    private static let dialogs: [Tampering] = [
        Tampering("a call that nobody ends", "nobody sends BYE") {
            basic.filter { !starts($0, "BYE ") && !text($0).contains(" BYE\r\n") }
        },
        Tampering("a BYE without a new CSeq number", "BYE has CSeq 1 after 1") {
            basic.map { event in
                var event = event
                if text(event).contains(" BYE\r\n") { replace("CSeq: 2 BYE", "CSeq: 1 BYE", in: &event) }
                return event
            }
        },
        Tampering("a BYE to somewhere else", "not to a Contact of the other end") {
            basic.map { event in
                var event = event
                if starts(event, "BYE ") { replace("BYE sip:bob@", "BYE sip:rob@", in: &event) }
                return event
            }
        },
        Tampering("a second BYE of another transaction", "begins") {
            var second = again(basic.first { starts($0, "BYE ") }, after: 600_000_000)
            if second != nil {
                replace("CSeq: 2 BYE", "CSeq: 3 BYE", in: &second!)
                replace("branch=z9hG4bK", "branch=z9hG4bKx", in: &second!)
            }
            return adding(second, to: basic)
        },
        Tampering("equal tags at both ends", "both ends have the tag") {
            changing(basic, where: { starts($0, "BYE ") }) { event in
                guard
                    let tag = text(event).split(separator: "\r\n").first(where: { $0.hasPrefix("From:") })?
                        .split(separator: ";tag=").last
                else { return }
                let lines = text(event).split(separator: "\r\n", omittingEmptySubsequences: false).map { line in
                    line.hasPrefix("To:") ? line.split(separator: ";tag=")[0] + ";tag=" + tag : String(line)
                }
                event.octets = Array(lines.joined(separator: "\r\n").utf8)
            }
        },
        Tampering("one branch in two calls", "is another call's") {
            var branch = ""
            var owner = ""
            return basic.map { event in
                var event = event
                guard starts(event, "INVITE ") else { return event }
                let own = String(text(event).split(separator: "branch=")[1].prefix(35))
                if branch.isEmpty { (branch, owner) = (own, own) }
                if own != owner { replace(own, branch, in: &event) }
                return event
            }
        },
    ]

    private static let form: [Tampering] = [
        Tampering("a Content-Length that is wrong", "Content-Length") {
            changing(basic, where: { starts($0, "INVITE ") }) { $0.octets.removeLast() }
        },
        Tampering("a header that is missing", "cseq stands 0 times") {
            changing(basic, where: { answers($0, 180, "INVITE") }) { replace("CSeq:", "X-CSeq:", in: &$0) }
        },
        Tampering("a sent-by of somebody else", "is not where the request comes from") {
            changing(basic, where: { starts($0, "INVITE ") }) {
                replace("UDP 10.0.0.1:5060", "UDP 10.0.0.9:5060", in: &$0)
            }
        },
    ]

    // MARK: what the engines say

    @Test("An engine that says something else than the wire", arguments: [true, false])
    func disagreement(caller: Bool) throws {
        let scenario = try #require(lossScenarios.first { $0.name == "basic-call" })
        let network = try SimulatedNetwork(scenario, seed: 8, impairment: Impairment())
        let checker = WireChecker(scenario: scenario.name)
        var lies = 1
        network.onWire = { checker.note($0) }
        network.onEnd = { end in
            var end = end
            if lies > 0, end.isCaller == caller, end.octets != nil {
                (end.succeeded, end.failed) = (end.failed, end.succeeded)
                lies -= 1
            }
            checker.note(end)
        }
        network.run(20, perSecond: 100)
        checker.finish(at: network.now)
        #expect(checker.violationCount == 1)
        #expect(checker.violations.first?.rule.contains("the wire says otherwise") == true)
    }

    @Test("A failure that no timer's sum accounts for")
    func sums() throws {
        let scenario = try #require(lossScenarios.first { $0.name == "basic-call" })
        let network = try SimulatedNetwork(scenario, seed: 8, impairment: Impairment())
        let checker = WireChecker(scenario: scenario.name)
        network.onWire = { checker.note($0) }
        network.onEnd = { checker.note($0) }
        network.run(20, perSecond: 100)
        checker.note(.init(octets: nil, isCaller: true, succeeded: 0, failed: 1, time: network.now))
        checker.finish(at: network.now)
        #expect(checker.violations.contains { $0.rule.contains("the wire expects") })
    }
}
