// Answers or verifies again and again, so that callgrind can say what one time costs: see ../digest-cost.sh.
//
//     DigestCost WHAT md5|sha256|sha512_256 COUNT
//
// WHAT: read (a challenge), first (challenge read, HA1 made, credentials written), next (HA1 kept), again (HA1 and HA2
// kept), challenge (written by a server), verify (credentials read and verified).
import Digest
import Glibc
import SIPWire

func octets(_ text: String) -> UnsafeRawBufferPointer {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
    room.copyBytes(from: text.utf8)
    return UnsafeRawBufferPointer(room)
}

func whole(_ octets: UnsafeRawBufferPointer) -> OctetRange { OctetRange(offset: 0, length: UInt32(octets.count)) }

/// - Returns: a sum over what was written, printed so that nothing can be left out as useless.
func measure(_ what: String, _ function: HashFunction, _ count: Int) throws -> Int {
    var hasher = DigestHasher()
    let realm = octets("example.org")
    let username = octets("subscriber-000042")
    let password = octets("correct horse battery")
    let cnonce = octets("9f2c41d07be35a86")
    let request = DigestRequest(method: octets("REGISTER"), uri: octets("sip:registrar.example.org"))
    var policy = ServerPolicy(realm: realm, secret: NonceSecret(1, 2, 3, 4))
    policy.algorithms = .all
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 16)
    let value = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 16)

    let challengeLength = try hasher.writeChallenge(
        policy, DigestAlgorithm(function), nowMilliseconds: 1_700_000_000_000, salt: 1, into: value)
    let text = UnsafeRawBufferPointer(rebasing: value[..<challengeLength])
    let challenge = Challenge(text.baseAddress!, whole(text))
    let userHash = hasher.hash(username: username, password: password, for: challenge)
    var answer = ClientAnswer(user: .named(username), userHash: userHash, nonceCount: 1, cnonce: cnonce)
    if what == "again" { answer.requestHash = hasher.requestHash(request, qop: .auth, function) }

    var sum = 0
    for turn in 0..<count {
        answer.nonceCount = UInt32(turn + 1)
        switch what {
        case "read": sum += Int(Challenge(text.baseAddress!, whole(text)).nonce.length) &+ turn
        case "first":
            let read = Challenge(text.baseAddress!, whole(text))
            answer.userHash = hasher.hash(username: username, password: password, for: read)
            sum += try hasher.writeCredentials(for: read, answer, request, into: room)
        case "next", "again": sum += try hasher.writeCredentials(for: challenge, answer, request, into: room)
        case "challenge":
            sum += try hasher.writeChallenge(
                policy, DigestAlgorithm(function), nowMilliseconds: 1_700_000_000_000, salt: UInt64(turn), into: room)
        case "verify":
            if turn == 0 { sum = try hasher.writeCredentials(for: challenge, answer, request, into: room) }
            let read = DigestCredentials(room.baseAddress!, OctetRange(offset: 0, length: UInt32(sum)))
            // The same credentials again and again: each time a record that has not seen them.
            var counts = NonceCountRecord()
            let verdict = hasher.verify(
                read, policy, userHash: userHash, request, nowMilliseconds: 1_700_000_000_001, counts: &counts)
            guard verdict == .right else { fatalError("\(verdict)") }
        default: fatalError("DigestCost read|first|next|again|challenge|verify md5|sha256|sha512_256 COUNT")
        }
    }
    return sum
}

let arguments = CommandLine.arguments
let functions: [String: HashFunction] = ["md5": .md5, "sha256": .sha256, "sha512_256": .sha512_256]
guard arguments.count == 4, let function = functions[arguments[2]], let count = Int(arguments[3]) else {
    print("usage: DigestCost read|first|next|again|challenge|verify md5|sha256|sha512_256 COUNT")
    exit(64)
}
print(try measure(arguments[1], function, count))
