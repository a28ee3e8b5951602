import Measurement
import SIPWire

/// What each wait and each requirement of a program expects, in words and with its rule: what failures are told with.
struct ExpectationPlan {
    var list: [Expectation] = []
    var ofWait: [Int] = []
    var ofInstruction: [Int: Int] = [:]
    /// Where those begin that belong to no step, in the order of their cases.
    var firstGeneral = 0

    init(_ program: borrowing CallProgram) {
        for wait in program.waits {
            let text = program.steps[wait.step].text
            ofWait.append(list.count)
            list.append(Expectation(text: text.replacing("expect ", with: ""), rule: Self.rule(wait, program)))
        }
        for (number, instruction) in program.instructions.enumerated() {
            let text = program.steps[Int(instruction.step)].text
            switch instruction.operation {
            case .require:
                let reason = String(decoding: program.values.texts[Int(instruction.b)], as: UTF8.self)
                ofInstruction[number] = list.count
                list.append(
                    Expectation(
                        text: text.replacing("require ", with: ""),
                        rule: reason.isEmpty ? "required by the scenario" : reason)
                )
            case .authenticate:
                let plan = program.authentications[Int(instruction.a)]
                ofInstruction[number] = list.count
                list.append(
                    Expectation(
                        text:
                            "right credentials for \(plan.algorithms.map(\.token.description).joined(separator: " or "))",
                        rule: "RFC 3261 §22.4, RFC 7616 §3.4"))
            case .fail:
                ofInstruction[number] = list.count
                list.append(Expectation(text: "the call to go another way", rule: "declared by the scenario"))
            case .capture:
                ofInstruction[number] = list.count
                list.append(
                    Expectation(
                        text: "a value for \(text.replacing("capture ", with: ""))",
                        rule: "captured by the scenario without a value to fall back to"))
            case .set:
                ofInstruction[number] = list.count
                list.append(
                    Expectation(
                        text: "a value for \(text.replacing("compute ", with: ""))", rule: "computed by the scenario"))
            case .correlate:
                ofInstruction[number] = list.count
                list.append(
                    Expectation(text: "a value to \(text)", rule: "the scenario joins legs by it"))
            case .sendRequest, .sendResponse, .acknowledge, .sendRaw:
                ofInstruction[number] = list.count
                list.append(
                    Expectation(text: "to \(text)", rule: "the scenario; what the transport may say: RFC 3261 §18.4"))
            default: break
            }
        }
        firstGeneral = list.count
        list += GeneralExpectation.allCases.map(\.expectation)
    }

    private static func rule(_ wait: WaitPlan, _ program: borrowing CallProgram) -> String {
        switch wait.kind {
        case .silence: return "the scenario expects silence here"
        case .signal: return "the scenario waits for a signal here"
        case .message: break
        }
        var hasRequest = false
        for number in wait.firstAlternative..<(wait.firstAlternative + wait.alternativeCount) {
            let alternative = program.alternatives[number]
            if alternative.kind != .response {
                if alternative.method == .ack { return "RFC 3261 §13.3.1.4" }
                if alternative.method == .bye { return "RFC 3261 §15.1.2" }
                hasRequest = true
                continue
            }
            // Another response may be lawful: it is the scenario that wanted this one, and the section says what it may be.
            switch alternative.method {
            case .invite: return "the scenario; what may come: RFC 3261 §13.2.2, within a call §14.1"
            case .bye: return "the scenario; what may come: RFC 3261 §15.1.1"
            case .cancel: return "the scenario; what may come: RFC 3261 §9.1"
            case .register: return "the scenario; what may come: RFC 3261 §10.2"
            default: return "the scenario; what may come: RFC 3261 §8.1.3"
            }
        }
        return hasRequest ? "RFC 3261 §8.2" : "the scenario"
    }
}

/// What is expected all the time, whichever step is at hand: by pauses, and of the script itself.
enum GeneralExpectation: Int, CaseIterable {
    case quiet, noCancel, answer, acknowledgement, reachable, rest, progress, time, contact, routes, secure

    var expectation: Expectation {
        switch self {
        case .quiet:
            Expectation(
                text: "nothing: the pause to pass undisturbed",
                rule: "the scenario; a BYE may come at any time: RFC 3261 §15.1.2")
        case .noCancel:
            Expectation(
                text: "nothing: the pause to pass undisturbed",
                rule: "the scenario; a CANCEL may come until the final response: RFC 3261 §9.2")
        case .answer: Expectation(text: "a final response to the request sent before", rule: "RFC 3261 §17.1")
        case .acknowledgement: Expectation(text: "ACK to the final response", rule: "RFC 3261 §13.3.1.4, §17.2.1")
        case .reachable: Expectation(text: "to reach the peer", rule: "RFC 3261 §18.4")
        case .rest:
            Expectation(
                text: "a wait or a pause before so many steps",
                rule: "Carillon's own: a script that never waits would stall all calls of its worker")
        case .progress: Expectation(text: "to go on", rule: "the scenario")
        case .time: Expectation(text: "a time that the pause is a part of", rule: "the scenario")
        case .contact:
            Expectation(
                text: "a SIP or SIPS URI in the Contact of a response to INVITE", rule: "RFC 3261 §8.1.3.4, §12.1.2")
        case .secure:
            Expectation(text: "a next hop that the run's transports reach", rule: "RFC 3261 §26.2.2")
        case .routes:
            Expectation(
                text: "a route set that can be kept: no more than \(CallEngine.mostRoutes) entries and 60,000 octets",
                rule: "Carillon's own: a route set that is cut leads elsewhere")
        }
    }
}

extension CallProgram {
    /// What workers that run this program record.
    public func recorderLayout() -> RecorderLayout {
        // A mix of calls and registrations is called what they have in common: attempts.
        let kinds = Set(initiators.map(firstRequest))
        let first: FirstRequest = kinds.count > 1 ? .other : kinds.first ?? .invite
        return RecorderLayout(
            marks: measures,
            steps: steps.map {
                StepDescription(
                    scenario: scenarios[parties[$0.party].scenario].name, party: parties[$0.party].name,
                    file: $0.at.file, line: $0.at.line, text: $0.text)
            },
            expectations: ExpectationPlan(self).list, outcomes: outcomes, scenarios: scenarioNames,
            faults: WireFault.allCases.map { $0.description.description }
                + StreamRule.allCases.map { "stream, \($0): \($0.expected) (\($0.section))" }, firstRequest: first)
    }

    private func firstRequest(_ party: Int) -> FirstRequest {
        let sending = instructions[parties[party].entry...].first { $0.operation == .sendRequest }
        switch sending.map({ templates[Int($0.a)].method }) {
        case .invite?, nil: return .invite
        case .register?: return .register
        default: return .other
        }
    }
}
