import ArgumentParser
import Blaster
import CarillonKit

/// What packets carry besides SIP, of `run` and `serve`.
struct PacketOptions: ParsableArguments {
    @Option(
        name: .customLong("dscp"),
        help: "Mark of all packets, UDP and TCP: 0 to 63, or EF, CS3, AF31 (RFC 2474). Default: none.",
        transform: DSCP.parse)
    var dscp: DSCP?
    @Option(
        name: .customLong("path-mtu"),
        help: ArgumentHelp(
            "Messages longer than the path takes: discover refuses them, ignore lets them be cut anywhere; a number is the path's MTU, 200 octets below which requests count as too large (RFC 3261 §18.1.1).",
            valueName: "discover|ignore|N"),
        transform: PathMTUChoice.parse)
    var pathMTU: PathMTUChoice?

    func apply(to run: inout ScenarioRun) {
        run.trafficClass = (dscp?.value ?? 0) << 2
        switch pathMTU {
        case .discover: run.pathMTUDiscovery = .discover
        case .ignore: run.pathMTUDiscovery = .ignore
        case .known(let octets): run.pathMTU = octets
        case nil: break
        }
    }
}

/// A Differentiated Services code point.
struct DSCP {
    var value: UInt8

    /// RFC 2474 §4.2.2, RFC 2597 §6, RFC 3246 §2.7, RFC 5865 §2, RFC 8622 §3.
    private static let names: [String: UInt8] = {
        var names: [String: UInt8] = ["be": 0, "df": 0, "ef": 46, "va": 44, "voice-admit": 44, "le": 1]
        for level in 0..<8 as Range<UInt8> { names["cs\(level)"] = level << 3 }
        for level in 1...4 as ClosedRange<UInt8> {
            for drop in 1...3 as ClosedRange<UInt8> { names["af\(level)\(drop)"] = level << 3 | drop << 1 }
        }
        return names
    }()

    static func parse(_ argument: String) throws -> DSCP {
        if let value = names[argument.lowercased()] { return DSCP(value: value) }
        guard let value = UInt8(argument), value < 64 else {
            throw ArgumentProblem("write a number from 0 to 63, or one of EF, VA, LE, CS0 to CS7, AF11 to AF43")
        }
        return DSCP(value: value)
    }
}

enum PathMTUChoice {
    case discover, ignore
    case known(Int)

    static func parse(_ argument: String) throws -> PathMTUChoice {
        switch argument {
        case "discover": return .discover
        case "ignore": return .ignore
        default:
            // RFC 791 §3.2 lets every host expect 576 octets.
            guard let octets = Int(argument), (576...65_535).contains(octets) else {
                throw ArgumentProblem("write discover, ignore, or the path's MTU: 576 to 65535 octets")
            }
            return .known(octets)
        }
    }
}
