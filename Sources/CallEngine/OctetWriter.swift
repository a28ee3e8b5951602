import Glibc
import SIPWire

/// Writes octets one after the other.
struct OctetWriter {
    let start: UnsafeMutableRawPointer
    private(set) var count = 0

    init(_ start: UnsafeMutableRawPointer) { self.start = start }

    mutating func write(_ text: StaticString) {
        memcpy(start + count, text.utf8Start, text.utf8CodeUnitCount)
        count &+= text.utf8CodeUnitCount
    }

    mutating func write(_ octets: UnsafeRawPointer?, _ length: Int) {
        guard let octets, length > 0 else { return }
        memcpy(start + count, octets, length)
        count &+= length
    }

    mutating func write(_ base: UnsafeMutablePointer<UInt8>, _ range: OctetRange) {
        write(UnsafeRawPointer(base) + Int(range.offset), Int(range.length))
    }

    mutating func write(_ token: CallToken) {
        token.write(to: start + count)
        count &+= CallToken.width
    }

    /// So many octets were written by somebody else.
    mutating func advance(_ octets: Int) { count &+= octets }

    mutating func writeNumber(_ value: UInt64) {
        count = CallEngine.writeNumber(value, at: start + count) - start
    }
}
