// What the number of a flow says by itself. Datagram flows have the highest bit clear, so that one comparison tells
// datagrams from streams where a message is rendered, timed or sent.
//
//     0 number                                  a remote address over the worker's datagram socket
//     0 local (16) number (15)                  the same where the worker speaks from several local addresses: which one
//     1 0 lane number                           a connection to an address, opened when there is something to send
//     1 1 0 generation (5) slot (24)            the connection of one call's own to the target
//     1 1 1 generation (12) connection (17)     a connection that a peer has opened
extension Flow {
    /// A connection-oriented transport: nothing is retransmitted on it (RFC 3261 §17.1.1.2).
    @inlinable public var isStream: Bool { Int32(bitPattern: index) < 0 }

    /// The `number`th lane: an address, and which of several connections to it.
    @inlinable public static func lane(_ number: UInt32) -> Flow { Flow(index: 0x8000_0000 | number & 0x3FFF_FFFF) }
    @inlinable public var isLane: Bool { index &>> 30 == 0b10 }
    @inlinable public var lane: Int { Int(index & 0x3FFF_FFFF) }

    /// The connection that one call has for itself, by the call's slot.
    @inlinable public static func ofCall(slot: UInt32, generation: UInt32) -> Flow {
        // Generations of live slots are odd: their lowest bit says nothing.
        Flow(index: 0xC000_0000 | (generation &>> 1 & 0x1F) &<< 24 | slot & 0xFF_FFFF)
    }
    @inlinable public var isOfCall: Bool { index &>> 29 == 0b110 }
    @inlinable public var callSlot: UInt32 { index & 0xFF_FFFF }

    /// A connection that a peer has opened, by its place in the worker's table. Places are used again, with another generation.
    @inlinable public static func accepted(connection: UInt32, generation: UInt32) -> Flow {
        Flow(index: 0xE000_0000 | (generation & 0xFFF) &<< 17 | connection & 0x1_FFFF)
    }
    @inlinable public var isAccepted: Bool { index &>> 29 == 0b111 }
    @inlinable public var connection: Int { Int(index & 0x1_FFFF) }
    @inlinable public var connectionGeneration: UInt32 { index &>> 17 & 0xFFF }

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
