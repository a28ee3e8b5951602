import Glibc

/// What breaks RFC 4180 or our limits within a row.
enum RowFault {
    case nul
    case quoteWithin
    case textAfterQuote
    case quoteLeftOpen
    case loneCarriageReturn
    case tooLong
}

/// One row as it stands in the file, or what is wrong with it.
struct ScannedRow {
    /// Past its last octet, without the line end.
    var end: Int
    /// Where the next line begins.
    var next: Int
    var fields = 1
    /// Line ends within quotes, up to the fault where there is one.
    var innerLines = 0
    var fault: RowFault?
    /// Where the quoted field stands that is left open, in lines from the row's first.
    var openedAfterLines = 0

    init(at start: Int) {
        end = start
        next = start
    }
}

/// Reads rows in the form of RFC 4180: fields between delimiters, in quotes where they hold a delimiter, a quote (doubled)
/// or a line end; lines end with CR LF, LF, or with the file.
struct RowScanner: ~Copyable {
    /// The octets of the longest row, quotes included.
    static let longestRow = 65_535
    /// The most columns of a file.
    static let mostColumns = 1_024

    private let base: UnsafePointer<UInt8>
    private let end: Int
    /// 0 where there is one column only: nothing divides then, and a NUL is refused before it could.
    let delimiter: UInt8
    /// For each octet what it means outside of quotes: 0 nothing.
    private let meanings: UnsafeMutablePointer<UInt8>
    /// For each column the octets of its longest field as it stands in the file.
    let longest: UnsafeMutablePointer<UInt16>
    /// For each column whether a control character stands in one of its fields.
    let controls: UnsafeMutablePointer<Bool>
    private let columns: Int

    private static let quote = UInt8(ascii: "\"")
    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")
    private static let control: UInt8 = 1
    private static let special: UInt8 = 2

    /// - Parameter columns: of how many the longest field is kept.
    init(_ octets: UnsafeRawBufferPointer, delimiter: UInt8, columns: Int) {
        base = octets.baseAddress!.assumingMemoryBound(to: UInt8.self)
        end = octets.count
        self.delimiter = delimiter
        self.columns = columns
        meanings = .allocate(capacity: 256)
        meanings.initialize(repeating: 0, count: 256)
        longest = .allocate(capacity: max(1, columns))
        longest.initialize(repeating: 0, count: max(1, columns))
        controls = .allocate(capacity: max(1, columns))
        controls.initialize(repeating: false, count: max(1, columns))
        for octet in 1..<32 { meanings[octet] = Self.control }
        meanings[127] = Self.control
        for octet in [0, delimiter, Self.quote, Self.lineFeed, Self.carriageReturn] {
            meanings[Int(octet)] = Self.special
        }
    }

    deinit {
        meanings.deallocate()
        longest.deallocate()
        controls.deallocate()
    }

    /// Whether nothing or a comment stands at `start`, a line's beginning; if so, where the next line begins.
    func emptyLine(at start: Int, isComment: inout Bool) -> Int? {
        let first = base[start]
        isComment = first == UInt8(ascii: "#")
        if first == Self.lineFeed { return start + 1 }
        if first == Self.carriageReturn, start + 1 == end { return end }
        if first == Self.carriageReturn, base[start + 1] == Self.lineFeed { return start + 2 }
        guard isComment else { return nil }
        guard let found = memchr(base + start, Int32(Self.lineFeed), end - start) else { return end }
        return base.distance(to: UnsafePointer(found.assumingMemoryBound(to: UInt8.self))) + 1
    }

    /// The row that begins at `start`, which is before the end of the file.
    func row(at start: Int) -> ScannedRow {
        var row = ScannedRow(at: start)
        let limit = min(end, start + Self.longestRow + 2)
        var at = start
        var hasControl = false
        field: while true {
            let fieldStart = at
            if at < limit, base[at] == Self.quote {
                row.openedAfterLines = row.innerLines
                guard quoted(&at, limit, &row, &hasControl) else { return row }
            } else {
                while at < limit {
                    let meaning = meanings[Int(base[at])]
                    if meaning != 0 {
                        if meaning == Self.special { break }
                        hasControl = true
                    }
                    at &+= 1
                }
            }
            // Here ends a field, or its rest is wrong.
            if row.fields <= columns {
                let length = UInt16(truncatingIfNeeded: min(at - fieldStart, Self.longestRow))
                if length > longest[row.fields - 1] { longest[row.fields - 1] = length }
                if hasControl { controls[row.fields - 1] = true }
            }
            hasControl = false
            row.end = at
            guard at < limit else {
                row.next = at
                if at < end || at - start > Self.longestRow { row.fault = .tooLong }
                return row
            }
            switch base[at] {
            case Self.lineFeed: row.next = at + 1
            case Self.carriageReturn where at + 1 == end: row.next = end
            case Self.carriageReturn where base[at + 1] == Self.lineFeed: row.next = at + 2
            case 0: row.fault = .nul
            case delimiter:
                row.fields &+= 1
                at &+= 1
                continue field
            case _ where base[fieldStart] == Self.quote: row.fault = .textAfterQuote
            case Self.carriageReturn: row.fault = .loneCarriageReturn
            default: row.fault = .quoteWithin
            }
            if at - start > Self.longestRow { row.fault = .tooLong }
            return row
        }
    }

    /// Goes from an opening quote past the closing one.
    /// - Returns: false where there is none; the row says why.
    @inline(__always)
    private func quoted(_ at: inout Int, _ limit: Int, _ row: inout ScannedRow, _ hasControl: inout Bool) -> Bool {
        at &+= 1
        while at < limit {
            let octet = base[at]
            at &+= 1
            if octet == Self.quote {
                guard at < limit, base[at] == Self.quote else { return true }
                at &+= 1
            } else if octet < 32 || octet == 127 {
                guard octet != 0 else {
                    row.fault = .nul
                    return false
                }
                hasControl = true
                if octet == Self.lineFeed { row.innerLines &+= 1 }
            }
        }
        row.fault = .quoteLeftOpen
        return false
    }
}
