import Foundation
import Measurement
import Testing

@testable import Reporting

@Suite struct SummaryTests {
    static func lines(_ run: SampleRun, ladders: [UInt64: Ladder] = [:], style: TextStyle = .plain) -> [String] {
        Summary(run.record(), ladders: ladders, folder: "reports/runs/x", style: style).text
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// What a reader of the screen looks up for a program of his own.
    @Test func theReadmeNamesEveryDelay() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let readme = try String(contentsOf: root.appendingPathComponent("reports/README.md"), encoding: .utf8)
        #expect(Set(Summary.delayWords.keys) == Set(DelayIndex.builtInNames))
        for (name, words) in Summary.delayWords { #expect(readme.contains("\n| \(words) | `\(name)` |\n")) }
    }

    @Test("Who wants to hear of failures alone hears the verdict where it is INVALID, the outcome, the failures")
    func explanation() throws {
        func explanation(_ run: SampleRun) -> String? { Summary(run.record(), folder: "reports/runs/x").explanation }
        #expect(explanation(SampleRun(failures: 0)) == nil)
        let failed = try #require(explanation(SampleRun()))
        #expect(failed.hasPrefix("Outcome ") && failed.contains("3 failed"))
        #expect(failed.contains("3 × basic-call.swift:10  alice: Expect 200"))
        #expect(failed.hasSuffix("\nReport: reports/runs/x\n") && !failed.contains("Delays"))
        // Nothing failed, and the figures do not stand.
        let invalid = try #require(explanation(SampleRun(failures: 0, notStarted: 300)))
        #expect(invalid.hasPrefix("INVALID: ") && !invalid.contains("Outcome"))
    }

    @Test func theVerdictStandsFirst() {
        #expect(Self.lines(SampleRun())[0] == "VALID: The generator kept up; the figures stand.")
        #expect(
            Self.lines(SampleRun(lateness: 6_000_000))[0]
                == "SUSPECT: start lateness p99 is 6 ms (limit 5 ms). Read rates as floors.")
        let invalid = Self.lines(SampleRun(busyShare: 0.9, notStarted: 300))
        #expect(invalid[0] == "INVALID: start lateness p99 is 700 ms (limit 50 ms).")
        #expect(invalid[1] == "         Also: only 76.91 % of 1,299 due arrivals started (limit 99 %): 300 too late.")
        #expect(invalid[3] == "         The figures describe the generator, not the peer.")
    }

    @Test func saysWhatWasAskedAndWhatCame() {
        let text = Self.lines(SampleRun()).joined(separator: "\n")
        #expect(text.contains("999 calls started, 333 calls/s (asked: 333 calls/s), Poisson arrivals"))
        #expect(text.contains("996 succeeded, 3 failed (0.30 %)"))
        #expect(text.contains("answered 996"))
        #expect(text.contains("180 INVITE 996 · 200 BYE 996 · 200 INVITE 996 · 486 INVITE 3"))
        #expect(text.contains("established 99.70 % (SER)"))
        #expect(text.contains("effective 100 % (SEER)"))
        #expect(text.contains("seed 42, run 7f3a9c01"))
        #expect(text.contains("Report: reports/runs/x"))
    }

    @Test func aSuspectRateIsAFloor() {
        #expect(!Self.lines(SampleRun()).joined().contains("≥"))
        #expect(Self.lines(SampleRun(lateness: 6_000_000)).joined().contains("≥ 333 calls/s"))
        #expect(Self.lines(SampleRun(lateness: 60_000_000)).joined().contains("≥ 333 calls/s"))
    }

    @Test func delaysFromSendAndFromDueStandApart() throws {
        let lines = Self.lines(SampleRun(notStarted: 300))
        let send = try #require(lines.first { $0.contains("session request, from send") })
        let due = try #require(lines.first { $0.contains("session request, from due") })
        #expect(send.contains(" 996 ") && send.contains("49.7 µs"))
        #expect(due.contains(" 1,296 ") && due.contains("700 ms"))
        #expect(lines.contains { $0.contains("300 calls that were never started") })
        let header = try #require(lines.first { $0.hasPrefix("Delays") })
        for column in ["samples", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"] {
            #expect(header.contains(column))
        }
        // Success and failure are never mixed.
        #expect(lines.contains { $0.contains("session request, failed") && $0.contains("812 ms") })
        #expect(lines.contains { $0.contains("toRinging") })
    }

    @Test func stepsAreNamedByTheirLine() {
        let lines = Self.lines(SampleRun())
        #expect(
            lines.contains {
                $0.contains("alice  basic-call.swift:8") && $0.contains("Send INVITE") && $0.contains("999")
            })
        // Columns in which nothing happened are left out.
        let header = lines.first { $0.hasPrefix("Steps") }!
        #expect(header.contains("failed") && !header.contains("unexpected"))
    }

    @Test func aFailureIsExplainedOnOneScreen() throws {
        let lines = Self.lines(SampleRun(), ladders: [1_043: SampleRun.ladder])
        let start = try #require(lines.firstIndex { $0.contains("3 × basic-call.swift:10  alice: Expect 200") })
        let screen = lines[start..<min(start + 24, lines.count)].joined(separator: "\n")
        for text in [
            "expected  200 to INVITE", "got       486 Busy Here after 812 ms", "rule      RFC 3261 §13.2.2",
            "call 1043", "2026-09-21T14:13:21.750Z", "from 10.0.0.5:5061 to 10.0.0.9:5060", "7f3a1@10.0.0.5", "tag1",
            "│─", "failed here",
        ] {
            #expect(screen.contains(text), "\(text)")
        }
    }

    @Test func everyLineFits() {
        for columns in [80, 100] {
            for run in [SampleRun(), SampleRun(busyShare: 0.9, lateness: 61_000_000, notStarted: 300)] {
                let text = Summary(run.record(), ladders: [1_043: SampleRun.ladder], columns: columns).text
                let table = ["session", "start lateness", "toRinging", "Delays"]
                for line in text.split(separator: "\n") where !table.contains(where: { line.contains($0) }) {
                    #expect(line.count <= max(columns, 92), "\(line)")
                }
                #expect(text.split(separator: "\n").allSatisfy { $0.count <= 104 })
            }
        }
    }

    @Test func colourOnlyWhereAsked() {
        #expect(!Self.lines(SampleRun()).joined().contains("\u{1B}"))
        #expect(Self.lines(SampleRun(), style: TextStyle(coloured: true))[0].hasPrefix("\u{1B}[1;32mVALID"))
        // A file is no terminal.
        #expect(!TextStyle.forOutput(-1, environment: ["TERM": "xterm"]).coloured)
        #expect(TextStyle.plain.paint("x", .red) == "x")
    }

    @Test func hostileReasonPhrasesDoNotReachTheTerminal() {
        let text = Self.lines(SampleRun(reason: "Busy\u{1B}[2J\r\u{202E}")).joined(separator: "\n")
        #expect(text.contains("486 Busy\\u{1b}[2J\\u{d}\\u{202e} after 812 ms"))
        #expect(!text.contains("\u{1B}") && !text.contains("\r"))
    }

    @Test func aRunOfNothingIsToldToo() {
        let lines = Self.lines(SampleRun(calls: 0, failures: 0))
        #expect(lines[0] == "INVALID: no call ran. This run says nothing about the peer.")
        #expect(lines.contains { $0.contains("0 succeeded, 0 failed") })
        #expect(Self.lines(SampleRun(end: .interrupted)).joined().contains("interrupted"))
    }
}
