import Glibc
import Measurement
import SIPWire

// Parties that go on until the load ends, as registered phones do, and what they read of their registrar.
extension CallEngine {
    /// A scenario has a `RepeatUntilEnd`: its runs end by themselves only when they are told that the load is over.
    public var repeatsUntilEnd: Bool { bound.repeatsUntilEnd }

    /// The load is over: parties that repeat something until then go on below it. Up to `count` of those that pause there do so
    /// now; the others when they come to a pause or to their next round.
    ///
    /// - Returns: whether every pausing party has been told.
    public mutating func endRepeating(_ count: Int, now: MonotonicInstant) -> Bool {
        setTime(now)
        hand = nil
        isEnding = true
        var left = count
        while let slot = slots.nextLive(from: endCursor) {
            guard left > 0 else { return false }
            endCursor = slot &+ 1
            let header = self.header(slot)
            guard header.pointee.phase == .waiting, header.pointee.flags.contains(.pausing) else { continue }
            let instruction = bound.instructions[Int(header.pointee.programCounter)]
            guard instruction.operation == .pause, instruction.c > 0 else { continue }
            header.pointee.flags.remove(.pausing)
            header.pointee.stepDeadline = .never
            header.pointee.programCounter = UInt16(truncatingIfNeeded: instruction.c)
            run(slot, header)
            if slots.isLive(slot) { settleTimers(slot) }
            left -= 1
        }
        return true
    }

    /// Of the Contacts of the response at hand the one that leads to this party (RFC 3261 §10.3 has a registrar list all bindings, in
    /// any order): host and port are those of our Contact, and where several are, the user is that of To.
    mutating func ownBinding() -> UnsafeRawBufferPointer? {
        guard let base = hand else { return nil }
        let head = ownViaHead()
        guard let text = head.baseAddress, head.count > 1 else { return nil }
        let own = ViaValue(text, OctetRange(offset: 0, length: UInt32(head.count &- 1)))
        let user = URIView(base, NameAddress(base, scanner.index.to).uri).user
        let standard: UInt16 = arrival.isSecure ? 5061 : 5060
        let port = arrival.isSecure ? bound.secureContactPort : bound.contactPort
        var first: UnsafeRawBufferPointer?
        var number = 0
        while let found = scanner.number(of: .contact, from: number) {
            number = found &+ 1
            var rest = scanner.header(found).value
            while rest.length > 0 {
                let address = NameAddress(base, rest, inList: true)
                let whole = Self.element(address, of: rest, base)
                rest = address.rest
                let uri = URIView(base, address.uri)
                guard (uri.port == 0 ? standard : uri.port) == port,
                    isSameHost(base, uri.host, text, own.host)
                else { continue }
                let binding = slice(base, whole)
                if uri.user.length == user.length,
                    memcmp(base + Int(uri.user.offset), base + Int(user.offset), Int(user.length)) == 0
                {
                    return binding
                }
                if first == nil { first = binding }
            }
        }
        return first
    }
}
