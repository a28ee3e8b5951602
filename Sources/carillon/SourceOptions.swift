import ArgumentParser
import CarillonKit
import SIPWire

/// The addresses that calls are sent from, where there are many.
struct SourceOptions: ParsableArguments {
    @Option(
        name: .customLong("sources"),
        help:
            "Addresses that calls are sent from, each from one: 10.0.1.0/24, 10.0.1.5-10.0.1.9, [2001:db8::]/112. May be repeated."
    )
    var sources: [String] = []
    @Option(
        name: .customLong("sources-order"),
        help:
            "Which call is sent from which: sequential, random (fixed by --seed), or blocks of so many calls in a row, blocks:64. Default: sequential.",
        transform: SourceOrder.parse)
    var order: SourceOrder?

    @Option(
        name: .customLong("source-rate"),
        help:
            "Calls that one of --sources begins, at most: 2/s. An arrival beyond that is dropped and counted. With --rate.",
        transform: Rate.parse)
    var rate: Rate?

    func validate() throws {
        if rate != nil, sources.isEmpty {
            throw ValidationError("--source-rate is the rate of each of --sources: none are given")
        }
        if order != nil, sources.isEmpty {
            throw ValidationError("--sources-order says how --sources are used: none are given")
        }
    }

    /// After addresses and transport.
    func apply(to run: inout ScenarioRun, _ destination: Destination?, _ identity: IdentityOptions) {
        guard !sources.isEmpty else { return }
        var found = SourceAddresses()
        for argument in sources {
            do throws(SourceAddresses.Problem) {
                try found.add(argument.filter { $0 != "[" && $0 != "]" })
            } catch {
                stop(.usage, ["--sources \(argument): \(error.text)"])
            }
        }
        if let destination, destination.address.isIPv6 != found.isIPv6 {
            let (here, there) = found.isIPv6 ? ("IPv6", "IPv4") : ("IPv4", "IPv6")
            stop(.usage, ["--sources \(sources[0]) is \(here), and the target \(destination.address.text) is \(there)"])
        }
        if let interface = identity.interface {
            stop(.usage, ["--interface \(interface) and --sources both say where calls are sent from"])
        }
        if let local = identity.local {
            // Its port may be wanted, or one for each worker.
            guard LocalAddress.parse(local, option: "--local").address.isUnspecified else {
                stop(
                    .usage,
                    [
                        "--local \(local) and --sources both say where calls are sent from; for the ports alone, write"
                            + " --local \(found.isIPv6 ? "[::]" : "0.0.0.0"):5060"
                    ])
            }
        }
        if let advertised = run.advertisedHost {
            stop(
                .usage,
                [
                    "--advertise \(advertised) and --sources contradict each other: Via and Contact name the address that a"
                        + " call is sent from"
                ])
        }
        if run.movesLargeRequests {
            stop(
                .usage,
                [
                    "--sources and --large tcp: connections for large requests would all come from one address; leave one of them out"
                ]
            )
        }
        if run.transports != .udp, run.connections != .perCall {
            stop(
                .usage,
                [
                    "--sources over \(run.transports.text) needs a connection for each call, which is bound to the call's address: add"
                        + " --connections per-call"
                ])
        }
        if let rate {
            run.sourceRate = rate.perSecond
            guard case .open(let whole, _, _) = run.load else {
                stop(.usage, ["--source-rate drops arrivals, and --concurrency without --rate has none: give a --rate"])
            }
            if whole > rate.perSecond * Double(found.count) {
                stop(
                    .usage,
                    [
                        "--rate \(Rate(perSecond: whole).text) is more than \(found.count) sources begin at --source-rate \(rate.text):"
                            + " \(Rate(perSecond: rate.perSecond * Double(found.count)).text)"
                    ])
            }
        }
        run.sources = found
        run.sourceOrder = order ?? .sequential
        run.local = .unspecified(isIPv6: found.isIPv6, port: run.local.port)
    }
}

extension SourceOrder {
    static func parse(_ argument: String) throws -> SourceOrder {
        switch argument {
        case "sequential": return .sequential
        case "random": return .random
        default:
            guard argument.hasPrefix("blocks:"), let length = Int(argument.dropFirst(7)),
                (1...1_000_000).contains(length)
            else { throw ArgumentProblem("write sequential, random or blocks:64") }
            return .blocks(length)
        }
    }

    /// For the head of a run.
    var text: String {
        switch self {
        case .sequential: "one call from each in turn"
        case .blocks(let length): "\(length) calls in a row from each in turn"
        case .random: "drawn for each call"
        }
    }
}
