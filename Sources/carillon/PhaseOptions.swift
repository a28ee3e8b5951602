import ArgumentParser
import Blaster
import CallEngine
import CarillonKit
import Measurement

/// What is done before the load and after it.
struct PhaseOptions: ParsableArguments {
    @Option(
        name: .customLong("before"),
        help: ArgumentHelp(
            "Runs of a scenario before the load, which begins when all have ended: add-binding:1000@200/s. May be repeated.",
            valueName: "scenario[:runs][@rate]"))
    var before: [String] = []
    @Option(
        name: .customLong("after"),
        help: ArgumentHelp(
            "The same when the load is over, also when it was interrupted: remove-binding:1000@200/s. May be repeated.",
            valueName: "scenario[:runs][@rate]"))
    var after: [String] = []
    @Option(
        name: .customLong("population"),
        help: ArgumentHelp(
            "Users that live beside the load: they register before it, refresh while it lasts and are removed after it: registered-user:1000@200/s. May be repeated.",
            valueName: "scenario[:users][@rate]"))
    var population: [String] = []
    @Flag(
        name: .customLong("before-may-fail"),
        help:
            "The load begins also when runs of --before, or users of --population, have failed. Without it they end the run: exit 1."
    )
    var mayFail = false

    func validate() throws {
        if mayFail, before.isEmpty, population.isEmpty {
            throw ValidationError("--before-may-fail is about --before and --population: neither is given")
        }
    }

    /// Found and compiled, in the order of the command. Ends the program with what is wrong with them.
    func resolve() -> (before: [Phase], population: [Phase], after: [Phase]) {
        (
            before.map { Phase($0, option: "--before") }, population.map { Phase(population: $0) },
            after.map { Phase($0, option: "--after") }
        )
    }
}

/// One of `--before` or `--after`: `add-binding:1000@200/s`.
struct Phase {
    let found: ScenarioArgument
    let program: CallProgram
    let runs: UInt64
    let rate: Rate
    /// As it was written, with its option.
    let text: String

    init(_ argument: String, option: String) {
        text = "\(option) \(argument)"
        var name = argument[...]
        var rate = Rate(perSecond: LoadOptions.defaultRate)
        if let sign = name.lastIndex(of: "@") {
            do {
                rate = try Rate.parse(String(name[name.index(after: sign)...]))
            } catch {
                stop(.usage, ["\(text): \(error)"])
            }
            name = name[..<sign]
        }
        var runs: UInt64 = 1
        if let sign = name.lastIndex(of: ":") {
            let number = name[name.index(after: sign)...]
            guard let count = UInt64(number), count > 0 else {
                stop(.usage, ["\(text): \"\(number)\" is no number of runs; write add-binding:1000@200/s"])
            }
            runs = count
            name = name[..<sign]
        }
        guard !name.isEmpty else { stop(.usage, ["\(text): names no scenario; write add-binding:1000@200/s"]) }
        var found = ScenarioArgument.resolve(String(name))
        if found.trees.count > 1 {
            printError(
                ["\(name) declares \(found.trees.map(\.name).listed); \(option) runs \(found.trees[0].name)"],
                label: "note")
            found.trees = [found.trees[0]]
        }
        program = ScenarioArgument.compile(found.trees)
        guard program.initiator != nil else {
            stop(.usage, ["\(text): no party of \(found.trees[0].name) begins by itself, so nothing would happen"])
        }
        self.found = found
        self.runs = runs
        self.rate = rate
    }

    /// One of `--population`: its runs last until the load ends.
    init(population argument: String) {
        self.init(argument, option: "--population")
        guard program.instructions.contains(where: { $0.operation == .branchAtEnd }) else {
            stop(
                .usage,
                [
                    "\(text): \(found.trees[0].name) ends by itself. A user that lives beside the load has a RepeatUntilEnd, as"
                        + " registered-user has; --before does what ends before the load"
                ])
        }
    }

    /// Users that arrive one by one, and not in step.
    func populationRun(like main: ScenarioRun, _ destination: Destination?, _ options: ScenarioOptions) -> ScenarioRun {
        var run = run(like: main, destination, options)
        run.load = .open(rate: rate.perSecond, process: .poisson, concurrency: nil)
        return run
    }

    /// Its run: what was asked of `main`, but for what is played and how often.
    func run(like main: ScenarioRun, _ destination: Destination?, _ options: ScenarioOptions) -> ScenarioRun {
        var run = main
        run.trees = found.trees
        run.scenarioFile = found.file
        run.weights = []
        run.settings = ScenarioSettings(program).values(
            given: options.settings.filter { Self.declares($0, program) }, hold: nil)
        run.plays = destination == nil ? nil : Set(run.parties.filter { !$0.answers }.map(\.name))
        run.feedLocations = options.feeds.locations([found], program, amongOthers: true)
        run.feeds = nil
        run.endingRows = nil
        run.load = .open(rate: rate.perSecond, process: .uniform, concurrency: nil)
        run.calls = runs
        run.duration = nil
        run.sourceRate = nil
        run.capturePath = nil
        // Nobody reads them, and of a population each user would keep some for as long as it lives.
        run.traces = .off
        run.callRecordPath = nil
        // Every row has its turn, however late: its figures are no load's.
        run.catchUpLimit = 3_600_000_000_000
        run.openFeedsOrStop(program)
        return run
    }

    /// Whether this `--set` names a setting of the program.
    static func declares(_ setting: String, _ program: CallProgram) -> Bool {
        program.settings.contains { setting.hasPrefix("\($0.name)=") }
    }

    /// For the head of the run.
    var populationLine: String {
        "\(found.trees[0].name) (\(found.origin)), \(counted(runs, "user")) at \(rate.text)"
    }
    var line: String { "\(found.trees[0].name) (\(found.origin)), \(counted(runs, "run")) at \(rate.text)" }
}
