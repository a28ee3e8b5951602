import CTLSSessions
import Glibc

/// Why TLS did not come about or broke, for a user: what was expected, what came, and which flag would change it.
public struct TLSFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: UInt8, Sendable, Equatable {
        case certificateExpired
        case certificateNotYetValid
        case selfSigned
        case unknownAuthority
        case wrongName
        /// Another verify code: a key too small, a wrong purpose, a chain too long.
        case certificateRefused
        case noCommonCipher
        case noCommonVersion
        case peerDoesNotSpeakTLS
        /// The peer asked for a certificate, and we have none.
        case clientCertificateWanted
        case ownCertificateRefused
        /// We asked for a certificate, and the client has none.
        case peerWithoutCertificate
        /// The connection ended within the handshake, or later without a close_notify.
        case cutOff
        case connectionLost
        case alert
        /// Octets came that are no TLS, or do not belong where they came.
        case broken
        case memory
    }

    public var kind: Kind
    /// X509's, as `openssl verify` prints it; 0 where the certificate is not the matter.
    public var verifyCode: Int32
    /// The alert that the peer sent (RFC 8446 §6), nil for none.
    public var alert: UInt8?
    /// errno of the socket, 0 for none.
    public var systemError: Int32
    public var duringHandshake: Bool
    public var description: String

    init(_ report: cts_report) {
        verifyCode = report.verify_code
        alert = UInt8(exactly: report.alert)
        systemError = report.system_error
        duringHandshake = report.during_handshake
        kind = Kind(report.cause)
        description = FailureWords(report: report, kind: kind).sentence
    }
}

extension TLSFailure.Kind {
    init(_ cause: cts_cause) {
        self =
            switch cause {
            case CTS_CAUSE_EXPIRED: .certificateExpired
            case CTS_CAUSE_NOT_YET_VALID: .certificateNotYetValid
            case CTS_CAUSE_SELF_SIGNED: .selfSigned
            case CTS_CAUSE_UNKNOWN_AUTHORITY: .unknownAuthority
            case CTS_CAUSE_WRONG_NAME: .wrongName
            case CTS_CAUSE_CERTIFICATE_REFUSED: .certificateRefused
            case CTS_CAUSE_NO_COMMON_CIPHER: .noCommonCipher
            case CTS_CAUSE_NO_COMMON_VERSION: .noCommonVersion
            case CTS_CAUSE_NOT_TLS: .peerDoesNotSpeakTLS
            case CTS_CAUSE_CERTIFICATE_WANTED: .clientCertificateWanted
            case CTS_CAUSE_OWN_CERTIFICATE_REFUSED: .ownCertificateRefused
            case CTS_CAUSE_PEER_WITHOUT_CERTIFICATE: .peerWithoutCertificate
            case CTS_CAUSE_CUT_OFF: .cutOff
            case CTS_CAUSE_CONNECTION_LOST: .connectionLost
            case CTS_CAUSE_ALERT: .alert
            case CTS_CAUSE_MEMORY: .memory
            default: .broken
            }
    }
}

/// The sentence about a failure.
private struct FailureWords {
    let report: cts_report
    let kind: TLSFailure.Kind

    private func text(_ pointer: UnsafePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }

    private var peer: String { report.server ? "the client" : "the server" }

    /// "the server's certificate (CN=a)", or the certificate above it that is at fault.
    private var certificate: String {
        let subject = text(report.subject)
        let named = subject.isEmpty ? "" : " (\(subject))"
        if report.verify_depth == 0 { return "\(peer)'s certificate\(named)" }
        return "the certificate\(named) that issued \(peer)'s, \(report.verify_depth) up its chain,"
    }

    private var code: String { "X509 verify code \(report.verify_code)" }

    private var accepts: String { "--tls-insecure accepts any certificate" }

    /// The start of what came, in quotes, without what is not printable.
    private var beginning: String {
        var quoted = "\""
        withUnsafeBytes(of: report.first) { octets in
            for octet in octets.prefix(Int(report.first_count)) {
                if octet == 13 || octet == 10 { break }
                quoted.unicodeScalars.append(octet >= 32 && octet < 127 ? Unicode.Scalar(octet) : ".")
            }
        }
        return quoted + "\""
    }

    private var alertName: String {
        report.alert >= 0 ? "alert \(report.alert), \(text(report.reason))" : text(report.reason)
    }

    var sentence: String {
        switch kind {
        case .certificateExpired:
            "\(certificate) expired on \(text(report.date)) (\(code)); \(accepts)"
        case .certificateNotYetValid:
            "\(certificate) is not valid before \(text(report.date)) (\(code)): is a clock wrong? \(accepts)"
        case .selfSigned:
            "\(certificate) is self-signed, and not among the trusted ones (\(code)); "
                + "--tls-ca FILE with that certificate trusts it, \(accepts)"
        case .unknownAuthority:
            "\(certificate) was issued by \(text(report.issuer)), "
                + (report.verify_code == 7
                    ? "but not with the key of the trusted authority of that name"
                    : "which is not a trusted authority")
                + " (\(code)); --tls-ca FILE trusts another authority, \(accepts)"
        case .wrongName: wrongName
        case .certificateRefused:
            "\(certificate) is refused: \(text(report.verify_words)) (\(code)); \(accepts)"
        case .noCommonCipher:
            report.alert >= 0
                ? "\(peer) ended the handshake (\(alertName)): most likely there is no cipher that both ends allow"
                : "there is no cipher, group or signature that both ends allow (\(text(report.reason)))"
        case .noCommonVersion:
            "there is no version of TLS that both ends allow (\(alertName)): the minimum here is 1.2 unless set lower"
        case .peerDoesNotSpeakTLS:
            "\(peer) does not speak TLS here: what came begins with \(beginning); "
                + (report.server ? "the client must use TLS for this port" : "--transport tcp speaks without")
        case .clientCertificateWanted:
            "\(peer) asked for a client certificate, and there is none to give"
                + (report.alert >= 0 ? " (\(alertName))" : ", so it ended the connection")
                + ": --tls-cert FILE and --tls-key FILE"
        case .ownCertificateRefused:
            "\(peer) refused our certificate (\(alertName)): another one by --tls-cert FILE and --tls-key FILE"
                + (report.server ? ", or the client must trust its authority" : "")
        case .peerWithoutCertificate:
            "\(peer) gave no certificate, and one is required: it needs its own --tls-cert FILE and --tls-key FILE"
        case .cutOff: cutOff
        case .connectionLost: "the connection was lost: \(systemWords)"
        case .alert:
            "\(peer) ended the session (\(alertName))"
                + (report.alert == 48 || report.alert == 46 || report.alert == 42
                    ? ": it does not trust our certificate; another one by --tls-cert FILE and --tls-key FILE" : "")
        case .broken: "what \(peer) sent is not TLS as it should be (\(text(report.reason)))"
        case .memory: "no memory for TLS"
        }
    }

    private var systemWords: String { text(strerror(report.system_error)) }

    private var wrongName: String {
        let names = text(report.names)
        var words = "\(certificate) is not for \(text(report.expected_name)) but "
        words += names.isEmpty ? "has no names" : "for \(names)"
        words += " (\(code)"
        if report.overruled_by_uri {
            words += "; where there are sip URIs, DNS names do not count, RFC 5922 §7.1"
        } else if report.wildcard {
            words += "; wildcards do not count in SIP, RFC 5922 §7.2"
        }
        return words + "); --tls-name NAME expects another name, \(accepts)"
    }

    private var cutOff: String {
        let how = report.system_error != 0 ? systemWords : "\(peer) ended the connection"
        if !report.during_handshake { return "\(how) without a close_notify" }
        if report.octets_received == 0 {
            return "the handshake was cut off before \(peer) said a word (\(how)): does it speak TLS on this port? "
                + "--transport tcp speaks without"
        }
        return "the handshake was cut off after \(report.octets_received) octets from \(peer) (\(how))"
    }
}
