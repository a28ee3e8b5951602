/// What comes before the first row: the mark of UTF-8, comments, the line that names the columns.
struct HeadLine {
    var columns: ColumnNames
    /// 0: one column, nothing divides.
    var delimiter: UInt8
    /// Where the lines of rows begin, and the number of the first of them.
    var end: Int
    var nextLine: Int
    var comments = 0

    private static let semicolon = UInt8(ascii: ";")
    private static let comma = UInt8(ascii: ",")

    /// - Parameter given: the names where the file has no line of names.
    init(_ octets: UnsafeRawBufferPointer, source: String, given: [String]?) throws(FeedError) {
        if octets.count >= 2, octets[0] ^ octets[1] == 1, octets[0] >= 0xFE {
            throw FeedError(source, line: 1, "is UTF-16; save it as UTF-8")
        }
        var at = octets.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var line = 1
        let plain = RowScanner(octets, delimiter: 0, columns: 0)
        var isComment = false
        while at < octets.count, let next = plain.emptyLine(at: at, isComment: &isComment) {
            if isComment { comments += 1 }
            at = next
            line += 1
        }
        guard at < octets.count else {
            let wanted = given == nil ? "a line that names the columns, as in user;password" : "a row"
            throw FeedError(source, "holds nothing but empty lines and comments; it needs \(wanted)")
        }
        try Self.refuseSIPp(octets, at: at, source: source, line: line)
        if let given {
            columns = ColumnNames(source: source, names: given)
            delimiter = Self.delimiter(of: octets, at: at, columns: given.count)
            end = at
            nextLine = line
            try Self.check(columns, line: nil)
            return
        }
        delimiter = try Self.delimiter(of: octets, at: at, source: source, line: line)
        let scanner = RowScanner(octets, delimiter: delimiter, columns: 0)
        let row = scanner.row(at: at)
        if let fault = row.fault { throw fault.error(source, line: line, row: row, columns: nil) }
        columns = ColumnNames(
            source: source,
            names: Self.names(UnsafeRawBufferPointer(rebasing: octets[at..<row.end]), delimiter, row.fields))
        end = row.next
        nextLine = line + row.innerLines + 1
        try Self.check(columns, line: line)
    }

    /// The one that stands in the line of names, outside of quotes.
    private static func delimiter(
        of octets: UnsafeRawBufferPointer, at start: Int, source: String, line: Int
    ) throws(FeedError) -> UInt8 {
        var found: UInt8 = 0
        var isQuoted = false
        for octet in octets[start...].prefix(RowScanner.longestRow) {
            if octet == UInt8(ascii: "\"") { isQuoted.toggle() }
            guard !isQuoted else { continue }
            if octet == UInt8(ascii: "\n") { break }
            guard octet == semicolon || octet == comma else { continue }
            if found != 0, found != octet {
                throw FeedError(
                    source, line: line,
                    "both \",\" and \";\" stand in the line of names; put the name that holds one into quotes")
            }
            found = octet
        }
        return found
    }

    /// The one that divides the first row into so many fields, or into most.
    private static func delimiter(of octets: UnsafeRawBufferPointer, at start: Int, columns: Int) -> UInt8 {
        guard columns > 1 else { return 0 }
        func fields(_ delimiter: UInt8) -> Int {
            RowScanner(octets, delimiter: delimiter, columns: 0).row(at: start).fields
        }
        let semicolons = fields(semicolon)
        let commas = fields(comma)
        if semicolons == columns || commas == columns { return semicolons == columns ? semicolon : comma }
        return semicolons >= commas ? semicolon : comma
    }

    private static func names(_ line: UnsafeRawBufferPointer, _ delimiter: UInt8, _ count: Int) -> [String] {
        let space = UInt8(ascii: " ")
        return withUnsafeTemporaryAllocation(byteCount: max(1, line.count), alignment: 1) { scratch in
            (0..<count).map { column in
                let spot = FieldSpot(column: column, of: line, delimiter: delimiter)
                let name = spot.text(in: line, scratch: scratch)!
                let trimmed = name.drop { $0 == space }.reversed().drop { $0 == space }.reversed()
                return String(decoding: trimmed, as: UTF8.self)
            }
        }
    }

    private static func check(_ columns: ColumnNames, line: Int?) throws(FeedError) {
        let source = columns.source
        guard columns.count <= RowScanner.mostColumns else {
            throw FeedError(
                source, line: line, "\(columns.count) columns, at most \(RowScanner.mostColumns) are allowed")
        }
        guard columns.count > 0 else { throw FeedError(source, "needs at least one column") }
        for (number, name) in columns.names.enumerated() {
            guard !name.isEmpty else { throw FeedError(source, line: line, "column \(number + 1) has no name") }
            if let control = name.unicodeScalars.first(where: { $0.value < 32 || $0.value == 127 }) {
                let what = control == "\t" ? "a tab; columns are divided by \",\" or \";\"" : "a control character"
                throw FeedError(source, line: line, "the name of column \(number + 1) holds \(what)")
            }
            // A row instead of the line of names: numbers and passwords would be taken for names, and the row be lost.
            guard name.unicodeScalars.contains(where: { $0.properties.isAlphabetic || $0 == "_" }) else {
                throw FeedError(
                    source, line: line,
                    "\"\(name)\" is no name of a column; the first line names the columns, as in user;password")
            }
            if let earlier = columns.names[..<number].firstIndex(of: name) {
                throw FeedError(
                    source, line: line, "columns \(earlier + 1) and \(number + 1) have the same name, \"\(name)\"")
            }
        }
    }

    /// A file for SIPp begins with the order of its rows.
    private static func refuseSIPp(
        _ octets: UnsafeRawBufferPointer, at start: Int, source: String, line: Int
    ) throws(FeedError) {
        let lines = octets[start...].prefix(1024).split(
            separator: UInt8(ascii: "\n"), maxSplits: 2, omittingEmptySubsequences: false)
        let order = lines[0].prefix { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        let rest = lines[0].dropFirst(order.count)
        guard rest.isEmpty || rest.elementsEqual([13]) || rest.starts(with: ",PRINTF".utf8) else { return }
        let name = String(decoding: order, as: UTF8.self)
        guard ["SEQUENTIAL", "RANDOM", "USER"].contains(name), lines.count > 1, lines[1].contains(semicolon) else {
            return
        }
        throw FeedError(
            source, line: line,
            "\"\(name)\" begins a file for SIPp; here the first line names the columns, as in user;password,"
                + " and the scenario says the order")
    }
}

extension RowFault {
    /// - Parameters:
    ///   - line: of the row's beginning.
    ///   - columns: nil in the line of names itself.
    func error(_ source: String, line: Int, row: ScannedRow, columns: ColumnNames?) -> FeedError {
        var field = "field \(row.fields)"
        if let columns, row.fields <= columns.count { field += " (\(columns.names[row.fields - 1]))" }
        let here = line + row.innerLines
        switch self {
        case .nul:
            return FeedError(source, line: here, "a NUL stands in \(field); the file must be text in UTF-8")
        case .quoteWithin:
            return FeedError(
                source, line: here,
                "a quote stands within \(field); put the whole field into quotes and write this one twice"
                    + " (RFC 4180 §2)")
        case .textAfterQuote:
            return FeedError(
                source, line: here,
                "text follows the closing quote of \(field); a quote within a field is written twice (RFC 4180 §2)")
        case .quoteLeftOpen:
            return FeedError(
                source, line: line + row.openedAfterLines,
                "the quote that opens \(field) is not closed within \(RowScanner.longestRow) octets or before the"
                    + " file ends (RFC 4180 §2)")
        case .loneCarriageReturn:
            return FeedError(
                source, line: here, "a carriage return without line feed stands in \(field); lines end with CR LF or LF"
            )
        case .tooLong:
            return FeedError(source, line: line, "the row is longer than \(RowScanner.longestRow) octets")
        }
    }
}
