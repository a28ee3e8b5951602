import Feeds
import Testing

@Suite struct GeneratedRowsTests {
    @Test func rangesAndPatterns() throws {
        let rows = try GeneratedRows(
            name: "users",
            columns: [
                ("number", .numbers("+49301000008...+49301000011")), ("extension", .numbers("0098...0101")),
                ("count", .integers(from: 10, through: -5, step: -5)), ("user", .pattern("user{row}")),
                ("padded", .pattern("u{row+9:3}@{{x}}-{row:2}")), ("constant", .pattern("secret")),
            ])
        #expect(rows.rows.count == 4)
        #expect(
            strings(fields(of: rows)) == [
                ["+49301000008", "0098", "10", "user0", "u009@{x}-00", "secret"],
                ["+49301000009", "0099", "5", "user1", "u010@{x}-01", "secret"],
                ["+49301000010", "0100", "0", "user2", "u011@{x}-02", "secret"],
                ["+49301000011", "0101", "-5", "user3", "u012@{x}-03", "secret"],
            ])
        #expect((0..<6).map(rows.longestField) == [12, 4, 2, 5, 11, 6])
        #expect(try rows.columns.index(of: "user") == 3)
        let error = #expect(throws: FeedError.self) { try rows.columns.index(of: "numbr") }
        #expect(
            error?.description
                == "users: no column \"numbr\" (there are number, extension, count, user, padded, constant);"
                + " did you mean \"number\"?")
    }

    @Test func aMillionNumbersWithoutMemory() throws {
        let rows = try GeneratedRows(name: "n", columns: [("number", .numbers("+49301000000...+49301999999"))])
        #expect(rows.rows.count == 1_000_000)
        withUnsafeTemporaryAllocation(byteCount: 12, alignment: 1) { scratch in
            let last = rows.rows.field(row: 999_999, column: 0, scratch: scratch)
            #expect(last.map { String(decoding: $0, as: UTF8.self) } == "+49301999999")
            let small = UnsafeMutableRawBufferPointer(rebasing: scratch[..<11])
            #expect(rows.rows.field(row: 0, column: 0, scratch: small) == nil)
        }
    }

    @Test func fewerRowsThanTheRange() throws {
        let rows = try GeneratedRows(
            name: "n", columns: [("n", .integers(from: 1, through: 100)), ("e", .pattern(""))], rows: 2)
        #expect(strings(fields(of: rows)) == [["1", ""], ["2", ""]])
    }

    @Test func extremes() throws {
        let rows = try GeneratedRows(
            name: "n",
            columns: [
                ("low", .integers(from: .min, through: .min + 2, step: 2)),
                ("high", .integers(from: .max - 1, through: .max)),
                ("wide", .pattern("{row+999999999999999998:18}")),
            ])
        #expect(
            strings(fields(of: rows)) == [
                ["-9223372036854775808", "9223372036854775806", "999999999999999998"],
                ["-9223372036854775806", "9223372036854775807", "999999999999999999"],
            ])
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        var values: ColumnGenerator
        var rows: Int?
        var text: String
        var testDescription: String { text }

        init(_ values: ColumnGenerator, rows: Int? = nil, _ text: String) {
            self.values = values
            self.rows = rows
            self.text = text
        }
    }

    private static let noNumbers =
        " is no range of numbers; expected FIRST...LAST in digits, as in +49301000000...+49301999999"
    private static let noPattern =
        ": a brace opens {row}, {row+1}, {row:6} or {row+1:6}; for itself it is written twice"

    static let refusals = [
        Refusal(.numbers("+4930"), "column \"c\": \"+4930\"\(noNumbers)"),
        Refusal(.numbers("+49-30...+49-31"), "column \"c\": \"+49-30...+49-31\"\(noNumbers)"),
        Refusal(.numbers("+...+"), "column \"c\": \"+...+\"\(noNumbers)"),
        Refusal(.numbers(""), "column \"c\": \"\"\(noNumbers)"),
        Refusal(.numbers("1....2"), "column \"c\": \"1....2\"\(noNumbers)"),
        Refusal(.numbers("+1...2"), "column \"c\": \"+1...2\": both ends begin with +, or neither"),
        Refusal(
            .numbers("98...101"), "column \"c\": \"98...101\": both ends have the same number of digits, got 2 and 3"),
        Refusal(.numbers("101...098"), "column \"c\": \"101...098\": the first number is above the last"),
        Refusal(
            .numbers("+1000000000000000...+1000000000000001"),
            "column \"c\": \"+1000000000000000...+1000000000000001\": at most 15 digits (ITU-T E.164 §6), got 16"),
        Refusal(
            .numbers("1000000000000000000...1000000000000000001"),
            "column \"c\": \"1000000000000000000...1000000000000000001\": at most 18 digits, got 19"),
        Refusal(.integers(from: 1, through: 0), "column \"c\": no number from 1 through 0 by 1"),
        Refusal(.integers(from: 1, through: 2, step: 0), "column \"c\": the step of a range is not 0"),
        Refusal(
            .integers(from: .min, through: .max),
            "column \"c\": the range from -9223372036854775808 through 9223372036854775807 is too long"),
        Refusal(
            .integers(from: 0, through: .max - 1),
            "9223372036854775807 rows; at least 1 and fewer than 4294967295 are needed"),
        Refusal(
            .integers(from: 0, through: .max),
            "column \"c\": the range from 0 through 9223372036854775807 is too long"),
        Refusal(.pattern("u{row"), rows: 1, "column \"c\": \"u{row\"\(noPattern)"),
        Refusal(.pattern("u}"), rows: 1, "column \"c\": \"u}\"\(noPattern)"),
        Refusal(.pattern("u{Row}"), rows: 1, "column \"c\": \"u{Row}\"\(noPattern)"),
        Refusal(.pattern("u{row-1}"), rows: 1, "column \"c\": \"u{row-1}\"\(noPattern)"),
        Refusal(.pattern("u{row:0}"), rows: 1, "column \"c\": \"u{row:0}\"\(noPattern)"),
        Refusal(.pattern("u{row:19}"), rows: 1, "column \"c\": \"u{row:19}\"\(noPattern)"),
        Refusal(.pattern("u{row+}"), rows: 1, "column \"c\": \"u{row+}\"\(noPattern)"),
        Refusal(.pattern("u{row:}"), rows: 1, "column \"c\": \"u{row:}\"\(noPattern)"),
        Refusal(
            .pattern("u{row:2}"), rows: 101,
            "column \"c\": row 100 has the number 100, with room for 2 digits"),
        Refusal(.pattern("u"), "has no range that says how many rows there are; say the number of rows"),
        Refusal(.pattern("u"), rows: 0, "0 rows; at least 1 and fewer than 4294967295 are needed"),
        Refusal(.numbers("1...3"), rows: 4, "4 rows, but column \"c\" ends after 3"),
    ]

    @Test(arguments: refusals)
    func isRefused(_ refusal: Refusal) {
        #expect(throws: FeedError("users", refusal.text)) {
            try GeneratedRows(name: "users", columns: [("c", refusal.values)], rows: refusal.rows)
        }
    }

    @Test func columnsThatDisagree() {
        #expect(
            throws: FeedError(
                "users",
                "3 rows by column \"a\", 2 by column \"b\"; make them equally long or say how many rows there are")
        ) {
            try GeneratedRows(
                name: "users", columns: [("a", .numbers("1...3")), ("b", .integers(from: 1, through: 2))])
        }
        #expect(throws: FeedError("users", "two columns have the same name, \"a\"")) {
            try GeneratedRows(name: "users", columns: [("a", .numbers("1...3")), ("a", .pattern("x"))])
        }
        #expect(throws: FeedError("users", "needs at least one column")) {
            try GeneratedRows(name: "users", columns: [], rows: 1)
        }
    }
}
