/// Chooses the challenge to answer among those of one response.
///
/// RFC 8760 §2.4: of challenges with one realm the client should use the topmost that it supports, unless a local
/// policy says otherwise, and must ignore those it does not understand. A generator measures what the server prefers,
/// so `topmost` is the rule; `strongest` is the policy for a path on which somebody might change the order (§3).
/// Challenges of several realms (a proxy's and the registrar's, RFC 3261 §22.3) are each answered: one choice per
/// realm.
public struct ChallengeChoice: BitwiseCopyable {
    public enum Rule: UInt8, Sendable, BitwiseCopyable { case topmost, strongest }

    /// Why a challenge was passed over.
    public enum Refusal: Sendable, Equatable, BitwiseCopyable {
        /// It cannot be answered by anybody, or not by us.
        case fault(DigestFault)
        /// Its algorithm is ours but was not allowed.
        case algorithmNotAllowed(DigestAlgorithm)
        /// It can be answered, with credentials that we do not have.
        case unknownRealm

        fileprivate var rank: Int {
            switch self {
            case .fault(.notDigest): return 0
            case .fault: return 1
            case .algorithmNotAllowed: return 2
            case .unknownRealm: return 3
            }
        }
    }

    public let rule: Rule
    public let allowed: AlgorithmSet
    /// What was chosen so far.
    public private(set) var chosen: Challenge?
    /// Of the challenges passed over, the one that came nearest to an answer and why it was passed over: what to show
    /// where nothing was chosen. nil where nothing was passed over.
    public private(set) var refused: Challenge?
    public private(set) var refusal: Refusal?

    public init(_ rule: Rule = .topmost, allowed: AlgorithmSet = .all) {
        self.rule = rule
        self.allowed = allowed
    }

    /// Takes the next challenge into account, from the top of the message to the bottom.
    /// - Parameter hasCredentials: whether there is a password for its realm (`Challenge.isRealm`).
    public mutating func consider(_ challenge: Challenge, hasCredentials: Bool) {
        if let fault = challenge.fault { return pass(challenge, .fault(fault)) }
        guard allowed.contains(challenge.algorithm) else {
            return pass(challenge, .algorithmNotAllowed(challenge.algorithm))
        }
        guard hasCredentials else { return pass(challenge, .unknownRealm) }
        guard let other = chosen else {
            chosen = challenge
            return
        }
        // Of two equally strong the upper one, so the server's order counts where strength does not.
        if rule == .strongest, challenge.strength > other.strength { chosen = challenge }
    }

    private mutating func pass(_ challenge: Challenge, _ why: Refusal) {
        if let refusal, refusal.rank >= why.rank { return }
        refusal = why
        refused = challenge
    }
}

extension Challenge {
    /// The hash function first, then whether there is a qop at all.
    fileprivate var strength: Int { Int(algorithm.function.rawValue) * 2 + (qops.isEmpty ? 0 : 1) }
}
