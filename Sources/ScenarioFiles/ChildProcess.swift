// A child process whose output goes to memory: nothing to read while it runs, no pipe that fills up.

import CChildProcess
import Glibc

/// A file in memory. Closed when the last reference goes.
final class MemoryFile {
    let descriptor: Int32

    init(_ name: String) throws(ScenarioFileError) {
        descriptor = carillon_child_memory_file(name)
        if descriptor < 0 {
            throw ScenarioFileError(.environment, "cannot make a file in memory: \(errorText(errno))")
        }
    }

    deinit { close(descriptor) }

    /// All that was written, up to `limit` octets; nil if there is more.
    func contents(limit: Int) -> [UInt8]? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size <= limit else { return nil }
        var octets = [UInt8](repeating: 0, count: Int(status.st_size))
        var have = 0
        while have < octets.count {
            let count = octets.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + have, $0.count - have, off_t(have))
            }
            if count > 0 {
                have += count
            } else if count == 0 || errno != EINTR {
                return nil
            }
        }
        return octets
    }
}

enum ChildEnd: Equatable {
    case exited(Int32)
    case signalled(Int32)
    case timedOut
}

/// Runs a program to its end or to the time limit.
func runChild(
    _ arguments: [String], environment: [String], output: Int32, errors: Int32, program: Int32 = -1,
    limitMilliseconds: Int64
) throws(ScenarioFileError) -> ChildEnd {
    var argumentList: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var environmentList: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { for text in argumentList + environmentList { free(text) } }
    let child = carillon_child_start(&argumentList, &environmentList, output, errors, program)
    if child < 0 {
        throw ScenarioFileError(.environment, "cannot start \(arguments[0]): \(errorText(errno))")
    }
    var code: Int32 = 0
    let end = carillon_child_wait(child, limitMilliseconds, &code)
    switch end {
    case Int32(CARILLON_CHILD_EXITED): return .exited(code)
    case Int32(CARILLON_CHILD_SIGNALLED): return .signalled(code)
    case Int32(CARILLON_CHILD_TIMED_OUT): return .timedOut
    default: throw ScenarioFileError(.environment, "lost sight of \(arguments[0]): \(errorText(errno))")
    }
}

func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }
