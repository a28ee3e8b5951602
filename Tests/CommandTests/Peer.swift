import Foundation
import Synchronization
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

    /// Answers all that comes, repeated or not, on a thread of its own until it is cancelled.
    func answering(_ answer: @escaping @Sendable (String) -> String?) -> Answering {
        let answering = Answering()
        Thread.detachNewThread { [descriptor] in
            var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            while !answering.isEnded.load(ordering: .relaxed) {
                if poll(&waited, 1, 20) == 1 { _ = Self.take(from: descriptor, answer) }
            }
            answering.ended.signal()
        }
        return answering
    }

    final class Answering: Sendable {
        fileprivate let isEnded = Atomic(false)
        fileprivate let ended = DispatchSemaphore(value: 0)

        /// Returns once nobody reads the socket any more: its descriptor may be another's soon.
        func cancel() {
            isEnded.store(true, ordering: .relaxed)
            ended.wait()
        }
    }

    /// The next message, answered with what `answer` makes of it.
    func receive(answer: (String) -> String? = { _ in nil }) throws -> String {
        let taken = Self.take(from: descriptor, answer)
        return try #require(taken, "nothing came within 20 s")
    }

    private static func take(from descriptor: Int32, _ answer: (String) -> String?) -> String? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var source = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &source) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
            }
        }
        guard count > 0 else { return nil }
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

extension FileHandle {
    /// What a child says first: a pipe may bring it in parts.
    func firstLine() -> String {
        var text = ""
        while !text.contains("\n") {
            let part = availableData
            if part.isEmpty { break }
            text += String(decoding: part, as: UTF8.self)
        }
        return String(text.prefix { $0 != "\n" })
    }
}
