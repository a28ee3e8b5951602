import Digest
import Glibc
import Measurement
import SIPTransactions
import SIPWire

/// What a party that answers challenges knows (RFC 3261 §22). It stands in the call slot of such parties only; behind it, for each
/// dialog, the handle of the credentials that its last INVITE had, for the ACK (§22.1).
struct SecurityRecord {
    /// First of the `KnownCredentials` in the arena; 0 none.
    var credentials: UInt32
    /// First of the `KnownChallenge`s in the arena; 0 none.
    var challenges: UInt32

    static let size = 8
}

/// Credentials of a step that was reached; user, password and realm stand behind this head.
struct KnownCredentials {
    var next: UInt32
    var userLength: UInt32
    var passwordLength: UInt32
    var realmLength: UInt32
    /// Without one: for every realm that no others name.
    var hasRealm: Bool
    var choosesStrongest: Bool
    var protectsBody: Bool

    static let size = 24

    @inline(__always)
    static func user(_ block: UnsafePointer<Self>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: UnsafeRawPointer(block) + size, count: Int(block.pointee.userLength))
    }

    @inline(__always)
    static func password(_ block: UnsafePointer<Self>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: UnsafeRawPointer(block) + size + Int(block.pointee.userLength),
            count: Int(block.pointee.passwordLength))
    }

    @inline(__always)
    static func realm(_ block: UnsafePointer<Self>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: UnsafeRawPointer(block) + size + Int(block.pointee.userLength) + Int(block.pointee.passwordLength),
            count: Int(block.pointee.realmLength))
    }
}

/// A challenge that is answered in this and all later requests; its texts stand behind this head.
struct KnownChallenge {
    var next: UInt32
    var credentials: UInt32
    /// Requests sent with this nonce so far.
    var nonceCount: UInt32
    /// How often this request was refused for its nonce alone.
    var staleAnswers: UInt8
    /// Of a proxy: Proxy-Authorization.
    var isProxy: Bool
    var cnonce: UInt64
    /// HA1.
    var userHash: HashValue
    var challenge: Challenge

    static var size: Int { MemoryLayout<Self>.stride }
    /// A server that goes on calling fresh nonces stale is not asked for ever.
    static let mostStaleAnswers: UInt8 = 3
    /// Of realm, nonce and opaque together.
    static let longestText = 8192
}

/// Why a challenge was not answered. Ranges count from the start of the response at hand.
struct ChallengeTrouble {
    enum Reason {
        /// The party has no `Credentials`.
        case noCredentials
        /// There is no challenge in the response.
        case noChallenge
        /// None of its credentials are for this realm.
        case otherRealm
        /// The request had credentials.
        case refused
        /// The server calls every nonce stale.
        case alwaysStale
        case unanswerable(DigestFault)
        /// With credentials the request is too large for the transport.
        case tooLarge
        /// No room for it.
        case exhausted
    }
    var reason: Reason
    var realm = OctetRange.none
    /// What a fault is about.
    var about = OctetRange.none
    var algorithm = DigestAlgorithm.md5
}

extension CallEngine {
    /// Challenges of one response that are looked at.
    static let mostChallenges = 16

    @inline(__always)
    func security(_ header: UnsafeMutablePointer<SlotHeader>) -> UnsafeMutablePointer<SecurityRecord> {
        (UnsafeMutableRawPointer(header) + Int(party(header).pointee.securityOffset))
            .assumingMemoryBound(to: SecurityRecord.self)
    }

    /// Handle of the credential lines of a dialog's last INVITE.
    @inline(__always)
    func inviteCredentials(_ header: UnsafeMutablePointer<SlotHeader>, _ dialog: Int) -> UnsafeMutablePointer<UInt32> {
        (UnsafeMutableRawPointer(security(header)) + SecurityRecord.size).assumingMemoryBound(to: UInt32.self) + dialog
    }

    @inline(__always)
    func credentials(_ handle: UInt32) -> UnsafeMutablePointer<KnownCredentials> {
        arena.pointer(.init(raw: handle)).assumingMemoryBound(to: KnownCredentials.self)
    }

    @inline(__always)
    func challenge(_ handle: UInt32) -> UnsafeMutablePointer<KnownChallenge> {
        arena.pointer(.init(raw: handle)).assumingMemoryBound(to: KnownChallenge.self)
    }

    // MARK: what is known

    /// The step that gives credentials. Those for the same realm are replaced, and what they had answered is forgotten.
    ///
    /// - Returns: false when a text of theirs is not there, or there is no room (`refusal` says which).
    @inline(never)
    mutating func learnCredentials(
        _ number: Int, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let plan = bound.credentials[number]
        textUsed = 0
        refusal = .missing
        guard let user = evaluate(plan.user, header, slot), let password = evaluate(plan.password, header, slot) else {
            return false
        }
        var realm = UnsafeRawBufferPointer(start: nil, count: 0)
        if plan.realm >= 0 {
            guard let text = evaluate(plan.realm, header, slot) else { return false }
            realm = text
        }
        refusal = .exhausted
        let handle = arena.allocate(KnownCredentials.size &+ user.count &+ password.count &+ realm.count)
        guard !handle.isNone else {
            recorder.count(.overflowRefusals)
            return false
        }
        let block = credentials(handle.raw)
        block.initialize(
            to: KnownCredentials(
                next: 0, userLength: UInt32(truncatingIfNeeded: user.count),
                passwordLength: UInt32(truncatingIfNeeded: password.count),
                realmLength: UInt32(truncatingIfNeeded: realm.count), hasRealm: plan.realm >= 0,
                choosesStrongest: plan.choosesStrongest, protectsBody: plan.protectsBody))
        var out = OctetWriter(UnsafeMutableRawPointer(block) + KnownCredentials.size)
        for text in [user, password, realm] { out.write(text.baseAddress, text.count) }

        let record = security(header)
        var cursor = record.pointee.credentials
        var previous: UInt32 = 0
        while cursor != 0 {
            let other = credentials(cursor)
            let next = other.pointee.next
            let otherRealm = KnownCredentials.realm(other)
            if other.pointee.hasRealm == block.pointee.hasRealm, otherRealm.count == realm.count,
                realm.count == 0 || memcmp(otherRealm.baseAddress!, realm.baseAddress!, realm.count) == 0
            {
                forgetChallenges(header) { $0.pointee.credentials == cursor }
                if previous == 0 {
                    record.pointee.credentials = next
                } else {
                    credentials(previous).pointee.next = next
                }
                arena.free(.init(raw: cursor))
            } else {
                previous = cursor
            }
            cursor = next
        }
        block.pointee.next = record.pointee.credentials
        record.pointee.credentials = handle.raw
        return true
    }

    /// The slot is given back.
    mutating func forgetSecurity(_ header: UnsafeMutablePointer<SlotHeader>) {
        forgetChallenges(header) { _ in true }
        var cursor = security(header).pointee.credentials
        while cursor != 0 {
            let next = credentials(cursor).pointee.next
            arena.free(.init(raw: cursor))
            cursor = next
        }
        security(header).pointee.credentials = 0
        for number in 0..<Int(party(header).pointee.dialogs) { release(&inviteCredentials(header, number).pointee) }
    }

    private mutating func forgetChallenges(
        _ header: UnsafeMutablePointer<SlotHeader>, where isUnwanted: (UnsafeMutablePointer<KnownChallenge>) -> Bool
    ) {
        let record = security(header)
        var cursor = record.pointee.challenges
        var previous: UInt32 = 0
        while cursor != 0 {
            let block = challenge(cursor)
            let next = block.pointee.next
            if isUnwanted(block) {
                if previous == 0 { record.pointee.challenges = next } else { challenge(previous).pointee.next = next }
                arena.free(.init(raw: cursor))
            } else {
                previous = cursor
            }
            cursor = next
        }
    }

    /// Those for the challenge's realm, else those for any; 0 none.
    private func credentials(for challenge: Challenge, _ header: UnsafeMutablePointer<SlotHeader>) -> UInt32 {
        var general: UInt32 = 0
        var cursor = security(header).pointee.credentials
        while cursor != 0 {
            let block = credentials(cursor)
            if !block.pointee.hasRealm {
                general = cursor
            } else if challenge.isRealm(KnownCredentials.realm(block)) {
                return cursor
            }
            cursor = block.pointee.next
        }
        return general
    }

    /// What was answered before for this realm.
    func known(
        _ realm: UnsafeRawBufferPointer, isProxy: Bool, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> UnsafeMutablePointer<KnownChallenge>? {
        var cursor = security(header).pointee.challenges
        while cursor != 0 {
            let block = challenge(cursor)
            if block.pointee.isProxy == isProxy, Self.areEqual(Self.realm(block.pointee.challenge), realm) {
                return block
            }
            cursor = block.pointee.next
        }
        return nil
    }

    /// As written, escapes and all: a server writes its realm one way.
    static func realm(_ challenge: Challenge) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: challenge.message + Int(challenge.realm.offset), count: Int(challenge.realm.length))
    }

    static func areEqual(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
        one.count == other.count && (one.count == 0 || memcmp(one.baseAddress!, other.baseAddress!, one.count) == 0)
    }

    // MARK: being challenged

    /// A 401 or 407 to a request of this party.
    ///
    /// - Returns: true when the request was sent again with credentials: the response is dealt with. Else
    ///   `challengeTrouble` says why not; nil where the script asked for the challenge itself.
    @inline(never)
    mutating func answerChallenge(
        _ status: UInt16, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ number: Int,
        _ record: UnsafeMutablePointer<ClientRecord>
    ) -> Bool {
        challengeTrouble = nil
        guard let base = hand, record.pointee.template != ClientRecord.raw else { return false }
        guard security(header).pointee.credentials != 0 else {
            noteTrouble(.init(reason: .noCredentials))
            return false
        }
        guard let request = octets(of: record, slot, header) else { return false }
        let isNamed = scriptNames(status, number, Int(record.pointee.dialog), header)
        return withUnsafeTemporaryAllocation(
            of: (challenge: Challenge, isProxy: Bool).self, capacity: Self.mostChallenges
        ) { room in
            let count = readChallenges(base, room)
            guard count > 0 else {
                noteTrouble(.init(reason: .noChallenge))
                return false
            }
            let atHand = MessageAtHand(self)
            defer { putBack(atHand) }
            guard scanner.scan(request) == .message, let sent = request.baseAddress else { return false }
            var isAnswerable = false
            for place in 0..<count where isFirstOfItsRealm(room, place) {
                if takeUp(room, place, count, sent, record.pointee.wasRepeated, header) { isAnswerable = true }
            }
            guard isAnswerable else { return false }
            recorder.count(.challengesAnswered)
            if isNamed { return false }
            return sendAgain(request, slot, header, record)
        }
    }

    /// Puts the challenges of the response at hand into `room`, in the message's order.
    private mutating func readChallenges(
        _ base: UnsafeRawPointer, _ room: UnsafeMutableBufferPointer<(challenge: Challenge, isProxy: Bool)>
    ) -> Int {
        var count = 0
        // Both may come in either status: a forking proxy gathers what all branches asked for (RFC 3261 §16.7 (7)).
        for (name, isProxy) in [(HeaderName.wwwAuthenticate, false), (.proxyAuthenticate, true)] {
            var number = 0
            while let found = scanner.number(of: name, from: number), count < room.count {
                room.initializeElement(at: count, to: (Challenge(base, scanner.header(found).value), isProxy))
                count &+= 1
                number = found &+ 1
            }
        }
        return count
    }

    private func isFirstOfItsRealm(
        _ room: UnsafeMutableBufferPointer<(challenge: Challenge, isProxy: Bool)>, _ place: Int
    ) -> Bool {
        for before in 0..<place where room[before].isProxy == room[place].isProxy {
            if Self.areEqual(Self.realm(room[before].challenge), Self.realm(room[place].challenge)) { return false }
        }
        return true
    }

    /// Chooses among the challenges of one realm, the first of which stands at `first`, and keeps the chosen one.
    ///
    /// - Parameters:
    ///   - sent: the request that was challenged, scanned last.
    ///   - wasRepeated: it was sent more than once.
    /// - Returns: false when none of them can be answered, or the answer was refused.
    private mutating func takeUp(
        _ room: UnsafeMutableBufferPointer<(challenge: Challenge, isProxy: Bool)>, _ first: Int, _ count: Int,
        _ sent: UnsafeRawPointer, _ wasRepeated: Bool, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let isProxy = room[first].isProxy
        let realm = Self.realm(room[first].challenge)
        let handle = credentials(for: room[first].challenge, header)
        var choice = ChallengeChoice(
            handle != 0 && credentials(handle).pointee.choosesStrongest ? .strongest : .topmost)
        for place in first..<count where room[place].isProxy == isProxy {
            let other = room[place].challenge
            guard Self.areEqual(Self.realm(other), realm) else { continue }
            choice.consider(other, hasCredentials: handle != 0)
        }
        guard let chosen = choice.chosen else {
            noteRefusal(choice)
            return false
        }
        var staleAnswers: UInt8 = 0
        let old = known(realm, isProxy: isProxy, header)
        if let nonce = nonceSent(sent, realm, isProxy: isProxy) {
            // Refused with a nonce used before: servers take a nonce once, or for a while, and not all say that it is stale. The
            // first copy of a repeated request may have been right and its answer lost: then this one is a replay.
            let isReuse = old.map {
                $0.pointee.nonceCount > 1 || !Self.areEqual(Self.nonce($0.pointee.challenge), nonce)
            }
            guard chosen.isStale || isReuse == true || wasRepeated else {
                recorder.count(.credentialsRefused)
                noteTrouble(.init(reason: .refused, realm: chosen.realm, algorithm: chosen.algorithm))
                return false
            }
            staleAnswers = (old?.pointee.staleAnswers ?? 0) &+ 1
            recorder.count(.staleNonces)
            guard staleAnswers <= KnownChallenge.mostStaleAnswers else {
                noteTrouble(.init(reason: .alwaysStale, realm: chosen.realm, algorithm: chosen.algorithm))
                return false
            }
        }
        return keep(chosen, isProxy: isProxy, credentials: handle, staleAnswers, realm, header)
    }

    private static func nonce(_ challenge: Challenge) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: challenge.message + Int(challenge.nonce.offset), count: Int(challenge.nonce.length))
    }

    /// The nonce of the credentials for this realm in the request scanned last; nil where it had none.
    private func nonceSent(
        _ sent: UnsafeRawPointer, _ realm: UnsafeRawBufferPointer, isProxy: Bool
    ) -> UnsafeRawBufferPointer? {
        var number = 0
        while let found = scanner.number(of: isProxy ? .proxyAuthorization : .authorization, from: number) {
            number = found &+ 1
            let given = DigestCredentials(sent, scanner.header(found).value)
            let text = UnsafeRawBufferPointer(start: sent + Int(given.realm.offset), count: Int(given.realm.length))
            guard Self.areEqual(text, realm) else { continue }
            return UnsafeRawBufferPointer(start: sent + Int(given.nonce.offset), count: Int(given.nonce.length))
        }
        return nil
    }

    private mutating func keep(
        _ chosen: Challenge, isProxy: Bool, credentials handle: UInt32, _ staleAnswers: UInt8,
        _ realm: UnsafeRawBufferPointer, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        let length = chosen.keptLength
        let block = length <= KnownChallenge.longestText ? arena.allocate(KnownChallenge.size &+ length) : .none
        guard !block.isNone else {
            recorder.count(.overflowRefusals)
            noteTrouble(.init(reason: .exhausted, realm: chosen.realm))
            return false
        }
        let place = UnsafeMutableRawPointer(challenge(block.raw))
        let texts = UnsafeMutableRawBufferPointer(start: place + KnownChallenge.size, count: length)
        guard let kept = chosen.keep(in: texts) else {
            arena.free(block)
            return false
        }
        let old = known(realm, isProxy: isProxy, header)
        let hash: HashValue
        if let old, old.pointee.credentials == handle, old.pointee.userHash.function == chosen.algorithm.function {
            hash = old.pointee.userHash
        } else {
            let mine = credentials(handle)
            hash = hasher.hash(
                username: KnownCredentials.user(mine), password: KnownCredentials.password(mine), for: kept)
        }
        if let old { forgetChallenges(header) { $0 == old } }
        place.assumingMemoryBound(to: KnownChallenge.self).initialize(
            to: KnownChallenge(
                next: security(header).pointee.challenges, credentials: handle, nonceCount: 0,
                staleAnswers: staleAnswers, isProxy: isProxy, cnonce: draw(header), userHash: hash, challenge: kept))
        security(header).pointee.challenges = block.raw
        return true
    }

    /// A 2xx may name the nonce for the next request (RFC 7616 §3.5).
    @inline(never)
    mutating func noteNextNonce(_ header: UnsafeMutablePointer<SlotHeader>) {
        guard let base = hand, let value = scanner.firstValue(.authenticationInfo) else { return }
        let info = AuthenticationInfo(base, value)
        guard info.fault == nil, info.nextNonce.length > 0 else { return }
        var cursor = security(header).pointee.challenges
        while cursor != 0 {
            let block = challenge(cursor)
            cursor = block.pointee.next
            guard !block.pointee.isProxy else { continue }
            renew(
                block,
                nonce: UnsafeRawBufferPointer(
                    start: base + Int(info.nextNonce.offset), count: Int(info.nextNonce.length)),
                header)
            return
        }
    }

    private mutating func renew(
        _ old: UnsafeMutablePointer<KnownChallenge>, nonce: UnsafeRawBufferPointer,
        _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        let former = old.pointee
        let length = former.challenge.keptLength &- Int(former.challenge.nonce.length) &+ nonce.count
        guard length <= KnownChallenge.longestText else { return }
        let block = arena.allocate(KnownChallenge.size &+ length)
        guard !block.isNone else { return }
        let place = UnsafeMutableRawPointer(challenge(block.raw))
        let texts = UnsafeMutableRawBufferPointer(start: place + KnownChallenge.size, count: length)
        guard let kept = former.challenge.keep(in: texts, nextNonce: nonce) else { return arena.free(block) }
        forgetChallenges(header) { $0 == old }
        place.assumingMemoryBound(to: KnownChallenge.self).initialize(
            to: KnownChallenge(
                next: security(header).pointee.challenges, credentials: former.credentials, nonceCount: 0,
                staleAnswers: 0, isProxy: former.isProxy, cnonce: draw(header), userHash: former.userHash,
                challenge: kept))
        security(header).pointee.challenges = block.raw
    }

    /// Whether the wait at hand, or the one after the pause at hand, names this very status: then the script wants to see it.
    private func scriptNames(
        _ status: UInt16, _ client: Int, _ dialog: Int, _ header: UnsafeMutablePointer<SlotHeader>
    ) -> Bool {
        guard header.pointee.phase == .waiting else { return false }
        var number = Int(header.pointee.programCounter)
        while bound.instructions[number].operation == .pause || bound.instructions[number].operation == .mark {
            number &+= 1
        }
        guard bound.instructions[number].operation == .wait else { return false }
        let wait = bound.waits[Int(bound.instructions[number].a)]
        guard wait.kind == .message else { return false }
        for place in Int(wait.firstAlternative)..<Int(wait.firstAlternative) &+ Int(wait.alternativeCount) {
            let choice = bound.choices[place]
            if choice.kind == .response, choice.low == status, choice.high == status,
                choice.client < 0 || Int(choice.client) == client, Int(choice.dialog) == dialog
            {
                return true
            }
        }
        return false
    }
}
