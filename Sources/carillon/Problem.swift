import ArgumentParser
import Glibc
import Measurement

/// Writes `carillon: error: …` and ends with the code that says what kind of error it is.
func stop(_ code: Measurement.ExitCode, _ lines: [String]) -> Never {
    printError(lines)
    exit(code.rawValue)
}

func printError(_ lines: [String], label: String = "error") {
    for (number, line) in lines.enumerated() {
        // A line that names its place in a file says "error" itself.
        let isPlaced = line.contains(": error: ") || line.contains(": warning: ") || line.hasPrefix(" ")
        write(toStandardError: (number == 0 && !isPlaced ? "carillon: \(label): " : "") + line + "\n")
    }
}

func write(toStandardError text: String) {
    var octets = Array(text.utf8)
    octets.withUnsafeMutableBytes { _ = Glibc.write(2, $0.baseAddress!, $0.count) }
}
