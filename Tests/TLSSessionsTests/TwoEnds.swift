import Glibc

@testable import TLSSessions

/// Two connected stream sockets, non-blocking.
func connectedSockets() -> (Int32, Int32) {
    var pair: (Int32, Int32) = (-1, -1)
    withUnsafeMutableBytes(of: &pair) { raw in
        let result = socketpair(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, raw.bindMemory(to: Int32.self).baseAddress
        )
        precondition(result == 0)
    }
    return pair
}

/// A client and a server of ours on one pair of sockets.
struct TwoEnds: ~Copyable {
    var client: TLSSession
    var server: TLSSession
    let clientSocket: Int32
    let serverSocket: Int32

    init(
        _ clientContext: borrowing TLSContext, _ target: TLSContext.Target, _ serverContext: borrowing TLSContext
    ) {
        (clientSocket, serverSocket) = connectedSockets()
        client = TLSSession(clientContext, to: target, descriptor: clientSocket)
        server = TLSSession(answering: serverContext, descriptor: serverSocket)
    }

    deinit {
        Glibc.close(clientSocket)
        Glibc.close(serverSocket)
    }

    /// Both shake hands until nothing moves: what each came to.
    mutating func handshake() -> (client: TLSHandshake, server: TLSHandshake) {
        var ours = TLSHandshake.wantsRead
        var theirs = TLSHandshake.wantsRead
        for _ in 0..<20 {
            if !ours.isFinal { ours = client.handshake() }
            if !theirs.isFinal { theirs = server.handshake() }
            if ours.isFinal && theirs.isFinal { break }
        }
        return (ours, theirs)
    }

    /// Takes the tickets that come behind a handshake.
    mutating func settle() {
        _ = client.readOctets(64)
        _ = server.readOctets(64)
    }
}

extension TLSHandshake {
    var isFinal: Bool {
        switch self {
        case .done, .failed: true
        case .wantsRead, .wantsWrite: false
        }
    }

    var failure: TLSFailure? { if case .failed(let failure) = self { failure } else { nil } }
}

extension TLSSession {
    mutating func readOctets(_ capacity: Int = 1 << 16) -> (result: TLSReading, octets: [UInt8]) {
        var room = [UInt8](repeating: 0, count: capacity)
        let result = room.withUnsafeMutableBytes { read(into: $0) }
        if case .octets(let count) = result { return (result, Array(room[..<count])) }
        return (result, [])
    }

    mutating func writeText(_ text: String) -> TLSWriting {
        Array(text.utf8).withUnsafeBytes { write($0) }
    }
}

/// What a failed handshake between two of ours came to on the client's side.
func clientFailure(
    _ clientSettings: TLSSettings, _ serverSettings: TLSSettings, host: String = "sip.example.com", name: String? = nil
) throws -> TLSFailure? {
    let (client, _) = try outcome(clientSettings, serverSettings, host: host, name: name)
    return client.failure
}

func outcome(
    _ clientSettings: TLSSettings, _ serverSettings: TLSSettings, host: String = "sip.example.com", name: String? = nil
) throws -> (client: TLSHandshake, server: TLSHandshake) {
    var clientContext = try TLSContext(.client, clientSettings)
    let serverContext = try TLSContext(.server, serverSettings)
    let target = clientContext.addTarget(host: host, name: name)
    var ends = TwoEnds(clientContext, target, serverContext)
    return ends.handshake()
}

/// Seeded, as everything drawn here: splitmix64.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed &>> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed &>> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed &>> 31)
    }
}
