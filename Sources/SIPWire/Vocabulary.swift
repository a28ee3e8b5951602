/// Where some octets stand in a message: offset from its first octet, and length.
public struct OctetRange: Sendable, Hashable, BitwiseCopyable {
    public var offset: UInt32
    public var length: UInt32

    @inlinable
    public init(offset: UInt32, length: UInt32) {
        self.offset = offset
        self.length = length
    }

    @inlinable public static var none: OctetRange { OctetRange(offset: 0, length: 0) }
    @inlinable public var isEmpty: Bool { length == 0 }
    @inlinable public var end: UInt32 { offset &+ length }
}

/// A request method: those of RFC 3261 and of the extensions this product speaks; every other token is `other`.
public enum Method: UInt8, Sendable, CaseIterable {
    case invite, ack, bye, cancel, register, options
    case refer, notify, subscribe, message, info, prack, update, publish
    case other
}
