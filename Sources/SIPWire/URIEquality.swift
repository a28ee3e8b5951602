extension URIView {
    /// Whether the two name the same resource (RFC 3261 §19.1.4). Escapes of characters outside the reserved set equal the
    /// characters; user and password keep their case, all else does not; ports and the parameters user, ttl, method, maddr
    /// and transport must be in both or in neither; other parameters count only where both have them; header fields always
    /// count, in any order. URIs of other schemes are compared as written, the scheme without its case.
    public func isEquivalent(to other: URIView) -> Bool {
        guard scheme == other.scheme, equals(schemeRange, other, other.schemeRange, foldingCase: true) else {
            return false
        }
        switch scheme {
        case .other: return equals(remainder, other, other.remainder, foldingCase: false)
        case .tel:
            return equalsNumber(other) && hasItsParameters(in: other) && other.hasItsParameters(in: self)
        case .sip, .sips: break
        }
        return hasUserInfo == other.hasUserInfo && hasPassword == other.hasPassword && port == other.port
            && equals(user, other, other.user, foldingCase: false)
            && equals(password, other, other.password, foldingCase: false)
            && equals(host, other, other.host, foldingCase: true)
            && agreesOnParameters(of: other) && other.agreesOnParameters(of: self)
            && hasItsHeaders(in: other) && other.hasItsHeaders(in: self)
    }

    /// No parameter of ours contradicts the other URI's.
    private func agreesOnParameters(of other: URIView) -> Bool {
        var list = URIParameterList(message, parameters)
        while let ours = list.next() {
            if let theirs = other.find(ours.name, of: self, in: other.parameters, separator: Octet.semicolon) {
                guard equals(ours.value, other, theirs.value, foldingCase: true) else { return false }
            } else if mustBeInBoth(ours.name) {
                return false
            }
        }
        return true
    }

    private func mustBeInBoth(_ name: OctetRange) -> Bool {
        let start = message + name.first
        switch name.count {
        case 3: return isInAnyCase(start, "ttl")
        case 4: return isInAnyCase(start, "user")
        case 5: return isInAnyCase(start, "maddr")
        case 6: return isInAnyCase(start, "method")
        case 9: return isInAnyCase(start, "transport")
        default: return false
        }
    }

    /// Every parameter of a tel URI counts (RFC 3966 §4).
    private func hasItsParameters(in other: URIView) -> Bool {
        var list = URIParameterList(message, parameters)
        while let ours = list.next() {
            guard let theirs = other.find(ours.name, of: self, in: other.parameters, separator: Octet.semicolon),
                equals(ours.value, other, theirs.value, foldingCase: true)
            else { return false }
        }
        return true
    }

    private func hasItsHeaders(in other: URIView) -> Bool {
        var list = headerList
        while let ours = list.next() {
            guard let theirs = other.find(ours.name, of: self, in: other.headers, separator: Octet.ampersand),
                equals(ours.value, other, theirs.value, foldingCase: false)
            else { return false }
        }
        return true
    }

    private func find(
        _ name: OctetRange, of owner: URIView, in range: OctetRange, separator: UInt8
    ) -> Parameter? {
        var list = URIParameterList(message, range, separator: separator)
        while let parameter = list.next() {
            if equals(parameter.name, owner, name, foldingCase: true) { return parameter }
        }
        return nil
    }

    /// The digits of two tel URIs, without the separators - . ( ) (RFC 3966 §4).
    private func equalsNumber(_ other: URIView) -> Bool {
        var one = user.first
        var two = other.user.first
        while true {
            while one < user.past, isVisualSeparator(message.octet(one)) { one &+= 1 }
            while two < other.user.past, isVisualSeparator(other.message.octet(two)) { two &+= 1 }
            guard one < user.past, two < other.user.past else { return one == user.past && two == other.user.past }
            guard lowerCased(message.octet(one)) == lowerCased(other.message.octet(two)) else { return false }
            one &+= 1
            two &+= 1
        }
    }

    private func isVisualSeparator(_ octet: UInt8) -> Bool {
        octet == Octet.hyphen || octet == Octet.dot || octet == 0x28 || octet == 0x29
    }

    private func equals(_ ours: OctetRange, _ other: URIView, _ theirs: OctetRange, foldingCase: Bool) -> Bool {
        var one = EscapedOctets(message, ours)
        var two = EscapedOctets(other.message, theirs)
        while true {
            let first = one.next()
            let second = two.next()
            guard first != EscapedOctets.end, second != EscapedOctets.end else { return first == second }
            if first == second { continue }
            guard foldingCase, first < 256, second < 256, lowerCased(UInt8(first)) == lowerCased(UInt8(second)) else {
                return false
            }
        }
    }
}

/// The characters of a URI part with their escapes resolved. An escaped reserved character is not the character itself
/// (RFC 3261 §19.1.4), so it comes out as 256 and more.
struct EscapedOctets {
    static let end: UInt16 = .max
    private let message: UnsafeRawPointer
    private var place: Int
    private let past: Int

    init(_ message: UnsafeRawPointer, _ range: OctetRange) {
        self.message = message
        place = range.first
        past = range.past
    }

    mutating func next() -> UInt16 {
        guard place < past else { return Self.end }
        let octet = message.octet(place)
        place &+= 1
        guard octet == Octet.percent, past &- place >= 2 else { return UInt16(octet) }
        let high = hexValue(message.octet(place))
        let low = hexValue(message.octet(place &+ 1))
        guard high < 16, low < 16 else { return UInt16(octet) }
        place &+= 2
        let value = high &* 16 &+ low
        return isReserved(value) ? UInt16(value) &+ 256 : UInt16(value)
    }

    /// `; / ? : @ & = + $ ,` (RFC 3261 §25.1), and the percent sign itself, which is only ever escaped.
    private func isReserved(_ octet: UInt8) -> Bool {
        switch octet {
        case 0x3B, 0x2F, 0x3F, 0x3A, 0x40, 0x26, 0x3D, 0x2B, 0x24, 0x2C, 0x25: return true
        default: return false
        }
    }
}
