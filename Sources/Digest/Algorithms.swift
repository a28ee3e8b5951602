/// A hash function of the digest scheme (RFC 7616 §3.3, RFC 8760 §2.2), weakest first.
public enum HashFunction: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    case md5, sha256
    /// SHA-512/256 has initial values of its own: it is no SHA-512 cut short (FIPS 180-4 §5.3.6.2).
    case sha512_256

    /// Octets of a hash; its text has twice as many hexadecimal digits.
    @inlinable public var length: Int { self == .md5 ? 16 : 32 }
}

/// What `algorithm` may say: a hash function, with or without a session key.
public enum DigestAlgorithm: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    case md5, md5Session
    case sha256, sha256Session
    case sha512_256, sha512_256Session

    public init(_ function: HashFunction, isSession: Bool = false) {
        switch function {
        case .md5: self = isSession ? .md5Session : .md5
        case .sha256: self = isSession ? .sha256Session : .sha256
        case .sha512_256: self = isSession ? .sha512_256Session : .sha512_256
        }
    }

    public var function: HashFunction {
        switch self {
        case .md5, .md5Session: return .md5
        case .sha256, .sha256Session: return .sha256
        case .sha512_256, .sha512_256Session: return .sha512_256
        }
    }

    /// Whether HA1 takes in the nonce and the cnonce (RFC 7616 §3.4.2).
    public var isSession: Bool { rawValue & 1 != 0 }

    /// As it stands in a header field.
    public var token: StaticString {
        switch self {
        case .md5: return "MD5"
        case .md5Session: return "MD5-sess"
        case .sha256: return "SHA-256"
        case .sha256Session: return "SHA-256-sess"
        case .sha512_256: return "SHA-512-256"
        case .sha512_256Session: return "SHA-512-256-sess"
        }
    }

    /// The algorithm of that name in any case; nil for a name that is none of ours.
    init?(named octets: UnsafeRawBufferPointer) {
        var number: UInt8 = 0
        while let algorithm = DigestAlgorithm(rawValue: number) {
            if octets.isInAnyCase(algorithm.token) {
                self = algorithm
                return
            }
            number &+= 1
        }
        return nil
    }
}

/// Some algorithms.
public struct AlgorithmSet: OptionSet, Sendable, BitwiseCopyable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public init(_ algorithm: DigestAlgorithm) { rawValue = 1 &<< algorithm.rawValue }

    public static var all: AlgorithmSet { AlgorithmSet(rawValue: 0b11_1111) }
    public static var md5: AlgorithmSet { AlgorithmSet(.md5) }
    public static var sha256: AlgorithmSet { AlgorithmSet(.sha256) }
    public static var sha512_256: AlgorithmSet { AlgorithmSet(.sha512_256) }

    public func contains(_ algorithm: DigestAlgorithm) -> Bool { rawValue & (1 &<< algorithm.rawValue) != 0 }
}

/// What a response protects (RFC 7616 §3.4): nothing is said about it (RFC 2069), method and URI, or the body too.
public enum QualityOfProtection: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    case absent, auth, authInt

    /// As it stands in a header field; empty where it is absent.
    public var token: StaticString {
        switch self {
        case .absent: return ""
        case .auth: return "auth"
        case .authInt: return "auth-int"
        }
    }

    /// nil for an option that is none of ours.
    init?(named octets: UnsafeRawBufferPointer) {
        if octets.isInAnyCase("auth") {
            self = .auth
        } else if octets.isInAnyCase("auth-int") {
            self = .authInt
        } else {
            return nil
        }
    }
}

/// The qop options of a challenge.
public struct QopOptions: OptionSet, Sendable, BitwiseCopyable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static var auth: QopOptions { QopOptions(rawValue: 1) }
    public static var authInt: QopOptions { QopOptions(rawValue: 2) }

    public func contains(_ quality: QualityOfProtection) -> Bool {
        switch quality {
        case .absent: return false
        case .auth: return contains(QopOptions.auth)
        case .authInt: return contains(QopOptions.authInt)
        }
    }
}
