import Digest
import Glibc
import Measurement
import SIPTransactions
import SIPWire

// Requests with credentials: those sent again after a challenge, those that carry them at once, and the ACK.
extension CallEngine {
    /// A place of a request where its copy differs.
    private struct Edit {
        enum Kind { case branch, cseq, removed, credentials }
        var offset: Int
        var length: Int
        var kind: Kind
    }

    /// Fields of credentials in one request that are looked at.
    private static let mostEdits = 32

    /// Copies the request scanned last with credentials for every challenge known, in place of those it had for them.
    ///
    /// - Parameters:
    ///   - token: of the new branch; nil: as it is.
    ///   - cseq: nil: as it is.
    /// - Returns: the length, and where the lines of credentials stand; nil where the request cannot be read.
    private mutating func writeAuthorized(
        _ request: UnsafeRawBufferPointer, _ place: UnsafeMutableRawPointer, token: CallToken?, cseq: UInt32?,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) -> (length: Int, lines: Range<Int>)? {
        let index = scanner.index
        guard let base = request.baseAddress, index.isRequest, index.body.offset >= 4,
            (base + Int(index.body.offset) - 2).loadUnaligned(as: UInt16.self) == 0x0A0D
        else { return nil }
        return withUnsafeTemporaryAllocation(of: Edit.self, capacity: Self.mostEdits) { edits in
            var count = 0
            func add(_ offset: Int, _ length: Int, _ kind: Edit.Kind) {
                guard count < edits.count else { return }
                var slot = count
                while slot > 0, edits[slot - 1].offset > offset {
                    edits[slot] = edits[slot - 1]
                    slot -= 1
                }
                edits[slot] = Edit(offset: offset, length: length, kind: kind)
                count += 1
            }
            add(Int(index.body.offset) - 2, 0, .credentials)
            if token != nil {
                let branch = topmostBranch(base, index.topmostVia)
                guard settings.nonce.token(ofBranch: base + Int(branch.offset), length: Int(branch.length)) != nil
                else {
                    return nil
                }
                add(Int(branch.end) - CallToken.width, CallToken.width, .branch)
            }
            if cseq != nil, let value = scanner.firstValue(.cseq) {
                var digits = 0
                while (base + Int(value.offset) + digits).load(as: UInt8.self) &- 0x30 < 10 { digits += 1 }
                add(Int(value.offset), digits, .cseq)
            }
            for (name, isProxy) in [(HeaderName.authorization, false), (.proxyAuthorization, true)] {
                var number = 0
                while let found = scanner.number(of: name, from: number) {
                    number = found + 1
                    let field = scanner.header(found)
                    let given = DigestCredentials(base, field.value)
                    let realm = UnsafeRawBufferPointer(
                        start: base + Int(given.realm.offset), count: Int(given.realm.length))
                    if known(realm, isProxy: isProxy, header) != nil {
                        add(Int(field.line.offset), Int(field.line.length), .removed)
                    }
                }
            }
            var out = OctetWriter(place)
            var copied = 0
            var lines = 0..<0
            for number in 0..<count {
                let edit = edits[number]
                out.write(base + copied, edit.offset - copied)
                copied = edit.offset + edit.length
                switch edit.kind {
                case .branch: out.write(token!)
                case .cseq: out.writeNumber(UInt64(cseq!))
                case .removed: break
                case .credentials:
                    let start = out.count
                    guard
                        writeCredentials(
                            DigestRequest(
                                method: slice(base, index.methodRange), uri: slice(base, index.requestURI),
                                body: slice(base, index.body)), &out, header)
                    else { return nil }
                    lines = start..<out.count
                }
            }
            out.write(base + copied, request.count - copied)
            return (out.count, lines)
        }
    }

    /// A line of credentials for each challenge known; its nonce has then been used once more.
    private mutating func writeCredentials(
        _ request: DigestRequest, _ out: inout OctetWriter, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        var cursor = security(header).pointee.challenges
        while cursor != 0 {
            let block = challenge(cursor)
            cursor = block.pointee.next
            block.pointee.nonceCount &+= 1
            let mine = credentials(block.pointee.credentials)
            var cnonce = (
                CallToken.digits(UInt32(truncatingIfNeeded: block.pointee.cnonce)),
                CallToken.digits(UInt32(truncatingIfNeeded: block.pointee.cnonce &>> 32))
            )
            out.write(block.pointee.isProxy ? "Proxy-Authorization: " : "Authorization: ")
            let room = UnsafeMutableRawBufferPointer(
                start: out.start + out.count, count: KnownChallenge.longestText * 2)
            let written = withUnsafeBytes(of: &cnonce) { octets -> Int? in
                var answer = ClientAnswer(
                    user: .named(KnownCredentials.user(mine)), userHash: block.pointee.userHash,
                    nonceCount: block.pointee.nonceCount, cnonce: octets)
                answer.prefersIntegrity = mine.pointee.protectsBody
                return try? hasher.writeCredentials(for: block.pointee.challenge, answer, request, into: room)
            }
            guard let written else { return false }
            out.advance(written)
            out.write("\r\n")
        }
        return true
    }

    /// Sends a challenged request again: as it was but for its branch, its CSeq number and the credentials (RFC 3261 §22.2,
    /// §8.1.3.5). The request is the one scanned last.
    @inline(never)
    mutating func sendAgain(
        _ request: UnsafeRawBufferPointer, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>,
        _ record: UnsafeMutablePointer<ClientRecord>
    ) -> Bool {
        let dialogNumber = Int(record.pointee.dialog)
        let dialog = self.dialog(header, dialogNumber)
        let isOpening = record.pointee.method == .invite && dialog.pointee.state != .confirmed
        let serial = Self.serial(after: dialog.pointee.serial)
        // The author may have written the number.
        let isOurs = bound.templates[Int(record.pointee.template)].writesCSeq
        let cseq = isOurs ? dialog.pointee.localCSeq &+ 1 : scanner.index.cseqNumber &+ 1
        let token = CallToken(
            call: callWord(slot, header), part: UInt16(truncatingIfNeeded: dialogNumber) &<< 12 | (serial & 0xFFF))
        guard let place = outbound.reserve() else {
            recorder.count(.sendsDropped)
            noteTrouble(.init(reason: .exhausted))
            return false
        }
        var flow =
            isOpening ? openingFlow(dialog, dialogNumber, slot, header) : self.flow(of: dialog, slot, header)
        // With credentials it is no smaller.
        if record.pointee.isMoved { flow = stream(beside: flow) }
        let asked = flow
        guard let made = writeAuthorized(request, place, token: token, cseq: cseq, header) else { return false }
        var length = made.length
        guard mayLeave(place, &length, &flow, isRequest: true) else {
            noteTrouble(.init(reason: .tooLarge))
            return false
        }
        let frozen = keep(UnsafeRawBufferPointer(start: place, count: length))
        guard frozen != 0 else {
            noteTrouble(.init(reason: .exhausted))
            return false
        }
        if isOpening {
            // What a fork that rang has told is void with the refusal.
            release(&dialog.pointee.learned)
            dialog.pointee.state = .none
            dialog.pointee.remoteTagHash = 0
            dialog.pointee.remoteCSeq = 0
        }
        dialog.pointee.serial = serial
        if isOurs { dialog.pointee.localCSeq = cseq }
        release(&record.pointee.frozen)
        record.pointee.frozen = frozen
        record.pointee.serial = serial
        record.pointee.cseq = cseq
        record.pointee.provisionalSeen = false
        record.pointee.wasRepeated = false
        record.pointee.isActive = true
        if flow != asked { record.pointee.isMoved = true }
        commit(place, length, flow: flow, slot: slot, header, again: false)
        if record.pointee.method == .invite {
            header.pointee.flags.remove(.cancelled)
            dialog.pointee.inviteSerial = serial
            dialog.pointee.ackSerial = 0
            // They are the last header lines: what a Contact has grown by is before them.
            keepForAck(
                place + made.lines.lowerBound + length - made.length, made.lines.count, header, dialogNumber)
            var machine = ClientInviteTransaction()
            machine.start(now: tick, reliable: flow.isStream, timers: timers)
            store(machine, record)
        } else {
            var machine = ClientNonInviteTransaction()
            machine.start(now: tick, reliable: flow.isStream, timers: timers)
            store(machine, record)
        }
        return true
    }

    static func serial(after serial: UInt16) -> UInt16 {
        let next = (serial &+ 1) & 0x7FF
        return next == 0 ? 1 : next
    }

    private mutating func keepForAck(
        _ lines: UnsafeMutableRawPointer, _ count: Int, _ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int
    ) {
        let field = inviteCredentials(header, dialog)
        release(&field.pointee)
        field.pointee = keep(UnsafeRawBufferPointer(start: lines, count: count))
    }

    /// Renders and sends a request with credentials for every challenge known. Its octets are kept: a nonce count is used
    /// once.
    ///
    /// - Returns: false when it could not be made (`refusal` says why).
    @inline(never)
    mutating func transmitAuthorized(
        _ template: Int, _ speaker: Speaker, flow: Flow, keeping frozen: UnsafeMutablePointer<UInt32>
    ) -> Bool {
        refusal = .exhausted
        guard let place = outbound.reserve() else {
            recorder.count(.sendsDropped)
            return false
        }
        guard let bare = render(variant(of: template, over: flow), into: place, speaker) else { return false }
        memcpy(echoScratch, place, bare)
        let request = UnsafeRawBufferPointer(start: echoScratch, count: bare)
        let atHand = MessageAtHand(self)
        defer { putBack(atHand) }
        // What an author spoilt on purpose may still say enough.
        _ = scanner.scan(request)
        var cursor = security(speaker.header).pointee.challenges
        while cursor != 0 {
            challenge(cursor).pointee.staleAnswers = 0
            cursor = challenge(cursor).pointee.next
        }
        guard let made = writeAuthorized(request, place, token: nil, cseq: nil, speaker.header) else { return false }
        var length = made.length
        var flow = flow
        guard mayLeave(place, &length, &flow, isRequest: true) else { return false }
        frozen.pointee = keep(UnsafeRawBufferPointer(start: place, count: length))
        guard frozen.pointee != 0 else { return false }
        commit(place, length, flow: flow, slot: speaker.slot, speaker.header, again: false)
        if bound.templates[template].method == .invite {
            keepForAck(
                place + made.lines.lowerBound + length - made.length, made.lines.count, speaker.header,
                speaker.dialogNumber)
        }
        return true
    }

    /// Renders and sends the ACK to a 2xx with the credentials of its INVITE (RFC 3261 §13.2.2.4, §22.1).
    ///
    /// - Returns: false when it could not be made (`refusal` says why).
    @inline(never)
    mutating func transmitAuthorizedAck(
        _ template: Int, _ speaker: Speaker, flow: Flow, credentials: UInt32, keeping frozen: inout UInt32
    ) -> Bool {
        refusal = .exhausted
        guard let place = outbound.reserve() else {
            recorder.count(.sendsDropped)
            return false
        }
        guard let length = render(variant(of: template, over: flow), into: place, speaker) else { return false }
        let lines = kept(credentials)
        // Before the empty line: the first one, whatever the body holds.
        let emptyLine: StaticString = "\r\n\r\n"
        guard let found = findOctets(place, length, emptyLine.utf8Start, emptyLine.utf8CodeUnitCount),
            let from = lines.baseAddress
        else { return false }
        let end = found - UnsafeRawPointer(place)
        let tail = length &- end &- 2
        memmove(place + end + 2 + lines.count, place + end + 2, tail)
        memcpy(place + end + 2, from, lines.count)
        var total = length &+ lines.count
        var flow = flow
        guard mayLeave(place, &total, &flow, isRequest: true) else { return false }
        frozen = keep(UnsafeRawBufferPointer(start: place, count: total))
        commit(place, total, flow: flow, slot: speaker.slot, speaker.header, again: false)
        return true
    }

    // MARK: why a challenge stands

    mutating func noteTrouble(_ trouble: ChallengeTrouble) {
        if challengeTrouble == nil { challengeTrouble = trouble }
    }

    mutating func noteRefusal(_ choice: ChallengeChoice) {
        guard let refused = choice.refused, let refusal = choice.refusal else { return }
        switch refusal {
        case .fault(let fault):
            noteTrouble(.init(reason: .unanswerable(fault), realm: refused.realm, about: refused.faultRange))
        case .algorithmNotAllowed(let algorithm):
            noteTrouble(
                .init(
                    reason: .unanswerable(.unknownAlgorithm), realm: refused.realm, about: refused.algorithmRange,
                    algorithm: algorithm))
        case .unknownRealm: noteTrouble(.init(reason: .otherRealm, realm: refused.realm))
        }
    }

    /// What a failure by this response is told with: its reason phrase, and of a 401 or 407 why it was not answered.
    mutating func whyRefused(
        _ status: UInt16, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> UnsafeRawBufferPointer {
        let reason = reasonAtHand()
        if !party(header).pointee.hasCredentials { challengeTrouble = nil }
        guard status == 401 || status == 407, let base = hand else { return reason }
        let name: HeaderName = scanner.index.has(.wwwAuthenticate) ? .wwwAuthenticate : .proxyAuthenticate
        var trouble = challengeTrouble ?? ChallengeTrouble(reason: .noCredentials)
        challengeTrouble = nil
        if case .noCredentials = trouble.reason {
            if let value = scanner.firstValue(name) {
                trouble.realm = Challenge(base, value).realm
            } else {
                trouble.reason = .noChallenge
            }
        }
        let realm = slice(base, OctetRange(offset: trouble.realm.offset, length: min(trouble.realm.length, 60)))
        let about = slice(base, OctetRange(offset: trouble.about.offset, length: min(trouble.about.length, 40)))
        textUsed = 0
        return compute { out in
            out.write(reason.baseAddress, min(reason.count, 40))
            func quoted(_ text: UnsafeRawBufferPointer) {
                out.write("“")
                out.write(text.baseAddress, text.count)
                out.write("”")
            }
            switch trouble.reason {
            case .noCredentials:
                out.write(": it wants credentials for realm ")
                quoted(realm)
                out.write(" and this party has none: put Credentials(user:, password:) before the request")
            case .otherRealm:
                out.write(": no Credentials of this party are for realm ")
                quoted(realm)
            case .noChallenge: out.write(" without a challenge, so nobody can answer it (RFC 3261 §22.2)")
            case .refused:
                out.write(": the credentials for realm ")
                quoted(realm)
                out.write(" were refused: the user is unknown there or the password wrong (")
                out.write(trouble.algorithm.token)
                out.write(")")
            case .alwaysStale:
                out.write(": it calls every nonce of realm ")
                quoted(realm)
                out.write(" stale, also fresh ones")
            case .unanswerable(let fault):
                out.write(": its challenge cannot be answered, expected ")
                out.write(fault.description)
                if about.count > 0 {
                    out.write(", got ")
                    quoted(about)
                }
            case .tooLarge: out.write(": with credentials the request is too large for UDP (RFC 3261 §18.1.1)")
            case .exhausted: out.write(": no room to answer its challenge")
            }
        } ?? reason
    }
}
