import Blaster
import CallEngine
import CarillonKit
import Glibc
import Measurement
import Reporting
import SIPWire

/// Carries out a run as the terminal shows it: head, progress, summary, report folder, exit code.
struct Playing {
    var run: ScenarioRun
    var options: ReportOptions
    /// What a run of the scenario is: call or attempt.
    var noun: String
    /// Lines of the head, what and how, from the addresses that the sockets have.
    var head: ([WorkerAddress]) -> [(String, String)]

    /// Where it is written that everything listens: one address a line, as `host:port transports`; nil: nowhere.
    var readyFile: String?

    private var isShown: Bool { !options.quiet && !options.json }

    /// The file appears whole: whoever waits for it may read it at once.
    private func tellReady(_ addresses: [WorkerAddress], in path: String) {
        var text = ""
        for address in addresses {
            text += "\(address.local.text) \(run.plainTransports.text)\n"
            if let secure = address.secure { text += "\(secure.text) TLS\n" }
        }
        if let problem = writeFile(Array(text.utf8), to: path, replacing: true) {
            stop(.environment, ["--ready-file: \(problem)"])
        }
    }

    func carryOut() -> Never {
        var run = run
        run.commandLine = CommandLine.arguments
        let folder = makeFolder(&run)
        let style = TextStyle.forOutput(1)
        let isTerminal = isatty(1) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"

        let control = RunControl()
        Interrupts.watch(control, tells: isShown)
        var hasProgress = false
        let outcome: ScenarioOutcome
        do throws(ScenarioRunError) {
            outcome = try run.start(
                control: control,
                onReady: { addresses in
                    if isShown { put(headText(addresses, style)) }
                    if let readyFile { tellReady(addresses, in: readyFile) }
                },
                onProgress: { snapshot in
                    guard isShown else { return }
                    var shown = snapshot
                    if shown.phase == nil { shown.noun = noun }
                    shown.answering = run.load == .none
                    // The last column stays empty: some terminals go to the next line when it is written.
                    let line =
                        isTerminal
                        ? "\r\u{1B}[2K" + shown.terminalLine(columns: terminalColumns() - 1, style: style)
                        : shown.plainLine + "\n"
                    put(line)
                    hasProgress = true
                })
        } catch {
            // Nothing ran, so nothing is reported: no empty folder stays behind.
            if let folder {
                unlink("\(folder.path)/\(RunFolder.traceName)\(RunFolder.partial)")
                rmdir(folder.path)
            }
            stop(error.exitCode, error.lines)
        }
        // The line is gone from a terminal; elsewhere the lines stand apart from the summary.
        if hasProgress { put(isTerminal ? "\r\u{1B}[2K" : "\n") }
        report(outcome, folder, style)
    }

    private func makeFolder(_ run: inout ScenarioRun) -> RunFolder? {
        guard !options.noReport else { return nil }
        do throws(ReportWriteError) {
            let folder: RunFolder
            if let out = options.out {
                folder = try RunFolder(path: out)
            } else {
                var now = timespec()
                clock_gettime(CLOCK_REALTIME, &now)
                folder = try RunFolder.create(
                    in: "reports/runs", scenario: run.scenarioNames.joined(separator: "+"),
                    startedAtUTCNanoseconds: Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec))
            }
            run.capturePath = "\(folder.path)/\(RunFolder.traceName)"
            return folder
        } catch {
            stop(.environment, ["\(error)", "  --out DIR puts the report elsewhere, --no-report leaves none"])
        }
    }

    private func headText(_ addresses: [WorkerAddress], _ style: TextStyle) -> String {
        let lines = head(addresses)
        let width = (lines.map(\.0.count).max() ?? 0) + 2
        var text = ""
        for (name, value) in lines {
            let padding = String(repeating: " ", count: width - name.count)
            text += style.paint(name, .dim) + padding + printable(value) + "\n"
        }
        return text + "\n"
    }

    /// The terminal's summary comes first: on a full disk it is all there is.
    private func report(_ outcome: ScenarioOutcome, _ folder: RunFolder?, _ style: TextStyle) -> Never {
        var record = outcome.record
        if record.end == .interrupted {
            switch Interrupts.last {
            case SIGTERM: record.end = .terminated
            case SIGHUP: record.end = .hangup
            default: break
            }
        }
        var summary = Summary(record, ladders: outcome.ladders, folder: folder?.path, style: .plain, columns: 110)
        let problems = write(record, summary, outcome, folder)
        if options.json {
            do throws(ReportWriteError) {
                put(try RunFolder.json(record))
            } catch {
                stop(.internalError, ["\(error)"])
            }
        } else if options.quiet {
            summary.style = TextStyle.forOutput(2)
            summary.columns = max(terminalColumns(2), 72)
            if let explanation = summary.explanation { put(explanation, to: 2) }
        } else {
            summary.style = style
            summary.columns = max(terminalColumns(), 72)
            put(summary.text)
        }
        tellCuts(outcome)
        for problem in problems { printError([problem]) }
        let lost = StandardOutput.problem
        if let lost { printError([lost]) }
        var codes = [exitCode(for: record)]
        // Who asked for a report and has none must not be told that all is well.
        if !problems.isEmpty || lost != nil { codes.append(.environment) }
        exit(ExitCode.first(of: codes).rawValue)
    }

    private func write(
        _ record: RunRecord, _ summary: Summary, _ outcome: ScenarioOutcome, _ folder: RunFolder?
    ) -> [String] {
        let hasTrace = outcome.capture?.path != nil
        var problems = folder?.write(record, summary: summary.text, hasTrace: hasTrace).map(\.description) ?? []
        if let error = outcome.capture?.error {
            let lost = outcome.capture?.runsAfterError ?? 0
            problems.append("\(error)" + (lost > 0 ? "; the messages of \(counted(UInt64(lost), noun)) are lost" : ""))
        }
        if let records = outcome.callRecords, let problem = records.problem {
            problems.append("\(problem); the lines of \(counted(records.linesLost, noun)) are lost")
        }
        return problems
    }

    /// What the traces do not hold though they were to.
    private func tellCuts(_ outcome: ScenarioOutcome) {
        guard isShown else { return }
        if let records = outcome.callRecords, records.problem == nil {
            put("Call records: \(records.path), \(counted(records.lines, noun))\n")
        }
        if outcome.traceCounts.runsCutByFullArena > 0 {
            printError(
                [
                    "the messages of \(counted(outcome.traceCounts.runsCutByFullArena, noun)) are not kept whole: raise"
                        + " --trace-memory"
                ], label: "note")
        }
        if let beyond = outcome.capture?.runsBeyondFileLimit, beyond > 0 {
            printError(
                ["the messages of \(counted(UInt64(beyond), noun)) are not written: the file has reached its limit"],
                label: "note")
        }
    }
}

func terminalColumns(_ descriptor: Int32 = 1) -> Int {
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20 ? Int(size.ws_col) : 100
}
