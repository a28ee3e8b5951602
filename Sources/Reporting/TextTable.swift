/// Columns that line up. Cells are plain text; the first column and those named stand left, all others right.
struct TextTable {
    var header: [String]
    var left: Set<Int> = [0]
    var rows: [[String]] = []
    /// Columns whose every cell is this are left out: a column of zeros tells nobody anything.
    var emptyCell: String?
    var indent = "  "
    /// The widest a left column may get; longer cells keep their end.
    var widestLeft = 40

    func lines(style: TextStyle) -> [String] {
        let shown = header.indices.filter { column in
            left.contains(column) || emptyCell == nil || rows.contains { $0[column] != emptyCell }
        }
        let fitted = rows.map { row in
            row.indices.map { left.contains($0) ? row[$0].shortenedAtFront(to: widestLeft) : row[$0] }
        }
        let widths = header.indices.map { column in
            ([header[column]] + fitted.map { $0[column] }).map(\.count).max()!
        }
        func line(_ cells: [String]) -> String {
            let text = shown.map { column in
                left.contains(column)
                    ? cells[column].padded(to: widths[column]) : cells[column].leftPadded(to: widths[column])
            }
            .joined(separator: "  ")
            var trimmed = text[...]
            while trimmed.last == " " { trimmed.removeLast() }
            return indent + trimmed
        }
        return [style.paint(line(header), .dim)] + fitted.map(line)
    }
}
