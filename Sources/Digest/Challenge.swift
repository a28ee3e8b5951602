import SIPWire

/// A WWW-Authenticate or Proxy-Authenticate value (RFC 7616 §3.3, RFC 8760 §2): trivial, with the places of its parts.
///
/// Reads what it can. Where `fault` is set the challenge cannot be answered; the ranges still lie inside the value.
/// Quotes, blanks and order are read as leniently as can be done without guessing; `isWellFormed` says whether there
/// was need for that.
public struct Challenge: BitwiseCopyable {
    /// What the ranges count from.
    public private(set) var message: UnsafeRawPointer
    /// Without quotes, escapes kept, like all text below: as it goes back to the server.
    public private(set) var realm = OctetRange.none
    public private(set) var nonce = OctetRange.none
    public private(set) var opaque = OctetRange.none
    /// URIs with blanks between them; without meaning for Proxy-Authenticate (RFC 3261 §22.4).
    public private(set) var domain = OctetRange.none
    /// The algorithm as written; empty where there is none.
    public private(set) var algorithmRange = OctetRange.none
    /// The qop options as written; empty where there are none.
    public private(set) var qopRange = OctetRange.none
    /// What makes the challenge unanswerable; nil where nothing does.
    public private(set) var fault: DigestFault?
    /// What the fault is about: the scheme, the parameter, the name of the algorithm. Empty where something is missing.
    public private(set) var faultRange = OctetRange.none
    /// MD5 where the challenge does not say (RFC 7616 §3.3).
    public private(set) var algorithm = DigestAlgorithm.md5
    /// Those of the options that we know.
    public private(set) var qops: QopOptions = []
    /// The password was right, only the nonce is too old (RFC 7616 §3.3).
    public private(set) var isStale = false
    /// Whether the server understands a hashed user name (RFC 7616 §3.4.4).
    public private(set) var acceptsUserhash = false
    /// Whether it keeps to the grammar's letter, with quotes where they belong and nowhere else.
    public private(set) var isWellFormed = true
    private var present: UInt32 = 0

    public init(_ message: UnsafeRawPointer, _ value: OctetRange) {
        self.message = message
        var list = AuthParameterList(message, value)
        let scheme = list.readScheme()
        guard message.octets(scheme).isInAnyCase("Digest") else {
            fault = .notDigest
            faultRange = scheme
            isWellFormed = false
            return
        }
        while let parameter = list.next() { take(parameter, &list) }
        if !has(.realm) { list.note(.missingRealm, .none) }
        if !has(.nonce) { list.note(.missingNonce, .none) }
        if realm.isEmpty { list.isWellFormed = false }
        fault = list.fault
        faultRange = list.faultRange
        isWellFormed = list.isWellFormed
    }

    private mutating func take(_ parameter: AuthParameter, _ list: inout AuthParameterList) {
        guard let name = AuthParameterName(message.octets(parameter.name)) else { return }
        guard !has(name) else { return list.note(.repeatedParameter, parameter.name) }
        let text = message.octets(parameter.value)
        switch name {
        case .realm: realm = parameter.value
        case .nonce: nonce = parameter.value
        case .opaque: opaque = parameter.value
        case .domain: domain = parameter.value
        case .stale: isStale = text.isInAnyCase("true")
        case .userhash: acceptsUserhash = text.isInAnyCase("true")
        case .algorithm:
            algorithmRange = parameter.value
            if let known = DigestAlgorithm(named: text) {
                algorithm = known
            } else {
                list.note(.unknownAlgorithm, parameter.value)
            }
        case .qop:
            qopRange = parameter.value
            readOptions()
            if qops.isEmpty { list.note(.unknownQop, parameter.value) }
        default: return
        }
        present |= name.bit
        if parameter.isQuoted != name.isQuoted(inChallenge: true) { list.isWellFormed = false }
    }

    /// `auth,auth-int` with blanks anywhere; options that are none of ours are ignored (RFC 7616 §3.3).
    private mutating func readOptions() {
        var place = qopRange.offset
        while place < qopRange.end {
            let from = place
            while place < qopRange.end, !isBetweenOptions(place) { place &+= 1 }
            switch QualityOfProtection(named: message.octets(OctetRange(offset: from, length: place &- from))) {
            case .auth: qops.insert(.auth)
            case .authInt: qops.insert(.authInt)
            case .absent, nil: break
            }
            place &+= 1
        }
    }

    private func isBetweenOptions(_ place: UInt32) -> Bool {
        let octet = message.octet(at: Int(place))
        return octet == 0x2C || isValueBlank(octet)
    }

    private func has(_ name: AuthParameterName) -> Bool { present & name.bit != 0 }

    public var hasOpaque: Bool { has(.opaque) }
    public var hasAlgorithm: Bool { has(.algorithm) }
    /// Without one it is a challenge of RFC 2069: the answer has no cnonce and no nc (RFC 3261 §22.4 (8)).
    public var hasQop: Bool { has(.qop) }

    /// Whether the realm, its escapes resolved, is this text. Case matters (RFC 7616 §3.3).
    public func isRealm(_ name: UnsafeRawBufferPointer) -> Bool {
        DigestText(written: message.octets(realm)).isEqual(to: name)
    }

    /// How many octets `keep` needs.
    public var keptLength: Int { Int(realm.length) &+ Int(nonce.length) &+ Int(opaque.length) }

    /// Copies what later requests need (realm, nonce, opaque) out of a message that will not stay.
    /// - Parameters:
    ///   - nextNonce: from an Authentication-Info, where it replaces the challenge's nonce (RFC 7616 §3.5).
    ///   - room: at least `keptLength` octets, counted with the new nonce. The result refers to it. It may not overlap
    ///     what this challenge refers to.
    /// - Returns: the same challenge, counted from the start of `room`, no longer stale; nil where `room` is too small.
    public func keep(
        in room: UnsafeMutableRawBufferPointer, nextNonce: UnsafeRawBufferPointer? = nil
    ) -> Challenge? {
        let newNonce = nextNonce ?? message.octets(nonce)
        guard let start = room.baseAddress, Int(realm.length) + newNonce.count + Int(opaque.length) <= room.count
        else { return nil }
        var kept = self
        kept.message = UnsafeRawPointer(start)
        var used: UInt32 = 0
        func copied(_ octets: UnsafeRawBufferPointer) -> OctetRange {
            if let from = octets.baseAddress { (start + Int(used)).copyMemory(from: from, byteCount: octets.count) }
            defer { used &+= UInt32(octets.count) }
            return OctetRange(offset: used, length: UInt32(octets.count))
        }
        kept.realm = copied(message.octets(realm))
        kept.nonce = copied(newNonce)
        kept.opaque = copied(message.octets(opaque))
        kept.domain = .none
        kept.algorithmRange = .none
        kept.qopRange = .none
        kept.faultRange = .none
        kept.isStale = false
        return kept
    }
}
