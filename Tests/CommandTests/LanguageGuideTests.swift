import Foundation
import Testing

extension CommandTests {
    /// The guide to the language is true: its whole scenarios compile and run, and every word of the language stands in one of them or
    /// in a scenario of the catalogue, which other tests run.
    @Suite("The guide to the language")
    struct LanguageGuide {
        private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()

        private static func text(_ path: String) throws -> String {
            try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
        }

        /// The blocks of the guide that are files of their own: those with a scenario.
        private static func scenarios() throws -> String {
            var blocks: [String] = []
            for guide in ["docs/scenario-language.md", "docs/language-examples.md"] {
                let parts = try text(guide).components(separatedBy: "```")
                blocks += parts.enumerated().filter { $0.offset % 2 == 1 && $0.element.hasPrefix("swift\n") }
                    .map { String($0.element.dropFirst(6)) }.filter { $0.contains("= Scenario(") }
            }
            return "import ScenarioDSL\n\n"
                + blocks.joined(separator: "\n").replacingOccurrences(of: "import ScenarioDSL\n", with: "")
        }

        private static func matches(_ pattern: String, _ text: String) throws -> [String] {
            let expression = try NSRegularExpression(pattern: pattern, options: [.anchorsMatchLines])
            return expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).compactMap {
                Range($0.range(at: 1), in: text).map { String(text[$0]) }
            }
        }

        @Test("Its scenarios compile, and each runs between two ends of this process")
        func runs() async throws {
            let text = try Self.scenarios()
            let names = try Self.matches(#"= Scenario\(\s*"([^"]+)""#, text)
            #expect(names.count >= 6 && Set(names).count == names.count, "\(names)")
            try await inFolder { folder in
                try text.write(to: folder.appendingPathComponent("guide.swift"), atomically: true, encoding: .utf8)
                let lint = try await carillon(["lint", "guide.swift"], in: folder)
                #expect(lint.code == 0, "\(lint.out)\(lint.error)")
                var ran = 0
                for name in names {
                    let run = try await carillon(
                        ["run", "guide.swift", "--scenario", name, "--calls", "1", "--no-report"], in: folder)
                    // One that answers alone has nobody here who calls.
                    if run.code == 64, run.error.contains("carillon serve plays it") { continue }
                    ran += 1
                    #expect(run.code == 0 || run.isStarved, "\(name): \(run.out)\(run.error)")
                    #expect(run.out.contains("1 succeeded, 0 failed"), "\(name): \(run.out)\(run.error)")
                }
                #expect(ran >= names.count - 2)
            }
        }

        @Test("Every word of the language is in use somewhere")
        func words() throws {
            let folder = Self.root.appendingPathComponent("Sources/ScenarioDSL")
            let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
                $0.hasSuffix(".swift")
            }
            let language = try files.map { try Self.text("Sources/ScenarioDSL/\($0)") }.joined(separator: "\n")
            let catalogue = try FileManager.default.contentsOfDirectory(
                atPath: Self.root.appendingPathComponent("scenarios").path
            ).filter { $0.hasSuffix(".swift") }.map { try Self.text("scenarios/\($0)") }
            let used = try Self.scenarios() + catalogue.joined(separator: "\n")
            let words = try Self.matches(#"^public struct ([A-Z]\w+): \w*Word\b"#, language)
            #expect(words.count > 30)
            let idle = words.filter { word in used.range(of: #"\b\#(word)( \{|\()"#, options: .regularExpression) == nil
            }
            #expect(idle.isEmpty, "no scenario of the guide or the catalogue says \(idle.joined(separator: ", "))")
            // What is there to explain a misspelling is no word, and the builders' functions are Swift's.
            let members = Set(try Self.matches(#"^    public static (?:var|let|func) `?([a-z]\w+)"#, language))
                .filter { !$0.hasPrefix("build") }.subtracting(["setting", "variable"])
            #expect(members.count > 60)
            let idleMembers = members.filter {
                used.range(of: #"\.\#($0)\b"#, options: .regularExpression) == nil
            }
            #expect(idleMembers.isEmpty, "no scenario says .\(idleMembers.sorted().joined(separator: ", ."))")
        }
    }
}
