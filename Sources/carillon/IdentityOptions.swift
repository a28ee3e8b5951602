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
        help: "Local address and port, or a port for each worker: 10.0.0.4, 10.0.0.4:5060, 10.0.0.4:5060-5067.")
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
    func apply(to run: inout ScenarioRun, target: String?) -> Target? {
        run.domain = domain
        var destination = target.map { Target.parse($0) }
        if let proxy {
            let next = Target.parse(proxy)
            if let wanted = destination {
                run.domain = domain ?? wanted.text
                destination = Target(address: next.address, text: next.text, user: wanted.user)
            } else {
                destination = next
            }
        }
        if let destination {
            run.target = destination.address
            run.targetText = destination.text
            if let user = destination.user, to == nil {
                run.calleeURI = "sip:\(user)@\(run.domain ?? destination.text)"
            }
        }
        run.callerURI = from
        if let to { run.calleeURI = to }
        run.extraHeaders = headers
        placeLocally(&run, destination)
        return destination
    }

    private func placeLocally(_ run: inout ScenarioRun, _ destination: Target?) {
        if let local {
            let parsed = LocalAddress.parse(local, option: "--local")
            run.local = parsed.address
            run.ports = parsed.ports
            if parsed.address.ipv4 == 0 {
                // All addresses: the one that packets to the target leave from stands in Via and Contact.
                let towards = destination?.address ?? TransportAddress(ipv4: 0x7F00_0001, port: 5060)
                run.local = localAddress(towards: towards)
                run.local.port = parsed.address.port
            }
        } else if let interface {
            run.local = address(ofInterface: interface)
        } else if let destination {
            run.local = localAddress(towards: destination.address)
        }
    }
}
