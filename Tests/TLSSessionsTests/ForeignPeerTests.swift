import Foundation
import Testing

@testable import TLSSessions

/// Peers that nobody here wrote: the openssl command, and Python's ssl module.
@Suite struct ForeignPeerTests {
    /// A peer with its output on a pipe, ended with this.
    final class Peer {
        let process = Process()
        private let output = Pipe()
        private let input = Pipe()
        private var kept: [UInt8] = []

        init(_ command: String, _ arguments: [String]) throws {
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = [command] + arguments
            process.currentDirectoryURL = URL(fileURLWithPath: Certificates.folder)
            process.standardOutput = output
            process.standardError = output
            process.standardInput = input
            try process.run()
        }

        /// To be called at the end: a reference that is not used any more may be gone before its scope is.
        func end() {
            try? input.fileHandleForWriting.close()
            kill(process.processIdentifier, SIGKILL)  // a child of a thread of tests may have the others blocked
            process.waitUntilExit()
        }

        /// The next line with the text in it; nil at the end.
        func line(with text: String) -> String? {
            while true {
                while let end = kept.firstIndex(of: 10) {
                    let line = String(decoding: kept[..<end], as: UTF8.self)
                    kept.removeSubrange(...end)
                    if line.contains(text) { return line }
                }
                let data = output.fileHandleForReading.availableData
                if data.isEmpty { return nil }
                kept += data
            }
        }

        func say(_ text: String) { input.fileHandleForWriting.write(Data(text.utf8)) }
    }

    static func port(in line: String) -> UInt16? {
        line.split(whereSeparator: { !$0.isNumber }).last.flatMap { UInt16($0) }
    }

    static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    static func connected(to port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = address(port)
        let result = withUnsafeBytes(of: &address) {
            connect(descriptor, $0.bindMemory(to: sockaddr.self).baseAddress!, socklen_t($0.count))
        }
        precondition(result == 0)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        return descriptor
    }

    static func listening() -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutableBytes(of: &address) { raw -> UInt16 in
            let generic = raw.bindMemory(to: sockaddr.self).baseAddress!
            precondition(bind(descriptor, generic, length) == 0 && listen(descriptor, 8) == 0)
            getsockname(descriptor, generic, &length)
            return raw.load(fromByteOffset: 2, as: UInt16.self).bigEndian
        }
        return (descriptor, port)
    }

    static func accepted(_ listener: Int32) -> Int32 {
        let descriptor = accept(listener, nil, nil)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        return descriptor
    }

    private func wait(_ descriptor: Int32, _ events: Int32) {
        var waiting = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        _ = poll(&waiting, 1, 10_000)
    }

    private func shakeHands(_ session: inout TLSSession, _ descriptor: Int32) -> TLSHandshake {
        for _ in 0..<50 {
            let hand = session.handshake()
            switch hand {
            case .done, .failed: return hand
            case .wantsRead: wait(descriptor, Int32(POLLIN))
            case .wantsWrite: wait(descriptor, Int32(POLLOUT))
            }
        }
        return .wantsRead
    }

    private func readSome(_ session: inout TLSSession, _ descriptor: Int32) -> (result: TLSReading, text: String) {
        for _ in 0..<50 {
            let reading = session.readOctets()
            if reading.result != .wantsRead { return (reading.result, String(decoding: reading.octets, as: UTF8.self)) }
            wait(descriptor, Int32(POLLIN))
        }
        return (.wantsRead, "")
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func opensslServer(_ version: String) throws {
        let peer = try Peer(
            "openssl",
            ["s_server", "-4", "-accept", "0", "-cert", "good.pem", "-key", "good.key", "-rev", version])
        defer { peer.end() }
        let port = try #require(peer.line(with: "ACCEPT").flatMap(Self.port))
        var clients = try TLSContext(.client, Certificates.client())
        let target = clients.addTarget(host: "sip.example.com")
        for round in 0..<3 {
            let descriptor = Self.connected(to: port)
            defer { close(descriptor) }
            var session = TLSSession(clients, to: target, descriptor: descriptor)
            #expect(shakeHands(&session, descriptor) == .done)
            #expect(session.isResumed == (round > 0))
            #expect(session.version == (version == "-tls1_2" ? .tls12 : .tls13))
            #expect(session.writeText("reversed\n") == .octets(9))
            #expect(readSome(&session, descriptor).text == "desrever\n")
            #expect(session.close() == .sent)
        }
    }

    /// A server that reads without waiting for our messages, and wants a certificate.
    @Test(arguments: [true, false])
    func opensslServerThatWantsACertificate(_ given: Bool) throws {
        let peer = try Peer(
            "openssl",
            ["s_server", "-4", "-accept", "0", "-cert", "good.pem", "-key", "good.key", "-rev", "-Verify", "1"]
                + ["-CAfile", "ca.pem", "-verify_return_error"])
        defer { peer.end() }
        let port = try #require(peer.line(with: "ACCEPT").flatMap(Self.port))
        var clients = try TLSContext(
            .client,
            Certificates.client {
                if given { $0.certificateFile = Certificates.path("both.pem") }
            })
        let target = clients.addTarget(host: "sip.example.com")
        let descriptor = Self.connected(to: port)
        defer { close(descriptor) }
        var session = TLSSession(clients, to: target, descriptor: descriptor)
        #expect(shakeHands(&session, descriptor) == .done)
        if given {
            #expect(session.writeText("abc\n") == .octets(4))
            #expect(readSome(&session, descriptor).text == "cba\n")
        } else {
            #expect(readSome(&session, descriptor).result == .failed)
            let failure = session.failure
            #expect(failure.kind == .clientCertificateWanted && failure.alert == 116, "\(failure)")
        }
    }

    @Test(arguments: [
        ("-tls1_3", "ok"), ("-tls1_2", "ok"),
    ])
    func opensslClient(_ version: String, _ expected: String) throws {
        let servers = try TLSContext(.server, Certificates.server())
        let listener = Self.listening()
        defer { close(listener.descriptor) }
        let peer = try Peer(
            "openssl",
            [
                "s_client", "-connect", "127.0.0.1:\(listener.port)", "-CAfile", "ca.pem", "-verify_return_error",
                "-quiet",
            ]
                + ["-verify_hostname", "sip.example.com", "-servername", "sip.example.com", version])
        defer { peer.end() }
        let descriptor = Self.accepted(listener.descriptor)
        defer { close(descriptor) }
        var session = TLSSession(answering: servers, descriptor: descriptor)
        #expect(shakeHands(&session, descriptor) == .done)
        peer.say("hello from openssl\n")
        #expect(readSome(&session, descriptor).text == "hello from openssl\n")
        #expect(session.writeText("hello to openssl\n") == .octets(17))
        #expect(peer.line(with: "hello to openssl") != nil)
    }

    @Test func pythonServerWithSNIAndCloseNotify() throws {
        let program = """
            import socket, ssl, sys
            c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain('good.pem', 'good.key')
            c.sni_callback = lambda s, name, _: print('SNI', name, flush=True)
            l = socket.create_server(('127.0.0.1', 0)); print('PORT', l.getsockname()[1], flush=True)
            for _ in range(2):
                s = c.wrap_socket(l.accept()[0], server_side=True)
                while True:
                    d = s.recv(65536)
                    if not d: break
                    s.sendall(d)
                s.unwrap(); s.close()
            print('END', flush=True)
            """
        let peer = try Peer("python3", ["-c", program])
        defer { peer.end() }
        let port = try #require(peer.line(with: "PORT").flatMap(Self.port))
        var clients = try TLSContext(.client, Certificates.client())
        for (host, name, sent) in [
            ("sip.example.com", nil, "sip.example.com"), ("127.0.0.1", nil, "None"),
        ] as [(String, String?, String)] {
            let target = clients.addTarget(host: host, name: name)
            let descriptor = Self.connected(to: port)
            defer { close(descriptor) }
            var session = TLSSession(clients, to: target, descriptor: descriptor)
            #expect(shakeHands(&session, descriptor) == .done)
            #expect(peer.line(with: "SNI") == "SNI \(sent)")
            #expect(session.writeText("echo") == .octets(4))
            #expect(readSome(&session, descriptor).text == "echo")
            #expect(session.close() == .sent)
            #expect(readSome(&session, descriptor).result == .ended(notified: true))
        }
        #expect(peer.line(with: "END") != nil)
    }

    @Test func pythonClientThatResetsInTheMiddle() throws {
        let servers = try TLSContext(.server, Certificates.server())
        let listener = Self.listening()
        defer { close(listener.descriptor) }
        let program = """
            import socket, ssl, struct
            i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
            c = ssl.create_default_context(cafile='ca.pem').wrap_bio(i, o, server_hostname='sip.example.com')
            try: c.do_handshake()
            except ssl.SSLWantReadError: pass
            s = socket.create_connection(('127.0.0.1', \(listener.port)))
            s.sendall(o.read()[:200])
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()
            """
        let peer = try Peer("python3", ["-c", program])
        defer { peer.end() }
        let descriptor = Self.accepted(listener.descriptor)
        defer { close(descriptor) }
        _ = peer.line(with: "never")
        var session = TLSSession(answering: servers, descriptor: descriptor)
        let failure = try #require(shakeHands(&session, descriptor).failure)
        #expect(failure.kind == .cutOff && failure.systemError == ECONNRESET, "\(failure)")
    }

    @Test func pythonClientWithCertificate() throws {
        let servers = try TLSContext(.server, Certificates.server { $0.requiresClientCertificate = true })
        let listener = Self.listening()
        defer { close(listener.descriptor) }
        let program = """
            import socket, ssl
            c = ssl.create_default_context(cafile='ca.pem'); c.load_cert_chain('user1.pem', 'user1.key')
            s = c.wrap_socket(socket.create_connection(('127.0.0.1', \(listener.port))), server_hostname='sip.example.com')
            s.sendall(b'x' * 100000); print('GOT', s.recv(10), flush=True)
            """
        let peer = try Peer("python3", ["-c", program])
        defer { peer.end() }
        let descriptor = Self.accepted(listener.descriptor)
        defer { close(descriptor) }
        var session = TLSSession(answering: servers, descriptor: descriptor)
        #expect(shakeHands(&session, descriptor) == .done)
        var count = 0
        while count < 100_000 {
            let reading = readSome(&session, descriptor)
            guard !reading.text.isEmpty else { break }
            count += reading.text.utf8.count
        }
        #expect(count == 100_000)
        #expect(session.writeText("enough") == .octets(6))
        #expect(peer.line(with: "GOT") == "GOT b'enough'")
    }
}
