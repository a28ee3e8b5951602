import Glibc
import SIPTransactions
import SIPWire

// Reliable provisional responses (RFC 3262): repeated until their PRACK comes, which names them.
extension CallEngine {
    /// RFC 3262 §4: the number that a PRACK must name.
    mutating func noteReliableProvisional(
        _ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int, _ status: UInt16
    ) {
        let dialog = self.dialog(header, dialogNumber)
        if status > 100, dialog.pointee.state == .none { dialog.pointee.state = .early }
        guard scanner.index.has(.rseq), let line = scanner.first(.rseq), let base = hand else { return }
        var value: UInt32 = 0
        for offset in 0..<Int(line.value.length) {
            let octet = base.load(fromByteOffset: Int(line.value.offset) &+ offset, as: UInt8.self)
            guard octet >= 0x30, octet <= 0x39 else { break }
            value = value &* 10 &+ UInt32(octet &- 0x30)
        }
        dialog.pointee.rseq = value
    }

    /// A reliable provisional response has been sent: it goes again after T1, and so on (§3).
    mutating func repeatProvisional(_ record: UnsafeMutablePointer<ServerRecord>) {
        var machine = ReliableProvisional()
        machine.start(now: tick, timers: timers)
        store(machine, record)
        record.pointee.awaitsPrack = true
    }

    /// Its PRACK has come, or another response goes in its place. The transaction is where it was: it has answered, and owes a final response.
    mutating func stopRepeatingProvisional(_ record: UnsafeMutablePointer<ServerRecord>) {
        record.pointee.awaitsPrack = false
        var machine = ServerInviteTransaction()
        machine.start(reliable: Flow(index: record.pointee.flow).isStream)
        _ = machine.respond(status: record.pointee.status, now: tick, timers: timers)
        store(machine, record)
    }

    mutating func fireProvisional(
        _ record: UnsafeMutablePointer<ServerRecord>, _ slot: UInt32, _ header: UnsafeMutablePointer<SlotHeader>
    ) {
        var machine = provisionalMachine(record)
        let effect = machine.fire(now: tick, timers: timers)
        store(machine, record)
        switch effect {
        case .sendAgain: repeatResponse(slot, header, record, asked: false)
        case .timeOut:
            // The INVITE is refused with a 5xx, by what ends the call.
            stopRepeatingProvisional(record)
            deliver(.noAck(dialog: Int(record.pointee.dialog)), slot, header)
        case .nothing: break
        }
    }

    /// A PRACK is at hand. One whose RAck names no response that waits for it changes nothing here (§3: it is answered 481); what it is
    /// answered the script says.
    mutating func receivePrack(_ header: UnsafeMutablePointer<SlotHeader>, _ dialogNumber: Int) {
        guard let base = hand, let line = scanner.first(.rack) else { return }
        var place = Int(line.value.offset)
        let end = place &+ Int(line.value.length)
        func number() -> UInt32? {
            while place < end, base.load(fromByteOffset: place, as: UInt8.self) <= 0x20 { place &+= 1 }
            var value: UInt64 = 0
            let start = place
            while place < end, value <= UInt64(UInt32.max) {
                let octet = base.load(fromByteOffset: place, as: UInt8.self)
                guard octet >= 0x30, octet <= 0x39 else { break }
                value = value &* 10 &+ UInt64(octet &- 0x30)
                place &+= 1
            }
            return place > start ? UInt32(exactly: value) : nil
        }
        guard let rseq = number(), let cseq = number() else { return }
        for number in 0..<Int(party(header).pointee.servers) {
            let record = server(header, number)
            guard record.pointee.isActive, record.pointee.awaitsPrack, record.pointee.cseq == cseq,
                Int(record.pointee.dialog) == dialogNumber
            else { continue }
            let sent = bound.templates[Int(record.pointee.template)].rseq
            if sent == rseq || sent == TemplateSource.unknownRSeq { stopRepeatingProvisional(record) }
        }
    }

    @inline(__always)
    func provisionalMachine(_ record: UnsafeMutablePointer<ServerRecord>) -> ReliableProvisional {
        UnsafeRawPointer(record).loadUnaligned(as: ReliableProvisional.self)
    }
}
