/// Where the fields of a column come from when no file holds them. Rows count from 0.
public enum ColumnGenerator: Equatable, Sendable {
    /// Whole numbers from the first by `step` to the last, in decimal without padding.
    case integers(from: Int64, through: Int64, step: Int64 = 1)
    /// A range of telephone numbers, `+49301000000...+49301999999`: as many digits in each, leading zeros kept. With `+` it
    /// holds at most 15 digits (ITU-T E.164 §6), without at most 18.
    case numbers(String)
    /// Text with the row's number: `user{row}`, `user{row+1}` counted from 1, `user{row:6}` in six digits,
    /// `user{row+1:6}`; `{{` and `}}` stand for braces.
    case pattern(String)
}

/// A part of a generated field: text, then possibly a number.
struct FieldPiece {
    /// Of the generator's text.
    var textStart = 0
    var textCount = 0
    var hasNumber = false
    /// The number is first + step × row, in at least so many digits.
    var first: Int64 = 0
    var step: Int64 = 1
    var digits = 0
    /// The most rows for which there is a number.
    var rows: Int?

    /// - Returns: nil where that is beyond 64 bits.
    func number(row: Int) -> Int64? {
        let (product, overflows) = step.multipliedReportingOverflow(by: Int64(row))
        let (sum, overflowsToo) = first.addingReportingOverflow(product)
        return overflows || overflowsToo ? nil : sum
    }
}

extension ColumnGenerator {
    /// Takes the column apart. Text is appended to `text`.
    /// - Throws: what is wrong with it, for the column `name` of `source`.
    func pieces(of name: String, _ source: String, text: inout [UInt8]) throws(FeedError) -> [FieldPiece] {
        let column = "column \"\(name)\""
        switch self {
        case .integers(let from, let through, let step):
            guard step != 0 else { throw FeedError(source, "\(column): the step of a range is not 0") }
            guard step > 0 ? from <= through : from >= through else {
                throw FeedError(source, "\(column): no number from \(from) through \(through) by \(step)")
            }
            let (distance, overflows) = through.subtractingReportingOverflow(from)
            let (steps, overflowsToo) = distance.dividedReportingOverflow(by: step)
            guard !overflows, !overflowsToo, steps < .max else {
                throw FeedError(source, "\(column): the range from \(from) through \(through) is too long")
            }
            return [
                FieldPiece(textStart: text.count, hasNumber: true, first: from, step: step, rows: Int(steps) + 1)
            ]
        case .numbers(let range):
            return [try Self.piece(ofNumbers: range, column, source, text: &text)]
        case .pattern(let pattern):
            return try Self.pieces(ofPattern: pattern, column, source, text: &text)
        }
    }

    private static func piece(
        ofNumbers range: String, _ column: String, _ source: String, text: inout [UInt8]
    ) throws(FeedError) -> FieldPiece {
        let octets = Array(range.utf8)
        let dots = octets.indices.first { octets[$0...].starts(with: "...".utf8) }
        guard let dots else { throw notNumbers(range, column, source) }
        let low = octets[..<dots]
        let high = octets[(dots + 3)...]
        let hasPlus = low.first == UInt8(ascii: "+")
        guard hasPlus == (high.first == UInt8(ascii: "+")) else {
            throw FeedError(source, "\(column): \"\(range)\": both ends begin with +, or neither")
        }
        let lowDigits = low.dropFirst(hasPlus ? 1 : 0)
        let highDigits = high.dropFirst(hasPlus ? 1 : 0)
        let isDigit = { (octet: UInt8) in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet) }
        guard !lowDigits.isEmpty, !highDigits.isEmpty, lowDigits.allSatisfy(isDigit), highDigits.allSatisfy(isDigit)
        else { throw notNumbers(range, column, source) }
        guard lowDigits.count == highDigits.count else {
            throw FeedError(
                source,
                "\(column): \"\(range)\": both ends have the same number of digits, got \(lowDigits.count) and"
                    + " \(highDigits.count)")
        }
        let most = hasPlus ? 15 : 18
        guard lowDigits.count <= most else {
            let rule = hasPlus ? " (ITU-T E.164 §6)" : ""
            throw FeedError(
                source, "\(column): \"\(range)\": at most \(most) digits\(rule), got \(lowDigits.count)")
        }
        let value = { (digits: ArraySlice<UInt8>) in digits.reduce(Int64(0)) { $0 * 10 + Int64($1 & 15) } }
        guard value(lowDigits) <= value(highDigits) else {
            throw FeedError(source, "\(column): \"\(range)\": the first number is above the last")
        }
        let start = text.count
        if hasPlus { text.append(UInt8(ascii: "+")) }
        return FieldPiece(
            textStart: start, textCount: hasPlus ? 1 : 0, hasNumber: true, first: value(lowDigits),
            digits: lowDigits.count, rows: Int(value(highDigits) - value(lowDigits)) + 1)
    }

    private static func notNumbers(_ range: String, _ column: String, _ source: String) -> FeedError {
        FeedError(
            source,
            "\(column): \"\(range)\" is no range of numbers; expected FIRST...LAST in digits, as in"
                + " +49301000000...+49301999999")
    }

    private static func pieces(
        ofPattern pattern: String, _ column: String, _ source: String, text: inout [UInt8]
    ) throws(FeedError) -> [FieldPiece] {
        let octets = Array(pattern.utf8)
        var pieces: [FieldPiece] = []
        var piece = FieldPiece(textStart: text.count)
        var at = 0
        while at < octets.count {
            let octet = octets[at]
            let isBrace = octet == UInt8(ascii: "{") || octet == UInt8(ascii: "}")
            if !isBrace || (at + 1 < octets.count && octets[at + 1] == octet) {
                text.append(octet)
                piece.textCount += 1
                at += isBrace ? 2 : 1
                continue
            }
            guard octet == UInt8(ascii: "{"), let close = octets[at...].firstIndex(of: UInt8(ascii: "}")),
                place(String(decoding: octets[(at + 1)..<close], as: UTF8.self), in: &piece)
            else {
                throw FeedError(
                    source,
                    "\(column): \"\(pattern)\": a brace opens {row}, {row+1}, {row:6} or {row+1:6}; for itself it is"
                        + " written twice")
            }
            pieces.append(piece)
            piece = FieldPiece(textStart: text.count)
            at = close + 1
        }
        if piece.textCount > 0 || pieces.isEmpty { pieces.append(piece) }
        return pieces
    }

    /// Reads what stands between braces: `row`, `row+1`, `row:6`, `row+1:6`.
    private static func place(_ words: String, in piece: inout FieldPiece) -> Bool {
        guard words.hasPrefix("row") else { return false }
        let parts = words.dropFirst(3).split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if !parts[0].isEmpty {
            let number = parts[0].dropFirst()
            guard parts[0].first == "+", let first = digits(number, most: 18) else { return false }
            piece.first = first
        }
        if parts.count == 2 {
            guard let width = digits(parts[1], most: 2), (1...18).contains(width) else { return false }
            piece.digits = Int(width)
        }
        piece.hasNumber = true
        return true
    }

    private static func digits(_ text: Substring, most: Int) -> Int64? {
        guard text.utf8.count <= most, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text)
    }
}
