import SIPTransactions
import SIPWire

// The stateful proxy of RFC 3261 §16: how requests go.

extension SIPElement {
    func proxy(_ message: ElementMessage, _ transaction: Transaction) {
        var route = PreparedRoute(message)
        prepare(&route)
        // A REGISTER for ourselves is the registrar's (§10.2), and so are other questions to ourselves.
        let uri = TargetURI(route.uri)
        guard check(message, uri, transaction) else { return }
        let isOurs = route.routes.isEmpty && uri.isSIP && isResponsible(for: uri)
        if isOurs, message.index.method == .register { return register(message, transaction) }
        let (isAdmitted, leavesOut) = admit(message, transaction)
        guard isAdmitted else { return }
        route.leavesOut = leavesOut
        transaction.route = route
        guard isOurs else {
            transaction.waiting = [[route.uri]]
            return startNextGroup(of: transaction)
        }
        if uri.user.isEmpty {
            guard message.index.method == .options else { return respond(transaction, 404) }
            return respond(transaction, 200, more: Array("Accept-Encoding: identity\r\n".utf8))
        }
        guard let bindings = location.bindings(of: record(of: uri), now: now) else {
            return respond(transaction, digest.knows(unescaped(uri.user)) ? 480 : 404)
        }
        guard !bindings.isEmpty else { return respond(transaction, 480) }
        if bindings.count > 1 { counts.forks += 1 }
        var last: Int?
        for binding in bindings.sorted(by: { $0.q < $1.q }) {
            if binding.q == last {
                transaction.waiting[transaction.waiting.count - 1].append(binding.uri)
            } else {
                transaction.waiting.append([binding.uri])
                last = binding.q
            }
        }
        startNextGroup(of: transaction)
    }

    /// §16.3. Answers what may not be forwarded.
    private func check(_ message: ElementMessage, _ uri: TargetURI, _ transaction: Transaction) -> Bool {
        var status: UInt16 = 0
        var more: [UInt8] = []
        if !uri.isSIP {
            // We have no TLS (§26.2.2), and no numbers.
            status = 416
        } else if message.index.has(.maxForwards), message.number(.maxForwards) ?? 256 > 255 {
            status = 400
        } else if message.number(.maxForwards) == 0 {
            status = 483
        } else if isLooping(message) {
            status = 482
        } else if message.index.has(.proxyRequire) {
            status = 420
            more = unsupported(message.tokens(.proxyRequire))
        }
        if status > 0 { respond(transaction, status, more: more) }
        return status == 0
    }

    /// §22.3. Who begins something must say who it is; what belongs to a dialog was let in with it.
    private func admit(_ message: ElementMessage, _ transaction: Transaction) -> (Bool, Set<UInt32>) {
        guard !digest.isOpen else { return (true, []) }
        if message.tag(message.index.to) != nil, !message.index.has(.proxyAuthorization) { return (true, []) }
        let (verdict, line) = digest.judge(message, .proxyAuthorization, now: UInt64(now))
        switch verdict {
        case .right: return (true, line.map { [$0] } ?? [])
        case .unreadable:
            counts.credentialsRefused += 1
            respond(transaction, 400)
        case .challenge(let isStale, let wasRefused):
            if message.tag(message.index.to) != nil { return (true, []) }
            challenge(transaction, 407, "Proxy-Authenticate", isStale: isStale, wasRefused: wasRefused)
        }
        return (false, [])
    }

    // MARK: Routes

    /// §16.4: who sent this may be a strict router, and we are no more in the way.
    private func prepare(_ route: inout PreparedRoute) {
        guard route.isRouted else { return }
        let uri = TargetURI(route.uri)
        // Our own Record-Route in the Request-URI: the target stands last in the route set.
        if uri.isLoose, uri.user.isEmpty, isOwnAddress(uri), !route.routes.isEmpty {
            let last = route.routes.removeLast()
            route.uri = last.uri
            route.hasChanged = true
        }
        while let first = route.routes.first, isOwnRoute(TargetURI(first.uri)) {
            route.routes.removeFirst()
            route.hasChanged = true
        }
    }

    private func isOwnRoute(_ uri: TargetURI) -> Bool {
        guard uri.isSIP else { return false }
        if isOwnAddress(uri) { return true }
        return settings.domains.contains(uri.host) && (uri.port == 0 || uri.port == settings.address.port)
    }

    /// Where a request goes next, and as what (§16.6 steps 6 and 7).
    private func nextHop(_ route: PreparedRoute, target: String) -> (hop: Hop, uri: String, routes: [String]?)? {
        var uri = target
        var routes = route.routes
        var next = TargetURI(target)
        if let first = routes.first {
            next = TargetURI(first.uri)
            if !next.isLoose {
                // The next one is a strict router: it wants to be the Request-URI.
                routes.removeFirst()
                routes.append(AddressText(uri: target, text: "<\(target)>"))
                uri = first.uri
            }
        }
        guard next.isSIP, let address = next.address else { return nil }
        let isChanged = route.hasChanged || routes.count != route.routes.count || uri != target
        return (Hop(address: address, isStream: next.isStream), uri, isChanged ? routes.map(\.text) : nil)
    }

    // MARK: Loops

    /// What decides where a request goes (RFC 5393 §4.2.2): where it comes again with the same, it has looped.
    private func routing(_ message: ElementMessage) -> String {
        var texts = [message.requestURI, message.callID, "\(message.index.cseqNumber)"]
        texts.append(message.tag(message.index.from) ?? "")
        texts.append(message.tag(message.index.to) ?? "")
        for name in [HeaderName.route, .proxyRequire, .proxyAuthorization] {
            texts += message.values(name).map(message.text)
        }
        return String(fingerprint(of: texts), radix: 16)
    }

    private func isLooping(_ message: ElementMessage) -> Bool {
        guard message.index.hasSeveralVias else { return false }
        let ending = "." + routing(message)
        return message.octets.withUnsafeBytes { buffer in
            for value in message.values(.via) {
                var via = Optional(ViaValue(buffer.baseAddress!, value))
                while let one = via {
                    if let branch = one.branch, message.text(branch).hasSuffix(ending), isOwn(one) { return true }
                    via = one.next()
                }
            }
            return false
        }
    }

    func isOwn(_ via: ViaValue) -> Bool {
        TransportAddress(via.message, host: via.host, port: via.port == 0 ? 5060 : via.port) == settings.address
    }

    // MARK: Forwarding

    /// §16.6, for all targets of the best q that have not been tried.
    func startNextGroup(of transaction: Transaction) {
        guard let group = transaction.waiting.popLast(), let message = transaction.request else { return }
        if message.index.method == .invite, !transaction.hasFinal, transaction.branches.isEmpty {
            respond(transaction, 100)
        }
        var failed: [Branch] = []
        for target in group {
            let branch = start(message, transaction, target: target)
            if !branch.awaitsFinal { failed.append(branch) }
        }
        if !failed.isEmpty { finish(transaction) }
    }

    private func start(_ message: ElementMessage, _ transaction: Transaction, target: String) -> Branch {
        let token = "z9hG4bK\(token()).\(routing(message))"
        let method = message.index.method
        guard let next = nextHop(transaction.route, target: target) else {
            // A name, and we look none up; or a scheme that we do not speak.
            let branch = Branch(token: token, hop: transaction.hop, isInvite: method == .invite, request: [])
            branch.abandon()
            branch.end(502, nil)
            transaction.branches.append(branch)
            return branch
        }
        let octets = forwarded(
            message, next, token: token, below: transaction.via, from: transaction.hop,
            leavesOut: transaction.route.leavesOut)
        let branch = Branch(token: token, hop: next.hop, isInvite: method == .invite, request: octets)
        transaction.branches.append(branch)
        branches[token] = (transaction, branch)
        branch.start(now: now, timers: settings.timers, timerC: settings.timerC)
        counts.requestsForwarded += 1
        send(octets, to: next.hop, branch: token)
        return branch
    }

    private func forwarded(
        _ message: ElementMessage, _ next: (hop: Hop, uri: String, routes: [String]?), token: String,
        below: [UInt8], from: Hop, leavesOut: Set<UInt32>
    ) -> [UInt8] {
        var how = ElementMessage.Forwarding(
            uri: next.uri,
            via: "SIP/2.0/\(next.hop.isStream ? "TCP" : "UDP") \(settings.address.text);branch=\(token)",
            below: below, maxForwards: message.number(.maxForwards).map { max($0, 1) - 1 } ?? 70)
        how.routes = next.routes
        how.leavesOut = leavesOut
        if settings.recordsRoute {
            switch message.index.method {
            case .invite, .subscribe, .refer, .notify, .update:
                // Where the transports differ each side gets its own (RFC 5658 §4).
                how.recordRoutes = [recordRoute(isStream: next.hop.isStream)]
                if from.isStream != next.hop.isStream { how.recordRoutes.append(recordRoute(isStream: from.isStream)) }
            default: break
            }
        }
        return message.forwarded(how)
    }

    private func recordRoute(isStream: Bool) -> String {
        "<sip:\(settings.address.text)\(isStream ? ";transport=tcp" : "");lr>"
    }

    /// An ACK for a 2xx: no transaction of ours (§16.11), so that it goes the same way each time by the same branch.
    func passOn(_ message: ElementMessage, _ via: TopmostVia) {
        var route = PreparedRoute(message)
        prepare(&route)
        var target = route.uri
        let uri = TargetURI(target)
        guard uri.isSIP else { return counts.drop(.strayAcknowledgement) }
        guard message.number(.maxForwards) != 0, !isLooping(message) else { return counts.drop(.tooManyHops) }
        if route.routes.isEmpty, isResponsible(for: uri) {
            guard !uri.user.isEmpty, let binding = location.bindings(of: record(of: uri), now: now)?.first else {
                return counts.drop(.strayAcknowledgement)
            }
            target = binding.uri
        }
        guard let next = nextHop(route, target: target) else { return counts.drop(.strayAcknowledgement) }
        let own = String(fingerprint(of: [via.branch, via.sentBy, target]), radix: 36)
        let octets = forwarded(
            message, next, token: "z9hG4bK\(own).\(routing(message))", below: via.answered, from: via.hop,
            leavesOut: [])
        counts.requestsForwarded += 1
        send(octets, to: next.hop)
    }
}

/// One element of a Route.
struct AddressText {
    var uri: String
    var text: String
}

/// The Request-URI and the route set of a request, after §16.4.
struct PreparedRoute {
    var uri = ""
    var routes: [AddressText] = []
    var hasChanged = false
    /// Lines of Proxy-Authorization that were meant for us.
    var leavesOut: Set<UInt32> = []

    init() {}

    init(_ message: ElementMessage) {
        uri = message.requestURI
        routes = message.addresses(.route).map { AddressText(uri: $0.uri, text: $0.text) }
    }

    var isRouted: Bool { !routes.isEmpty }
}
