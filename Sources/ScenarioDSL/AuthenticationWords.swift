// Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760) in a scenario.

/// Answers 401 and 407 from here on: `Credentials(user: "alice", password: "secret")`.
///
/// A request that is challenged is sent again with credentials, as it was but for its branch and CSeq number; the
/// steps see the answer to that one. Later requests of the party, also those in its dialogs, carry credentials at once, with the
/// nonce used before and the next nc. The ACK of a 2xx has its INVITE's credentials (RFC 3261 §22.1).
///
/// A step that names the status itself, `Expect(401)` or `On(401, 407)`, gets the challenge, and the next request answers it.
public struct Credentials: StepWord {
    /// What it stands for.
    public let written: Written

    /// - Parameters:
    ///   - realm: only for challenges of this realm. Without it: for those that no other `Credentials` of the party name.
    ///   - choosing: which of several challenges for one realm is answered.
    ///   - protectingBody: whether `auth-int` is used where the server offers both.
    public init(
        user: Value, password: Value, realm: Value = .omitted, choosing: ChallengePreference = .topmost,
        protectingBody: Bool = false
    ) {
        written = Written(
            .credentials(
                CredentialsTree(
                    user: user.tree, password: password.tree, realm: realm.treeIfGiven, preference: choosing.tree,
                    protectsBody: protectingBody)))
    }
}

/// Which of several challenges for one realm is answered.
public struct ChallengePreference: Sendable {
    let tree: ChallengePreferenceTree

    /// The first that can be answered: the server's order counts (RFC 8760 §2.4).
    public static let topmost = ChallengePreference(tree: .topmost)
    /// That of the strongest algorithm, whatever the order.
    public static let strongest = ChallengePreference(tree: .strongest)
}

/// The request just received must have credentials: `Expect(.register) { Authenticate(password: "secret") }`.
///
/// One without them is answered 401 (407 for a proxy) with a fresh challenge for each algorithm, and the same wait goes on until
/// it comes again with them. An old nonce is answered `stale=true`. Wrong credentials are challenged once more, and the call fails.
public struct Authenticate: InspectionWord {
    /// What it stands for.
    public let written: Written

    /// - Parameters:
    ///   - user: the only user let in. Without it: whoever knows the password, which may be made from the request:
    ///     `password: "\(.header("From").uri.user)-secret"`.
    ///   - algorithms: one challenge each, in this order (RFC 8760 §2.3).
    ///   - asProxy: 407 and Proxy-Authenticate.
    ///   - nonceLives: how long a nonce is good for.
    ///   - anyURI: whether the `uri` of the credentials may differ from the Request-URI, as some clients write it and as it is
    ///     behind a proxy that changes the Request-URI (RFC 3261 §22.4).
    public init(
        user: Value = .omitted, password: Value, realm: Value = .domain, algorithms: [DigestHash] = [.sha256, .md5],
        asProxy: Bool = false, nonceLives: Duration = .minutes(5), anyURI: Bool = false
    ) {
        written = Written(
            .authenticate(
                AuthenticateTree(
                    user: user.treeIfGiven, password: password.tree, realm: realm.tree,
                    algorithms: algorithms.map(\.tree), asProxy: asProxy, nonceLives: Seconds(nonceLives),
                    anyURI: anyURI)))
    }
}

/// A hash function of digest authentication.
public struct DigestHash: Sendable {
    let tree: DigestHashTree

    /// MD5 (RFC 2617): what every client knows.
    public static let md5 = DigestHash(tree: .md5)
    /// SHA-256 (RFC 8760).
    public static let sha256 = DigestHash(tree: .sha256)
    /// SHA-512/256 (RFC 8760).
    public static let sha512_256 = DigestHash(tree: .sha512_256)
}
