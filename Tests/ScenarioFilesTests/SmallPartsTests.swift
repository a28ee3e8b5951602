import Testing

@testable import ScenarioFiles

struct SmallPartsTests {
    /// FIPS 180-4 examples.
    @Test(arguments: [
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (String(repeating: "a", count: 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ])
    func digest(_ text: String, _ expected: String) {
        var hash = SHA256()
        hash.update(Array(text.utf8))
        #expect(hash.finish() == expected)
    }

    @Test func whereAPartEndsMatters() {
        #expect(SHA256.hex([[1], [2, 3]]) != SHA256.hex([[1, 2], [3]]))
    }

    @Test func bracesAreComparedWithIndentation() {
        #expect(SourceText("a {\n    b {\n}\n").braceMistake() == .missing(line: 3, opened: 2))
        #expect(SourceText("a {\n    b\n    }\n}\n").braceMistake() == .extra(line: 3, column: 5))
        #expect(SourceText("a {\n    b { c }\n}\n").braceMistake() == nil)
        #expect(SourceText("a {\n").braceMistake() == .neverClosed(line: 1))
        // Braces in texts and comments do not count, nor do those in an interpolation.
        let tricky = "a { // {{{\n    b(\"}\", #\"\"}\"#, \"\\(c(\"}\"))\") /* } */\n    \"\"\"\n}}\n\"\"\"\n}\n"
        #expect(SourceText(tricky).braceMistake() == nil)
    }

    @Test(arguments: [
        ("Puase", "Pause"), ("expect", "Expect"), ("HeaderX", "Header"), ("Sned", "Send"), ("qwertyuiop", nil),
    ])
    func slipsOfTheFinger(_ wrong: String, _ right: String?) {
        #expect(nearest(to: wrong, among: WordUse.names) == right)
    }
}
