import ArgumentParser
import CallEngine
import CarillonKit
import NameResolution
import SIPWire

/// How names of targets become addresses, and what is done about addresses that fail.
struct TargetOptions: ParsableArguments {
    @Option(
        name: .customLong("dns-server"),
        help:
            "DNS server that names of targets are asked of: 10.0.0.53, 127.0.0.1:5353. May be repeated. Default: the system's.",
        transform: DNSServer.parse)
    var dnsServers: [DNSServer] = []
    @Option(
        name: .customLong("dns-timeout"), help: "How long resolving one target may take. Default: 5s.",
        transform: TimeAmount.parseTimer)
    var dnsTimeout: TimeAmount?
    @Option(
        name: .customLong("failover"),
        help:
            "After a transport error, silence or a 503 to a first request: next: the next calls avoid the address; call: so does this call, which goes on at the next; off. Default: next."
    )
    var failover: FailoverChoice?
    @Option(
        name: .customLong("avoid"), help: "How long an address that failed is avoided. Default: 30s.",
        transform: TimeAmount.parse)
    var avoid: TimeAmount?
    @Option(
        name: .customLong("retry-after"),
        help: "Retry-After of a 503 (RFC 3261 §21.5.4): obey starts no calls there for so long, ignore does not.")
    var retryAfter = RetryAfterChoice.ignore

    var servers: [TransportAddress] { dnsServers.map(\.address) }
    var limit: Int64 { dnsTimeout?.nanoseconds ?? 5_000_000_000 }

    func validate() throws {
        if failover == .off, avoid != nil { throw ValidationError("--avoid and --failover off contradict each other") }
    }

    /// Fills in where calls go.
    func apply(to run: inout ScenarioRun, _ destination: Destination?, connections: ConnectionUse?) {
        guard let destination else {
            if failover != nil || avoid != nil || retryAfter == .obey {
                stop(.usage, ["--failover, --avoid and --retry-after are about targets, and there is none"])
            }
            return
        }
        if failover == .call, connections == .perCall {
            stop(
                .usage,
                [
                    "--failover call and --connections per-call contradict each other: a call has one connection for itself;"
                        + " --failover next lets the next calls avoid the address"
                ])
        }
        run.targets = destination.plan
        run.targets.failover = (failover ?? .next).failover
        run.targets.avoidance = avoid?.nanoseconds ?? 30_000_000_000
        run.targets.obeysRetryAfter = retryAfter == .obey
    }
}

enum FailoverChoice: String, ExpressibleByArgument, CaseIterable {
    case off, next, call

    var failover: TargetPlan.Failover {
        switch self {
        case .off: .off
        case .next: .next
        case .call: .call
        }
    }
}

enum RetryAfterChoice: String, ExpressibleByArgument, CaseIterable {
    case obey, ignore
}

/// `10.0.0.53`, `127.0.0.1:5353`, `[2001:db8::53]:53`.
struct DNSServer {
    var address: TransportAddress

    static func parse(_ argument: String) throws -> DNSServer {
        let place = HostAndPort(argument, argument: "--dns-server \(argument)")
        let port = place.portNumber(argument: "--dns-server \(argument)", otherwise: 53)
        guard let address = ServerName(host: place.host, port: port, transport: .udp).numericAddress else {
            throw ArgumentProblem(
                "write the server's address, not a name: 10.0.0.53, 127.0.0.1:5353, [2001:db8::53]:53")
        }
        return DNSServer(address: address)
    }
}

extension Destination {
    /// For the engine: targets with their addresses, SRV priorities and weights.
    var plan: TargetPlan {
        TargetPlan(
            targets: targets.map { target in
                var hosts: [String] = []
                let hops = target.hops.map { hop in
                    // The same host may stand in several SRV records, with a port each.
                    let host = "\(hop.host):\(hop.address.port):\(hop.priority)"
                    if !hosts.contains(host) { hosts.append(host) }
                    return TargetPlan.Hop(
                        address: hop.address, priority: Int(hop.priority), weight: Double(hop.weight),
                        host: hosts.firstIndex(of: host)!)
                }
                return TargetPlan.Target(name: target.text, weight: target.weight, hops: hops)
            })
    }
}
