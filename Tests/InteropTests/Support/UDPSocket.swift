import Foundation

extension Loopback {
    /// Calls `body` with the socket address of a port here, and writes back what it made of it.
    func withAddress<Result>(
        _ port: inout UInt16, _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result
    ) -> Result {
        switch self {
        case .ipv4:
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            defer { port = UInt16(bigEndian: address.sin_port) }
            return Self.lend(&address, body)
        case .ipv6:
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_addr = in6addr_loopback
            defer { port = UInt16(bigEndian: address.sin6_port) }
            return Self.lend(&address, body)
        }
    }

    private static func lend<Address, Result>(
        _ address: inout Address, _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result
    ) -> Result {
        var length = socklen_t(MemoryLayout<Address>.size)
        return withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }

    /// A socket of this family that no child process inherits; nil where there is none.
    func openSocket(_ type: __socket_type) -> Int32? {
        let family = self == .ipv4 ? AF_INET : AF_INET6
        let descriptor = socket(family, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        return descriptor >= 0 ? descriptor : nil
    }
}

/// A UDP socket of this machine, as little as the probes and the relay need.
struct UDPSocket {
    private let descriptor: Int32
    private let host: Loopback
    let port: UInt16

    /// Nil when the port is taken; port 0 lets the kernel choose.
    init?(port wanted: UInt16, at host: Loopback = .ipv4) {
        guard let descriptor = host.openSocket(SOCK_DGRAM) else { return nil }
        var port = wanted
        let isBound = host.withAddress(&port) {
            bind(descriptor, $0, $1.pointee) == 0 && getsockname(descriptor, $0, $1) == 0
        }
        guard isBound else {
            Glibc.close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        self.host = host
        self.port = port
    }

    func send(_ text: String, to port: UInt16) { send(Array(text.utf8), to: port) }

    func send(_ octets: [UInt8], to port: UInt16) {
        var port = port
        _ = host.withAddress(&port) { sendto(descriptor, octets, octets.count, 0, $0, $1.pointee) }
    }

    func receive(milliseconds: Int32) -> String? {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, milliseconds) == 1 else { return nil }
        return take().map { String(decoding: $0.octets, as: UTF8.self) }
    }

    /// A datagram that is here already, and the port it came from.
    func take() -> (octets: [UInt8], from: UInt16)? {
        var octets = [UInt8](repeating: 0, count: 65_536)
        var port: UInt16 = 0
        let count = host.withAddress(&port) {
            recvfrom(descriptor, &octets, octets.count, Int32(MSG_DONTWAIT), $0, $1)
        }
        return count >= 0 ? (Array(octets[..<count]), port) : nil
    }

    /// Until one of them has something to take.
    static func wait(for sockets: [UDPSocket], milliseconds: Int32) {
        var waiting = sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        _ = poll(&waiting, nfds_t(waiting.count), milliseconds)
    }

    func close() { Glibc.close(descriptor) }
}
