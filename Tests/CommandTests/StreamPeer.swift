import Foundation
import Testing

/// A TCP connection of a peer's, or a listener, on 127.0.0.1. Blocking, with limits, and as ill-behaved as a test wants it.
/// Used by one thread at a time, but for `shutDown`.
final class StreamPeer: @unchecked Sendable {
    private var descriptor: Int32

    private init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    }

    deinit { stop() }

    /// Whoever waits to accept here waits no more.
    func shutDown() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    func stop() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }

    /// Connects to `target`, `127.0.0.1:port`.
    /// - Parameter receiveBuffer: octets that the kernel keeps unread, so that a peer that does not read is soon noticed.
    init(to target: String, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if var receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
        var address = Self.loopback(try #require(target.split(separator: ":").last.flatMap { UInt16($0) }))
        let descriptor = descriptor
        let isConnected = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        try #require(isConnected, "connect to \(target): \(String(cString: strerror(errno)))")
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    }

    /// A listener, and the port it has.
    static func listener(at port: UInt16 = 0) throws -> (StreamPeer, UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        var address = loopback(port)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isBound)
        return (StreamPeer(descriptor), UInt16(bigEndian: address.sin_port))
    }

    func accept() throws -> StreamPeer { try #require(next(), "nobody connected within 20 s") }

    /// nil where nobody connects within 20 s, or the listener is shut down.
    func next() -> StreamPeer? {
        let connection = Glibc.accept(descriptor, nil, nil)
        return connection >= 0 ? StreamPeer(connection) : nil
    }

    func send(_ text: String) throws {
        let octets = Array(text.utf8)
        try #require(Glibc.send(descriptor, octets, octets.count, Int32(MSG_NOSIGNAL)) == octets.count)
    }

    /// Sends what the kernel takes at once.
    /// - Returns: how many octets.
    func sendWhatFits(_ text: String) -> Int {
        let octets = Array(text.utf8)
        return max(
            0, Glibc.send(descriptor, octets, octets.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)))
    }

    /// What comes next; nil at the end of the stream or when it breaks.
    func receive() -> String? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    /// Reads until so many responses of that status have come, or the stream ends.
    /// - Returns: how many came.
    func responses(_ status: Int, atLeast wanted: Int = 1) -> Int {
        var text = ""
        var found = 0
        while found < wanted, let more = receive() {
            text += more
            found = text.components(separatedBy: "SIP/2.0 \(status) ").count - 1
        }
        return found
    }

    /// Whether the other side ends the connection.
    func isEnded() -> Bool {
        while receive() != nil {}
        return errno != EAGAIN && errno != EWOULDBLOCK
    }

    /// Ends with a reset instead of an end.
    func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        var nowhere = sockaddr()
        nowhere.sa_family = sa_family_t(AF_UNSPEC)
        // A connect to nowhere dissolves the connection, with a reset since it may not linger.
        connect(descriptor, &nowhere, socklen_t(MemoryLayout<sockaddr>.size))
    }

    /// All that was sent has come.
    var isAcknowledged: Bool {
        var left: Int32 = 0
        return ioctl(descriptor, UInt(TIOCOUTQ), &left) == 0 && left == 0
    }

    func halfClose() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// A request that nobody's call belongs to and that is answered 200.
    static func options(_ number: Int, length: String? = "Content-Length: 0", body: String = "") -> String {
        ([
            "OPTIONS sip:bob@127.0.0.1 SIP/2.0", "Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKhostile\(number)",
            "Max-Forwards: 70", "From: <sip:hostile@127.0.0.1>;tag=h\(number)", "To: <sip:bob@127.0.0.1>",
            "Call-ID: hostile-\(number)", "CSeq: \(number) OPTIONS",
        ] + [length].compactMap { $0 } + ["", body]).joined(separator: "\r\n")
    }
}

/// What the system says of a process.
enum ProcessFacts {
    /// The most memory it ever had resident, in octets.
    static func peakMemory(_ identifier: pid_t) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(identifier)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        let number = try #require(line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first)
        return try #require(Int(number)) << 10
    }
}
