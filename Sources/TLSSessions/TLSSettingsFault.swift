import CTLSSessions

/// Why settings cannot be used: what, where, and what would help.
public struct TLSSettingsFault: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        case memory, version, ciphers
        case authorityFile, authorityDirectory, authorityDirectoryWithoutHashes
        case certificate, certificateMissing
        case key, keyWithoutCertificate, keyEncrypted, keyOfAnotherCertificate
        case keyLog
    }

    public var kind: Kind
    public var description: String

    init(_ fault: cts_fault, _ settings: TLSSettings) {
        let reason = withUnsafeBytes(of: fault.reason) { octets in
            String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
        }
        let because = reason.isEmpty ? "" : ": \(reason)"
        let certificate = settings.certificateFile ?? ""
        let key = settings.keyFile ?? certificate
        let authorities =
            switch settings.authorities {
            case .system: "the system's"
            case .file(let path), .directory(let path): path
            }
        switch fault.kind {
        case CTS_FAULT_VERSION:
            kind = .version
            description = "this OpenSSL has no TLS of the minimum version asked for\(because)"
        case CTS_FAULT_CIPHERS:
            kind = .ciphers
            description =
                "no cipher known in \"\(settings.ciphersBeforeTLS13)\" or \"\(settings.ciphersTLS13)\"\(because)"
        case CTS_FAULT_CA_FILE:
            kind = .authorityFile
            description = "--tls-ca \(authorities): no PEM certificates can be read from it\(because)"
        case CTS_FAULT_CA_DIRECTORY:
            kind = .authorityDirectory
            description = "--tls-ca \(authorities): the directory cannot be read\(because)"
        case CTS_FAULT_CA_DIRECTORY_WITHOUT_HASHES:
            kind = .authorityDirectoryWithoutHashes
            description =
                "--tls-ca \(authorities): the directory holds no certificate under its hash; "
                + "run `openssl rehash \(authorities)`, or name a file"
        case CTS_FAULT_CERTIFICATE:
            kind = .certificate
            description = "--tls-cert \(certificate): no PEM certificate can be used from it\(because)"
        case CTS_FAULT_CERTIFICATE_MISSING:
            kind = .certificateMissing
            description = "to answer TLS a certificate and its key are needed: --tls-cert FILE --tls-key FILE"
        case CTS_FAULT_KEY:
            kind = .key
            description = "--tls-key \(key): no PEM private key can be used from it\(because)"
        case CTS_FAULT_KEY_WITHOUT_CERTIFICATE:
            kind = .keyWithoutCertificate
            description = "--tls-key \(key) without a certificate: give --tls-cert FILE too"
        case CTS_FAULT_KEY_ENCRYPTED:
            kind = .keyEncrypted
            description =
                "--tls-key \(key): the key needs a pass phrase, and nobody is asked for it; "
                + "`openssl pkey -in \(key) -out FILE` writes it without"
        case CTS_FAULT_KEY_OF_ANOTHER:
            kind = .keyOfAnotherCertificate
            description = "--tls-key \(key) is not the key of the first certificate in --tls-cert \(certificate)"
        case CTS_FAULT_KEY_LOG:
            kind = .keyLog
            description =
                "SSLKEYLOGFILE \(settings.keyLogPath ?? ""): cannot be appended to (a plain file is needed)\(because)"
        default:
            kind = .memory
            description = "OpenSSL could not be set up\(because)"
        }
    }
}
