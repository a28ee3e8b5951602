import Foundation
import ScenarioDSL
import Scenarios
import Testing

@testable import ScenarioFiles

struct SavedProgramTests {
    private func refusal(_ text: String) -> ScenarioFileError? {
        do {
            _ = try SavedProgram.decode(Array(text.utf8), name: "call.json")
            return nil
        } catch {
            return error
        }
    }

    @Test func catalogueSurvivesTheRoundTrip() throws {
        let trees = catalogue.map(\.tree)
        let octets = try SavedProgram.encode(trees)
        #expect(try SavedProgram.decode(octets, name: "x") == trees)
        #expect(try SavedProgram.encode(SavedProgram.decode(octets, name: "x")) == octets)
    }

    @Test func savedFileIsLoadedWithoutACompiler() throws {
        let workshop = try Workshop()
        let text = String(decoding: try SavedProgram.encode(catalogue.map(\.tree)), as: UTF8.self)
        let path = try workshop.write("all.json", text)
        let loaded = try loadScenarios(file: path, options: LoadOptions(environment: [:]))
        #expect(loaded.origin == .savedProgram)
        #expect(loaded.scenarios.count == catalogue.count)
    }

    @Test(arguments: [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "error: not "),
        ("{}", "no \"format\""),
        (#"{"format":"1"}"#, "not a number at format"),
        (#"{"format":2,"scenarios":[]}"#, "format 2, but this carillon reads format 1"),
        (#"{"format":1}"#, "'scenarios' is missing"),
        (#"{"format":1,"scenarios":[{"name":"a"}]}"#, "'summary' is missing at scenarios[0]"),
        (step(#"{"dance":{}}"#), "the step 'dance' is not known"),
        (step(#"{"send":{},"expect":{}}"#), "a step is an object with one key, found 2 keys"),
        (step(#"{"send":{"what":true,"content":[]}}"#), "a message is \"INVITE\", 200 or [400, 699]"),
        (step(#"{"send":{"content":[]}}"#), "(written at call.swift:7)"),
        (step(#"{"pause":{"fixed":1e300}}"#), "below 292 years"),
        (step(#"{"pause":{"fixed":"soon"}}"#), "not a number"),
        (step(#"{"sendRaw":{"owning":["via"],"content":[]}}"#), "owns branch, cseq, tags or everything"),
        (step(#"{"capture":{"variable":"x","from":{"header":{}}}}"#), "'name' is missing"),
        (
            step(#"{"noAck":{}}"#).replacing("\"call.swift:7\"", with: "\"call.swift\""),
            "a place reads \"file.swift:12\""
        ),
    ])
    func wrongDocumentIsExplained(_ text: String, _ words: String) throws {
        let error = try #require(refusal(text), "it was accepted")
        #expect(error.kind == .unusable)
        #expect(error.description.hasPrefix("call.json: error: "), "\(error)")
        #expect(error.description.contains(words), "\(error)")
    }

    /// Nested deeper than any scenario: refused, not a stack overflow.
    @Test func deepNestingIsRefused() throws {
        let depth = 100_000
        let inner =
            String(repeating: #"{"not":"#, count: depth) + #"{"exists":"x"}"# + String(repeating: "}", count: depth)
        #expect(refusal(step(#"{"require":{"reason":"","condition":"# + inner + "}}")) != nil)
        let legal = String(repeating: #"{"not":"#, count: 200) + #"{"exists":"x"}"# + String(repeating: "}", count: 200)
        #expect(refusal(step(#"{"require":{"reason":"","condition":"# + legal + "}}")) == nil)
    }

    @Test func mutatedDocumentsNeverCrash() throws {
        let document = try SavedProgram.encode(catalogue.map(\.tree))
        var random = SplitMix(state: 20_261)
        var refused = 0
        for round in 0..<600 {
            var octets = document
            if round % 3 == 0 { octets.removeLast(Int(random.next() % UInt64(octets.count))) }
            for _ in 0..<(random.next() % 4 + (round % 3 == 0 ? 0 : 1)) where !octets.isEmpty {
                let at = Int(random.next() % UInt64(octets.count))
                switch random.next() % 4 {
                case 0: octets[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: octets.remove(at: at)
                case 2: octets.insert(contentsOf: Array("{}[]\"0-,:e9".utf8).shuffled(using: &random), at: at)
                default:
                    let end = min(octets.count, at + Int(random.next() % 40))
                    octets.insert(contentsOf: octets[at..<end], at: Int(random.next() % UInt64(octets.count)))
                }
            }
            do {
                _ = try SavedProgram.decode(octets, name: "x")
            } catch {
                refused += 1
                #expect(error.kind == .unusable)
                #expect(!error.lines.joined().isEmpty)
            }
        }
        #expect(refused > 300)  // the others changed inside a text or number
    }

    @Test(arguments: ["call.txt", "basic-call"])
    func otherNamesAreUsageErrors(_ name: String) {
        #expect(throws: ScenarioFileError.self) { try loadScenarios(file: name) }
        do {
            _ = try loadScenarios(file: name)
        } catch {
            #expect(error.kind == .usage)
        }
    }

    @Test(arguments: ["/nowhere/call.swift", "/tmp/nowhere.json"])
    func missingFileIsUnusable(_ name: String) {
        do {
            _ = try loadScenarios(file: name)
            Issue.record("loaded")
        } catch {
            #expect(error.kind == .unusable)
            #expect(error.description.contains("No such file"))
        }
    }
}

/// A document whose only step is this one.
private func step(_ action: String) -> String {
    #"{"format":1,"scenarios":[{"name":"a","summary":"","at":"call.swift:1","settings":[],"problems":[],"parties":[{"#
        + #""name":"x","answers":false,"at":"call.swift:2","steps":[{"at":"call.swift:7","do":"# + action + "}]}]}]}"
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
