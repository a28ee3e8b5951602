import Foundation
import Synchronization

/// UDP ports of 127.0.0.1 for the programs that tests start.
enum UDPPorts {
    private static let given = Mutex<Set<UInt16>>([])

    /// A port nobody has bound, below the range the kernel hands out, and never the same twice in this process.
    static func free() throws -> UInt16 {
        try given.withLock { given in
            for _ in 0..<10_000 {
                let candidate = UInt16.random(in: 20_000..<32_000)
                if !given.contains(candidate), let socket = UDPSocket(port: candidate) {
                    socket.close()
                    given.insert(candidate)
                    return candidate
                }
            }
            throw InteropError("no free UDP port between 20000 and 32000")
        }
    }

    /// Whether some process has bound the port. No message is sent, so that no counter moves.
    static func isBound(_ port: UInt16) -> Bool {
        isListed(port, in: ["/proc/net/udp", "/proc/net/udp6"])
    }

    /// Whether some process listens for connections at the port.
    static func isListening(_ port: UInt16) -> Bool {
        isListed(port, in: ["/proc/net/tcp", "/proc/net/tcp6"], state: "0A")
    }

    private static func isListed(_ port: UInt16, in files: [String], state: Substring? = nil) -> Bool {
        let hexadecimal = String(port, radix: 16, uppercase: true)
        let wanted = ":" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
        return files.contains { file in
            // Of a file in /proc, String(contentsOfFile:) reads the first page only.
            guard let handle = FileHandle(forReadingAtPath: file), let octets = try? handle.readToEnd() else {
                return false
            }
            return String(decoding: octets, as: UTF8.self).split(separator: "\n").dropFirst().contains { line in
                let fields = line.split(separator: " ")
                return fields.count > 3 && fields[1].hasSuffix(wanted) && (state == nil || fields[3] == state!)
            }
        }
    }

    /// Whether OPTIONS to the port is answered by a SIP response.
    static func answersOptions(_ port: UInt16) -> Bool {
        guard let socket = UDPSocket(port: 0) else { return false }
        defer { socket.close() }
        let token = UInt64.random(in: 0..<(.max))
        socket.send(
            """
            OPTIONS sip:127.0.0.1:\(port) SIP/2.0\r
            Via: SIP/2.0/UDP 127.0.0.1:\(socket.port);branch=z9hG4bK\(token)\r
            From: <sip:probe@127.0.0.1>;tag=\(token)\r
            To: <sip:127.0.0.1:\(port)>\r
            Call-ID: \(token)@127.0.0.1\r
            CSeq: 1 OPTIONS\r
            Max-Forwards: 70\r
            Content-Length: 0\r
            \r\n
            """, to: port)
        return socket.receive(milliseconds: 100)?.hasPrefix("SIP/2.0 ") ?? false
    }
}

/// A UDP socket of 127.0.0.1, as little as the probes need.
struct UDPSocket {
    private let descriptor: Int32
    let port: UInt16

    /// Nil when the port is taken; port 0 lets the kernel choose.
    init?(port wanted: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = Self.loopback(wanted)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else {
            Glibc.close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        port = UInt16(bigEndian: address.sin_port)
    }

    func send(_ text: String, to port: UInt16) {
        var address = Self.loopback(port)
        let octets = Array(text.utf8)
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, octets, octets.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    func receive(milliseconds: Int32) -> String? {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, milliseconds) == 1 else { return nil }
        var octets = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &octets, octets.count, 0)
        return count > 0 ? String(decoding: octets[..<count], as: UTF8.self) : nil
    }

    /// A datagram that is here already, and the port it came from.
    func take() -> (octets: [UInt8], from: UInt16)? {
        var octets = [UInt8](repeating: 0, count: 65_536)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &octets, octets.count, Int32(MSG_DONTWAIT), $0, &length)
            }
        }
        return count >= 0 ? (Array(octets[..<count]), UInt16(bigEndian: address.sin_port)) : nil
    }

    func send(_ octets: [UInt8], to port: UInt16) {
        var address = Self.loopback(port)
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, octets, octets.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Until one of them has something to take.
    static func wait(for sockets: [UDPSocket], milliseconds: Int32) {
        var waiting = sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        _ = poll(&waiting, nfds_t(waiting.count), milliseconds)
    }

    func close() { Glibc.close(descriptor) }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
