import Glibc

/// Why a value was not written. What the room then holds is of no use.
public enum DigestWriteFault: Error, Sendable, Equatable, BitwiseCopyable {
    /// The value has this many octets, more than there is room for.
    case noRoom(needed: Int)
    /// A user name, cnonce, URI or other text of the caller's holds a line end or another control character, which a
    /// quoted string cannot (RFC 3261 §25.1).
    case controlOctet
    /// The challenge has a fault, so there is no answer to it.
    case unanswerable(DigestFault)
    /// A nonce count of 0 where the challenge has a qop: counting begins with 1 (RFC 7616 §3.4).
    case nonceCount
    /// The kept hash was made with another hash function than the algorithm asks for.
    case hashFunction
}

/// Writes a header field value into the caller's room: checks the room, counts on where it is too small.
struct ValueWriter {
    private let room: UnsafeMutableRawBufferPointer
    private var count = 0
    private var hasControl = false
    private var isFirst = true

    init(_ room: UnsafeMutableRawBufferPointer) { self.room = room }

    /// - Returns: how many octets were written.
    func finish() throws(DigestWriteFault) -> Int {
        if hasControl { throw .controlOctet }
        guard count <= room.count else { throw .noRoom(needed: count) }
        return count
    }

    mutating func write(_ octets: UnsafeRawBufferPointer) {
        if let from = octets.baseAddress, let start = room.baseAddress, count &+ octets.count <= room.count {
            memcpy(start + count, from, octets.count)
        }
        count &+= octets.count
    }

    mutating func write(_ text: StaticString) { write(text.octets) }

    private mutating func write(_ octet: UInt8) {
        if count < room.count { room[count] = octet }
        count &+= 1
    }

    /// The separator and `name=`.
    private mutating func begin(_ name: StaticString) {
        if !isFirst { write(", ") }
        isFirst = false
        write(name)
        write(0x3D)
    }

    mutating func token(_ name: StaticString, _ value: UnsafeRawBufferPointer) {
        begin(name)
        write(value)
    }

    /// Text as its owner knows it gets the escapes it needs; text read from a message has them.
    mutating func quoted(_ name: StaticString, _ text: DigestText) {
        begin(name)
        write(0x22)
        let start = count
        // All at once, and once more octet by octet only where something has to be escaped.
        write(text.octets)
        if !text.mayHoldEscapes {
            for octet in text.octets {
                if isControl(octet) { hasControl = true }
                if octet == 0x22 || octet == 0x5C {
                    count = start
                    writeEscaped(text.octets)
                    break
                }
            }
        }
        write(0x22)
    }

    private mutating func writeEscaped(_ octets: UnsafeRawBufferPointer) {
        for octet in octets {
            if isControl(octet) { hasControl = true }
            if octet == 0x22 || octet == 0x5C { write(0x5C) }
            write(octet)
        }
    }

    mutating func quoted(_ name: StaticString, _ hash: HashValue) {
        begin(name)
        write(0x22)
        if let start = room.baseAddress, count &+ hash.digitCount <= room.count { hash.writeDigits(to: start + count) }
        count &+= hash.digitCount
        write(0x22)
    }
}
