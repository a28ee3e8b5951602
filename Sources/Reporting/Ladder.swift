import Measurement

/// A message flow between parties: who sent what to whom, and when.
public struct Ladder: Sendable, Hashable, Codable {
    public struct Arrow: Sendable, Hashable, Codable {
        /// Since the start of the run.
        public var timeNanoseconds: Int64
        /// Positions in `participants`.
        public var from: Int
        public var to: Int
        /// Method or status line, for example "INVITE" or "200 OK".
        public var label: String
        /// What a reader should know of this arrow, for example "retransmission" or "failed here".
        public var note: String?
        /// Stands in front of the arrow where it has no time: of an expected flow, where it is written.
        public var place: String?

        public init(
            timeNanoseconds: Int64, from: Int, to: Int, label: String, note: String? = nil, place: String? = nil
        ) {
            self.timeNanoseconds = timeNanoseconds
            self.from = from
            self.to = to
            self.label = label
            self.note = note
            self.place = place
        }
    }

    public var participants: [String]
    public var arrows: [Arrow]
    /// Whether drawings show times. A flow that nobody has run yet has an order and no times.
    public var isTimed = true

    /// - Parameter arrows: in the order of time. An arrow whose ends are no participants is left out of drawings.
    public init(participants: [String], arrows: [Arrow], isTimed: Bool = true) {
        self.participants = participants
        self.arrows = arrows
        self.isTimed = isTimed
    }

    private var drawable: [Arrow] {
        arrows.filter { participants.indices.contains($0.from) && participants.indices.contains($0.to) }
    }

    // MARK: Text

    /// Room for 9,999.999999 and a blank, for places, or for a margin.
    private var timeWidth: Int { isTimed ? 11 : arrows.contains { $0.place != nil } ? 10 : 3 }

    /// The flow as text, no line longer than `columns` (at least 40). Times are seconds since the start of the run; an
    /// arrow from a participant to itself is a remark.
    public func text(columns: Int = 100) -> String {
        let width = max(40, columns)
        guard participants.count > 1 else { return listText(columns: width) }
        let names = participants.map { printable($0) }
        // The outer names may stick out to both sides of their lanes, by at most a tenth of the line.
        let first = timeWidth + 2 + min(names.first!.count, width / 5) / 2
        let lastMost = width - 1 - min(names.last!.count, width / 5) / 2
        let gap = min(36, (lastMost - first) / (participants.count - 1))
        // Below this no label has room.
        guard gap >= 10 else { return listText(columns: width) }
        let lanes = participants.indices.map { first + $0 * gap }

        var lines = [header(names, lanes: lanes, room: min(gap - 2, width / 5), width: width)]
        for arrow in drawable {
            var row = blank(lanes: lanes, width: width, lead: timeText(arrow))
            if arrow.from == arrow.to {
                write(printable(arrow.label), at: lanes[arrow.from] + 2, into: &row)
            } else {
                draw(arrow, lanes: lanes, into: &row)
            }
            var line = trimmed(row)
            if let note = arrow.note.map({ printable($0) }) {
                if line.count + 2 + note.count <= width {
                    line += "  " + note
                } else {
                    lines.append(line)
                    row = blank(lanes: lanes, width: width, lead: "")
                    write("(\(note))", at: lanes[min(arrow.from, arrow.to)] + 2, into: &row)
                    line = trimmed(row)
                }
            }
            lines.append(line)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func timeText(_ arrow: Arrow) -> String {
        let text =
            isTimed ? decimalText(Double(arrow.timeNanoseconds) / 1e9, decimals: 6) : printable(arrow.place ?? "")
        return text.shortened(to: timeWidth).leftPadded(to: timeWidth)
    }

    private func header(_ names: [String], lanes: [Int], room: Int, width: Int) -> String {
        var row = [Character](repeating: " ", count: width)
        let unit = (isTimed ? "seconds" : "").leftPadded(to: timeWidth)
        for (i, character) in unit.enumerated() { row[i] = character }
        for (name, lane) in zip(names, lanes) {
            let text = name.shortened(to: room)
            let start = max(timeWidth + 1, min(lane - text.count / 2, width - text.count))
            for (i, character) in text.enumerated() { row[start + i] = character }
        }
        return trimmed(row)
    }

    private func blank(lanes: [Int], width: Int, lead: String) -> [Character] {
        var row = [Character](repeating: " ", count: width)
        for (i, character) in lead.prefix(timeWidth).enumerated() { row[i] = character }
        for lane in lanes { row[lane] = "│" }
        return row
    }

    private func draw(_ arrow: Arrow, lanes: [Int], into row: inout [Character]) {
        let first = min(lanes[arrow.from], lanes[arrow.to]) + 1
        let last = max(lanes[arrow.from], lanes[arrow.to]) - 1
        for i in first...last { row[i] = "─" }
        let rightward = arrow.to > arrow.from
        row[rightward ? last : first] = rightward ? "►" : "◄"
        // A blank on both sides and at least one dash before each end.
        let text = " \(printable(arrow.label).shortened(to: last - first - 5)) "
        let start = first + (last - first + 1 - text.count) / 2
        for (i, character) in text.enumerated() { row[start + i] = character }
    }

    private func write(_ text: String, at start: Int, into row: inout [Character]) {
        for (i, character) in text.shortened(to: max(0, row.count - start)).enumerated() { row[start + i] = character }
    }

    private func trimmed(_ row: [Character]) -> String {
        String(row[..<(row.lastIndex { $0 != " " }.map { $0 + 1 } ?? 0)])
    }

    /// One line for each arrow: for a single party, or too many to stand side by side.
    private func listText(columns: Int) -> String {
        drawable.map { arrow in
            let note = arrow.note.map { "  (\(printable($0)))" } ?? ""
            let ends = "\(printable(participants[arrow.from])) → \(printable(participants[arrow.to]))"
            return "\(timeText(arrow))  \(ends): \(printable(arrow.label))\(note)".shortened(to: columns) + "\n"
        }
        .joined()
    }

    // MARK: Mermaid

    /// The flow as a Mermaid `sequenceDiagram`.
    public var mermaid: String {
        var text = "sequenceDiagram\n"
        for (i, name) in participants.enumerated() { text += "    participant p\(i) as \(Self.escaped(name))\n" }
        for arrow in drawable {
            let time = isTimed ? " (\(durationText(arrow.timeNanoseconds)))" : ""
            let ends = arrow.from == arrow.to ? "Note over p\(arrow.from)" : "p\(arrow.from)->>p\(arrow.to)"
            text += "    \(ends): \(Self.escaped(arrow.label))\(time)\n"
            if let note = arrow.note {
                let (a, b) = (min(arrow.from, arrow.to), max(arrow.from, arrow.to))
                text += "    Note over p\(a)\(a == b ? "" : ",p\(b)"): \(Self.escaped(note))\n"
            }
        }
        return text
    }

    /// Mermaid ends a statement at a semicolon and reads `#…;` as a character and `<…>` as markup.
    private static func escaped(_ text: String) -> String {
        printable(text).reduce(into: "") { result, character in
            switch character {
            case "#": result += "#35;"
            case ";": result += "#59;"
            case "<": result += "#60;"
            case ">": result += "#62;"
            default: result.append(character)
            }
        }
    }
}
