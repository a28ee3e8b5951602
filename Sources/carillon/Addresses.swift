import CarillonKit
import Glibc
import Measurement
import SIPWire

/// Where requests go, from what the user wrote.
struct Target {
    var address: TransportAddress
    /// Host and port as a URI shows them.
    var text: String
    /// User part, where a SIP URI was given: who is called.
    var user: String?

    /// `host`, `host:port`, `sip:user@host:port`. Ends the program with a message where it is none of these.
    static func parse(_ argument: String) -> Target {
        var rest = Substring(argument)
        var user: String?
        let scheme = argument.lowercased()
        if scheme.hasPrefix("sips:") {
            stop(
                .usage,
                ["\(argument): sips: needs TLS, which comes with a later release; this one speaks UDP over IPv4"])
        }
        if scheme.hasPrefix("tel:") {
            stop(
                .usage, ["\(argument): a tel: URI names no host to send to; write sip:number@host, or --to with a host"]
            )
        }
        if scheme.hasPrefix("sip:") { rest = rest.dropFirst(4) }
        if let query = rest.firstIndex(of: "?") {
            stop(.usage, ["\(argument): headers in a URI (\(rest[query...])) are not sent; --header gives them"])
        }
        if let semicolon = rest.firstIndex(of: ";") {
            for parameter in rest[semicolon...].split(separator: ";") {
                let text = parameter.lowercased()
                if text.hasPrefix("transport="), text != "transport=udp" {
                    let name = text.dropFirst(10).uppercased()
                    stop(.usage, ["\(argument): \(name) comes with a later release; this one speaks UDP over IPv4"])
                }
            }
            rest = rest[..<semicolon]
        }
        if let at = rest.lastIndex(of: "@") {
            user = String(rest[..<at])
            rest = rest[rest.index(after: at)...]
            if user!.isEmpty || !user!.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"<>\"@".utf8.contains($0) }) {
                stop(.usage, ["\(argument): \"\(user!)\" is no user of a SIP URI (RFC 3261 §25.1)"])
            }
        }
        let address = resolve(String(rest), argument: argument, defaultPort: 5060)
        return Target(address: address, text: rest.contains(":") ? String(rest) : "\(rest):5060", user: user)
    }

    /// RFC 1918, loopback and link-local.
    var isLoopbackOrPrivate: Bool {
        let ip = address.ipv4
        return ip >> 24 == 127 || ip >> 24 == 10 || ip >> 20 == 0xAC1 || ip >> 16 == 0xC0A8 || ip >> 16 == 0xA9FE
    }

    /// For the head of a run: what the name was resolved to.
    var resolution: String { text == address.text ? "" : " (\(address.text))" }
}

/// `host[:port]` to an IPv4 address; names are looked up.
func resolve(_ text: String, argument: String, defaultPort: UInt16) -> TransportAddress {
    if text.hasPrefix("[") || text.filter({ $0 == ":" }).count > 1 {
        stop(.usage, ["\(argument): IPv6 comes with a later release; this one speaks UDP over IPv4"])
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard let host = parts.first, !host.isEmpty else {
        stop(.usage, ["\"\(argument)\" names no host: write host[:port]"])
    }
    let isName = host.utf8.allSatisfy {
        $0 >= 0x30 && $0 <= 0x39 || $0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A || "-._".utf8.contains($0)
    }
    guard isName else {
        stop(.usage, ["\(argument): \"\(host)\" is no host name and no IPv4 address"])
    }
    var port = defaultPort
    if parts.count == 2 {
        guard let number = UInt16(parts[1]), number > 0 || defaultPort == 0 else {
            stop(.usage, ["\(argument): port \"\(parts[1])\" is not a number from 1 to 65535"])
        }
        port = number
    }
    var hints = addrinfo()
    hints.ai_family = AF_INET
    hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(String(host), nil, &hints, &found)
    defer { if let found { freeaddrinfo(found) } }
    guard status == 0, let address = found?.pointee.ai_addr else {
        // Digits and points alone were meant as an address.
        if host.utf8.allSatisfy({ $0 == 0x2E || $0 >= 0x30 && $0 <= 0x39 }) {
            stop(.usage, ["\(argument): \"\(host)\" is no IPv4 address: four numbers from 0 to 255 are"])
        }
        stop(
            .environment,
            ["\(argument): no IPv4 address is found for \"\(host)\": \(String(cString: gai_strerror(status)))"])
    }
    let ip = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
    }
    return TransportAddress(ipv4: ip, port: port)
}

/// The local address that packets to `target` leave from.
func localAddress(towards target: TransportAddress) -> TransportAddress {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(descriptor) }
    var remote = sockaddr_in()
    remote.sin_family = sa_family_t(AF_INET)
    remote.sin_port = in_port_t(target.port == 0 ? 5060 : target.port).bigEndian
    remote.sin_addr.s_addr = target.ipv4.bigEndian
    let connected = withUnsafePointer(to: &remote) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard descriptor >= 0, connected == 0 else {
        stop(.environment, ["no route to \(target.text): \(String(cString: strerror(errno)))"])
    }
    var local = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &local) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    return TransportAddress(ipv4: UInt32(bigEndian: local.sin_addr.s_addr), port: 0)
}

/// The IPv4 address of a network interface.
func address(ofInterface name: String) -> TransportAddress {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else {
        stop(.environment, ["cannot list the interfaces: \(String(cString: strerror(errno)))"])
    }
    defer { freeifaddrs(first) }
    var names: Set<String> = []
    var cursor = first
    while let one = cursor {
        cursor = one.pointee.ifa_next
        guard let address = one.pointee.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET) else { continue }
        let found = String(cString: one.pointee.ifa_name)
        names.insert(found)
        if found == name {
            let ip = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
            }
            return TransportAddress(ipv4: ip, port: 0)
        }
    }
    stop(
        .environment,
        ["no interface \"\(name)\" with an IPv4 address: there are \(names.sorted().joined(separator: ", "))"])
}

/// `ADDR`, `ADDR:PORT` or `ADDR:FIRST-LAST`.
struct LocalAddress {
    var address: TransportAddress
    var ports: ClosedRange<UInt16>?

    /// - Parameter defaultPort: where none is written; 0 is any port.
    static func parse(_ argument: String, option: String, defaultPort: UInt16 = 0) -> LocalAddress {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 2, let dash = parts[1].firstIndex(of: "-") {
            guard let low = UInt16(parts[1][..<dash]), let high = UInt16(parts[1][parts[1].index(after: dash)...]),
                low > 0,
                low <= high
            else { stop(.usage, ["\(option) \(argument): \"\(parts[1])\" is no range of ports; write 5060-5067"]) }
            var address = resolve(String(parts[0]), argument: "\(option) \(argument)", defaultPort: 0)
            address.port = low
            return LocalAddress(address: address, ports: low...high)
        }
        var address = resolve(argument, argument: "\(option) \(argument)", defaultPort: 0)
        if !argument.contains(":") { address.port = defaultPort }
        return LocalAddress(address: address, ports: nil)
    }
}
