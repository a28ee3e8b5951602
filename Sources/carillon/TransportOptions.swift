import ArgumentParser
import CallEngine
import CarillonKit
import SIPWire

/// What `--transport` names.
enum TransportName: String, ExpressibleByArgument, CaseIterable {
    case udp, tcp, tls

    var transports: Transports {
        switch self {
        case .udp: .udp
        case .tcp: .tcp
        case .tls: .tls
        }
    }

    var protocolName: TransportProtocol {
        switch self {
        case .udp: .udp
        case .tcp: .tcp
        case .tls: .tls
        }
    }

    /// What a URI's transport parameter asks for; ends the program where that is spoken by a later release or by none.
    static func parse(parameter value: String, argument: String) -> TransportName {
        if let known = TransportName(rawValue: value) { return known }
        stop(.usage, ["\(argument): \(value.uppercased()) is not spoken here; UDP, TCP and TLS are"])
    }
}

/// What `--large` says of requests that are too large for UDP.
enum LargeRequests: String, ExpressibleByArgument, CaseIterable {
    case udp, tcp, fail

    /// After the transports that were asked for.
    func apply(to run: inout ScenarioRun) {
        run.refusesLargeRequests = self == .fail
        guard self == .tcp, run.transports.contains(.udp) else { return }
        run.transports.insert(.tcp)
        run.movesLargeRequests = true
    }
}

/// What `run` and `serve` send messages over.
struct TransportOptions: ParsableArguments {
    @Option(
        name: .customLong("transport"),
        help:
            "What messages go over: udp, tcp or tls. Default: run udp, serve udp and tcp, and tls where it has a certificate."
    )
    var transport: TransportName?
    @Option(
        name: .customLong("keep-alive"),
        help: "Pings on connections of ours that carried nothing for so long: 30s (RFC 5626 §4.4.1). Default: none.",
        transform: TimeAmount.parse)
    var keepAlive: TimeAmount?

    @Option(
        name: .customLong("large"),
        help:
            "A request above 1,300 octets over UDP: udp sends and counts it, tcp sends it over TCP, fail fails its call (RFC 3261 §18.1.1). Default: udp."
    )
    var large = LargeRequests.udp

    func validate() throws {
        if let keepAlive, keepAlive.nanoseconds < 1_000_000_000 {
            throw ValidationError("--keep-alive: no shorter than 1s")
        }
        if keepAlive != nil, transport == .udp, large != .tcp {
            throw ValidationError("--keep-alive is for connections, and --transport udp has none")
        }
    }
}

/// How many connections the calls of a run take.
struct ConnectionOptions: ParsableArguments {
    @Option(
        name: .customLong("connections"),
        help: "With TCP and TLS, of each worker to the target: one, a number, or per-call. Default: one.",
        transform: ConnectionUse.parse)
    var connections: ConnectionUse?

    /// Fills in what messages go over.
    func apply(
        to run: inout ScenarioRun, _ options: TransportOptions, _ tls: TLSFlags, _ destination: Destination?
    ) {
        let chosen = destination?.transport ?? options.transport ?? .udp
        run.transports = chosen.transports
        run.keepAlive = options.keepAlive?.nanoseconds
        options.large.apply(to: &run)
        tls.apply(to: &run, answers: false)
        guard chosen == .udp else {
            run.connections = connections ?? .shared(1)
            return
        }
        if connections != nil { stop(.usage, ["--connections is for TCP and TLS: add --transport tcp"]) }
        if options.keepAlive != nil, !run.movesLargeRequests {
            stop(.usage, ["--keep-alive is for connections: add --transport tcp or tls"])
        }
    }
}

extension ConnectionUse {
    static func parse(_ argument: String) throws -> ConnectionUse {
        switch argument {
        case "one": return .shared(1)
        case "per-call": return .perCall
        default:
            guard let number = Int(argument), (1...100_000).contains(number) else {
                throw ArgumentProblem("write one, a number from 1 to 100000, or per-call")
            }
            return .shared(number)
        }
    }

    /// For the head of a run.
    var text: String {
        switch self {
        case .shared(1): "one connection"
        case .shared(let number): "\(number) connections"
        case .perCall: "a connection for each call"
        }
    }
}
