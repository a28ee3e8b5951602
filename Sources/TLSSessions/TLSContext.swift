import CTLSSessions
import Glibc

/// One end's settings made ready, with the tickets of the servers it was connected to. Belongs to one thread; each worker has its own.
public struct TLSContext: ~Copyable {
    public enum End: Sendable, Equatable { case client, server }

    /// A server to connect to, within its context.
    public struct Target: Sendable, Equatable, BitwiseCopyable {
        let index: Int32
    }

    /// Since the context was made.
    public struct Counts: Sendable, Equatable, BitwiseCopyable {
        public var fullHandshakes: UInt64
        public var resumedHandshakes: UInt64
        public var failedHandshakes: UInt64
        /// Tickets that servers gave us.
        public var tickets: UInt64
        public var keyLogLinesLost: UInt64
    }

    public let end: End
    let pointer: OpaquePointer

    public init(_ end: End, _ settings: TLSSettings) throws(TLSSettingsFault) {
        self.end = end
        // copies for the length of the call
        let texts = CopiedTexts()
        var raw = cts_settings()
        raw.server = end == .server
        raw.insecure = settings.insecure
        raw.require_client_certificate = settings.requiresClientCertificate
        switch settings.authorities {
        case .system: break
        case .file(let path): raw.ca_file = texts.copy(path)
        case .directory(let path): raw.ca_directory = texts.copy(path)
        }
        raw.certificate_file = settings.certificateFile.flatMap(texts.copy)
        raw.key_file = settings.keyFile.flatMap(texts.copy)
        raw.key_log_file = settings.keyLogPath.flatMap(texts.copy)
        raw.minimum_version = settings.minimumVersion.rawValue
        raw.maximum_version = settings.maximumVersion.rawValue
        raw.ciphers_before_13 = texts.copy(settings.ciphersBeforeTLS13)
        raw.ciphers_13 = texts.copy(settings.ciphersTLS13)
        var fault = cts_fault()
        let made = cts_context_create(&raw, &fault)
        texts.free()
        guard let made else { throw TLSSettingsFault(fault, settings) }
        pointer = made
    }

    deinit { cts_context_release(pointer) }

    /// A server that will be connected to; it keeps the last ticket that it gave. Cold: allocates.
    ///
    /// - Parameters:
    ///   - host: the domain of the SIP URI or of the route (RFC 5922 §4: what was asked for, and not what DNS made of it),
    ///     or an address.
    ///   - name: `--tls-name`: what the certificate must be for instead. `*.example.com` demands that wildcard literally.
    ///
    /// SNI (RFC 6066 §3) is the name; the host where the name has a wildcard; none for addresses.
    public mutating func addTarget(host: String, name: String? = nil) -> Target {
        let expected = name ?? host
        let candidate = expected.utf8.contains(UInt8(ascii: "*")) ? host : expected
        let index =
            cts_is_address(candidate)
            ? cts_context_add_target(pointer, expected, nil)
            : cts_context_add_target(pointer, expected, candidate)
        precondition(index >= 0, "no memory for a target")
        return Target(index: index)
    }

    /// The next handshake with the target will be a full one.
    public mutating func forgetTicket(of target: Target) { cts_context_forget(pointer, target.index) }

    public var counts: Counts {
        let raw = cts_context_counts(pointer)
        return Counts(
            fullHandshakes: raw.full, resumedHandshakes: raw.resumed, failedHandshakes: raw.failed,
            tickets: raw.tickets, keyLogLinesLost: raw.key_log_lines_lost)
    }
}

/// Texts for a C function that wants many at once.
private final class CopiedTexts {
    private var copies: [UnsafeMutablePointer<CChar>] = []

    func copy(_ text: String) -> UnsafePointer<CChar> {
        guard let made = strdup(text) else { preconditionFailure("no memory for settings") }
        copies.append(made)
        return UnsafePointer(made)
    }

    func free() {
        for copy in copies { Glibc.free(copy) }
        copies = []
    }
}
