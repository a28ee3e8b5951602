import Glibc
import Measurement

/// What a worker needs before it begins is not to be had from the system: nothing ran, so there is nothing to report.
package func giveUp(_ words: String) -> Never {
    let text = "carillon: error: \(words)\n"
    _ = text.withCString { write(2, $0, strlen($0)) }
    exit(ExitCode.environment.rawValue)
}
