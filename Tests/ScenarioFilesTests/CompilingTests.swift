import Foundation
@testable import ScenarioDSL
import Scenarios
import Synchronization
import Testing

@testable import ScenarioFiles

/// Whatever runs swiftc, one after the other: compilers side by side only wait for each other.
@Suite(.serialized)
final class CompilingTests {
    @Test func fileIsCompiledOnceAndThenCached() throws {
        let workshop = try Workshop()
        let first = try workshop.load("call.swift", Mistake.base)
        guard case .compiled(let milliseconds) = first.origin else {
            Issue.record("not compiled but \(first.origin)")
            return
        }
        #expect(first.origin.description == "compiled in \(milliseconds) ms")
        #expect(first.scenarios.map(\.name) == ["call", "ping"])
        #expect(first.scenarios[0].at.file == "call.swift" && first.scenarios[0].at.line == 4)
        #expect(first.scenarios[0].parties.map(\.name) == ["alice", "bob"])
        #expect(first.scenarios[0].parties[0].steps[0].at.line == 9)
        #expect(first.scenarios[0].settings == [SettingTree(name: "hold", fallback: "1s")])

        let second = try workshop.load("call.swift", Mistake.base)
        #expect(second.origin == .cache)
        #expect(second.scenarios == first.scenarios)

        // Another name stands in the places, so it is another entry; other content too.
        #expect(try workshop.load("other.swift", Mistake.base).origin != .cache)
    }

    @Test func aNumberIsADefault() throws {
        let workshop = try Workshop()
        let loaded = try workshop.load(
            "count.swift",
            """
            import ScenarioDSL
            let count = Scenario("count") {
                let times = Setting("times", default: 7), user = Setting("user", default: "alice"), host = Setting("host")
                Party("alice") {
                    Repeat(times) { Send(.options, to: "sip:\\(user)@\\(host)"); Expect(200) }
                }
            }
            """)
        #expect(
            loaded.scenarios[0].settings == [
                SettingTree(name: "times", fallback: "7"), SettingTree(name: "user", fallback: "alice"),
                SettingTree(name: "host", fallback: nil),
            ])
    }

    @Test func damagedCacheEntryIsCompiledAgain() throws {
        let workshop = try Workshop()
        let text = "import ScenarioDSL\nlet a = Scenario(\"a\") { Party(\"x\") { Send(.options) } }\n"
        _ = try workshop.load("a.swift", text)
        let programs = Workshop.cache + "/carillon/programs"
        for name in try FileManager.default.contentsOfDirectory(atPath: programs) {
            try Data("{\"format\":1,\"scenarios\":[".utf8).write(to: URL(fileURLWithPath: programs + "/" + name))
        }
        let again = try workshop.load("a.swift", text)
        #expect(again.origin != .cache)
        #expect(again.scenarios.map(\.name) == ["a"])
    }

    /// The catalogue ships as files to copy: each must run as a script, and give what the library gives.
    @Test func catalogueFilesRunAsScripts() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("scenarios").path
        let files = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".swift") && $0 != "Catalogue.swift" }
        #expect(files.count == catalogue.count)
        for file in files {
            let loaded = try loadScenarios(file: folder + "/" + file, options: Workshop.options())
            let tree = try #require(loaded.scenarios.first)
            let known = try #require(catalogue.first { $0.name == tree.name }, "\(file) is not in the catalogue")
            #expect(tree == known.tree)
        }
    }

    @Test func newFileRunsAsItIs() throws {
        let workshop = try Workshop()
        let loaded = try workshop.load("my-first-call.swift", ScenarioTemplate.text(name: "my-first-call"))
        #expect(loaded.scenarios.map(\.name) == ["my-first-call"])
        #expect(loaded.scenarios[0].problems.isEmpty)
    }

    /// Examples of the documentation are compiled, each block a file of its own.
    @Test(arguments: [("scenario-language", 8), ("feeds", 2)])
    func examplesOfTheGuideCompile(page: String, least: Int) throws {
        let guide = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/\(page).md")
        let text = try String(contentsOf: guide, encoding: .utf8)
        let blocks = text.components(separatedBy: "```swift\n").dropFirst().compactMap {
            $0.components(separatedBy: "\n```").first
        }
        #expect(blocks.count >= least)
        let workshop = try Workshop()
        // One file for all. A block that declares scenarios has a scope of its own; any other is the steps of a party.
        var file = """
            import ScenarioDSL
            let tag = Variable("tag"), expires = Variable("expires")
            let hold = Setting("hold", default: "0s")
            let ready = SignalName("ready")
            Scenario("page") { Party("p") { Send(.options) } }

            """
        for (index, block) in blocks.enumerated() {
            let body = block.replacing("import ScenarioDSL\n", with: "")
            if block.contains("Scenario(") {
                file +=
                    "enum Block\(index) {\n"
                    + ("\n" + body).replacing("\nlet ", with: "\nstatic let ")
                    .replacing("\n@StepsBuilder func", with: "\n@StepsBuilder static func") + "\n}\n"
            } else {
                file += "Scenario(\"block-\(index)\") { Party(\"p\") {\n\(body)\n} }\n"
            }
        }
        _ = try workshop.load("guide.swift", file)
    }

    @Test func threeHundredStepsCompileQuickly() throws {
        var text =
            "import ScenarioDSL\nlet long = Scenario(\"long\") {\n    let tag = Variable(\"tag\")\n    Party(\"alice\") {\n"
        for index in 0..<30 {
            text += """
                        Send(.invite) { Offer(.audio(.pcmu, .pcma)) }
                        Expect(180, .optional)
                        Expect(200, within: .seconds(8)) { Capture(tag, from: .header("To").parameter("tag")) }
                        Send(.ack)
                        Pause(.milliseconds(100) ... .seconds(2))
                        Send(.info) { Header("X-\(index)", "\\(tag)@\\(.domain)") }
                        Expect(200)
                        Pause(.exponential(mean: .seconds(3)))
                        Send(.bye)
                        Expect(200)

                """
        }
        text += "    }\n    Party(\"bob\", .answers) { Expect(.invite) }\n}\n"
        let workshop = try Workshop()
        _ = try workshop.load(
            "warm.swift", "import ScenarioDSL\nlet a = Scenario(\"a\") { Party(\"x\") { Send(.info) } }\n")
        let loaded = try workshop.load("long.swift", text)
        #expect(loaded.scenarios[0].parties[0].steps.count == 300)
        // The bar is 4 s on an idle machine; here others compile at the same time.
        guard case .compiled(let milliseconds) = loaded.origin else {
            Issue.record("not compiled")
            return
        }
        #expect(milliseconds < 20_000)
        print("300 steps: \(loaded.origin)")
    }

    @Test(arguments: [
        ("import ScenarioDSL\n", "declares no scenario"),
        (
            "import ScenarioDSL\nlet a = Scenario(\"a\") { Party(\"x\") { Send(.info) } }\nwhile true {}\n",
            "still running"
        ),
        (
            "import ScenarioDSL\nlet a = Scenario(\"a\") { Party(\"x\") { Send(.info) } }\nlet b = [1][3 + a.name.count]\n",
            "crashed while it was read"
        ),
        (
            "import ScenarioDSL\nimport Glibc\nlet a = Scenario(\"a\") { Party(\"x\") { Send(.info) } }\nexit(3)\n",
            "exit code 3"
        ),
    ])
    func fileThatMisbehavesWhenRead(_ text: String, _ words: String) throws {
        let workshop = try Workshop()
        var options = Workshop.options()
        options.runLimitMilliseconds = 1_500
        let path = try workshop.write("bad.swift", text)
        #expect {
            try loadScenarios(file: path, options: options)
        } throws: { error in
            guard let error = error as? ScenarioFileError else { return false }
            return error.kind == .unusable && error.description.contains(words)
        }
    }

    /// Compiles silently and reads zeroed memory: the language notices at its line.
    @Test func constantsUsedAboveTheirLineAreReported() throws {
        let workshop = try Workshop()
        let loaded = try workshop.load(
            "early.swift",
            """
            import ScenarioDSL
            let call = Scenario("call") {
                Party("alice") {
                    Send(.invite, from: user)
                    Mark(start)
                    Capture(tag, from: .header("To"))
                    In(second) { Send(.info) }
                    Signal(ready)
                    Call(carol)
                    Require(tag.parameter("x") == "y")
                    Send(.message, from: "sip:\\(users["user"])@example.com")
                }
                carol
            }
            let user: Value = "sip:alice@example.com"
            let start = MarkName("start")
            let tag = Variable("tag")
            let second = DialogName("second")
            let ready = SignalName("ready")
            let carol = Party("carol")
            let users = Feed("users.csv")

            """)
        let problems = loaded.scenarios[0].problems
        #expect(Set(problems.map(\.at.line)) == [4, 5, 6, 7, 8, 9, 10, 11, 13])
        #expect(problems.allSatisfy { $0.text.contains("above the line that declares it") })
    }

    @Test func missingCompilerIsTheEnvironmentsFault() throws {
        let workshop = try Workshop()
        let path = try workshop.write("call.swift", Mistake.base)
        var environment = Workshop.environment
        environment["PATH"] = workshop.folder
        #expect {
            try loadScenarios(file: path, options: LoadOptions(environment: environment))
        } throws: { error in
            guard let error = error as? ScenarioFileError else { return false }
            return error.kind == .environment && error.description.contains("no swiftc on the PATH")
        }
    }
}
