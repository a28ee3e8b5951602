/// Rows without a file: each column is a range or a pattern, each field is written when it is asked for.
///
/// Frozen and shared by all workers, as a `DelimitedFile` is. It must outlive the `rows` it gave.
public final class GeneratedRows: Sendable {
    /// The feed's name, for messages.
    public let name: String
    public let columns: ColumnNames
    public let rows: FeedRows
    private let plan: GeneratedColumns

    /// - Parameters:
    ///   - rows: how many; nil: as many as the ranges have, which must all be equally long.
    /// - Throws: what is wrong, with the column.
    public init(
        name: String, columns: [(name: String, values: ColumnGenerator)], rows wanted: Int? = nil
    ) throws(FeedError) {
        guard !columns.isEmpty else { throw FeedError(name, "needs at least one column") }
        let names = columns.map(\.name)
        for (number, column) in names.enumerated() where names[..<number].contains(column) {
            throw FeedError(name, "two columns have the same name, \"\(column)\"")
        }
        var text: [UInt8] = []
        var pieces: [FieldPiece] = []
        var ends: [Int] = []
        var shortest: (column: String, rows: Int)?
        for column in columns {
            let parts = try column.values.pieces(of: column.name, name, text: &text)
            for rows in parts.compactMap(\.rows) {
                if let shortest, shortest.rows != rows, wanted == nil {
                    throw FeedError(
                        name,
                        "\(counted(shortest.rows, "row")) by column \"\(shortest.column)\", \(rows) by column"
                            + " \"\(column.name)\"; make them equally long or say how many rows there are")
                }
                if shortest.map({ rows < $0.rows }) ?? true { shortest = (column.name, rows) }
            }
            pieces += parts
            ends.append(pieces.count)
        }
        guard let count = wanted ?? shortest?.rows else {
            throw FeedError(name, "has no range that says how many rows there are; say the number of rows")
        }
        guard count > 0, count < UInt32.max else {
            throw FeedError(name, "\(counted(count, "row")); at least 1 and fewer than \(UInt32.max) are needed")
        }
        if let shortest, shortest.rows < count {
            throw FeedError(
                name, "\(counted(count, "row")), but column \"\(shortest.column)\" ends after \(shortest.rows)")
        }
        let longest = try Self.longest(names, pieces, ends, rows: count, source: name)
        plan = GeneratedColumns(text: text, pieces: pieces, ends: ends, longest: longest)
        self.name = name
        self.columns = ColumnNames(source: name, names: names)
        rows = FeedRows(plan, count: count, columns: columns.count)
    }

    deinit { plan.deallocate() }

    /// The octets of this column's longest field: what `FeedRows.field` needs as scratch.
    public func longestField(column: Int) -> Int { plan.longest[column] }

    /// The numbers of a column grow or shrink steadily, so that the first or the last row is the longest.
    private static func longest(
        _ names: [String], _ pieces: [FieldPiece], _ ends: [Int], rows: Int, source: String
    ) throws(FeedError) -> [Int] {
        var longest: [Int] = []
        var start = 0
        for (column, end) in ends.enumerated() {
            var octets = 0
            for piece in pieces[start..<end] {
                octets += piece.textCount
                guard piece.hasNumber else { continue }
                guard let last = piece.number(row: rows - 1) else {
                    throw FeedError(source, "column \"\(names[column])\": row \(rows - 1) has no number in 64 bits")
                }
                let needed = max(decimalOctets(piece.first), decimalOctets(last))
                guard piece.digits == 0 || needed <= piece.digits else {
                    throw FeedError(
                        source,
                        "column \"\(names[column])\": row \(rows - 1) has the number \(last), with room for"
                            + " \(counted(piece.digits, "digit"))")
                }
                octets += max(needed, piece.digits)
            }
            longest.append(octets)
            start = end
        }
        return longest
    }
}

/// The columns of a generator as workers read them: pointers into memory that the generator owns.
struct GeneratedColumns: @unchecked Sendable {
    let text: UnsafeMutablePointer<UInt8>
    let pieces: UnsafeMutablePointer<FieldPiece>
    /// For each column past its last piece.
    let ends: UnsafeMutablePointer<Int>
    let longest: UnsafeMutablePointer<Int>

    init(text: [UInt8], pieces: [FieldPiece], ends: [Int], longest: [Int]) {
        func kept<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
            let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: max(1, elements.count))
            _ = memory.initialize(from: elements)
            return memory.baseAddress!
        }
        self.text = kept(text)
        self.pieces = kept(pieces)
        self.ends = kept(ends)
        self.longest = kept(longest)
    }

    func deallocate() {
        text.deallocate()
        pieces.deallocate()
        ends.deallocate()
        longest.deallocate()
    }

    func write(row: Int, column: Int, into scratch: UnsafeMutableRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard scratch.count >= longest[column], let base = scratch.baseAddress else {
            return longest[column] == 0 ? UnsafeRawBufferPointer(start: text, count: 0) : nil
        }
        var at = 0
        for place in (column == 0 ? 0 : ends[column - 1])..<ends[column] {
            let piece = pieces[place]
            (base + at).copyMemory(from: text + piece.textStart, byteCount: piece.textCount)
            at &+= piece.textCount
            guard piece.hasNumber else { continue }
            // That it is within 64 bits and has room was checked for the first and the last row.
            let number = piece.first &+ piece.step &* Int64(row)
            let count = max(decimalOctets(number), piece.digits)
            var rest = number.magnitude
            for digit in stride(from: at &+ count &- 1, through: at, by: -1) {
                base.storeBytes(of: UInt8(ascii: "0") &+ UInt8(rest % 10), toByteOffset: digit, as: UInt8.self)
                rest /= 10
            }
            if number < 0 { base.storeBytes(of: UInt8(ascii: "-"), toByteOffset: at, as: UInt8.self) }
            at &+= count
        }
        return UnsafeRawBufferPointer(start: base, count: at)
    }
}

/// The octets of a number in decimal, with its sign.
private func decimalOctets(_ number: Int64) -> Int {
    var octets = number < 0 ? 2 : 1
    var rest = number.magnitude
    while rest >= 10 {
        rest /= 10
        octets &+= 1
    }
    return octets
}
