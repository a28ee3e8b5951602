import Foundation
import Synchronization

/// dnsmasq at a free port of 127.0.0.1, with records of the test's own for the domain `test` and none from elsewhere.
public final class NameServer: Sendable {
    public struct Trouble: Error, CustomStringConvertible {
        public var description: String
    }

    private static let places = ["/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq", "/usr/bin/dnsmasq"]
    public static var isInstalled: Bool { path != nil }
    private static var path: String? { places.first { access($0, X_OK) == 0 } }

    public let port: UInt16
    private let identifier: pid_t
    /// Where its words go: closed, they would end it.
    private let output: FileHandle

    /// `127.0.0.1:5353`.
    public var text: String { "127.0.0.1:\(port)" }

    /// - Parameter records: dnsmasq's options: `host-record=a.test,10.0.0.1`, `srv-host=_sip._udp.test,a.test,5060,1,2`.
    public init(_ records: [String]) throws {
        guard let path = Self.path else { throw Trouble(description: "dnsmasq is not installed") }
        var said = ""
        // Another process may take the port between its finding and its use.
        for _ in 0..<10 {
            let port = try unusedPort()
            let output = Pipe()
            let process = Process()
            process.executableURL = URL(fileURLWithPath: path)
            process.arguments =
                [
                    "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=\(port)",
                    "--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file=", "--log-facility=-",
                    "--user=\(NSUserName())", "--local=/test/",
                ] + records.map { "--" + $0 }
            process.standardInput = FileHandle.nullDevice
            process.standardError = output
            try process.run()
            said = ""
            while !said.contains("started, version") {
                let more = output.fileHandleForReading.availableData
                if more.isEmpty { break }
                said += String(decoding: more, as: UTF8.self)
            }
            guard said.contains("started, version") else {
                process.waitUntilExit()
                continue
            }
            self.port = port
            identifier = process.processIdentifier
            self.output = output.fileHandleForReading
            return
        }
        throw Trouble(description: "dnsmasq does not start: \(said)")
    }

    deinit { kill(identifier, SIGTERM) }
}

/// A port at which nobody answers though it is taken: what comes is read by nobody.
public final class SilentServer: Sendable {
    public let port: UInt16
    private let descriptor: Int32
    public var text: String { "127.0.0.1:\(port)" }

    public init() throws { (descriptor, port) = try boundSocket() }
    deinit { close(descriptor) }
}

/// A port of 127.0.0.1 that was free a moment ago.
public func unusedPort() throws -> UInt16 {
    let (descriptor, port) = try boundSocket()
    close(descriptor)
    return port
}

private func boundSocket() throws -> (Int32, UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &name) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
        }
    }
    guard status == 0 else { throw NameServer.Trouble(description: "no free port: \(String(cString: strerror(errno)))") }
    return (descriptor, UInt16(bigEndian: name.sin_port))
}
