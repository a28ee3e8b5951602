import Foundation

/// dnsmasq at a free port of 127.0.0.1, with records of the test's own for the domain `test` and none from elsewhere.
public final class NameServer: Sendable {
    public struct Trouble: Error, CustomStringConvertible {
        public var description: String
    }

    private static let places = ["/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq", "/usr/bin/dnsmasq"]
    public static var isInstalled: Bool { path != nil }
    private static var path: String? { places.first { access($0, X_OK) == 0 } }

    public let port: UInt16
    private let child: Child

    /// `127.0.0.1:5353`.
    public var text: String { "127.0.0.1:\(port)" }

    /// - Parameter records: dnsmasq's options: `host-record=a.test,10.0.0.1`, `srv-host=_sip._udp.test,a.test,5060,1,2`.
    public init(_ records: [String]) throws {
        guard let path = Self.path else { throw Trouble(description: "dnsmasq is not installed") }
        var said = ""
        // Another process may take the port between its finding and its use.
        for _ in 0..<10 {
            let port = try unusedPort()
            let child = try Child(
                path,
                [
                    "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=\(port)",
                    "--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file=", "--log-facility=-",
                    "--user=\(NSUserName())", "--local=/test/",
                ] + records.map { "--" + $0 })
            said = child.said(until: "started, version")
            guard said.contains("started, version") else { continue }
            self.port = port
            self.child = child
            return
        }
        throw Trouble(description: "dnsmasq does not start: \(said)")
    }
}

/// A process that is killed with its last reference. Foundation's `Process` will not do: dnsmasq closes all descriptors it did not open,
/// among them the one by whose end `Process` knows that a child has ended, and waits for it on the thread that looks after all others.
private final class Child: Sendable {
    private let identifier: pid_t
    /// What it writes to standard error. Open as long as the process: a reader that has gone would end it.
    private let output: Int32

    init(_ path: String, _ arguments: [String]) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw NameServer.Trouble(description: "no pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var child: pid_t = 0
        let status = posix_spawn(&child, path, &actions, nil, &words, environ)
        posix_spawn_file_actions_destroy(&actions)
        words.forEach { free($0) }
        close(ends[1])
        guard status == 0 else {
            close(ends[0])
            throw NameServer.Trouble(description: "cannot start \(path): \(String(cString: strerror(status)))")
        }
        (identifier, output) = (child, ends[0])
    }

    /// What it says up to these words, or all until it ends.
    func said(until words: String) -> String {
        var text = ""
        var octets = [UInt8](repeating: 0, count: 4096)
        while !text.contains(words) {
            let count = read(output, &octets, octets.count)
            guard count > 0 else { break }
            text += String(decoding: octets[..<count], as: UTF8.self)
        }
        return text
    }

    deinit {
        // What a thread of a test blocks its children have blocked: SIGTERM might never come.
        kill(identifier, SIGKILL)
        waitpid(identifier, nil, 0)
        close(output)
    }
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
    guard status == 0 else {
        throw NameServer.Trouble(description: "no free port: \(String(cString: strerror(errno)))")
    }
    return (descriptor, UInt16(bigEndian: name.sin_port))
}
