import CCAres
import Glibc
import SIPWire

/// What became of one question.
final class Question<Value> {
    /// ARES_SUCCESS or why not; nil: still open.
    var status: Int32?
    var value: Value

    init(_ value: Value) { self.value = value }
}

/// A c-ares channel that is waited for where it stands: resolution happens before a run and blocks its thread. One thread.
final class DNSChannel {
    private let channel: ares_channel
    /// The servers that are asked, as text.
    let servers: String
    /// Some answer has come, whatever it says.
    private(set) var hasAnswered = false
    private let limit: Int64
    private let deadline: Int64

    // RFC 1035 §3.2.4, RFC 2782.
    private static let internet: Int32 = 1
    private static let services: Int32 = 33

    private static let isReady: Int32 = ares_library_init(ARES_LIB_INIT_ALL)

    /// - Parameters:
    ///   - lookups: `f` the hosts file, `b` the servers, as c-ares has it.
    ///   - servers: empty: those of the system.
    ///   - limit: nanoseconds from now for all questions together.
    init(lookups: String, servers: [TransportAddress], limit: Int64) throws(ChannelProblem) {
        guard Self.isReady == ARES_SUCCESS.rawStatus else { throw ChannelProblem(Self.isReady) }
        self.limit = limit
        deadline = monotonicNanoseconds() &+ limit
        var options = ares_options()
        // The first try has a quarter of the time, and each that follows twice as long: the limit comes before they are used up.
        options.timeout = Int32(clamping: max(limit / 4_000_000, 50))
        options.tries = 4
        // One server's error is the answer. Of several the next is asked instead, and what remains is that none would answer.
        options.flags = servers.count == 1 ? ARES_FLAG_NOCHECKRESP.rawStatus : 0
        let mask =
            ARES_OPT_FLAGS.rawStatus | ARES_OPT_TIMEOUTMS.rawStatus | ARES_OPT_TRIES.rawStatus
            | ARES_OPT_LOOKUPS.rawStatus
        var made: ares_channel?
        let status = lookups.withCString { text in
            options.lookups = UnsafeMutablePointer(mutating: text)
            return ares_init_options(&made, &options, mask)
        }
        guard status == ARES_SUCCESS.rawStatus, let made else { throw ChannelProblem(status) }
        channel = made
        if !servers.isEmpty {
            let list = servers.map(\.text).joined(separator: ",")
            let status = ares_set_servers_ports_csv(made, list)
            guard status == ARES_SUCCESS.rawStatus else {
                self.servers = list
                throw ChannelProblem(status)
            }
        }
        self.servers = Self.servers(of: made)
    }

    deinit { ares_destroy(channel) }

    private static func servers(of channel: ares_channel) -> String {
        var list: UnsafeMutablePointer<ares_addr_port_node>?
        guard ares_get_servers_ports(channel, &list) == ARES_SUCCESS.rawStatus, let list else { return "" }
        defer { ares_free_data(list) }
        var texts: [String] = []
        var cursor: UnsafeMutablePointer<ares_addr_port_node>? = list
        while var node = cursor?.pointee {
            cursor = node.next
            let port = node.udp_port == 0 ? 53 : UInt16(truncatingIfNeeded: node.udp_port)
            let isIPv6 = node.family == AF_INET6
            texts.append(
                withUnsafeBytes(of: &node.addr) { TransportAddress(octets: $0, isIPv6: isIPv6, port: port) }.text)
        }
        return texts.joined(separator: ", ")
    }

    // MARK: Questions

    /// Asks for addresses of one family.
    func askAddresses(of name: String, isIPv6: Bool) -> Question<[TransportAddress]> {
        let question = Question<[TransportAddress]>([])
        var hints = ares_addrinfo_hints()
        hints.ai_family = isIPv6 ? AF_INET6 : AF_INET
        // Without a type each address comes once for datagrams and once for streams.
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        // In the server's order: sorting by RFC 6724 would connect a socket to each.
        hints.ai_flags = ARES_AI_NOSORT.rawStatus
        ares_getaddrinfo(
            channel, name, nil, &hints,
            { argument, status, _, found in
                let question = Unmanaged<Question<[TransportAddress]>>.fromOpaque(argument!).takeRetainedValue()
                question.status = status
                var cursor = found?.pointee.nodes
                while let node = cursor?.pointee {
                    cursor = node.ai_next
                    if let name: UnsafeMutablePointer<sockaddr> = node.ai_addr,
                        let address = TransportAddress(name: name)
                    {
                        question.value.append(address)
                    }
                }
                ares_freeaddrinfo(found)
            }, Unmanaged.passRetained(question).toOpaque())
        return question
    }

    func askServices(of name: String) -> Question<[ServiceRecord]> {
        let question = Question<[ServiceRecord]>([])
        ares_query(
            channel, name, Self.internet, Self.services,
            { argument, status, _, octets, count in
                let question = Unmanaged<Question<[ServiceRecord]>>.fromOpaque(argument!).takeRetainedValue()
                question.status = status
                guard status == ARES_SUCCESS.rawStatus else { return }
                var list: UnsafeMutablePointer<ares_srv_reply>?
                question.status = ares_parse_srv_reply(octets, count, &list)
                var cursor = list
                while let record = cursor?.pointee {
                    cursor = record.next
                    question.value.append(
                        ServiceRecord(
                            priority: record.priority, weight: record.weight, port: record.port,
                            target: String(cString: record.host)))
                }
                ares_free_data(list)
            }, Unmanaged.passRetained(question).toOpaque())
        return question
    }

    /// Waits until all questions asked so far are answered, or the time is over: then they have ARES_ECANCELLED.
    func wait() {
        while true {
            var sockets = [ares_socket_t](repeating: -1, count: Int(ARES_GETSOCK_MAXNUM))
            let ready = UInt32(bitPattern: ares_getsock(channel, &sockets, ARES_GETSOCK_MAXNUM))
            var polled: [pollfd] = []
            for (number, socket) in sockets.enumerated() {
                var events: Int32 = 0
                if ready >> UInt32(number) & 1 != 0 { events |= POLLIN }
                if ready >> UInt32(number + Int(ARES_GETSOCK_MAXNUM)) & 1 != 0 { events |= POLLOUT }
                if events != 0 { polled.append(pollfd(fd: socket, events: Int16(events), revents: 0)) }
            }
            if polled.isEmpty { return }
            let left = deadline &- monotonicNanoseconds()
            guard left > 0 else {
                ares_cancel(channel)
                return
            }
            var most = timeval(tv_sec: Int(left / 1_000_000_000), tv_usec: Int(left % 1_000_000_000 / 1000))
            var next = timeval()
            let until = ares_timeout(channel, &most, &next)?.pointee ?? most
            let milliseconds = Int32(clamping: until.tv_sec * 1000 + (until.tv_usec + 999) / 1000)
            let count = poll(&polled, nfds_t(polled.count), milliseconds)
            guard count > 0 else {
                ares_process_fd(channel, -1, -1)
                continue
            }
            for one in polled where one.revents != 0 {
                if one.revents & Int16(POLLIN) != 0 { hasAnswered = true }
                let isWritable = one.revents & Int16(POLLOUT) != 0
                let isReadable = one.revents & ~Int16(POLLOUT) != 0
                ares_process_fd(channel, isReadable ? one.fd : -1, isWritable ? one.fd : -1)
            }
        }
    }
}

/// The channel could not be made.
struct ChannelProblem: Error {
    var text: String
    init(_ status: Int32) { text = String(cString: ares_strerror(status)) }
}

func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
}

// c-ares has its numbers as macros, which come to Swift as Int32 or by another integer type.
extension BinaryInteger {
    var rawStatus: Int32 { Int32(truncatingIfNeeded: self) }
}

extension TransportAddress {
    init(octets: UnsafeRawBufferPointer, isIPv6: Bool, port: UInt16) {
        self =
            isIPv6
            ? TransportAddress(
                ipv6High: UInt64(bigEndian: octets.loadUnaligned(as: UInt64.self)),
                ipv6Low: UInt64(bigEndian: octets.loadUnaligned(fromByteOffset: 8, as: UInt64.self)), port: port)
            : TransportAddress(ipv4: UInt32(bigEndian: octets.loadUnaligned(as: UInt32.self)), port: port)
    }

    /// An address of the system's; nil where it is none of IPv4 or IPv6.
    public init?(name: UnsafePointer<sockaddr>) {
        switch Int32(name.pointee.sa_family) {
        case AF_INET:
            self = UnsafeRawPointer(name).withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                TransportAddress(
                    ipv4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr), port: UInt16(bigEndian: $0.pointee.sin_port))
            }
        case AF_INET6:
            self = UnsafeRawPointer(name).withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                let octets = UnsafeRawPointer($0) + MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr)!
                return TransportAddress(
                    ipv6High: UInt64(bigEndian: octets.loadUnaligned(as: UInt64.self)),
                    ipv6Low: UInt64(bigEndian: octets.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    port: UInt16(bigEndian: $0.pointee.sin6_port))
            }
        default: return nil
        }
    }
}
