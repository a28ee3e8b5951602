import SIPWire

/// One `name=value` of a challenge or of credentials (RFC 3261 §25.1, auth-param).
struct AuthParameter {
    var name: OctetRange
    /// Without the quotes; escapes are kept.
    var value: OctetRange
    var isQuoted: Bool
}

/// The parameters after the scheme, one after the other: commas separate, blanks are allowed round every separator,
/// quoted strings are whole.
///
/// Reads what it can: the first fault is noted, and reading goes on after the next comma.
struct AuthParameterList {
    let message: UnsafeRawPointer
    private var place: Int
    private let past: Int
    private var hasStarted = false
    private(set) var fault: DigestFault?
    private(set) var faultRange = OctetRange.none
    /// Whether all that was read so far keeps to the grammar's letter.
    var isWellFormed = true

    init(_ message: UnsafeRawPointer, _ parameters: OctetRange) {
        self.message = message
        place = Int(parameters.offset)
        past = Int(parameters.end)
    }

    /// The first fault counts.
    mutating func note(_ fault: DigestFault, _ range: OctetRange) {
        isWellFormed = false
        guard self.fault == nil else { return }
        self.fault = fault
        faultRange = range
    }

    /// Skips blanks and the scheme.
    mutating func readScheme() -> OctetRange {
        skipBlanks()
        let scheme = token()
        // LWS after the scheme, unless nothing follows.
        if place < past, !isValueBlank(message.octet(at: place)) { isWellFormed = false }
        return scheme
    }

    mutating func next() -> AuthParameter? {
        while true {
            var commas = 0
            skipBlanks()
            while place < past, message.octet(at: place) == 0x2C {
                commas &+= 1
                place &+= 1
                skipBlanks()
            }
            // One comma between two parameters, none before the first or after the last.
            if commas != (hasStarted && place < past ? 1 : 0) { isWellFormed = false }
            guard place < past else { return nil }
            hasStarted = true
            if let parameter = readParameter() { return parameter }
        }
    }

    /// nil where there was a fault and no value.
    private mutating func readParameter() -> AuthParameter? {
        let from = place
        let name = token()
        skipBlanks()
        guard name.length > 0, place < past, message.octet(at: place) == 0x3D else {
            // "Digest realm=…" after a comma: a second challenge.
            let isScheme = name.length > 0 && place < past && isInToken(message.octet(at: place))
            skipToComma()
            note(isScheme ? .severalInOneValue : .malformedParameter, range(from, place))
            return nil
        }
        place &+= 1
        skipBlanks()
        let isQuoted = place < past && message.octet(at: place) == 0x22
        guard let value = isQuoted ? quotedString() : bareValue() else { return nil }
        skipBlanks()
        if place < past, message.octet(at: place) != 0x2C {
            let rest = place
            skipToComma()
            note(.malformedParameter, range(rest, place))
        }
        return AuthParameter(name: name, value: value, isQuoted: isQuoted)
    }

    /// At the opening quote. nil where there is no closing one or a control character comes first.
    private mutating func quotedString() -> OctetRange? {
        let opening = place
        let from = place &+ 1
        place = from
        var control: Int?
        while place < past {
            let octet = message.octet(at: place)
            if octet == 0x22 {
                let value = range(from, place)
                place &+= 1
                guard let control else { return value }
                note(.controlOctet, range(control, control &+ 1))
                return nil
            }
            if octet == 0x5C {
                // What is escaped is looked at in its turn, but closes nothing.
                place &+= 1
                guard place < past else { break }
            }
            if isControl(message.octet(at: place)), control == nil { control = place }
            place &+= 1
        }
        place = past
        note(.unclosedQuote, range(opening, past))
        return nil
    }

    /// A token, or what somebody left without its quotes: any characters but blanks, commas, quotes and backslashes.
    private mutating func bareValue() -> OctetRange? {
        let from = place
        while place < past {
            let octet = message.octet(at: place)
            if octet <= 0x20 || octet == 0x2C || octet == 0x22 || octet == 0x5C || octet == 0x7F { break }
            if !isInToken(octet) { isWellFormed = false }
            place &+= 1
        }
        if place > from { return range(from, place) }
        skipToComma()
        note(.malformedParameter, range(from, place))
        return nil
    }

    private mutating func token() -> OctetRange {
        let from = place
        while place < past, isInToken(message.octet(at: place)) { place &+= 1 }
        return range(from, place)
    }

    private mutating func skipBlanks() {
        while place < past, isValueBlank(message.octet(at: place)) { place &+= 1 }
    }

    /// Quoted strings as a whole.
    private mutating func skipToComma() {
        var isInQuotes = false
        while place < past {
            let octet = message.octet(at: place)
            if octet == 0x2C, !isInQuotes { return }
            if octet == 0x22 { isInQuotes.toggle() }
            place &+= octet == 0x5C && isInQuotes ? 2 : 1
        }
        place = past
    }

    private func range(_ from: Int, _ to: Int) -> OctetRange {
        OctetRange(offset: UInt32(truncatingIfNeeded: from), length: UInt32(truncatingIfNeeded: to &- from))
    }
}

/// The parameters that mean something here.
enum AuthParameterName: UInt8 {
    case realm, nonce, opaque, stale, algorithm, qop, userhash, domain
    case username, extendedUsername, uri, response, cnonce, nonceCount
    case nextNonce, responseAuth

    var bit: UInt32 { 1 &<< UInt32(rawValue) }

    /// nil for any other name: it is ignored (RFC 7616 §3.3).
    init?(_ name: UnsafeRawBufferPointer) {
        switch name.count {
        case 2: self.init(name, "nc", .nonceCount)
        case 3: self.init(name, "uri", .uri, "qop", .qop)
        case 5: self.init(name, "nonce", .nonce, "realm", .realm, "stale", .stale)
        case 6: self.init(name, "cnonce", .cnonce, "opaque", .opaque, "domain", .domain)
        case 7: self.init(name, "rspauth", .responseAuth)
        case 8: self.init(name, "username", .username, "response", .response, "userhash", .userhash)
        case 9:
            self.init(name, "algorithm", .algorithm, "nextnonce", .nextNonce, "username*", .extendedUsername)
        default: return nil
        }
    }

    private init?(
        _ name: UnsafeRawBufferPointer, _ first: StaticString, _ firstName: Self, _ second: StaticString = "",
        _ secondName: Self = .realm, _ third: StaticString = "", _ thirdName: Self = .realm
    ) {
        if name.isInAnyCase(first) {
            self = firstName
        } else if name.isInAnyCase(second) {
            self = secondName
        } else if name.isInAnyCase(third) {
            self = thirdName
        } else {
            return nil
        }
    }

    /// Whether the grammar has quotes round the value: true, false, or nil where both are met on the wire rightly. In
    /// credentials qop and algorithm have none; in a challenge qop has some (RFC 7616 §3.3, §3.4).
    func isQuoted(inChallenge: Bool) -> Bool {
        switch self {
        case .stale, .algorithm, .userhash, .nonceCount, .extendedUsername: return false
        case .qop: return inChallenge
        default: return true
        }
    }
}
