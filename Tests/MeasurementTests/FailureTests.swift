import SIPWire
import Testing

@testable import Measurement

@Suite struct FailureTests {
    static let layout = RecorderLayout(
        steps: [
            StepDescription(
                scenario: "basic-call", party: "alice", file: "basic-call.swift", line: 24, text: "Expect 200"),
            StepDescription(
                scenario: "basic-call", party: "alice", file: "basic-call.swift", line: 27, text: "Expect 200"),
        ],
        expectations: [
            Expectation(text: "200 to INVITE", rule: "RFC 3261 §13.2.2"), Expectation(text: "200 to BYE", rule: ""),
        ], faults: ["no Call-ID"])

    /// `detail` is the reason phrase, the value or the words.
    static func fail(
        _ recorder: inout WorkerRecorder, run: UInt64, step: Int = 0, expectation: Int = 0, got: FailureEvidence,
        detail: String = "", at: Double = 1
    ) {
        let texts = [detail, "7f3a@10.0.0.5", "tag"].map { Array($0.utf8) }
        texts[0].withUnsafeBytes { detail in
            texts[1].withUnsafeBytes { callID in
                texts[2].withUnsafeBytes { tag in
                    recorder.fail(
                        FailureReport(
                            run: run, step: step, expectation: expectation, got: got, detail: detail, callID: callID,
                            fromTag: tag, local: TransportAddress(ipv4: 0x0A00_0005, port: 5_061),
                            remote: TransportAddress(ipv6High: 0x2001_0DB8_0000_0000, ipv6Low: 1, port: 5_060),
                            afterNanoseconds: 812_000_000, at: instant(at)))
                }
            }
        }
    }

    @Test func oneScreenExplainsIt() throws {
        let record = recordRun(layout: Self.layout) {
            Self.fail(&$0, run: 1_042, got: .response(status: 486), detail: "Busy Here", at: 1.5)
        }
        let group = try #require(record.failureGroups.first)
        let example = try #require(group.examples.first)
        #expect(
            group.sentence(example)
                == "basic-call.swift:24: expected 200 to INVITE, got 486 Busy Here after 812 ms "
                + "(call 1042, Call-ID 7f3a@10.0.0.5, RFC 3261 §13.2.2)")
        #expect(example.localAddress == "10.0.0.5:5061")
        #expect(example.remoteAddress == "[2001:db8::1]:5060")
        #expect(example.atUTC == "2026-09-21T14:13:21.500Z")
        #expect(example.fromTag == "tag")
    }

    @Test func groupsByStepExpectationAndEvidence() {
        let record = recordRun(layout: Self.layout) { recorder in
            for run in UInt64(0)..<40 {
                // The reason phrase makes no group of its own.
                Self.fail(&recorder, run: run, got: .response(status: 486), detail: run % 2 == 0 ? "Busy" : "Busy Here")
            }
            Self.fail(&recorder, run: 50, step: 1, expectation: 1, got: .response(status: 486))
            Self.fail(&recorder, run: 51, got: .response(status: 487))
            Self.fail(&recorder, run: 52, got: .timeout)
            Self.fail(&recorder, run: 53, got: .request(.bye))
            // A value does.
            Self.fail(&recorder, run: 54, got: .value, detail: "0")
            Self.fail(&recorder, run: 55, got: .value, detail: "7")
            Self.fail(&recorder, run: 56, got: .transport(errno: 111))
            Self.fail(&recorder, run: 57, got: .malformed(fault: 0))
            Self.fail(&recorder, run: 58, got: .declared, detail: "registration refused")
            Self.fail(&recorder, run: 59, got: .exhausted)
            Self.fail(&recorder, run: 60, got: .missing)
            Self.fail(&recorder, run: 61, got: .absent, detail: "no X-A header field")
            Self.fail(&recorder, run: 62, got: .absent, detail: "no X-B header field")
            Self.fail(&recorder, run: 63, got: .contact(status: 200))
            Self.fail(&recorder, run: 64, got: .routes(status: 202))
        }
        #expect(record.failureGroups.count == 16)
        #expect(record.failureGroups[0].count == 40)
        #expect(record.failureGroups[0].examples.count == 16)
        #expect(record.failureGroups[0].examples.map(\.run) == Array(0..<16))
        let got = Set(record.failureGroups.map(\.got))
        for text in [
            "487", "nothing", "BYE", "“0”", "“7”", "Connection refused from the network (errno 111)",
            "a malformed message (no Call-ID)", "the scenario's Fail: registration refused",
            "no room for it in the generator", "no X-A header field", "no X-B header field",
            "a 200 whose Contact is not a SIP URI", "a 202 with a longer Record-Route",
        ] {
            #expect(got.contains(text))
        }
    }

    @Test(
        "Evidence comes back from its number",
        arguments: [
            .response(status: 699), .request(.bye), .request(.other), .timeout, .transport(errno: 111), .value, .absent,
            .malformed(fault: 7), .declared, .exhausted, .missing, .endless(steps: 100_000), .contact(status: 200),
            .routes(status: 299),
        ] as [FailureEvidence])
    func code(evidence: FailureEvidence) {
        #expect(FailureEvidence(code: evidence.code) == evidence)
    }

    @Test func staysBoundedAndCountsTheRest() {
        let record = recordRun(layout: Self.layout) { recorder in
            for run in 0..<20_000 {
                Self.fail(&recorder, run: UInt64(run), got: .value, detail: "value \(run % 2_000)")
            }
        }
        #expect(record.failureGroups.count <= FailureTable.mostGroups + 1)
        #expect(record.failureGroups.reduce(0) { $0 + $1.count } == 20_000)
        #expect(record.failureGroups.reduce(0) { $0 + $1.examples.count } <= FailureTable.mostKept)
        #expect(record.failureGroups[0].step == nil)
        #expect(record.failureGroups[0].got.contains("256"))
    }

    @Test func workersShareTheirGroups() {
        let workers = (0..<3).map { worker in
            var recorder = WorkerRecorder(layout: Self.layout, epoch: .zero)
            for run in 0..<10 {
                Self.fail(&recorder, run: UInt64(run * 3 + worker), got: .timeout, at: Double(run * 3 + worker))
            }
            return recorder.finish(at: instant(40), liveRuns: 0)
        }
        let groups = merge(workers).failureGroups
        #expect(groups.count == 1)
        #expect(groups[0].count == 30)
        #expect(groups[0].examples.map(\.run) == Array(0..<16))
    }
}
