import SIPWire

/// An Authorization or Proxy-Authorization value (RFC 7616 §3.4, RFC 3261 §22.4): trivial, with the places of its
/// parts.
///
/// Reads what it can. Where `fault` is set it cannot be verified; the ranges still lie inside the value.
public struct DigestCredentials: BitwiseCopyable {
    /// How the user is named.
    public enum UsernameForm: UInt8, Sendable, BitwiseCopyable {
        /// The name itself.
        case plain
        /// `username*`: UTF-8 with %-escapes (RFC 5987 §3.2).
        case extended
        /// H(username ":" realm) in hexadecimal digits (RFC 7616 §3.4.4).
        case hashed
    }

    /// What the ranges count from.
    public let message: UnsafeRawPointer
    /// Without quotes, escapes kept, like all text below. Of `username*` what comes after the charset and the language.
    public private(set) var username = OctetRange.none
    public private(set) var realm = OctetRange.none
    public private(set) var nonce = OctetRange.none
    public private(set) var uri = OctetRange.none
    public private(set) var response = OctetRange.none
    public private(set) var cnonce = OctetRange.none
    public private(set) var opaque = OctetRange.none
    /// As written, to be hashed like that; empty where there is none.
    public private(set) var nonceCountRange = OctetRange.none
    /// As written, to be hashed like that; empty where there is none.
    public private(set) var qopRange = OctetRange.none
    /// What makes the credentials unverifiable; nil where nothing does.
    public private(set) var fault: DigestFault?
    /// What the fault is about; empty where something is missing.
    public private(set) var faultRange = OctetRange.none
    /// nc as a number; 0 where there is none.
    public private(set) var nonceCount: UInt32 = 0
    /// MD5 where the client does not say.
    public private(set) var algorithm = DigestAlgorithm.md5
    public private(set) var qop = QualityOfProtection.absent
    public private(set) var usernameForm = UsernameForm.plain
    /// Whether it keeps to the grammar's letter: quotes where they belong and nowhere else, digits in lower case.
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
        check(&list)
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
        case .uri: uri = parameter.value
        case .response: response = parameter.value
        case .cnonce: cnonce = parameter.value
        case .opaque: opaque = parameter.value
        case .nonceCount:
            nonceCountRange = parameter.value
            if let number = eightDigits(text) {
                nonceCount = number
            } else {
                list.note(.nonceCount, parameter.value)
            }
        case .username where !has(.extendedUsername): username = parameter.value
        case .extendedUsername where !has(.username):
            if usernameForm == .hashed { list.note(.twoUsernames, parameter.name) }
            usernameForm = .extended
            username = parameter.value
            if !cutCharset() { list.note(.username, parameter.value) }
        case .username, .extendedUsername: list.note(.twoUsernames, parameter.name)
        case .userhash:
            guard text.isInAnyCase("true") else { break }
            if usernameForm == .extended { list.note(.twoUsernames, parameter.name) }
            usernameForm = .hashed
        case .algorithm:
            if let known = DigestAlgorithm(named: text) {
                algorithm = known
            } else {
                list.note(.unknownAlgorithm, parameter.value)
            }
        case .qop:
            qopRange = parameter.value
            if let known = QualityOfProtection(named: text) {
                qop = known
            } else {
                list.note(.unknownQop, parameter.value)
            }
        default: return
        }
        present |= name.bit
        if parameter.isQuoted != name.isQuoted(inChallenge: false) { list.isWellFormed = false }
    }

    private func check(_ list: inout AuthParameterList) {
        if !has(.username), !has(.extendedUsername) { list.note(.missingUsername, .none) }
        if !has(.realm) { list.note(.missingRealm, .none) }
        if !has(.nonce) { list.note(.missingNonce, .none) }
        if !has(.uri) || uri.isEmpty { list.note(.missingURI, .none) }
        if !has(.response) {
            list.note(.missingResponse, .none)
        } else {
            checkResponse(&list)
        }
        if (qop != .absent || algorithm.isSession), !has(.cnonce) { list.note(.missingCnonce, .none) }
        if qop == .absent {
            // Neither may be sent without qop (RFC 2617 §3.2.2); some do, and a session algorithm cannot do without.
            if has(.nonceCount) || has(.cnonce) && !algorithm.isSession { list.isWellFormed = false }
        } else if !has(.nonceCount) {
            list.note(.missingNonceCount, .none)
        }
    }

    private func checkResponse(_ list: inout AuthParameterList) {
        guard Int(response.length) == algorithm.function.length * 2 else {
            return list.note(.responseLength, response)
        }
        for octet in message.octets(response) {
            if hexadecimalValue(octet) > 15 { return list.note(.responseLength, response) }
            if octet &- 0x41 < 6 { list.isWellFormed = false }
        }
    }

    /// LHEX only by the letter (RFC 7616 §3.4), but they are hashed as written, so capitals do no harm.
    private func eightDigits(_ text: UnsafeRawBufferPointer) -> UInt32? {
        guard text.count == 8 else { return nil }
        var number: UInt32 = 0
        for octet in text {
            let digit = hexadecimalValue(octet)
            guard digit < 16 else { return nil }
            number = number &<< 4 | UInt32(digit)
        }
        return number
    }

    /// `UTF-8'language'text`.
    private mutating func cutCharset() -> Bool {
        let text = message.octets(username)
        guard let first = text.firstOffset(of: 0x27),
            UnsafeRawBufferPointer(rebasing: text[..<first]).isInAnyCase("UTF-8"),
            let second = text.firstOffset(of: 0x27, from: first &+ 1)
        else { return false }
        let used = UInt32(second &+ 1)
        username = OctetRange(offset: username.offset &+ used, length: username.length &- used)
        var place = Int(used)
        while place < text.count {
            if text[place] == 0x25 {
                guard place &+ 2 < text.count, hexadecimalValue(text[place &+ 1]) < 16,
                    hexadecimalValue(text[place &+ 2]) < 16
                else { return false }
                place &+= 2
            }
            place &+= 1
        }
        return true
    }

    private func has(_ name: AuthParameterName) -> Bool { present & name.bit != 0 }

    /// Whether the realm, its escapes resolved, is this text.
    public func isRealm(_ name: UnsafeRawBufferPointer) -> Bool {
        DigestText(written: message.octets(realm)).isEqual(to: name)
    }

    /// The user's name as its owner knows it, for looking it up: escapes resolved; of a hashed name the digits as
    /// written.
    /// - Parameter room: `username.length` octets are always enough.
    /// - Returns: how many octets were written; nil where `room` is too small.
    public func copyUsername(into room: UnsafeMutableRawBufferPointer) -> Int? {
        let text = message.octets(username)
        guard usernameForm == .extended else { return DigestText(written: text).copy(into: room) }
        guard fault == nil else { return nil }
        var count = 0
        var place = 0
        while place < text.count {
            var octet = text[place]
            if octet == 0x25 {
                octet = hexadecimalValue(text[place &+ 1]) &<< 4 | hexadecimalValue(text[place &+ 2])
                place &+= 2
            }
            guard count < room.count else { return nil }
            room[count] = octet
            count &+= 1
            place &+= 1
        }
        return count
    }
}
