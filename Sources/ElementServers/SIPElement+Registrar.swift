import Glibc
import SIPTransactions
import SIPWire

// The registrar of RFC 3261 §10.3.

extension SIPElement {
    /// What a registrar that is no proxy does with a request.
    func serve(_ message: ElementMessage, _ transaction: Transaction) {
        switch message.index.method {
        case .register: register(message, transaction)
        case .options: respond(transaction, 200, more: Array("Allow: REGISTER, OPTIONS, CANCEL\r\n".utf8))
        default: respond(transaction, 405, more: Array("Allow: REGISTER, OPTIONS, CANCEL\r\n".utf8))
        }
    }

    /// - Precondition: as a proxy, we are responsible for the domain in the Request-URI (step 1).
    func register(_ message: ElementMessage, _ transaction: Transaction) {
        // Step 2.
        if message.index.has(.require) {
            return respond(transaction, 420, more: unsupported(message.tokens(.require)))
        }
        let to = TargetURI(message.address(message.index.to))
        guard to.isSIP || to.isSIPS else { return respond(transaction, 416) }
        // Steps 3 and 4.
        if !digest.isOpen {
            switch digest.judge(message, .authorization, now: UInt64(now)).0 {
            case .right(let user):
                guard user == unescaped(to.user) else {
                    counts.credentialsRefused += 1
                    return respond(transaction, 403)
                }
            case .challenge(let isStale, let wasRefused):
                return challenge(transaction, 401, "WWW-Authenticate", isStale: isStale, wasRefused: wasRefused)
            case .unreadable:
                counts.credentialsRefused += 1
                return respond(transaction, 400)
            }
        }
        // Step 5.
        guard !to.user.isEmpty, isResponsible(for: to) else { return respond(transaction, 404) }
        update(message, transaction, record: record(of: to))
    }

    func challenge(
        _ transaction: Transaction, _ status: UInt16, _ name: StaticString, isStale: Bool, wasRefused: Bool
    ) {
        counts.challenges += 1
        if isStale { counts.staleNonces += 1 }
        if wasRefused { counts.credentialsRefused += 1 }
        respond(transaction, status, more: digest.challenge(name, isStale: isStale, now: UInt64(now)))
    }

    func unsupported(_ options: [String]) -> [UInt8] {
        Array("Unsupported: \(options.joined(separator: ", "))\r\n".utf8)
    }

    /// Steps 6 to 8: all changes or none.
    private func update(_ message: ElementMessage, _ transaction: Transaction, record: String) {
        let contacts = message.addresses(.contact)
        let before = location.bindings(of: record, now: now) ?? []
        var bindings = before
        let cseq = message.index.cseqNumber
        let callID = message.callID
        /// Whether a request has come out of its order: the update fails (step 7).
        func isLate(_ binding: Binding) -> Bool { binding.callID == callID && binding.cseq >= cseq }
        if contacts.isEmpty, message.index.has(.contact) { return respond(transaction, 400) }
        var made = 0, refreshed = 0, removed = 0
        if contacts.contains(where: \.isStar) {
            guard contacts.count == 1, message.number(.expires) == 0 else { return respond(transaction, 400) }
            guard !bindings.contains(where: isLate) else { return respond(transaction, 500) }
            removed = bindings.count
            bindings = []
        } else {
            guard contacts.count <= settings.mostBindings else { return beyondLimit(transaction) }
            for contact in contacts {
                guard TargetURI(contact.uri).isUsable else { return respond(transaction, 400) }
                let asked = contact.expires.flatMap { UInt32($0) } ?? message.number(.expires)
                if let asked, asked > 0, asked < settings.leastExpires {
                    return respond(transaction, 423, more: Array("Min-Expires: \(settings.leastExpires)\r\n".utf8))
                }
                let granted = min(asked ?? settings.defaultExpires, settings.mostExpires)
                let place = bindings.firstIndex { areEquivalent($0.uri, contact.uri) }
                if before.contains(where: { isLate($0) && areEquivalent($0.uri, contact.uri) }) {
                    return respond(transaction, 500)
                }
                guard granted > 0 else {
                    if let place {
                        bindings.remove(at: place)
                        removed += 1
                    }
                    continue
                }
                let binding = Binding(
                    uri: contact.uri, q: contact.q, hasQ: contact.hasQ,
                    expires: now.after(UInt32(clamping: UInt64(granted) * 1000)), callID: callID, cseq: cseq)
                if let place {
                    bindings[place] = binding
                    refreshed += 1
                } else {
                    bindings.append(binding)
                    made += 1
                }
            }
        }
        guard bindings.count <= settings.mostBindings else { return beyondLimit(transaction) }
        if !contacts.isEmpty {
            guard location.set(bindings, of: record, now: now) else { return beyondLimit(transaction) }
            counts.bindingsMade += made
            counts.bindingsRefreshed += refreshed
            counts.bindingsRemoved += removed
        }
        var lines: [UInt8] = []
        for binding in bindings {
            lines.put("Contact: <\(binding.uri)>")
            if binding.hasQ { lines.put(";q=\(qText(binding.q))") }
            lines.put(";expires=\(binding.secondsLeft(now))\r\n")
        }
        lines.put("Date: \(dateText())\r\n")
        respond(transaction, 200, more: lines)
    }

    private func beyondLimit(_ transaction: Transaction) {
        counts.bindingsBeyondLimit += 1
        respond(transaction, 503)
    }

    // MARK: Who is who

    /// Whether a URI without a user leads to ourselves, and one with a user to somebody whom we look up.
    func isResponsible(for uri: TargetURI) -> Bool {
        if settings.role == .registrar, settings.domains.isEmpty { return true }
        if isOwnAddress(uri) { return true }
        guard uri.port == 0 || uri.port == settings.address.port else { return false }
        return settings.domains.isEmpty ? !uri.isNumeric : settings.domains.contains(uri.host)
    }

    /// Our host, and our port or none.
    func isOwnAddress(_ uri: TargetURI) -> Bool {
        guard var address = uri.address, uri.isNumeric else { return false }
        if uri.port == 0 { address.port = settings.address.port }
        return address == settings.address
    }

    /// The address of record in its canonical form (RFC 3261 §10.3 step 5). All names of a domain of ours are one.
    func record(of uri: TargetURI) -> String {
        let user = unescaped(uri.user)
        let isOne = settings.role == .proxy || !settings.domains.isEmpty
        return isOne && isResponsible(for: uri) ? user + "@" : "\(user)@\(uri.host)"
    }
}

extension TargetURI {
    /// Whether requests may be sent to it.
    var isUsable: Bool { isSIP && !host.isEmpty || isSIPS }
}

/// Without the escapes of RFC 3261 §19.1.2.
func unescaped(_ text: String) -> String {
    Array(text.utf8).withUnsafeBytes { octets in
        guard let start = octets.baseAddress else { return "" }
        return String(
            decoding: Array(UnescapedOctets(start, OctetRange(offset: 0, length: UInt32(octets.count)))), as: UTF8.self)
    }
}

/// `1`, `0.5`, `0.25`.
private func qText(_ thousandths: Int) -> String {
    guard thousandths < 1000 else { return "1" }
    var digits = String(thousandths + 1000).dropFirst()
    while digits.count > 1, digits.last == "0" { digits.removeLast() }
    return "0.\(digits)"
}

/// RFC 3261 §20.17. The only clock that is read here: a registrar tells the time to phones that have none.
private func dateText() -> String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900) "
        + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
}
