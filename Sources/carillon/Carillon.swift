import ArgumentParser
import CarillonKit
import Glibc

@main
enum Command {
    static func main() {
        // A reader that left and a file size limit come back as errors of the write, which are told; a signal would kill the
        // run and its report.
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        if let (command, arguments) = ElementCommands.find(Array(CommandLine.arguments.dropFirst())) {
            carryOut(command, arguments)
        } else {
            carryOut(Carillon.self, nil)
        }
        if let lost = StandardOutput.problem { stop(.environment, [lost]) }
    }

    /// - Parameter arguments: nil: those of the process.
    private static func carryOut<Root: ParsableCommand>(_ root: Root.Type, _ arguments: [String]?) {
        do {
            var command = try root.parseAsRoot(arguments)
            try command.run()
        } catch {
            let code = root.exitCode(for: error)
            guard code == .validationFailure else { root.exit(withError: error) }
            // ArgumentParser's words in the form that all our errors have.
            let text = root.fullMessage(for: error)
            var words = text.hasPrefix("Error: ") ? String(text.dropFirst(7)) : text
            let hint = SIPpHabits.hint(for: Array(CommandLine.arguments.dropFirst()))
            // A guess at what one of SIPp's options might have meant is a wrong one.
            if hint != nil { words.replace(#/ Did you mean '[^']*'\?/#, with: "") }
            printError([words] + [hint].compactMap { $0 })
            Glibc.exit(code.rawValue)
        }
    }
}

/// `carillon`: one file per subcommand. Exit codes are `ExitCode`'s; a usage error is ArgumentParser's 64.
struct Carillon: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "carillon",
        abstract: "Generates SIP load and plays SIP parties from scenarios written in Swift.",
        discussion: """
            Exit codes: 0 passed and valid, 1 calls failed, 3 run invalid (the generator was the limit, or nothing was \
            reachable), 64 usage, 65 scenario unusable, 69 environment, 70 internal, 129/130/143 interrupted.
            """,
        version: "carillon \(carillonVersion)",
        subcommands: [Run.self, Serve.self, Lint.self, Explain.self, List.self, New.self])
}
