import CarillonKit
import NameResolution
import SIPWire

/// One place that requests go to, from what the user wrote.
struct Target {
    /// As written, without a weight.
    var argument: String
    var place: HostAndPort
    var port: UInt16?
    /// User part, where a SIP URI was given: who is called.
    var user: String?
    /// What the URI's transport parameter or its scheme asks for.
    var transport: TransportName?
    /// `sips:` (RFC 3261 §26.2.2): TLS, and URIs that say so.
    var isSIPS = false
    /// Of its transport, where none is written (RFC 3261 §19.1.2).
    var defaultPort: UInt16 = 5060
    /// Its part of the calls among several targets.
    var weight = 1.0
    /// Where the name leads, first choice first; empty until `resolve`.
    var hops: [NextHop] = []
    /// How the name was resolved; nil where it is an address.
    var source: Resolution.Source?

    /// `host`, `host:port`, `[IPv6]:port`, `sip:user@host:port`, each with `=weight` where several are given. Ends the program with a
    /// message where it is none of these.
    static func parse(_ written: String) -> Target {
        let (argument, weight) = takeWeight(written)
        var rest = Substring(argument)
        var user: String?
        let scheme = argument.lowercased()
        if scheme.hasPrefix("tel:") {
            stop(
                .usage, ["\(argument): a tel: URI names no host to send to; write sip:number@host, or --to with a host"]
            )
        }
        let isSIPS = scheme.hasPrefix("sips:")
        if isSIPS { rest = rest.dropFirst(5) } else if scheme.hasPrefix("sip:") { rest = rest.dropFirst(4) }
        if let query = rest.firstIndex(of: "?") {
            stop(.usage, ["\(argument): headers in a URI (\(rest[query...])) are not sent; --header gives them"])
        }
        var transport: TransportName?
        if let semicolon = rest.firstIndex(of: ";") {
            for parameter in rest[semicolon...].split(separator: ";") {
                let text = parameter.lowercased()
                guard text.hasPrefix("transport=") else {
                    stop(
                        .usage,
                        [
                            "\(argument): of a TARGET's parameters transport alone is used; --to '\(argument)' writes \(parameter) into the URI"
                        ])
                }
                transport = .parse(parameter: String(text.dropFirst(10)), argument: argument)
            }
            rest = rest[..<semicolon]
        }
        if isSIPS {
            // transport=tcp says the same of a sips URI as none: TLS over TCP (RFC 3261 §26.2.2).
            if transport == .udp {
                stop(.usage, ["\(argument): sips: goes over TLS, and transport=udp contradicts it"])
            }
            transport = .tls
        }
        if let at = rest.lastIndex(of: "@") {
            user = String(rest[..<at])
            rest = rest[rest.index(after: at)...]
            if user!.isEmpty || !user!.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"<>\"@".utf8.contains($0) }) {
                stop(.usage, ["\(argument): \"\(user!)\" is no user of a SIP URI (RFC 3261 §25.1)"])
            }
        }
        let place = HostAndPort(String(rest), argument: argument)
        place.check(argument: argument)
        let port = place.port == nil ? nil : place.portNumber(argument: argument, otherwise: 5060)
        return Target(
            argument: argument, place: place, port: port, user: user, transport: transport, isSIPS: isSIPS,
            weight: weight ?? 1)
    }

    /// `=3` at the end is a weight, unless it is the value of a URI parameter or stands in the user part.
    private static func takeWeight(_ written: String) -> (String, Double?) {
        guard let equals = written.lastIndex(of: "=") else { return (written, nil) }
        let value = written[written.index(after: equals)...]
        let before = written[..<equals]
        if value.contains("@") { return (written, nil) }
        if let semicolon = before.lastIndex(of: ";"), !before[semicolon...].contains("=") { return (written, nil) }
        guard value.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || $0 == 0x2E }), let weight = Double(value),
            weight > 0, weight <= 1_000_000
        else {
            stop(.usage, ["\(written): \"\(value)\" is no weight: write a number above 0, such as \(before)=3"])
        }
        return (String(before), weight)
    }

    /// Host and port as a URI shows them. What SRV records say of a host stays behind its name (RFC 3263 §4.2).
    var text: String {
        if case .services = source { return place.uriHost }
        return "\(place.uriHost):\(port ?? defaultPort)"
    }

    /// For the head of a run: what the name was resolved to.
    var resolution: String {
        guard let source else { return "" }
        let shown = hops.prefix(4).map(\.address.text).listed + (hops.count > 4 ? ", … (\(hops.count))" : "")
        switch source {
        case .numeric: return hops.first?.address.text == text ? "" : " (\(shown))"
        case .hosts: return " (/etc/hosts: \(shown))"
        case .addresses: return " (\(shown))"
        case .services(let name): return " (SRV \(name): \(shown))"
        }
    }
}

/// Where requests go: one target, or several that share the calls.
struct Destination {
    /// At least one, each with at least one address, all of one family.
    var targets: [Target]
    /// Whom requests name: the first target, or what `--proxy` stands before.
    var text: String
    var user: String?
    /// What messages go over.
    var transport: TransportName
    var isSIPS = false

    var address: TransportAddress { targets[0].hops[0].address }
    var hops: [NextHop] { targets.flatMap(\.hops) }
    var isLoopbackOrPrivate: Bool { hops.allSatisfy(\.address.isLoopbackOrPrivate) }
    /// The first one that is a stranger's, as text.
    var strangerText: String {
        targets.first { $0.hops.contains { !$0.address.isLoopbackOrPrivate } }?.text ?? text
    }

    /// For the head of a run.
    func heads(way: String) -> [(String, String)] {
        let total = targets.reduce(0) { $0 + $1.weight }
        return targets.enumerated().map { number, one in
            let share =
                targets.count > 1 ? ", \((one.weight / total * 1000).rounded() / 10) % of the calls" : ""
            return (
                targets.count > 1 ? "target \(number + 1)" : "target",
                one.text + " over \(way)" + one.resolution + share
            )
        }
    }

    /// Parses and resolves what the user wrote. Ends the program with a message where that is not possible.
    ///
    /// - Parameters:
    ///   - written: `TARGET…`; none: nil is returned unless a proxy is given.
    ///   - proxies: `--proxy`: where requests for the target are sent.
    ///   - local: address that the sockets are to have; nil: not said.
    static func resolve(
        _ written: [String], proxies: [String], transport given: TransportName?, local: TransportAddress?,
        _ options: TargetOptions, seed: UInt64
    ) -> Destination? {
        let addressed = written.map { Target.parse($0) }
        var targets = proxies.isEmpty ? addressed : proxies.map { Target.parse($0) }
        guard let first = targets.first else { return nil }
        if !proxies.isEmpty, addressed.count > 1 {
            stop(.usage, ["\(written.listed) with --proxy: name one TARGET, and each proxy by a --proxy of its own"])
        }
        /// RFC 3261 §19.1.2.
        func port(of target: Target) -> UInt16 {
            target.port ?? (target.isSIPS || (target.transport ?? given) == .tls ? 5061 : 5060)
        }
        for (number, one) in targets.enumerated() {
            let same = targets[..<number].first {
                $0.place.host == one.place.host && port(of: $0) == port(of: one)
            }
            if same != nil { stop(.usage, ["\(one.argument) stands twice: give it the sum of the weights"]) }
            if one.isSIPS != first.isSIPS {
                stop(.usage, ["\(first.argument) and \(one.argument): either all targets are sips: or none is"])
            }
            if one.user != first.user {
                stop(
                    .usage,
                    ["\(first.argument) and \(one.argument) call different users: targets share one, or --to names it"])
            }
        }
        // A proxy's own parameter comes before the target's: it says how the next hop is spoken to.
        let asking = targets.contains { $0.transport != nil } ? targets : addressed
        let wanted = asking.compactMap { one in one.transport.map { ($0, one.argument) } }
        for (name, argument) in wanted {
            if let given, name != given {
                stop(
                    .usage,
                    ["--transport \(given.rawValue) and \(argument) contradict each other: one is enough"])
            }
        }
        let chosen = given ?? wanted.first?.0 ?? .udp
        if chosen != .tls, let secure = (addressed + targets).first(where: \.isSIPS) {
            stop(
                .usage,
                [
                    "\(secure.argument) goes over TLS all the way (RFC 3261 §26.2.2), and the run speaks \(chosen.rawValue): add --transport tls"
                ])
        }
        if let other = targets.first(where: { $0.transport.map { $0 != chosen } ?? false }) {
            stop(
                .usage,
                ["\(other.argument): all targets of a run are spoken to over one transport, here \(chosen.rawValue)"])
        }
        let resolver = NameResolver(
            servers: options.servers, limit: options.limit, prefersIPv6: local?.isIPv6 ?? false)
        var draws = SeededDraws(seed: seed)
        var isIPv6: Bool? = local?.isIPv6
        for number in targets.indices {
            targets[number].defaultPort = chosen == .tls ? 5061 : 5060
            isIPv6 = targets[number].resolve(resolver, chosen, isIPv6: isIPv6, &draws)
        }
        var destination = Destination(
            targets: targets, text: targets[0].text, user: targets[0].user, transport: chosen,
            isSIPS: (addressed.first ?? targets[0]).isSIPS)
        if !proxies.isEmpty, let behind = addressed.first {
            // Without the port that nobody wrote: a domain is not the same with one (RFC 3261 §19.1.4).
            destination.text = behind.place.uriHost + (behind.port.map { ":\($0)" } ?? "")
            destination.user = behind.user
        }
        return destination
    }
}

extension Target {
    /// Fills in the hops.
    ///
    /// - Parameter isIPv6: the family that the sockets have; nil: this target decides.
    /// - Returns: the family of the hops.
    fileprivate mutating func resolve(
        _ resolver: NameResolver, _ transport: TransportName, isIPv6: Bool?, _ draws: inout SeededDraws
    ) -> Bool {
        let name = ServerName(host: place.host, port: port, transport: transport.protocolName)
        let found: Resolution
        do throws(ResolutionError) {
            found = try resolver.resolve(name, using: &draws)
        } catch { stop(.environment, ["\(argument): \(error.description)"]) }
        for note in found.notes { printError(["\(argument): \(note)"], label: "note") }
        let usable = found.hops.filter { !$0.address.isIPv6LinkLocal && !$0.address.isUnspecified }
        guard let first = usable.first else {
            if found.hops[0].address.isIPv6LinkLocal { stopLinkLocal(found.hops[0].address, argument: argument) }
            stop(.usage, ["\(argument): \(found.hops[0].address.hostText) is no address that could be sent to"])
        }
        let family = isIPv6 ?? first.address.isIPv6
        hops = usable.filter { $0.address.isIPv6 == family }
        source = found.source
        // Nothing fits: the caller says what contradicts what.
        if hops.isEmpty { hops = usable }
        return family
    }
}
