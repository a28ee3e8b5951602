import Feeds
import Foundation
import Testing

struct Refusal: Sendable, CustomTestStringConvertible {
    var text: String
    var error: String
    var testDescription: String { error }

    init(_ text: String, _ error: String) {
        self.text = text
        self.error = error
    }
}

@Suite struct FileErrorTests {
    static let refusals = [
        Refusal("", "users.csv: is empty; its first line names the columns, as in user;password"),
        Refusal(
            "\n# x\n\r\n",
            "users.csv: holds nothing but empty lines and comments; it needs a line that names the columns, as in"
                + " user;password"),
        Refusal("user;password\n", "users.csv: names its columns but has no row"),
        Refusal("user;password\n\n# a;b\n", "users.csv: names its columns but has no row"),
        Refusal(
            "user;password;domain\na;b;c\n\n# x\na;b\n",
            "users.csv:5: expected 3 fields (user;password;domain), got 2"),
        Refusal("user,password\na,b\na,b,\n", "users.csv:3: expected 2 fields (user,password), got 3"),
        Refusal("user;password\n\"a\nb\";c\nd\n", "users.csv:4: expected 2 fields (user;password), got 1"),
        Refusal("user;password\na;b\n \n", "users.csv:3: expected 2 fields (user;password), got 1"),
        Refusal("a;b;c;d;e;f;g;h;i\n1\n", "users.csv:2: expected 9 fields (a;b;c;d;e;f;g;h;…), got 1"),
        Refusal(
            "user;password\na;b\"c\n",
            "users.csv:2: a quote stands within field 2 (password); put the whole field into quotes and write this one"
                + " twice (RFC 4180 §2)"),
        Refusal(
            "user;password\na; \"b\"\n",
            "users.csv:2: a quote stands within field 2 (password); put the whole field into quotes and write this one"
                + " twice (RFC 4180 §2)"),
        Refusal(
            "user;password\n\"a\nb\" <sip:a>;c\n",
            "users.csv:3: text follows the closing quote of field 1 (user); a quote within a field is written twice"
                + " (RFC 4180 §2)"),
        Refusal(
            "user;password\n\"1\n2\";\"b\nc\nd;e\n",
            "users.csv:3: the quote that opens field 2 (password) is not closed within 65535 octets or before the file"
                + " ends (RFC 4180 §2)"),
        Refusal(
            "user;password\n\"a;\"\"\n",
            "users.csv:2: the quote that opens field 1 (user) is not closed within 65535 octets or before the file ends"
                + " (RFC 4180 §2)"),
        Refusal(
            "user;password\na;b\rc;d\n",
            "users.csv:2: a carriage return without line feed stands in field 2 (password); lines end with CR LF or LF"),
        Refusal(
            "user;password\na;b\0\n",
            "users.csv:2: a NUL stands in field 2 (password); the file must be text in UTF-8"),
        Refusal(
            "user;password\n\"a\nb\0\";c\n",
            "users.csv:3: a NUL stands in field 1 (user); the file must be text in UTF-8"),
        Refusal("uri\na\0b\n", "users.csv:2: a NUL stands in field 1 (uri); the file must be text in UTF-8"),
        Refusal("us\0er;x\na;b\n", "users.csv:1: a NUL stands in field 1; the file must be text in UTF-8"),
        Refusal(
            "a,b;c\n1,2;3\n",
            "users.csv:1: both \",\" and \";\" stand in the line of names; put the name that holds one into quotes"),
        Refusal("# x\na;;c\n1;2;3\n", "users.csv:2: column 2 has no name"),
        Refusal("a;b;\n1;2;\n", "users.csv:1: column 3 has no name"),
        Refusal("a;b;a\n1;2;3\n", "users.csv:1: columns 1 and 3 have the same name, \"a\""),
        Refusal(
            "a\tb\n1\t2\n", "users.csv:1: the name of column 1 holds a tab; columns are divided by \",\" or \";\""),
        Refusal("a;\"b\nc\"\n1;2\n", "users.csv:1: the name of column 2 holds a control character"),
        Refusal(
            "1000;secret\n1001;secret\n",
            "users.csv:1: \"1000\" is no name of a column; the first line names the columns, as in user;password"),
        Refusal(
            "SEQUENTIAL\n1000;secret\n",
            "users.csv:1: \"SEQUENTIAL\" begins a file for SIPp; here the first line names the columns, as in"
                + " user;password, and the scenario says the order"),
        Refusal(
            "RANDOM,PRINTF=10\r\n%d;x\r\n",
            "users.csv:1: \"RANDOM\" begins a file for SIPp; here the first line names the columns, as in"
                + " user;password, and the scenario says the order"),
    ]

    @Test(arguments: refusals)
    func isRefused(_ refusal: Refusal) throws {
        let error = #expect(throws: FeedError.self) { try open(Array(refusal.text.utf8), name: "users.csv") }
        #expect(error?.description == refusal.error)
    }

    @Test(arguments: [[0xFF, 0xFE, 0x61, 0], [0xFE, 0xFF, 0, 0x61]] as [[UInt8]])
    func UTF16IsRefused(_ octets: [UInt8]) {
        #expect(throws: FeedError("t.csv", line: 1, "is UTF-16; save it as UTF-8")) { try open(octets) }
    }

    @Test(arguments: [
        ("pasword", "; did you mean \"password\"?"), ("User", "; did you mean \"user\"?"),
        ("domian", "; did you mean \"domain\"?"), ("host", ""), ("", ""),
    ])
    func aColumnThatIsNotThere(_ name: String, _ hint: String) throws {
        let file = try open(Array("user;password;domain\na;b;c\n".utf8), name: "users.csv")
        #expect(try file.columns.index(of: "domain") == 2)
        let error = #expect(throws: FeedError.self) { try file.columns.index(of: name) }
        #expect(error?.description == "users.csv: no column \"\(name)\" (there are user, password, domain)\(hint)")
    }

    @Test func theOnlyColumn() throws {
        let file = try open(Array("uri\nsip:a@b\n".utf8))
        let error = #expect(throws: FeedError.self) { try file.columns.index(of: "number") }
        #expect(error?.description == "t.csv: no column \"number\" (there is only uri)")
    }

    @Test func filesThatCannotBeOpened() throws {
        let folder = try Folder()
        let here = FileManager.default.currentDirectoryPath
        let missing = #expect(throws: FeedError.self) { try DelimitedFile(path: "no-such-users.csv") }
        #expect(
            missing?.description
                == "no-such-users.csv: cannot be opened: No such file or directory (looked for from \(here))")
        let elsewhere = #expect(throws: FeedError.self) { try DelimitedFile(path: "/no-such/users.csv") }
        #expect(elsewhere?.description == "/no-such/users.csv: cannot be opened: No such file or directory")
        let directory = #expect(throws: FeedError.self) { try DelimitedFile(path: folder.path) }
        #expect(directory?.text == "is a directory, not a file of rows")
        let pipe = folder.path + "/pipe"
        #expect(mkfifo(pipe, 0o600) == 0)
        let waiting = #expect(throws: FeedError.self) { try DelimitedFile(path: pipe) }
        #expect(waiting?.text == "is a pipe or a device, not a file of rows")
        let empty = try folder.write("empty.csv", [])
        let nothing = #expect(throws: FeedError.self) { try DelimitedFile(path: empty) }
        #expect(nothing?.text == "is empty; its first line names the columns, as in user;password")
    }
}
