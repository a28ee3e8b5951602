import ArgumentParser
import CarillonKit
import MediaSockets

/// Media of `run` and `serve`.
struct MediaOptions: ParsableArguments {
    @Option(
        name: .customLong("media"),
        help: ArgumentHelp(
            "absorb binds the ports of our descriptions and counts the RTP that comes; off binds none. Default: as the scenario says, which is off without a SendMedia.",
            valueName: "absorb|off"),
        transform: MediaUse.parse)
    var media: MediaUse?
    @Option(
        name: .customLong("media-ports"),
        help: ArgumentHelp(
            "How many pairs of ports media may take, one for each stream of a call, or a range of ports. Default: 2000.",
            valueName: "N|LOW-HIGH"),
        transform: MediaPortChoice.parse)
    var ports: MediaPortChoice?

    func validate() throws {
        if media == .off, ports != nil { throw ValidationError("--media off and --media-ports contradict each other") }
    }

    func apply(to run: inout ScenarioRun) {
        run.media = media ?? .asScenarioSays
        run.mediaPorts = ports ?? .standard
    }
}

extension MediaUse {
    static func parse(_ argument: String) throws -> MediaUse {
        switch argument {
        case "absorb": return .absorb
        case "off": return .off
        default: throw ArgumentProblem("write absorb or off; what a party sends, its SendMedia says")
        }
    }
}

extension MediaPortChoice {
    static func parse(_ argument: String) throws -> MediaPortChoice {
        let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
        if parts.count == 2 {
            guard let low = UInt16(parts[0]), let high = UInt16(parts[1]), low >= 1024, low < high,
                high - low > 1 || low & 1 == 0
            else {
                throw ArgumentProblem("a range is two ports with room for an even one and the next: 20000-29999")
            }
            return .range(low...high)
        }
        guard let count = Int(argument), (1...11_000).contains(count) else {
            throw ArgumentProblem("write how many pairs, 1 to 11000, or a range of ports: 20000-29999")
        }
        return .pairs(count)
    }
}
