import Foundation
import Testing

/// `list`, `new`, `lint`, `explain`: what one does before a run.
@Suite("Scenario tools", .timeLimit(.minutes(3)))
struct ScenarioToolTests {
    @Test("Every scenario that list names runs, both sides in one process")
    func catalogue() async throws {
        let list = try await carillon(["list"])
        #expect(list.code == 0)
        let names = list.out.split(separator: "\n").filter { $0.first != " " }.compactMap {
            $0.split(separator: " ").first
        }
        #expect(names.contains("basic-call") && names.count >= 10)
        for name in names {
            let run = try await carillon(["run", String(name), "--no-report"])
            #expect(run.code == 0 || run.isStarved, "\(name): \(run.out)")
            #expect(run.out.contains("1 succeeded, 0 failed"), "\(name)")
        }
    }

    @Test("A new file runs as it is, and is never overwritten")
    func new() async throws {
        try await inFolder { folder in
            let new = try await carillon(["new", "my-call"], in: folder)
            #expect(new.code == 0)
            #expect(new.out.contains("carillon run my-call.swift"))
            let again = try await carillon(["new", "my-call"], in: folder)
            #expect(again.code == 64 && again.error.contains("nothing is overwritten"))
            let run = try await carillon(["run", "my-call.swift", "--hold", "0s", "--no-report"], in: folder)
            #expect(run.code == 0 || run.isStarved, "\(run.out)\(run.error)")
            #expect(run.out.contains("1 succeeded, 0 failed"))
            let cached = try await carillon(["run", "my-call.swift", "--hold", "0s", "--no-report"], in: folder)
            #expect(cached.out.contains("(loaded from cache)"))
        }
    }

    @Test("What lint saves runs")
    func saved() async throws {
        try await inFolder { folder in
            let lint = try await carillon(["lint", "basic-call", "--waits", "--emit", "call.json"], in: folder)
            #expect(lint.code == 0)
            #expect(
                lint.out.contains(
                    "BasicCall.swift:12  alice  expect 180 or 200 to INVITE  32 s, 180 s after a provisional"))
            #expect(folder.has("call.json"))
            let run = try await carillon(["run", "call.json", "--calls", "3", "--no-report"], in: folder)
            #expect(run.code == 0 || run.isStarved)
            #expect(run.out.contains("3 succeeded, 0 failed"))
        }
    }

    @Test("explain draws the flow and lists the program with its lines")
    func explain() async throws {
        let explain = try await carillon(["explain", "basic-call", "--messages"])
        #expect(explain.code == 0)
        #expect(explain.out.contains("─ INVITE ─"))
        // Nothing has run: an order, no times.
        #expect(!explain.out.contains("seconds"))
        #expect(explain.out.contains("BasicCall.swift:10") && explain.out.contains("octets a call"))
        #expect(explain.out.contains("template 0: INVITE"))
        let mermaid = try await carillon(["explain", "basic-call", "--mermaid"])
        #expect(mermaid.out.hasPrefix("sequenceDiagram\n"))
        #expect(mermaid.out.contains("p0->>p1: INVITE\n"))
    }

    @Test("Help lists every command; each command has help")
    func help() async throws {
        let help = try await carillon(["--help"])
        #expect(help.code == 0)
        for command in ["run", "serve", "lint", "explain", "list", "new"] {
            #expect(help.out.contains("\n  \(command) "))
            let own = try await carillon([command, "--help"])
            #expect(own.code == 0 && own.out.contains("USAGE: carillon \(command)"))
        }
        let version = try await carillon(["--version"])
        #expect(version.out.hasPrefix("carillon "))
    }
}
