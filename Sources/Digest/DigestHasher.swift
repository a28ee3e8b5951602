import COpenSSL
import Glibc

/// OpenSSL has no such hash function: a FIPS provider has no MD5, for one.
public struct HashFunctionUnavailable: Error, Sendable {
    public var function: HashFunction
}

/// Hashes for one thread: OpenSSL's functions looked up once, one context each, a buffer that gathers the pieces. After
/// `init` nothing is allocated.
public struct DigestHasher: ~Copyable {
    private static var roomLength: Int { 1024 }

    private let functions: UnsafeMutablePointer<OpaquePointer>
    private let contexts: UnsafeMutablePointer<OpaquePointer>
    /// What is to be hashed is gathered here: a call of OpenSSL costs more than a copy.
    private let room: UnsafeMutableRawPointer
    private var gathered = 0
    private var current = HashFunction.md5

    public init() throws(HashFunctionUnavailable) {
        let count = HashFunction.sha512_256.rawValue + 1
        functions = .allocate(capacity: Int(count))
        contexts = .allocate(capacity: Int(count))
        room = .allocate(byteCount: Self.roomLength, alignment: 16)
        for number in 0..<count {
            let function = HashFunction(rawValue: number)!
            guard let fetched = EVP_MD_fetch(nil, function.name, nil) else {
                Self.free(functions, contexts, room, Int(number))
                throw HashFunctionUnavailable(function: function)
            }
            guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex2(context, fetched, nil) == 1 else {
                fatalError("OpenSSL has no memory for a hash context")
            }
            functions[Int(number)] = fetched
            contexts[Int(number)] = context
        }
    }

    deinit { Self.free(functions, contexts, room, 3) }

    private static func free(
        _ functions: UnsafeMutablePointer<OpaquePointer>, _ contexts: UnsafeMutablePointer<OpaquePointer>,
        _ room: UnsafeMutableRawPointer, _ count: Int
    ) {
        for number in 0..<count {
            EVP_MD_CTX_free(contexts[number])
            EVP_MD_free(functions[number])
        }
        functions.deallocate()
        contexts.deallocate()
        room.deallocate()
    }

    mutating func begin(_ function: HashFunction) {
        current = function
        gathered = 0
        // Without a function named again OpenSSL keeps the context's memory.
        guard EVP_DigestInit_ex2(contexts[Int(function.rawValue)], nil, nil) == 1 else { Self.refused() }
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
        guard octets.count > Self.roomLength else { return append(octets) }
        update(octets)
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
        var length: UInt32 = 0
        let context = contexts[Int(current.rawValue)]
        let isDone = withUnsafeMutablePointer(to: &hash.words) { words in
            words.withMemoryRebound(to: UInt8.self, capacity: 32) { EVP_DigestFinal_ex(context, $0, &length) }
        }
        guard isDone == 1, Int(length) == current.length else { Self.refused() }
        return hash
    }

    private mutating func flush() {
        guard gathered > 0 else { return }
        update(UnsafeRawBufferPointer(start: room, count: gathered))
        gathered = 0
    }

    private func update(_ octets: UnsafeRawBufferPointer) {
        guard EVP_DigestUpdate(contexts[Int(current.rawValue)], octets.baseAddress, octets.count) == 1 else {
            Self.refused()
        }
    }

    /// Cannot happen with a context that was set up: no input is wrong for a hash.
    private static func refused() -> Never { fatalError("OpenSSL refused to hash") }
}

extension HashFunction {
    /// OpenSSL's name for it.
    fileprivate var name: String {
        switch self {
        case .md5: return "MD5"
        case .sha256: return "SHA2-256"
        case .sha512_256: return "SHA2-512/256"
        }
    }
}
