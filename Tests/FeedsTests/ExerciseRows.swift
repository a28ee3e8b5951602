import Feeds

// Opens octets as a file of rows and asks for all of it. Shared by the tests and by Fuzz/, which compiles this file.

/// All fields of all rows.
func allFields(_ columns: Int, _ rows: FeedRows, longest: (Int) -> Int) -> [[[UInt8]]] {
    (0..<rows.count).map { row in
        (0..<columns).map { column in
            withUnsafeTemporaryAllocation(byteCount: max(1, longest(column)), alignment: 1) { scratch in
                Array(rows.field(row: row, column: column, scratch: scratch)!)
            }
        }
    }
}

func fields(of file: DelimitedFile) -> [[[UInt8]]] {
    allFields(file.columns.count, file.rows, longest: file.longestField)
}

func fields(of rows: GeneratedRows) -> [[[UInt8]]] {
    allFields(rows.columns.count, rows.rows, longest: rows.longestField)
}

func open(_ octets: [UInt8], name: String = "t.csv", columns: [String]? = nil) throws(FeedError) -> DelimitedFile {
    var file: DelimitedFile?
    var problem: FeedError?
    octets.withUnsafeBytes { octets in
        do throws(FeedError) {
            file = try DelimitedFile(octets: octets, name: name, columns: columns)
        } catch { problem = error }
    }
    if let problem { throw problem }
    return file!
}

/// The same rows written anew, every field in quotes.
func quoted(_ names: [String], _ rows: [[[UInt8]]]) -> [UInt8] {
    var text: [UInt8] = []
    for row in [names.map { Array($0.utf8) }] + rows {
        for (column, field) in row.enumerated() {
            if column > 0 { text.append(UInt8(ascii: ";")) }
            text.append(UInt8(ascii: "\""))
            for octet in field { text += octet == UInt8(ascii: "\"") ? [octet, octet] : [octet] }
            text.append(UInt8(ascii: "\""))
        }
        text.append(UInt8(ascii: "\n"))
    }
    return text
}

/// - Returns: what is wrong; nil where the octets are refused with a reason, or read, written anew and read again give the
///   same fields, each on a line of the file and no longer than the column's longest.
func exercise(_ octets: [UInt8], columns: [String]? = nil) -> String? {
    let file: DelimitedFile
    do throws(FeedError) {
        file = try open(octets, columns: columns)
    } catch {
        let lines = octets.count { $0 == UInt8(ascii: "\n") } + 1
        if let line = error.line, !(1...lines).contains(line) { return "line \(line) of \(lines): \(error)" }
        return error.text.isEmpty ? "refused without reason" : nil
    }
    if file.rows.count < 1 || file.columns.count < 1 { return "a file without rows or columns was accepted" }
    let read = fields(of: file)
    var line = 0
    for row in read.indices {
        let next = file.line(ofRow: row)
        if next <= line { return "row \(row) begins on line \(next), the one before on \(line)" }
        line = next
    }
    for column in 0..<file.columns.count {
        let controls = read.contains { $0[column].contains { $0 < 32 || $0 == 127 } }
        if controls != file.hasControlCharacters(column: column) { return "control characters of column \(column)" }
        let longest = read.map { $0[column].count }.max()!
        if longest > file.longestField(column: column) { return "longest field of column \(column)" }
    }
    // Quotes make rows longer, and the longest ones too long; that limit has a test of its own.
    if octets.count > 20_000 { return nil }
    do throws(FeedError) {
        let again = try open(quoted(file.columns.names, read))
        if again.columns.names != file.columns.names { return "other names when written anew" }
        return fields(of: again) == read ? nil : "other fields when written anew"
    } catch {
        return "refused when written anew: \(error)"
    }
}
