import Foundation
import Testing

/// A UDP socket on loopback.
final class Peer {
    /// Whether this machine has ::1.
    static let hasIPv6 =
        (try? String(contentsOfFile: "/proc/net/if_inet6", encoding: .utf8))?
        .contains(String(repeating: "0", count: 31) + "1 ") ?? false

    let port: UInt16
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isBound)
        port = UInt16(bigEndian: address.sin_port)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// The next message, answered with what `answer` makes of it.
    func receive(answer: (String) -> String? = { _ in nil }) throws -> String {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var source = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &source) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
            }
        }
        try #require(count > 0, "nothing came within 20 s")
        let text = String(decoding: buffer[0..<count], as: UTF8.self)
        if let response = answer(text) {
            var octets = Array(response.utf8)
            _ = withUnsafeMutablePointer(to: &source) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor, &octets, octets.count, 0, $0, length)
                }
            }
        }
        return text
    }

    /// Sends to `target`, `127.0.0.1:port`.
    func send(_ text: String, to target: String) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = try #require(target.split(separator: ":").last.flatMap { UInt16($0) }).bigEndian
        var octets = Array(text.utf8)
        let sent = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, &octets, octets.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(sent == octets.count)
    }

    /// A response to a request: its Via, From, To, Call-ID and CSeq.
    static func response(_ line: String, to request: String) -> String {
        let repeated = request.components(separatedBy: "\r\n").filter { header in
            ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].contains { header.hasPrefix($0) }
        }
        let head = repeated.map { $0.hasPrefix("To:") && !$0.contains("tag=") ? $0 + ";tag=peer" : $0 }
        return (["SIP/2.0 \(line)"] + head + ["Content-Length: 0", "", ""]).joined(separator: "\r\n")
    }
}
