import CHashFunctions

/// Hashes for one thread: a context of OpenSSL's and a buffer that gathers the pieces. After `init` nothing is
/// allocated.
public struct DigestHasher: ~Copyable {
    private static var roomLength: Int { 1024 }

    private let context: OpaquePointer
    /// What is to be hashed is gathered here: a call of OpenSSL costs more than a copy.
    private let room: UnsafeMutableRawPointer
    private var gathered = 0
    private var current = HashFunction.md5

    public init() {
        context = chf_create()
        room = .allocate(byteCount: Self.roomLength, alignment: 16)
    }

    deinit {
        chf_destroy(context)
        room.deallocate()
    }

    mutating func begin(_ function: HashFunction) {
        current = function
        gathered = 0
        switch function {
        case .md5: chf_md5_begin(context)
        case .sha256: chf_sha256_begin(context)
        case .sha512_256: chf_sha512_256_begin(context)
        }
    }

    @inline(always)
    mutating func append(_ octets: UnsafeRawBufferPointer) {
        guard let start = octets.baseAddress, octets.count > 0 else { return }
        if gathered &+ octets.count <= Self.roomLength {
            (room + gathered).copyMemory(from: start, byteCount: octets.count)
            gathered &+= octets.count
        } else {
            appendLong(octets)
        }
    }

    @inline(never)
    private mutating func appendLong(_ octets: UnsafeRawBufferPointer) {
        flush()
        guard octets.count > Self.roomLength, let start = octets.baseAddress else { return append(octets) }
        update(start, octets.count)
    }

    mutating func append(_ octet: UInt8) {
        if gathered == Self.roomLength { flush() }
        room.storeBytes(of: octet, toByteOffset: gathered, as: UInt8.self)
        gathered &+= 1
    }

    mutating func appendColon() { append(0x3A) }

    /// The text without its escapes.
    mutating func append(_ text: DigestText) {
        guard text.mayHoldEscapes, var escape = text.octets.firstOffset(of: 0x5C) else { return append(text.octets) }
        var place = 0
        while true {
            append(UnsafeRawBufferPointer(rebasing: text.octets[place..<escape]))
            place = escape &+ 1
            guard place < text.octets.count else { return }
            // The octet after the backslash stands for itself, be it another backslash.
            guard let next = text.octets.firstOffset(of: 0x5C, from: place &+ 1) else { break }
            escape = next
        }
        append(UnsafeRawBufferPointer(rebasing: text.octets[place...]))
    }

    mutating func appendDigits(_ hash: HashValue) {
        if gathered &+ hash.digitCount > Self.roomLength { flush() }
        hash.writeDigits(to: room + gathered)
        gathered &+= hash.digitCount
    }

    mutating func end() -> HashValue {
        flush()
        var hash = HashValue(current)
        withUnsafeMutablePointer(to: &hash.words) { words in
            switch current {
            case .md5: chf_md5_end(context, words)
            case .sha256: chf_sha256_end(context, words)
            case .sha512_256: chf_sha512_256_end(context, words)
            }
        }
        return hash
    }

    private mutating func flush() {
        guard gathered > 0 else { return }
        update(room, gathered)
        gathered = 0
    }

    private func update(_ octets: UnsafeRawPointer, _ count: Int) {
        switch current {
        case .md5: chf_md5_update(context, octets, count)
        case .sha256: chf_sha256_update(context, octets, count)
        case .sha512_256: chf_sha512_256_update(context, octets, count)
        }
    }
}
