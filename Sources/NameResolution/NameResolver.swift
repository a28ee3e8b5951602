import CCAres
import SIPWire

/// Finds the next hops for a name (RFC 3263 §4.2), without NAPTR: the transport is the caller's choice.
///
/// - A host that is an address is taken as it is.
/// - A name that /etc/hosts has is taken from there, and no server is asked.
/// - With a port, A and AAAA records of the name.
/// - Without one, SRV records of `_sip._udp`, `_sip._tcp` or `_sips._tcp`, whose targets give the addresses; where there are no SRV
///   records, A and AAAA records of the name with the transport's default port.
///
/// Blocks until there is an answer or the limit is over. For the time before a run; nothing here is for a worker.
public struct NameResolver: Sendable {
    /// Asked in turn; empty: those of /etc/resolv.conf.
    public var servers: [TransportAddress]
    /// For a whole resolution. Nanoseconds.
    public var limit: Int64
    /// The addresses of this family come first where a host has both.
    public var prefersIPv6: Bool

    /// SRV records beyond so many are left out.
    public static let mostServices = 64
    /// RFC 1035 §2.3.4.
    private static let longestName = 253

    public init(servers: [TransportAddress] = [], limit: Int64 = 5_000_000_000, prefersIPv6: Bool = false) {
        self.servers = servers
        self.limit = limit
        self.prefersIPv6 = prefersIPv6
    }

    /// - Parameter generator: draws among SRV records by weight; seeded, the order is the same each time.
    public func resolve(
        _ name: ServerName, using generator: inout some RandomNumberGenerator
    ) throws(ResolutionError) -> Resolution {
        if let address = name.numericAddress {
            return Resolution(source: .numeric, hops: [NextHop(address: address, host: name.host)])
        }
        guard Self.isName(name.host) else { throw error(.notAName, name.host) }
        if let own = try fromHosts(name) { return own }
        let channel: DNSChannel
        do throws(ChannelProblem) {
            channel = try DNSChannel(lookups: "b", servers: servers, limit: limit)
        } catch { throw self.error(.unusable(error.text), name.host) }
        var notes: [String] = []
        if name.port == nil, !Self.isLocal(name.host) {
            let question = channel.askServices(of: name.serviceName)
            channel.wait()
            switch outcome(question.status, channel) {
            // An answer without records, such as an alias alone, is the same as none (RFC 3263 §4.2).
            case nil where question.value.isEmpty: break
            case nil: return try fromServices(question.value, name, channel, &generator)
            case .noSuchName, .noAddress: break
            case .refused(let text), .unusable(let text):
                notes.append("no SRV records of \(name.serviceName): \(text); its own addresses are taken")
            case .malformed:
                notes.append("the answer for \(name.serviceName) cannot be read; its own addresses are taken")
            case let reason?: throw error(reason, name.serviceName, channel)
            }
        }
        let found = addresses(of: [name.host], channel)
        if let reason = found[0].reason {
            var failure = error(reason, name.host, channel)
            failure.notes = notes
            throw failure
        }
        let port = name.port ?? name.defaultPort
        return Resolution(source: .addresses, hops: Self.hops(found[0].addresses, port, name.host), notes: notes)
    }

    // MARK: Steps

    private func fromHosts(_ name: ServerName) throws(ResolutionError) -> Resolution? {
        let channel: DNSChannel
        do throws(ChannelProblem) {
            channel = try DNSChannel(lookups: "f", servers: [], limit: limit)
        } catch { throw self.error(.unusable(error.text), name.host) }
        let found = addresses(of: [name.host], channel)[0].addresses
        guard !found.isEmpty else { return nil }
        let port = name.port ?? name.defaultPort
        return Resolution(source: .hosts, hops: Self.hops(found, port, name.host))
    }

    private func fromServices(
        _ records: [ServiceRecord], _ name: ServerName, _ channel: DNSChannel,
        _ generator: inout some RandomNumberGenerator
    ) throws(ResolutionError) -> Resolution {
        if records.count == 1, records[0].saysNoService { throw error(.noService, name.serviceName, channel) }
        var notes: [String] = []
        // Servers turn their records round from answer to answer: the draw must not depend on it.
        var ordered = records.filter { !$0.saysNoService }.sorted().ordered(using: &generator)
        if ordered.count > Self.mostServices {
            notes.append(
                "of \(ordered.count) SRV records of \(name.serviceName) the first \(Self.mostServices) are taken")
            ordered.removeLast(ordered.count - Self.mostServices)
        }
        let found = addresses(of: ordered.map(\.target), channel)
        var hops: [NextHop] = []
        var known: Set<TransportAddress> = []
        var missing: [String] = []
        for (record, answer) in zip(ordered, found) {
            if let reason = answer.reason {
                missing.append(self.error(reason, record.target, channel).description)
            }
            if record.port == 0 {
                notes.append("an SRV record of \(name.serviceName) for \(record.target) has port 0, and is passed over")
                continue
            }
            for var address in answer.addresses {
                address.port = record.port
                guard known.insert(address).inserted else { continue }
                hops.append(
                    NextHop(address: address, priority: record.priority, weight: record.weight, host: record.target))
            }
        }
        guard !hops.isEmpty else { throw error(.noTarget(missing), name.serviceName, channel) }
        return Resolution(source: .services(name.serviceName), hops: hops, notes: notes + missing)
    }

    private struct Addresses {
        var addresses: [TransportAddress]
        var reason: ResolutionError.Reason?
    }

    /// Addresses of each host, all asked for at once. An address serves even where the other family's answer is missing.
    private func addresses(of hosts: [String], _ channel: DNSChannel) -> [Addresses] {
        let first = hosts.map { channel.askAddresses(of: $0, isIPv6: prefersIPv6) }
        let second = hosts.map { channel.askAddresses(of: $0, isIPv6: !prefersIPv6) }
        channel.wait()
        return zip(first, second).map { pair in
            let found = pair.0.value + pair.1.value
            guard found.isEmpty else { return Addresses(addresses: found, reason: nil) }
            let reasons = [pair.0, pair.1].map { outcome($0.status, channel) ?? .noAddress }
            // What one family's answer says about the name counts before what keeps the other's from coming.
            let plain: [ResolutionError.Reason] = [.noSuchName, .noAddress]
            let worst = reasons.first { !plain.contains($0) }
            return Addresses(addresses: [], reason: worst ?? reasons.first { $0 == .noAddress } ?? reasons[0])
        }
    }

    private static func hops(_ addresses: [TransportAddress], _ port: UInt16, _ host: String) -> [NextHop] {
        var known: Set<TransportAddress> = []
        return addresses.compactMap { address in
            var address = address
            address.port = port
            return known.insert(address).inserted ? NextHop(address: address, host: host) : nil
        }
    }

    // MARK: Words

    /// Nil: there is an answer, and it has records.
    private func outcome(_ status: Int32?, _ channel: DNSChannel) -> ResolutionError.Reason? {
        switch status {
        case ARES_SUCCESS.rawStatus: return nil
        case ARES_ENOTFOUND.rawStatus: return .noSuchName
        case ARES_ENODATA.rawStatus: return .noAddress
        case ARES_ETIMEOUT.rawStatus, ARES_ECANCELLED.rawStatus, nil:
            return channel.hasAnswered ? .timeLimit : .silent
        case ARES_ECONNREFUSED.rawStatus: return channel.hasAnswered ? .refused("no server answers it") : .unreachable
        case ARES_ESERVFAIL.rawStatus: return .refused("SERVFAIL")
        case ARES_EREFUSED.rawStatus: return .refused("REFUSED")
        case ARES_ENOTIMP.rawStatus: return .refused("NOTIMP")
        case ARES_EFORMERR.rawStatus: return .refused("FORMERR")
        case ARES_EBADRESP.rawStatus: return .malformed
        case ARES_EBADNAME.rawStatus: return .notAName
        case let other?: return .unusable(String(cString: ares_strerror(other)))
        }
    }

    private func error(
        _ reason: ResolutionError.Reason, _ name: String, _ channel: DNSChannel? = nil
    ) -> ResolutionError {
        ResolutionError(reason: reason, name: name, servers: channel?.servers ?? "", limit: limit)
    }

    /// RFC 1035 §2.3.4. Which octets a label has is left to the server.
    private static func isName(_ host: String) -> Bool {
        let whole = host.hasSuffix(".") ? host.dropLast() : host[...]
        guard !whole.isEmpty, whole.utf8.count <= longestName else { return false }
        return whole.utf8.split(separator: 0x2E, omittingEmptySubsequences: false).allSatisfy {
            (1...63).contains($0.count)
        }
    }

    /// RFC 6761 §6.3: no server knows more of it than this machine.
    private static func isLocal(_ host: String) -> Bool {
        let name = host.lowercased()
        return name == "localhost" || name.hasSuffix(".localhost")
    }
}
