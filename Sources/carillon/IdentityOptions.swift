import ArgumentParser
import CarillonKit
import Measurement
import SIPWire

/// Who calls whom, from where, and which way.
struct IdentityOptions: ParsableArguments {
    @Option(
        name: .customLong("proxy"),
        help:
            "Where requests are sent, when it is not where they are addressed to. Several, with weights, share the calls."
    )
    var proxies: [String] = []
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
    func apply(
        to run: inout ScenarioRun, targets: [String], _ transport: TransportOptions, _ resolution: TargetOptions
    ) -> Destination? {
        // Of a name with addresses of both families, the one that packets can leave for.
        let parsed = local.map { LocalAddress.parse($0, option: "--local") }
        let destination = Destination.resolve(
            targets, proxies: proxies, transport: transport.transport, local: parsed?.address, resolution,
            seed: run.seed)
        run.domain = domain
        if let destination {
            if !proxies.isEmpty, !targets.isEmpty { run.domain = domain ?? destination.text }
            run.target = destination.address
            run.targetText = destination.targets[0].text
            // Of several targets each is named in the URIs of its own calls.
            if destination.targets.count > 1, to == nil {
                run.calleeUser = destination.user
            } else if let user = destination.user, to == nil {
                run.calleeURI = "sip:\(user)@\(run.domain ?? destination.text)"
            }
        }
        run.callerURI = from
        if let to { run.calleeURI = to }
        run.extraHeaders = headers
        placeLocally(&run, parsed, destination)
        return destination
    }

    private func placeLocally(_ run: inout ScenarioRun, _ parsed: LocalAddress?, _ destination: Destination?) {
        if let local, let parsed {
            run.local = parsed.address
            run.ports = parsed.ports
            refuseOtherFamily(destination, than: parsed.address, "--local \(local)")
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
            refuseOtherFamily(destination, than: run.local, destination.targets[0].argument)
        }
    }

    /// A run has sockets of one family.
    private func refuseOtherFamily(_ destination: Destination?, than own: TransportAddress, _ words: String) {
        guard let other = destination?.hops.first(where: { $0.address.isIPv6 != own.isIPv6 }) else { return }
        let (here, there) = own.isIPv6 ? ("IPv6", "IPv4") : ("IPv4", "IPv6")
        stop(.usage, ["\(words) is \(here), and the target \(other.address.text) is \(there)"])
    }
}
