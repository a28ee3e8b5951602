import Glibc

/// How both ends of a run speak TLS. A value; nothing is read or opened before a `TLSContext` is made of it.
public struct TLSSettings: Sendable, Equatable {
    /// Whose certificates are believed.
    public enum Authorities: Sendable, Equatable {
        /// The system's, as OpenSSL was built to find them (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured).
        case system
        /// PEM. Every certificate in it is trusted, be it a root or not.
        case file(String)
        /// Certificates under their hashes, as `openssl rehash` names them.
        case directory(String)
    }

    public enum ProtocolVersion: Int32, Sendable, Equatable, Comparable {
        case tls10 = 0x0301
        case tls11 = 0x0302
        case tls12 = 0x0303
        case tls13 = 0x0304

        public static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }
    }

    /// Where the secrets of each handshake go, in the format that Wireshark reads (draft-ietf-tls-keylogfile).
    public enum KeyLog: Sendable, Equatable {
        /// The file named by `SSLKEYLOGFILE`, where that is set.
        case environment
        case file(String)
        case off
    }

    /// `--tls-ca`.
    public var authorities: Authorities = .system
    /// `--tls-insecure`: any certificate is accepted, for any name.
    public var insecure = false
    /// `--tls-cert`: PEM, our certificate first, then its issuers. Servers need one.
    public var certificateFile: String?
    /// `--tls-key`: PEM, without a pass phrase. nil: it is in the certificate's file.
    public var keyFile: String?
    /// For servers: a client without a certificate of the authorities is refused.
    public var requiresClientCertificate = false
    /// Below 1.2 OpenSSL's security level falls to 0, since those versions sign with SHA-1.
    public var minimumVersion: ProtocolVersion = .tls12
    public var maximumVersion: ProtocolVersion = .tls13
    /// AES-GCM first: cheapest where the processor knows AES. Last what RFC 3261 §26.2.1 makes mandatory, for old servers.
    public var ciphersBeforeTLS13 = "ECDHE+AESGCM:DHE+AESGCM:RSA+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AES:!aNULL:!eNULL"
    public var ciphersTLS13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    public var keyLog: KeyLog = .environment

    public init() {}

    var keyLogPath: String? {
        switch keyLog {
        case .off: nil
        case .file(let path): path
        case .environment:
            if let path = getenv("SSLKEYLOGFILE"), path.pointee != 0 { String(cString: path) } else { nil }
        }
    }
}
