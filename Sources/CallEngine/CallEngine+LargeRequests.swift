import Glibc
import Measurement
import SIPTransactions
import SIPWire

// Requests that are too large for UDP (RFC 3261 §18.1.1): refused, counted, or sent over TCP to the same address. None of this is
// reached by a request that is not.
extension CallEngine {
    /// A request above it goes over a transport that knows congestion, where the path's MTU is not known (RFC 3261 §18.1.1).
    static let largestOverUDP = 1_300
    /// Milliseconds for which an address that refused TCP gets its large requests over UDP at once.
    static let refusalMemory: Tick = 32_000
    private static let contactParameter: StaticString = ";transport=tcp"

    /// Whether so long a message may go over this flow; `refusal` says why not.
    ///
    /// - Parameters:
    ///   - place: where it stands: the tail of the log.
    ///   - length: in and out: a request that goes over TCP instead is changed and may grow.
    ///   - flow: in and out: that of TCP then, which `speaking` is as well.
    ///   - mayMove: nobody owns its octets but the engine.
    @inline(never)
    mutating func mayLeave(
        _ place: UnsafeMutableRawPointer, _ length: inout Int, _ flow: inout Flow, isRequest: Bool, mayMove: Bool = true
    ) -> Bool {
        guard !flow.isStream, length > largestRequest else { return true }
        if isRequest, mayMove, movesLargeRequests, moveToTCP(place, &length, &flow) { return true }
        guard length <= OutboundLog.longestDatagram else {
            // The kernel would refuse it, and with it the flow and every call on it.
            refusal = .transport(errno: EMSGSIZE)
            return false
        }
        guard isRequest else { return true }
        guard !settings.refusesLargeRequests else {
            refusal = .tooLarge(octets: UInt32(clamping: length))
            return false
        }
        recorder.count(.requestsTooLargeForUDP)
        return true
    }

    /// What `transmit` has made and is above the limit.
    ///
    /// - Returns: false: it may not leave; true: it has left over TCP; nil: it leaves as it stands.
    @inline(never)
    mutating func transmitLarge(
        _ place: UnsafeMutableRawPointer, _ made: Int, _ template: Int, _ speaker: Speaker, _ asked: Flow,
        keeping frozen: UnsafeMutablePointer<UInt32>?, again: Bool
    ) -> Bool? {
        var length = made
        var flow = asked
        let isRequest = bound.templates[template].status == 0 && !again
        guard mayLeave(place, &length, &flow, isRequest: isRequest, mayMove: !speaker.isRaw) else { return false }
        guard flow != asked else { return nil }
        if let frozen { frozen.pointee = keep(UnsafeRawBufferPointer(start: place, count: length)) }
        commit(place, length, flow: flow, slot: speaker.slot, speaker.header, again: false)
        return true
    }

    /// The connection to where a datagram flow leads.
    mutating func stream(beside flow: Flow) -> Flow {
        guard !flow.isStream else { return flow }
        return flows.lane(to: flows.address(flow), tls: false, from: localNumber(of: flow))
    }

    private mutating func moveToTCP(
        _ place: UnsafeMutableRawPointer, _ length: inout Int, _ flow: inout Flow
    ) -> Bool {
        let lane = stream(beside: flow)
        if let end = refusedLanes[lane] {
            guard end <= tick else { return false }
            refusedLanes[lane] = nil
        }
        guard let changed = readdress(place, length, from: flow, to: lane) else { return false }
        recorder.count(.requestsMovedToTCP)
        length = changed
        flow = lane
        speaking = lane
        return true
    }

    /// Makes a request of ours one for the other transport: in its Via and, where that names our own address, in its Contact.
    ///
    /// - Returns: its length; nil where it is not as we write it: then nothing has been changed.
    private mutating func readdress(
        _ place: UnsafeMutableRawPointer, _ length: Int, from flow: Flow, to other: Flow
    ) -> Int? {
        let atHand = MessageAtHand(self)
        defer { putBack(atHand) }
        guard scanner.scan(UnsafeRawBufferPointer(start: place, count: length)) == .message else { return nil }
        let via = scanner.index.topmostVia
        let contact = scanner.index.contact
        let words: (StaticString, StaticString) =
            other.isStream ? ("SIP/2.0/UDP ", "SIP/2.0/TCP ") : ("SIP/2.0/TCP ", "SIP/2.0/UDP ")
        let width = words.0.utf8CodeUnitCount
        guard Int(via.length) > width, memcmp(place + Int(via.offset), words.0.utf8Start, width) == 0 else {
            return nil
        }
        memcpy(place + Int(via.offset), words.1.utf8Start, width)
        var own = OctetWriter(textScratch)
        writeSentBy(flow, &own)
        guard
            let found = findOctets(place + Int(contact.offset), Int(contact.length), textScratch, own.count)
        else { return length }
        let start = found - UnsafeRawPointer(place) + own.count
        let end = Int(contact.end)
        let parameter = Self.contactParameter.utf8CodeUnitCount
        let isThere =
            end &- start >= parameter && memcmp(place + start, Self.contactParameter.utf8Start, parameter) == 0
        guard isThere != other.isStream else { return length }
        if other.isStream {
            guard start < end, length &+ parameter <= OutboundLog.longestMessage else { return length }
            // `>` ends the URI, `;` begins its parameters; anything else is a longer host or port.
            let next = (place + start).load(as: UInt8.self)
            guard next == 0x3E || next == 0x3B else { return length }
            memmove(place + start + parameter, place + start, length &- start)
            memcpy(place + start, Self.contactParameter.utf8Start, parameter)
            return length &+ parameter
        }
        memmove(place + start, place + start + parameter, length &- start &- parameter)
        return length &- parameter
    }

    // MARK: what becomes of them

    /// The request sent last, that of this record, went over TCP instead: its octets are kept, and what goes with it takes the same way.
    ///
    /// - Returns: the connection.
    @inline(never)
    mutating func noteMove(_ record: UnsafeMutablePointer<ClientRecord>) -> Flow {
        record.pointee.isMoved = true
        if record.pointee.frozen == 0 { record.pointee.frozen = keepLast() }
        return speaking
    }

    /// Keeps what was sent last.
    mutating func keepLast() -> UInt32 {
        let last = outbound[outbound.count - 1]
        return keep(UnsafeRawBufferPointer(start: outbound.octets + last.offset, count: last.length))
    }

    /// Whether the ACK to a 2xx of this dialog's went over TCP, and waits there for the 2xx to come again.
    mutating func keepsMovedAck(
        _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int
    ) -> Bool {
        guard movesLargeRequests else { return false }
        let part =
            UInt16(truncatingIfNeeded: dialogNumber) &<< 12
            | (dialog(header, dialogNumber).pointee.inviteSerial & 0xFFF)
        return linger.find(clientKey(callWord(slot, header), part)).map {
            $0.pointee.second & LingerMark.octets != 0
        } ?? false
    }

    /// A connection that large requests wait for was refused: for a while nobody asks for it.
    mutating func noteRefusal(of lane: Flow, errno: Int32) {
        guard movesLargeRequests, Self.refusesTCP(errno) else { return }
        refusedLanes[lane] = tick.after(Self.refusalMemory)
    }

    /// ICMP Protocol Unreachable, or a reset.
    private static func refusesTCP(_ errno: Int32) -> Bool {
        errno == ECONNREFUSED || errno == ENOPROTOOPT || errno == EPROTONOSUPPORT || errno == ECONNRESET
    }

    /// A request that was moved to TCP, where the connection was refused: the same transaction goes over UDP (RFC 3261 §18.1.1).
    ///
    /// - Returns: true: it has been sent.
    mutating func returnsToUDP(
        _ record: UnsafeMutablePointer<ClientRecord>, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>,
        errno: Int32
    ) -> Bool {
        guard record.pointee.isMoved, Self.refusesTCP(errno), record.pointee.frozen != 0 else { return false }
        let lane = flow(ofRequest: record, slot, header)
        let octets = kept(record.pointee.frozen)
        guard octets.count <= OutboundLog.longestDatagram, let base = octets.baseAddress else { return false }
        guard let place = outbound.reserve() else {
            recorder.count(.sendsDropped)
            return false
        }
        memcpy(place, base, octets.count)
        record.pointee.isMoved = false
        let flow = self.flow(ofRequest: record, slot, header)
        guard !flow.isStream, let length = readdress(place, octets.count, from: lane, to: flow) else { return false }
        let frozen = keep(UnsafeRawBufferPointer(start: place, count: length))
        // What could not be sent again is not sent at all.
        guard frozen != 0 else { return false }
        release(&record.pointee.frozen)
        record.pointee.frozen = frozen
        recorder.count(.requestsReturnedToUDP)
        recorder.count(.requestsTooLargeForUDP)
        commit(place, length, flow: flow, slot: slot, header, again: false)
        if record.pointee.method == .invite {
            var machine = ClientInviteTransaction()
            machine.start(now: tick, reliable: false, timers: timers)
            store(machine, record)
        } else {
            var machine = ClientNonInviteTransaction()
            machine.start(now: tick, reliable: false, timers: timers)
            store(machine, record)
        }
        return true
    }

    /// An ACK that waits for its 2xx to come again, and whose connection was refused: it goes over UDP from now on.
    mutating func returnAckToUDP(_ orphan: UnsafeMutablePointer<SlotHeader>) {
        let lane = Flow(index: dialog(orphan, 0).pointee.flow)
        guard refusedLanes[lane] != nil, let place = outbound.reserve() else { return }
        let octets = kept(orphanRecord(orphan).pointee.frozen)
        guard octets.count <= OutboundLog.longestDatagram, let base = octets.baseAddress else { return }
        memcpy(place, base, octets.count)
        let flow = flows.flow(to: address(of: lane)).from(localNumber(of: lane))
        guard let length = readdress(place, octets.count, from: lane, to: flow) else { return }
        let frozen = keep(UnsafeRawBufferPointer(start: place, count: length))
        guard frozen != 0 else { return }
        release(&orphanRecord(orphan).pointee.frozen)
        orphanRecord(orphan).pointee.frozen = frozen
        dialog(orphan, 0).pointee.flow = flow.index
        recorder.count(.requestsReturnedToUDP)
    }
}
