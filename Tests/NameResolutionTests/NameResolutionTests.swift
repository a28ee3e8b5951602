import NameResolution
import NameServer
import SIPWire
import Testing

private let loopback = TransportAddress(ipv4: 0x7F00_0001, port: 0)

private func resolver(_ port: UInt16, limit: Int64 = 5_000_000_000) -> NameResolver {
    var server = loopback
    server.port = port
    return NameResolver(servers: [server], limit: limit)
}

private func resolve(
    _ host: String, _ port: UInt16? = nil, _ transport: TransportProtocol = .udp, with resolver: NameResolver,
    seed: UInt64 = 1
) throws(ResolutionError) -> Resolution {
    var draws = SeededDraws(seed: seed)
    return try resolver.resolve(ServerName(host: host, port: port, transport: transport), using: &draws)
}

private func reason(
    _ host: String, _ port: UInt16? = nil, _ transport: TransportProtocol = .udp, with resolver: NameResolver
) -> ResolutionError.Reason? {
    do throws(ResolutionError) {
        _ = try resolve(host, port, transport, with: resolver)
        return nil
    } catch { return error.reason }
}

private func texts(_ resolution: Resolution) -> [String] { resolution.hops.map(\.address.text) }

@Suite("What needs no server")
struct LocalResolutionTests {
    /// Would wait for ever, were it asked.
    private func unasked() throws -> (SilentServer, NameResolver) {
        let server = try SilentServer()
        return (server, resolver(server.port))
    }

    @Test func addressesAreTakenAsTheyAre() throws {
        let (server, resolver) = try unasked()
        try withExtendedLifetime(server) {
            let plain = try resolve("192.0.2.7", with: resolver)
            #expect(plain.source == .numeric && texts(plain) == ["192.0.2.7:5060"])
            #expect(texts(try resolve("192.0.2.7", 5099, .tcp, with: resolver)) == ["192.0.2.7:5099"])
            #expect(texts(try resolve("192.0.2.7", nil, .tls, with: resolver)) == ["192.0.2.7:5061"])
            #expect(texts(try resolve("2001:db8::7", with: resolver)) == ["[2001:db8::7]:5060"])
        }
    }

    @Test func theHostsFileComesBeforeServers() throws {
        let (server, resolver) = try unasked()
        try withExtendedLifetime(server) {
            let found = try resolve("localhost", with: resolver)
            #expect(found.source == .hosts)
            #expect(found.hops.contains { $0.address == TransportAddress(ipv4: 0x7F00_0001, port: 5060) })
        }
    }

    @Test(arguments: [
        "a..test", "", String(repeating: "a", count: 64) + ".test", String(repeating: "abcdefg.", count: 40),
    ])
    func whatIsNoNameIsNotAskedFor(name: String) throws {
        let (server, resolver) = try unasked()
        withExtendedLifetime(server) { #expect(reason(name, with: resolver) == .notAName) }
    }
}

@Suite("What a DNS server says", .enabled(if: NameServer.isInstalled, "needs dnsmasq"))
struct ServedResolutionTests {
    @Test func addressesOfBothFamilies() throws {
        let server = try NameServer([
            "host-record=both.test,192.0.2.1", "host-record=both.test,2001:db8::1", "host-record=six.test,2001:db8::6",
            "cname=alias.test,six.test",
        ])
        var resolver = resolver(server.port)
        let both = try resolve("both.test", 5070, with: resolver)
        #expect(both.source == .addresses)
        #expect(texts(both) == ["192.0.2.1:5070", "[2001:db8::1]:5070"])
        #expect(texts(try resolve("six.test", 5070, with: resolver)) == ["[2001:db8::6]:5070"])
        #expect(texts(try resolve("alias.test", 5070, with: resolver)) == ["[2001:db8::6]:5070"])
        resolver.prefersIPv6 = true
        #expect(texts(try resolve("both.test", 5070, with: resolver)) == ["[2001:db8::1]:5070", "192.0.2.1:5070"])
    }

    @Test func withoutSRVRecordsTheNameItselfAndTheDefaultPort() throws {
        let server = try NameServer(["host-record=plain.test,192.0.2.1"])
        let resolver = resolver(server.port)
        #expect(texts(try resolve("plain.test", with: resolver)) == ["192.0.2.1:5060"])
        #expect(texts(try resolve("plain.test", nil, .tls, with: resolver)) == ["192.0.2.1:5061"])
    }

    /// A wildcard alias answers every question, that for SRV records too, and none of its answers is one.
    @Test func anAliasWithoutSRVRecordsIsNoAnswer() throws {
        let server = try NameServer([
            "host-record=www.wild.test,192.0.2.1", "host-record=wild.test,192.0.2.2", "cname=*.wild.test,www.wild.test",
        ])
        #expect(texts(try resolve("wild.test", with: resolver(server.port))) == ["192.0.2.2:5060"])
    }

    @Test func eachTransportHasRecordsOfItsOwn() throws {
        let server = try NameServer([
            "host-record=a.test,192.0.2.1", "host-record=corp.test,192.0.2.99",
            "srv-host=_sip._udp.corp.test,a.test,5070", "srv-host=_sip._tcp.corp.test,a.test,5071",
            "srv-host=_sips._tcp.corp.test,a.test,5072",
        ])
        let resolver = resolver(server.port)
        let udp = try resolve("corp.test", with: resolver)
        #expect(udp.source == .services("_sip._udp.corp.test"))
        #expect(texts(udp) == ["192.0.2.1:5070"])
        #expect(texts(try resolve("corp.test", nil, .tcp, with: resolver)) == ["192.0.2.1:5071"])
        #expect(texts(try resolve("corp.test", nil, .tls, with: resolver)) == ["192.0.2.1:5072"])
        // A port says that there is nothing to look up but addresses.
        #expect(texts(try resolve("corp.test", 5060, with: resolver)) == ["192.0.2.99:5060"])
    }

    @Test func prioritiesComeInOrderAndOneHostsAddressesTogether() throws {
        let server = try NameServer([
            "host-record=a.test,192.0.2.1,2001:db8::1", "host-record=b.test,192.0.2.2", "host-record=c.test,192.0.2.3",
            "srv-host=_sip._udp.corp.test,c.test,5073,30,1", "srv-host=_sip._udp.corp.test,a.test,5071,10,1",
            "srv-host=_sip._udp.corp.test,b.test,5072,20,1", "srv-host=_sip._udp.corp.test,gone.test,5074,5,1",
        ])
        let found = try resolve("corp.test", with: resolver(server.port))
        #expect(texts(found) == ["192.0.2.1:5071", "[2001:db8::1]:5071", "192.0.2.2:5072", "192.0.2.3:5073"])
        #expect(found.hops.map(\.priority) == [10, 10, 20, 30])
        #expect(found.hops.map(\.host) == ["a.test", "a.test", "b.test", "c.test"])
        #expect(found.notes.contains { $0.contains("gone.test") && $0.contains("does not exist") })
    }

    @Test func theSameSeedDrawsTheSameOrder() throws {
        let server = try NameServer(
            (0..<6).flatMap {
                ["host-record=h\($0).test,192.0.2.\($0)", "srv-host=_sip._udp.corp.test,h\($0).test,5060,1,\($0 * 10)"]
            })
        let resolver = resolver(server.port)
        let orders = try (1...20 as ClosedRange<UInt64>).map {
            texts(try resolve("corp.test", with: resolver, seed: $0))
        }
        let again = try (1...20 as ClosedRange<UInt64>).map {
            texts(try resolve("corp.test", with: resolver, seed: $0))
        }
        // The server turns its records round; the draw does not see it.
        #expect(orders == again)
        #expect(Set(orders).count > 1)
    }

    @Test func aLongAnswerComesOverTCP() throws {
        // 40 records do not fit into 512 octets: the datagram comes cut (TC), and the question is put again over TCP.
        let server = try NameServer(
            (0..<40).flatMap {
                [
                    "host-record=host-\($0).test,192.0.2.\($0)",
                    "srv-host=_sip._udp.corp.test,host-\($0).test,\(5000 + $0),\($0),1",
                ]
            })
        let found = try resolve("corp.test", with: resolver(server.port))
        #expect(texts(found) == (0..<40).map { "192.0.2.\($0):\(5000 + $0)" })
    }

    @Test func whatIsMissingIsSaid() throws {
        let server = try NameServer([
            "txt-record=text.test,nothing else", "srv-host=_sip._udp.lost.test,gone.test,5060,1,1",
            "srv-host=_sip._udp.shut.test",
        ])
        let resolver = resolver(server.port)
        #expect(reason("nowhere.test", with: resolver) == .noSuchName)
        #expect(reason("nowhere.test", 5060, with: resolver) == .noSuchName)
        #expect(reason("text.test", 5060, with: resolver) == .noAddress)
        #expect(reason("shut.test", with: resolver) == .noService)
        guard case .noTarget(let targets) = reason("lost.test", with: resolver) else {
            Issue.record("a target that does not exist is no address")
            return
        }
        #expect(targets.count == 1 && targets[0].contains("gone.test"))
        // Outside of its domain it has nobody to ask.
        #expect(reason("example.org", 5060, with: resolver) == .refused("REFUSED"))
        do throws(ResolutionError) {
            _ = try resolve("nowhere.test", 5060, with: resolver)
        } catch {
            #expect(error.description.contains("\"nowhere.test\" does not exist"))
            #expect(error.description.contains(server.text))
        }
    }
}

@Suite("A server that does not answer")
struct MissingServerTests {
    @Test func silenceEndsWithTheLimit() throws {
        let server = try SilentServer()
        let clock = ContinuousClock()
        let began = clock.now
        #expect(reason("corp.test", with: resolver(server.port, limit: 300_000_000)) == .silent)
        #expect(reason("corp.test", 5060, with: resolver(server.port, limit: 300_000_000)) == .silent)
        #expect(clock.now - began >= .milliseconds(600))
        withExtendedLifetime(server) {}
    }

    @Test func nobodyListens() throws {
        #expect(reason("corp.test", 5060, with: resolver(try unusedPort())) == .unreachable)
    }
}

@Suite("RFC 2782's order")
struct ServiceOrderTests {
    private func record(_ priority: UInt16, _ weight: UInt16, _ name: String) -> ServiceRecord {
        ServiceRecord(priority: priority, weight: weight, port: 5060, target: name)
    }

    @Test func weightsAreShares() {
        let records = [record(1, 10, "ten"), record(1, 30, "thirty"), record(1, 60, "sixty"), record(0, 0, "first")]
        var draws = SeededDraws(seed: 7)
        var counts: [String: Int] = [:]
        for _ in 0..<20_000 {
            let ordered = records.ordered(using: &draws)
            #expect(ordered[0].target == "first")
            counts[ordered[1].target, default: 0] += 1
        }
        // Shares of 0.1, 0.3 and 0.6; five standard deviations of 20,000 draws are 350. The inclusive 0 gives the first record
        // one part in 101 more.
        #expect(abs(counts["ten", default: 0] - 2000) < 500)
        #expect(abs(counts["thirty", default: 0] - 6000) < 500)
        #expect(abs(counts["sixty", default: 0] - 12_000) < 500)
    }

    @Test func weightZeroIsRareAndNotNever() {
        let records = [record(1, 99, "much"), record(1, 0, "little")]
        var draws = SeededDraws(seed: 7)
        let first = (0..<20_000).count { _ in records.ordered(using: &draws)[0].target == "little" }
        #expect((100...350).contains(first))
    }

    @Test func allAreThereAndASeedRepeatsThem() {
        let records = (0..<30).map { record(UInt16($0 % 3), UInt16($0), "h\($0)") }
        var one = SeededDraws(seed: 9)
        var other = SeededDraws(seed: 9)
        let ordered = records.ordered(using: &one)
        #expect(ordered == records.ordered(using: &other))
        #expect(Set(ordered) == Set(records))
        #expect(ordered.map(\.priority) == ordered.map(\.priority).sorted())
    }
}
