import Glibc
import Measurement
import SIPTransactions
import SIPWire

// What is learnt of a dialog from the peer's messages (RFC 3261 §12.1): its tag, target, route set and identities.
extension CallEngine {
    /// Where in-dialog requests go: request URI, Route lines and address, from Contact and Record-Route of the message at
    /// hand (RFC 3261 §12.1). The texts stand in `textScratch` or in the message until the next use of either. `pathFault` says
    /// what was wrong with them.
    mutating func learnPath(reversed: Bool) -> (
        target: UnsafeRawBufferPointer, routes: UnsafeRawBufferPointer, next: TransportAddress?
    ) {
        guard let base = hand else { return (.init(start: nil, count: 0), .init(start: nil, count: 0), nil) }
        let contact = scanner.index.contact
        pathFault = contact.length > 0 ? .none : .noContact
        var target = OctetRange.none
        var next: TransportAddress?
        if contact.length > 0 {
            // A peer's Contact is mostly the one of its last call: what was read then is kept.
            if Int(contact.length) == contactCount, memcmp(base + Int(contact.offset), contactText, contactCount) == 0 {
                target = OctetRange(offset: contact.offset &+ contactTarget.offset, length: contactTarget.length)
                next = contactAddress
                pathTransport = contactTransport
            } else {
                target = NameAddress(base, contact, inList: true).uri
                let uri = URIView(base, target)
                next = uri.address()
                pathTransport = uri.transport
                if !uri.isWellFormed || uri.scheme != .sip && uri.scheme != .sips {
                    pathFault = .contact
                    target = .none
                } else if contact.length <= UInt32(Self.longestViaHead) {
                    memcpy(contactText, base + Int(contact.offset), Int(contact.length))
                    contactCount = Int(contact.length)
                    contactTarget = OctetRange(offset: target.offset &- contact.offset, length: target.length)
                    contactAddress = next
                    contactTransport = pathTransport
                }
            }
        }
        if target.length == 0 {
            // A peer without Contact: its identity is all there is, and a response came from where the request went.
            target = NameAddress(base, reversed ? scanner.index.to : scanner.index.from).uri
            next = reversed ? (targets.picks ? source : flows.address(targetFlow)) : URIView(base, target).address()
            pathTransport = nil
        }
        var targetText = UnsafeRawBufferPointer(start: base + Int(target.offset), count: Int(target.length))
        guard scanner.index.has(.recordRoute) else {
            judgeSecurity(base, reversed, &targetText, &next)
            return (targetText, .init(start: nil, count: 0), next)
        }
        var count = 0
        var number = 0
        var isCut = false
        while let found = scanner.number(of: .recordRoute, from: number), !isCut {
            var list = NameAddressList(base, scanner.header(found).value)
            while let one = list.next() {
                guard one.uri.length > 0 else { continue }
                guard count < Self.mostRoutes else {
                    isCut = true
                    break
                }
                routeRanges[count] = one.uri
                count &+= 1
            }
            number = found &+ 1
        }
        guard count > 0 else {
            judgeSecurity(base, reversed, &targetText, &next)
            return (targetText, .init(start: nil, count: 0), next)
        }
        let first = routeRanges[reversed ? count &- 1 : 0]
        let view = URIView(base, first)
        next = view.address()
        pathTransport = view.transport
        if leadsToTLS {
            pathFault = .secure
            // To whom the message came from, and not to a port that expects TLS.
            next = nil
        }
        var out = OctetWriter(textScratch)
        func write(_ route: OctetRange, _ out: inout OctetWriter) {
            guard out.count &+ Int(route.length) < Self.longestRoutes else {
                isCut = true
                return
            }
            out.write("Route: <")
            out.write(base + Int(route.offset), Int(route.length))
            out.write(">\r\n")
        }
        // A strict router wants its own URI as the request URI and the target as the last Route (§12.2.1.1).
        let isStrict = !view.isLooseRouter
        for place in (isStrict ? 1 : 0)..<count { write(routeRanges[reversed ? count &- 1 &- place : place], &out) }
        if isStrict {
            write(target, &out)
            targetText = UnsafeRawBufferPointer(start: base + Int(first.offset), count: Int(first.length))
        }
        if isCut, pathFault == .none || pathFault == .noContact { pathFault = .routes }
        return (targetText, UnsafeRawBufferPointer(start: textScratch, count: out.count), next)
    }

    /// Learns tag, remote target, route set (and on the called side identities and Call-ID) from the message at hand.
    mutating func learn(_ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int, fromResponse: Bool) {
        guard let base = hand else { return }
        let index = scanner.index
        let dialog = self.dialog(header, dialogNumber)
        var path = learnPath(reversed: fromResponse)
        if fromResponse, dialog.pointee.isRedirected, index.contact.length == 0, !index.has(.recordRoute) {
            path.next = flows.address(Flow(index: redirectFlow(header, dialogNumber).pointee))
        }
        let tag: OctetRange
        let identity: OctetRange
        var callID = OctetRange.none
        var local = OctetRange.none
        if fromResponse {
            tag = tagParameter(base, index.to)
            if templates(header, dialog: dialogNumber).isServer {
                // A target refresh by our own re-INVITE: identities stay, the target moves.
                refreshTarget(dialog, path.target, path.next)
                return
            }
            // The route set is fixed by the first response that makes the dialog; a 2xx may only move the target.
            if dialog.pointee.state == .confirmed, dialog.pointee.learned != 0 {
                refreshTarget(dialog, path.target, path.next)
                return
            }
            identity = tag
        } else {
            tag = tagParameter(base, index.from)
            identity = index.from
            callID = index.callID
            local = index.to
        }
        if pathFault == .routes { countMalformed(.tooManyRoutes) }
        if fromResponse { dialog.pointee.remoteTagHash = tagHash(index.to) }
        store(
            dialog, callID: callID, identity: identity, local: local, tag: tag, target: path.target,
            routes: path.routes)
        dialog.pointee.flow = flow(towards: path.next).index
    }

    /// The next hop wants TLS, and the run does not speak it.
    private var leadsToTLS: Bool {
        pathTransport == .tls && !settings.transports.contains(.tls) && pathFault == .none
    }

    /// What is to go over TLS must not leave in clear (RFC 3261 §26.2.2): a Contact that leads there is no target, and what ends the call goes
    /// where the request went or came from.
    @inline(__always)
    private mutating func judgeSecurity(
        _ base: UnsafeRawPointer, _ reversed: Bool, _ target: inout UnsafeRawBufferPointer,
        _ next: inout TransportAddress?
    ) {
        guard leadsToTLS else { return }
        pathFault = .secure
        let identity = NameAddress(base, reversed ? scanner.index.to : scanner.index.from).uri
        target = UnsafeRawBufferPointer(start: base + Int(identity.offset), count: Int(identity.length))
        next = reversed && !targets.picks ? flows.address(targetFlow) : source
        pathTransport = nil
    }

    /// A 2xx to an INVITE came whose path is not what it should be: a Contact that leads nowhere and a route set that would be
    /// cut end the call here; a Contact that is absent is counted.
    ///
    /// - Parameter isRefresh: the dialog stood before, with its route set.
    /// - Returns: whether the run has failed with it.
    mutating func judgePath(
        _ status: UInt16, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int,
        isRefresh: Bool
    ) -> Bool {
        let fault = pathFault
        if fault == .routes || fault == .secure {
            guard !isRefresh else { return false }
        } else {
            countMalformed(.missingContact)
        }
        guard fault != .noContact, header.pointee.phase == .waiting else { return false }
        fail(
            slot, header,
            fault == .contact
                ? .contact(status: status) : fault == .secure ? .secure(status: status) : .routes(status: status),
            dialogNumber)
        return true
    }

    private mutating func store(
        _ dialog: UnsafeMutablePointer<DialogRecord>, callID: OctetRange, identity: OctetRange, local: OctetRange,
        tag: OctetRange, target: UnsafeRawBufferPointer, routes: UnsafeRawBufferPointer
    ) {
        guard let base = hand else { return }
        var identityNumber: UInt16 = 0
        var rest = identity
        if callID.length > 0, tag.length > 0 {
            let head = tag.offset &- identity.offset
            identityNumber = texts.number(of: base + Int(identity.offset), Int(head))
            if identityNumber != 0 { rest = OctetRange(offset: tag.offset, length: identity.length &- head) }
        }
        let localNumber = texts.number(of: base + Int(local.offset), Int(local.length))
        let ownLocal = localNumber == 0 ? Int(local.length) : 0
        let targetNumber = target.baseAddress.map { texts.number(of: $0, target.count) } ?? 0
        let ownTarget = targetNumber == 0 ? target.count : 0
        let total =
            LearnedDialog.size &+ Int(callID.length) &+ Int(rest.length) &+ ownLocal &+ routes.count &+ ownTarget
        guard total < 65_536 else {
            recorder.count(.overflowRefusals)
            return
        }
        if dialog.pointee.learned != 0, arena.capacity(.init(raw: dialog.pointee.learned)) < total {
            release(&dialog.pointee.learned)
        }
        if dialog.pointee.learned == 0 {
            dialog.pointee.learned = arena.allocate(total).raw
            guard dialog.pointee.learned != 0 else {
                recorder.count(.overflowRefusals)
                return
            }
        }
        let block = arena.pointer(.init(raw: dialog.pointee.learned))
        var out = OctetWriter(block + LearnedDialog.size)
        out.write(base + Int(callID.offset), Int(callID.length))
        let identityAt = LearnedDialog.size &+ out.count
        out.write(base + Int(rest.offset), Int(rest.length))
        out.write(base + Int(local.offset), ownLocal)
        out.write(routes.baseAddress, routes.count)
        let targetAt = LearnedDialog.size &+ out.count
        out.write(target.baseAddress, ownTarget)
        block.storeBytes(
            of: LearnedDialog(
                callIDLength: UInt16(truncatingIfNeeded: callID.length), identityNumber: identityNumber,
                identityLength: UInt16(truncatingIfNeeded: rest.length), localNumber: localNumber,
                localLength: UInt16(truncatingIfNeeded: ownLocal),
                routesLength: UInt16(truncatingIfNeeded: routes.count),
                tagOffset: UInt16(truncatingIfNeeded: identityAt &+ Int(tag.offset &- rest.offset)),
                tagLength: UInt16(truncatingIfNeeded: tag.length), targetNumber: targetNumber,
                targetOffset: UInt16(truncatingIfNeeded: targetAt), targetLength: UInt16(truncatingIfNeeded: ownTarget)),
            as: LearnedDialog.self)
    }

    /// The peer's new Contact after a target refresh (RFC 3261 §12.2.1.2); the route set stays.
    mutating func refreshTarget(
        _ dialog: UnsafeMutablePointer<DialogRecord>, _ target: UnsafeRawBufferPointer, _ next: TransportAddress?
    ) {
        guard scanner.index.contact.length > 0, pathFault != .contact, dialog.pointee.learned != 0,
            let octets = target.baseAddress
        else { return }
        let old = arena.pointer(.init(raw: dialog.pointee.learned))
        var learned = old.load(as: LearnedDialog.self)
        let known =
            learned.targetNumber != 0
            ? texts.text(learned.targetNumber)
            : UnsafeRawBufferPointer(start: old + Int(learned.targetOffset), count: Int(learned.targetLength))
        if known.count == target.count, memcmp(known.baseAddress!, octets, target.count) == 0 { return }
        let keep = learned.routesOffset &+ Int(learned.routesLength)
        learned.targetNumber = texts.number(of: octets, target.count)
        let own = learned.targetNumber == 0 ? target.count : 0
        guard keep &+ own < 65_536 else { return }
        let handle = arena.allocate(keep &+ own)
        guard !handle.isNone else {
            recorder.count(.overflowRefusals)
            return
        }
        let block = arena.pointer(handle)
        memcpy(block, old, keep)
        memcpy(block + keep, octets, own)
        learned.targetOffset = UInt16(truncatingIfNeeded: keep)
        learned.targetLength = UInt16(truncatingIfNeeded: own)
        block.storeBytes(of: learned, as: LearnedDialog.self)
        release(&dialog.pointee.learned)
        dialog.pointee.learned = handle.raw
        if learned.routesLength == 0, let next { dialog.pointee.flow = flow(towards: next).index }
    }
}
