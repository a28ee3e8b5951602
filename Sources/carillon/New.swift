import ArgumentParser
import Glibc
import Measurement
import ScenarioFiles

/// `carillon new NAME`.
struct New: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Writes a commented scenario file that runs as it is.")

    @Argument(help: "Name of the scenario: my-call makes my-call.swift.")
    var name: String

    func run() {
        let base = name.hasSuffix(".swift") ? String(name.dropLast(6)) : name
        let isName = base.utf8.allSatisfy {
            $0 >= 0x30 && $0 <= 0x39 || $0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A || $0 == 0x2D || $0 == 0x5F
        }
        guard isName, let first = base.first, first.isLetter, base.utf8.count <= 64 else {
            stop(
                .usage,
                ["\"\(name)\" is no name for a scenario: a letter, then letters, digits, - and _, at most 64 in all"])
        }
        let path = base + ".swift"
        if access(path, F_OK) == 0 {
            stop(.usage, ["\(path) is there already: nothing is overwritten. Choose another name"])
        }
        if let problem = writeFile(Array(ScenarioTemplate.text(name: base).utf8), to: path, replacing: false) {
            stop(.environment, [problem])
        }
        put(
            """
            \(path) is written: a call that is answered, held and ended, with every line explained.

              carillon run \(path)            one call, both sides in one process
              carillon run \(path) HOST       a call to a server
              carillon explain \(path)        its flow as a ladder
              carillon lint \(path) --waits   what is wrong, and how long each wait lasts

            """)
    }
}
