import Reporting
import Measurement
import SIPWire

/// A small run made through the recorder's door: two workers, three intervals, a few failures.
struct SampleRun {
    var calls = 1_000
    var failures = 3
    var busyShare = 0.3
    var lateness: Int64 = 90_000
    var notStarted = 0
    var end = RunEnd.finished
    var reason = "Busy Here"

    static let epoch = MonotonicInstant(nanoseconds: 5_000_000_000)

    static let layout = RecorderLayout(
        marks: ["toRinging"],
        steps: [
            StepDescription(
                scenario: "basic-call", party: "alice", file: "basic-call.swift", line: 8, text: "Send INVITE"),
            StepDescription(
                scenario: "basic-call", party: "alice", file: "basic-call.swift", line: 9, text: "Expect 180, optional"),
            StepDescription(
                scenario: "basic-call", party: "alice", file: "basic-call.swift", line: 10, text: "Expect 200"),
            StepDescription(
                scenario: "basic-call", party: "alice", file: "basic-call.swift", line: 12, text: "Send BYE"),
        ],
        expectations: [Expectation(text: "200 to INVITE", rule: "RFC 3261 §13.2.2")], outcomes: ["answered"],
        faults: ["no Call-ID"])

    func record() -> RunRecord {
        let workers = (0..<2).map { worker in
            var recorder = WorkerRecorder(layout: Self.layout, epoch: Self.epoch)
            for second in 0..<3 {
                for call in 0..<calls / 6 { record(call: second * calls / 6 + call, worker: worker, into: &recorder) }
                recorder.count(.busyNanoseconds, by: Int(1e9 * busyShare))
                recorder.count(.wallNanoseconds, by: 1_000_000_000)
                recorder.count(.cpuNanoseconds, by: 310_000_000)
                recorder.closeInterval(
                    startedAt: Self.epoch.advanced(byNanoseconds: Int64(second) * 1_000_000_000),
                    endedAt: Self.epoch.advanced(byNanoseconds: Int64(second + 1) * 1_000_000_000), liveRuns: 3)
            }
            if worker == 0 { fail(&recorder) }
            return recorder.finish(at: Self.epoch.advanced(byNanoseconds: 3_000_100_000), liveRuns: 0)
        }
        return RunRecord(
            merging: workers,
            identity: RunIdentity(
                version: "0.1.0", scenario: "basic-call", command: ["carillon", "run", "basic-call"], seed: 42,
                runID: "7f3a9c01",
                host: HostFacts(hostName: "lab", kernel: "Linux 6.1.0 x86_64", cpuModel: "Some CPU @ 3.1 GHz", cores: 2)
            ),
            plan: PlannedLoad(
                arrivals: .poisson, ratePerSecond: Double(calls) / 3, durationNanoseconds: 3_000_000_000, workers: 2),
            clock: RunClock(
                epoch: Self.epoch, epochUTCNanoseconds: 1_790_000_000_250_000_000, stampUncertaintyNanoseconds: 900),
            end: end, loadNanoseconds: 3_000_000_000)
    }

    private func record(call: Int, worker: Int, into recorder: inout WorkerRecorder) {
        let delay = Int64(40_000 + call * 37 % 90_000)
        recorder.count(.arrivalsDue)
        recorder.count(.runsStarted)
        recorder.count(.runsSucceeded)
        recorder.count(.sessionAttempts)
        recorder.countSessionAnswer(status: 200)
        recorder.count(.sessionsCompleted)
        recorder.record(.startLateness, nanoseconds: lateness)
        recorder.record(.sessionRequestDelay, nanoseconds: delay)
        recorder.record(.sessionRequestDelayFromDue, nanoseconds: delay + lateness)
        recorder.record(.sessionDisconnectDelay, nanoseconds: delay / 2)
        recorder.record(.sessionDuration, nanoseconds: 2_000_000)
        recorder.record(.mark(0), nanoseconds: delay / 3)
        recorder.countResponse(status: 180, method: .invite)
        recorder.countResponse(status: 200, method: .invite)
        recorder.countResponse(status: 200, method: .bye)
        recorder.countOutcome(0)
        recorder.count(.messagesSent, by: 3)
        recorder.count(.messagesReceived, by: 3)
        recorder.countStep(0, .sent)
        recorder.countStep(1, .received)
        recorder.countStep(2, .received)
        recorder.countStep(3, .sent)
    }

    private func fail(_ recorder: inout WorkerRecorder) {
        for _ in 0..<notStarted {
            recorder.count(.arrivalsDue)
            recorder.recordNotStarted(latenessNanoseconds: 700_000_000)
        }
        for number in 0..<failures {
            recorder.count(.arrivalsDue)
            recorder.count(.runsStarted)
            recorder.count(.runsFailed)
            recorder.count(.sessionAttempts)
            recorder.countSessionAnswer(status: 486)
            recorder.countResponse(status: 486, method: .invite)
            recorder.countStep(0, .sent)
            recorder.countStep(2, .failed)
            recorder.record(.sessionRequestDelayFailed, nanoseconds: 812_000_000)
            let texts = [reason, "7f3a\(number)@10.0.0.5", "tag\(number)"].map { Array($0.utf8) }
            texts[0].withUnsafeBytes { detail in
                texts[1].withUnsafeBytes { callID in
                    texts[2].withUnsafeBytes { tag in
                        recorder.fail(
                            FailureReport(
                                run: UInt64(1_042 + number), step: 2, expectation: 0, got: .response(status: 486),
                                detail: detail, callID: callID, fromTag: tag,
                                local: TransportAddress(ipv4: 0x0A00_0005, port: 5_061),
                                remote: TransportAddress(ipv4: 0x0A00_0009, port: 5_060), afterNanoseconds: 812_000_000,
                                at: Self.epoch.advanced(byNanoseconds: 1_500_000_000)))
                    }
                }
            }
        }
    }

    static let ladder = Ladder(
        participants: ["alice", "10.0.0.9:5060"],
        arrows: [
            Ladder.Arrow(timeNanoseconds: 0, from: 0, to: 1, label: "INVITE"),
            Ladder.Arrow(timeNanoseconds: 1_200_000, from: 1, to: 0, label: "100 Trying"),
            Ladder.Arrow(timeNanoseconds: 500_000_000, from: 0, to: 1, label: "INVITE", note: "retransmission"),
            Ladder.Arrow(timeNanoseconds: 812_000_000, from: 1, to: 0, label: "486 Busy Here", note: "failed here"),
            Ladder.Arrow(timeNanoseconds: 812_050_000, from: 0, to: 1, label: "ACK"),
        ])
}
