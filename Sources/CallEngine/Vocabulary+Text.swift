import Glibc
import SIPWire

// Bridges between the texts of a scenario tree and the wire's vocabulary. Compile time only.

extension HeaderName {
    init(token: String) {
        var octets = Array(token.utf8)
        self = octets.withUnsafeMutableBytes { HeaderName(UnsafeRawBufferPointer($0)) }
    }

    /// The name as its RFC spells it; what the author wrote where it is none of ours.
    func spelling(_ written: String) -> String { self == .other ? written : text.description }
}

extension Method {
    init(token: String) {
        var octets = Array(token.utf8)
        self = octets.withUnsafeMutableBytes { Method(UnsafeRawBufferPointer($0)) }
    }
}

func reasonPhrase(_ status: Int) -> String { StatusCode.reasonPhrase(UInt16(clamping: status)).description }

/// Where `needle` first stands in `haystack`; nil where it does not. (glibc's own is hidden from Swift.)
func findOctets(
    _ haystack: UnsafeRawPointer, _ count: Int, _ needle: UnsafeRawPointer, _ needleCount: Int
) -> UnsafeRawPointer? {
    guard needleCount > 0, needleCount <= count else { return nil }
    let first = Int32(needle.load(as: UInt8.self))
    var cursor = haystack
    var left = count &- needleCount &+ 1
    while left > 0, let found = memchr(cursor, first, left) {
        let at = UnsafeRawPointer(found)
        if memcmp(at, needle, needleCount) == 0 { return at }
        left &-= at - cursor &+ 1
        cursor = at + 1
    }
    return nil
}
