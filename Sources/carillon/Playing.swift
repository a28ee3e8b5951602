import ArgumentParser
import Blaster
import CarillonKit
import Glibc
import Measurement
import Reporting
import Synchronization

/// Carries out a run as the terminal shows it: header, progress, summary, report folder, exit code.
struct Playing {
    var run: ScenarioRun
    var options: PlayingOptions
    /// Lines of the header, what and how.
    var header: [(String, String)]
    var noun = "call"

    func carryOut() -> Never {
        var run = run
        run.commandLine = CommandLine.arguments
        var folder: RunFolder?
        if !options.noReport {
            do throws(ReportWriteError) {
                if let out = options.out {
                    folder = try RunFolder(path: out)
                } else {
                    var now = timespec()
                    clock_gettime(CLOCK_REALTIME, &now)
                    folder = try RunFolder.create(
                        in: "reports/runs", scenario: run.scenarioNames.joined(separator: "+"),
                        startedAtUTCNanoseconds: Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec))
                }
            } catch {
                stop(.environment, ["\(error)", "  --out DIR puts the report elsewhere, --no-report leaves none"])
            }
            run.capturePath = folder.map { $0.path + "/failed.pcapng" }
        }
        let isTerminal = isatty(1) != 0
        let style = TextStyle.forOutput(1)
        if !options.quiet && !options.json { printHeader(style) }

        let control = RunControl()
        Interrupts.watch(control)
        let showsProgress = !options.quiet && !options.json
        var progressLines = 0
        let outcome: ScenarioOutcome
        do throws(ScenarioRunError) {
            outcome = try run.start(control: control) { snapshot in
                guard showsProgress else { return }
                var shown = snapshot
                shown.noun = noun
                shown.answering = run.load == .none
                if isTerminal {
                    put("\r\u{1B}[2K" + shown.terminalLine(columns: terminalColumns(), style: style))
                } else {
                    put(shown.plainLine + "\n")
                    progressLines += 1
                }
            }
        } catch {
            stop(error.exitCode, error.lines)
        }
        if isTerminal && showsProgress { put("\r\u{1B}[2K") }
        if !isTerminal && progressLines > 0 { put("\n") }

        var record = outcome.record
        if Interrupts.lastSignal == SIGTERM, record.end == .interrupted { record.end = .terminated }
        let summary = Summary(
            record, ladders: outcome.ladders, folder: folder?.path, style: .plain,
            columns: 110)
        var writeErrors: [String] = []
        if let folder { writeErrors = folder.write(record, summary: summary.text).map(\.description) }
        if let error = outcome.capture?.error { writeErrors.append("\(error)") }
        if options.json {
            do throws(ReportWriteError) {
                put(try RunFolder.json(record) + "\n")
            } catch {
                stop(.internalError, ["\(error)"])
            }
        } else if !options.quiet {
            var shown = summary
            shown.style = style
            shown.columns = max(terminalColumns(), 100)
            put(shown.text + "\n")
        }
        for diagnostic in outcome.diagnostics where !options.quiet { write(toStandardError: "\(diagnostic)\n") }
        if outcome.traceCounts.runsCutByFullArena > 0 {
            printError(
                [
                    "the messages of \(outcome.traceCounts.runsCutByFullArena) calls are not kept whole: --trace-memory is full"
                ],
                label: "note")
        }
        for error in writeErrors { printError([error]) }
        var code = exitCode(for: record)
        if !writeErrors.isEmpty && code == .passed { code = .environment }
        exit(code.rawValue)
    }

    private func printHeader(_ style: TextStyle) {
        let width = header.map(\.0.count).max() ?? 0
        for (name, text) in header {
            put(name + String(repeating: " ", count: width - name.count + 2) + text + "\n")
        }
        put("\n")
    }
}

/// Writes to standard output at once.
func put(_ text: String) {
    var octets = Array(text.utf8)
    octets.withUnsafeMutableBytes { bytes in
        var done = 0
        while done < bytes.count {
            let written = Glibc.write(1, bytes.baseAddress! + done, bytes.count - done)
            guard written > 0 || errno == EINTR else { return }
            if written > 0 { done += written }
        }
    }
}

func terminalColumns() -> Int {
    var size = winsize()
    return ioctl(1, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 100
}

/// SIGINT and SIGTERM: the first drains the run, the second leaves at once.
enum Interrupts {
    private static let control = Mutex<RunControl?>(nil)
    private static let handler = Atomic<UInt>(0)
    private static let signal = Atomic<Int32>(0)

    static var lastSignal: Int32 { signal.load(ordering: .relaxed) }

    static func watch(_ run: RunControl) {
        control.withLock { $0 = run }
        // The handler may do nothing but touch atomics, so it finds the control by an address that never changes.
        handler.store(UInt(bitPattern: Unmanaged.passRetained(run).toOpaque()), ordering: .releasing)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { number in
            Interrupts.signal.store(number, ordering: .relaxed)
            let address = Interrupts.handler.load(ordering: .acquiring)
            guard let pointer = UnsafeRawPointer(bitPattern: address) else { return }
            Unmanaged<RunControl>.fromOpaque(pointer).takeUnretainedValue().interrupt()
        }
        // Who started us may have blocked them, and a mask is inherited.
        var wanted = sigset_t()
        sigemptyset(&wanted)
        sigaddset(&wanted, SIGINT)
        sigaddset(&wanted, SIGTERM)
        pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
        sigaction(SIGINT, &action, nil)
        sigaction(SIGTERM, &action, nil)
        Glibc.signal(SIGPIPE, SIG_IGN)
    }
}
