import Glibc

/// Where a field stands within its row, without its quotes.
struct FieldSpot {
    var start: Int
    var end: Int
    /// Quotes within are doubled and have to be halved.
    var isDoubled = false

    /// Rows have been checked, so that a quote stands only where RFC 4180 lets it. Where that is no longer so, because the
    /// file was written to, the spot is wrong but within the row.
    init(column: Int, of row: UnsafeRawBufferPointer, delimiter: UInt8) {
        let quote = UInt8(ascii: "\"")
        let count = row.count
        var at = 0
        var left = column
        var isQuoted = false
        while left > 0, at < count {
            let octet = row[unchecked: at]
            at &+= 1
            if octet == quote { isQuoted.toggle() } else if octet == delimiter, !isQuoted { left &-= 1 }
        }
        start = at
        guard at < count, row[unchecked: at] == quote else {
            while at < count, row[unchecked: at] != delimiter { at &+= 1 }
            end = at
            return
        }
        at &+= 1
        start = at
        while at < count {
            if row[unchecked: at] == quote {
                guard at &+ 1 < count, row[unchecked: at &+ 1] == quote else { break }
                isDoubled = true
                at &+= 1
            }
            at &+= 1
        }
        end = min(at, count)
    }

    /// The field itself: within the row, or in `scratch` where quotes had to be halved; nil where that is too small.
    func text(
        in row: UnsafeRawBufferPointer, scratch: UnsafeMutableRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        let raw = UnsafeRawBufferPointer(rebasing: row[start..<end])
        guard isDoubled else { return raw }
        var from = 0
        var to = 0
        while from < raw.count {
            let octet = raw[unchecked: from]
            guard to < scratch.count else { return nil }
            scratch[to] = octet
            to &+= 1
            from &+= octet == UInt8(ascii: "\"") ? 2 : 1
        }
        return UnsafeRawBufferPointer(rebasing: scratch[..<to])
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    fileprivate subscript(unchecked place: Int) -> UInt8 {
        assert(place >= 0 && place < count)
        return baseAddress.unsafelyUnwrapped.load(fromByteOffset: place, as: UInt8.self)
    }
}

/// Rows as workers read them: every worker all of them, none writes. Valid while the file or the generator they came from
/// is alive; a copy costs nothing.
public struct FeedRows: @unchecked Sendable {
    /// Number of rows, at least 1.
    public let count: Int
    public let columnCount: Int
    private let origin: Origin

    private enum Origin {
        case file(text: UnsafeRawPointer, index: UnsafePointer<RowEntry>, delimiter: UInt8)
        case generator(GeneratedColumns)
    }

    init(text: UnsafeRawPointer, index: UnsafePointer<RowEntry>, count: Int, columns: Int, delimiter: UInt8) {
        self.count = count
        columnCount = columns
        origin = .file(text: text, index: index, delimiter: delimiter)
    }

    init(_ generated: GeneratedColumns, count: Int, columns: Int) {
        self.count = count
        columnCount = columns
        origin = .generator(generated)
    }

    /// The octets of one field, without quotes. They stand in the file where they can, else in `scratch`; valid until that
    /// is written again. Nothing is allocated.
    /// - Parameter scratch: large enough for the column's longest field; see `longestField` of the file or the generator.
    /// - Returns: nil where `scratch` is too small.
    public func field(
        row: Int, column: Int, scratch: UnsafeMutableRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        precondition(row >= 0 && row < count && column >= 0 && column < columnCount, "no such row or column")
        switch origin {
        case .file(let text, let index, let delimiter):
            let entry = index[row]
            let line = UnsafeRawBufferPointer(start: text + entry.start, count: entry.length)
            return FieldSpot(column: column, of: line, delimiter: delimiter).text(in: line, scratch: scratch)
        case .generator(let columns):
            return columns.write(row: row, column: column, into: scratch)
        }
    }
}

/// Where a row stands in the file: 8 octets.
struct RowEntry {
    private let word: UInt64

    init(start: Int, length: Int) {
        word = UInt64(start) << 16 | UInt64(length)
    }

    var start: Int { Int(word >> 16) }
    var length: Int { Int(word & 0xFFFF) }
}
