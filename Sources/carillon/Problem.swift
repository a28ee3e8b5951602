import ArgumentParser
import Glibc
import Measurement
import Synchronization

/// Writes `carillon: error: …` and ends with the code that says what kind of error it is.
func stop(_ code: Measurement.ExitCode, _ lines: [String]) -> Never {
    printError(lines)
    exit(code.rawValue)
}

func printError(_ lines: [String], label: String = "error") {
    for (number, line) in lines.enumerated() {
        // A line that names its place in a file says "error" itself.
        let isPlaced = line.contains(": error: ") || line.contains(": warning: ") || line.hasPrefix(" ")
        put((number == 0 && !isPlaced ? "carillon: \(label): " : "") + line + "\n", to: 2)
    }
}

/// Writes to standard output, or another descriptor, at once.
func put(_ text: String, to descriptor: Int32 = 1) {
    var octets = Array(text.utf8)
    octets.withUnsafeMutableBytes { bytes in
        var done = 0
        while done < bytes.count {
            let written = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            if written < 0 {
                if errno == EINTR { continue }
                if descriptor == 1 { StandardOutput.failure.store(errno, ordering: .relaxed) }
                return
            }
            done += written
        }
    }
}

/// What became of what was printed.
enum StandardOutput {
    fileprivate static let failure = Atomic<Int32>(0)

    /// Why printed text is lost: a full disk. Nil where all was taken, or the reader left on purpose (`| head`).
    static var problem: String? {
        let number = failure.load(ordering: .relaxed)
        return number == 0 || number == EPIPE
            ? nil : "cannot write to standard output: \(String(cString: strerror(number)))"
    }
}
