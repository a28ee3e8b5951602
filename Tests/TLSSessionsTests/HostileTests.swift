import Glibc
import Testing

@testable import TLSSessions

/// Peers that speak something else, nonsense, or not to the end.
@Suite struct HostileTests {
    private func send(_ octets: [UInt8], on socket: Int32) {
        _ = octets.withUnsafeBytes { write(socket, $0.baseAddress, $0.count) }
    }

    @Test func plainSIPFromAServer() throws {
        let contexts = try SessionTests.Contexts()
        var ends = contexts.ends()
        #expect(ends.client.handshake() == .wantsRead)
        send(Array("SIP/2.0 400 Bad Request\r\nVia: x\r\n\r\n".utf8), on: ends.serverSocket)
        let failure = try #require(ends.client.handshake().failure)
        #expect(failure.kind == .peerDoesNotSpeakTLS, "\(failure)")
        #expect(failure.description.contains("begins with \"SIP/2.0 400 Bad Request\""), "\(failure)")
        #expect(failure.description.contains("--transport tcp"))
        #expect(ends.client.handshake().failure?.kind == .peerDoesNotSpeakTLS)
    }

    @Test(arguments: [
        "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\r\n\r\n\r\n\r\n",
    ])
    func plainTextFromAClient(_ text: String) throws {
        let contexts = try SessionTests.Contexts()
        var ends = contexts.ends()
        send(Array(text.utf8), on: ends.clientSocket)
        let failure = try #require(ends.server.handshake().failure)
        #expect(failure.kind == .peerDoesNotSpeakTLS, "\(failure)")
        #expect(failure.description.contains("the client must use TLS for this port"))
    }

    @Test func peerThatHangsUpAtOnce() throws {
        let contexts = try SessionTests.Contexts()
        var ends = contexts.ends()
        _ = ends.client.handshake()
        shutdown(ends.serverSocket, Int32(SHUT_WR))
        let failure = try #require(ends.client.handshake().failure)
        #expect(failure.kind == .cutOff && failure.duringHandshake, "\(failure)")
        #expect(failure.description.contains("before the server said a word"), "\(failure)")
    }

    @Test func peerThatIsGoneBeforeTheFirstWord() throws {
        let contexts = try SessionTests.Contexts()
        var ends = contexts.ends()
        shutdown(ends.serverSocket, Int32(SHUT_RDWR))
        let failure = try #require(ends.client.handshake().failure)
        #expect(failure.kind == .cutOff && failure.systemError == EPIPE, "\(failure)")
    }

    /// A handshake that stops after each number of octets of the server's flight, and then goes on octet by octet, or ends.
    @Test func handshakeOctetByOctetAndCutAnywhere() throws {
        let contexts = try SessionTests.Contexts()
        var between = Between(contexts)
        let whole = between.run(cutAfter: nil)
        #expect(whole == .done)
        let length = between.passed
        #expect(length > 500)
        // a flight is shorter by some octets at times, as its signature is
        for cut in stride(from: 0, to: length - 8, by: 37) {
            var between = Between(contexts)
            let failure = between.run(cutAfter: cut).failure
            #expect(failure?.kind == .cutOff, "cut after \(cut): \(String(describing: failure))")
        }
    }

    @Test(arguments: 0..<8)
    func seededGarbage(_ seed: UInt64) throws {
        let contexts = try SessionTests.Contexts()
        var generator = SeededGenerator(state: seed)
        for round in 0..<250 {
            var octets = (0..<1 + Int(generator.next() % 600)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            // every other has the head of a record of the right length, so that it gets further
            if round % 2 == 0 && octets.count > 5 {
                octets[0] = UInt8(20 + generator.next() % 5)
                octets[1] = 3
                octets[2] = UInt8(generator.next() % 5)
                octets[3] = UInt8((octets.count - 5) >> 8)
                octets[4] = UInt8((octets.count - 5) & 255)
            }
            var ends = contexts.ends()
            _ = ends.client.handshake()
            send(octets, on: ends.serverSocket)
            send(octets, on: ends.clientSocket)
            shutdown(ends.serverSocket, Int32(SHUT_WR))
            shutdown(ends.clientSocket, Int32(SHUT_WR))
            var hands = (client: TLSHandshake.wantsRead, server: TLSHandshake.wantsRead)
            for _ in 0..<4 { hands = (ends.client.handshake(), ends.server.handshake()) }
            let client = try #require(hands.client.failure)
            let server = try #require(hands.server.failure)
            #expect(!client.description.isEmpty && !server.description.isEmpty)
        }
        // nothing of it stays: the next handshake is as ever
        var ends = contexts.ends()
        let hands = ends.handshake()
        #expect(hands.client == .done && hands.server == .done)
    }

    /// One octet of the sealed stream turned: never octets that were not sent.
    @Test(arguments: 0..<40)
    func turnedOctets(_ seed: UInt64) throws {
        let contexts = try SessionTests.Contexts()
        var ends = contexts.ends()
        _ = ends.handshake()
        ends.settle()
        #expect(ends.client.writeText(String(repeating: "a", count: 300)) == .octets(300))
        var sealed = [UInt8](repeating: 0, count: 1000)
        let count = sealed.withUnsafeMutableBytes { read(ends.serverSocket, $0.baseAddress, $0.count) }
        #expect(count > 300)
        var generator = SeededGenerator(state: seed)
        sealed[Int(generator.next() % UInt64(count))] ^= UInt8(1 + generator.next() % 255)
        send(Array(sealed[..<count]), on: ends.clientSocket)
        let reading = ends.server.readOctets()
        #expect(reading.result == .failed || reading.result == .wantsRead, "\(reading.result)")
        if reading.result == .failed {
            let failure = ends.server.failure
            #expect(failure.kind == .broken, "\(failure)")
        }
    }

    /// Thousands of handshakes of each kind: what is allocated does not grow with them. In a process of its own, since other
    /// tests allocate too. The allocator's own caches fill up at first, so the round that grew least is what counts.
    @Test func memoryIsFlat() async {
        await #expect(processExitsWith: .success) {
            var contexts = try SessionTests.Contexts()
            let refusing = try SessionTests.Contexts(Certificates.client(), Certificates.server("expired"))
            func leastGrowth(_ rounds: Int, _ handshake: () -> Void) -> Int {
                var least = Int.max
                for _ in 0..<rounds {
                    let before = octetsInUse()
                    for _ in 0..<1000 { handshake() }
                    least = min(least, octetsInUse() - before)
                }
                return least
            }
            let full = leastGrowth(4) {
                contexts.clients.forgetTicket(of: contexts.target)
                var ends = contexts.ends()
                _ = ends.handshake()
                ends.settle()
            }
            let resumed = leastGrowth(2) {
                var ends = contexts.ends()
                _ = ends.handshake()
                ends.settle()
            }
            let refused = leastGrowth(4) {
                var ends = refusing.ends()
                _ = ends.handshake()
            }
            let cut = leastGrowth(2) {
                var ends = contexts.ends()
                _ = ends.client.handshake()
                _ = ends.server.handshake()
            }
            let counts = contexts.clients.counts
            // the smallest thing that malloc gives, lost every other time, would show
            guard max(full, resumed, refused, cut) < 8000, counts.fullHandshakes == 4000,
                counts.resumedHandshakes == 2000, refusing.clients.counts.failedHandshakes == 4000
            else {
                print("grown by", full, resumed, refused, cut, counts)
                exit(1)
            }
        }
    }
}

/// What the allocator has given out and not got back. mallinfo2 says it too, but Swift's Glibc knows neither.
private func octetsInUse() -> Int {
    typealias MallocInfo = @convention(c) (Int32, UnsafeMutablePointer<FILE>) -> Int32
    let symbol: UnsafeMutableRawPointer = dlsym(dlopen(nil, RTLD_NOW), "malloc_info")
    var text: UnsafeMutablePointer<CChar>?
    var length = 0
    let stream: UnsafeMutablePointer<FILE> = open_memstream(&text, &length)
    _ = unsafeBitCast(symbol, to: MallocInfo.self)(0, stream)
    fclose(stream)
    defer { free(text) }
    // the totals over all arenas come last: <total type="fast" … size="1"/> <total type="rest" …/> <system type="current" …/>
    guard let text else { preconditionFailure("malloc_info wrote nothing") }
    let lines = String(cString: text).split(separator: "\n")
    func size(_ start: String) -> Int {
        let line = lines.last { $0.hasPrefix(start) }
        let size = line?.split(separator: "\"").dropLast().last.flatMap { Int($0) }
        guard let size else { preconditionFailure("malloc_info has no \(start)") }
        return size
    }
    return size("<system type=\"current\"") - size("<total type=\"fast\"") - size("<total type=\"rest\"")
}

/// Carries octets between two ends one at a time.
private struct Between: ~Copyable {
    var client: TLSSession
    var server: TLSSession
    let clientPair: (Int32, Int32)
    let serverPair: (Int32, Int32)
    var passed = 0

    init(_ contexts: borrowing SessionTests.Contexts) {
        clientPair = connectedSockets()
        serverPair = connectedSockets()
        client = TLSSession(contexts.clients, to: contexts.target, descriptor: clientPair.0)
        server = TLSSession(answering: contexts.servers, descriptor: serverPair.0)
    }

    deinit { for socket in [clientPair.0, clientPair.1, serverPair.0, serverPair.1] { close(socket) } }

    /// What the client came to, where the server's octets end after so many.
    mutating func run(cutAfter cut: Int?) -> TLSHandshake {
        var octet: UInt8 = 0
        while true {
            let hand = client.handshake()
            if hand.isFinal { return hand }
            while read(clientPair.1, &octet, 1) == 1 {
                _ = write(serverPair.1, &octet, 1)
                _ = server.handshake()
            }
            if let cut, passed == cut {
                shutdown(clientPair.1, Int32(SHUT_WR))
                return client.handshake()
            }
            guard read(serverPair.1, &octet, 1) == 1 else { return hand }
            _ = write(clientPair.1, &octet, 1)
            passed += 1
        }
    }
}
