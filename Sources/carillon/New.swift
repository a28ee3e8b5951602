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
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x22 && $0 != 0x2F && $0 != 0x5C && $0 < 0x7F })
        else { stop(.usage, ["\"\(name)\" is no name for a scenario: letters, digits and - are"]) }
        let base = name.hasSuffix(".swift") ? String(name.dropLast(6)) : name
        let path = base + ".swift"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            if errno == EEXIST {
                stop(.usage, ["\(path) is there already: nothing is overwritten. Choose another name"])
            }
            stop(.environment, ["cannot write \(path): \(String(cString: strerror(errno)))"])
        }
        var octets = Array(ScenarioTemplate.text(name: base).utf8)
        let written = octets.withUnsafeMutableBytes { Glibc.write(descriptor, $0.baseAddress!, $0.count) }
        guard close(descriptor) == 0, written == octets.count else {
            stop(.environment, ["cannot write \(path): \(String(cString: strerror(errno)))"])
        }
        put(
            "\(path) is written. Next:\n  carillon run \(path)       one call, both sides\n  carillon explain \(path)   its flow\n"
        )
    }
}
