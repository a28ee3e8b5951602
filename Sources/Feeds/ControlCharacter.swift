/// An octet that cannot stand in the head of a message: CR, LF, and all other control characters but TAB.
public struct ControlCharacter: Equatable, Sendable {
    public let octet: UInt8
    /// The line of the file, from 1; nil where the rows come from no file.
    public let line: Int?
    /// In octets of its line, from 1; without a file, of the first field that holds it.
    public let place: Int

    /// `a line feed (0A)`.
    public var text: String {
        let digits = String(octet, radix: 16, uppercase: true)
        let name =
            switch octet {
            case 10: "a line feed"
            case 13: "a carriage return"
            default: "a control character"
            }
        return "\(name) (\(octet < 16 ? "0" : "")\(digits))"
    }

    static func isOne(_ octet: UInt8) -> Bool { octet < 32 && octet != 9 || octet == 127 }
}

extension DelimitedFile {
    /// The first octet of a column that cannot stand in the head of a message; nil: there is none. Reads the rows up to it:
    /// not for the hot path.
    public func firstControl(column: Int) -> ControlCharacter? {
        precondition(column >= 0 && column < columns.count, "no such column")
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: longestField(column: column) + 1, alignment: 1)
        defer { scratch.deallocate() }
        for row in 0..<rows.count {
            guard let field = rows.field(row: row, column: column, scratch: scratch),
                field.contains(where: ControlCharacter.isOne)
            else { continue }
            return place(ofControlInRow: row, column: column)
        }
        return nil
    }
}

extension GeneratedRows {
    /// The same of rows without a file. All rows have the text of the first.
    public func firstControl(column: Int) -> ControlCharacter? {
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: longestField(column: column) + 1, alignment: 1)
        defer { scratch.deallocate() }
        guard let field = rows.field(row: 0, column: column, scratch: scratch),
            let place = field.firstIndex(where: ControlCharacter.isOne)
        else { return nil }
        return ControlCharacter(octet: field[place], line: nil, place: place + 1)
    }
}
