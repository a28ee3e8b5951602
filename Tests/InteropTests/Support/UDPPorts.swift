import Foundation
import Synchronization

/// UDP ports of 127.0.0.1 for the programs that tests start.
enum UDPPorts {
    private static let given = Mutex<Set<UInt16>>([])

    /// A port nobody has bound, out of a range that no other tests of this process use, below the range the kernel hands out, and never the same twice in this process.
    static func free() throws -> UInt16 {
        try given.withLock { given in
            for _ in 0..<10_000 {
                let candidate = UInt16.random(in: 26_000..<32_000)
                if !given.contains(candidate), let socket = UDPSocket(port: candidate) {
                    socket.close()
                    given.insert(candidate)
                    return candidate
                }
            }
            throw InteropError("no free UDP port between 26000 and 32000")
        }
    }

    /// A free port whose next one is free too.
    static func freePair() throws -> UInt16 {
        for _ in 0..<1_000 {
            let port = try free()
            let isNextGiven = given.withLock { !$0.insert(port + 1).inserted }
            if !isNextGiven, !isBound(port + 1), isFreeForStreams(port), isFreeForStreams(port + 1) { return port }
        }
        throw InteropError("no two free ports in a row")
    }

    /// Whether TCP can be bound there as well: also a connection that ended a moment ago keeps its port.
    private static func isFreeForStreams(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
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
            guard let table = kernelTable(file) else { return false }
            return table.split(separator: "\n").dropFirst().contains { line in
                let fields = line.split(separator: " ")
                return fields.count > 3 && fields[1].hasSuffix(wanted) && (state == nil || fields[3] == state!)
            }
        }
    }

    /// All of a file that the kernel writes while it is read. Foundation takes the first short read for its end, which on a machine
    /// with more than thirty sockets comes before the last of them.
    private static func kernelTable(_ file: String) -> String? {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var octets: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &room, room.count)
            guard count > 0 else { return count == 0 ? String(decoding: octets, as: UTF8.self) : nil }
            octets += room[..<count]
        }
    }

    /// Whether OPTIONS to the port is answered by a SIP response.
    static func answersOptions(_ port: UInt16, at host: Loopback = .ipv4) -> Bool {
        guard let socket = UDPSocket(port: 0, at: host) else { return false }
        defer { socket.close() }
        let name = host.rawValue
        let token = UInt64.random(in: 0..<(.max))
        socket.send(
            """
            OPTIONS sip:\(name):\(port) SIP/2.0\r
            Via: SIP/2.0/UDP \(name):\(socket.port);branch=z9hG4bK\(token)\r
            From: <sip:probe@\(name)>;tag=\(token)\r
            To: <sip:\(name):\(port)>\r
            Call-ID: \(token)@\(name)\r
            CSeq: 1 OPTIONS\r
            Max-Forwards: 70\r
            Content-Length: 0\r
            \r\n
            """, to: port)
        return socket.receive(milliseconds: 100)?.hasPrefix("SIP/2.0 ") ?? false
    }
}
