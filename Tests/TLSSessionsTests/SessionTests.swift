import Glibc
import Testing

@testable import TLSSessions

/// Two ends of ours against each other: octets, ends, resumption, client certificates.
@Suite struct SessionTests {
    /// Both contexts with one target.
    struct Contexts: ~Copyable {
        var clients: TLSContext
        var servers: TLSContext
        var target: TLSContext.Target

        init(clients: consuming TLSContext, servers: consuming TLSContext) {
            target = clients.addTarget(host: "sip.example.com")
            self.clients = clients
            self.servers = servers
        }

        init(_ client: TLSSettings = Certificates.client(), _ server: TLSSettings = Certificates.server()) throws {
            self.init(clients: try TLSContext(.client, client), servers: try TLSContext(.server, server))
        }

        func ends() -> TwoEnds { TwoEnds(clients, target, servers) }
    }

    @Test func octetsGoBothWaysAndCloseIsHeard() throws {
        let contexts = try Contexts()
        var ends = contexts.ends()
        #expect(ends.client.version == nil)
        let hands = ends.handshake()
        #expect(hands.client == .done && hands.server == .done)
        #expect(ends.client.version == .tls13 && ends.client.cipher == "TLS_AES_128_GCM_SHA256")
        #expect(ends.client.writeText("OPTIONS sip:a SIP/2.0\r\n\r\n") == .octets(25))
        #expect(ends.server.readOctets().octets == Array("OPTIONS sip:a SIP/2.0\r\n\r\n".utf8))
        #expect(ends.server.readOctets().result == .wantsRead)
        #expect(ends.client.close() == .sent)
        #expect(ends.client.close() == .sent)
        #expect(ends.server.readOctets().result == .ended(notified: true))
        // half closed: the other way still works
        #expect(ends.server.writeText("SIP/2.0 200 OK") == .octets(14))
        #expect(ends.client.readOctets().octets == Array("SIP/2.0 200 OK".utf8))
        #expect(ends.server.close() == .sent)
        #expect(ends.client.readOctets().result == .ended(notified: true))
    }

    /// Octets and close_notify come with one receive, and no end of the connection makes the descriptor readable again.
    @Test func closeBehindOctetsIsNotForgotten() throws {
        let contexts = try Contexts()
        var ends = contexts.ends()
        _ = ends.handshake()
        ends.settle()
        _ = ends.client.writeText("BYE")
        #expect(ends.client.close() == .sent)
        #expect(ends.server.readOctets().octets == Array("BYE".utf8))
        #expect(ends.server.hasMore == true)
        #expect(ends.server.readOctets().result == .ended(notified: true))
    }

    @Test func endWithoutNoticeIsToldApart() throws {
        let contexts = try Contexts()
        var ends = contexts.ends()
        _ = ends.handshake()
        _ = ends.client.writeText("last words")
        shutdown(ends.clientSocket, Int32(SHUT_WR))
        #expect(ends.server.readOctets().octets == Array("last words".utf8))
        #expect(ends.server.readOctets().result == .ended(notified: false))
        #expect(ends.server.readOctets().result == .ended(notified: false))
        let failure = ends.server.failure
        #expect(failure.kind == .cutOff && !failure.duringHandshake)
    }

    @Test func writingToWhoIsGoneFailsWithoutSignal() throws {
        let contexts = try Contexts()
        var ends = contexts.ends()
        _ = ends.handshake()
        shutdown(ends.serverSocket, Int32(SHUT_RDWR))
        #expect(ends.client.writeText("anybody?") == .failed)
        let failure = ends.client.failure
        #expect(failure.kind == .connectionLost && failure.systemError == EPIPE)
        #expect(ends.client.writeText("anybody?") == .failed)
        #expect(ends.client.close() == .failed)
    }

    @Test(arguments: [TLSSettings.ProtocolVersion.tls12, .tls13])
    func tenMegabytesThroughAFullSocket(_ version: TLSSettings.ProtocolVersion) throws {
        let contexts = try Contexts(
            Certificates.client { $0.maximumVersion = version }, Certificates.server { $0.minimumVersion = .tls12 })
        var ends = contexts.ends()
        let hands = ends.handshake()
        #expect(hands.client == .done && hands.server == .done)
        #expect(ends.client.version == version)
        var generator = SeededGenerator(state: 7)
        let sent = (0..<10_000_000 / 8).flatMap { _ in
            withUnsafeBytes(of: generator.next()) { Array($0) }
        }
        var received: [UInt8] = []
        received.reserveCapacity(sent.count)
        var room = [UInt8](repeating: 0, count: 40_000)
        var start = 0
        var stops = 0
        while received.count < sent.count {
            // from elsewhere in memory each time, and longer or shorter than the record that waits: never shorter than it
            while start < sent.count {
                let end = min(sent.count, start + 20_000 + Int(generator.next() % 100_000))
                let part = Array(sent[start..<end])
                let written = part.withUnsafeBytes { ends.client.write($0) }
                guard case .octets(let count) = written else {
                    guard written == .wantsWrite else {
                        Issue.record("\(ends.client.failure)")
                        return
                    }
                    stops += 1
                    break
                }
                start += count
            }
            let capacity = 1 + Int(generator.next() % 40_000)
            let reading = room.withUnsafeMutableBytes { ends.server.read(into: .init(rebasing: $0[..<capacity])) }
            if case .octets(let count) = reading { received += room[..<count] } else { #expect(reading == .wantsRead) }
        }
        #expect(received == sent)
        #expect(stops > 10)
    }

    @Test(arguments: [true, false])
    func ticketsAreUsedAndCounted(_ newest: Bool) throws {
        let settings = Certificates.client { if !newest { $0.maximumVersion = .tls12 } }
        let server = Certificates.server { if !newest { $0.maximumVersion = .tls12 } }
        var contexts = try Contexts(settings, server)
        for round in 0..<5 {
            var ends = contexts.ends()
            let hands = ends.handshake()
            #expect(hands.client == .done && hands.server == .done, "\(hands)")
            #expect(ends.client.version == (newest ? .tls13 : .tls12))
            ends.settle()
            #expect(ends.client.isResumed == (round > 0))
            #expect(ends.server.isResumed == (round > 0))
            #expect(ends.client.writeText("octets") == .octets(6))
            #expect(ends.server.readOctets().octets.count == 6)
        }
        #expect(contexts.clients.counts.fullHandshakes == 1 && contexts.clients.counts.resumedHandshakes == 4)
        #expect(contexts.servers.counts.fullHandshakes == 1 && contexts.servers.counts.resumedHandshakes == 4)
        // tickets are a target's own
        let other = contexts.clients.addTarget(host: "127.0.0.1")
        var ends = TwoEnds(contexts.clients, other, contexts.servers)
        #expect(ends.handshake().client == .done)
        #expect(ends.client.isResumed == false)
        contexts.clients.forgetTicket(of: contexts.target)
        var forgotten = contexts.ends()
        _ = forgotten.handshake()
        #expect(forgotten.client.isResumed == false)
    }

    /// One ticket for many connections at once, as a pool opens them.
    @Test func manyConnectionsOnOneTicket() throws {
        let contexts = try Contexts()
        var first = contexts.ends()
        _ = first.handshake()
        first.settle()
        for _ in 0..<20 {
            var ends = contexts.ends()  // no settling: the new ticket is not read
            #expect(ends.handshake().client == .done)
            #expect(ends.client.isResumed == true)
        }
    }

    @Test func serverThatForgotItsKeysMakesAFullHandshake() throws {
        var contexts = try Contexts()
        var first = contexts.ends()
        _ = first.handshake()
        first.settle()
        contexts.servers = try TLSContext(.server, Certificates.server())
        var ends = contexts.ends()
        let hands = ends.handshake()
        #expect(hands.client == .done && hands.server == .done)
        #expect(ends.client.isResumed == false)
    }

    @Test func sessionsOutliveTheirContext() throws {
        var ends = try {
            let contexts = try Contexts()
            return contexts.ends()
        }()
        #expect(ends.handshake().client == .done)
        #expect(ends.client.writeText("still here") == .octets(10))
        #expect(ends.server.readOctets().octets.count == 10)
    }

    /// As a pool keeps them: in memory that is not Swift's to count.
    @Test func sessionsLiveInSlots() throws {
        let contexts = try Contexts()
        let slots = UnsafeMutablePointer<TwoEnds>.allocate(capacity: 2)
        defer { slots.deallocate() }
        for index in 0..<2 { (slots + index).initialize(to: contexts.ends()) }
        for index in 0..<2 { #expect(slots[index].handshake().client == .done) }
        slots.deinitialize(count: 2)
    }

    @Test func clientCertificates() throws {
        let server = Certificates.server { $0.requiresClientCertificate = true }
        let good = Certificates.client {
            $0.certificateFile = Certificates.path("user1.pem")
            $0.keyFile = Certificates.path("user1.key")
        }
        let hands = try outcome(good, server)
        #expect(hands.client == .done && hands.server == .done, "\(hands)")
        let both = Certificates.client { $0.certificateFile = Certificates.path("both.pem") }
        #expect(try outcome(both, server).server == .done)

        let without = try outcome(Certificates.client(), server)
        let servers = try #require(without.server.failure)
        #expect(servers.kind == .peerWithoutCertificate && servers.description.contains("--tls-cert FILE"))

        let foreign = try outcome(
            Certificates.client {
                $0.certificateFile = Certificates.path("foreign.pem")
                $0.keyFile = Certificates.path("foreign.key")
            }, server)
        let refused = try #require(foreign.server.failure)
        #expect(refused.kind == .unknownAuthority, "\(refused)")
        #expect(refused.description.contains("the client's certificate (CN=foreign)"), "\(refused)")
    }

    @Test(arguments: [true, false])
    func clientLearnsThatACertificateIsWanted(_ newest: Bool) throws {
        let contexts = try Contexts(
            Certificates.client { if !newest { $0.maximumVersion = .tls12 } },
            Certificates.server {
                if !newest { $0.maximumVersion = .tls12 }
                $0.requiresClientCertificate = true
            })
        var ends = contexts.ends()
        let hands = ends.handshake()
        if newest {  // the client is done before the server has looked
            #expect(hands.client == .done)
            #expect(ends.client.readOctets().result == .failed)
        }
        let failure = ends.client.failure
        #expect(failure.kind == .clientCertificateWanted, "\(failure)")
        #expect(failure.description.contains("--tls-cert FILE and --tls-key FILE"))
        if newest { #expect(failure.alert == 116) }
    }

    @Test func clientLearnsThatItsCertificateIsRefused() throws {
        let contexts = try Contexts(
            Certificates.client {
                $0.certificateFile = Certificates.path("foreign.pem")
                $0.keyFile = Certificates.path("foreign.key")
            }, Certificates.server { $0.requiresClientCertificate = true })
        var ends = contexts.ends()
        _ = ends.handshake()
        #expect(ends.client.readOctets().result == .failed)
        let failure = ends.client.failure
        #expect(failure.kind == .ownCertificateRefused, "\(failure)")
    }

    @Test func nothingInCommon() throws {
        let version = try outcome(
            Certificates.client { $0.maximumVersion = .tls12 }, Certificates.server { $0.minimumVersion = .tls13 })
        #expect(version.client.failure?.kind == .noCommonVersion, "\(version)")
        #expect(version.server.failure?.kind == .noCommonVersion, "\(version)")
        let cipher = try outcome(
            Certificates.client {
                $0.maximumVersion = .tls12
                $0.ciphersBeforeTLS13 = "AES128-SHA"
            }, Certificates.server())
        #expect(cipher.client.failure?.kind == .noCommonCipher, "\(cipher)")
        #expect(cipher.server.failure?.kind == .noCommonCipher, "\(cipher)")
        #expect(cipher.client.failure?.alert == 40)
    }
}
