import Digest
import SIPWire

/// Octets that outlive the test: the views keep addresses, and ARC would free what nobody names any more, so nothing is
/// freed. Exactly as large as the text, so that a sanitizer sees every octet read too far.
final class Octets {
    let buffer: UnsafeMutableRawBufferPointer

    init(_ bytes: [UInt8]) {
        buffer = .allocate(byteCount: bytes.count, alignment: 1)
        buffer.copyBytes(from: bytes)
    }

    convenience init(_ text: String) { self.init(Array(text.utf8)) }

    var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(buffer) }
    /// Of no octets an address that nobody may read.
    var base: UnsafeRawPointer { raw.baseAddress ?? UnsafeRawPointer(bitPattern: 64)! }
    var whole: OctetRange { OctetRange(offset: 0, length: UInt32(buffer.count)) }
    var string: String { String(decoding: raw, as: UTF8.self) }

    func text(_ range: OctetRange) -> String {
        String(decoding: raw[Int(range.offset)..<Int(range.end)], as: UTF8.self)
    }

    var challenge: Challenge { Challenge(base, whole) }
    var credentials: DigestCredentials { DigestCredentials(base, whole) }
    var information: AuthenticationInfo { AuthenticationInfo(base, whole) }
}

/// splitmix64.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension HashValue {
    var text: String {
        String(unsafeUninitializedCapacity: digitCount) {
            writeDigits(to: $0.baseAddress!)
            return digitCount
        }
    }
}

/// What a function wrote into a room of exactly that size.
func written(
    _ size: Int = 1024, _ write: (UnsafeMutableRawBufferPointer) throws(DigestWriteFault) -> Int
) throws(DigestWriteFault) -> Octets {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
    defer { room.deallocate() }
    let count = try write(room)
    return Octets(Array(room[..<count]))
}

/// A client: what it knows, and how it answers.
struct TestClient {
    var username = Octets("Mufasa")
    var password = Octets("Circle of Life")
    var method = Octets("REGISTER")
    var uri = Octets("sip:example.org")
    var body = Octets("")
    var cnonce = Octets("0a4f113b")
    var nonceCount: UInt32 = 1
    var hashesUsername = false
    var prefersIntegrity = false

    init(_ username: String = "Mufasa", _ password: String = "Circle of Life") {
        self.username = Octets(username)
        self.password = Octets(password)
    }

    var request: DigestRequest { DigestRequest(method: method.raw, uri: uri.raw, body: body.raw) }

    func answer(_ hasher: inout DigestHasher, _ challenge: Octets, of read: Challenge? = nil) -> ClientAnswer {
        let challenge = read ?? challenge.challenge
        let hash = hasher.hash(username: username.raw, password: password.raw, for: challenge)
        var user = DigestUser.named(username.raw)
        if hashesUsername {
            let realm = challenge.message + Int(challenge.realm.offset)
            let name = UnsafeRawBufferPointer(start: realm, count: Int(challenge.realm.length))
            user = .hashed(hasher.hash(username: username.raw, realm: name, challenge.algorithm.function))
        }
        var answer = ClientAnswer(user: user, userHash: hash, nonceCount: nonceCount, cnonce: cnonce.raw)
        answer.prefersIntegrity = prefersIntegrity
        return answer
    }

    /// The Authorization value.
    func credentials(
        _ hasher: inout DigestHasher, _ challenge: Octets, size: Int = 1024
    ) throws(DigestWriteFault) -> Octets {
        let answer = answer(&hasher, challenge)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
        defer { room.deallocate() }
        let count = try hasher.writeCredentials(for: challenge.challenge, answer, request, into: room)
        return Octets(Array(room[..<count]))
    }
}
