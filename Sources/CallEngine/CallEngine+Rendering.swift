import CallTraces
import Glibc
import Measurement
import SIPWire

/// What is learnt of a dialog from the peer, as one block of the arena: this head, then the octets one after the other.
///
/// The calling side keeps the peer's tag, remote target and route set; the called side also the Call-ID and both identities.
/// Texts that are the same in call after call stand in the worker's `TextDictionary` and are named by number.
struct LearnedDialog {
    var callIDLength: UInt16
    /// The peer's From or To value up to its tag, where the dictionary has it.
    var identityNumber: UInt16
    /// The rest of that value, or all of it; on the calling side the tag alone.
    var identityLength: UInt16
    /// Our own identity as the peer wrote it, without a tag.
    var localNumber: UInt16
    var localLength: UInt16
    /// Route header lines, complete.
    var routesLength: UInt16
    /// Where the tag stands, from the start of the block.
    var tagOffset: UInt16
    var tagLength: UInt16
    /// Request URI.
    var targetNumber: UInt16
    var targetOffset: UInt16
    var targetLength: UInt16

    static let size = 22
    var identityOffset: Int { Self.size &+ Int(callIDLength) }
    var localOffset: Int { identityOffset &+ Int(identityLength) }
    var routesOffset: Int { localOffset &+ Int(localLength) }
}

/// What responses repeat of a request (RFC 3261 §8.2.6.2), ready to be copied: this head, then the octets.
struct RequestEcho {
    /// Via lines, From line, To without its line end.
    var headLength: UInt16
    /// Line end of To, Call-ID, CSeq.
    var tailLength: UInt16
    /// Record-Route lines, for responses that open a dialog.
    var routesLength: UInt16
    /// 1: To has no tag, ours is added.
    var needsTag: UInt16

    static let size = 8
    var total: Int { Self.size &+ Int(headLength) &+ Int(tailLength) &+ Int(routesLength) }
}

extension CallEngine {
    /// Which octets a message of a call is made of.
    struct Speaker {
        var slot: UInt32
        var header: UnsafeMutablePointer<SlotHeader>
        var dialog: UnsafeMutablePointer<DialogRecord>
        var dialogNumber: Int
        var serial: UInt16
        var cseq: UInt32
        /// `RequestEcho` of the request that a response answers.
        var echo: UnsafeRawPointer?
        var status: UInt16 = 0
        /// Its author owns some of its octets.
        var isRaw = false
    }

    /// Writes a message at `target` and its values, for the trace, at `valueScratch`.
    ///
    /// - Returns: its length; nil when a value it needs is not there (`refusal` says so) or it would be too long.
    mutating func render(_ number: Int, into target: UnsafeMutableRawPointer, _ speaker: Speaker) -> Int? {
        let template = bound.templates[number]
        let call = callWord(speaker.slot, speaker.header)
        let dialogBits = UInt16(truncatingIfNeeded: speaker.dialogNumber) &<< 12
        let keepsValues = !traces.isOff
        var values = valueScratch
        var out = target
        var lengthField: UnsafeMutableRawPointer?
        var lengthValue: UnsafeMutableRawPointer?
        var bodyStart: UnsafeMutableRawPointer?
        var piece = bound.pieces + Int(template.firstPiece)
        let end = piece + Int(template.pieceCount)
        let literals = UnsafeRawPointer(bound.literals)
        while piece < end {
            switch piece.pointee.kind {
            case .literal:
                let length = Int(piece.pointee.length)
                memcpy(out, literals + Int(piece.pointee.offset), length)
                out += length
                piece += 1
                continue
            case .branch:
                CallToken(call: call, part: dialogBits | (speaker.serial & 0xFFF)).write(to: out)
                if keepsValues { values = keepToken(out, values) }
                out += CallToken.width
                piece += 1
                continue
            case .localTag, .ownCallID:
                CallToken(
                    call: piece.pointee.kind == .localTag ? call ^ tagMask : call,
                    part: dialogBits | (speaker.dialog.pointee.incarnation & 0xFFF)
                ).write(to: out)
                if keepsValues { values = keepToken(out, values) }
                out += CallToken.width
                piece += 1
                continue
            case .bodyLength:
                memset(out, 0x20, 5)
                lengthField = out
                if keepsValues {
                    lengthValue = values
                    values += 5
                }
                out += 5
                piece += 1
                continue
            case .bodyStart:
                bodyStart = out
                piece += 1
                continue
            default: break
            }
            let start = out
            switch piece.pointee.kind {
            case .cseq: out = Self.writeNumber(UInt64(speaker.cseq), at: out)
            case .echo:
                guard let echo = speaker.echo else { return nil }
                out = writeEcho(echo, at: out, speaker, opensDialog: piece.pointee.argument != 0)
            case .value:
                textUsed = 0
                guard let text = evaluate(Int(piece.pointee.argument), speaker.header, speaker.slot) else {
                    if refusal != .noMediaPort { refusal = .missing }
                    return nil
                }
                guard out - target &+ text.count < OutboundLog.longestMessage - 4096 else { return nil }
                if let base = text.baseAddress { memcpy(out, base, text.count) }
                out += text.count
            case .mediaPort:
                guard
                    let port = offeredMediaPort(
                        piece.pointee.argument, speaker.slot, speaker.header, speaker.dialogNumber)
                else { return nil }
                out = Self.writeNumber(UInt64(port), at: out)
            case .rack:
                out = Self.writeNumber(UInt64(speaker.dialog.pointee.rseq), at: out)
                out.storeBytes(of: 0x20, as: UInt8.self)
                let invite = pendingInvite(speaker.header, speaker.dialogNumber)?.pointee.cseq
                out = Self.writeNumber(UInt64(invite ?? speaker.dialog.pointee.inviteCSeq), at: out + 1)
                memcpy(out, " INVITE", 7)
                out += 7
            case .challenge:
                guard let past = writeChallenge(Int(piece.pointee.argument), at: out, speaker.header, speaker.slot)
                else {
                    refusal = .missing
                    return nil
                }
                out = past
            case .localHost, .bareLocalHost:
                out = writeLocalHost(inBrackets: piece.pointee.kind == .localHost, at: out)
            case .targetName: out = writeTargetName(speaker.header, at: out)
            case .inviteRoutes:
                memcpy(out, echoScratch, companionRoutes)
                out += companionRoutes
            case .inviteURI:
                memcpy(out, echoScratch + Int(companionURI.offset), Int(companionURI.length))
                out += Int(companionURI.length)
            case .redirectURI:
                guard let uri = redirectURI(Int(piece.pointee.argument), speaker.header, speaker.slot) else {
                    refusal = .missing
                    return nil
                }
                guard out - target &+ uri.count < OutboundLog.longestMessage - 4096 else { return nil }
                memcpy(out, uri.baseAddress!, uri.count)
                out += uri.count
            case .formedURI, .formedHeaders:
                guard let past = writeFormed(piece.pointee, at: out, from: target, speaker) else { return nil }
                out = past
            default:
                guard speaker.dialog.pointee.learned != 0 else {
                    // Before anything is learnt there is no tag and no route set; all else needs a dialog.
                    if piece.pointee.kind == .remoteTag || piece.pointee.kind == .routes { break }
                    return nil
                }
                out = writeLearned(piece.pointee.kind, at: out, speaker, dialogBits)
            }
            if keepsValues {
                let length = out - start
                values.storeBytes(of: UInt16(truncatingIfNeeded: length), as: UInt16.self)
                memcpy(values + 2, start, length)
                values += 2 &+ length
            }
            piece += 1
        }
        if let lengthField, let bodyStart {
            var length = out - bodyStart
            // Its field has five digits; a peer may offer so much that our answer is longer.
            guard length <= 99_999 else { return nil }
            var digit = lengthField + 4
            repeat {
                digit.storeBytes(of: UInt8(truncatingIfNeeded: 0x30 &+ length % 10), as: UInt8.self)
                digit -= 1
                length /= 10
            } while length > 0 && digit >= lengthField
            if let lengthValue { memcpy(lengthValue, lengthField, 5) }
        }
        valueCount = values - valueScratch
        return out - target
    }

    @inline(__always)
    private func keepToken(
        _ token: UnsafeMutableRawPointer, _ values: UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer {
        memcpy(values, token, CallToken.width)
        return values + CallToken.width
    }

    private mutating func writeLearned(
        _ kind: BoundProgram.Piece.Kind, at start: UnsafeMutableRawPointer, _ speaker: Speaker, _ dialogBits: UInt16
    ) -> UnsafeMutableRawPointer {
        let block = arena.pointer(.init(raw: speaker.dialog.pointee.learned))
        let learned = block.load(as: LearnedDialog.self)
        var out = start
        func copy(_ offset: Int, _ length: Int) {
            memcpy(out, block + offset, length)
            out += length
        }
        func copyText(_ number: UInt16) {
            let text = texts.text(number)
            memcpy(out, text.baseAddress!, text.count)
            out += text.count
        }
        switch kind {
        case .remoteTag:
            if learned.tagLength > 0 {
                memcpy(out, ";tag=", 5)
                out += 5
                copy(Int(learned.tagOffset), Int(learned.tagLength))
            }
        case .remoteTarget:
            if learned.targetNumber != 0 {
                copyText(learned.targetNumber)
            } else {
                copy(Int(learned.targetOffset), Int(learned.targetLength))
            }
        case .routes: copy(learned.routesOffset, Int(learned.routesLength))
        case .learnedCallID: copy(LearnedDialog.size, Int(learned.callIDLength))
        case .learnedRemoteIdentity:
            if learned.identityNumber != 0 { copyText(learned.identityNumber) }
            copy(learned.identityOffset, Int(learned.identityLength))
        case .learnedLocalIdentity:
            if learned.localNumber != 0 {
                copyText(learned.localNumber)
            } else {
                copy(learned.localOffset, Int(learned.localLength))
            }
            memcpy(out, ";tag=", 5)
            let token = CallToken(
                call: callWord(speaker.slot, speaker.header) ^ tagMask,
                part: dialogBits | (speaker.dialog.pointee.incarnation & 0xFFF))
            token.write(to: out + 5)
            out += 5 + CallToken.width
        default: break
        }
        return out
    }

    private mutating func writeEcho(
        _ echo: UnsafeRawPointer, at start: UnsafeMutableRawPointer, _ speaker: Speaker, opensDialog: Bool
    ) -> UnsafeMutableRawPointer {
        let head = echo.load(as: RequestEcho.self)
        var out = start
        let octets = echo + RequestEcho.size
        memcpy(out, octets, Int(head.headLength))
        out += Int(head.headLength)
        // A 100 may go without (RFC 3261 §8.2.6.2); ours has the tag too, which does no harm.
        if head.needsTag != 0 {
            memcpy(out, ";tag=", 5)
            CallToken(
                call: callWord(speaker.slot, speaker.header) ^ tagMask,
                part: UInt16(speaker.dialogNumber) &<< 12 | (speaker.dialog.pointee.incarnation & 0xFFF)
            ).write(to: out + 5)
            out += 5 + CallToken.width
        }
        let rest = Int(head.tailLength) &+ (opensDialog ? Int(head.routesLength) : 0)
        memcpy(out, octets + Int(head.headLength), rest)
        return out + rest
    }

    /// Decimal digits.
    @inline(__always)
    static func writeNumber(_ value: UInt64, at start: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        if value < 10 {
            start.storeBytes(of: UInt8(truncatingIfNeeded: 0x30 &+ value), as: UInt8.self)
            return start + 1
        }
        var divisor: UInt64 = 10
        while value / divisor >= 10 { divisor &*= 10 }
        var out = start
        var rest = value
        while divisor > 0 {
            out.storeBytes(of: UInt8(truncatingIfNeeded: 0x30 &+ rest / divisor), as: UInt8.self)
            rest %= divisor
            divisor /= 10
            out += 1
        }
        return out
    }

    // MARK: sending

    /// Renders and sends. The message stands in the outbound log on return.
    ///
    /// - Parameter keeping: where the octets are kept in the arena, so that they can be sent again as they are.
    /// - Returns: false when the message could not be made or the log is full.
    @discardableResult
    mutating func transmit(
        _ template: Int, _ speaker: Speaker, flow: Flow, keeping frozen: UnsafeMutablePointer<UInt32>? = nil,
        again: Bool = false
    ) -> Bool {
        refusal = .exhausted
        guard let place = outbound.reserve() else {
            recorder.count(.sendsDropped)
            return false
        }
        let template = variant(of: template, over: flow)
        guard let length = render(template, into: place, speaker) else { return false }
        if length > largestRequest,
            let isSent = transmitLarge(place, length, template, speaker, flow, keeping: frozen, again: again)
        {
            return isSent
        }
        if let frozen { frozen.pointee = keep(UnsafeRawBufferPointer(start: place, count: length)) }
        outbound.commit(length: length, flow: flow, owner: speaker.slot)
        recorder.count(.messagesSent)
        recorder.count(.octetsSent, by: length)
        lastActivity = now
        if !traces.isOff {
            let run = owner(speaker.slot, speaker.header)
            traces.appendSent(
                &run.pointee.trace, run: run.pointee.run, party: speaker.header.pointee.party,
                template: UInt16(truncatingIfNeeded: template),
                values: UnsafeRawBufferPointer(start: valueScratch, count: valueCount), from: ownAddress(of: flow),
                to: address(of: flow), at: now, isRetransmission: again, isStream: flow.isStream)
        }
        return true
    }

    /// Keeps octets with their length; 0 when the arena is full (counted).
    mutating func keep(_ octets: UnsafeRawBufferPointer) -> UInt32 {
        let handle = arena.allocate(octets.count &+ 4)
        guard !handle.isNone else {
            recorder.count(.overflowRefusals)
            return 0
        }
        let block = arena.pointer(handle)
        block.storeBytes(of: UInt32(truncatingIfNeeded: octets.count), as: UInt32.self)
        if let base = octets.baseAddress { memcpy(block + 4, base, octets.count) }
        return handle.raw
    }

    mutating func kept(_ handle: UInt32) -> UnsafeRawBufferPointer {
        let block = arena.pointer(.init(raw: handle))
        return UnsafeRawBufferPointer(start: block + 4, count: Int(block.load(as: UInt32.self)))
    }

    /// Sends octets kept before, exactly as they were.
    mutating func transmitAgain(
        _ frozen: UInt32, flow: Flow, slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>?
    ) {
        guard frozen != 0 else { return }
        guard let place = outbound.reserve() else {
            recorder.count(.sendsDropped)
            return
        }
        let octets = kept(frozen)
        memcpy(place, octets.baseAddress!, octets.count)
        commit(place, octets.count, flow: flow, slot: slot, header, again: true)
    }

    /// Sends what stands at the log's tail and was not made by a template.
    mutating func commit(
        _ place: UnsafeMutableRawPointer, _ length: Int, flow: Flow, slot: UInt32,
        _ header: UnsafeMutablePointer<SlotHeader>?, again: Bool
    ) {
        outbound.commit(length: length, flow: flow, owner: slot)
        recorder.count(.messagesSent)
        recorder.count(.octetsSent, by: length)
        lastActivity = now
        if let header, !traces.isOff {
            let run = owner(slot, header)
            traces.appendSentOctets(
                &run.pointee.trace, run: run.pointee.run, party: header.pointee.party,
                octets: UnsafeRawBufferPointer(start: place, count: length), from: ownAddress(of: flow),
                to: address(of: flow), at: now, isRetransmission: again, isStream: flow.isStream)
        }
    }

    mutating func release(_ handle: inout UInt32) {
        guard handle != 0 else { return }
        arena.free(.init(raw: handle))
        handle = 0
    }
}
