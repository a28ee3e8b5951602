// The grammar of the header fields' values, for those who judge a message rather than handle it: checks, torture messages.
// The hot path never comes here; RFC 3261 §8.2.2 and §16.3 want malformed values that nobody needs ignored.

/// A fault and the offset of the value or part it stands in.
public struct WireFinding: Sendable, Equatable {
    public var fault: WireFault
    public var offset: UInt32
}

extension MessageScanner {
    /// The first breach of the grammar in the message scanned last, in its Request-URI or the values of its header fields;
    /// nil where there is none that this reader knows. Call it after a scan that said `message`.
    public func strictFault() -> WireFinding? {
        guard let base = octets.baseAddress else { return nil }
        if index.isRequest {
            let uri = URIView(base, index.requestURI)
            if !uri.isWellFormed { return finding(.requestURI, index.requestURI) }
            if !uri.headers.isEmpty { return finding(.escapedHeadersInRequestURI, uri.headers) }
        }
        for number in 0..<index.headerCount {
            let line = header(number)
            if let fault = fault(base, line) { return finding(fault, line.value) }
        }
        if hasCookieOnly(base) { return finding(.viaBranch, index.topmostVia) }
        return repeatedFault()
    }

    private func finding(_ fault: WireFault, _ range: OctetRange) -> WireFinding {
        WireFinding(fault: fault, offset: range.offset)
    }

    private func hasCookieOnly(_ base: UnsafeRawPointer) -> Bool {
        guard let branch = ViaValue(base, index.topmostVia).branch else { return false }
        return branch.count == 7 && isInAnyCase(base + branch.first, "z9hg4bk")
    }

    /// Header fields that a message may have once only and that the scan lets pass twice (RFC 3261 Table 2).
    private func repeatedFault() -> WireFinding? {
        let single: [HeaderName] = [
            .expires, .minExpires, .sessionExpires, .minSE, .event, .subscriptionState, .referTo, .referredBy,
            .replaces,
            .rseq, .rack, .retryAfter, .date, .contentDisposition, .replyTo, .sipETag, .sipIfMatch, .subject, .server,
            .userAgent,
        ]
        for name in single where index.hasSeveral(name) {
            guard let first = number(of: name, from: 0), let second = number(of: name, from: first + 1) else {
                continue
            }
            return finding(.repeatedHeader, header(second).line)
        }
        return nil
    }

    private func fault(_ base: UnsafeRawPointer, _ line: HeaderLine) -> WireFault? {
        let value = line.value
        switch line.name {
        case .via: return areViasRight(base, value) ? nil : .via
        case .from, .to, .referTo, .referredBy, .replyTo:
            return isAddressRight(NameAddress(base, value)) ? nil : .nameAddress
        case .contact, .route, .recordRoute, .path, .serviceRoute, .pAssertedIdentity, .pPreferredIdentity:
            return addressListFault(base, value)
        case .maxForwards: return isNumber(base, value, below: 256) ? nil : .maxForwards
        case .expires, .minExpires: return isNumber(base, value, below: 1 << 32) ? nil : .expires
        case .retryAfter: return isRetryAfterRight(base, value) ? nil : .retryAfter
        case .warning: return isWarningRight(base, value) ? nil : .warning
        case .date: return isDateRight(base, value) ? nil : .date
        case .callID: return isCallIDRight(base, value) ? nil : .callID
        default: return nil
        }
    }

    private func areViasRight(_ base: UnsafeRawPointer, _ value: OctetRange) -> Bool {
        var rest: ViaValue? = ViaValue(base, value)
        while let via = rest {
            guard via.isWellFormed else { return false }
            rest = via.next()
        }
        return true
    }

    private func isAddressRight(_ address: NameAddress) -> Bool {
        address.isWellFormed && !address.isStar && address.uriView.isWellFormed
    }

    private func addressListFault(_ base: UnsafeRawPointer, _ value: OctetRange) -> WireFault? {
        var rest = value
        repeat {
            let address = NameAddress(base, rest, inList: true)
            guard address.isWellFormed else { return .nameAddress }
            rest = address.rest
            if address.isStar { continue }
            guard address.uriView.isWellFormed else { return .nameAddress }
            let uri = address.uri
            if !address.isBracketed, base.firstOffset(of: Octet.question, from: uri.first, to: uri.past) != nil {
                return .contactNotBracketed
            }
        } while !rest.isEmpty
        return nil
    }

    private func isNumber(_ base: UnsafeRawPointer, _ value: OctetRange, below limit: Int64) -> Bool {
        decimal(base, value.first, value.past).map { $0 < limit } ?? false
    }

    /// `delta-seconds [ comment ] *( SEMI retry-param )`
    private func isRetryAfterRight(_ base: UnsafeRawPointer, _ value: OctetRange) -> Bool {
        var end = value.first
        while end < value.past, isDigit(base.octet(end)) { end &+= 1 }
        guard isNumber(base, OctetRange(value.first, end), below: 1 << 32) else { return false }
        let rest = trimmed(base, end, value.past)
        return rest.isEmpty || base.octet(rest.first) == 0x28 || base.octet(rest.first) == Octet.semicolon
    }

    /// `3DIGIT SP warn-agent SP quoted-string`, several with commas between.
    private func isWarningRight(_ base: UnsafeRawPointer, _ value: OctetRange) -> Bool {
        var rest = value
        while !rest.isEmpty {
            let end = firstListElementEnd(base, rest.first, rest.past)
            let element = trimmed(base, rest.first, end)
            var words = SDPWords(base, element)
            let code = words.next()
            let agent = words.next()
            let text = words.remainder
            guard code.count == 3, decimal(base, code.first, code.past) != nil, !agent.isEmpty, text.count >= 2,
                base.octet(text.first) == Octet.quote, quotedStringEnd(base, text.first, text.past) == text.past
            else { return false }
            rest = end < rest.past ? trimmed(base, end &+ 1, rest.past) : .none
        }
        return true
    }

    /// `wkday "," SP 2DIGIT SP month SP 4DIGIT SP time SP "GMT"`: 29 octets.
    private func isDateRight(_ base: UnsafeRawPointer, _ value: OctetRange) -> Bool {
        guard value.count == 29, base.octet(value.first &+ 3) == Octet.comma else { return false }
        return isInAnyCase(base + value.past - 3, "gmt")
    }

    /// `word [ "@" word ]`
    private func isCallIDRight(_ base: UnsafeRawPointer, _ value: OctetRange) -> Bool {
        var wordLength = 0
        var hasAt = false
        for place in value.first..<value.past {
            let octet = base.octet(place)
            if octet == Octet.at, !hasAt, wordLength > 0 {
                hasAt = true
                wordLength = 0
            } else if isWordOctet(octet) {
                wordLength += 1
            } else {
                return false
            }
        }
        return wordLength > 0
    }

    /// A token's octets, and `( ) < > : \ " / [ ] ? { }`.
    private func isWordOctet(_ octet: UInt8) -> Bool {
        switch octet {
        case 0x28, 0x29, 0x3C, 0x3E, 0x3A, 0x5C, 0x22, 0x2F, 0x5B, 0x5D, 0x3F, 0x7B, 0x7D: return true
        default: return isTokenOctet(octet)
        }
    }
}
