import CarillonKit
import Glibc
import Measurement
import NameResolution
import SIPWire

/// `host`, `host:port`, `192.0.2.1:5060`, `[2001:db8::1]:5060`; an IPv6 address alone may come without its brackets.
struct HostAndPort {
    /// Without brackets.
    let host: String
    let isIPv6: Bool
    /// As written, nil where none is.
    let port: Substring?

    init(_ text: String, argument: String) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else {
                stop(.usage, ["\(argument): the bracket of the IPv6 address is not closed: write [2001:db8::1]:5060"])
            }
            host = String(text[text.index(after: text.startIndex)..<end])
            isIPv6 = true
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.first == ":" else {
                stop(.usage, ["\(argument): \"\(rest)\" after the IPv6 address is no port: write [2001:db8::1]:5060"])
            }
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else if text.filter({ $0 == ":" }).count > 1 {
            host = text
            isIPv6 = true
            port = nil
        } else {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            host = String(parts[0])
            isIPv6 = false
            port = parts.count == 2 ? parts[1] : nil
        }
        if host.isEmpty { stop(.usage, ["\"\(argument)\" names no host: write host[:port]"]) }
    }

    /// As a URI shows it.
    var uriHost: String { isIPv6 ? "[\(host)]" : host }

    /// The port as written, else `otherwise`; 0 may be written where that is 0.
    func portNumber(argument: String, otherwise: UInt16) -> UInt16 {
        guard let port else { return otherwise }
        guard let number = UInt16(port), number > 0 || otherwise == 0 else {
            stop(.usage, ["\(argument): port \"\(port)\" is not a number from 1 to 65535"])
        }
        return number
    }

    /// Ends the program with a message where this is neither a name nor an address that can stand in SIP messages.
    func check(argument: String) {
        if isIPv6, host.lowercased().hasPrefix("::ffff:") {
            stop(
                .usage,
                [
                    "\(argument): an IPv4-mapped address (RFC 4291 §2.5.5.2) is no address of a packet; write the IPv4 address"
                ])
        }
        if isIPv6, host.contains("%") {
            stop(
                .usage,
                [
                    "\(argument): an address with a zone (RFC 4007) cannot stand in SIP messages;"
                        + " give one that is not link-local"
                ])
        }
        let isName = host.utf8.allSatisfy {
            $0 >= 0x30 && $0 <= 0x39 || $0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A || "-._".utf8.contains($0)
        }
        guard isIPv6 || isName else { stop(.usage, ["\(argument): \"\(host)\" is no host name and no IP address"]) }
        // Colons, or digits and points alone, were meant as an address.
        guard ServerName(host: host, port: nil, transport: .udp).numericAddress == nil else { return }
        if isIPv6 {
            stop(.usage, ["\(argument): \"\(host)\" is no IPv6 address (RFC 4291 §2.2), such as 2001:db8::1"])
        }
        if host.utf8.allSatisfy({ $0 == 0x2E || $0 >= 0x30 && $0 <= 0x39 }) {
            stop(.usage, ["\(argument): \"\(host)\" is no IPv4 address: four numbers from 0 to 255 are"])
        }
    }

    /// An address of this machine, without a port: what its own resolver says of the name.
    func resolve(argument: String) -> TransportAddress {
        check(argument: argument)
        let (found, status) = lookUp()
        guard let address = found.first(where: { !$0.isIPv6 }) ?? found.first else {
            stop(.environment, ["\(argument): no address is found for \"\(host)\": \(status)"])
        }
        if address.isIPv6LinkLocal { stopLinkLocal(address, argument: argument) }
        return address
    }

    /// - Returns: the addresses of the host, and why there are none.
    private func lookUp() -> ([TransportAddress], String) {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        if isIPv6 { hints.ai_flags = AI_NUMERICHOST }
        var first: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &first)
        defer { if let first { freeaddrinfo(first) } }
        guard status == 0 else { return ([], String(cString: gai_strerror(status))) }
        var found: [TransportAddress] = []
        var cursor = first
        while let one = cursor {
            cursor = one.pointee.ai_next
            if let name: UnsafeMutablePointer<sockaddr> = one.pointee.ai_addr,
                let address = TransportAddress(name: name)
            {
                found.append(address)
            }
        }
        return (found, "it has none")
    }
}

func stopLinkLocal(_ address: TransportAddress, argument: String) -> Never {
    stop(
        .usage,
        [
            "\(argument): \(address.hostText) is link-local, which means something only together with an interface;"
                + " give another of the host's addresses"
        ])
}

extension TransportAddress {
    /// RFC 1918, RFC 4193, loopback and link-local.
    var isLoopbackOrPrivate: Bool {
        if isIPv6 { return high == 0 && low == 1 || high >> 57 == 0x7E || isIPv6LinkLocal }
        return ipv4 >> 24 == 127 || ipv4 >> 24 == 10 || ipv4 >> 20 == 0xAC1 || ipv4 >> 16 == 0xC0A8
            || ipv4 >> 16 == 0xA9FE
    }

    /// Calls `body` with the address as the system takes it.
    func withName<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        if isIPv6 {
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &name.sin6_addr) {
                $0.storeBytes(of: high.bigEndian, as: UInt64.self)
                $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            return withUnsafePointer(to: &name) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = ipv4.bigEndian
        return withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }
}

/// The local address that packets to `target` leave from.
func localAddress(towards target: TransportAddress) -> TransportAddress {
    let descriptor = socket(target.isIPv6 ? AF_INET6 : AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(descriptor) }
    var remote = target
    if remote.port == 0 { remote.port = 5060 }
    guard descriptor >= 0, remote.withName({ connect(descriptor, $0, $1) }) == 0 else {
        stop(.environment, ["no route to \(target.text): \(String(cString: strerror(errno)))"])
    }
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let local = withUnsafeMutablePointer(to: &storage) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            getsockname(descriptor, $0, &length) == 0 ? TransportAddress(name: $0) : nil
        }
    }
    guard var local else {
        stop(.environment, ["no local address towards \(target.hostText): \(String(cString: strerror(errno)))"])
    }
    local.port = 0
    return local
}

/// The address of a network interface: of the target's family, and where there is no target IPv4 before IPv6.
func address(ofInterface name: String, towards target: TransportAddress?) -> TransportAddress {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else {
        stop(.environment, ["cannot list the interfaces: \(String(cString: strerror(errno)))"])
    }
    defer { freeifaddrs(first) }
    var names: Set<String> = []
    var own: [TransportAddress] = []
    var cursor = first
    while let one = cursor {
        cursor = one.pointee.ifa_next
        guard let given: UnsafeMutablePointer<sockaddr> = one.pointee.ifa_addr,
            let address = TransportAddress(name: given),
            !address.isIPv6LinkLocal
        else { continue }
        let found = String(cString: one.pointee.ifa_name)
        names.insert(found)
        if found == name { own.append(address) }
    }
    guard !own.isEmpty else {
        stop(
            .environment,
            ["no interface \"\(name)\" with an address: there are \(names.sorted().joined(separator: ", "))"])
    }
    let wanted = target?.isIPv6
    guard var address = own.first(where: { $0.isIPv6 == (wanted ?? false) }) ?? (wanted == nil ? own.first : nil)
    else {
        let family = wanted! ? "IPv6" : "IPv4"
        stop(.usage, ["--interface \(name) has no \(family) address, and \(target!.hostText) is one"])
    }
    address.port = 0
    return address
}

/// `ADDR`, `ADDR:PORT` or `ADDR:FIRST-LAST`, IPv6 addresses with a port in brackets.
struct LocalAddress {
    var address: TransportAddress
    var ports: ClosedRange<UInt16>?

    /// - Parameter defaultPort: where none is written; 0 is any port.
    static func parse(_ argument: String, option: String, defaultPort: UInt16 = 0) -> LocalAddress {
        let whole = "\(option) \(argument)"
        let place = HostAndPort(argument, argument: whole)
        if let port = place.port, let dash = port.firstIndex(of: "-") {
            guard let low = UInt16(port[..<dash]), let high = UInt16(port[port.index(after: dash)...]), low > 0,
                low <= high
            else { stop(.usage, ["\(whole): \"\(port)\" is no range of ports; write 5060-5067"]) }
            var address = place.resolve(argument: whole)
            address.port = low
            return LocalAddress(address: address, ports: low...high)
        }
        var address = place.resolve(argument: whole)
        address.port = place.port == nil ? defaultPort : place.portNumber(argument: whole, otherwise: 0)
        return LocalAddress(address: address, ports: nil)
    }
}
