// The door of a script: `carillon` compiles a file of scenarios, runs it in a child process and reads what it leaves behind
// on a descriptor of its own.

import Glibc

/// The scenarios of one script, in written order. Written and read on one thread: the top level of a script.
enum Script {
    nonisolated(unsafe) private static var scenarios: [ScenarioTree] = []
    /// Set in the child process only. In a library and in tests nothing is collected.
    private static let descriptor: Int32? = getenv("CARILLON_PROGRAM_FD").map { atoi($0) }

    static func add(_ scenario: ScenarioTree) {
        guard descriptor != nil else { return }
        if scenarios.isEmpty { atexit { Script.write() } }
        scenarios.append(scenario)
    }

    private static func write() {
        guard let descriptor else { return }
        let octets: [UInt8]
        do {
            octets = try JSONWriter.write(ProgramDocument(scenarios: scenarios))
        } catch {
            _ = writeAll(Array("\(error)\n".utf8), to: 2)
            _exit(70)
        }
        if !writeAll(octets, to: descriptor) { _exit(70) }
    }

    private static func writeAll(_ octets: [UInt8], to descriptor: Int32) -> Bool {
        octets.withUnsafeBytes { all in
            var sent = 0
            while sent < all.count {
                let count = Glibc.write(descriptor, all.baseAddress! + sent, all.count - sent)
                if count > 0 {
                    sent += count
                } else if errno != EINTR {
                    return false
                }
            }
            return true
        }
    }
}
