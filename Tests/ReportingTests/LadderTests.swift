import Reporting
import Testing

@Suite struct LadderTests {
    static let threeParties = Ladder(
        participants: ["alice", "proxy 10.0.0.9:5060", "bob"],
        arrows: [
            Ladder.Arrow(timeNanoseconds: 0, from: 0, to: 1, label: "INVITE sip:bob@example.com"),
            Ladder.Arrow(
                timeNanoseconds: 20_000, from: 1, to: 2, label: "INVITE sip:bob@10.0.0.7:5080;transport=udp;line=81273"),
            Ladder.Arrow(timeNanoseconds: 40_000, from: 2, to: 0, label: "200 OK", note: "straight, past the proxy"),
            Ladder.Arrow(timeNanoseconds: 3_000_040_000, from: 0, to: 0, label: "pause 3 s"),
        ])

    @Test func drawsTimesArrowsAndNotes() {
        let lines = SampleRun.ladder.text().split(separator: "\n").map(String.init)
        #expect(lines.count == 6)
        #expect(lines[0].contains("seconds") && lines[0].contains("alice") && lines[0].contains("10.0.0.9:5060"))
        #expect(lines[1].contains("0.000000") && lines[1].contains("─ INVITE ─") && lines[1].contains("►│"))
        #expect(lines[2].contains("0.001200") && lines[2].contains("│◄─") && lines[2].contains("100 Trying"))
        #expect(lines[3].hasSuffix("retransmission"))
        #expect(lines[4].hasSuffix("failed here"))
    }

    /// Every line is as wide as asked at most, and the lanes of one ladder stand below each other.
    @Test(arguments: [40, 60, 80, 100, 200])
    func staysInItsColumns(columns: Int) {
        let many = Ladder(
            participants: (0..<5).map { "participant number \($0)" },
            arrows: (0..<20).map { i in
                Ladder.Arrow(
                    timeNanoseconds: Int64(i) * 7_654_321, from: i % 5, to: (i * 3 + 1) % 5, label: "message \(i)",
                    note: i % 4 == 0 ? "a note of some length about it" : nil)
            })
        for ladder in [SampleRun.ladder, Self.threeParties, many] {
            let lines = ladder.text(columns: columns).split(separator: "\n").map(Array.init)
            #expect(lines.allSatisfy { $0.count <= columns })
            let first = lines.dropFirst().compactMap { $0.firstIndex(of: "│") }
            #expect(Set(first).count <= 1)
        }
    }

    @Test func longArrowsCrossTheLanesBetween() {
        let lines = Self.threeParties.text().split(separator: "\n").map(String.init)
        let crossing = lines.first { $0.contains("200 OK") }!
        #expect(crossing.filter { $0 == "│" }.count == 2)
        #expect(crossing.contains("│◄──"))
        #expect(lines.contains { $0.contains("(straight, past the proxy)") })
        #expect(lines.contains { $0.contains("…") })
        #expect(lines.last!.contains("pause 3 s"))
    }

    @Test func tooManyOrOnlyOneBecomeAList() {
        let crowd = Ladder(
            participants: (0..<30).map { "p\($0)" },
            arrows: [Ladder.Arrow(timeNanoseconds: 5_000, from: 3, to: 29, label: "INVITE", note: "why")])
        #expect(crowd.text() == "   0.000005  p3 → p29: INVITE  (why)\n")
        let alone = Ladder(
            participants: ["p"], arrows: [Ladder.Arrow(timeNanoseconds: 0, from: 0, to: 0, label: "pause")])
        #expect(alone.text().contains("p → p: pause"))
        #expect(Ladder(participants: [], arrows: []).text() == "")
    }

    /// What came from the network cannot steer the terminal, and an arrow to nowhere does not end the report.
    @Test func hostileTextIsHarmless() {
        let ladder = Ladder(
            participants: ["a\u{1B}[2J", "b"],
            arrows: [
                Ladder.Arrow(timeNanoseconds: 0, from: 0, to: 1, label: "486 \u{1B}]0;x\u{07}\r\n", note: "\u{9B}31m"),
                Ladder.Arrow(timeNanoseconds: 0, from: 0, to: 7, label: "lost"),
            ])
        for text in [ladder.text(), ladder.mermaid] {
            #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || (0x7F...0x9F).contains($0.value) })
            #expect(!text.contains("lost"))
        }
    }

    @Test func mermaidIsASequenceDiagram() {
        let ladder = Ladder(
            participants: ["alice", "<bob>"],
            arrows: [
                Ladder.Arrow(timeNanoseconds: 1_200_000, from: 0, to: 1, label: "INVITE sip:b;x=#1", note: "first")
            ])
        #expect(
            ladder.mermaid == """
                sequenceDiagram
                    participant p0 as alice
                    participant p1 as #60;bob#62;
                    p0->>p1: INVITE sip:b#59;x=#35;1 (1.2 ms)
                    Note over p0,p1: first

                """)
    }

    @Test func aFlowThatNobodyRanHasNoTimes() {
        let flow = Ladder(
            participants: ["alice", "bob"],
            arrows: [Ladder.Arrow(timeNanoseconds: 1_200_000, from: 0, to: 1, label: "INVITE")], isTimed: false)
        #expect(!flow.text().contains("seconds") && !flow.text().contains("0.0012"))
        #expect(flow.text().contains("─ INVITE ─"))
        #expect(flow.mermaid.hasSuffix("    p0->>p1: INVITE\n"))
    }
}
