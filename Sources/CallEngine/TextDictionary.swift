import Glibc
import SIPWire

/// Texts that peers send again and again in every call (Contact URIs, identities without their tags), kept once and named by
/// a number. Bounded: when it is full, or a text is long, the caller keeps the text itself.
///
/// Entries are never dropped: at most `most` texts of `longest` octets, for the life of a worker.
struct TextDictionary: ~Copyable {
    static let most = 4096
    static let longest = 255
    /// Shorter ones are not worth a number.
    static let shortest = 12
    private static let buckets = 8192

    private struct Entry {
        var offset: UInt32
        var length: UInt32
        var hash: UInt64
    }

    private let octets: UnsafeMutableRawPointer
    private let entries: UnsafeMutablePointer<Entry>
    /// Numbers of entries by hash, 0 for none; open addressing.
    private let index: UnsafeMutablePointer<UInt16>
    private var used = 0
    private(set) var count = 0

    init() {
        octets = .allocate(byteCount: Self.most * Self.longest, alignment: 16)
        entries = .allocate(capacity: Self.most + 1)
        index = .allocate(capacity: Self.buckets)
        index.initialize(repeating: 0, count: Self.buckets)
    }

    deinit {
        octets.deallocate()
        entries.deallocate()
        index.deallocate()
    }

    /// The number of a text, from 1; 0 when it is not kept here.
    mutating func number(of text: UnsafeRawPointer, _ length: Int) -> UInt16 {
        guard length >= Self.shortest, length <= Self.longest else { return 0 }
        let hash = CallEngine.hash(text, length, seed: 0x7E87)
        var bucket = Int(truncatingIfNeeded: hash) & (Self.buckets - 1)
        while index[bucket] != 0 {
            let entry = entries[Int(index[bucket])]
            if entry.hash == hash, Int(entry.length) == length, memcmp(octets + Int(entry.offset), text, length) == 0 {
                return index[bucket]
            }
            bucket = (bucket &+ 1) & (Self.buckets - 1)
        }
        guard count < Self.most else { return 0 }
        count += 1
        memcpy(octets + used, text, length)
        entries[count] = Entry(offset: UInt32(used), length: UInt32(length), hash: hash)
        index[bucket] = UInt16(count)
        used += length
        return UInt16(count)
    }

    @inline(__always)
    func text(_ number: UInt16) -> UnsafeRawBufferPointer {
        let entry = entries[Int(number)]
        return UnsafeRawBufferPointer(start: octets + Int(entry.offset), count: Int(entry.length))
    }
}
