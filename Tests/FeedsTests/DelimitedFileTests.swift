import Feeds
import Testing

func strings(_ rows: [[[UInt8]]]) -> [[String]] { rows.map { $0.map { String(decoding: $0, as: UTF8.self) } } }

struct Reading: Sendable, CustomTestStringConvertible {
    var what: String
    var text: String
    var names: [String]
    var rows: [[String]]
    var lines: [Int]
    var testDescription: String { what }

    init(_ what: String, _ text: String, _ names: [String], _ rows: [[String]], lines: [Int]) {
        self.what = what
        self.text = text
        self.names = names
        self.rows = rows
        self.lines = lines
    }
}

@Suite struct DelimitedFileTests {
    static let readings = [
        Reading(
            "semicolons", "user;password\na;1\nb;2\n", ["user", "password"], [["a", "1"], ["b", "2"]], lines: [2, 3]),
        Reading("commas", "user,password\na;x,1\n", ["user", "password"], [["a;x", "1"]], lines: [2]),
        Reading("CR LF", "a;b\r\n1;2\r\n3;4\r\n", ["a", "b"], [["1", "2"], ["3", "4"]], lines: [2, 3]),
        Reading("line ends mixed", "a;b\r\n1;2\n3;4\r\n", ["a", "b"], [["1", "2"], ["3", "4"]], lines: [2, 3]),
        Reading("last line without end", "a;b\n1;2", ["a", "b"], [["1", "2"]], lines: [2]),
        Reading("last line ends in CR", "a;b\r\n1;2\r", ["a", "b"], [["1", "2"]], lines: [2]),
        Reading("mark of UTF-8", "\u{FEFF}a;b\n1;2\n", ["a", "b"], [["1", "2"]], lines: [2]),
        Reading("one column divides nothing", "uri\nsip:a@b;lr,x\n", ["uri"], [["sip:a@b;lr,x"]], lines: [2]),
        Reading(
            "empty fields", "a;b;c\n;;\n1;;\n\"\";\"\";3\n", ["a", "b", "c"],
            [["", "", ""], ["1", "", ""], ["", "", "3"]], lines: [2, 3, 4]),
        Reading("an empty field of one column", "a\n\"\"\n\n1\n", ["a"], [[""], ["1"]], lines: [2, 4]),
        Reading(
            "quotes", "a;b\n\"x;y\";\"say \"\"hi\"\"\"\n\"\"\"\";\"\"\"\"\"\"\n", ["a", "b"],
            [["x;y", "say \"hi\""], ["\"", "\"\""]], lines: [2, 3]),
        Reading(
            "lines in quotes", "a;b\n\"1\r\n2\n\n#3\";x\ny;z\n", ["a", "b"], [["1\r\n2\n\n#3", "x"], ["y", "z"]],
            lines: [2, 6]),
        Reading("quoted last field at the end", "a;b\n1;\"2\"", ["a", "b"], [["1", "2"]], lines: [2]),
        Reading(
            "empty lines and comments", "\n# users\r\n\r\na;b\n\n#x;\"y\n1;2\n\n#\n3;4\n#", ["a", "b"],
            [["1", "2"], ["3", "4"]], lines: [7, 10]),
        Reading(
            "a quoted # is none", "a;b\n\"#31#1\";2\n1;#3\n", ["a", "b"], [["#31#1", "2"], ["1", "#3"]], lines: [2, 3]),
        Reading(
            "spaces belong to fields, not to names", " a ; b\n 1 ; 2 \n", ["a", "b"], [[" 1 ", " 2 "]], lines: [2]),
        Reading("quoted names", "\"a;x\",\"b\"\"y\"\n1,2\n", ["a;x", "b\"y"], [["1", "2"]], lines: [2]),
        Reading("UTF-8", "naïve;名前\nü;ß€😀\n", ["naïve", "名前"], [["ü", "ß€😀"]], lines: [2]),
        Reading("a user called USER", "USER,x\n1,2\n", ["USER", "x"], [["1", "2"]], lines: [2]),
    ]

    @Test(arguments: readings)
    func reads(_ reading: Reading) throws {
        let file = try open(Array(reading.text.utf8))
        #expect(file.columns.names == reading.names)
        #expect(strings(fields(of: file)) == reading.rows)
        #expect(reading.rows.indices.map(file.line) == reading.lines)
    }

    @Test func namesMayBeGiven() throws {
        let semicolons = try open(Array("1000;a,b\n1001;c,d\n".utf8), columns: ["user", "x"])
        #expect(strings(fields(of: semicolons)) == [["1000", "a,b"], ["1001", "c,d"]])
        #expect(semicolons.line(ofRow: 1) == 2)
        let commas = try open(Array("#\n1000;a,b\n1001;c,d\n".utf8), columns: ["u", "v"])
        #expect(strings(fields(of: commas)) == [["1000", "a,b"], ["1001", "c,d"]])
        let three = try open(Array("1,2;x,3\n".utf8), columns: ["u", "v", "w"])
        #expect(strings(fields(of: three)) == [["1", "2;x", "3"]])
        #expect(throws: FeedError("t.csv", line: 2, "expected 2 fields (u;v), got 1")) {
            try open(Array("#\n1\n".utf8), columns: ["u", "v"])
        }
    }

    @Test func octetsThatAreNotUTF8AreKept() throws {
        let file = try open(Array("a;b\n".utf8) + [0xFF, 0xFE, 0x3B, 0xC3, 0x0A])
        #expect(fields(of: file) == [[[0xFF, 0xFE], [0xC3]]])
    }

    @Test func commentsAreCountedAndControlsTold() throws {
        let file = try open(Array("# 1\na;b;c\n#2\n\"x\ny\";\t;z\n\n# 3".utf8))
        #expect(file.comments == 3)
        #expect((0..<3).map(file.hasControlCharacters) == [true, true, false])
        #expect(!file.isMapped)
        #expect(file.change() == nil)
    }

    /// A field needs no scratch unless quotes have to be halved; then it must be large enough.
    @Test func scratchIsUsedForDoubledQuotesOnly() throws {
        let file = try open(Array("a;b;c\nplain;\"quoted;\";\"dou\"\"bled\"\n".utf8))
        let none = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        #expect(file.rows.field(row: 0, column: 0, scratch: none).map(Array.init) == Array("plain".utf8))
        #expect(file.rows.field(row: 0, column: 1, scratch: none).map(Array.init) == Array("quoted;".utf8))
        #expect(file.rows.field(row: 0, column: 2, scratch: none) == nil)
        withUnsafeTemporaryAllocation(byteCount: 8, alignment: 1) { scratch in
            let small = UnsafeMutableRawBufferPointer(rebasing: scratch[..<6])
            #expect(file.rows.field(row: 0, column: 2, scratch: small) == nil)
            let field = file.rows.field(row: 0, column: 2, scratch: scratch)
            #expect(field.map(Array.init) == Array("dou\"bled".utf8))
            #expect(field?.baseAddress == UnsafeRawPointer(scratch.baseAddress!))
        }
    }

    @Test func theLongestRowAndOneMore() throws {
        let longest = String(repeating: "x", count: 65_533)
        for end in ["", "\n", "\r\n"] {
            let file = try open(Array("a;b\n\(longest);1\(end)".utf8))
            #expect(fields(of: file)[0].map(\.count) == [65_533, 1])
            #expect(file.longestField(column: 0) == 65_533)
            #expect(throws: FeedError("t.csv", line: 2, "the row is longer than 65535 octets")) {
                try open(Array("a;b\n\(longest);12\(end)".utf8))
            }
        }
    }

    @Test func manyColumns() throws {
        let names = (1...1_024).map { "c\($0)" }
        let file = try open(Array((names.joined(separator: ";") + "\n" + String(repeating: ";", count: 1_023)).utf8))
        #expect(file.columns.count == 1_024)
        #expect(fields(of: file) == [Array(repeating: [], count: 1_024)])
        let more = (names + ["more"]).joined(separator: ";")
        #expect(throws: FeedError("t.csv", line: 1, "1025 columns, at most 1024 are allowed")) {
            try open(Array("\(more)\n1\n".utf8))
        }
    }
}
