import ArgumentParser
import Blaster
import CarillonKit
import Glibc
import TLSSessions

/// How TLS is spoken: `--tls-…`.
struct TLSFlags: ParsableArguments {
    @Option(
        name: .customLong("tls-ca"),
        help: "PEM file, or folder as openssl rehash makes it: whose certificates are trusted. Default: the system's.")
    var authorities: String?
    @Option(
        name: .customLong("tls-name"),
        help: "What the server's certificate must be for, in place of the target's host (RFC 5922).")
    var name: String?
    @Flag(name: .customLong("tls-insecure"), help: "Any certificate is accepted, for any name.")
    var insecure = false
    @Option(name: .customLong("tls-cert"), help: "PEM file: our certificate, then its issuers. Who answers needs one.")
    var certificate: String?
    @Option(name: .customLong("tls-key"), help: "PEM file with its key. Default: the file of --tls-cert.")
    var key: String?
    @Flag(
        name: .customLong("tls-verify-clients"),
        help: "Who connects to us needs a certificate that --tls-ca trusts.")
    var verifiesClients = false
    @Option(
        name: .customLong("tls-min"), help: "The oldest version that is spoken: 1.0, 1.1, 1.2 or 1.3. Default: 1.2.")
    var minimum = "1.2"

    private static let versions: [String: TLSSettings.ProtocolVersion] = [
        "1.0": .tls10, "1.1": .tls11, "1.2": .tls12, "1.3": .tls13,
    ]

    func validate() throws {
        if insecure, authorities != nil || name != nil {
            throw ValidationError(
                "--tls-insecure accepts any certificate: without it --tls-ca and --tls-name have a meaning")
        }
        if verifiesClients, certificate == nil {
            throw ValidationError("--tls-verify-clients is for who answers, who needs a --tls-cert of its own")
        }
        if Self.versions[minimum] == nil { throw ValidationError("--tls-min \(minimum): write 1.0, 1.1, 1.2 or 1.3") }
    }

    private var isUsed: Bool {
        authorities != nil || name != nil || insecure || certificate != nil || key != nil || verifiesClients
    }

    /// Fills in how TLS is spoken, where it is; ends the program where its files are of no use.
    ///
    /// - Parameter answers: nothing can be done without a certificate.
    func apply(to run: inout ScenarioRun, answers: Bool) {
        guard run.transports.contains(.tls) else {
            if isUsed { stop(.usage, ["--tls-… is for TLS: add --transport tls"]) }
            return
        }
        var settings = TLSSettings()
        if let authorities {
            var found = stat()
            let isFolder = stat(authorities, &found) == 0 && found.st_mode & S_IFMT == S_IFDIR
            settings.authorities = isFolder ? .directory(authorities) : .file(authorities)
        }
        settings.insecure = insecure
        settings.certificateFile = certificate
        settings.keyFile = key
        settings.requiresClientCertificate = verifiesClients
        settings.minimumVersion = Self.versions[minimum] ?? .tls12
        if certificate == nil, answers || run.target == nil {
            stop(
                .usage,
                [
                    answers
                        ? "who answers over TLS needs a certificate: --tls-cert FILE and --tls-key FILE"
                        : "without a TARGET both sides are played here, and the one that answers needs a certificate: "
                            + "--tls-cert FILE and --tls-key FILE",
                    "  for tests: openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=sip.example.com "
                        + "-addext subjectAltName=DNS:sip.example.com,IP:127.0.0.1 -keyout key.pem -out cert.pem",
                ])
        }
        var options = TLSOptions(settings: settings)
        options.name = name
        options.hosts = run.tlsHosts
        do throws(TLSSettingsFault) {
            _ = try TLSContext(.client, settings)
            if certificate != nil { _ = try TLSContext(.server, settings) }
        } catch {
            stop(.environment, ["\(error)"])
        }
        run.tls = options
    }
}
