import Glibc

/// A file of rows: fields divided by `;` or `,`, in quotes where need be (RFC 4180); the first line names the columns.
///
/// Opening it reads it once from end to end, checks every row and keeps 8 octets for each: where it stands. The text itself
/// stays in the file, which is mapped, unless it is small; see `largestCopy`. docs/feeds.md states the format.
///
/// Frozen from then on and shared by all workers. It must outlive the `rows` it gave.
public final class DelimitedFile: Sendable {
    /// Files up to this size are copied into memory, so that nothing that happens to them later matters.
    public static let largestCopy = 64 << 20

    /// The file as it was named.
    public let name: String
    public let columns: ColumnNames
    public let rows: FeedRows
    /// Lines that begin with `#`, which are skipped.
    public let comments: Int
    private let contents: FileContents
    private let index: RowIndex
    private let delimiter: UInt8

    /// Opens a file, checks all of it and makes the index.
    /// - Parameters:
    ///   - columns: the names of the columns where the file has no line of names.
    ///   - largestCopy: the size in octets up to which the file is copied instead of mapped.
    /// - Throws: the first thing that is wrong, with its line.
    public convenience init(
        path: String, columns: [String]? = nil, largestCopy: Int = DelimitedFile.largestCopy
    ) throws(FeedError) {
        try self.init(FileContents(path: path, largestCopy: largestCopy), columns)
    }

    /// The same of octets in memory, which are copied.
    public convenience init(
        octets: UnsafeRawBufferPointer, name: String, columns: [String]? = nil
    ) throws(FeedError) {
        try self.init(FileContents(copying: octets, source: name), columns)
    }

    private init(_ contents: consuming FileContents, _ given: [String]?) throws(FeedError) {
        let head = try HeadLine(contents.octets, source: contents.source, given: given)
        let index: RowIndex
        do throws(FeedError) {
            index = try RowIndex(of: contents.octets, after: head)
        } catch {
            // What is wrong with a row may come of the file being written to just now.
            throw contents.change() ?? error
        }
        if let change = contents.change() { throw change }
        contents.expectAnyOrder()
        name = contents.source
        columns = head.columns
        comments = head.comments + index.comments
        rows = FeedRows(
            text: contents.octets.baseAddress!, index: index.entries, count: index.count,
            columns: head.columns.count, delimiter: head.delimiter)
        delimiter = head.delimiter
        self.contents = contents
        self.index = index
    }

    /// Whether the file is mapped, so that it must not be touched while it is in use.
    public var isMapped: Bool { contents.isMapped }

    /// What happened to the file since it was opened that may have spoilt fields; nil: nothing. To be asked at the end of a
    /// run: nothing that happens to the file ends the process, but what was sent may have been nonsense.
    public func change() -> FeedError? { contents.change() }

    /// The octets of this column's longest field, or somewhat more: what `FeedRows.field` needs as scratch.
    public func longestField(column: Int) -> Int { index.longest[column] }

    /// Whether a field of this column holds a line end or another control character: in a header that would begin a new
    /// line of the message.
    public func hasControlCharacters(column: Int) -> Bool { index.controls[column] }

    /// The line on which a row begins, from 1. Counts the lines before it: for messages, not for the hot path.
    public func line(ofRow row: Int) -> Int {
        precondition(row >= 0 && row < rows.count, "no such row")
        let before = contents.octets[..<index.entries[row].start]
        return before.reduce(into: 1) { lines, octet in if octet == UInt8(ascii: "\n") { lines += 1 } }
    }

    /// The same for several rows at the cost of the last one.
    public func lines(ofRows wanted: Set<Int>) -> [Int: Int] {
        var lines: [Int: Int] = [:]
        var line = 1
        var at = 0
        for row in wanted.sorted() {
            precondition(row >= 0 && row < rows.count, "no such row")
            let start = index.entries[row].start
            for octet in contents.octets[at..<start] where octet == UInt8(ascii: "\n") { line += 1 }
            at = start
            lines[row] = line
        }
        return lines
    }

    /// Where the first control character of a field stands; the field has one.
    func place(ofControlInRow row: Int, column: Int) -> ControlCharacter? {
        let entry = index.entries[row]
        let octets = UnsafeRawBufferPointer(rebasing: contents.octets[entry.start..<entry.start + entry.length])
        let spot = FieldSpot(column: column, of: octets, delimiter: delimiter)
        guard let found = octets[spot.start..<spot.end].firstIndex(where: ControlCharacter.isOne) else { return nil }
        var line = self.line(ofRow: row)
        var lineStart = 0
        for place in 0..<found where octets[place] == UInt8(ascii: "\n") {
            line += 1
            lineStart = place + 1
        }
        return ControlCharacter(octet: octets[found], line: line, place: found - lineStart + 1)
    }
}

/// Where each row stands.
struct RowIndex: ~Copyable, @unchecked Sendable {
    private let memory: FeedMemory
    let count: Int
    let comments: Int
    let longest: [Int]
    let controls: [Bool]

    var entries: UnsafePointer<RowEntry> { UnsafePointer(memory.base.assumingMemoryBound(to: RowEntry.self)) }

    /// The one pass over the file.
    init(of octets: UnsafeRawBufferPointer, after head: HeadLine) throws(FeedError) {
        let source = head.columns.source
        let wanted = head.columns.count
        // Each row has an octet for each column: a delimiter or its line end; a row of one column is not empty.
        let capacity = (octets.count - head.end) / max(2, wanted) + 1
        var memory = try FeedMemory(
            octets: capacity * MemoryLayout<RowEntry>.stride, for: "the index of its rows", of: source)
        let entries = memory.base.bindMemory(to: RowEntry.self, capacity: capacity)
        let scanner = RowScanner(octets, delimiter: head.delimiter, columns: wanted)
        var at = head.end
        var line = head.nextLine
        var rows = 0
        var comments = 0
        var isComment = false
        while at < octets.count {
            if let next = scanner.emptyLine(at: at, isComment: &isComment) {
                if isComment { comments += 1 }
                at = next
                line += 1
                continue
            }
            let row = scanner.row(at: at)
            if let fault = row.fault { throw fault.error(source, line: line, row: row, columns: head.columns) }
            guard row.fields == wanted else {
                throw Self.miscounted(row, octets, at: at, line: line, head)
            }
            guard rows < capacity else { throw FeedError(source, "was written to while it was being read") }
            entries[rows] = RowEntry(start: at, length: row.end - at)
            rows += 1
            at = row.next
            line += row.innerLines + 1
        }
        guard rows > 0 else { throw FeedError(source, "names its columns but has no row") }
        guard rows < UInt32.max else { throw FeedError(source, "\(rows) rows, fewer than \(UInt32.max) are allowed") }
        memory.trim(to: rows * MemoryLayout<RowEntry>.stride)
        self.memory = memory
        count = rows
        self.comments = comments
        longest = (0..<wanted).map { Int(scanner.longest[$0]) }
        controls = (0..<wanted).map { scanner.controls[$0] }
    }

    private static func miscounted(
        _ row: ScannedRow, _ octets: UnsafeRawBufferPointer, at start: Int, line: Int, _ head: HeadLine
    ) -> FeedError {
        let columns = head.columns
        let separator = head.delimiter == UInt8(ascii: ",") ? "," : ";"
        let shown = columns.names.prefix(8).joined(separator: separator) + (columns.count > 8 ? "\(separator)…" : "")
        return FeedError(
            columns.source, line: line, "expected \(counted(columns.count, "field")) (\(shown)), got \(row.fields)")
    }
}
