import Digest
import SIPWire

/// Asks for credentials and judges them (RFC 7616, RFC 8760).
struct DigestGuard: ~Copyable {
    enum Verdict {
        case right(user: String)
        /// A challenge is due.
        case challenge(isStale: Bool, wasRefused: Bool)
        case unreadable
    }

    private let credentials: UserCredentials
    private let realm: [UInt8]
    private let algorithms: [DigestAlgorithm]
    private let secret: NonceSecret
    private let lifetime: UInt64
    private let mostNonces: Int
    private var hasher = DigestHasher()
    private var salt: UInt64 = 0
    /// By nonce and not by user: one user may have several phones.
    private var counts: [String: NonceCountRecord] = [:]
    /// In the order of their first use, those from `oldest` on.
    private var nonces: [String] = []
    private var oldest = 0

    init(_ settings: ElementSettings, _ secret: NonceSecret) {
        credentials = settings.credentials
        realm = Array(settings.realm.utf8)
        switch settings.challenges {
        case .md5: algorithms = [.md5]
        case .sha256: algorithms = [.sha256]
        case .both: algorithms = [.sha256, .md5]
        }
        lifetime = UInt64(settings.nonceLifetime)
        mostNonces = settings.mostNonces
        self.secret = secret
    }

    var isOpen: Bool {
        if case .open = credentials { return true }
        return false
    }

    func knows(_ user: String) -> Bool {
        if case .users(let users) = credentials { return users[user] != nil }
        return false
    }

    private func password(of user: String) -> String? {
        switch credentials {
        case .open: nil
        case .password(let password): password
        case .users(let users): users[user]
        }
    }

    private func policy(_ realm: UnsafeRawBufferPointer) -> ServerPolicy {
        var policy = ServerPolicy(realm: realm, secret: secret)
        policy.algorithms = AlgorithmSet(rawValue: algorithms.reduce(0) { $0 | AlgorithmSet($1).rawValue })
        policy.acceptsWithoutQop = true
        policy.nonceLifetimeMilliseconds = lifetime
        // A proxy on the way, or a strict router, changes the Request-URI.
        policy.uriRule = .any
        return policy
    }

    /// Judges the credentials of a request in its Authorization or Proxy-Authorization header fields.
    ///
    /// - Returns: also where the line stands that was meant for us.
    mutating func judge(_ message: ElementMessage, _ name: HeaderName, now: UInt64) -> (Verdict, line: UInt32?) {
        for line in message.lines where line.name == name {
            if let verdict = judge(message, line.value, now: now) { return (verdict, line.line.offset) }
        }
        return (.challenge(isStale: false, wasRefused: false), nil)
    }

    /// nil: meant for somebody else.
    private mutating func judge(_ message: ElementMessage, _ value: OctetRange, now: UInt64) -> Verdict? {
        let realm = realm
        return message.octets.withUnsafeBytes { buffer in
            realm.withUnsafeBytes { realm -> Verdict? in
                let given = DigestCredentials(buffer.baseAddress!, value)
                var name = [UInt8](repeating: 0, count: Int(given.username.length))
                let count = name.withUnsafeMutableBytes { given.copyUsername(into: $0) } ?? 0
                let user = String(decoding: name[..<count], as: UTF8.self)
                let nonce = message.text(given.nonce)
                var userHash: HashValue?
                if let password = password(of: user) {
                    userHash = Array(user.utf8).withUnsafeBytes { user in
                        Array(password.utf8).withUnsafeBytes { password in
                            hasher.hash(
                                username: user, realm: realm, password: password, given.algorithm.function)
                        }
                    }
                }
                func octets(_ range: OctetRange) -> UnsafeRawBufferPointer {
                    UnsafeRawBufferPointer(rebasing: buffer[range.indices])
                }
                let request = DigestRequest(
                    method: octets(message.index.methodRange), uri: octets(message.index.requestURI),
                    body: octets(message.index.body))
                var record = counts[nonce] ?? NonceCountRecord()
                let verdict = hasher.verify(
                    given, policy(realm), userHash: userHash, request, nowMilliseconds: now, counts: &record)
                switch verdict {
                case .wrongRealm: return nil
                case .right:
                    remember(nonce, record)
                    return .right(user: user)
                case .fault(.notDigest), .foreignNonce: return .challenge(isStale: false, wasRefused: false)
                case .fault: return .unreadable
                case .staleNonce, .replayed: return .challenge(isStale: true, wasRefused: false)
                default: return .challenge(isStale: false, wasRefused: true)
                }
            }
        }
    }

    /// Beyond the limit the nonce that has been in use longest is forgotten: until it is stale its counts could be used again.
    private mutating func remember(_ nonce: String, _ record: NonceCountRecord) {
        if counts.updateValue(record, forKey: nonce) != nil { return }
        nonces.append(nonce)
        guard counts.count > mostNonces else { return }
        counts[nonces[oldest]] = nil
        oldest += 1
        if oldest > mostNonces {
            nonces.removeFirst(oldest)
            oldest = 0
        }
    }

    /// The lines of WWW-Authenticate or Proxy-Authenticate.
    mutating func challenge(_ name: StaticString, isStale: Bool, now: UInt64) -> [UInt8] {
        var lines: [UInt8] = []
        let realm = realm
        for algorithm in algorithms {
            salt += 1
            let value = realm.withUnsafeBytes { realm in
                let policy = policy(realm)
                return [UInt8](unsafeUninitializedCapacity: 512 + 2 * realm.count) { room, count in
                    count =
                        (try? hasher.writeChallenge(
                            policy, algorithm, isStale: isStale, nowMilliseconds: now, salt: salt,
                            into: UnsafeMutableRawBufferPointer(room))) ?? 0
                }
            }
            lines.put(name)
            lines.put(": ")
            lines += value
            lines.put("\r\n")
        }
        return lines
    }
}
