import ArgumentParser
import CarillonKit
import Measurement
import SIPWire

/// Who calls whom, from where, and which way.
struct IdentityOptions: ParsableArguments {
    @Option(name: .customLong("proxy"), help: "Where requests are sent, when it is not where they are addressed to.")
    var proxy: String?
    @Option(
        name: .customLong("domain"), help: "Host part of addresses of record. Default: the target's.",
        transform: HostText.parse)
    var domain: String?
    @Option(
        name: .customLong("from"), help: "Address of record of the calling party, a SIP URI.",
        transform: SIPAddress.parse)
    var from: String?
    @Option(
        name: .customLong("to"), help: "Address of record of the called party, a SIP URI.",
        transform: SIPAddress.parse)
    var to: String?
    @Option(
        name: .customLong("local"),
        help:
            "Local address and port, or a port for each worker: 10.0.0.4, 10.0.0.4:5060, 10.0.0.4:5060-5067, [2001:db8::4]:5060."
    )
    var local: String?
    @Option(name: .customLong("interface"), help: "Interface whose address is used: eth1.")
    var interface: String?
    @Option(
        name: .customLong("header"), help: "Header for initial requests, 'Name: value'. May be repeated.",
        transform: ExtraHeader.parse)
    var headers: [String] = []

    func validate() throws {
        if local != nil && interface != nil { throw ValidationError("--local and --interface say the same twice") }
    }

    /// Fills in addresses and identities.
    ///
    /// - Returns: where requests go; nil: this process.
    func apply(to run: inout ScenarioRun, target: String?, transport: TransportName?) -> Target? {
        run.domain = domain
        // Of a name with addresses of both families, the one that packets can leave for.
        let parsed = local.map { LocalAddress.parse($0, option: "--local") }
        let prefersIPv6 = parsed?.address.isIPv6 ?? false
        var destination = target.map { Target.parse($0, prefersIPv6: prefersIPv6, transport: transport) }
        if let proxy {
            let next = Target.parse(proxy, prefersIPv6: prefersIPv6, transport: transport)
            if let wanted = destination {
                run.domain = domain ?? wanted.text
                destination = Target(
                    address: next.address, text: next.text, user: wanted.user,
                    transport: next.transport ?? wanted.transport, host: next.host, isSIPS: wanted.isSIPS)
            } else {
                destination = next
            }
        }
        if let destination {
            run.target = destination.address
            run.targetText = destination.text
            run.tlsHost = destination.host
            run.usesSIPS = destination.isSIPS
            if let user = destination.user, to == nil {
                run.calleeURI = "\(destination.isSIPS ? "sips" : "sip"):\(user)@\(run.domain ?? destination.text)"
            }
        }
        run.callerURI = from
        if let to { run.calleeURI = to }
        run.extraHeaders = headers
        placeLocally(&run, parsed, destination)
        return destination
    }

    private func placeLocally(_ run: inout ScenarioRun, _ parsed: LocalAddress?, _ destination: Target?) {
        if let local, let parsed {
            run.local = parsed.address
            run.ports = parsed.ports
            if let destination, destination.address.isIPv6 != parsed.address.isIPv6 {
                let (here, there) = parsed.address.isIPv6 ? ("IPv6", "IPv4") : ("IPv4", "IPv6")
                stop(.usage, ["--local \(local) is \(here), and the target \(destination.address.text) is \(there)"])
            }
            if parsed.address.isUnspecified {
                // All addresses: the one that packets to the target leave from stands in Via and Contact.
                let loopback =
                    parsed.address.isIPv6
                    ? TransportAddress(ipv6High: 0, ipv6Low: 1, port: 5060)
                    : TransportAddress(ipv4: 0x7F00_0001, port: 5060)
                let towards = destination?.address ?? loopback
                run.local = localAddress(towards: towards)
                run.local.port = parsed.address.port
            }
        } else if let interface {
            run.local = address(ofInterface: interface, towards: destination?.address)
        } else if let destination {
            run.local = localAddress(towards: destination.address)
        }
    }
}
