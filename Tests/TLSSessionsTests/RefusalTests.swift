import Testing

@testable import TLSSessions

/// Every certificate that must not be believed, and what the user reads then.
@Suite struct RefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var certificate: String
        var kind: TLSFailure.Kind
        var code: Int32
        var words: [String]
        var host = "sip.example.com"
        var testDescription: String { "\(certificate) for \(host)" }
    }

    @Test(arguments: [
        Case(
            certificate: "expired", kind: .certificateExpired, code: 10,
            words: ["CN=expired", "expired on 2021-02-03 04:05:06 UTC", "--tls-insecure"]),
        Case(
            certificate: "future", kind: .certificateNotYetValid, code: 9,
            words: ["CN=future", "not valid before 2044-01-01 00:00:00 UTC", "--tls-insecure"]),
        Case(
            certificate: "self", kind: .selfSigned, code: 18,
            words: ["CN=self", "self-signed", "--tls-ca FILE", "--tls-insecure"]),
        Case(
            certificate: "foreign", kind: .unknownAuthority, code: 20,
            words: ["CN=Second authority", "not a trusted authority", "--tls-ca FILE", "--tls-insecure"]),
        Case(
            certificate: "swappedleaf", kind: .unknownAuthority, code: 20,
            words: ["CN=First authority", "--tls-ca FILE", "--tls-insecure"]),
        Case(
            certificate: "good", kind: .wrongName, code: 62,
            words: ["not for pbx.example.com", "DNS:sip.example.com, IP:127.0.0.1", "--tls-name", "--tls-insecure"],
            host: "pbx.example.com"),
        Case(
            certificate: "good", kind: .wrongName, code: 64,
            words: ["not for 127.0.0.2", "IP:127.0.0.1", "--tls-name"], host: "127.0.0.2"),
        Case(
            certificate: "wild", kind: .wrongName, code: 62,
            words: ["DNS:*.example.com", "wildcards do not count in SIP, RFC 5922 §7.2", "--tls-name"]),
        Case(
            certificate: "uri", kind: .wrongName, code: 62,
            words: ["URI:sip:uri.example.com", "RFC 5922 §7.1", "--tls-name"]),
        Case(
            certificate: "user", kind: .wrongName, code: 62, words: ["URI:sip:alice@sip.example.com", "--tls-name"]),
        Case(
            certificate: "cnsan", kind: .wrongName, code: 62, words: ["DNS:other.example.com", "--tls-name"]),
        Case(
            certificate: "clientonly", kind: .certificateRefused, code: 26,
            words: ["CN=clientonly", "--tls-insecure"]),
    ])
    func refusedWithReasonAndFlag(_ refused: Case) throws {
        let failure = try #require(
            try clientFailure(Certificates.client(), Certificates.server(refused.certificate), host: refused.host))
        #expect(failure.kind == refused.kind, "\(failure)")
        #expect(failure.verifyCode == refused.code, "\(failure)")
        #expect(failure.duringHandshake)
        for words in refused.words { #expect(failure.description.contains(words), "\(failure)") }
        // and the switch that the message names does what it says
        let insecure = try outcome(
            Certificates.client { $0.insecure = true }, Certificates.server(refused.certificate), host: refused.host)
        #expect(insecure.client == .done && insecure.server == .done)
    }

    @Test func whatInsecurePassedOverIsKnown() throws {
        var clients = try TLSContext(.client, Certificates.client { $0.insecure = true })
        let servers = try TLSContext(.server, Certificates.server("expired"))
        let target = clients.addTarget(host: "sip.example.com")
        var ends = TwoEnds(clients, target, servers)
        #expect(ends.handshake().client == .done)
        #expect(ends.client.overlooked == 10)
    }

    /// The authority changed its key and kept its name: the chain the server sends ends in the new one.
    @Test func sameAuthorityWithAnotherKey() throws {
        let failure = try #require(
            try clientFailure(
                Certificates.client { $0.authorities = .file(Certificates.path("swapped.pem")) },
                Certificates.server("good")))
        #expect(failure.kind == .unknownAuthority)
        #expect(failure.description.contains("--tls-ca FILE"))
    }

    @Test(
        arguments: [
            ("good", "sip.example.com", nil), ("good", "SIP.Example.COM", nil), ("good", "sip.example.com.", nil),
            ("good", "127.0.0.1", nil), ("good", "[::1]", nil), ("good", "::1", nil),
            ("good", "10.1.2.3", "sip.example.com"),
            ("uri", "uri.example.com", nil),
            ("cn", "sip.example.com", nil),
            ("sipsuri", "other.example.com", nil),
            ("userdns", "other.example.com", nil),
            ("wild", "sip.example.com", "*.example.com"),
        ] as [(String, String, String?)])
    func namesThatMatch(_ certificate: String, _ host: String, _ name: String?) throws {
        let ends = try outcome(Certificates.client(), Certificates.server(certificate), host: host, name: name)
        #expect(ends.client == .done, "\(ends.client)")
        #expect(ends.server == .done)
    }

    @Test func selfSignedIsTrustedWhereItIsNamed() throws {
        let ends = try outcome(
            Certificates.client { $0.authorities = .file(Certificates.path("self.pem")) }, Certificates.server("self"))
        #expect(ends.client == .done && ends.server == .done)
    }

    @Test func directoryOfAuthorities() throws {
        let hashed = Certificates.client { $0.authorities = .directory(Certificates.path("hashed")) }
        #expect(try outcome(hashed, Certificates.server()).client == .done)
        let failure = try #require(try clientFailure(hashed, Certificates.server("foreign")))
        #expect(failure.kind == .unknownAuthority)
    }

    @Test func systemAuthoritiesDoNotKnowOurs() throws {
        let failure = try #require(
            try clientFailure(Certificates.client { $0.authorities = .system }, Certificates.server()))
        #expect(failure.kind == .unknownAuthority)
    }

    @Test func serverLearnsThatItsCertificateIsRefused() throws {
        var clients = try TLSContext(.client, Certificates.client())
        let servers = try TLSContext(.server, Certificates.server("foreign"))
        let target = clients.addTarget(host: "sip.example.com")
        var ends = TwoEnds(clients, target, servers)
        let failure = try #require(ends.handshake().server.failure)
        #expect(failure.kind == .ownCertificateRefused && failure.alert == 48, "\(failure)")
        #expect(clients.counts.failedHandshakes == 1 && servers.counts.failedHandshakes == 1)
        #expect(clients.counts.fullHandshakes == 0)
    }
}
