// What the number of a flow says by itself. Datagram flows have the highest bit clear, so that one comparison tells
// datagrams from streams where a message is rendered, timed or sent.
//
//     0 number                                    a remote address over the worker's datagram socket
//     0 local (16) number (15)                    the same where the worker speaks from several local addresses: which one
//     1 0 0 tls lane number                       a connection to an address, opened when there is something to send
//     1 1 0 tls generation (4) slot (24)          the connection of one call's own to the target
//     1 1 1 tls generation (11) connection (17)   a connection that a peer has opened
extension Flow {
    /// A connection-oriented transport: nothing is retransmitted on it (RFC 3261 §17.1.1.2).
    @inlinable public var isStream: Bool { Int32(bitPattern: index) < 0 }

    /// A stream under TLS.
    @inlinable public var isSecure: Bool { index & 0x9000_0000 == 0x9000_0000 }
    /// 0 for datagrams, 1 for TCP, 2 for TLS: which of a template's variants is sent on it.
    @inlinable public var transportNumber: Int {
        isStream ? 1 &+ Int(index &>> 28 & 1) : 0
    }
    /// Of a stream, the same under TLS or without.
    @inlinable public func over(tls: Bool) -> Flow {
        Flow(index: tls ? index | 0x1000_0000 : index & ~0x1000_0000)
    }

    /// The `number`th lane: an address, and which of several connections to it. Lanes of TCP and of TLS are counted together.
    @inlinable public static func lane(_ number: UInt32) -> Flow { Flow(index: 0x8000_0000 | number & 0x0FFF_FFFF) }
    @inlinable public var isLane: Bool { index &>> 30 == 0b10 }
    @inlinable public var lane: Int { Int(index & 0x0FFF_FFFF) }

    /// The connection that one call has for itself, by the call's slot.
    @inlinable public static func ofCall(slot: UInt32, generation: UInt32) -> Flow {
        // Generations of live slots are odd: their lowest bit says nothing.
        Flow(index: 0xC000_0000 | (generation &>> 1 & 0xF) &<< 24 | slot & 0xFF_FFFF)
    }
    @inlinable public var isOfCall: Bool { index &>> 29 == 0b110 }
    @inlinable public var callSlot: UInt32 { index & 0xFF_FFFF }

    /// A connection that a peer has opened, by its place in the worker's table. Places are used again, with another generation.
    @inlinable public static func accepted(connection: UInt32, generation: UInt32) -> Flow {
        Flow(index: 0xE000_0000 | (generation & 0x7FF) &<< 17 | connection & 0x1_FFFF)
    }
    @inlinable public var isAccepted: Bool { index &>> 29 == 0b111 }
    @inlinable public var connection: Int { Int(index & 0x1_FFFF) }
    @inlinable public var connectionGeneration: UInt32 { index &>> 17 & 0x7FF }

    /// Connections of one worker at most: the last place is never given out, so that `.max` names no flow.
    @inlinable public static var mostConnections: Int { 131_071 }
    /// Of datagrams, where the worker speaks from several local addresses: the number of the one that this flow speaks from.
    @inlinable public var local: UInt32 { index &>> 15 }
    @inlinable public func from(_ local: UInt32) -> Flow { Flow(index: index | local &<< 15) }
    /// Remote addresses at most, where a local one stands beside them.
    @inlinable public static var mostRemote: Int { 1 << 15 }

    /// In place of a stream where a message came as a datagram.
    @inlinable public static var datagram: Flow { Flow(index: 0) }
}
