import Testing

@testable import ScenarioFiles

extension CompilingTests {
    /// The right line every time, and words that help.
    @Test(arguments: Mistake.all)
    func mistakeIsNamedAtItsLine(_ mistake: Mistake) throws {
        try #require(mistake.file != Mistake.base, "the mistake is not in the file")
        let workshop = try Workshop()
        let error = try #require(try workshop.complaint("call.swift", mistake.file), "the file compiles")
        #expect(error.kind == .unusable)
        let first = try #require(error.lines.first)
        #expect(first.hasPrefix(workshop.folder + "/call.swift:\(mistake.line):"), "\(error)")
        for word in mistake.words { #expect(first.contains(word), "\(error)") }
        #expect(!error.description.contains("buildExpression"), "\(error)")
        #expect(!error.description.contains("is unavailable"), "\(error)")
    }
}
