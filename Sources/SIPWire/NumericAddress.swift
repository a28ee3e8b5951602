// TransportAddress ⇄ text: dotted IPv4, IPv6 with or without brackets (RFC 3261 §25.1, RFC 4291 §2.2, RFC 5952).

extension TransportAddress {
    /// The most octets `write` needs: 39 of address, two brackets, a colon, five digits.
    public static let longestText = 47

    /// The address in `host`, which may be a dotted IPv4 address or an IPv6 address, in brackets or not; nil where it is
    /// a name or malformed.
    public init?(_ message: UnsafeRawPointer, host: OctetRange, port: UInt16) {
        var from = host.first
        var past = host.past
        guard from < past else { return nil }
        if message.octet(from) == Octet.openBracket {
            guard past &- from > 2, message.octet(past &- 1) == Octet.closeBracket else { return nil }
            from &+= 1
            past &-= 1
        } else if let ipv4 = dottedIPv4(message, from, past) {
            self.init(ipv4: ipv4, port: port)
            return
        }
        guard let (high, low) = ipv6(message, from, past) else { return nil }
        self.init(ipv6High: high, ipv6Low: low, port: port)
    }

    /// `host` or `host:port`: an IPv6 address with a port needs its brackets.
    public init?(_ message: UnsafeRawPointer, hostport: OctetRange, defaultPort: UInt16) {
        var hostEnd = hostport.past
        var place = hostEnd
        while place > hostport.first, isDigit(message.octet(place &- 1)) { place &-= 1 }
        var port = defaultPort
        if place > hostport.first, message.octet(place &- 1) == Octet.colon {
            let isBracketed = message.octet(hostport.first) == Octet.openBracket
            let first = message.firstOffset(of: Octet.colon, from: hostport.first, to: hostEnd)
            let endsBrackets = place &- 1 > hostport.first && message.octet(place &- 2) == Octet.closeBracket
            if isBracketed ? endsBrackets : first == place &- 1 {
                guard let number = decimal(message, place, hostEnd), number < 65536 else { return nil }
                port = UInt16(number)
                hostEnd = place &- 1
            }
        }
        self.init(message, host: OctetRange(hostport.first, hostEnd), port: port)
    }

    /// Writes the address as it stands in a SIP message, IPv6 in brackets and after RFC 5952, with `:port` where
    /// `withPort` says so.
    /// - Parameter destination: room for at least `longestText` octets.
    /// - Returns: the number of octets written.
    @discardableResult
    public func write(to destination: UnsafeMutableRawPointer, withPort: Bool = true) -> Int {
        var text = TextOutput(destination)
        if isIPv6 {
            text.put(Octet.openBracket)
            writeIPv6(&text)
            text.put(Octet.closeBracket)
        } else {
            text.put(decimal: ipv4 &>> 24)
            text.put(Octet.dot)
            text.put(decimal: (ipv4 &>> 16) & 255)
            text.put(Octet.dot)
            text.put(decimal: (ipv4 &>> 8) & 255)
            text.put(Octet.dot)
            text.put(decimal: ipv4 & 255)
        }
        if withPort {
            text.put(Octet.colon)
            text.put(decimal: UInt32(port))
        }
        return text.count
    }

    /// Writes the address alone, IPv6 without brackets: a `received` parameter (RFC 3261 §25.1, RFC 5118 §4.5), an address
    /// in SDP.
    /// - Parameter destination: room for at least `longestText` octets.
    /// - Returns: the number of octets written.
    @discardableResult
    public func writeBare(to destination: UnsafeMutableRawPointer) -> Int {
        guard isIPv6 else { return write(to: destination, withPort: false) }
        var text = TextOutput(destination)
        writeIPv6(&text)
        return text.count
    }

    /// `127.0.0.1:5060`, `[::1]:5060`: for reports and messages to people.
    public var text: String { text(withPort: true) }

    /// `127.0.0.1`, `[::1]`.
    public var hostText: String { text(withPort: false) }

    private func text(withPort: Bool) -> String {
        withUnsafeTemporaryAllocation(byteCount: Self.longestText, alignment: 1) { buffer in
            let count = write(to: buffer.baseAddress!, withPort: withPort)
            return String(decoding: UnsafeRawBufferPointer(rebasing: buffer[0..<count]), as: UTF8.self)
        }
    }

    /// `::` or 0.0.0.0: every address of this machine.
    public var isUnspecified: Bool { isIPv6 ? high == 0 && low == 0 : ipv4 == 0 }
    /// Names something only together with an interface (RFC 4291 §2.5.6).
    public var isMulticast: Bool { isIPv6 ? high >> 56 == 0xFF : ipv4 >> 28 == 0xE }

    public var isIPv6LinkLocal: Bool { isIPv6 && high >> 54 == 0x3FA }

    private func group(_ number: Int) -> UInt32 {
        let half = number < 4 ? high : low
        return UInt32(truncatingIfNeeded: half &>> UInt64(48 &- (number & 3) &* 16)) & 0xFFFF
    }

    private func writeIPv6(_ text: inout TextOutput) {
        // The longest run of at least two zero groups, the first one of equals, becomes "::".
        var bestStart = -1
        var bestLength = 1
        var number = 0
        while number < 8 {
            var length = 0
            while number &+ length < 8, group(number &+ length) == 0 { length &+= 1 }
            if length > bestLength {
                bestStart = number
                bestLength = length
            }
            number &+= max(length, 1)
        }
        number = 0
        while number < 8 {
            if number == bestStart {
                text.put(Octet.colon)
                text.put(Octet.colon)
                number &+= bestLength
                continue
            }
            if number > 0, number != bestStart &+ bestLength || bestStart < 0 { text.put(Octet.colon) }
            text.put(hexadecimal: group(number))
            number &+= 1
        }
    }
}

/// `1*3DIGIT "." 1*3DIGIT "." 1*3DIGIT "." 1*3DIGIT`, each below 256, in host byte order.
private func dottedIPv4(_ message: UnsafeRawPointer, _ from: Int, _ past: Int) -> UInt32? {
    guard past &- from >= 7, past &- from <= 15 else { return nil }
    var place = from
    var address: UInt32 = 0
    var part = 0
    while part < 4 {
        var value: UInt32 = 0
        let start = place
        while place < past, isDigit(message.octet(place)), place &- start < 3 {
            value = value &* 10 &+ UInt32(message.octet(place) &- Octet.zero)
            place &+= 1
        }
        guard place > start, value < 256 else { return nil }
        address = address &<< 8 | value
        part &+= 1
        if part < 4 {
            guard place < past, message.octet(place) == Octet.dot else { return nil }
            place &+= 1
        }
    }
    return place == past ? address : nil
}

/// RFC 4291 §2.2, forms 1 to 3.
private func ipv6(_ message: UnsafeRawPointer, _ from: Int, _ past: Int) -> (UInt64, UInt64)? {
    // Groups before the "::" pile up in `head`, those after it in `tail`, both from the right.
    var head = Groups()
    var tail = Groups()
    var isAfterGap = false
    var place = from
    if past &- place >= 2, message.octet(place) == Octet.colon {
        guard message.octet(place &+ 1) == Octet.colon else { return nil }
        isAfterGap = true
        place &+= 2
    }
    while place < past {
        let start = place
        var value: UInt64 = 0
        while place < past, hexValue(message.octet(place)) < 16, place &- start < 5 {
            value = value &* 16 &+ UInt64(hexValue(message.octet(place)))
            place &+= 1
        }
        if place < past, message.octet(place) == Octet.dot {
            guard let ipv4 = dottedIPv4(message, start, past) else { return nil }
            if isAfterGap { tail.add(UInt64(ipv4 &>> 16)) } else { head.add(UInt64(ipv4 &>> 16)) }
            if isAfterGap { tail.add(UInt64(ipv4 & 0xFFFF)) } else { head.add(UInt64(ipv4 & 0xFFFF)) }
            place = past
            break
        }
        guard place > start, place &- start <= 4 else { return nil }
        if isAfterGap { tail.add(value) } else { head.add(value) }
        if place == past { break }
        guard message.octet(place) == Octet.colon else { return nil }
        place &+= 1
        guard place < past else { return nil }
        if message.octet(place) == Octet.colon {
            guard !isAfterGap else { return nil }
            isAfterGap = true
            place &+= 1
        }
    }
    let count = head.count &+ tail.count
    guard isAfterGap ? count <= 7 : count == 8 else { return nil }
    if !isAfterGap { return (head.high, head.low) }
    head.shift(by: 8 &- head.count)
    return (head.high | tail.high, head.low | tail.low)
}

/// Up to eight groups of 16 bits, the last one rightmost.
private struct Groups {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var count = 0

    mutating func add(_ group: UInt64) {
        high = high &<< 16 | low &>> 48
        low = low &<< 16 | group
        count &+= 1
    }

    mutating func shift(by groups: Int) {
        for _ in 0..<groups {
            high = high &<< 16 | low &>> 48
            low = low &<< 16
        }
    }
}

/// Octets put one after the other.
private struct TextOutput {
    private let start: UnsafeMutableRawPointer
    private(set) var count = 0

    init(_ start: UnsafeMutableRawPointer) { self.start = start }

    mutating func put(_ octet: UInt8) {
        start.storeBytes(of: octet, toByteOffset: count, as: UInt8.self)
        count &+= 1
    }

    mutating func put(decimal value: UInt32) {
        var divisor: UInt32 = 10000
        var isLeading = true
        while divisor > 0 {
            let digit = (value / divisor) % 10
            if digit != 0 || !isLeading || divisor == 1 {
                put(Octet.zero &+ UInt8(truncatingIfNeeded: digit))
                isLeading = false
            }
            divisor /= 10
        }
    }

    mutating func put(hexadecimal value: UInt32) {
        var shift: UInt32 = 12
        var isLeading = true
        while true {
            let digit = UInt8(truncatingIfNeeded: (value &>> shift) & 15)
            if digit != 0 || !isLeading || shift == 0 {
                put(digit < 10 ? Octet.zero &+ digit : 0x57 &+ digit)
                isLeading = false
            }
            if shift == 0 { return }
            shift &-= 4
        }
    }
}
